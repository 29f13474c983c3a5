//! A project on the wire.

use serde_json::{Value, json};
use windlass_control::history::ReleaseRecord;
use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery, Order, Page};
use windlass_engine::records::{AppRecord, Route};

use super::link;
use crate::auth::Authenticated;
use crate::deployments::find;
use crate::deployments::view::{Shown, Surroundings};
use crate::document::Document;
use crate::error::ApiResult;
use crate::ids;
use crate::promotions::Move;
use crate::rolling_releases::config_of;
use crate::server::VercelState;

/// Most hosts that a project is shown with.
const MAX_HOSTS: u32 = 1_000;
/// Most releases of a project that are looked through.
const MAX_RELEASES: u32 = 200;

/// A project.
pub(crate) async fn project(
    state: &VercelState,
    caller: &Authenticated,
    app: &AppRecord,
) -> ApiResult<Value> {
    let document = Document::of(app);
    let engine = state.control.state(&app.id)?;
    let production = match engine.as_ref().and_then(|engine| engine.base.as_ref()) {
        Some(revision) => find::by_id(state, caller, &find::of_version(revision))?,
        None => None,
    };
    let production = match &production {
        Some(found) => {
            let around = Surroundings::read(state, found).await?;
            Some(Shown::new(found, &around).to_wire())
        }
        None => None,
    };
    let last_move = Move::newest(&releases(state, app).await?);
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
                "deployment": production,
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
        "targets": match &production {
            Some(production) => json!({ "production": production }),
            None => json!({}),
        },
        "latestDeployments": production.iter().collect::<Vec<_>>(),
        "lastAliasRequest": last_move.as_ref().map_or(Value::Null, Move::to_wire),
        "rollingRelease": config_of(&document),
        "rollbackDescription": last_move.as_ref().map_or(Value::Null, Move::rollback_description),
        // After a rollback new deployments stay away from production until one is promoted.
        "autoAssignCustomDomains": document.settings.auto_assign_custom_domains
            && engine.is_none_or(|engine| engine.settings.releases_built),
        "live": production.is_some(),
        "directoryListing": false,
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
        if let Some(link) = &document.link {
            wire.insert("link".to_owned(), link::to_wire(link));
        }
    }
    Ok(wire)
}

/// Releases of a project, newest first.
pub(crate) async fn releases(
    state: &VercelState,
    app: &AppRecord,
) -> ApiResult<Vec<ReleaseRecord>> {
    let question = ListQuery::filtered(vec![Filter::is(Column::App, app.id.as_str())])
        .ordered(Order::descending(Column::CreatedCommit))
        .page(Page::first(MAX_RELEASES));
    let found = state
        .control
        .list_releases(&Visibility::All, question)
        .await?;
    Ok(found.rows)
}

/// Hosts that lead to what the project itself runs, oldest first.
pub(crate) async fn production_hosts(
    state: &VercelState,
    app: &AppRecord,
) -> ApiResult<Vec<Route>> {
    let question = ListQuery::filtered(vec![Filter::is(Column::App, app.id.as_str())])
        .ordered(Order::ascending(Column::CreatedCommit))
        .page(Page::first(MAX_HOSTS));
    let mut routes = state
        .control
        .list_routes(&Visibility::All, question)
        .await?
        .rows;
    routes.retain(|route| route.destinations.iter().all(|to| to.revision.is_none()));
    Ok(routes)
}
