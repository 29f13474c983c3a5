//! What a cancel puts back beside artifact and environment: commands, sizes, health checks,
//! sidecars, process types.

use serde_json::{Value, json};
use windlass::demo::platform::App;

use crate::world::{World, until};

const TARGET: &[(&str, &str)] = &[
    ("hello.conf", "VERSION=2\n"),
    ("Procfile", "web: ./hello\nextra: ./hello worker\n"),
];

/// What the API says of everything that a cancel restores, without times and guids.
fn shown(world: &World, app: &App) -> Value {
    let get = |path: String| world.platform.api.get(&path).expect("answer");
    let rows = |list: Value| list["resources"].as_array().cloned().expect("resources");
    let process = |row: &Value| {
        // A list hides commands.
        let whole = get(format!(
            "/v3/processes/{}",
            row["guid"].as_str().expect("guid")
        ));
        let fields = [
            "type",
            "command",
            "memory_in_mb",
            "disk_in_mb",
            "health_check",
            "instances",
        ];
        let pair = |field: &str| (field.to_owned(), whole[field].clone());
        fields.into_iter().map(pair).collect::<Value>()
    };
    let mut processes: Vec<Value> = rows(get(format!("/v3/apps/{}/processes", app.guid)))
        .iter()
        .map(process)
        .collect();
    processes.sort_by_key(|process| process["type"].to_string());
    let mut sidecars: Vec<Value> = rows(get(format!("/v3/apps/{}/sidecars", app.guid)))
        .iter()
        .map(|row| json!([row["name"], row["command"], row["process_types"]]))
        .collect();
    sidecars.sort_by_key(ToString::to_string);
    json!({ "processes": processes, "sidecars": sidecars })
}

/// Sets command, health check, memory and sidecar of web.
fn set(world: &World, app: &App, word: &str, check: &Value, memory: u32) {
    let api = &world.platform.api;
    let web = format!("/v3/apps/{}/processes/web", app.guid);
    let change = json!({ "command": format!("./hello web {word}"), "health_check": check });
    api.patch(&web, &change).expect("process");
    let size = json!({ "memory_in_mb": memory, "disk_in_mb": memory * 2 });
    api.post(&format!("{web}/actions/scale"), &size)
        .expect("scale");
}

fn runs(world: &World, command: &str) -> bool {
    let found = world.app_processes();
    found.iter().any(|seen| seen.command() == command)
}

#[test]
fn cancel_restores_commands_sizes_checks_sidecars_and_process_types() {
    let world = World::new();
    let platform = &world.platform;
    let app = world.push("hello", 2);
    let port = json!({ "type": "port", "data": { "timeout": 50 } });
    set(&world, &app, "base", &port, 96);
    let sidecars = format!("/v3/apps/{}/sidecars", app.guid);
    let helper =
        json!({ "name": "helper", "command": "exec sleep 1111", "process_types": ["web"] });
    let helper = platform.api.post(&sidecars, &helper).expect("sidecar");
    let restart = format!("/v3/apps/{}/actions/restart", app.guid);
    platform.api.post(&restart, &Value::Null).expect("restart");
    platform.wait_running(&app).expect("running");
    until("the sidecar", || runs(&world, "sleep 1111"));
    let before = shown(&world, &app);

    let http = json!({ "type": "http", "data": { "endpoint": "/", "timeout": 40 } });
    set(&world, &app, "target", &http, 128);
    let own = format!("/v3/sidecars/{}", helper["guid"].as_str().expect("guid"));
    let other = json!({ "command": "exec sleep 2222" });
    platform.api.patch(&own, &other).expect("sidecar");
    let second =
        json!({ "name": "second", "command": "exec sleep 3333", "process_types": ["web"] });
    platform.api.post(&sidecars, &second).expect("sidecar");
    let droplet = world.stage(&app, TARGET);
    let canary = platform.canary(&app, &droplet, &[50]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    until("both versions of the sidecars", || {
        ["sleep 1111", "sleep 2222", "sleep 3333"]
            .iter()
            .all(|command| runs(&world, command))
    });
    let meanwhile = shown(&world, &app);
    assert_ne!(meanwhile["processes"], before["processes"]);
    assert_ne!(meanwhile["sidecars"], before["sidecars"]);

    platform
        .cancel(&canary, "all of it")
        .expect("answer")
        .ok()
        .expect("canceled");
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    assert_eq!(shown(&world, &app), before);
    let record = world.record(&canary);
    assert_eq!(record["not_restored"], json!([]), "{record}");
    until("the cleanup", || world.record(&canary)["cleanup"] == "done");
    platform.wait_running(&app).expect("running");
    assert!(runs(&world, "sleep 1111"), "the sidecar of the base");
    for command in ["sleep 2222", "sleep 3333"] {
        assert!(!runs(&world, command), "{command} of the target");
    }
    assert_eq!(world.ask(&app, "/").1, "1");
    world.end();
}

#[test]
fn cancel_does_not_wait_for_a_base_that_never_was_healthy() {
    let world = World::new();
    let platform = &world.platform;
    let app = platform.create_app("hello").expect("app");
    let deaf = world.stage(&app, &[("hello.conf", "VERSION=1\nHEALTH=deaf\n")]);
    platform.set_droplet(&app, &deaf).expect("droplet");
    platform.scale(&app, 2).expect("scale");
    let start = format!("/v3/apps/{}/actions/start", app.guid);
    platform.api.post(&start, &Value::Null).expect("start");
    until("the deaf version", || !world.app_processes().is_empty());
    let good = world.stage(&app, crate::world::TWO);
    let canary = platform.canary(&app, &good, &[50]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    assert_eq!(world.ask(&app, "/").1, "2");
    platform
        .cancel(&canary, "back")
        .expect("answer")
        .ok()
        .expect("canceled");
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    let record = world.record(&canary);
    assert_eq!(record["base"]["note"], "base: was not healthy", "{record}");
    world.end();
}
