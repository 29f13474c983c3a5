//! Environment variables: kinds, targets, conflicts, values that are never shown.

use serde_json::{Value, json};

use crate::world::World;

async fn world() -> World {
    let world = World::start().await;
    let made = world.post("/v1/projects", &json!({"name": "demo"})).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    world
}

const ENV: &str = "/v10/projects/demo/env";

fn variable(key: &str, value: &str, kind: &str, target: &[&str]) -> Value {
    json!({"key": key, "value": value, "type": kind, "target": target})
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_shown_as_far_as_their_kind_allows() {
    let world = world().await;
    let both = ["production", "preview"];
    for (key, kind) in [("P", "plain"), ("E", "encrypted"), ("S", "sensitive")] {
        let made = world.post(ENV, &variable(key, "v", kind, &both)).await;
        assert_eq!(made.status, 201, "{:?}", made.body);
        assert_eq!(made.body["failed"], json!([]));
        assert_eq!(made.body["created"]["type"], kind);
    }
    let value = |list: &Value, key: &str| {
        let envs = list["envs"].as_array().expect("a list").clone();
        let found = envs.into_iter().find(|env| env["key"] == key);
        found.expect("the variable")["value"].clone()
    };
    let plain = world.get(ENV).await.body;
    assert_eq!(
        [value(&plain, "P"), value(&plain, "E"), value(&plain, "S")],
        ["v", "", ""]
    );
    let open = world.get(&format!("{ENV}?decrypt=true")).await.body;
    assert_eq!(
        [value(&open, "P"), value(&open, "E"), value(&open, "S")],
        ["v", "v", ""]
    );
    let pulled = world
        .get("/v3/env/pull/demo/preview?source=vercel-cli:pull")
        .await
        .body;
    assert_eq!(pulled["env"], json!({"P": "v", "E": "v"}));
    let pulled = world.get("/v3/env/pull/demo/development").await.body;
    assert_eq!(pulled, json!({"env": {}, "buildEnv": {}}));
    // Nothing of the database holds a value in plain.
    let record = world.control.list_apps_blocking(
        &windlass_control::identity::Visibility::All,
        windlass_control::listing::ListQuery::filtered(Vec::new()),
    );
    let record = record.expect("readable").rows;
    assert!(!record[0].document.to_string().contains("\"v\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_name_has_one_value_in_each_environment() {
    let world = world().await;
    world
        .post(
            ENV,
            &variable("A", "1", "encrypted", &["production", "preview"]),
        )
        .await;
    let refused = world
        .post(ENV, &variable("A", "2", "encrypted", &["preview"]))
        .await;
    assert_eq!(refused.error().0, 400);
    assert_eq!(refused.error().1, "ENV_CONFLICT");
    let path = format!("{ENV}?upsert=true");
    let put = world
        .post(&path, &variable("A", "2", "plain", &["preview"]))
        .await;
    assert_eq!(put.status, 201, "{:?}", put.body);
    let preview = world.get("/env/pull/demo/preview").await.body;
    assert_eq!(preview["env"]["A"], "2");

    let many = json!([
        variable("B", "1", "plain", &["development"]),
        variable("B", "2", "plain", &["development"]),
    ]);
    let made = world.post(ENV, &many).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["created"].as_array().map(Vec::len), Some(1));
    assert_eq!(made.body["failed"][0]["error"]["code"], "ENV_CONFLICT");
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_have_values_of_their_own() {
    let world = world().await;
    world
        .post(ENV, &variable("A", "all", "plain", &["preview"]))
        .await;
    let mut own = variable("A", "own", "plain", &["preview"]);
    own["gitBranch"] = "feature".into();
    assert_eq!(world.post(ENV, &own).await.status, 201);
    let pull = |branch: &str| format!("/v3/env/pull/demo/preview?gitBranch={branch}");
    assert_eq!(world.get(&pull("feature")).await.body["env"]["A"], "own");
    assert_eq!(world.get(&pull("other")).await.body["env"]["A"], "all");
    own["target"] = json!(["production"]);
    assert_eq!(world.post(ENV, &own).await.error().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_changed_and_deleted() {
    let world = world().await;
    let made = world
        .post(ENV, &variable("A", "1", "plain", &["production"]))
        .await;
    let id = made.body["created"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/v9/projects/demo/env/{id}");
    let changed = world
        .patch(&path, &json!({"value": "2", "target": ["preview"]}))
        .await;
    assert_eq!(changed.status, 200, "{:?}", changed.body);
    let shown = world.get(&path).await.body;
    assert_eq!(
        (&shown["value"], &shown["target"]),
        (&json!("2"), &json!(["preview"]))
    );

    world
        .post(ENV, &variable("B", "1", "sensitive", &["preview"]))
        .await;
    let conflict = world.patch(&path, &json!({"key": "B"})).await;
    assert_eq!(conflict.error().1, "ENV_CONFLICT");
    assert_eq!(world.get(&path).await.body["key"], "A");

    assert_eq!(world.delete(&path).await.status, 200);
    assert_eq!(world.get(&path).await.error().0, 404);
    assert_eq!(world.delete(&path).await.error().0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_is_refused() {
    let world = world().await;
    let long = "x".repeat(65 * 1024);
    for bad in [
        variable("1A", "v", "plain", &["preview"]),
        variable("A-B", "v", "plain", &["preview"]),
        variable("", "v", "plain", &["preview"]),
        variable("A", "v", "plain", &[]),
        variable("A", "v", "plain", &["staging"]),
        variable("A", "v", "magic", &["preview"]),
        variable("A", "v", "sensitive", &["development"]),
        variable("A", &long, "plain", &["preview"]),
        json!({"key": "A", "value": 1, "type": "plain", "target": ["preview"]}),
        json!([1]),
        json!([]),
    ] {
        let refused = world.post(ENV, &bad).await;
        if bad == json!([]) {
            assert_eq!(refused.body, json!({"created": [], "failed": []}));
            continue;
        }
        assert_eq!(refused.error().0, 400, "{bad}");
    }
    assert_eq!(world.get(ENV).await.body["envs"], json!([]));
}
