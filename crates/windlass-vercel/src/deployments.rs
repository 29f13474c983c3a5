//! `/deployments`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::Error;
use windlass_control::commands::builds::Repeat;
use windlass_control::listing::{Column, Filter};
use windlass_engine::id::{AppId, BuildId};
use windlass_engine::records::BuildRecord;
use windlass_engine::rejection::Rejection;
use windlass_wire::cancel_headers;

use crate::auth::Authenticated;
use crate::body::Ignored;
use crate::error::{ApiError, ApiResult};
use crate::once::{self, Attempt};
use crate::page::Page;
use crate::path::Params;
use crate::place;
use crate::query::Pairs;
use crate::server::VercelState;

/// The one component of a deployment.
pub(crate) const COMPONENT: &str = "site";

mod builds;
mod commit;
mod configuration;
mod create;
pub(crate) mod detail;
mod events;
pub(crate) mod find;
pub(crate) mod git;
mod hosts;
mod order;
mod origin;
mod output;
mod public_form;
mod source;
pub(crate) mod state;
pub(crate) mod view;

use find::Found;
use state::{Aliases, ReadyState};
use view::{Shown, Surroundings};

/// Most deployments of a team that a list looks through for what its filters ask.
const MAX_LOOKED_AT: u32 = 2_000;

pub(crate) fn routes() -> Router<VercelState> {
    Router::new()
        .route("/deployments", get(list).post(create::create))
        .route("/deployments/{deployment}", get(show).delete(delete))
        .route("/deployments/{deployment}/cancel", patch(cancel))
        .route("/deployments/{deployment}/events", get(events::events))
        .route("/deployments/{deployment}/builds", get(builds::list))
}

async fn show(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let id = params.get("deployment");
    match find::deployment(&state, &caller, &query, id).await {
        Ok(found) => Ok(Json(view::deployment(&state, &found).await?)),
        Err(refusal) => match find::public(&state, id).await? {
            Some(found) if refusal.status == StatusCode::NOT_FOUND => {
                Ok(Json(public_form::public_deployment(&state, &found).await?))
            }
            Some(_) | None => Err(refusal),
        },
    }
}

/// What a list asks for beside its page.
#[derive(Debug, Default)]
struct Wanted<'a> {
    states: Vec<&'a str>,
    target: Option<&'a str>,
    meta: Vec<(&'a str, &'a str)>,
    branch: Option<&'a str>,
    sha: Option<&'a str>,
    rollback_candidate: bool,
}

impl<'a> Wanted<'a> {
    fn parse(query: &'a Pairs) -> ApiResult<Self> {
        let states = query.words("state");
        if let Some(unknown) = states.iter().find(|word| {
            let known = ReadyState::ALL.iter().any(|state| state.as_str() == **word);
            !known && !matches!(**word, "BLOCKED" | "DELETED")
        }) {
            return Err(ApiError::bad_request(format!(
                "Invalid query parameter: `state` has no value {:?}",
                unknown.chars().take(40).collect::<String>()
            )));
        }
        let meta = query
            .all()
            .filter_map(|(name, value)| Some((name.strip_prefix("meta-")?, value)));
        Ok(Self {
            states,
            target: query.text("target"),
            meta: meta.collect(),
            branch: query.text("branch"),
            sha: query.text("sha"),
            rollback_candidate: query.switch("rollbackCandidate")?,
        })
    }

    fn fits(&self, found: &Found, item: &Value) -> bool {
        let detail = &found.detail;
        let meta = view::meta(&found.record, detail);
        let has = |name: &str, value: &str| meta.get(name).is_some_and(|known| known == value);
        let ends_with = |suffix: &str, value: &str| {
            let mut meta = meta.iter();
            meta.any(|(name, known)| name.ends_with(suffix) && known == value)
        };
        let state = item["state"].as_str().unwrap_or_default();
        (self.states.is_empty() || self.states.contains(&state))
            && self.target.is_none_or(|target| match target {
                "preview" => detail.target.as_wire().is_none(),
                target => detail.target.as_wire() == Some(target),
            })
            && self.meta.iter().all(|(name, value)| has(name, value))
            && self
                .branch
                .is_none_or(|branch| ends_with("CommitRef", branch))
            && self.sha.is_none_or(|sha| ends_with("CommitSha", sha))
            && (!self.rollback_candidate || item["isRollbackCandidate"] == true)
    }
}

async fn list(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
) -> ApiResult<Json<Value>> {
    let page = Page::parse(&query)?;
    let wanted = Wanted::parse(&query)?;
    let mut filters = Vec::new();
    let names = query
        .values("projectId")
        .chain(query.values("app"))
        .chain(query.values("projectIds"))
        .filter(|name| !name.is_empty());
    let mut apps = Vec::new();
    let mut is_narrowed = false;
    for name in names.take(20) {
        is_narrowed = true;
        let named = place::named_team(&state, &caller, &query).await?;
        let found = place::find_project(&state, &caller, named.as_ref(), name).await?;
        apps.extend(found.map(|place| place.app.id.to_string()));
    }
    if is_narrowed {
        filters.push(Filter::one_of(Column::App, apps));
    } else {
        let team = place::team(&state, &caller, &query).await?;
        let organization = team.organization.id.as_str();
        filters.push(Filter::is(Column::Organization, organization));
    }
    let mut question = page.question(filters);
    question.page = windlass_control::listing::Page::first(MAX_LOOKED_AT);
    let visible = caller.grants.visible_spaces();
    let rows = state.control.list_builds(&visible, question).await?.rows;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut around: BTreeMap<AppId, Surroundings> = BTreeMap::new();
    let mut items: Vec<(BuildRecord, Value)> = Vec::new();
    for record in rows {
        let Some(found) = find::by_id(&state, &caller, &record.id)? else {
            continue;
        };
        if !around.contains_key(&record.app) {
            let read = Surroundings::read(&state, &found).await?;
            around.insert(record.app.clone(), read);
        }
        let Some(around) = around.get(&record.app) else {
            continue;
        };
        let item = Shown::new(&found, around).to_item();
        if wanted.fits(&found, &item) {
            items.push((record, item));
        }
        // One more than fits says that there is a next page.
        if items.len() > limit + 1
            && items[limit - 1].0.stamps.created_at != items[items.len() - 1].0.stamps.created_at
        {
            break;
        }
    }
    let pagination = page.cut(&mut items, |(record, _)| record.stamps.created_at);
    let deployments: Vec<Value> = items.into_iter().map(|(_, item)| item).collect();
    Ok(Json(
        json!({"deployments": deployments, "pagination": pagination}),
    ))
}

/// Deletes a deployment: what is being built of it ends, its hosts are free.
async fn delete(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    _: Ignored,
) -> ApiResult<Json<Value>> {
    let name = query.text("url").unwrap_or(params.get("deployment"));
    let found = find::deployment(&state, &caller, &query, name).await?;
    found.place.require_write()?;
    let id = &found.record.id;
    let data = json!({ "deployment": id });
    let extra = found
        .place
        .audit(&caller, "audit.app.deployment.delete", data);
    state.control.withdraw(id, &caller.caller(), extra).await?;
    Ok(Json(json!({"uid": id, "state": "DELETED"})))
}

/// Cancels a deployment that is queued or being built.
async fn cancel(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    (method, uri): (Method, Uri),
    headers: HeaderMap,
    _: Ignored,
) -> ApiResult {
    let id = find::well_formed(params.get("deployment"))?;
    let found = find::deployment(&state, &caller, &query, id).await?;
    found.place.require_operate()?;
    let reason = cancel_headers::reason(&headers)?;
    let attempt = Attempt::of(&caller, &method, &uri, &[]);
    let id = found.record.id.clone();
    if attempt.repeated(&state)?.is_some() {
        return answer(&state, &caller, &id, &attempt).await;
    }
    let around = Surroundings::read(&state, &found).await?;
    let shown = Shown::new(&found, &around);
    if shown.ready.is_over() {
        return Err(not_cancelable(&found, &shown));
    }
    let data = json!({ "deployment": id });
    let mut extra = found
        .place
        .audit(&caller, "audit.app.deployment.cancel", data);
    extra.once = Some(attempt.makes(&id));
    let done = state
        .control
        .cancel_build(&id, reason, &caller.caller(), Repeat::Refused, extra)
        .await;
    match done {
        Ok(_) => answer(&state, &caller, &id, &attempt).await,
        Err(Error::Repeated { made }) if once::read(&made).as_ref() == Some(&id) => {
            answer(&state, &caller, &id, &attempt).await
        }
        Err(Error::Rejected(Rejection::BuildNotCancelable { .. } | Rejection::UnknownBuild(_))) => {
            let found = find::by_id(&state, &caller, &id)?
                .ok_or_else(|| ApiError::not_found("Deployment"))?;
            let around = Surroundings::read(&state, &found).await?;
            Err(not_cancelable(&found, &Shown::new(&found, &around)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The refusal names the outcome that won and what ends it instead.
fn not_cancelable(found: &Found, shown: &Shown<'_>) -> ApiError {
    let word = shown.ready.as_str();
    let id = &found.record.id;
    let instead = match (shown.ready, shown.aliases) {
        (ReadyState::Ready, Aliases::Awaited) => {
            "its aliases are being assigned: `windlass deployment cancel` ends that".to_owned()
        }
        (ReadyState::Ready, Aliases::Assigned | Aliases::Refused { .. }) => {
            "a rollback or the abort of its rolling release takes its traffic away".to_owned()
        }
        (ReadyState::Canceled, _) => match &found.record.canceled {
            Some(cancel) => format!("it was canceled at {}", cancel.at.0),
            None => "there was nothing to build".to_owned(),
        },
        (
            ReadyState::Queued
            | ReadyState::Initializing
            | ReadyState::Building
            | ReadyState::Error,
            _,
        ) => "it is over".to_owned(),
    };
    ApiError::bad_request(format!(
        "The deployment {id} is {word} and can no longer be canceled; {instead}"
    ))
    .with("readyState", word)
}

/// A deployment as it is now.
async fn answer(
    state: &VercelState,
    caller: &Authenticated,
    id: &BuildId,
    attempt: &Attempt,
) -> ApiResult<Response> {
    let found = find::by_id(state, caller, id)?.ok_or_else(|| ApiError::not_found("Deployment"))?;
    let wire = view::deployment(state, &found).await?;
    Ok(attempt.tracked(Json(wire).into_response()))
}
