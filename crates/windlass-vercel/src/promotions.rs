//! Promote and rollback: moves of a project between deployments that are there.
//!
//! Clients poll the project for `lastAliasRequest` and take whatever is there for theirs. It is
//! read from the newest such release, which is written before the answer.

use axum::extract::State;
use axum::http::StatusCode;
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

use crate::auth::Authenticated;
use crate::body::Ignored;
use crate::deployments::detail::Target;
use crate::deployments::find::{self, Found};
use crate::deployments::state::{ReadyState, Traffic};
use crate::deployments::view::{Shown, Surroundings};
use crate::error::{ApiError, ApiResult};
use crate::path::{Params, Version};
use crate::place;
use crate::projects::view::production_hosts;
use crate::query::Pairs;
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

impl AliasRequest {
    /// That of a release, if it is such a move.
    pub(crate) fn of(record: &ReleaseRecord) -> Option<Self> {
        serde_json::from_value(record.detail.options.clone()).ok()
    }
}

/// The newest move among releases, newest first, on the wire.
pub(crate) fn last_request(releases: &[ReleaseRecord]) -> Value {
    let found = releases
        .iter()
        .find_map(|record| Some((record, AliasRequest::of(record)?)));
    let Some((record, request)) = found else {
        return Value::Null;
    };
    json!({
        "fromDeploymentId": request.from,
        "toDeploymentId": request.to,
        "jobStatus": status(record),
        "requestedAt": request.at,
        "type": request.kind.as_str(),
    })
}

fn status(record: &ReleaseRecord) -> &'static str {
    match record.release.outcome() {
        Some(Outcome::Deployed) => "succeeded",
        Some(Outcome::Superseded { .. }) => "skipped",
        Some(Outcome::Canceled(_) | Outcome::Failed(_)) => "failed",
        None => "in-progress",
    }
}

async fn promote(
    state: State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    body: Ignored,
) -> ApiResult<(StatusCode, Json<Value>)> {
    go(state, caller, query, params, body, Kind::Promote).await
}

async fn rollback(
    state: State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    body: Ignored,
) -> ApiResult<(StatusCode, Json<Value>)> {
    go(state, caller, query, params, body, Kind::Rollback).await
}

async fn go(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    _: Ignored,
    kind: Kind,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    place.require_operate()?;
    let found = find::deployment(&state, &caller, &query, params.get("deployment")).await?;
    if found.place.app.id != place.app.id {
        return Err(ApiError::not_found("Deployment"));
    }
    let serving = find::serving(&state, &place.app.id)?;
    check(
        &state,
        &found,
        kind,
        serving.as_ref() == Some(&found.detail.revision),
    )
    .await?;
    let request = AliasRequest {
        kind,
        from: serving.as_ref().map(find::of_version),
        to: found.record.id.clone(),
        at: clock::wall().0,
        description: query.text("description").map(str::to_owned),
    };
    let word = kind.as_str();
    let data = json!({"deployment": found.record.id, "from": request.from});
    let extra = place.audit(&caller, &format!("audit.app.{word}"), data);
    let release = SiteRelease {
        app: place.app.id.clone(),
        release: ReleaseId::new(uuid::Uuid::new_v4().to_string()),
        revision: found.detail.revision.clone(),
        strategy: Strategy::Instant,
        // Who went back does not want the next deployment to undo that.
        releases_built: Some(kind == Kind::Promote),
        detail: ReleaseDetail {
            options: serde_json::to_value(&request).map_err(Error::internal)?,
            is_rollback: kind == Kind::Rollback,
            ..ReleaseDetail::default()
        },
    };
    state.control.release_site(release, extra).await?;
    Ok((StatusCode::CREATED, Json(json!({}))))
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
    let releases = crate::projects::view::releases(&state, &place.app).await?;
    let newest = releases
        .iter()
        .find_map(|record| Some((status(record), AliasRequest::of(record)?)));
    let mut aliases = Vec::new();
    if let Some((status, request)) = newest
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
