//! The app object of the wire.

use serde_json::{Map, Value, json};
use windlass_control::history::ReleaseRecord;
use windlass_control::hosts;
use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery, Order, Page};
use windlass_engine::id::{AppId, ReleaseId};
use windlass_engine::records::AppRecord;
use windlass_engine::release::ReleaseState;

use super::domains;
use crate::catalog;
use crate::deployments::phase::Phase;
use crate::deployments::view::{Shown, serving};
use crate::document::{Detail, Document};
use crate::error::ApiResult;
use crate::server::DoState;
use crate::time::seconds;

/// Deployments that are looked at to find those that are open: the policy keeps few of them.
const NEWEST: u32 = 10;

/// The object. In answers to a change `made` is the deployment that it made; it is shown as the
/// pending one, whatever became of it meanwhile: clients read its id there.
pub(crate) async fn app(
    state: &DoState,
    app: &AppRecord,
    made: Option<&str>,
    with_project: bool,
) -> ApiResult<Value> {
    let document = Document::of(app);
    let newest = newest(state, &app.id).await?;
    let active = serving(state, &app.id).await?;
    let serving = active.as_ref().map(|record| record.release.id.clone());
    let own = state.control.state(&app.id)?;
    let show =
        |record: &ReleaseRecord| Shown::read(state, record.clone(), serving.as_ref(), own.as_ref());
    let mut open = Vec::new();
    for record in newest.iter().filter(|record| is_open(record)) {
        open.push(show(record)?);
    }
    let pending = match made {
        Some(id) => newest
            .iter()
            .find(|record| record.release.id.as_str() == id)
            .map(&show)
            .transpose()?,
        None => open
            .iter()
            .find(|shown| shown.phase() == Phase::PendingBuild)
            .cloned(),
    };
    let in_progress = open
        .iter()
        .find(|shown| Some(shown.id()) != pending.as_ref().map(Shown::id));
    let pinned = match &document.pin {
        Some(pin) => deployment(state, &pin.deployment)?
            .map(|record| show(&record))
            .transpose()?,
        None => None,
    };
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        object.insert(name.to_owned(), value);
    };
    put("id", json!(app.id));
    put("owner_uuid", json!(app.organization));
    let spec = spec(&document, &newest, active.as_ref());
    put("spec", spec.clone());
    let address = state.urls().of_host(&document.host);
    if !document.host.is_empty() {
        put("default_ingress", json!(address));
    }
    put("created_at", json!(seconds(app.stamps.created_at)));
    put("updated_at", json!(seconds(app.stamps.updated_at)));
    let active = active.as_ref().map(&show).transpose()?;
    if let Some(shown) = &active {
        put("active_deployment", shown.to_wire());
    }
    if let Some(shown) = in_progress {
        put("in_progress_deployment", shown.to_wire());
    }
    if let Some(shown) = &pending {
        put("pending_deployment", shown.to_wire());
    }
    if let Some(shown) = &pinned {
        put("pinned_deployment", shown.to_wire());
    }
    if let Some(record) = newest.first() {
        let at = seconds(record.release.created_at);
        put("last_deployment_created_at", json!(at));
    }
    if let Some(shown) = &active {
        if let Some(at) = shown.record().marks.ended_at {
            put("last_deployment_active_at", json!(seconds(at)));
        }
        let live = domains::live(shown.record(), &document.host);
        let address = state.urls().of_host(&live);
        put("live_url", json!(address));
        put("live_url_base", json!(address));
        put("live_domain", json!(live));
    }
    let domains = domains::list(state, &app.id, &spec, active.is_some())?;
    if !domains.is_empty() {
        put("domains", Value::Array(domains));
    }
    let region = spec.get("region").and_then(Value::as_str).unwrap_or("");
    put("region", catalog::region_of(region));
    let tier = newest
        .first()
        .and_then(Detail::of)
        .map(|detail| detail.tier);
    put(
        "tier_slug",
        json!(tier.unwrap_or_else(|| "basic".to_owned())),
    );
    if with_project {
        put("project_id", json!(app.space));
    }
    Ok(Value::Object(object))
}

/// The newest deployments of an app, newest first.
pub(crate) async fn newest(state: &DoState, app: &AppId) -> ApiResult<Vec<ReleaseRecord>> {
    let query = ListQuery::filtered(vec![Filter::is(Column::App, app.as_str())])
        .ordered(Order::descending(Column::CreatedCommit))
        .page(Page::first(NEWEST));
    Ok(state
        .control
        .list_releases(&Visibility::All, query)
        .await?
        .rows)
}

/// The spec of an app: that of its newest deployment. After a cancel that of the newest one that
/// waits, moves or serves; without one it stays.
pub(crate) fn spec(
    document: &Document,
    newest: &[ReleaseRecord],
    active: Option<&ReleaseRecord>,
) -> Value {
    hosts::wanted(newest, active)
        .and_then(Detail::of)
        .map_or_else(|| document.spec.clone(), |detail| detail.spec)
}

/// A deployment, if it is still known.
fn deployment(state: &DoState, id: &ReleaseId) -> ApiResult<Option<ReleaseRecord>> {
    match state.control.release(id) {
        Ok(record) => Ok(Some(record)),
        Err(windlass_control::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_open(record: &ReleaseRecord) -> bool {
    match record.release.state {
        ReleaseState::Pending
        | ReleaseState::Building
        | ReleaseState::RollingOut { .. }
        | ReleaseState::Paused { .. } => true,
        ReleaseState::Restoring { .. } | ReleaseState::Finalized { .. } => false,
    }
}
