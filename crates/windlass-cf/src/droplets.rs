//! `/v3/droplets`.

use axum::extract::{DefaultBodyLimit, Multipart, RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use windlass_control::Error;
use windlass_control::listing::{Column, Filter, ListQuery as Question};
use windlass_engine::id::{AppId, ArtifactId};
use windlass_engine::records::{Artifact, ArtifactState};

use crate::apps::access::{self, Place};
use crate::apps::request::update_metadata;
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::packages::{self, request as package_request, upload};
use crate::path::Guid;
use crate::query::of_own_apps;
use crate::query::{ListQuery, ListSpec, only_parameters};
use crate::server::CfState;
use crate::{jobs, page};

pub(crate) mod request;
pub(crate) mod view;

const LIST: ListSpec =
    ListSpec::with_filters(&["app_guids", "space_guids", "organization_guids", "states"]);

const APP_LIST: ListSpec = ListSpec::with_filters(&["states", "current"]);

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/droplets", get(list).post(create))
        .route(
            "/v3/droplets/{guid}",
            get(show).patch(update).delete(delete),
        )
        .route("/v3/droplets/{guid}/download", get(download))
        .route("/v3/apps/{guid}/droplets", get(list_of_app))
        .merge(
            Router::new()
                .route("/v3/droplets/{guid}/upload", post(upload_bits))
                // The blobs have a limit of their own, and the parts are read as a stream.
                .layer(DefaultBodyLimit::disable()),
        )
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let question = query.question(&[
        ("app_guids", Column::App),
        ("space_guids", Column::Space),
        ("organization_guids", Column::Organization),
    ]);
    answer(&cf, &caller, &query, question, "/v3/droplets").await
}

async fn list_of_app(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &APP_LIST)?;
    let place = access::find(&cf, &caller, &guid)?;
    let mut question = query.question(&[]);
    question
        .filters
        .push(Filter::is(Column::App, place.app.id.as_str()));
    match query.values("current") {
        None => {}
        Some([word]) if word == "true" => {
            let current = place.state(&cf)?.configuration.artifact;
            let current = current.iter().map(ArtifactId::as_str);
            question.filters.push(Filter::one_of(Column::Id, current));
        }
        Some(_) => return Err(ApiError::bad_query("Current only accepts the value 'true'")),
    }
    let path = format!("/v3/apps/{}/droplets", place.app.id);
    answer(&cf, &caller, &query, question, &path).await
}

/// Droplets that were built from a package.
pub(crate) async fn list_of_package(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let (_, package) = packages::find(&cf, &caller, &guid)?;
    let mut question = query.question(&[]);
    question
        .filters
        .push(Filter::is(Column::Package, package.id.as_str()));
    let path = format!("/v3/packages/{}/droplets", package.id);
    answer(&cf, &caller, &query, question, &path).await
}

async fn answer(
    cf: &CfState,
    caller: &Authenticated,
    query: &ListQuery,
    mut question: Question,
    path: &str,
) -> ApiResult<Json<Value>> {
    if let Some(words) = query.values("states") {
        let stored = words.iter().filter_map(|word| stored_state(word));
        question.filters.push(Filter::one_of(Column::State, stored));
    }
    let found = cf
        .control
        .list_artifacts(&caller.grants.visible_spaces(), of_own_apps(question))
        .await?;
    let rows = found
        .rows
        .iter()
        .map(|it| view::droplet(cf.urls(), it, false))
        .collect();
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    Ok(Json(page::list(cf.urls(), path, query, total, rows, None)))
}

/// The word of rows for a word of the wire.
fn stored_state(word: &str) -> Option<&'static str> {
    match word {
        "AWAITING_UPLOAD" => Some("awaiting_upload"),
        "STAGED" => Some("staged"),
        "FAILED" => Some("failed"),
        "EXPIRED" => Some("expired"),
        _ => None,
    }
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let (place, droplet) = find(&cf, &caller, &guid)?;
    Ok(Json(view::droplet(
        cf.urls(),
        &droplet,
        place.access.read_secrets,
    )))
}

async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
    JsonObject(body): JsonObject,
) -> ApiResult {
    let parameters = only_parameters(raw.as_deref(), &["source_guid"])?;
    let droplet = match parameters.get("source_guid") {
        Some(source) => copy(&cf, &caller, source, &body).await?,
        None => create_new(&cf, &caller, &body).await?,
    };
    Ok((
        StatusCode::CREATED,
        Json(view::droplet(cf.urls(), &droplet, true)),
    )
        .into_response())
}

async fn create_new(
    cf: &CfState,
    caller: &Authenticated,
    body: &Map<String, Value>,
) -> ApiResult<Artifact> {
    let request = request::create(body)?;
    let app = AppId::from(request.app_guid.as_str());
    let place = access::look_up(cf, caller, &app)?.ok_or_else(|| {
        ApiError::unprocessable(format!(
            "App with guid \"{}\" does not exist, or you do not have access to it.",
            request.app_guid
        ))
    })?;
    place.require_write()?;
    let actor = caller.principal.actor();
    Ok(cf
        .control
        .create_artifact(&actor, &place.app.id, request.process_types)
        .await?)
}

async fn copy(
    cf: &CfState,
    caller: &Authenticated,
    source: &str,
    body: &Map<String, Value>,
) -> ApiResult<Artifact> {
    let app_guid = package_request::copy(body)?;
    let (_, source) = find(cf, caller, source)?;
    let place = access::find(cf, caller, &app_guid)?;
    place.require_write()?;
    if source.state != ArtifactState::Staged {
        return Err(ApiError::unprocessable("source droplet is not staged"));
    }
    let actor = caller.principal.actor();
    Ok(cf
        .control
        .copy_artifact(&actor, &source.id, &place.app.id)
        .await?)
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let (place, droplet) = find(&cf, &caller, &guid)?;
    place.require_write()?;
    let metadata = update_metadata(&body)?.apply(&droplet.metadata)?;
    let droplet = cf.control.update_artifact(&droplet.id, metadata).await?;
    Ok(Json(view::droplet(cf.urls(), &droplet, true)))
}

async fn delete(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let (place, droplet) = find(&cf, &caller, &guid)?;
    place.require_write()?;
    let actor = caller.principal.actor();
    let operation = cf.control.delete_artifact(&actor, &droplet.id).await?;
    Ok(jobs::accepted(&cf, &operation))
}

async fn upload_bits(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> ApiResult {
    const MISSING: &str = "Uploaded droplet file is invalid: A droplet tgz file must be uploaded \
                           as 'bits'";
    let (place, droplet) = find(&cf, &caller, &guid)?;
    place.require_write()?;
    if droplet.state != ArtifactState::AwaitingUpload {
        return Err(uploaded());
    }
    let form = form.map_err(|_| ApiError::unprocessable(MISSING))?;
    let bits = upload::read(&cf, form).await?.bits;
    let bits = bits.ok_or_else(|| ApiError::unprocessable(MISSING))?;
    let actor = caller.principal.actor();
    let finished = cf.control.finish_artifact(&actor, &droplet.id, bits).await;
    let (droplet, operation) = finished.map_err(|error| match error {
        Error::Conflict(_) => uploaded(),
        Error::Invalid { reason, .. } => {
            ApiError::unprocessable(format!("Uploaded droplet file is invalid: {reason}"))
        }
        other => ApiError::from(other),
    })?;
    let mut answer = jobs::accepted(&cf, &operation);
    let wire = Json(view::droplet(cf.urls(), &droplet, true)).into_response();
    let (parts, body) = wire.into_parts();
    if let Some(kind) = parts.headers.get(axum::http::header::CONTENT_TYPE) {
        answer
            .headers_mut()
            .insert(axum::http::header::CONTENT_TYPE, kind.clone());
    }
    *answer.body_mut() = body;
    Ok(answer)
}

fn uploaded() -> ApiError {
    ApiError::unprocessable(
        "Droplet may be uploaded only once. Create a new droplet to upload bits.",
    )
}

/// Readers of secrets may have the code, and so may auditors of everything.
async fn download(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let (place, droplet) = find(&cf, &caller, &guid)?;
    if !place.access.read_secrets {
        return Err(ApiError::not_authorized());
    }
    match (&droplet.state, &droplet.blob) {
        (ArtifactState::Staged, Some(blob)) => {
            let answer = upload::send(&cf, blob, "droplet.tgz").await?;
            let data = json!({"droplet_guid": droplet.id});
            let told = place.event(&caller, "audit.app.droplet.download", data);
            cf.control.write_audit(vec![told]).await?;
            Ok(answer)
        }
        _ => Err(ApiError::unprocessable(
            "Only staged droplets can be downloaded.",
        )),
    }
}

/// A droplet that the caller sees.
fn find(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<(Place, Artifact)> {
    let droplet = cf
        .control
        .find_artifact(&ArtifactId::from(guid))?
        .ok_or_else(|| ApiError::not_found("Droplet"))?;
    let place = access::find_for(cf, caller, &droplet.app, "Droplet")?;
    Ok((place, droplet))
}
