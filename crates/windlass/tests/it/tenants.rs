//! Two tenants on one Windlass: what is the other's does not exist.

use http::Method;
use serde_json::{Value, json};
use windlass::demo::platform::Platform;

use crate::world::{TWO, World, archive};

fn second_tenant(world: &World) -> Platform {
    let run = |arguments: &[&str]| world.server.json(arguments).expect("command");
    run(&["org", "create", "acme"]);
    run(&["space", "create", "prod", "--org", "acme"]);
    run(&["user", "create", "alice"]);
    run(&[
        "user",
        "set-role",
        "alice",
        "organization-user",
        "--org",
        "acme",
    ]);
    let role = [
        "user",
        "set-role",
        "alice",
        "space-developer",
        "--org",
        "acme",
    ];
    run(&[role.as_slice(), &["--space", "prod"]].concat());
    Platform::of(&world.server, Some("alice")).expect("platform")
}

#[test]
fn a_second_tenant_is_two_commands() {
    let world = World::new();
    let run = |arguments: &[&str]| world.server.json(arguments).expect("command");
    let made = run(&["org", "create", "acme", "--space", "prod"]);
    assert_eq!(made["space"], "prod", "{made}");
    let alice = [
        "user", "create", "alice", "--org", "acme", "--space", "prod",
    ];
    let made = run(&alice);
    assert!(made["password"].is_string(), "{made}");
    let platform = Platform::of(&world.server, Some("alice")).expect("platform");
    assert_eq!(platform.env["WINDLASS_ORGANIZATION"], "acme");
    assert_eq!(platform.env["WINDLASS_SPACE"], "prod");
    let app = platform.push("theirs", &archive(TWO), 1).expect("push");
    assert_eq!(world.ask(&app, "/").1, "2");
    // A place that is not there makes no user.
    let nowhere = ["user", "create", "bob", "--org", "acme", "--space", "dev"];
    assert!(!world.server.run(&nowhere).expect("run").status.success());
    let users = run(&["user", "list"]).to_string();
    assert!(users.contains("alice") && !users.contains("bob"), "{users}");
    world.end();
}

#[test]
fn a_tenant_sees_nothing_of_another() {
    let world = World::new();
    let ours = &world.platform;
    let app = world.push("hello", 1);
    let droplet = world.stage(&app, TWO);
    let package = ours.upload(&app, &archive(TWO)).expect("package");
    let build = ours.build(&package).expect("build");
    ours.droplet_of(&build).expect("droplet");
    let canary = ours.canary(&app, &droplet, &[50]).expect("canary");
    ours.wait_paused(&canary, 1).expect("paused");
    let task = ours.run_task(&app, "sleep 600").expect("task");
    let guid = |path: String| {
        let found = ours.api.get(&path).expect("list");
        found["resources"][0]["guid"]
            .as_str()
            .expect("guid")
            .to_owned()
    };
    let process = guid(format!("/v3/apps/{}/processes", app.guid));
    let revision = guid(format!("/v3/apps/{}/revisions", app.guid));
    let route = guid(format!("/v3/apps/{}/routes", app.guid));
    let event = guid(format!("/v3/audit_events?target_guids={}", app.guid));

    let alice = second_tenant(&world);
    let foreign = [
        format!("/v3/apps/{}", app.guid),
        format!("/v3/apps/{}/env", app.guid),
        format!("/v3/apps/{}/droplets", app.guid),
        format!("/v3/apps/{}/processes/web/stats", app.guid),
        format!("/v3/apps/{}/tasks", app.guid),
        format!("/v3/deployments/{canary}"),
        format!("/v3/tasks/{task}"),
        format!("/v3/droplets/{droplet}"),
        format!("/v3/packages/{package}"),
        format!("/v3/packages/{package}/download"),
        format!("/v3/builds/{build}"),
        format!("/v3/processes/{process}"),
        format!("/v3/revisions/{revision}"),
        format!("/v3/routes/{route}"),
        format!("/v3/spaces/{}", ours.space),
        format!("/v3/audit_events/{event}"),
        format!("/api/v1/read/{}", app.guid),
    ];
    for path in &foreign {
        assert_ne!(
            ours.api
                .call(Method::GET, path, None, &[])
                .expect("answer")
                .status,
            404
        );
        let answer = alice
            .api
            .call(Method::GET, path, None, &[])
            .expect("answer");
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
    }
    let verbs = [
        format!("/v3/deployments/{canary}/actions/cancel"),
        format!("/v3/deployments/{canary}/actions/continue"),
        format!("/v3/tasks/{task}/actions/cancel"),
        format!("/v3/apps/{}/actions/stop", app.guid),
        format!("/v3/apps/{}/actions/restart", app.guid),
    ];
    for path in &verbs {
        let answer = alice
            .api
            .call(Method::POST, path, None, &[])
            .expect("answer");
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
    }
    let path = format!("/v3/apps/{}", app.guid);
    let answer = alice
        .api
        .call(Method::DELETE, &path, None, &[])
        .expect("answer");
    assert_eq!(answer.status, 404, "{}", answer.text);
    for list in [
        "apps",
        "deployments",
        "tasks",
        "droplets",
        "packages",
        "builds",
        "processes",
        "routes",
    ] {
        let rows = alice.api.get(&format!("/v3/{list}")).expect("list");
        assert_eq!(rows["resources"], json!([]), "{list}");
    }
    let spaces = alice.api.get("/v3/spaces").expect("list");
    assert_eq!(spaces["pagination"]["total_results"], 1);

    // Nothing of ours has moved, and a name of ours is free for the other.
    let still = ours.deployment(&canary).expect("deployment");
    assert_eq!(still["status"]["reason"], "PAUSED");
    assert_eq!(ours.task(&task).expect("task")["state"], "RUNNING");
    let named_alike = json!({
        "name": "hello",
        "relationships": { "space": { "data": { "guid": alice.space } } },
    });
    alice.api.post("/v3/apps", &named_alike).expect("app");
    let own = alice.push("of-alice", &archive(&[]), 1).expect("push");
    assert_eq!(world.ask(&own, "/").0, 200);
    // A host of ours is not.
    let taken = json!({ "host": "hello", "relationships": {
        "space": { "data": { "guid": alice.space } },
        "domain": { "data": { "guid": alice.domain } },
    } });
    let answer = alice
        .api
        .call(Method::POST, "/v3/routes", Some(&taken), &[])
        .expect("answer");
    assert_eq!(answer.status, 422, "{}", answer.text);
    world.end();
}

#[test]
fn a_quota_of_an_organization_holds() {
    let world = World::new();
    let app = world.push("hello", 1);
    let set = [
        "org",
        "set-quota",
        "main",
        "--instances",
        "2",
        "--memory",
        "128",
    ];
    world.server.json(&set).expect("quota");
    let path = format!("/v3/apps/{}/processes/web/actions/scale", app.guid);
    let scale = |instances: u32| {
        let body = json!({ "instances": instances });
        let api = &world.platform.api;
        api.call(Method::POST, &path, Some(&body), &[])
            .expect("answer")
    };
    assert_eq!(scale(2).status, 202);
    let refused = scale(3);
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(
        refused.body["errors"][0]["detail"].is_string(),
        "{}",
        refused.text
    );
    let unlimited = [
        "org",
        "set-quota",
        "main",
        "--instances",
        "unlimited",
        "--memory",
    ];
    world
        .server
        .json(&[unlimited.as_slice(), &["unlimited"]].concat())
        .expect("quota");
    assert_eq!(scale(3).status, 202);
    world.platform.wait_running(&app).expect("running");
    world.end();
}

#[test]
fn without_a_token_or_with_a_wrong_one_there_is_nothing() {
    let world = World::new();
    for token in [None, Some("wrong")] {
        let api = world.platform.api.with_token(token).expect("client");
        for path in ["/v3/apps", "/v3/deployments", "/v3/tasks"] {
            let answer = api.call(Method::GET, path, None, &[]).expect("answer");
            assert_eq!(answer.status, 401, "{path}: {}", answer.text);
        }
    }
    let grant = |form: String| {
        let api = world.platform.api.with_token(None).expect("client");
        let kind = Some("application/x-www-form-urlencoded");
        // The user name of the public client, without a password: "cf:".
        let client = [("authorization", "Basic Y2Y6")];
        api.send(Method::POST, "/oauth/token", form.into(), kind, &client)
            .expect("answer")
    };
    let wrong = grant("grant_type=password&username=admin&password=wrong".to_owned());
    assert_eq!(wrong.status, 401, "{}", wrong.text);
    let password = &world.platform.env["WINDLASS_PASSWORD"];
    let right = grant(format!(
        "grant_type=password&username=admin&password={password}"
    ));
    assert_eq!(right.status, 200, "{}", right.text);
    let field = |answer: &Value, name: &str| answer[name].as_str().expect("token").to_owned();
    let refresh = field(&right.body, "refresh_token");
    let again = grant(format!("grant_type=refresh_token&refresh_token={refresh}"));
    assert_eq!(again.status, 200, "{}", again.text);
    for token in [
        field(&right.body, "access_token"),
        field(&again.body, "access_token"),
    ] {
        let api = world.platform.api.with_token(Some(&token)).expect("client");
        api.get("/v3/apps").expect("apps");
    }
    world.end();
}
