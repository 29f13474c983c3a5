//! When is a withdrawn upstream empty? When every living router says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{RouterEvent, Shared, State};
use crate::crash_point::crash_point;
use crate::table::{Position, UpstreamId};

/// While an upstream drains, routers without a connection are looked for this
/// often: nothing tells when one of them ends.
const DRAIN_RESCAN: Duration = Duration::from_millis(50);

/// An upstream that is not picked any more.
#[derive(Debug)]
pub(super) struct Draining {
    /// First table without it; an older report says nothing.
    since: Position,
    /// Open upgraded connections, by router that has no request in flight.
    reports: BTreeMap<String, u32>,
    /// What control was told last.
    told: Option<u32>,
}

impl Draining {
    /// Takes in what a router says.
    pub(super) fn report(&mut self, router: &str, position: Position, upgraded: u32) {
        if position >= self.since {
            self.reports.insert(router.to_owned(), upgraded);
        }
    }

    /// Upgraded connections left, once no living router has a request.
    fn upgraded(&self, living: &[String]) -> Option<u32> {
        let mut sum = 0_u32;
        for router in living {
            sum = sum.saturating_add(*self.reports.get(router)?);
        }
        Some(sum)
    }
}

impl State {
    /// Takes in that the upstreams of `before` which are not in `after` are
    /// withdrawn, and asks the routers about them.
    pub(super) fn note_withdrawn(
        &mut self,
        before: &BTreeSet<UpstreamId>,
        after: &BTreeSet<UpstreamId>,
    ) {
        for upstream in after {
            self.draining.remove(upstream);
            self.pending.retain(
                |event| !matches!(event, RouterEvent::Empty { upstream: of, .. } if of == upstream),
            );
        }
        let since = self.writer.table().position();
        let withdrawn: Vec<UpstreamId> = before.difference(after).cloned().collect();
        for upstream in &withdrawn {
            let draining = Draining {
                since,
                reports: BTreeMap::new(),
                told: None,
            };
            self.draining.insert(upstream.clone(), draining);
        }
        self.send_ask(&withdrawn);
    }

    /// Whether the routers are asked about an upstream.
    pub(super) fn is_draining(&self, upstream: &str) -> bool {
        self.draining.contains_key(upstream)
    }

    /// Whether nobody was told yet that a withdrawn upstream is empty.
    pub(super) fn is_awaited_empty(&self, upstream: &str) -> bool {
        self.draining
            .get(upstream)
            .is_some_and(|draining| draining.told.is_none())
    }

    /// Turns what is known into events.
    fn settle(&mut self, living: &[String]) {
        let mut pending = Vec::new();
        self.draining.retain(|upstream, draining| {
            let Some(upgraded) = draining.upgraded(living) else {
                return true;
            };
            let news = match draining.told {
                None => true,
                Some(told) => upgraded == 0 && told > 0,
            };
            if news {
                draining.told = Some(upgraded);
                pending.push(RouterEvent::Empty {
                    upstream: upstream.clone(),
                    upgraded,
                });
            }
            upgraded > 0
        });
        self.pending.extend(pending);
    }
}

/// Moves events to control as fast as it takes them.
pub(super) async fn pump(events: mpsc::Sender<RouterEvent>, shared: Arc<Shared>) {
    loop {
        let changed = shared.changed.notified();
        let (event, draining) = {
            let mut state = shared.lock();
            if !state.draining.is_empty() {
                let living = shared.living(&state);
                state.settle(&living);
            }
            (state.pending.pop_first(), !state.draining.is_empty())
        };
        if let Some(event) = event {
            crash_point!("link-drain-acknowledged");
            if events.send(event).await.is_err() {
                return;
            }
            continue;
        }
        tokio::select! {
            () = changed => {}
            () = shared.has_events.notified() => {}
            () = tokio::time::sleep(DRAIN_RESCAN), if draining => {}
            () = events.closed() => return,
        }
    }
}
