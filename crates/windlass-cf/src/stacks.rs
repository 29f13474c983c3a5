//! `/v3/stacks`: one, the root file system of this machine, under the name that manifests use.

use axum::extract::{RawQuery, State};
use axum::routing::get;
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
use crate::time;

/// Name of the only stack.
pub(crate) const NAME: &str = "cflinuxfs4";
/// Its guid, the same in every installation.
const GUID: &str = "8f7f0a4e-5b0e-4b6b-9a4e-6d1d2f1c5a01";
const LIST: ListSpec = ListSpec {
    filters: &["names", "default"],
    order: &["name"],
    includes: &[],
    labels: true,
};

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/stacks", get(list))
        .route("/v3/stacks/{guid}", get(show))
        .route("/v3/stacks/{guid}/apps", get(not_listed))
}

fn to_wire(urls: &Urls) -> Value {
    json!({
        "guid": GUID,
        "created_at": time::rfc3339(Stamps::default().created_at),
        "updated_at": time::rfc3339(Stamps::default().updated_at),
        "name": NAME,
        "description": "The file system of the machine that runs the apps",
        "default": true,
        "build_rootfs_image": NAME,
        "run_rootfs_image": NAME,
        "state": "ACTIVE",
        "metadata": { "labels": {}, "annotations": {} },
        "links": { "self": urls.href(&format!("/v3/stacks/{GUID}")) },
    })
}

async fn list(
    State(cf): State<CfState>,
    _caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let shown = query.accepts_row(GUID, Stamps::default(), None)
        && query.accepts("names", NAME)
        && query.accepts("default", "true");
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
        "/v3/stacks",
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
        return Err(ApiError::not_found("Stack"));
    }
    Ok(Json(to_wire(cf.urls())))
}

async fn not_listed(_caller: Authenticated) -> ApiError {
    ApiError::not_supported("Apps are not listed by stack: there is one stack")
}
