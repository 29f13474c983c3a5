//! An app as the wire has it.

use serde_json::{Value, json};
use windlass_engine::app::{AppState, RunState};
use windlass_engine::id::ArtifactId;
use windlass_engine::records::AppRecord;

use super::document::Document;
use crate::links::Urls;
use crate::metadata;
use crate::time::rfc3339;

/// The word of `state`.
fn state_word(run: RunState) -> &'static str {
    match run {
        RunState::Started => "STARTED",
        RunState::Stopped | RunState::Deleted => "STOPPED",
    }
}

/// The whole object.
pub(crate) fn app(urls: &Urls, app: &AppRecord, state: &AppState) -> Value {
    let own = format!("/v3/apps/{}", app.id);
    let below = |path: &str| urls.href(&format!("{own}/{path}"));
    let action = |name: &str| urls.action(&format!("{own}/actions/{name}"), "POST");
    json!({
        "guid": app.id,
        "created_at": rfc3339(app.stamps.created_at),
        "updated_at": rfc3339(app.stamps.updated_at),
        "name": app.name,
        "state": state_word(state.run),
        "lifecycle": Document::of(app).lifecycle.to_wire(),
        "relationships": {
            "space": {"data": {"guid": app.space}},
            "current_droplet": {"data": {"guid": state.configuration.artifact}},
        },
        "metadata": metadata::to_wire(&app.metadata),
        "links": {
            "self": urls.href(&own),
            "environment_variables": below("environment_variables"),
            "space": urls.href(&format!("/v3/spaces/{}", app.space)),
            "processes": below("processes"),
            "packages": below("packages"),
            "current_droplet": below("droplets/current"),
            "droplets": below("droplets"),
            "tasks": below("tasks"),
            "start": action("start"),
            "stop": action("stop"),
            "clear_buildpack_cache": action("clear_buildpack_cache"),
            "revisions": below("revisions"),
            "deployed_revisions": below("revisions/deployed"),
            "features": below("features"),
        },
    })
}

/// `relationships/current_droplet`.
pub(crate) fn current_droplet(urls: &Urls, app: &AppRecord, droplet: &ArtifactId) -> Value {
    let own = format!("/v3/apps/{}", app.id);
    json!({
        "data": {"guid": droplet},
        "links": {
            "self": urls.href(&format!("{own}/relationships/current_droplet")),
            "related": urls.href(&format!("{own}/droplets/current")),
        },
    })
}
