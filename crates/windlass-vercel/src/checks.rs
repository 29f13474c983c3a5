//! Checks of a deployment: others look at it and say what they found. One that blocks holds the
//! production hosts back until it has ended well.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use windlass_control::clock;
use windlass_control::commands::checks::{ChangeChecks, Verdict};
use windlass_control::error::Error;
use windlass_engine::records::BuildRecord;

use crate::auth::Authenticated;
use crate::body::{self, Ignored, JsonObject};
use crate::deployments::detail::Detail;
use crate::deployments::find::{self, Found};
use crate::deployments::state::ReadyState;
use crate::deployments::view::{Shown, Surroundings};
use crate::error::{ApiError, ApiResult};
use crate::ids;
use crate::path::Params;
use crate::query::Pairs;
use crate::server::VercelState;

mod check;

pub(crate) use check::{Check, members, seen};
use check::{Conclusion, Status, verdict};

/// Most checks of a deployment.
const MAX_CHECKS: usize = 50;
/// Longest name, bytes.
const MAX_NAME_BYTES: usize = 100;
/// Longest other text, bytes.
const MAX_TEXT_BYTES: usize = 1_024;
/// Largest output, bytes.
const MAX_OUTPUT_BYTES: usize = 16_384;

pub(crate) fn routes() -> Router<VercelState> {
    Router::new()
        .route("/deployments/{deployment}/checks", get(list).post(register))
        .route(
            "/deployments/{deployment}/checks/{check}",
            get(show).patch(update),
        )
        .route(
            "/deployments/{deployment}/checks/{check}/rerequest",
            post(rerequest),
        )
        .route("/deployments/{deployment}/check-runs", get(list_runs))
        .route(
            "/deployments/{deployment}/check-runs/{check}",
            get(show_run),
        )
}

/// The deployment of a path, and its checks as they stand with it.
async fn read(
    state: &VercelState,
    caller: &Authenticated,
    query: &Pairs,
    params: &Params,
) -> ApiResult<(Found, Vec<Check>)> {
    let found = find::deployment(state, caller, query, params.get("deployment")).await?;
    let checks = checks_of(state, &found).await?;
    Ok((found, checks))
}

async fn checks_of(state: &VercelState, found: &Found) -> ApiResult<Vec<Check>> {
    let around = Surroundings::read(state, found).await?;
    Ok(Shown::new(found, &around).checks())
}

fn one<'a>(checks: &'a [Check], params: &Params) -> ApiResult<&'a Check> {
    let mut checks = checks.iter();
    checks
        .find(|check| check.id == params.get("check"))
        .ok_or_else(|| ApiError::not_found("Check"))
}

async fn list(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let (found, checks) = read(&state, &caller, &query, &params).await?;
    let id = found.record.id.as_str();
    let checks: Vec<Value> = checks.iter().map(|check| check.to_wire(id)).collect();
    Ok(Json(json!({ "checks": checks })))
}

async fn show(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let (found, checks) = read(&state, &caller, &query, &params).await?;
    let check = one(&checks, &params)?;
    Ok(Json(check.to_wire(found.record.id.as_str())))
}

fn run(found: &Found, check: &Check) -> Value {
    let place = &found.place;
    let (id, project) = (&found.record.id, &place.app.id);
    check.to_run(id.as_str(), project.as_str(), &place.team_id())
}

async fn list_runs(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let (found, checks) = read(&state, &caller, &query, &params).await?;
    let runs: Vec<Value> = checks.iter().map(|check| run(&found, check)).collect();
    Ok(Json(json!({ "runs": runs })))
}

async fn show_run(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let (found, checks) = read(&state, &caller, &query, &params).await?;
    Ok(Json(run(&found, one(&checks, &params)?)))
}

/// Registers a check. One that blocks has to come before the hosts are assigned.
async fn register(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let found = find::deployment(&state, &caller, &query, params.get("deployment")).await?;
    found.place.require_operate()?;
    let name = text(&object, "name", MAX_NAME_BYTES)?;
    let name = name.ok_or_else(|| body::kind("name", "a string"))?;
    let blocking = body::truth(&object, "blocking")?;
    let blocking = blocking.ok_or_else(|| body::kind("blocking", "a boolean"))?;
    let now = clock::wall().0;
    let check = Check {
        id: ids::check(),
        name,
        blocking,
        path: text(&object, "path", MAX_TEXT_BYTES)?,
        details_url: text(&object, "detailsUrl", MAX_TEXT_BYTES)?,
        external_id: text(&object, "externalId", MAX_TEXT_BYTES)?,
        rerequestable: body::truth(&object, "rerequestable")?.unwrap_or(false),
        status: Status::Registered,
        output: None,
        by: caller.principal.user.id.to_string(),
        created_at: now,
        updated_at: now,
        started_at: None,
        completed_at: None,
    };
    let id = check.id.clone();
    let change = move |checks: &mut Vec<Check>, can_hold: bool| {
        if checks.len() >= MAX_CHECKS {
            return Err(invalid(format!("can be {MAX_CHECKS} at most")));
        }
        if check.blocking && !can_hold {
            return Err(invalid(
                "can't block this deployment: its production hosts are assigned or refused \
                 already, or it takes none; register it with `blocking: false`",
            ));
        }
        checks.push(check);
        Ok(())
    };
    let (found, checks) = put(&state, &caller, &found, "register", &id, change).await?;
    let made = checks.iter().find(|check| check.id == id);
    let made = made.ok_or_else(|| ApiError::not_found("Check"))?;
    Ok(Json(made.to_wire(found.record.id.as_str())))
}

/// Notes what became of a check.
async fn update(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let (found, checks) = read(&state, &caller, &query, &params).await?;
    found.place.require_operate()?;
    let id = one(&checks, &params)?.id.clone();
    let news = News::read(&object)?;
    let over = over(&state, &found).await?;
    let own = id.clone();
    let change = move |checks: &mut Vec<Check>, can_hold: bool| {
        let check = changeable(checks, &own)?;
        news.put(check, can_hold, over)
    };
    let (found, checks) = put(&state, &caller, &found, "update", &id, change).await?;
    Ok(Json(
        one(&checks, &params)?.to_wire(found.record.id.as_str()),
    ))
}

/// Asks for a check once more.
async fn rerequest(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    _: Ignored,
) -> ApiResult<Json<Value>> {
    let (found, checks) = read(&state, &caller, &query, &params).await?;
    found.place.require_operate()?;
    let id = one(&checks, &params)?.id.clone();
    let runs = query.switch("autoUpdate")?;
    let over = over(&state, &found).await?;
    let own = id.clone();
    let change = move |checks: &mut Vec<Check>, can_hold: bool| {
        let check = changeable(checks, &own)?;
        if !check.rerequestable {
            return Err(invalid(
                "can't be asked for again: it was not registered so",
            ));
        }
        let news = News {
            status: Some(if runs {
                Status::Running
            } else {
                Status::Registered
            }),
            ..News::default()
        };
        news.put(check, can_hold, over)
    };
    put(&state, &caller, &found, "rerequest", &id, change).await?;
    Ok(Json(json!({})))
}

/// Whether nothing more comes of a deployment.
async fn over(state: &VercelState, found: &Found) -> ApiResult<bool> {
    let around = Surroundings::read(state, found).await?;
    let ready = Shown::new(found, &around).ready;
    Ok(matches!(ready, ReadyState::Canceled | ReadyState::Error))
}

fn changeable<'a>(checks: &'a mut [Check], id: &str) -> Result<&'a mut Check, Error> {
    let mut checks = checks.iter_mut();
    let found = checks.find(|check| check.id == id);
    found.ok_or(Error::NotFound { what: "Check" })
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::Invalid {
        field: "The check".to_owned(),
        reason: reason.into(),
    }
}

/// What is new of a check.
#[derive(Debug, Default)]
struct News {
    name: Option<String>,
    path: Option<String>,
    details_url: Option<String>,
    external_id: Option<String>,
    output: Option<Value>,
    status: Option<Status>,
}

impl News {
    fn read(object: &Map<String, Value>) -> ApiResult<Self> {
        let conclusion = match body::text(object, "conclusion")? {
            None => None,
            Some(word) => Some(Conclusion::parse(&word).ok_or_else(|| {
                ApiError::bad_request(
                    "Invalid request: `conclusion` should be canceled, failed, neutral, \
                     succeeded or skipped",
                )
            })?),
        };
        let status = match (body::text(object, "status")?.as_deref(), conclusion) {
            (None, None) => None,
            (None | Some("completed"), Some(conclusion)) => Some(Status::Completed(conclusion)),
            (Some("running"), None) => Some(Status::Running),
            (Some("completed"), None) => return Err(body::kind("conclusion", "a string")),
            (Some("running"), Some(_)) => {
                return Err(ApiError::bad_request(
                    "Invalid request: `conclusion` does not go with `status` running",
                ));
            }
            (Some(_), _) => {
                return Err(ApiError::bad_request(
                    "Invalid request: `status` should be running or completed",
                ));
            }
        };
        let output = match object.get("output") {
            None | Some(Value::Null) => None,
            Some(output @ Value::Object(_)) => Some(output.clone()),
            Some(_) => return Err(body::kind("output", "an object")),
        };
        let is_too_large = |output: &Value| output.to_string().len() > MAX_OUTPUT_BYTES;
        if output.as_ref().is_some_and(is_too_large) {
            return Err(ApiError::too_large(MAX_OUTPUT_BYTES as u64));
        }
        Ok(Self {
            name: text(object, "name", MAX_NAME_BYTES)?,
            path: text(object, "path", MAX_TEXT_BYTES)?,
            details_url: text(object, "detailsUrl", MAX_TEXT_BYTES)?,
            external_id: text(object, "externalId", MAX_TEXT_BYTES)?,
            output,
            status,
        })
    }

    /// Puts it into a check. What has been decided by it is not decided otherwise later.
    fn put(self, check: &mut Check, can_hold: bool, is_over: bool) -> Result<(), Error> {
        let now = clock::wall().0;
        if let Some(status) = self.status.filter(|status| *status != check.status) {
            if is_over {
                return Err(invalid("is over with its deployment"));
            }
            if check.blocking && !can_hold {
                return Err(invalid(
                    "blocks nothing any more: the production hosts are assigned or refused",
                ));
            }
            check.status = status;
            match status {
                Status::Registered => (check.started_at, check.completed_at) = (None, None),
                Status::Running => (check.started_at, check.completed_at) = (Some(now), None),
                Status::Completed(_) => check.completed_at = Some(now),
            }
        }
        for (kept, new) in [
            (&mut check.path, self.path),
            (&mut check.details_url, self.details_url),
            (&mut check.external_id, self.external_id),
        ] {
            if new.is_some() {
                *kept = new;
            }
        }
        if let Some(name) = self.name {
            check.name = name;
        }
        if self.output.is_some() {
            check.output = self.output;
        }
        check.updated_at = now;
        Ok(())
    }
}

/// Changes checks of a deployment; what follows for its hosts is part of the same commit.
async fn put(
    state: &VercelState,
    caller: &Authenticated,
    found: &Found,
    verb: &str,
    check: &str,
    change: impl FnOnce(&mut Vec<Check>, bool) -> Result<(), Error> + Send + 'static,
) -> ApiResult<(Found, Vec<Check>)> {
    let id = &found.record.id;
    let data = json!({"deployment": id, "check": check});
    let extra = found
        .place
        .audit(caller, &format!("audit.app.check.{verb}"), data);
    let change: ChangeChecks = Box::new(move |record: &mut BuildRecord, can_hold| {
        let missing = Error::NotFound { what: "build" };
        let mut detail = Detail::of(record).ok_or(missing)?;
        change(&mut detail.checks, can_hold)?;
        let verdict = if can_hold {
            verdict(&detail.checks)
        } else {
            Verdict::None
        };
        record.detail = Some(detail.to_value());
        Ok(verdict)
    });
    let release = found.detail.release.clone();
    let control = &state.control;
    control.change_checks(id, release, change, extra).await?;
    let found = find::by_id(state, caller, id)?.ok_or_else(|| ApiError::not_found("Deployment"))?;
    let checks = checks_of(state, &found).await?;
    Ok((found, checks))
}

fn text(object: &Map<String, Value>, name: &str, max_bytes: usize) -> ApiResult<Option<String>> {
    let text = body::text(object, name)?;
    if text.as_ref().is_some_and(|text| text.len() > max_bytes) {
        return Err(ApiError::bad_request(format!(
            "Invalid request: `{name}` should have at most {max_bytes} bytes"
        )));
    }
    Ok(text)
}
