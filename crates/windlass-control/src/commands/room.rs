//! Room for another version with a host of its own. An app has only so many: the oldest that
//! nobody has chosen for anything gives way to a new one.

use std::collections::BTreeSet;

use windlass_engine::app::AppState;
use windlass_engine::id::{AppId, BuildId, RevisionId};
use windlass_engine::limits::PUBLISHED_MAX;
use windlass_engine::records::Route;
use windlass_engine::release::Outcome;
use windlass_store::{Column, Filter, ListQuery, Order, Page};

use super::Caller;
use crate::control::{Control, Extra};
use crate::error::Error;
use crate::identity::Visibility;

/// Who takes away what gives way.
const SERVER: &str = "windlass";
/// Versions that give way to one new one; more than one only where builds came between.
const MOST_AT_ONCE: usize = 4;

impl Control {
    /// Takes versions away until another one has room. Where none may go, nothing happens: the
    /// new one is then refused.
    ///
    /// # Errors
    /// [`Error::Internal`] when the store can't be read or written.
    pub(super) async fn make_room(&self, app: &AppId) -> Result<(), Error> {
        let server = Caller {
            name: SERVER.to_owned(),
            client: None,
        };
        for _ in 0..MOST_AT_ONCE {
            let Some(state) = self.state(app)? else {
                return Ok(());
            };
            let builds = state.builds.iter().filter(|build| !build.is_finished());
            if state.published.len() + builds.count() < PUBLISHED_MAX {
                return Ok(());
            }
            let Some(build) = self.gives_way(&state).await? else {
                return Ok(());
            };
            tracing::info!(app.id = %app, build.id = %build, "a version gives way to a new one");
            match self.withdraw(&build, &server, Extra::default()).await {
                // Somebody else was faster, or chose it at this very moment.
                Ok(_) | Err(Error::NotFound { .. } | Error::Rejected(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn gives_way(&self, state: &AppState) -> Result<Option<BuildId>, Error> {
        let own = || vec![Filter::is(Column::App, state.app.as_str())];
        let routes = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.all::<Route>(own())?))?;
        let releases = ListQuery::filtered(own())
            .ordered(Order::descending(Column::CreatedCommit))
            .page(Page::first(Page::MAX_LIMIT));
        let releases = self.list_releases(&Visibility::All, releases).await?.rows;
        let limit = usize::try_from(Page::MAX_LIMIT).unwrap_or(usize::MAX);
        if routes.len() >= limit || releases.len() >= limit {
            // Nobody knows what is not in them.
            return Ok(None);
        }
        let ran = releases
            .into_iter()
            .filter(|record| matches!(record.release.outcome(), None | Some(Outcome::Deployed)))
            .map(|record| record.release.target)
            .collect();
        Ok(oldest_unchosen(state, &routes, &ran))
    }
}

/// The oldest version that never ran the app, that nothing moves to or from, and that no host but
/// its own leads to.
fn oldest_unchosen(
    state: &AppState,
    routes: &[Route],
    ran: &BTreeSet<RevisionId>,
) -> Option<BuildId> {
    let hosts = |revision: &RevisionId| {
        let destinations = routes.iter().flat_map(|route| &route.destinations);
        destinations
            .filter(|to| to.revision.as_ref() == Some(revision))
            .count()
    };
    let is_in_use = |revision: &RevisionId| {
        state.base.as_ref() == Some(revision)
            || state
                .releases
                .iter()
                .any(|it| it.target == *revision || it.base.as_ref() == Some(revision))
    };
    let unchosen = state.published.iter().filter(|(revision, _)| {
        !ran.contains(*revision) && !is_in_use(revision) && hosts(revision) <= 1
    });
    unchosen
        .filter_map(|(_, published)| Some((published.commit, published.build.clone()?)))
        .min()
        .map(|(_, build)| build)
}
