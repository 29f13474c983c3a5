//! An app with its place and what the caller may do there. Whoever may not see an app is told
//! that there is none.

use serde_json::Value;
use windlass_control::Extra;
use windlass_control::history::ReleaseRecord;
use windlass_control::identity::{Blocked, SpaceAccess};
use windlass_control::listing::{Column, Filter, ListQuery, Page};
use windlass_engine::app::AppState;
use windlass_engine::id::{AppId, AuditEventId, ReleaseId, SpaceId};
use windlass_engine::records::{
    Actor, AppRecord, AuditEvent, Dialect, Organization, Space, Stamps, Target,
};

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::path::{Params, is_id};
use crate::server::DoState;

/// Spaces that are looked at to find one where the caller may create apps.
const SPACES_LOOKED_AT: u32 = 200;

/// A space that the caller sees. The team of this API is its organization, the project the space.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    /// The organization.
    pub(crate) organization: Organization,
    /// The space.
    pub(crate) space: Space,
    /// What the caller may do in it.
    pub(crate) access: SpaceAccess,
}

/// An app that the caller sees.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The app.
    pub(crate) app: AppRecord,
    /// Where it lies.
    pub(crate) project: Project,
}

impl Project {
    /// Requires the right to change apps.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn require_write(&self) -> ApiResult<()> {
        self.require(self.access.write)
    }

    fn require(&self, allowed: bool) -> ApiResult<()> {
        if !allowed {
            return Err(ApiError::forbidden(
                "You are not authorized to perform this operation",
            ));
        }
        match self.access.blocked {
            None => Ok(()),
            Some(Blocked::Suspended) => Err(ApiError::forbidden("the team is suspended")),
            Some(Blocked::OrganizationDeleting | Blocked::SpaceDeleting) => {
                Err(ApiError::unprocessable("the team is being deleted"))
            }
        }
    }
}

impl Place {
    /// Requires the right to change apps.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn require_write(&self) -> ApiResult<()> {
        self.project.require_write()
    }

    /// Requires the right to operate apps: deploy, cancel, restart.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn require_operate(&self) -> ApiResult<()> {
        self.project.require(self.project.access.operate)
    }

    /// The engine's state of the app.
    ///
    /// # Errors
    /// 404 when the app was deleted meanwhile.
    pub(crate) fn state(&self, state: &DoState) -> ApiResult<AppState> {
        state
            .control
            .state(&self.app.id)?
            .ok_or_else(|| ApiError::not_found("app"))
    }

    /// One row of the audit trail, to be written with a command.
    pub(crate) fn audit(&self, caller: &Authenticated, kind: &str, data: Value) -> Extra {
        Extra {
            audit: vec![event(caller.principal.actor(), &self.app, kind, data)],
            ..Extra::default()
        }
    }
}

/// A row of the audit trail about an app.
pub(crate) fn event(actor: Actor, app: &AppRecord, kind: &str, data: Value) -> AuditEvent {
    AuditEvent {
        id: AuditEventId::new(uuid::Uuid::new_v4().to_string()),
        kind: kind.to_owned(),
        actor,
        target: Target {
            id: app.id.to_string(),
            kind: "app".to_owned(),
            name: app.name.clone(),
        },
        data,
        space: Some(app.space.clone()),
        organization: Some(app.organization.clone()),
        stamps: Stamps::default(),
    }
}

/// The app of `{id}` in the path, if it is one of this API and the caller sees it.
///
/// # Errors
/// 404.
pub(crate) fn app(state: &DoState, caller: &Authenticated, params: &Params) -> ApiResult<Place> {
    by_id(state, caller, params.id("id", "app")?)
}

/// The same by its id.
///
/// # Errors
/// 404.
pub(crate) fn by_id(state: &DoState, caller: &Authenticated, id: &str) -> ApiResult<Place> {
    let missing = || ApiError::not_found("app");
    let app = state
        .control
        .find_app(&AppId::from(id))?
        .filter(|app| app.dialect == Dialect::DigitalOcean)
        .ok_or_else(missing)?;
    let project = project(state, caller, &app.space)?.ok_or_else(missing)?;
    Ok(Place { app, project })
}

/// The deployment of `{id}` and `{deployment}` in the path.
///
/// # Errors
/// 404, also for the deployment of another app.
pub(crate) fn deployment(
    state: &DoState,
    caller: &Authenticated,
    params: &Params,
) -> ApiResult<(Place, ReleaseRecord)> {
    let place = app(state, caller, params)?;
    let id = params.id("deployment", "deployment")?;
    let record = deployment_of(state, &place, id)?;
    Ok((place, record))
}

/// A deployment of an app.
///
/// # Errors
/// 404, also for that of another app.
pub(crate) fn deployment_of(state: &DoState, place: &Place, id: &str) -> ApiResult<ReleaseRecord> {
    let missing = || ApiError::not_found("deployment");
    if !is_id(id) {
        return Err(missing());
    }
    let record = state.control.release(&ReleaseId::from(id))?;
    if record.app == place.app.id {
        Ok(record)
    } else {
        Err(missing())
    }
}

/// A space that the caller sees.
pub(crate) fn project(
    state: &DoState,
    caller: &Authenticated,
    space: &SpaceId,
) -> ApiResult<Option<Project>> {
    let found = state
        .control
        .tenancy()
        .space_access(&caller.grants, space)?;
    Ok(found.map(|(organization, space, access)| Project {
        organization,
        space,
        access,
    }))
}

/// Where the caller's new apps lie: the project that they name, else the oldest one where they
/// may create apps.
///
/// # Errors
/// 404 for an unknown project, 403 when there is none.
pub(crate) async fn home(
    state: &DoState,
    caller: &Authenticated,
    named: Option<&str>,
) -> ApiResult<Project> {
    if let Some(id) = named {
        return project(state, caller, &SpaceId::from(id))?
            .ok_or_else(|| ApiError::not_found("project"));
    }
    let mut query = ListQuery::filtered(Vec::<Filter>::new());
    query.page = Page::first(SPACES_LOOKED_AT);
    query.order = Some(windlass_control::listing::Order::ascending(
        Column::CreatedAt,
    ));
    let spaces = state
        .control
        .tenancy()
        .list_spaces(&caller.grants, query)
        .await?;
    for space in spaces.rows {
        if let Some(project) = project(state, caller, &space.id)?
            && project.access.write
        {
            return Ok(project);
        }
    }
    Err(ApiError::forbidden(
        "You have no team and project in which you may create apps",
    ))
}
