//! `/v3/buildpacks`: the built-in ones, for reading.

use axum::extract::{RawQuery, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_engine::records::Stamps;

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::links::Urls;
use crate::page::{self, Page};
use crate::path::Guid;
use crate::query::{ListQuery, ListSpec};
use crate::server::CfState;
use crate::{stacks, time};

/// The built-in buildpacks in the order of detection: names that clients know, and guids that are the
/// same in every installation.
const BUILT_IN: [(&str, &str); 5] = [
    (
        "staticfile_buildpack",
        "5c1f0a52-6b0e-4d53-9a57-3f1f3f6f1e11",
    ),
    ("nodejs_buildpack", "0d5b7c1e-9f0c-4c39-8a2d-6c2f4f0f5b22"),
    ("go_buildpack", "8e2a4b7d-1c3f-4e68-b1d9-7a9c5d2e3c33"),
    ("python_buildpack", "b7f3d9c4-2e5a-4f71-8c6b-1d4e8f9a0d44"),
    ("binary_buildpack", "2c3a1f3a-4a53-4c67-8d5a-0f6a2b7e9c02"),
];
/// What they call themselves in the log of a build.
const OWN_NAMES: [&str; 5] = ["staticfile", "node", "go", "python", "binary"];
const LIST: ListSpec = ListSpec {
    filters: &["names", "stacks", "lifecycle"],
    order: &["position"],
    includes: &[],
    labels: true,
};

/// What was used for a droplet, by the names that clients know.
pub(crate) fn used(buildpacks: &[Value]) -> Vec<Value> {
    let named = |used: &Value| {
        let own = OWN_NAMES.iter().position(|own| used["name"] == *own);
        let mut used = used.clone();
        if let Some(index) = own {
            used["name"] = BUILT_IN[index].0.into();
        }
        used
    };
    buildpacks.iter().map(named).collect()
}

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/buildpacks", get(list).post(built_in_only))
        .route(
            "/v3/buildpacks/{guid}",
            get(show).patch(unchangeable).delete(unchangeable),
        )
        .route("/v3/buildpacks/{guid}/upload", post(built_in_only))
}

fn to_wire(urls: &Urls, index: usize) -> Value {
    let (name, guid) = BUILT_IN[index];
    let path = format!("/v3/buildpacks/{guid}");
    json!({
        "guid": guid,
        "created_at": time::rfc3339(Stamps::default().created_at),
        "updated_at": time::rfc3339(Stamps::default().updated_at),
        "name": name,
        "stack": stacks::NAME,
        "lifecycle": "buildpack",
        "state": "READY",
        "filename": null,
        "position": index + 1,
        "enabled": true,
        "locked": true,
        "metadata": { "labels": {}, "annotations": {} },
        "links": {
            "self": urls.href(&path),
            "upload": urls.action(&format!("{path}/upload"), "POST"),
        },
    })
}

async fn list(
    State(cf): State<CfState>,
    _caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let shown = |(name, guid): (&str, &str)| {
        query.accepts_row(guid, Stamps::default(), None)
            && query.accepts("names", name)
            && query.accepts("stacks", stacks::NAME)
            && query.accepts("lifecycle", "buildpack")
    };
    let rows = (0..BUILT_IN.len()).filter(|index| shown(BUILT_IN[*index]));
    let rows = rows.map(|index| to_wire(cf.urls(), index)).collect();
    let part = Page::cut(rows, &query);
    Ok(Json(page::list(
        cf.urls(),
        "/v3/buildpacks",
        &query,
        part.total,
        part.rows,
        None,
    )))
}

async fn show(
    State(cf): State<CfState>,
    _caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let index = BUILT_IN.iter().position(|(_, known)| *known == guid);
    let index = index.ok_or_else(|| ApiError::not_found("Buildpack"))?;
    Ok(Json(to_wire(cf.urls(), index)))
}

/// Nobody can, and only administrators are told why.
async fn built_in_only(caller: Authenticated) -> ApiResult<()> {
    caller.require_admin()?;
    Err(ApiError::not_supported(
        "Buildpacks are built in; custom ones can't be uploaded",
    ))
}

async fn unchangeable(caller: Authenticated) -> ApiResult<()> {
    caller.require_admin()?;
    Err(ApiError::not_supported(
        "Buildpacks are built in and can't be changed or deleted",
    ))
}

#[cfg(test)]
mod tests {
    use windlass_control::staging::BUILT_IN as BUILDPACKS;

    use super::BUILT_IN;

    #[test]
    fn all_buildpacks_are_shown_under_names_that_they_answer_to() {
        let shown: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        let known: Vec<_> = BUILDPACKS.iter().map(|pack| pack.aliases[0]).collect();
        assert_eq!(shown, known);
    }
}
