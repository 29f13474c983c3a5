//! From a spec to a deployment: what has to be built, what can be used again, one command.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;
use windlass_control::Extra;
use windlass_control::commands::apps::NewApp;
use windlass_control::commands::deploy::NewDeployment;
use windlass_control::commands::deploy_whole::OwnHost;
use windlass_control::error::Error;
use windlass_control::history::{ReleaseDetail, ReleaseRecord};
use windlass_engine::app::{AppSettings, ConcurrencyPolicy};
use windlass_engine::id::{AppId, OrganizationId, ReleaseId, RevisionId};
use windlass_engine::input::{DeployCommand, IfStopped};
use windlass_engine::records::{AppRecord, Dialect, Metadata};
use windlass_engine::strategy::Strategy;

use crate::apps::view;
use crate::auth::Authenticated;
use crate::deployments::view::serving;
use crate::document::{By, Cause, Component, Detail, Document, Pin};
use crate::error::{ApiError, ApiResult};
use crate::once::{ApiErrorOr, Attempt, Made};
use crate::place::{Place, Project, event};
use crate::server::DoState;
use crate::spec::Spec;
use crate::spec::secret::{SealError, SealedSpec};

mod components;
mod host;
mod previous;

use components::Planned;
pub(crate) use components::Sources;

/// Retained releases whose sealed secrets are looked at: a secret keeps its sealed text.
const SPECS_BEFORE: usize = 2;

/// Deployed versions that can be rolled back to.
const ROLLBACKS: u32 = 10;

/// What is ordered beside the spec itself.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// What it comes from.
    pub(crate) cause: Cause,
    /// Which commits are wanted.
    pub(crate) sources: Sources,
    /// Whether even what has not changed is built anew.
    pub(crate) force_build: bool,
    /// What a repeat of the request is told: of an app and a deployment.
    pub(crate) made: fn(String, String) -> Made,
}

/// What becomes of the pin of a rolled back app with a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PinChange {
    /// A pinned app takes no deployment.
    Refuse,
    /// The app is pinned by this deployment.
    Set(Pin),
    /// The app is free again.
    Clear,
}

/// Checks a spec.
///
/// # Errors
/// 400 that names the field.
pub(crate) fn spec(value: &Value) -> ApiResult<Spec> {
    let spec = Spec::check(value.clone());
    spec.map_err(|error| ApiError::bad_request(error.to_string()))
}

/// Creates an app with its first deployment.
///
/// # Errors
/// 400 for the spec, 409 for its name, 422 for the quota.
pub(crate) async fn create(
    state: &DoState,
    caller: &Authenticated,
    project: &Project,
    spec: &Spec,
    attempt: &Attempt,
) -> Result<(AppRecord, ReleaseRecord), ApiErrorOr> {
    let name = spec.app().name.clone();
    if view_named(state, project, &name).await? {
        return Err(Error::Taken {
            what: "app name",
            value: name,
        }
        .into());
    }
    let id = AppId::new(Uuid::new_v4().to_string());
    let sealed = seal(state, spec, &id, &[])?;
    let domain = state
        .control
        .tenancy()
        .default_domain(&project.organization.id)?
        .ok_or_else(|| ApiError::unprocessable("there is no domain for apps"))?;
    let label = host::label(&name);
    let full_host = format!("{label}.{}", domain.name);
    let ground = Ground {
        app: &id,
        full_host: &full_host,
        previous: &BTreeMap::new(),
    };
    let planned = components::plan(state, &sealed, &ground, &Sources::Newest, false).await?;
    let release = ReleaseId::new(Uuid::new_v4().to_string());
    let document = Document {
        spec: sealed.document().clone(),
        host: full_host.clone(),
        pin: None,
    };
    let app = NewApp {
        id: id.clone(),
        space: project.space.id.clone(),
        name,
        dialect: Dialect::DigitalOcean,
        policy: ConcurrencyPolicy::OneRunningNewestPending,
        metadata: Metadata::default(),
        document: document.to_value(),
        components: BTreeMap::new(),
        env: BTreeMap::new(),
        settings: Some(AppSettings {
            keep_base_warm: true,
            releases_to_return_to: ROLLBACKS,
            sessions_roam: true,
            ..state.control.settings().app_defaults
        }),
    };
    let detail = detail(&sealed, &planned, Cause::Initial(By::of(caller)), None);
    let made = Made::App {
        app: id.to_string(),
        deployment: release.to_string(),
    };
    let audited = AppRecord {
        id: id.clone(),
        organization: project.organization.id.clone(),
        space: project.space.id.clone(),
        name: app.name.clone(),
        dialect: Dialect::DigitalOcean,
        deleted: false,
        metadata: Metadata::default(),
        document: Value::Null,
        last_task_sequence: 0,
        last_revision_number: 0,
        stamps: windlass_engine::records::Stamps::default(),
    };
    let actor = || caller.principal.actor();
    let extra = Extra {
        audit: vec![
            event(actor(), &audited, "audit.app.create", json!({})),
            event(
                actor(),
                &audited,
                "audit.app.deployment.create",
                json!({ "deployment": release }),
            ),
        ],
        once: Some(attempt.makes(&made)),
    };
    let own_host = OwnHost {
        label,
        domain: domain.id,
    };
    let target = planned.configuration.clone();
    let deployment = new_deployment(&id, &release, planned, detail);
    Ok(state
        .control
        .create_app_deployed(app, own_host, target, deployment, extra)
        .await?)
}

/// Creates a deployment of an app: of a new spec, or of the one that it has.
///
/// # Errors
/// 400 for the spec, 409 for its name, 412 while a rollback is pinned, 422 for the quota.
pub(crate) async fn deploy(
    state: &DoState,
    caller: &Authenticated,
    place: &Place,
    spec: Option<&Spec>,
    order: Order,
    attempt: &Attempt,
) -> Result<(AppRecord, ReleaseRecord), ApiErrorOr> {
    let release = ReleaseId::new(Uuid::new_v4().to_string());
    let mut extra = place.audit(
        caller,
        "audit.app.deployment.create",
        json!({ "deployment": release }),
    );
    let made = (order.made)(place.app.id.to_string(), release.to_string());
    extra.once = Some(attempt.makes(&made));
    deploy_as(state, &place.app, spec, order, release, extra).await
}

/// The same for those who are no callers of this API: the poller, reports of pushes.
///
/// # Errors
/// As [`deploy`].
pub(crate) async fn deploy_as(
    state: &DoState,
    app: &AppRecord,
    spec: Option<&Spec>,
    order: Order,
    release: ReleaseId,
    extra: Extra,
) -> Result<(AppRecord, ReleaseRecord), ApiErrorOr> {
    let mut document = Document::of(app);
    if document.pin.is_some() {
        return Err(pinned().into());
    }
    let newest = view::newest(state, &app.id).await?;
    let active = serving(state, &app.id).await?;
    let now = view::spec(&document, &newest, active.as_ref());
    let sealed = match spec {
        Some(spec) => seal(state, spec, &app.id, &before(&now, &document))?,
        None => stored(now)?,
    };
    let previous = previous::components(state, &newest, active.as_ref())?;
    let ground = Ground {
        app: &app.id,
        full_host: &document.host,
        previous: &previous,
    };
    let planned =
        components::plan(state, &sealed, &ground, &order.sources, order.force_build).await?;
    let before = active.as_ref().or(newest.first());
    let before = before.map(|record| record.release.id.clone());
    let detail = detail(&sealed, &planned, order.cause, before);
    document.spec = sealed.document().clone();
    let name = sealed.app().name.clone();
    commit(
        state,
        app,
        planned,
        detail,
        release,
        document,
        name,
        PinChange::Refuse,
        extra,
    )
    .await
}

/// Makes an app what an earlier deployment of it was, without building anything.
///
/// # Errors
/// 412 when what it ran is gone or the app is pinned, 422 for the quota.
pub(crate) async fn repeat(
    state: &DoState,
    app: &AppRecord,
    earlier: &ReleaseRecord,
    cause: Cause,
    pin: Option<PinChange>,
    release: ReleaseId,
    extra: Extra,
) -> Result<(AppRecord, ReleaseRecord), ApiErrorOr> {
    let mut document = Document::of(app);
    let was = Detail::of(earlier).ok_or_else(|| ApiError::not_found("deployment"))?;
    let sealed = stored(was.spec.clone())?;
    let artifacts = previous::components(state, &[], Some(earlier))?;
    let ground = Ground {
        app: &app.id,
        full_host: &document.host,
        previous: &artifacts,
    };
    let planned = components::plan(state, &sealed, &ground, &Sources::Same, false).await?;
    let active = serving(state, &app.id).await?;
    let before = active.map(|record| record.release.id);
    let restart = matches!(cause, Cause::Restart(_));
    let mut detail = detail(&sealed, &planned, cause, before);
    if !restart {
        detail.cloned_from = Some(earlier.release.id.clone());
    }
    document.spec = sealed.document().clone();
    let name = sealed.app().name.clone();
    let pin = pin.unwrap_or(PinChange::Refuse);
    commit(
        state, app, planned, detail, release, document, name, pin, extra,
    )
    .await
}

/// The components of a deployment whose builds are still there.
///
/// # Errors
/// [`Error::Internal`].
pub(crate) fn kept(state: &DoState, record: &ReleaseRecord) -> ApiResult<BTreeSet<String>> {
    let previous = previous::components(state, &[], Some(record))?;
    Ok(previous
        .into_iter()
        .filter(|(_, previous)| previous.artifact.is_some())
        .map(|(name, _)| name)
        .collect())
}

/// A checked spec as it would be shown. `app` is the one that it is for, if there is one.
///
/// # Errors
/// 400 that names the field.
pub(crate) fn proposed(
    state: &DoState,
    spec: &Spec,
    app: Option<&AppRecord>,
    organization: &OrganizationId,
) -> ApiResult<Value> {
    let nobody = AppId::new(Uuid::nil().to_string());
    let (id, document) = match app {
        Some(app) => (&app.id, Document::of(app)),
        None => (&nobody, Document::default()),
    };
    let sealed = seal(state, spec, id, &before(&document.spec, &document))?;
    let ground = Ground {
        app: id,
        full_host: &document.host,
        previous: &BTreeMap::new(),
    };
    let translation = components::translate(state, &sealed, &ground, &BTreeMap::new())?;
    components::check_sources(state, &translation)?;
    let hosts = translation.full_hosts();
    let app = app.map(|app| &app.id);
    state.control.check_hosts(organization, app, &hosts)?;
    Ok(sealed.document().clone())
}

/// What the deployments of an app stand on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    /// The app.
    pub(crate) app: &'a AppId,
    /// Its own host.
    pub(crate) full_host: &'a str,
    /// What its components run now, by name.
    pub(crate) previous: &'a BTreeMap<String, previous::Previous>,
}

#[expect(clippy::too_many_arguments, reason = "one call, one commit")]
async fn commit(
    state: &DoState,
    app: &AppRecord,
    planned: Planned,
    detail: Detail,
    release: ReleaseId,
    document: Document,
    name: String,
    pin: PinChange,
    extra: Extra,
) -> Result<(AppRecord, ReleaseRecord), ApiErrorOr> {
    let target = planned.configuration.clone();
    let deployment = new_deployment(&app.id, &release, planned, detail);
    let change = Box::new(
        move |record: &mut AppRecord, _: &windlass_engine::app::AppState| {
            let known = Document::of(record);
            let pin = match pin {
                PinChange::Refuse if known.pin.is_some() => {
                    return Err(Error::Conflict(PINNED.to_owned()));
                }
                PinChange::Refuse | PinChange::Clear => None,
                PinChange::Set(pin) => Some(pin),
            };
            record.name = name;
            record.document = Document { pin, ..document }.to_value();
            Ok(())
        },
    );
    Ok(state
        .control
        .deploy_whole(target, deployment, change, extra)
        .await?)
}

const PINNED: &str =
    "the app is pinned to a rollback; commit or revert the rollback before it is deployed again";

fn pinned() -> ApiError {
    ApiError::precondition_failed(PINNED)
}

async fn view_named(state: &DoState, project: &Project, name: &str) -> ApiResult<bool> {
    let everybody = windlass_control::identity::Visibility::Only {
        organizations: [project.organization.id.clone()].into(),
        spaces: [project.space.id.clone()].into(),
    };
    Ok(crate::apps::named(state, &everybody, name).await?.is_some())
}

/// Specs in which a secret may stand already, the newest first.
fn before(now: &Value, document: &Document) -> Vec<SealedSpec> {
    [now, &document.spec]
        .into_iter()
        .take(SPECS_BEFORE)
        .filter_map(|value| SealedSpec::stored(value.clone()).ok())
        .collect()
}

fn stored(value: Value) -> ApiResult<SealedSpec> {
    SealedSpec::stored(value)
        .map_err(|error| Error::internal(format!("a stored spec: {error}")).into())
}

fn seal(state: &DoState, spec: &Spec, app: &AppId, before: &[SealedSpec]) -> ApiResult<SealedSpec> {
    let before: Vec<&SealedSpec> = before.iter().collect();
    let vault = state.vault(app);
    match spec.clone().seal(&before, &vault) {
        Ok(sealed) => Ok(sealed),
        Err(SealError::Spec(error)) => Err(ApiError::bad_request(error.to_string())),
        Err(SealError::Secrets(error)) => Err(Error::internal(error).into()),
    }
}

fn detail(
    sealed: &SealedSpec,
    planned: &Planned,
    cause: Cause,
    previous: Option<ReleaseId>,
) -> Detail {
    let restart = matches!(cause, Cause::Restart(_));
    Detail {
        spec: sealed.document().clone(),
        cause,
        previous,
        cloned_from: None,
        tier: planned.tier.clone(),
        components: planned
            .components
            .iter()
            .map(|component| Component {
                name: component.name.clone(),
                kind: component.kind,
                build: component.build.clone(),
                commit: component.commit.clone(),
                reused: component.new_build.is_none(),
            })
            .collect(),
        restart,
    }
}

fn new_deployment(
    app: &AppId,
    release: &ReleaseId,
    planned: Planned,
    detail: Detail,
) -> NewDeployment {
    let Planned {
        components,
        scale,
        canary,
        secrets,
        hosts,
        ..
    } = planned;
    let builds: Vec<_> = components
        .into_iter()
        .filter_map(|component| component.new_build)
        .collect();
    let is_rollback = matches!(detail.cause, Cause::Rollback(_));
    NewDeployment {
        app: app.clone(),
        command: DeployCommand {
            release: release.clone(),
            revision: RevisionId::new(Uuid::new_v4().to_string()),
            edits: Vec::new(),
            target_edits: Vec::new(),
            target_scale: scale,
            strategy: match canary {
                Some(weights) => Strategy::Canary {
                    weights,
                    max_in_flight: u32::MAX,
                },
                None => Strategy::BlueGreen,
            },
            if_stopped: IfStopped::Release,
            awaited_builds: builds
                .iter()
                .map(|build| build.command.build.clone())
                .collect(),
        },
        detail: ReleaseDetail {
            options: detail.to_value(),
            is_rollback,
            hosts,
            ..ReleaseDetail::default()
        },
        secrets,
        builds,
    }
}
