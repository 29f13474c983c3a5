//! Vercel: one of each thing, and what a refusal looks like.

use std::collections::BTreeMap;

use axum::Router;
use serde_json::{Value, json};
use windlass_control::{Control, testing};
use windlass_engine::id::BuildId;
use windlass_vercel::server::{Settings, VercelState, router as dialect};

use super::{REQUESTS_PER_HOUR, World};

pub(super) fn router(control: &Control) -> Router {
    let settings = Settings {
        requests_per_hour: REQUESTS_PER_HOUR,
    };
    dialect(VercelState::new(control.clone(), &settings))
}

/// The name of what stands for a parameter behind a fixed part, or a word.
pub(super) fn subject(before: &str) -> &'static str {
    match before {
        "teams" => "team",
        "projects" | "pull" => "project",
        "deployments" | "promote" | "rollback" => "deployment",
        "env" => "variable",
        "checks" | "check-runs" => "check",
        "domains" | "aliases" => "shop.example.com",
        _ => "none",
    }
}

pub(super) fn subjects(world: &mut World) -> BTreeMap<&'static str, String> {
    let team = world.get("/v2/teams").at("/teams/0/id");
    let body = json!({
        "name": "shop", "source": "cli", "version": 2, "target": "production",
        "files": [{"file": "index.html", "data": "<p>hello</p>", "encoding": "utf-8"}],
        "projectSettings": {"framework": null},
    });
    let path = "/v13/deployments?skipAutoDetectionConfirmation=1";
    let made = world.json("POST", path, &body);
    let deployment = made.at("/id");
    let project = world.get("/v9/projects/shop").at("/id");
    let variable = json!({"key": "A", "value": "1", "type": "plain", "target": ["production"]});
    let path = format!("/v10/projects/{project}/env");
    let variable = world.json("POST", &path, &variable).at("/created/id");
    let check = json!({"name": "speed", "blocking": false, "path": "/"});
    let path = format!("/v1/deployments/{deployment}/checks");
    let check = world.json("POST", &path, &check).at("/id");
    let build = BuildId::from(deployment.as_str());
    let ended = testing::end_build(&world.control, &build, true);
    world.runtime.block_on(ended).expect("the build ends");
    BTreeMap::from([
        ("team", team),
        ("project", project),
        ("deployment", deployment),
        ("variable", variable),
        ("check", check),
    ])
}

/// Whether a document is a refusal of this API.
pub(super) fn is_refusal(document: &Value) -> bool {
    ["code", "message"].iter().all(|name| {
        let text = document["error"][name].as_str();
        text.is_some_and(|text| !text.is_empty())
    })
}
