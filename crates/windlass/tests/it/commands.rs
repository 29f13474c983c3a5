//! Every command of the command line against a running Windlass.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::world::{TWO, World, until};

/// Fields of the record of a deployment, in their order.
const RECORD: [&str; 17] = [
    "id",
    "dialect",
    "app",
    "state",
    "outcome",
    "base",
    "target",
    "steps",
    "shares",
    "cancel",
    "time_to_safe_ms",
    "waits_for",
    "restored",
    "not_restored",
    "not_undone",
    "cleanup",
    "events",
];

fn run(world: &World, arguments: &[&str]) -> Value {
    world.server.json(arguments).expect("command")
}

fn fails(world: &World, arguments: &[&str]) -> String {
    let output = world.server.run(arguments).expect("started");
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn status_env_and_exports() {
    let world = World::new();
    let status = run(&world, &["status"]);
    assert!(status["control_pid"].is_u64(), "{status}");
    assert_eq!(status["routers"].as_array().map(Vec::len), Some(1));
    for means in ["files", "processes", "resources", "user"] {
        assert!(status["isolation"][means]["used"].is_boolean(), "{status}");
    }
    let text = world.server.run(&["status"]).expect("status");
    assert!(String::from_utf8_lossy(&text.stdout).contains("control_pid"));

    let exports = world.server.run(&["env"]).expect("env");
    let script = format!(
        "{}\nprintf '%s %s' \"$WINDLASS_USER\" \"$WINDLASS_CF_API\"",
        String::from_utf8_lossy(&exports.stdout)
    );
    let shell = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .expect("sh");
    let api = &world.platform.env["WINDLASS_CF_API"];
    assert_eq!(
        String::from_utf8_lossy(&shell.stdout),
        format!("admin {api}")
    );
    for name in [
        "WINDLASS_CF_API",
        "WINDLASS_TOKEN",
        "SSL_CERT_FILE",
        "CURL_CA_BUNDLE",
    ] {
        assert!(world.platform.env.contains_key(name), "{name}");
    }
    let bundle = std::fs::read_to_string(&world.platform.env["WINDLASS_CA_FILE"]).expect("file");
    assert!(bundle.matches("BEGIN CERTIFICATE").count() >= 1);
    world.end();
}

#[test]
fn users_organizations_spaces_and_tokens() {
    let world = World::new();
    let names = |list: &Value| -> Vec<String> {
        let rows = list.as_array().expect("list");
        let name = |row: &Value| row["name"].as_str().unwrap_or_default().to_owned();
        rows.iter().map(name).collect()
    };
    let made = run(&world, &["user", "create", "alice"]);
    assert!(made["password"].is_string(), "{made}");
    assert!(names(&run(&world, &["user", "list"])).contains(&"alice".to_owned()));
    run(&world, &["org", "create", "acme"]);
    assert!(names(&run(&world, &["org", "list"])).contains(&"acme".to_owned()));
    run(&world, &["space", "create", "dev", "--org", "acme"]);
    assert_eq!(
        names(&run(&world, &["space", "list", "--org", "acme"])),
        ["dev"]
    );
    run(
        &world,
        &[
            "user",
            "set-role",
            "alice",
            "organization-manager",
            "--org",
            "acme",
        ],
    );
    let role = [
        "user",
        "unset-role",
        "alice",
        "organization-manager",
        "--org",
        "acme",
    ];
    run(&world, &role);
    fails(
        &world,
        &[
            "user",
            "set-role",
            "alice",
            "space-developer",
            "--org",
            "acme",
        ],
    );

    let token = run(
        &world,
        &["token", "create", "ci", "--user", "alice", "--days", "1"],
    );
    let text = token["token"].as_str().expect("token");
    let api = world.platform.api.with_token(Some(text)).expect("client");
    api.get("/v3/organizations").expect("organizations");
    assert_eq!(
        names(&run(&world, &["token", "list", "--user", "alice"])),
        ["ci"]
    );
    run(
        &world,
        &["token", "delete", token["id"].as_str().expect("id")],
    );
    let answer = api
        .call(http::Method::GET, "/v3/organizations", None, &[])
        .expect("answer");
    assert_eq!(answer.status, 401, "{}", answer.text);

    let mut child = world
        .server
        .command(&["user", "create", "bob", "--password-stdin", "--admin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("started");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin
        .write_all(b"a long enough password\n")
        .expect("password");
    drop(stdin);
    assert!(child.wait().expect("ended").success());
    run(&world, &["user", "delete", "bob"]);
    run(&world, &["space", "delete", "dev", "--org", "acme"]);
    run(&world, &["org", "delete", "acme"]);
    until("the organization to be gone", || {
        !names(&run(&world, &["org", "list"])).contains(&"acme".to_owned())
    });
    let text = fails(&world, &["org", "delete", "acme"]);
    assert!(text.contains("acme"), "{text}");
    world.end();
}

#[test]
fn programs_log_in_and_a_new_key_logs_nobody_out() {
    let world = World::new();
    let made = run(&world, &["user", "create", "robot", "--client", "--admin"]);
    assert_eq!(made["is_client"], true, "{made}");
    let secret = made["password"].as_str().expect("a password");
    let form = format!("grant_type=client_credentials&client_id=robot&client_secret={secret}");
    let log_in = || {
        let api = world.platform.api.with_token(None).expect("client");
        let kind = Some("application/x-www-form-urlencoded");
        let post = http::Method::POST;
        let answer = api.send(post, "/oauth/token", form.clone().into(), kind, &[]);
        let token = answer.expect("answer").ok().expect("a token");
        let text = token["access_token"].as_str().expect("a token").to_owned();
        world.platform.api.with_token(Some(&text)).expect("client")
    };
    let before = log_in();
    before.get("/v3/organizations").expect("organizations");
    let rotated = run(&world, &["token", "rotate-key"]);
    assert_eq!(rotated["honoured_keys"], 2, "{rotated}");
    // A client never recovers from a 401: its old token must go on.
    before.get("/v3/organizations").expect("organizations");
    log_in().get("/v3/organizations").expect("organizations");
    let keys = world.platform.api.get("/token_keys").expect("keys");
    assert_eq!(keys["keys"][0]["kid"], rotated["signing_key"]);
    world.end();
}

#[test]
fn deployments_and_tasks_by_hand() {
    let world = World::new();
    let app = world.push("hello", 2);
    let droplet = world.stage(&app, TWO);
    let platform = &world.platform;
    let canary = platform.canary(&app, &droplet, &[50, 100]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    let listed = run(&world, &["deployments", "--app", "hello", "--active"]);
    assert_eq!(listed[0]["id"], json!(canary));
    assert_eq!(listed[0]["dialect"], "cloud-foundry", "{listed}");

    let go_on = [
        "deployment",
        "continue",
        &canary,
        "--reason",
        "looks good",
        "--wait",
    ];
    let record = run(&world, &go_on);
    assert_eq!(record["state"], "paused", "{record}");
    let events = record["events"].as_array().expect("events");
    let order = events.iter().find(|event| event["kind"] == "continuing");
    let order = &order.expect("who continued it")["data"];
    assert_eq!(order["reason"], "looks good", "{order}");
    assert!(
        order["by"].is_string() && order["client"].is_string(),
        "{order}"
    );
    assert_eq!(record["steps"][1]["state"], "current", "{record}");
    let cancel = [
        "deployment",
        "cancel",
        &canary,
        "--reason",
        "by hand",
        "--wait",
    ];
    let record = run(&world, &cancel);
    assert_eq!(record["outcome"], "canceled", "{record}");
    assert_eq!(record["cancel"]["reason"], "by hand");
    assert_eq!(record["cleanup"], "done");
    let fields: Vec<&str> = record
        .as_object()
        .expect("record")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(fields, RECORD);
    let shown = run(&world, &["deployment", "show", &canary]);
    assert_eq!(shown, record, "the same with and without --wait");
    let text = fails(&world, &["deployment", "cancel", &canary]);
    assert!(text.to_lowercase().contains("canceled"), "{text}");
    for id in ["no-such-deployment", "", "."] {
        let text = fails(&world, &["deployment", "show", id]);
        assert!(!text.contains("does not answer"), "{id}: {text}");
    }
    fails(
        &world,
        &["deployment", "cancel", &canary, "--accept-outage"],
    );
    let shown = world
        .server
        .run(&["deployment", "show", &canary])
        .expect("show");
    assert!(String::from_utf8_lossy(&shown.stdout).contains("by hand"));

    let task = platform
        .run_task(&app, "./hello task-ignore-term")
        .expect("task");
    let active = run(&world, &["tasks", "--app", "hello", "--active"]);
    assert_eq!(active[0]["id"], json!(task), "{active}");
    let ended = run(
        &world,
        &["task", "cancel", &task, "--reason", "enough", "--wait"],
    );
    assert_eq!(ended["reason"], "task was cancelled", "{ended}");
    assert_eq!(ended["cancel"]["reason"], "enough");
    assert_eq!(run(&world, &["tasks", "--active"]), json!([]));
    fails(&world, &["task", "cancel", &task]);

    // Orders of the command line are in the audit trail of the app like those of a client.
    let path = format!("/v3/audit_events?target_guids={}&per_page=5000", app.guid);
    let trail = platform.api.get(&path).expect("events");
    let told = |kind: &str| {
        let rows = trail["resources"].as_array().expect("list");
        let row = rows.iter().find(|row| row["type"] == kind);
        row.unwrap_or_else(|| panic!("no {kind}: {trail}"))["data"].clone()
    };
    let canceled = told("audit.app.deployment.cancel");
    assert_eq!(canceled["deployment_guid"], json!(canary), "{canceled}");
    assert_eq!(canceled["reason"], "by hand", "{canceled}");
    let continued = told("audit.app.deployment.continue");
    assert_eq!(continued["deployment_guid"], json!(canary), "{continued}");
    let ended = told("audit.app.task.cancel");
    assert_eq!(ended["task_guid"], json!(task), "{ended}");

    until("the orders in the log", || {
        let log = world.server.run(&["logs", "hello"]).expect("logs");
        let log = String::from_utf8_lossy(&log.stdout).into_owned();
        [": looks good", ": by hand", ": enough"]
            .iter()
            .all(|reason| log.lines().any(|line| line.ends_with(reason)))
    });

    let events = world
        .server
        .run(&["events", "--output", "json"])
        .expect("events");
    let events = String::from_utf8_lossy(&events.stdout).into_owned();
    assert!(
        events.lines().any(|line| line.contains(&canary)),
        "{events}"
    );
    world.end();
}

#[test]
fn logs_follow_the_app() {
    let world = World::new();
    let app = world.push("hello", 1);
    let mut follower = world
        .server
        .command(&["logs", "hello", "--follow"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let lines = BufReader::new(follower.stdout.take().expect("stdout")).lines();
    assert_eq!(world.ask(&app, "/log?n=3").0, 200);
    let found = lines
        .map_while(Result::ok)
        .find(|line| line.contains("line 3 of 3"));
    assert!(found.is_some_and(|line| line.contains("APP/PROC/WEB")));
    follower.kill().expect("kill");
    follower.wait().expect("ended");
    let text = world
        .server
        .run(&["logs", "hello", "--lines", "1000"])
        .expect("logs");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for line in ["line 1 of 3", "line 2 of 3", "line 3 of 3"] {
        assert_eq!(text.matches(line).count(), 1, "{text}");
    }
    fails(&world, &["logs", "no-such-app"]);
    world.end();
}

#[test]
fn commands_without_a_server_say_so() {
    let mut world = World::new();
    world.server.down().expect("down");
    for arguments in [&["status"][..], &["env"], &["deployments"], &["down"]] {
        let text = fails(&world, arguments);
        assert!(text.contains("windlass up"), "{arguments:?}: {text}");
    }
}
