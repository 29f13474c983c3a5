//! An app with its place and what the caller may do there.

use serde_json::Value;
use windlass_control::Extra;
use windlass_control::identity::SpaceAccess;
use windlass_engine::app::AppState;
use windlass_engine::id::{AppId, AuditEventId};
use windlass_engine::records::{
    AppRecord, AuditEvent, Dialect, Organization, Space, Stamps, Target,
};

use crate::auth::{Authenticated, require_active, require_in_space};
use crate::error::{ApiError, ApiResult};
use crate::server::CfState;

/// An app that the caller sees.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The app.
    pub(crate) app: AppRecord,
    /// Its organization.
    pub(crate) organization: Organization,
    /// Its space.
    pub(crate) space: Space,
    /// What the caller may do in it.
    pub(crate) access: SpaceAccess,
}

impl Place {
    /// Requires the right to change apps.
    ///
    /// # Errors
    /// 403 10003, 10017; 422 10020.
    pub(crate) fn require_write(&self) -> ApiResult<()> {
        require_in_space(&self.access, |access| access.write)
    }

    /// Requires the right to operate apps.
    ///
    /// # Errors
    /// 403 10003, 10017; 422 10020.
    pub(crate) fn require_operate(&self) -> ApiResult<()> {
        require_in_space(&self.access, |access| access.operate)
    }

    /// Requires that nothing but a role could forbid a write.
    ///
    /// # Errors
    /// 403 10017; 422 10020.
    pub(crate) fn require_active(&self) -> ApiResult<()> {
        require_active(self.access.blocked)
    }

    /// The engine's state of the app.
    ///
    /// # Errors
    /// 404 when the app was deleted meanwhile.
    pub(crate) fn state(&self, cf: &CfState) -> ApiResult<AppState> {
        cf.control
            .state(&self.app.id)?
            .ok_or_else(|| ApiError::not_found("App"))
    }

    /// A row of the audit trail about the app.
    pub(crate) fn event(&self, caller: &Authenticated, kind: &str, data: Value) -> AuditEvent {
        AuditEvent {
            id: AuditEventId::new(uuid::Uuid::new_v4().to_string()),
            kind: kind.to_owned(),
            actor: caller.principal.actor(),
            target: Target {
                id: self.app.id.to_string(),
                kind: "app".to_owned(),
                name: self.app.name.clone(),
            },
            data,
            space: Some(self.app.space.clone()),
            organization: Some(self.app.organization.clone()),
            stamps: Stamps::default(),
        }
    }

    /// One row of the audit trail, to be written with a command.
    pub(crate) fn audit(&self, caller: &Authenticated, kind: &str, data: Value) -> Extra {
        Extra {
            audit: vec![self.event(caller, kind, data)],
            ..Extra::default()
        }
    }
}

/// The app with this guid, if the caller sees it.
///
/// # Errors
/// 404.
pub(crate) fn find(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<Place> {
    find_for(cf, caller, &AppId::from(guid), "App")
}

/// The app that something belongs to, if the caller sees it; otherwise there is no such thing.
///
/// # Errors
/// 404 that names `what`.
pub(crate) fn find_for(
    cf: &CfState,
    caller: &Authenticated,
    app: &AppId,
    what: &str,
) -> ApiResult<Place> {
    look_up(cf, caller, app)?.ok_or_else(|| ApiError::not_found(what))
}

/// The app, if there is one and the caller sees it.
pub(crate) fn look_up(
    cf: &CfState,
    caller: &Authenticated,
    app: &AppId,
) -> ApiResult<Option<Place>> {
    let found = cf.control.find_app(app)?;
    let Some(app) = found.filter(|app| app.dialect == Dialect::CloudFoundry) else {
        return Ok(None);
    };
    let place = cf.tenancy().space_access(&caller.grants, &app.space)?;
    Ok(place.map(|(organization, space, access)| Place {
        app,
        organization,
        space,
        access,
    }))
}
