//! `windlass deployments` and `windlass deployment …`.

use axum::Json;
use axum::extract::{ConnectInfo, Path, Query, State};
use serde::Deserialize;
use serde_json::Value;
use windlass_control::commands::Caller;
use windlass_control::commands::cancel_deployment::{Cancel, Told};
use windlass_control::control::Extra;
use windlass_control::history::ReleaseRecord;
use windlass_control::order_events;
use windlass_engine::id::ReleaseId;
use windlass_engine::records::AppRecord;
use windlass_engine::release::{ReleaseState, Urgency};
use windlass_store::{Column, EventQuery, EventRow, Filter, ListQuery, Order, Page, ReleaseRow};

use super::Admin;
use super::builds;
use super::error::{Answer, Refusal};
use super::peer::Peer;
use super::query::{RunsQuery, WaitFor, WaitQuery};
use super::record;

/// Events in one record.
const EVENT_LIMIT: u32 = 500;
/// Deployments that are searched for the beginning of an id.
const PREFIX_SEARCH: u32 = Page::MAX_LIMIT;
/// Longest reason, bytes.
const REASON_LIMIT_BYTES: usize = 256;

pub(super) async fn list(State(admin): State<Admin>, Query(query): Query<RunsQuery>) -> Answer {
    let mut filters = Vec::new();
    if let Some(name) = &query.app {
        filters.push(Filter::is(Column::App, admin.app_named(name)?.id.as_str()));
    }
    if query.active {
        filters.push(Filter::is(Column::StatusValue, "ACTIVE"));
    }
    let list = ListQuery::filtered(filters)
        .ordered(Order::descending(Column::CreatedAt))
        .page(Page::first(query.limit.clamp(1, Page::MAX_LIMIT)));
    let rows = admin.control.store().read_list(move |reader| {
        let mut rows = Vec::new();
        for row in reader.list::<ReleaseRow>(&list)?.rows {
            let app = reader.get::<AppRecord>(&row.app)?;
            rows.push(record::summary(
                &ReleaseRecord::from_row(&row)?,
                app.as_ref(),
            ));
        }
        Ok::<_, Refusal>(rows)
    });
    Ok(Json(Value::Array(rows.await?)))
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Path(id): Path<String>,
    Query(query): Query<WaitQuery>,
) -> Answer {
    if let Some(build) = admin.build_named(&id)? {
        return builds::show(&admin, &build, &query).await;
    }
    let id = admin.release_named(&id)?;
    let read = || admin.record_of(&id);
    let (found, came) = admin.wait_for(&query, read, is_there).await?;
    let mut value = found.value();
    if let Some(came) = came {
        value["waited"] = if came { "came" } else { "not yet" }.into();
    }
    Ok(Json(value))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelRequest {
    reason: Option<String>,
    #[serde(default)]
    now: bool,
    #[serde(default)]
    accept_outage: bool,
}

pub(super) async fn cancel(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
    Json(request): Json<CancelRequest>,
) -> Answer {
    let reason = checked_reason(request.reason)?;
    let id = match admin.build_named(&id)? {
        // What it has made is being released: that is what can be canceled still.
        Some(build) => match admin.release_of_build(&build)? {
            Some(release) => release,
            None => return builds::cancel(&admin, &peer, &build, reason).await,
        },
        None => admin.release_named(&id)?,
    };
    let urgency = match (request.now, request.accept_outage) {
        (false, false) => Urgency::CapacitySafe,
        (true, false) => Urgency::Now,
        (true, true) => Urgency::AcceptOutage,
        (false, true) => return Err(Refusal::bad("--accept-outage needs --now")),
    };
    let cancel = Cancel {
        reason,
        urgency,
        once: None,
    };
    let principal = peer.principal();
    let caller = Caller::from(&principal);
    let text = ordered(
        "Cancelling deployment",
        id.as_str(),
        &caller,
        cancel.reason.as_deref(),
    );
    let (actor, app) = (principal.actor(), admin.record_of(&id)?.app);
    let events = move |told: Told<'_>| {
        app.map_or_else(Vec::new, |app| {
            order_events::deployment_canceled(&app, &actor, &told)
        })
    };
    let done = admin
        .control
        .cancel_deployment_telling(&id, cancel, &caller, events)
        .await?;
    admin.control.write_log(&done.record.app, "API", text).await;
    let mut found = admin.record_of(&id)?;
    // It is known here before it is committed.
    found.record = done.record;
    Ok(Json(found.value()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContinueRequest {
    reason: Option<String>,
}

pub(super) async fn resume(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
    Json(request): Json<ContinueRequest>,
) -> Answer {
    let id = admin.release_named(&id)?;
    let reason = checked_reason(request.reason)?;
    let principal = peer.principal();
    let caller = Caller::from(&principal);
    let text = ordered(
        "Continuing deployment",
        id.as_str(),
        &caller,
        reason.as_deref(),
    );
    let found = admin.record_of(&id)?;
    let audit = found.app.as_ref().map_or_else(Vec::new, |app| {
        order_events::deployment_continued(app, &principal.actor(), &found.record)
    });
    let extra = Extra {
        audit,
        ..Extra::default()
    };
    let done = admin
        .control
        .continue_deployment(&id, reason, &caller, extra)
        .await?;
    admin.control.write_log(&done.app, "API", text).await;
    Ok(Json(admin.record_of(&id)?.value()))
}

/// The line in the log of the app for an order of the command line.
pub(super) fn ordered(what: &str, id: &str, caller: &Caller, reason: Option<&str>) -> String {
    let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
    format!("{what} with guid {id}, by {}{reason}", caller.name)
}

/// A reason that may be recorded.
pub(super) fn checked_reason(reason: Option<String>) -> Result<Option<String>, Refusal> {
    let Some(text) = reason else { return Ok(None) };
    if text.len() > REASON_LIMIT_BYTES || text.chars().any(char::is_control) {
        return Err(Refusal::bad(format!(
            "--reason must be printable text of at most {REASON_LIMIT_BYTES} bytes"
        )));
    }
    Ok(Some(text))
}

/// A record with what it is shown with.
pub(super) struct Found {
    record: ReleaseRecord,
    app: Option<AppRecord>,
    trail: Vec<EventRow>,
}

impl Found {
    fn value(&self) -> Value {
        record::deployment(&self.record, self.app.as_ref(), &self.trail)
    }
}

fn is_there(found: &Found, what: WaitFor) -> bool {
    let release = &found.record.release;
    match what {
        WaitFor::Outcome => release.is_finalized() && release.cleanup_left == 0,
        WaitFor::Pause => matches!(
            release.state,
            ReleaseState::Paused { .. } | ReleaseState::Finalized { .. }
        ),
    }
}

impl Admin {
    fn record_of(&self, id: &ReleaseId) -> Result<Found, Refusal> {
        let id = id.clone();
        self.control.store().read(move |reader| {
            let row = reader
                .get::<ReleaseRow>(&id)?
                .ok_or_else(|| Refusal::unknown("deployment", id.as_str(), "deployments"))?;
            let trail = EventQuery {
                subject: Some(id.to_string()),
                ..EventQuery::after(None, EVENT_LIMIT)
            };
            Ok(Found {
                record: ReleaseRecord::from_row(&row)?,
                app: reader.get::<AppRecord>(&row.app)?,
                trail: reader.events(&trail)?,
            })
        })
    }

    /// The id itself, or the only recent one that begins so.
    fn release_named(&self, text: &str) -> Result<ReleaseId, Refusal> {
        let id = ReleaseId::new(text);
        let newest = ListQuery::default()
            .ordered(Order::descending(Column::CreatedAt))
            .page(Page::first(PREFIX_SEARCH));
        let (exact, keys) = self.control.store().read(|reader| {
            let exact = reader.get::<ReleaseRow>(&id)?.is_some();
            let keys = if exact {
                Vec::new()
            } else {
                reader.keys::<ReleaseRow>(&newest)?
            };
            Ok::<_, Refusal>((exact, keys))
        })?;
        if exact {
            return Ok(id);
        }
        let mut fitting = keys
            .iter()
            .filter(|key| !text.is_empty() && key.starts_with(text));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(ReleaseId::new(key.as_str())),
            (Some(_), Some(_)) => Err(Refusal::bad(format!(
                "several deployments begin with `{text}`; give more of it"
            ))),
            (None, _) => Err(Refusal::unknown("deployment", text, "deployments")),
        }
    }
}
