//! Web processes that have just gone. A client lists the processes of an app and then asks for each
//! of them: one that a deployment ended in between is shown without instances for a while, for
//! a single 404 makes the whole command fail.

use windlass_control::history::ReleaseRecord;
use windlass_control::listing::{Column, ListQuery, Order, Page};
use windlass_engine::app::AppState;
use windlass_engine::configuration::Configuration;
use windlass_engine::id::ComponentName;
use windlass_engine::records::Stamps;

use super::find::Found;
use super::model::Process;
use super::seen;
use crate::apps::access;
use crate::auth::Authenticated;
use crate::error::ApiResult;
use crate::guid::{self, WEB};
use crate::query::of_own_apps;
use crate::server::CfState;

/// How long after the end of a deployment, milliseconds: longer than any client takes from the list
/// to the last of its questions.
const SHOWN_MS: i64 = 300_000;

/// Deployments that are looked through, the newest ones.
const LOOKED_AT: u32 = 200;

/// The process with a guid, if it went with a deployment that has just ended.
pub(super) async fn find(
    cf: &CfState,
    caller: &Authenticated,
    guid: &str,
) -> ApiResult<Option<Found>> {
    let query = ListQuery::default()
        .ordered(Order::descending(Column::CreatedCommit))
        .page(Page::first(LOOKED_AT));
    let visible = caller.grants.visible_spaces();
    let recent = cf
        .control
        .list_releases(&visible, of_own_apps(query))
        .await?;
    let is_named = |record: &&ReleaseRecord| {
        record.app.as_str() == guid || guid::deployed_web_process(&record.release.id) == guid
    };
    let Some(named) = recent.rows.iter().find(is_named) else {
        return Ok(None);
    };
    let now = seen::now().wall;
    let has_just_ended = recent.rows.iter().any(|record| {
        let release = &record.release;
        record.app == named.app
            && release.is_finalized()
            && now.0.saturating_sub(release.updated_at.0) < SHOWN_MS
    });
    if !has_just_ended {
        return Ok(None);
    }
    let Some(place) = access::look_up(cf, caller, &named.app)? else {
        return Ok(None);
    };
    let state = place.state(cf)?;
    let process = without_instances(&state, guid, place.app.stamps);
    Ok(process.map(|process| Found {
        place,
        state,
        process,
    }))
}

fn without_instances(state: &AppState, guid: &str, stamps: Stamps) -> Option<Process> {
    let component = ComponentName::from(WEB);
    let configuration: &Configuration = &state.configuration;
    Some(Process {
        guid: guid.to_owned(),
        config: configuration.components.get(&component)?.clone(),
        artifact: configuration.artifact_of(&component).cloned(),
        component,
        revision: None,
        instances: 0,
        stamps,
    })
}
