//! DigitalOcean App Platform: one of each thing, and what a refusal looks like.

use std::collections::BTreeMap;

use axum::Router;
use serde_json::{Value, json};
use windlass_control::{Control, testing};
use windlass_digitalocean::server::{DoState, Settings, router as dialect};
use windlass_engine::id::AppId;

use super::{REQUESTS_PER_HOUR, World};

pub(super) fn router(control: &Control) -> Router {
    let settings = Settings {
        api_origin: "https://api.windlass.test".to_owned(),
        router_origin: "https://127.0.0.1:8444".to_owned(),
        requests_per_hour: REQUESTS_PER_HOUR,
    };
    dialect(DoState::new(control.clone(), &settings))
}

/// The name of what stands for a parameter behind a fixed part, or a word.
pub(super) fn subject(before: &str) -> &'static str {
    match before {
        "apps" => "app",
        "deployments" => "deployment",
        "components" => "web",
        "webhooks" => "github",
        "tiers" => "basic",
        "instance_sizes" => "basic-xxs",
        _ => "none",
    }
}

pub(super) fn subjects(world: &mut World) -> BTreeMap<&'static str, String> {
    let spec = json!({"name": "shop", "region": "ams", "services": [{
        "name": "web", "github": {"repo": "acme/shop", "branch": "main"},
        "run_command": "bin/shop", "environment_slug": "go", "instance_count": 2,
        "instance_size_slug": "apps-s-1vcpu-0.5gb", "routes": [{"path": "/"}],
    }]});
    let made = world.json("POST", "/v2/apps", &json!({"spec": spec}));
    let app = made.at("/app/id");
    let deployment = made.at("/app/pending_deployment/id");
    let state = world.control.state(&AppId::from(app.as_str()));
    let builds = state.expect("readable").expect("an app").builds;
    for build in builds.iter().filter(|build| !build.is_finished()) {
        let ended = testing::end_build(&world.control, &build.id, true);
        world.runtime.block_on(ended).expect("the build ends");
    }
    BTreeMap::from([("app", app), ("deployment", deployment)])
}

/// Whether a document is a refusal of this API.
pub(super) fn is_refusal(document: &Value) -> bool {
    ["id", "message", "request_id"]
        .iter()
        .all(|name| document[name].as_str().is_some_and(|text| !text.is_empty()))
}
