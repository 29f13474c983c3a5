//! Teams and projects with what the caller may do there. Whoever may not see a project is told that
//! there is none.
//!
//! Clients leave the team out at will, also where they mean a certain one: ids are looked up over
//! all teams of the caller, and a team that is named only narrows that.

use serde_json::Value;
use windlass_control::Extra;
use windlass_control::identity::{Blocked, SpaceAccess};
use windlass_control::listing::{Column, Filter, ListQuery, Order, Page};
use windlass_engine::id::{AppId, AuditEventId};
use windlass_engine::records::{
    AppRecord, AuditEvent, Dialect, Organization, Space, Stamps, Target,
};

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::query::Pairs;
use crate::server::VercelState;
use crate::{host, ids};

/// Teams of a caller that are looked through for a slug.
const TEAMS_LOOKED_AT: u32 = 1_000;
/// Longest name of a project that is looked up, bytes.
const MAX_NAME_BYTES: usize = 200;

/// A team that the caller is in.
#[derive(Debug, Clone)]
pub(crate) struct Team {
    /// The organization.
    pub(crate) organization: Organization,
    /// Its oldest space, where its projects lie, and what the caller may do there; `None` = it has
    /// none, or none that the caller sees.
    pub(crate) home: Option<(Space, SpaceAccess)>,
}

/// A project that the caller sees.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The app.
    pub(crate) app: AppRecord,
    /// Where it lies.
    pub(crate) organization: Organization,
    /// What the caller may do there.
    pub(crate) access: SpaceAccess,
}

impl Team {
    /// The id.
    pub(crate) fn id(&self) -> String {
        ids::team(&self.organization.id)
    }

    /// The slug.
    pub(crate) fn slug(&self) -> String {
        slug(&self.organization)
    }

    /// The space for new projects.
    ///
    /// # Errors
    /// 403 when the caller may create none.
    pub(crate) fn writable(&self) -> ApiResult<&Space> {
        match &self.home {
            Some((space, access)) => {
                require(*access, access.write)?;
                Ok(space)
            }
            None => Err(ApiError::forbidden(
                "You don't have permission to create projects in this team",
            )),
        }
    }
}

impl Place {
    /// The id of its team.
    pub(crate) fn team_id(&self) -> String {
        ids::team(&self.organization.id)
    }

    /// Requires the right to change projects.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn require_write(&self) -> ApiResult<()> {
        require(self.access, self.access.write)
    }

    /// Requires the right to operate projects: deploy, cancel, promote.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn require_operate(&self) -> ApiResult<()> {
        require(self.access, self.access.operate)
    }

    /// Requires the right to see values of variables.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn require_secrets(&self) -> ApiResult<()> {
        if self.access.read_secrets {
            return Ok(());
        }
        Err(ApiError::forbidden("You don't have permission to do this"))
    }

    /// One row of the audit trail, to be written with a command.
    pub(crate) fn audit(&self, caller: &Authenticated, kind: &str, data: Value) -> Extra {
        Extra {
            audit: vec![event(caller, &self.app, kind, data)],
            ..Extra::default()
        }
    }
}

/// A row of the audit trail about a project.
pub(crate) fn event(
    caller: &Authenticated,
    app: &AppRecord,
    kind: &str,
    data: Value,
) -> AuditEvent {
    AuditEvent {
        id: AuditEventId::new(uuid::Uuid::new_v4().to_string()),
        kind: kind.to_owned(),
        actor: caller.principal.actor(),
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

fn require(access: SpaceAccess, allowed: bool) -> ApiResult<()> {
    if !allowed {
        return Err(ApiError::forbidden("You don't have permission to do this"));
    }
    match access.blocked {
        None => Ok(()),
        Some(Blocked::Suspended) => Err(ApiError::forbidden("the team is suspended")),
        Some(Blocked::OrganizationDeleting | Blocked::SpaceDeleting) => {
            Err(ApiError::forbidden("the team is being deleted"))
        }
    }
}

/// What a team is called in addresses.
pub(crate) fn slug(organization: &Organization) -> String {
    host::part(&organization.name)
}

/// The teams of the caller, oldest first.
pub(crate) async fn teams(
    state: &VercelState,
    caller: &Authenticated,
) -> ApiResult<Vec<Organization>> {
    let question = ListQuery::filtered(Vec::<Filter>::new())
        .ordered(Order::ascending(Column::CreatedCommit))
        .page(Page::first(TEAMS_LOOKED_AT));
    let tenancy = state.control.tenancy();
    let found = tenancy.list_organizations(&caller.grants, question).await?;
    Ok(found.rows)
}

/// The team with this id or slug, if the caller is in it.
pub(crate) async fn find_team(
    state: &VercelState,
    caller: &Authenticated,
    id_or_slug: &str,
) -> ApiResult<Option<Team>> {
    let tenancy = state.control.tenancy();
    let organization = match ids::organization(id_or_slug) {
        Some(id) => tenancy
            .organization(&id)?
            .filter(|organization| caller.grants.organization(organization).read),
        None => teams(state, caller)
            .await?
            .into_iter()
            .find(|organization| slug(organization) == id_or_slug),
    };
    organization
        .map(|organization| with_home(state, caller, organization))
        .transpose()
}

/// A team with its space.
pub(crate) fn with_home(
    state: &VercelState,
    caller: &Authenticated,
    organization: Organization,
) -> ApiResult<Team> {
    let space = state.control.tenancy().first_space(&organization.id)?;
    let home = space.and_then(|space| {
        let access = caller.grants.space(&organization, &space);
        access.read.then_some((space, access))
    });
    Ok(Team { organization, home })
}

/// The team that a request names by `teamId` or `slug`; `None` = it names none.
///
/// # Errors
/// 403 for one that the caller is not in.
pub(crate) async fn named_team(
    state: &VercelState,
    caller: &Authenticated,
    query: &Pairs,
) -> ApiResult<Option<Team>> {
    let Some(name) = query.text("teamId").or_else(|| query.text("slug")) else {
        return Ok(None);
    };
    let team = find_team(state, caller, name).await?;
    team.map(Some).ok_or_else(ApiError::no_such_team)
}

/// The oldest team of the caller: what counts when a request names none.
pub(crate) async fn default_team(
    state: &VercelState,
    caller: &Authenticated,
) -> ApiResult<Option<Team>> {
    let first = teams(state, caller).await?.into_iter().next();
    first
        .map(|organization| with_home(state, caller, organization))
        .transpose()
}

/// The team that a request is about.
///
/// # Errors
/// 403 for one that the caller is not in, and for a caller who is in none.
pub(crate) async fn team(
    state: &VercelState,
    caller: &Authenticated,
    query: &Pairs,
) -> ApiResult<Team> {
    if let Some(team) = named_team(state, caller, query).await? {
        return Ok(team);
    }
    let team = default_team(state, caller).await?;
    team.ok_or_else(|| ApiError::forbidden("You are not a member of any team"))
}

/// The project with this id or name.
///
/// # Errors
/// 404, 403 for a team that the caller is not in.
pub(crate) async fn project(
    state: &VercelState,
    caller: &Authenticated,
    query: &Pairs,
    id_or_name: &str,
) -> ApiResult<Place> {
    let named = named_team(state, caller, query).await?;
    let found = find_project(state, caller, named.as_ref(), id_or_name).await?;
    found.ok_or_else(|| ApiError::not_found("Project"))
}

/// The same, `None` when there is none.
pub(crate) async fn find_project(
    state: &VercelState,
    caller: &Authenticated,
    named: Option<&Team>,
    id_or_name: &str,
) -> ApiResult<Option<Place>> {
    if ids::is("prj_", id_or_name) {
        let by_id = project_by_id(state, caller, &AppId::from(id_or_name))?;
        let by_id = by_id
            .filter(|place| named.is_none_or(|team| team.organization.id == place.organization.id));
        if by_id.is_some() {
            return Ok(by_id);
        }
    }
    if id_or_name.is_empty() || id_or_name.len() > MAX_NAME_BYTES {
        return Ok(None);
    }
    let mut filters = vec![
        Filter::is(Column::Dialect, Dialect::Vercel.as_str()),
        Filter::is(Column::Name, id_or_name),
    ];
    if let Some(team) = named {
        let organization = team.organization.id.as_str();
        filters.push(Filter::is(Column::Organization, organization));
    }
    // Names are unique in a team: without one, the oldest of the caller's.
    let question = ListQuery::filtered(filters)
        .ordered(Order::ascending(Column::CreatedCommit))
        .page(Page::first(1));
    let visible = caller.grants.visible_spaces();
    let found = state.control.list_apps(&visible, question).await?;
    match found.rows.into_iter().next() {
        Some(app) => project_by_id(state, caller, &app.id),
        None => Ok(None),
    }
}

/// The project with this id, if the caller sees it.
pub(crate) fn project_by_id(
    state: &VercelState,
    caller: &Authenticated,
    id: &AppId,
) -> ApiResult<Option<Place>> {
    let app = state.control.find_app(id)?;
    let Some(app) = app.filter(|app| app.dialect == Dialect::Vercel) else {
        return Ok(None);
    };
    let tenancy = state.control.tenancy();
    let found = tenancy.space_access(&caller.grants, &app.space)?;
    Ok(found.map(|(organization, _, access)| Place {
        app,
        organization,
        access,
    }))
}

/// The project with this id for somebody who is not in its team: they may do nothing there.
pub(crate) fn public_project(state: &VercelState, id: &AppId) -> ApiResult<Option<Place>> {
    let app = state.control.find_app(id)?;
    let Some(app) = app.filter(|app| app.dialect == Dialect::Vercel) else {
        return Ok(None);
    };
    let organization = state.control.tenancy().organization(&app.organization)?;
    Ok(organization.map(|organization| Place {
        app,
        organization,
        access: SpaceAccess::default(),
    }))
}
