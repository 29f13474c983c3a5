//! `/v3/packages`, and matching of files that need not be uploaded.

use axum::extract::{DefaultBodyLimit, Multipart, RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use windlass_control::Error;
use windlass_control::listing::{Column, Filter, ListQuery as Question};
use windlass_engine::id::{AppId, PackageId};
use windlass_engine::records::{Metadata, Package, PackageState};

use crate::apps::access::{self, Place};
use crate::apps::request::update_metadata;
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::path::Guid;
use crate::query::of_own_apps;
use crate::query::{ListQuery, ListSpec, only_parameters};
use crate::server::CfState;
use crate::{droplets, feature_flags, jobs, page};

mod matches;
pub(crate) mod request;
pub(crate) mod upload;
pub(crate) mod view;

const LIST: ListSpec = ListSpec::with_filters(&[
    "states",
    "types",
    "app_guids",
    "space_guids",
    "organization_guids",
]);

const APP_LIST: ListSpec = ListSpec::with_filters(&["states", "types"]);

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/packages", get(list).post(create))
        .route(
            "/v3/packages/{guid}",
            get(show).patch(update).delete(delete),
        )
        .route("/v3/packages/{guid}/download", get(download))
        .route(
            "/v3/packages/{guid}/droplets",
            get(droplets::list_of_package),
        )
        .route("/v3/apps/{guid}/packages", get(list_of_app))
        .route("/v3/resource_matches", post(matches::create))
        .merge(
            Router::new()
                .route("/v3/packages/{guid}/upload", post(upload_bits))
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
    let mut question = query.question(&[
        ("app_guids", Column::App),
        ("space_guids", Column::Space),
        ("organization_guids", Column::Organization),
    ]);
    narrow(&query, &mut question);
    answer(&cf, &caller, &query, question, "/v3/packages").await
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
    narrow(&query, &mut question);
    question
        .filters
        .push(Filter::is(Column::App, place.app.id.as_str()));
    let path = format!("/v3/apps/{}/packages", place.app.id);
    answer(&cf, &caller, &query, question, &path).await
}

/// Filters whose words are not those of the rows.
fn narrow(query: &ListQuery, question: &mut Question) {
    if let Some(words) = query.values("states") {
        let stored = words.iter().filter_map(|word| stored_state(word));
        question.filters.push(Filter::one_of(Column::State, stored));
    }
    if !query.accepts("types", "bits") {
        question.filters.push(Filter::Any(Vec::new()));
    }
}

/// The word of rows for a word of the wire.
fn stored_state(word: &str) -> Option<&'static str> {
    match word {
        "AWAITING_UPLOAD" => Some("awaiting_upload"),
        "PROCESSING_UPLOAD" => Some("processing"),
        "READY" => Some("ready"),
        "FAILED" => Some("failed"),
        "EXPIRED" => Some("expired"),
        _ => None,
    }
}

async fn answer(
    cf: &CfState,
    caller: &Authenticated,
    query: &ListQuery,
    question: Question,
    path: &str,
) -> ApiResult<Json<Value>> {
    let found = cf
        .control
        .list_packages(&caller.grants.visible_spaces(), of_own_apps(question))
        .await?;
    let rows = found
        .rows
        .iter()
        .map(|it| view::package(cf.urls(), it))
        .collect();
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    Ok(Json(page::list(cf.urls(), path, query, total, rows, None)))
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let (_, package) = find(&cf, &caller, &guid)?;
    Ok(Json(view::package(cf.urls(), &package)))
}

async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
    JsonObject(body): JsonObject,
) -> ApiResult {
    let parameters = only_parameters(raw.as_deref(), &["source_guid"])?;
    let package = match parameters.get("source_guid") {
        Some(source) => copy(&cf, &caller, source, &body).await?,
        None => create_new(&cf, &caller, &body).await?,
    };
    Ok((
        StatusCode::CREATED,
        Json(view::package(cf.urls(), &package)),
    )
        .into_response())
}

async fn create_new(
    cf: &CfState,
    caller: &Authenticated,
    body: &Map<String, Value>,
) -> ApiResult<Package> {
    let request = request::create(body)?;
    let place = app_of(cf, caller, &request.app_guid)?;
    if request.is_docker {
        return Err(ApiError::unprocessable(
            "Cannot create Docker package for a buildpack app.",
        ));
    }
    let metadata = request.metadata.apply(&Metadata::default())?;
    let actor = caller.principal.actor();
    Ok(cf
        .control
        .create_package(&actor, &place.app.id, metadata)
        .await?)
}

async fn copy(
    cf: &CfState,
    caller: &Authenticated,
    source: &str,
    body: &Map<String, Value>,
) -> ApiResult<Package> {
    let app_guid = request::copy(body)?;
    let place = app_of(cf, caller, &app_guid)?;
    let (source_place, source) = find(cf, caller, source).map_err(|_| {
        ApiError::unprocessable(
            "Source package is invalid. Ensure it exists and you have access to it.",
        )
    })?;
    source_place.require_write()?;
    let actor = caller.principal.actor();
    Ok(cf
        .control
        .copy_package(&actor, &source.id, &place.app.id)
        .await?)
}

/// The app of a new package.
fn app_of(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<Place> {
    let place = access::look_up(cf, caller, &AppId::from(guid))?.ok_or_else(|| {
        ApiError::unprocessable("App is invalid. Ensure it exists and you have access to it.")
    })?;
    place.require_write()?;
    Ok(place)
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let patch = update_metadata(&body)?;
    let (place, package) = find(&cf, &caller, &guid)?;
    place.require_write()?;
    let metadata = patch.apply(&package.metadata)?;
    let package = cf.control.update_package(&package.id, metadata).await?;
    Ok(Json(view::package(cf.urls(), &package)))
}

async fn delete(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let (place, package) = find(&cf, &caller, &guid)?;
    place.require_write()?;
    let actor = caller.principal.actor();
    let operation = cf.control.delete_package(&actor, &package.id).await?;
    Ok(jobs::accepted(&cf, &operation))
}

async fn upload_bits(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> ApiResult<Json<Value>> {
    if !caller.principal.is_admin() {
        feature_flags::require(&cf, "app_bits_upload")?;
    }
    let (place, package) = find(&cf, &caller, &guid)?;
    place.require_write()?;
    cf.control.check_awaits_upload(&package).map_err(uploaded)?;
    let form = form.map_err(|_| ApiError::unprocessable(upload::NOTHING))?;
    let parts = upload::read(&cf, form).await?;
    if parts.bits.is_none() && parts.resources.is_empty() {
        return Err(ApiError::unprocessable(upload::NOTHING));
    }
    let actor = caller.principal.actor();
    let package = cf
        .control
        .finish_package(&actor, &package.id, parts.bits, parts.resources)
        .await
        .map_err(uploaded)?;
    // A client that follows the log begins a second before the newest line: without this it shows
    // the end of the staging before once more.
    crate::apps::say(&cf, &place, "Uploading app package for app").await;
    Ok(Json(view::package(cf.urls(), &package)))
}

/// A second upload has a number of its own.
fn uploaded(error: Error) -> ApiError {
    match error {
        Error::Conflict(_) => ApiError::new(
            StatusCode::BAD_REQUEST,
            150_004,
            "PackageBitsAlreadyUploaded",
            "Bits may be uploaded only once. Create a new package to upload different bits.",
        ),
        other => ApiError::from(other),
    }
}

async fn download(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let (place, package) = find(&cf, &caller, &guid)?;
    if !place.access.read_secrets {
        return Err(ApiError::not_authorized());
    }
    match (&package.state, &package.blob) {
        (PackageState::Ready, Some(blob)) => {
            let answer = upload::send(&cf, blob, "package.zip").await?;
            let data = json!({"package_guid": package.id});
            let told = place.event(&caller, "audit.app.package.download", data);
            cf.control.write_audit(vec![told]).await?;
            Ok(answer)
        }
        _ => Err(ApiError::unprocessable("Package has no bits to download.")),
    }
}

/// A package that the caller sees.
pub(crate) fn find(
    cf: &CfState,
    caller: &Authenticated,
    guid: &str,
) -> ApiResult<(Place, Package)> {
    let package = cf
        .control
        .package(&PackageId::from(guid))?
        .ok_or_else(|| ApiError::not_found("Package"))?;
    let place = access::find_for(cf, caller, &package.app, "Package")?;
    Ok((place, package))
}

/// A field that a form may not have.
pub(crate) fn unknown_field(name: &str) -> ApiError {
    ApiError::unprocessable(format!("Unknown field(s): '{}'", crate::checks::echo(name)))
}
