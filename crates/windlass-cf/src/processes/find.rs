//! Finding a process by its guid, or by app and type.

use windlass_control::listing::{ListQuery, Page};
use windlass_engine::app::AppState;
use windlass_engine::id::AppId;

use super::gone;
use super::model::{self, Process};
use crate::apps::access::{self, Place};
use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::query::of_own_apps;
use crate::server::CfState;

/// Apps that are looked through at a time.
const APPS_AT_A_TIME: u32 = 500;

/// A process with its app.
#[derive(Debug)]
pub(crate) struct Found {
    /// The app.
    pub(crate) place: Place,
    /// The app's state.
    pub(crate) state: AppState,
    /// The process.
    pub(crate) process: Process,
}

/// The process that a path names: by guid, or by app and type.
///
/// # Errors
/// 404.
pub(super) fn by_path(cf: &CfState, caller: &Authenticated, params: &Params) -> ApiResult<Found> {
    let guid = params.get("guid")?;
    let Ok(kind) = params.get("type") else {
        return by_guid(cf, caller, guid)?.ok_or_else(|| ApiError::not_found("Process"));
    };
    let place = access::find(cf, caller, guid)?;
    let state = place.state(cf)?;
    let process = model::of_type(&state, kind, place.app.stamps)
        .ok_or_else(|| ApiError::not_found("Process"))?;
    Ok(Found {
        place,
        state,
        process,
    })
}

/// The process that a path names, for reading: also one that has just gone.
///
/// # Errors
/// 404.
pub(super) async fn to_read(
    cf: &CfState,
    caller: &Authenticated,
    params: &Params,
) -> ApiResult<Found> {
    if params.get("type").is_ok() {
        return by_path(cf, caller, params);
    }
    by_guid_to_read(cf, caller, params.get("guid")?).await
}

/// The process with a guid, for reading: also one that has just gone.
///
/// # Errors
/// 404.
pub(crate) async fn by_guid_to_read(
    cf: &CfState,
    caller: &Authenticated,
    guid: &str,
) -> ApiResult<Found> {
    if let Some(found) = by_guid(cf, caller, guid)? {
        return Ok(found);
    }
    let gone = gone::find(cf, caller, guid).await?;
    gone.ok_or_else(|| ApiError::not_found("Process"))
}

/// The process with a guid, if the caller sees it.
///
/// # Errors
/// 500 when apps can't be read.
pub(super) fn by_guid(
    cf: &CfState,
    caller: &Authenticated,
    guid: &str,
) -> ApiResult<Option<Found>> {
    // The first web process has the guid of its app; this also answers while a later one serves.
    if let Some(place) = access::look_up(cf, caller, &AppId::from(guid))?
        && let Some(found) = in_app(cf, place, guid)?
    {
        return Ok(Some(found));
    }
    if let Some(app) = cf.homes().of(guid)
        && let Some(place) = access::look_up(cf, caller, &app)?
        && let Some(found) = in_app(cf, place, guid)?
    {
        return Ok(Some(found));
    }
    // Other guids are derived and can't be turned back: look through what the caller sees.
    let visible = caller.grants.visible_spaces();
    let mut offset = 0;
    loop {
        let page = Page {
            limit: APPS_AT_A_TIME,
            offset,
        };
        let query = ListQuery::default().page(page);
        let apps = cf
            .control
            .list_apps_blocking(&visible, of_own_apps(query))?;
        let count = apps.rows.len();
        for app in apps.rows {
            let Some(state) = cf.control.state(&app.id)? else {
                continue;
            };
            let is_here = model::processes(&state, app.stamps)
                .iter()
                .any(|process| process.guid == guid);
            if is_here {
                cf.homes().note(guid, &app.id);
                let place = access::find_for(cf, caller, &app.id, "Process")?;
                return in_app(cf, place, guid);
            }
        }
        offset += u64::from(APPS_AT_A_TIME);
        if count < APPS_AT_A_TIME as usize {
            return Ok(None);
        }
    }
}

fn in_app(cf: &CfState, place: Place, guid: &str) -> ApiResult<Option<Found>> {
    let state = place.state(cf)?;
    let process = model::processes(&state, place.app.stamps)
        .into_iter()
        .find(|process| process.guid == guid);
    Ok(process.map(|process| Found {
        place,
        state,
        process,
    }))
}
