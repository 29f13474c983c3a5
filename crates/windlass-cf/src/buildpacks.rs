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

/// Name of the built-in buildpack.
pub(crate) const BINARY: &str = "binary_buildpack";
/// Its guid, the same in every installation.
const GUID: &str = "2c3a1f3a-4a53-4c67-8d5a-0f6a2b7e9c02";
const LIST: ListSpec = ListSpec {
    filters: &["names", "stacks", "lifecycle"],
    order: &["position"],
    includes: &[],
    labels: true,
};

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/buildpacks", get(list).post(built_in_only))
        .route(
            "/v3/buildpacks/{guid}",
            get(show).patch(built_in_only).delete(built_in_only),
        )
        .route("/v3/buildpacks/{guid}/upload", post(built_in_only))
}

fn to_wire(urls: &Urls) -> Value {
    let path = format!("/v3/buildpacks/{GUID}");
    json!({
        "guid": GUID,
        "created_at": time::rfc3339(Stamps::default().created_at),
        "updated_at": time::rfc3339(Stamps::default().updated_at),
        "name": BINARY,
        "stack": stacks::NAME,
        "lifecycle": "buildpack",
        "state": "READY",
        "filename": null,
        "position": 1,
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
    let shown = query.accepts_row(GUID, Stamps::default(), None)
        && query.accepts("names", BINARY)
        && query.accepts("stacks", stacks::NAME)
        && query.accepts("lifecycle", "buildpack");
    let part = Page::cut(
        if shown {
            vec![to_wire(cf.urls())]
        } else {
            Vec::new()
        },
        &query,
    );
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
    if guid != GUID {
        return Err(ApiError::not_found("Buildpack"));
    }
    Ok(Json(to_wire(cf.urls())))
}

async fn built_in_only(_caller: Authenticated) -> ApiError {
    ApiError::not_supported("Buildpacks are built in; custom ones can't be uploaded")
}
