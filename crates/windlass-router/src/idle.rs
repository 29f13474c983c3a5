//! Instances on demand without a request: since when, as far as looks now and then can tell.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use windlass_clock::task::Instant;

use crate::table::UpstreamId;
use crate::upstream::UpstreamState;

/// What was seen of instances at the last looks.
#[derive(Debug, Default)]
pub(crate) struct IdleWatch {
    quiet: HashMap<UpstreamId, Quiet>,
}

/// An instance that had no request at a look.
#[derive(Debug)]
struct Quiet {
    /// Requests that it had begun by then.
    begun: u64,
    since: Instant,
}

impl IdleWatch {
    /// Looks at the instances that are there; gives those that had no request since an earlier
    /// look, with the milliseconds since then. What is not there any more is forgotten.
    pub(crate) fn look<'a>(
        &mut self,
        upstreams: impl Iterator<Item = &'a Arc<UpstreamState>>,
        now: Instant,
    ) -> Vec<(UpstreamId, u64)> {
        let mut seen = HashSet::new();
        let mut idle = Vec::new();
        for state in upstreams {
            let id = state.id.to_string();
            seen.insert(id.clone());
            let begun = state.begun();
            if state.in_flight() > 0 || state.upgraded() > 0 {
                self.quiet.remove(&id);
                continue;
            }
            let quiet = self
                .quiet
                .entry(id.clone())
                .or_insert(Quiet { begun, since: now });
            if quiet.begun != begun {
                *quiet = Quiet { begun, since: now };
            }
            let idle_ms = (now - quiet.since).as_millis();
            if idle_ms > 0 {
                idle.push((id, u64::try_from(idle_ms).unwrap_or(u64::MAX)));
            }
        }
        self.quiet.retain(|id, _| seen.contains(id));
        idle
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::*;
    use crate::table::Upstream;
    use crate::upstream::InFlight;

    const LOOK: Duration = Duration::from_secs(5);

    fn instance() -> Arc<UpstreamState> {
        let upstream = Upstream {
            id: "run".to_owned(),
            address: "127.0.0.1:9".parse().unwrap(),
            index: 0,
            public_id: "public".to_owned(),
        };
        Arc::new(UpstreamState::new(&upstream, Arc::new(Notify::new())))
    }

    #[test]
    fn time_without_a_request_counts_from_the_look_that_saw_none() {
        let (state, mut watch) = (instance(), IdleWatch::default());
        let began = Instant::now();
        let mut look = |looks: u32| watch.look([&state].into_iter(), began + LOOK * looks);
        assert!(look(0).is_empty());
        assert_eq!(look(1), [("run".to_owned(), 5_000)]);
        assert_eq!(look(2), [("run".to_owned(), 10_000)]);
        let open = InFlight::begin(&state);
        assert!(look(3).is_empty(), "it has a request");
        drop(open);
        assert!(look(4).is_empty());
        assert_eq!(look(5), [("run".to_owned(), 5_000)]);
        drop(InFlight::begin(&state));
        assert!(look(6).is_empty(), "it had one between two looks");
        assert_eq!(look(7), [("run".to_owned(), 5_000)]);
    }

    #[test]
    fn an_upgraded_connection_is_no_rest() {
        let (state, mut watch) = (instance(), IdleWatch::default());
        let mut socket = InFlight::begin(&state);
        socket.upgrade();
        let now = Instant::now();
        assert!(watch.look([&state].into_iter(), now).is_empty());
        assert!(watch.look([&state].into_iter(), now + LOOK).is_empty());
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let (state, mut watch) = (instance(), IdleWatch::default());
        let now = Instant::now();
        watch.look([&state].into_iter(), now);
        watch.look([].into_iter(), now + LOOK);
        assert!(watch.look([&state].into_iter(), now + LOOK * 2).is_empty());
    }
}
