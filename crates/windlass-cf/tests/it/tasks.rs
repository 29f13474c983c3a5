//! Tasks over the wire.

use serde_json::{Value, json};

use crate::world::World;

async fn shop() -> (World, String, String) {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, droplet) = world.running_app("admin", &space, "shop", 1).await;
    (world, app, droplet)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_runs_and_ends() {
    let (world, app, droplet) = shop().await;
    let path = format!("/v3/apps/{app}/tasks");
    let body = json!({"command": "rake db:migrate", "name": "migrate", "memory_in_mb": 64});
    let made = world.post("admin", &path, &body).await;
    assert_eq!(made.status, 202, "{:?}", made.body);
    let task = &made.body;
    assert_eq!(
        (&task["sequence_id"], &task["state"]),
        (&json!(1), &json!("RUNNING"))
    );
    assert_eq!(
        (&task["memory_in_mb"], &task["disk_in_mb"]),
        (&json!(64), &json!(1024))
    );
    assert_eq!(
        (&task["user"], &task["droplet_guid"]),
        (&json!("vcap"), &json!(droplet))
    );
    let guid = made.guid();
    world.driver.exit(&format!("t.{guid}"), 0);
    let shown = format!("/v3/tasks/{guid}");
    let done = world
        .until("admin", &shown, "it ends", |it| it["state"] == "SUCCEEDED")
        .await;
    assert_eq!(done["result"], json!({"failure_reason": null}));
    let refused = world
        .post("admin", &format!("{shown}/actions/cancel"), &json!({}))
        .await;
    assert_eq!(
        refused.error(),
        (
            422,
            10008,
            "Task state is SUCCEEDED and therefore cannot be canceled"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_forms_of_cancel_end_failed_whatever_the_exit() {
    let (world, app, _) = shop().await;
    let path = format!("/v3/apps/{app}/tasks");
    for (method, form) in [("PUT", "cancel"), ("POST", "actions/cancel")] {
        let guid = world
            .post("admin", &path, &json!({"command": "sleep 9"}))
            .await
            .guid();
        let request = axum::http::Request::builder()
            .method(method)
            .uri(format!("/v3/tasks/{guid}/{form}"))
            .header("authorization", format!("bearer {}", world.token("admin")))
            .body(axum::body::Body::empty())
            .expect("a request");
        let canceled = world.send(request).await;
        assert_eq!(canceled.status, 202, "{method} {form}: {:?}", canceled.body);
        assert_eq!(canceled.body["state"], "CANCELING");
        let shown = format!("/v3/tasks/{guid}");
        let done = world
            .until("admin", &shown, "it ends", |it| it["state"] == "FAILED")
            .await;
        assert_eq!(done["result"]["failure_reason"], "task was cancelled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_numbered_found_and_listed() {
    let (world, app, _) = shop().await;
    let path = format!("/v3/apps/{app}/tasks");
    for name in ["one", "Two"] {
        world
            .post("admin", &path, &json!({"command": "true", "name": name}))
            .await;
    }
    let by_number = world
        .get("admin", &format!("{path}?page=1&per_page=1&sequence_ids=2"))
        .await;
    assert_eq!(by_number.column("name"), ["Two"]);
    assert_eq!(by_number.body["resources"][0]["command"], "true");
    let by_name = world.get("admin", "/v3/tasks?names=two").await;
    assert_eq!(by_name.column("name"), ["Two"]);
    let none = world.get("admin", &format!("{path}?sequence_ids=9")).await;
    assert_eq!(none.body["resources"], json!([]));
    let wrong = world.get("admin", "/v3/tasks?sequence_ids=1").await;
    assert_eq!(wrong.status, 400);
    let wrong = world.get("admin", &format!("{path}?app_guids=x")).await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_a_process_of_the_same_app() {
    let (world, app, droplet) = shop().await;
    let path = format!("/v3/apps/{app}/tasks");
    let template = |guid: &str| json!({"template": {"process": {"guid": guid}}});
    let made = world.post("admin", &path, &template(&app)).await;
    assert_eq!(made.status, 202, "{:?}", made.body);
    assert_eq!(made.body["command"], "./serve");
    let (_, space) = world.tenant("two").await;
    let other = world.app("admin", &space, "other").await;
    let foreign = world.post("admin", &path, &template(&other)).await;
    assert_eq!(foreign.error().0, 404);
    assert_eq!(foreign.error().1, 350_003);
    let without = world
        .post(
            "admin",
            &format!("/v3/apps/{other}/tasks"),
            &json!({"command": "true"}),
        )
        .await;
    assert_eq!(
        without.error().2,
        "Task must have a droplet. Specify droplet or assign current droplet to app."
    );
    let body = json!({"command": "true", "droplet_guid": droplet});
    let not_its_own = world
        .post("admin", &format!("/v3/apps/{other}/tasks"), &body)
        .await;
    assert_eq!(not_its_own.error(), (404, 10010, "Droplet not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_keeps_tasks_off_but_not_for_admins() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    world
        .member("dev", &org, &space, &["space_developer"])
        .await;
    let (app, _) = world.running_app("admin", &space, "shop", 1).await;
    let flag = "/v3/feature_flags/task_creation";
    world.patch("admin", flag, &json!({"enabled": false})).await;
    let path = format!("/v3/apps/{app}/tasks");
    let body = json!({"command": "true"});
    let refused = world.post("dev", &path, &body).await;
    assert_eq!(
        refused.error(),
        (403, 330_002, "Feature Disabled: task_creation")
    );
    assert_eq!(world.post("admin", &path, &body).await.status, 202);
    let shown: Value = world.get("dev", &path).await.body;
    assert_eq!(shown["pagination"]["total_results"], 1);
}
