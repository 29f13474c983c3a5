//! `/v3/builds`.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use windlass_control::Extra;
use windlass_control::listing::{Column, Filter, ListQuery as Question};
use windlass_engine::id::{ArtifactId, BuildId, PackageId};
use windlass_engine::input::CreateBuildCommand;
use windlass_engine::records::{
    BuildRecord, BuildRecordState, BuildSettings, Metadata, PackageState, Stamps,
};

use crate::apps::access::{self, Place};
use crate::apps::document::Document;
use crate::apps::request::update_metadata;
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::page;
use crate::path::Guid;
use crate::query::of_own_apps;
use crate::query::{ListQuery, ListSpec};
use crate::server::CfState;

pub(crate) mod request;
pub(crate) mod view;

use view::Creator;

/// Most memory that a staging run may ask for, MiB.
const MAX_MEMORY_MB: u64 = 16 * 1_024;

/// Most disk that a staging run may ask for, MiB.
const MAX_DISK_MB: u64 = 64 * 1_024;

const LIST: ListSpec = ListSpec::with_filters(&["app_guids", "package_guids", "states"]);

const APP_LIST: ListSpec = ListSpec::with_filters(&["states"]);

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/builds", get(list).post(create))
        .route("/v3/builds/{guid}", get(show).patch(update))
        .route("/v3/apps/{guid}/builds", get(list_of_app))
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let question = query.question(&[
        ("app_guids", Column::App),
        ("package_guids", Column::Package),
    ]);
    answer(&cf, &caller, &query, question, "/v3/builds").await
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
    let path = format!("/v3/apps/{}/builds", place.app.id);
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
        let stored = words.iter().flat_map(|word| stored_states(word)).copied();
        question.filters.push(Filter::one_of(Column::State, stored));
    }
    let found = cf
        .control
        .list_builds(&caller.grants.visible_spaces(), of_own_apps(question))
        .await?;
    let mut rows = Vec::with_capacity(found.rows.len());
    for build in &found.rows {
        rows.push(to_wire(cf, build)?);
    }
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    Ok(Json(page::list(cf.urls(), path, query, total, rows, None)))
}

/// Words of rows for a word of the wire, which has none for canceled builds.
fn stored_states(word: &str) -> &'static [&'static str] {
    match word {
        "STAGING" => &["staging"],
        "STAGED" => &["staged"],
        "FAILED" => &["failed", "canceled"],
        _ => &[],
    }
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let (_, build) = find(&cf, &caller, &guid)?;
    Ok(Json(to_wire(&cf, &build)?))
}

async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    JsonObject(body): JsonObject,
) -> ApiResult {
    let request = request::create(&body)?;
    let unusable = || {
        ApiError::unprocessable(
            "Unable to use package. Ensure that the package exists and you have access to it.",
        )
    };
    let package = PackageId::from(request.package_guid.as_str());
    let package = cf.control.package(&package)?.ok_or_else(unusable)?;
    let place = access::look_up(&cf, &caller, &package.app)?
        .filter(|place| place.access.operate)
        .ok_or_else(unusable)?;
    place.require_active()?;
    let mut lifecycle = Document::of(&place.app).lifecycle;
    if let Some(patch) = &request.lifecycle {
        patch.offered()?;
        lifecycle = lifecycle.patched(patch);
    }
    crate::apps::check_buildpacks(&cf, &lifecycle.buildpacks)?;
    if package.state != PackageState::Ready {
        return Err(ApiError::bad_request(
            "Cannot stage package whose state is not ready.",
        ));
    }
    let id = BuildId::new(uuid::Uuid::new_v4().to_string());
    let artifact = ArtifactId::new(uuid::Uuid::new_v4().to_string());
    let mut command = CreateBuildCommand::of_package(id.clone(), package.id.clone(), artifact);
    let size = |asked: Option<i64>, default: u64| {
        asked
            .and_then(|mb| u64::try_from(mb).ok())
            .unwrap_or(default)
    };
    command.memory_mb = size(request.memory_in_mb, command.memory_mb);
    command.disk_mb = size(request.disk_in_mb, command.disk_mb);
    if command.memory_mb > MAX_MEMORY_MB {
        let text = format!("Staging memory in mb must be less than or equal to {MAX_MEMORY_MB}");
        return Err(ApiError::unprocessable(text));
    }
    if command.disk_mb > MAX_DISK_MB {
        return Err(ApiError::unprocessable("disk limit exceeded"));
    }
    let record = BuildRecord {
        id,
        app: place.app.id.clone(),
        package: Some(package.id),
        git: None,
        component: None,
        settings: BuildSettings::default(),
        state: BuildRecordState::Staging,
        memory_mb: command.memory_mb,
        disk_mb: command.disk_mb,
        buildpacks: lifecycle.buildpacks,
        created_by: Some(caller.principal.user.id.clone()),
        detail: None,
        hosts: Vec::new(),
        canceled: None,
        began_at: None,
        withdrawn: false,
        metadata: request.metadata.apply(&Metadata::default())?,
        stamps: Stamps::default(),
    };
    let data = serde_json::json!({"build_guid": record.id, "package_guid": record.package});
    let extra: Extra = place.audit(&caller, "audit.app.build.create", data);
    let build = cf.control.create_build(command, record, extra).await?;
    crate::apps::say(&cf, &place, "Creating build for app").await;
    Ok((StatusCode::CREATED, Json(to_wire(&cf, &build)?)).into_response())
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let (place, build) = find(&cf, &caller, &guid)?;
    place.require_write()?;
    let metadata = update_metadata(&body)?.apply(&build.metadata)?;
    let build = cf.control.update_build(&build.id, metadata).await?;
    Ok(Json(to_wire(&cf, &build)?))
}

fn find(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<(Place, BuildRecord)> {
    let build = cf
        .control
        .find_build(&BuildId::from(guid))?
        .ok_or_else(|| ApiError::not_found("Build"))?;
    let place = access::find_for(cf, caller, &build.app, "Build")?;
    Ok((place, build))
}

fn to_wire(cf: &CfState, build: &BuildRecord) -> ApiResult<Value> {
    let name = match &build.created_by {
        Some(user) => cf.identity().user(user)?.map(|user| user.name),
        None => None,
    };
    let creator = Creator {
        guid: build.created_by.as_ref().map(ToString::to_string),
        name,
    };
    Ok(view::build(cf.urls(), build, &creator))
}
