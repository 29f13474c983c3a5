//! `POST /deployments`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use windlass_control::commands::site::NewSiteDeployment;
use windlass_control::error::Error;
use windlass_control::routes::{RouteError, RouteRefusal};
use windlass_engine::app::AppState;
use windlass_engine::build::{AwaitedChecks, OnBuilt, OnBuiltRelease};
use windlass_engine::id::{ArtifactId, BuildId, ComponentName, ReleaseId, RevisionId};
use windlass_engine::input::CreateBuildCommand;
use windlass_engine::records::{
    BuildOutputSettings, BuildRecord, BuildRecordState, BuildSettings, Metadata, Stamps,
};
use windlass_engine::strategy::Strategy;

use super::configuration::{self, Told};
use super::detail::{Creator, Detail, Target};
use super::find;
use super::hosts::{branch_host, own_host};
use super::order::Order;
use super::origin::{Asked, Origin};
use super::{COMPONENT, source, view};
use crate::auth::Authenticated;
use crate::body::{self, JsonObject};
use crate::document::{Document, Settings};
use crate::error::{ApiError, ApiResult};
use crate::ids;
use crate::once::{self, Attempt};
use crate::place::{self, Place, Team};
use crate::projects::{self, view::production_hosts};
use crate::query::Pairs;
use crate::rolling_releases::Config;
use crate::server::VercelState;

/// Memory and disk of a build, MiB.
const BUILD_MEMORY_MB: u64 = 2_048;
const BUILD_DISK_MB: u64 = 8_192;

pub(super) async fn create(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    method: Method,
    uri: Uri,
    JsonObject { object, bytes }: JsonObject,
) -> ApiResult {
    let attempt = Attempt::of(&caller, &method, &uri, &bytes);
    if let Some(id) = attempt.repeated(&state)? {
        return answer(&state, &caller, &id, &attempt).await;
    }
    let order = Order::read(&object, &query)?;
    let asked = Asked::read(&state, &caller, &query, &object).await?;
    let (team, named) = project_named(&state, &caller, &query, &object, &asked).await?;
    let link = match &named {
        Named::There(place) => {
            // Before anything is looked up: which files a team has, and what its repositories
            // hold, is for those who may deploy.
            place.require_operate()?;
            Document::of(&place.app).link
        }
        Named::New(_) => None,
    };
    let origin = asked.resolve(&state, link.as_ref()).await?;
    // Before anything is made: a client that still has to upload files has changed nothing.
    if let Origin::Files(files) = &origin {
        let missing = state.control.missing_files(&team.organization.id, files);
        if !missing.is_empty() {
            return Err(source::missing(&missing));
        }
    }
    let place = match named {
        Named::There(place) => *place,
        Named::New(name) => new_project(&state, &caller, &team, name).await?,
    };
    let id = submit(&state, &caller, &place, order, origin, &object, &attempt).await?;
    answer(&state, &caller, &id, &attempt).await
}

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

/// The project that a request is for.
enum Named {
    There(Box<Place>),
    New(String),
}

async fn project_named(
    state: &VercelState,
    caller: &Authenticated,
    query: &Pairs,
    object: &Map<String, Value>,
    asked: &Asked,
) -> ApiResult<(Team, Named)> {
    if let Asked::Again { found, .. } = asked {
        let place = found.place.clone();
        let team = place::with_home(state, caller, place.organization.clone())?;
        return Ok((team, Named::There(Box::new(place))));
    }
    let name = body::text(object, "project")?
        .or(body::text(object, "name")?)
        .ok_or_else(|| body::kind("name", "a string"))?;
    let named = place::named_team(state, caller, query).await?;
    if let Some(place) = place::find_project(state, caller, named.as_ref(), &name).await? {
        let team = place::with_home(state, caller, place.organization.clone())?;
        return Ok((team, Named::There(Box::new(place))));
    }
    if ids::is("prj_", &name) {
        return Err(ApiError::not_found("Project"));
    }
    let team = place::team(state, caller, query).await?;
    team.writable()?;
    Ok((team, Named::New(projects::checked_name(&name)?)))
}

async fn new_project(
    state: &VercelState,
    caller: &Authenticated,
    team: &Team,
    name: String,
) -> ApiResult<Place> {
    let id = ids::project();
    let document = Document::default();
    projects::create_in(state, caller, team, &id, name, &document).await?;
    place::find_project(state, caller, Some(team), &id)
        .await?
        .ok_or_else(|| ApiError::not_found("Project"))
}

/// Creates the deployment.
async fn submit(
    state: &VercelState,
    caller: &Authenticated,
    place: &Place,
    order: Order,
    origin: Origin,
    object: &Map<String, Value>,
    attempt: &Attempt,
) -> ApiResult<BuildId> {
    let control = &state.control;
    let app = &place.app;
    let document = Document::of(app);
    let before = origin.detail_before();
    let mut settings = before.map_or(document.settings.clone(), |it| it.settings.clone());
    take_settings(&mut settings, object)?;
    let domain = control.tenancy().default_domain(&app.organization)?;
    let domain = domain.ok_or_else(|| ApiError::conflict("there is no domain for deployments"))?;
    let made = origin.made(state, caller, place).await?;
    let engine = control.state(&app.id)?;
    let target = target(&order, before, engine.as_ref());
    let id = BuildId::new(ids::deployment());
    let own = own_host(&place.organization, &app.name, &domain);
    let full_host = format!("{}.{}", own.label, domain.name);
    let production = production_hosts(state, app).await?;
    let commit = order
        .commit
        .clone()
        .with_source(origin.git(), origin.repository());
    let branch_host = match (&commit.branch, target) {
        (Some(branch), Target::Preview | Target::Staging) => {
            Some(branch_host(place, branch, &domain))
        }
        (_, Target::Production) | (None, _) => None,
    };
    let branch_full_host =
        (branch_host.as_ref()).map(|host| format!("{}.{}", host.label, domain.name));
    let told = Told {
        id: id.as_str(),
        host: &full_host,
        project: app.id.as_str(),
        production_host: production.first().map(|route| route.full_host.as_str()),
        target,
        branch_host: branch_full_host.as_deref(),
        commit: &commit,
    };
    let env = configuration::variables(state, &document, &settings, told, &order.env)?;
    let build_env = configuration::variables(state, &document, &settings, told, &order.build_env)?;
    let (sealed, sealed_build) = (
        configuration::seal(state, &env)?,
        configuration::seal(state, &build_env)?,
    );
    let auto_assign = order.auto_assign.unwrap_or(true) && settings.auto_assign_custom_domains;
    let moves_production = target == Target::Production && auto_assign;
    let release = moves_production.then(|| ReleaseId::new(uuid::Uuid::new_v4().to_string()));
    let revision = RevisionId::from(id.as_str());
    let detail = Detail {
        name: app.name.clone(),
        host: full_host.clone(),
        target,
        source: origin.word(&order.source),
        creator: Creator {
            id: caller.principal.user.id.to_string(),
            name: caller.principal.user.name.clone(),
        },
        meta: before
            .map(|it| it.meta.clone())
            .unwrap_or_default()
            .into_iter()
            .chain(order.meta.clone())
            .chain(
                branch_full_host
                    .clone()
                    .map(|host| ("branchAlias".to_owned(), host)),
            )
            .collect(),
        env: env.keys().cloned().collect(),
        build_env: build_env.keys().cloned().collect(),
        auto_assign,
        prebuilt: order.prebuilt || before.is_some_and(|it| it.prebuilt),
        revision: revision.clone(),
        release: release.clone(),
        of: origin.before().map(|found| found.record.id.clone()),
        git: origin.repository().cloned(),
        project_file: order
            .project_file
            .clone()
            .or_else(|| before.and_then(|it| it.project_file.clone())),
        settings,
        checks: Vec::new(),
    };
    let build = CreateBuildCommand {
        build: id.clone(),
        source: made.source(),
        artifact: ArtifactId::new(uuid::Uuid::new_v4().to_string()),
        memory_mb: BUILD_MEMORY_MB,
        disk_mb: BUILD_DISK_MB,
        for_releases: false,
        // Files, and a repeat, are wanted as they are.
        gives_way: matches!(origin, Origin::Git(..)),
        on_built: Some(OnBuilt {
            revision,
            configuration: Box::new(configuration::configuration(sealed.names)),
            release: release.map(|release| OnBuiltRelease {
                release,
                strategy: document
                    .rolling_release
                    .as_ref()
                    .map_or(Strategy::Instant, Config::strategy),
                checks: AwaitedChecks::None,
            }),
        }),
    };
    let (package, git) = made.parts();
    let record = BuildRecord {
        id: id.clone(),
        app: app.id.clone(),
        package,
        git,
        component: Some(ComponentName::from(COMPONENT)),
        settings: build_settings(&detail, sealed_build.names),
        state: BuildRecordState::Staging,
        memory_mb: BUILD_MEMORY_MB,
        disk_mb: BUILD_DISK_MB,
        buildpacks: Vec::new(),
        created_by: Some(caller.principal.user.id.clone()),
        detail: Some(detail.to_value()),
        hosts: branch_host.into_iter().collect(),
        canceled: None,
        began_at: None,
        withdrawn: false,
        metadata: Metadata::default(),
        stamps: Stamps::default(),
    };
    let mut secrets = sealed.values;
    secrets.extend(sealed_build.values);
    let data = json!({"deployment": id, "target": target.as_wire()});
    let mut extra = place.audit(caller, "audit.app.deployment.create", data);
    extra.once = Some(attempt.makes(&id));
    let new = NewSiteDeployment {
        build,
        record,
        own_hosts: vec![own],
        secrets,
    };
    match control.create_site_deployment(new, extra).await {
        Ok(record) => Ok(record.id),
        Err(RouteError::Other(Error::Repeated { made })) => {
            once::read(&made).ok_or_else(|| ApiError::not_found("Deployment"))
        }
        Err(RouteError::Other(error)) => Err(error.into()),
        Err(RouteError::Refused(refusal)) => Err(refused(&refusal)),
    }
}

fn refused(refusal: &RouteRefusal) -> ApiError {
    ApiError::conflict(format!("the host of the deployment: {refusal}"))
}

/// Takes over settings of the request.
fn take_settings(settings: &mut Settings, object: &Map<String, Value>) -> ApiResult<()> {
    let mut given = match object.get("projectSettings") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(given)) => given.clone(),
        Some(_) => return Err(body::kind("projectSettings", "an object")),
    };
    // `null` there says that the client has nothing of its own to say.
    given.retain(|_, value| !value.is_null());
    settings.take(&given)
}

/// A deployment of a project that runs nothing goes to production, unless it says otherwise.
fn target(order: &Order, before: Option<&Detail>, engine: Option<&AppState>) -> Target {
    if let Some(target) = order.target {
        return target;
    }
    if let Some(before) = before {
        return before.target;
    }
    let is_first = engine
        .is_some_and(|app| app.base.is_none() && app.published.is_empty() && app.builds.is_empty());
    if is_first {
        Target::Production
    } else {
        Target::Preview
    }
}

fn build_settings(
    detail: &Detail,
    env: BTreeMap<String, windlass_engine::id::SecretRef>,
) -> BuildSettings {
    let settings = &detail.settings;
    BuildSettings {
        source_dir: settings.root_directory.clone(),
        build_command: settings.build_command.clone(),
        output_dir: settings.output_directory.clone(),
        build_output: Some(BuildOutputSettings {
            prebuilt: detail.prebuilt,
            framework: settings.framework.clone(),
            install_command: settings.install_command.clone(),
            ignore_command: settings.command_for_ignoring_build_step.clone(),
            project: detail.project_file.clone(),
        }),
        env,
        ..BuildSettings::default()
    }
}
