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
use crate::control::Control;
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
            match self.withdraw_unchosen(&build, &server).await {
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

/// Whether nothing moves to or from a version now, and no host but its own leads to it.
pub(super) fn is_unchosen(state: &AppState, routes: &[Route], revision: &RevisionId) -> bool {
    let destinations = routes.iter().flat_map(|route| &route.destinations);
    let hosts = destinations.filter(|to| to.revision.as_ref() == Some(revision));
    let mut releases = state.releases.iter();
    let is_in_use = state.base.as_ref() == Some(revision)
        || releases.any(|it| it.target == *revision || it.base.as_ref() == Some(revision));
    !is_in_use && hosts.count() <= 1
}

/// The oldest version that never ran the app, that nothing moves to or from, and that no host but
/// its own leads to.
fn oldest_unchosen(
    state: &AppState,
    routes: &[Route],
    ran: &BTreeSet<RevisionId>,
) -> Option<BuildId> {
    let unchosen = state
        .published
        .iter()
        .filter(|(revision, _)| !ran.contains(*revision) && is_unchosen(state, routes, revision));
    unchosen
        .filter_map(|(_, published)| Some((published.commit, published.build.clone()?)))
        .min()
        .map(|(_, build)| build)
}

#[cfg(test)]
mod tests {
    use windlass_engine::app::{AppSettings, ConcurrencyPolicy, Published};
    use windlass_engine::id::{
        CommitNumber, ComponentName, DestinationId, DomainId, RouteId, SpaceId,
    };
    use windlass_engine::records::{Destination, Metadata, Protocol, RouteOptions, Stamps};

    use super::*;

    const APP: &str = "app";

    /// An app with the versions `a`, `b` and `c`, the oldest first.
    fn state() -> AppState {
        let policy = ConcurrencyPolicy::ParallelBuilds { slots: 1 };
        let mut state = AppState::new(AppId::from(APP), policy, AppSettings::default());
        for (number, name) in (1..).zip(["a", "b", "c"]) {
            let published = Published {
                build: Some(BuildId::from(name)),
                commit: CommitNumber(number),
                refused_at: None,
            };
            state.published.insert(RevisionId::from(name), published);
        }
        state
    }

    fn host(name: &str, revision: &str) -> Route {
        Route {
            id: RouteId::from(name),
            space: SpaceId::from("space"),
            domain: DomainId::from("domain"),
            host: name.to_owned(),
            path: String::new(),
            full_host: format!("{name}.example"),
            destinations: vec![Destination {
                id: DestinationId::from(name),
                app: AppId::from(APP),
                component: ComponentName::from("site"),
                revision: Some(RevisionId::from(revision)),
                weight: None,
                port: None,
                protocol: Protocol::Http1,
            }],
            options: RouteOptions::default(),
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        }
    }

    fn oldest(state: &AppState, routes: &[Route]) -> Option<BuildId> {
        oldest_unchosen(state, routes, &BTreeSet::new())
    }

    #[test]
    fn the_oldest_version_that_nobody_chose_gives_way() {
        let mut state = state();
        let own = host("own", "a");
        assert_eq!(
            oldest(&state, std::slice::from_ref(&own)),
            Some(BuildId::from("a"))
        );
        // An alias, a turn in production, being what runs now.
        let aliased = [own, host("alias", "a")];
        assert!(!is_unchosen(&state, &aliased, &RevisionId::from("a")));
        assert_eq!(oldest(&state, &aliased), Some(BuildId::from("b")));
        let ran = BTreeSet::from([RevisionId::from("a")]);
        assert_eq!(oldest_unchosen(&state, &[], &ran), Some(BuildId::from("b")));
        state.base = Some(RevisionId::from("b"));
        assert_eq!(oldest(&state, &aliased), Some(BuildId::from("c")));
    }
}
