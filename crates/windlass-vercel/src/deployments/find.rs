//! A deployment by its id, or by a host that leads to it.

use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery, Page};
use windlass_engine::id::{AppId, BuildId, RevisionId};
use windlass_engine::records::BuildRecord;

use super::detail::Detail;
use crate::auth::Authenticated;
use crate::document::{Document, Settings};
use crate::error::{ApiError, ApiResult};
use crate::ids;
use crate::place::{self, Place};
use crate::query::Pairs;
use crate::server::VercelState;

/// Longest host that is looked up, bytes.
const MAX_HOST_BYTES: usize = 253;

/// A deployment that the caller sees.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Its project.
    pub(crate) place: Place,
    /// Its record.
    pub(crate) record: BuildRecord,
    /// What this dialect keeps of it.
    pub(crate) detail: Detail,
}

/// The deployment that a path names by id or host.
///
/// # Errors
/// 404; 403 for a team that the caller is not in.
pub(crate) async fn deployment(
    state: &VercelState,
    caller: &Authenticated,
    query: &Pairs,
    id_or_host: &str,
) -> ApiResult<Found> {
    let named = place::named_team(state, caller, query).await?;
    let found = lookup(state, caller, id_or_host).await?.filter(|found| {
        named
            .as_ref()
            .is_none_or(|team| team.organization.id == found.place.organization.id)
    });
    found.ok_or_else(|| ApiError::not_found("Deployment"))
}

/// An id that is one by its letters.
///
/// # Errors
/// 400.
pub(super) fn well_formed(id: &str) -> ApiResult<&str> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if id.len() <= MAX_HOST_BYTES && id.bytes().all(is_letter) {
        return Ok(id);
    }
    Err(ApiError::bad_request(
        "Invalid request: `id` should be the id of a deployment",
    ))
}

async fn lookup(
    state: &VercelState,
    caller: &Authenticated,
    text: &str,
) -> ApiResult<Option<Found>> {
    match named(state, text).await? {
        Some(id) => by_id(state, caller, &id),
        None => Ok(None),
    }
}

/// A deployment of a project that makes its source public now and did when it was deployed:
/// whoever has a token may look at it.
pub(super) async fn public(state: &VercelState, id_or_host: &str) -> ApiResult<Option<Found>> {
    let Some(id) = named(state, id_or_host).await? else {
        return Ok(None);
    };
    let is_public = |settings: &Settings| settings.public_source == Some(true);
    let Some((record, detail)) = read(state, &id)?.filter(|it| is_public(&it.1.settings)) else {
        return Ok(None);
    };
    let place = place::public_project(state, &record.app)?;
    let place = place.filter(|place| is_public(&Document::of(&place.app).settings));
    Ok(place.map(|place| Found {
        place,
        record,
        detail,
    }))
}

/// The id of what a path names, whoever may see it.
async fn named(state: &VercelState, text: &str) -> ApiResult<Option<BuildId>> {
    if ids::is("dpl_", text) {
        return Ok(Some(BuildId::from(text)));
    }
    let with_prefix = format!("dpl_{text}");
    if ids::is("dpl_", &with_prefix) {
        let id = BuildId::new(with_prefix);
        if read(state, &id)?.is_some() {
            return Ok(Some(id));
        }
    }
    by_host(state, text).await
}

fn read(state: &VercelState, id: &BuildId) -> ApiResult<Option<(BuildRecord, Detail)>> {
    let record = state.control.find_build(id)?;
    let record = record.filter(|record| !record.withdrawn);
    Ok(record.and_then(|record| {
        let detail = Detail::of(&record)?;
        Some((record, detail))
    }))
}

/// The deployment with this id, if the caller sees it.
pub(crate) fn by_id(
    state: &VercelState,
    caller: &Authenticated,
    id: &BuildId,
) -> ApiResult<Option<Found>> {
    let Some((record, detail)) = read(state, id)? else {
        return Ok(None);
    };
    let place = place::project_by_id(state, caller, &record.app)?;
    Ok(place.map(|place| Found {
        place,
        record,
        detail,
    }))
}

/// The id of the deployment that a host leads to.
async fn by_host(state: &VercelState, text: &str) -> ApiResult<Option<BuildId>> {
    let host = text
        .trim_start_matches("https://")
        .split(['/', ':'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if host.is_empty() || host.len() > MAX_HOST_BYTES {
        return Ok(None);
    }
    let question =
        ListQuery::filtered(vec![Filter::is(Column::FullHost, host)]).page(Page::first(1));
    let routes = state
        .control
        .list_routes(&Visibility::All, question)
        .await?;
    let Some(to) = routes
        .rows
        .into_iter()
        .next()
        .and_then(|route| route.destinations.into_iter().next())
    else {
        return Ok(None);
    };
    let revision = match to.revision {
        Some(revision) => Some(revision),
        None => serving(state, &to.app)?,
    };
    Ok(revision.as_ref().map(of_version))
}

/// The version that a project runs, if it runs any.
pub(crate) fn serving(state: &VercelState, app: &AppId) -> ApiResult<Option<RevisionId>> {
    Ok(state.control.state(app)?.and_then(|app| app.base))
}

/// The deployment of a version: its build has the same id.
pub(crate) fn of_version(revision: &RevisionId) -> BuildId {
    BuildId::from(revision.as_str())
}
