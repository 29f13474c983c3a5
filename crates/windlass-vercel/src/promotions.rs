//! Promote and rollback: moves of a project between deployments that are there.
//!
//! Clients poll the project for `lastAliasRequest` and take whatever is there for theirs. It is
//! read from the newest such release, which is written before the answer.

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use windlass_control::clock;
use windlass_control::commands::site::SiteRelease;
use windlass_control::error::Error;
use windlass_control::history::{ReleaseDetail, ReleaseRecord};
use windlass_engine::id::{BuildId, ReleaseId};
use windlass_engine::release::Outcome;
use windlass_engine::strategy::Strategy;
use windlass_wire::cancel_headers;

use crate::auth::Authenticated;
use crate::body::Ignored;
use crate::deployments::detail::Target;
use crate::deployments::find::{self, Found};
use crate::deployments::state::{ReadyState, Traffic};
use crate::deployments::view::{Shown, Surroundings};
use crate::document::Document;
use crate::error::{ApiError, ApiResult};
use crate::once::Attempt;
use crate::path::{Params, Version};
use crate::place;
use crate::projects::view::{production_hosts, releases};
use crate::query::Pairs;
use crate::rolling_releases;
use crate::rolling_releases::rollout::Rollout;
use crate::server::VercelState;

/// The version whose list of aliases has texts where the others have objects.
const TEXT_VERSION: Version = Version(1);

pub(crate) fn routes() -> Router<VercelState> {
    Router::new()
        .route("/projects/{project}/promote/{deployment}", post(promote))
        .route("/projects/{project}/promote/aliases", get(aliases))
        .route("/projects/{project}/rollback/{deployment}", post(rollback))
        .route("/projects/{project}/rollback/aliases", get(aliases))
        .route(
            "/projects/{project}/production-deployment",
            get(production_deployment),
        )
}

/// What a move was asked for as, kept with its release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AliasRequest {
    /// Forward or back.
    pub(crate) kind: Kind,
    /// What ran before.
    pub(crate) from: Option<BuildId>,
    /// What shall run.
    pub(crate) to: BuildId,
    /// When, ms.
    pub(crate) at: i64,
    /// Why, in the words of who went back.
    #[serde(default)]
    pub(crate) description: Option<String>,
}

/// Forward or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// To a deployment, whatever ran before.
    Promote,
    /// To one that was in production before; new deployments stay away from it afterwards.
    Rollback,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Rollback => "rollback",
        }
    }
}

/// A move of the hosts of a project, as far as it came.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    request: AliasRequest,
    status: &'static str,
    /// The rolling release that it ended.
    rollout: Option<ReleaseId>,
}

impl Move {
    /// What a release moved; `None` for one that a deployment opened by itself and that did not
    /// take the hosts by stages.
    fn of(record: &ReleaseRecord) -> Option<Self> {
        let release = &record.release;
        if let Some(ended) = Rollout::of(record).and_then(|rollout| Self::of_ended(&rollout)) {
            return Some(ended);
        }
        let request: AliasRequest = serde_json::from_value(record.detail.options.clone()).ok()?;
        let status = match release.outcome() {
            Some(Outcome::Deployed) => "succeeded",
            Some(Outcome::Superseded { .. }) => "skipped",
            Some(Outcome::Canceled(_) | Outcome::Failed(_)) => "failed",
            None => "in-progress",
        };
        Some(Self {
            request,
            status,
            rollout: None,
        })
    }

    /// A rolling release that was completed moved forward when that happened, one that was aborted
    /// moved back.
    fn of_ended(rollout: &Rollout<'_>) -> Option<Self> {
        let release = &rollout.record.release;
        let (canary, base) = (
            find::of_version(&release.target),
            release.base.as_ref().map(find::of_version),
        );
        match (release.outcome()?, &release.restore, base) {
            (Outcome::Deployed, _, base) => Some(Self {
                request: AliasRequest {
                    kind: Kind::Promote,
                    from: base,
                    to: canary,
                    at: release.status_changed_at.0,
                    description: None,
                },
                status: "succeeded",
                rollout: None,
            }),
            (Outcome::Canceled(_), Some(restore), Some(base)) => Some(Self {
                request: AliasRequest {
                    kind: Kind::Rollback,
                    from: Some(canary),
                    to: base,
                    at: restore.at.0,
                    description: restore.reason.clone(),
                },
                status: if restore.safe {
                    "succeeded"
                } else {
                    "in-progress"
                },
                rollout: Some(release.id.clone()),
            }),
            (Outcome::Canceled(_) | Outcome::Superseded { .. } | Outcome::Failed(_), ..) => None,
        }
    }

    /// The newest of a project, whose releases come newest first.
    pub(crate) fn newest(releases: &[ReleaseRecord]) -> Option<Self> {
        let moves = releases.iter().rev().filter_map(Self::of);
        moves.max_by_key(|it| it.request.at)
    }

    /// Why the project was rolled back, if it was.
    pub(crate) fn rollback_description(&self) -> Value {
        match self.request.kind {
            Kind::Promote => Value::Null,
            Kind::Rollback => json!({
                "description": self.request.description.clone().unwrap_or_default(),
                "createdAt": self.request.at,
            }),
        }
    }

    /// What clients that wait for it read.
    pub(crate) fn to_wire(&self) -> Value {
        let mut wire = json!({
            "fromDeploymentId": self.request.from,
            "toDeploymentId": self.request.to,
            "jobStatus": self.status,
            "requestedAt": self.request.at,
            "type": self.request.kind.as_str(),
        });
        if let Some(rollout) = &self.rollout {
            wire["fromRollingReleaseId"] = json!(rollout);
        }
        wire
    }
}

async fn promote(
    state: State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    call: (Method, Uri, HeaderMap),
    body: Ignored,
) -> ApiResult<Response> {
    go(state, caller, query, params, call, body, Kind::Promote).await
}

async fn rollback(
    state: State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    call: (Method, Uri, HeaderMap),
    body: Ignored,
) -> ApiResult<Response> {
    go(state, caller, query, params, call, body, Kind::Rollback).await
}

async fn go(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    (method, uri, headers): (Method, Uri, HeaderMap),
    _: Ignored,
    kind: Kind,
) -> ApiResult<Response> {
    let attempt = Attempt::of(&caller, &method, &uri, &[]);
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    place.require_operate()?;
    let reason = cancel_headers::reason(&headers)?;
    let found = find::deployment(&state, &caller, &query, params.get("deployment")).await?;
    if found.place.app.id != place.app.id {
        return Err(ApiError::not_found("Deployment"));
    }
    if attempt.repeated(&state)?.is_some() {
        return Ok(accepted(&attempt, StatusCode::CREATED));
    }
    let serving = find::serving(&state, &place.app.id)?;
    let description = query.text("description").map(str::to_owned).or(reason);
    let request = AliasRequest {
        kind,
        from: serving.as_ref().map(find::of_version),
        to: found.record.id.clone(),
        at: clock::wall().0,
        description: description.clone(),
    };
    let word = kind.as_str();
    let data = json!({"deployment": found.record.id, "from": request.from});
    let mut extra = place.audit(&caller, &format!("audit.app.{word}"), data);
    extra.once = Some(attempt.makes(&found.record.id));
    let releases = releases(&state, &place.app).await?;
    let version = &found.detail.revision;
    let serves = serving.as_ref() == Some(version);
    // Of a rolling release the new one is promoted to the end, or all go back to the current one.
    if kind == Kind::Promote
        && let Some(active) = rolling_releases::active(&releases)
        && active.record.release.target == *version
    {
        let id = &active.record.release.id;
        let who = caller.caller();
        let done = state
            .control
            .complete_deployment(id, description, &who, extra);
        return match done.await {
            Ok(_) | Err(Error::Repeated { .. }) => Ok(accepted(&attempt, StatusCode::CREATED)),
            Err(error) => Err(error.into()),
        };
    }
    if kind == Kind::Rollback
        && serves
        && let Some(id) = rolling_releases::abortable(&releases)
    {
        let safe = rolling_releases::cancel(&state, &caller, &id, description, extra).await?;
        let mut response = accepted(&attempt, StatusCode::CREATED);
        response.headers_mut().extend(safe);
        return Ok(response);
    }
    check(&state, &found, kind, serves).await?;
    let config = Document::of(&place.app).rolling_release;
    let strategy = match kind {
        Kind::Rollback => Strategy::Instant,
        Kind::Promote => {
            let is_active = rolling_releases::active(&releases).is_some();
            rolling_releases::strategy(config.as_ref(), serving.is_some(), is_active)
        }
    };
    let release = SiteRelease {
        app: place.app.id.clone(),
        release: ReleaseId::new(uuid::Uuid::new_v4().to_string()),
        revision: version.clone(),
        strategy,
        // Who went back does not want the next deployment to undo that.
        releases_built: Some(kind == Kind::Promote),
        may_wait: true,
        detail: ReleaseDetail {
            options: serde_json::to_value(&request).map_err(Error::internal)?,
            is_rollback: kind == Kind::Rollback,
            ..ReleaseDetail::default()
        },
    };
    match state.control.release_site(release, extra).await {
        Ok(record) if rolling_releases::rollout::waits(&record.release) => {
            Ok(accepted(&attempt, StatusCode::ACCEPTED))
        }
        Ok(_) | Err(Error::Repeated { .. }) => Ok(accepted(&attempt, StatusCode::CREATED)),
        Err(error) => Err(error.into()),
    }
}

fn accepted(attempt: &Attempt, status: StatusCode) -> Response {
    attempt.tracked((status, Json(json!({}))).into_response())
}

/// Refuses what can't be moved to.
async fn check(state: &VercelState, found: &Found, kind: Kind, serves: bool) -> ApiResult<()> {
    let around = Surroundings::read(state, found).await?;
    let shown = Shown::new(found, &around);
    let id = &found.record.id;
    if shown.ready != ReadyState::Ready {
        return Err(ApiError::invalid(
            "deployment_not_ready",
            format!("The deployment {id} is {}", shown.ready.as_str()),
        ));
    }
    if serves {
        return Err(ApiError::conflict(format!(
            "The deployment {id} is the current production deployment already"
        )));
    }
    match kind {
        Kind::Promote if found.detail.target != Target::Production => {
            Err(ApiError::unprocessable(format!(
                "The deployment {id} is a preview: it was built with the variables of previews. \
                 Create a production deployment from it"
            )))
        }
        Kind::Rollback if shown.traffic() == Traffic::Rolling => Err(ApiError::conflict(format!(
            "The deployment {id} is being rolled out: complete its rolling release, or roll back \
             to the current deployment to abort it"
        ))),
        Kind::Rollback if shown.traffic() != Traffic::Promoted => Err(ApiError::unprocessable(
            format!("The deployment {id} was never in production"),
        )),
        Kind::Promote | Kind::Rollback => Ok(()),
    }
}

/// How the hosts of a project fared in its newest move: they move together.
async fn aliases(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    version: Option<Extension<Version>>,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    let only_failed = query.switch("failedOnly")?;
    let releases = releases(&state, &place.app).await?;
    let newest = Move::newest(&releases);
    let mut aliases = Vec::new();
    if let Some(Move {
        status, request, ..
    }) = newest
        && (!only_failed || status == "failed")
    {
        let as_text = version.is_some_and(|Extension(version)| version == TEXT_VERSION);
        for route in production_hosts(&state, &place.app).await? {
            let host = route.full_host;
            let alias = if as_text {
                json!(host)
            } else {
                json!({"alias": host, "deploymentId": request.to})
            };
            aliases.push(json!({"alias": alias, "id": route.id, "status": status}));
        }
    }
    let pagination = json!({"count": aliases.len(), "next": null, "prev": null});
    Ok(Json(json!({"aliases": aliases, "pagination": pagination})))
}

async fn production_deployment(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    let missing = || ApiError::not_found("Deployment");
    let serving = find::serving(&state, &place.app.id)?.ok_or_else(missing)?;
    let found = find::by_id(&state, &caller, &find::of_version(&serving))?.ok_or_else(missing)?;
    let around = Surroundings::read(&state, &found).await?;
    Ok(Json(
        json!({"deployment": Shown::new(&found, &around).to_wire()}),
    ))
}
