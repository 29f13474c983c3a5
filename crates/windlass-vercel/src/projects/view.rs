//! A project on the wire.

use serde_json::{Value, json};
use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery, Order, Page};
use windlass_engine::records::{AppRecord, Route};

use crate::document::Document;
use crate::error::ApiResult;
use crate::ids;
use crate::server::VercelState;

/// Most hosts that a project is shown with.
const MAX_HOSTS: u32 = 100;

/// A project.
pub(crate) async fn project(state: &VercelState, app: &AppRecord) -> ApiResult<Value> {
    let document = Document::of(app);
    let hosts = production_hosts(state, app).await?;
    let aliases: Vec<Value> = hosts
        .iter()
        .map(|route| {
            json!({
                "domain": route.full_host,
                "environment": "production",
                "target": "PRODUCTION",
                "configuredBy": "A",
                "createdAt": route.stamps.created_at.0,
                "deployment": null,
            })
        })
        .collect();
    let mut wire = serde_json::to_value(&document.settings).unwrap_or_else(|_| json!({}));
    let more = json!({
        "id": app.id,
        "name": app.name,
        "accountId": ids::team(&app.organization),
        "createdAt": app.stamps.created_at.0,
        "updatedAt": app.stamps.updated_at.0,
        "alias": aliases,
        "targets": {},
        "latestDeployments": [],
        "live": false,
        "directoryListing": false,
        "commandForIgnoringBuildStep": null,
        "serverlessFunctionRegion": null,
        "passwordProtection": null,
        "ssoProtection": null,
        "gitForkProtection": true,
        "gitLFS": false,
        "customEnvironments": [],
        "resourceConfig": {"functionDefaultRegions": []},
        "defaultResourceConfig": {"functionDefaultRegions": []},
        "deploymentExpiration": {},
    });
    if let (Value::Object(wire), Value::Object(more)) = (&mut wire, more) {
        wire.extend(more);
    }
    Ok(wire)
}

/// Hosts that lead to what the project itself runs, oldest first.
pub(crate) async fn production_hosts(
    state: &VercelState,
    app: &AppRecord,
) -> ApiResult<Vec<Route>> {
    let question = ListQuery::filtered(vec![Filter::is(Column::App, app.id.as_str())])
        .ordered(Order::ascending(Column::CreatedCommit))
        .page(Page::first(MAX_HOSTS));
    let routes = state
        .control
        .list_routes(&Visibility::All, question)
        .await?;
    Ok(routes.rows)
}
