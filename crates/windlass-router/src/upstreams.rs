//! The states of all instances that the router knows, and which of them the table in force names
//! and picks: kept up to date by what a change touches, since most groups are those of others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::compiled::CompiledGroup;
use crate::table::{Upstream, UpstreamId};
use crate::upstream::UpstreamState;

/// Instances of the table, and withdrawn ones until their requests have ended.
#[derive(Debug)]
pub(crate) struct Upstreams {
    known: HashMap<UpstreamId, Known>,
    /// Touched since the marks were set last.
    touched: HashSet<UpstreamId>,
    /// Withdrawn and named by no group: forgotten when they are empty.
    leaving: HashSet<UpstreamId>,
    drained: Arc<Notify>,
}

#[derive(Debug)]
struct Known {
    state: Arc<UpstreamState>,
    /// Its places in groups.
    named: u32,
    /// Those of them that requests may be sent to.
    pickable: u32,
}

/// What the marks of a table have changed.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    /// Not picked any more.
    pub(crate) withdrawn: Vec<Arc<UpstreamState>>,
    /// Picked, or forgotten: nothing is awaited of them.
    pub(crate) released: Vec<UpstreamId>,
}

impl Upstreams {
    pub(crate) fn new(drained: Arc<Notify>) -> Self {
        Self {
            known: HashMap::new(),
            touched: HashSet::new(),
            leaving: HashSet::new(),
            drained,
        }
    }

    /// The state of an instance that is still known.
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<UpstreamState>> {
        self.known.get(id).map(|known| &known.state)
    }

    /// Whether the table says that requests may be sent to it.
    pub(crate) fn is_pickable(&self, id: &str) -> bool {
        self.known.get(id).is_some_and(|known| known.pickable > 0)
    }

    /// The state of an instance that a table names.
    pub(crate) fn state(&mut self, upstream: &Upstream) -> Arc<UpstreamState> {
        let fresh = || Arc::new(UpstreamState::new(upstream, Arc::clone(&self.drained)));
        let known = self
            .known
            .entry(upstream.id.clone())
            .or_insert_with(|| Known {
                state: fresh(),
                named: 0,
                pickable: 0,
            });
        if known.state.is(upstream) {
            // Control has looked at the instance again: it deserves a request.
            known.state.recover();
        } else {
            known.state = fresh();
        }
        Arc::clone(&known.state)
    }

    /// A group comes into the table.
    pub(crate) fn enter(&mut self, group: &CompiledGroup) {
        self.count(group, |places| *places += 1);
    }

    /// A group leaves the table.
    pub(crate) fn leave(&mut self, group: &CompiledGroup) {
        self.count(group, |places| *places = places.saturating_sub(1));
    }

    /// All groups leave the table.
    pub(crate) fn leave_all(&mut self) {
        for (id, known) in &mut self.known {
            known.named = 0;
            known.pickable = 0;
            self.touched.insert(id.clone());
        }
    }

    fn count(&mut self, group: &CompiledGroup, change: impl Fn(&mut u32)) {
        for version in &group.versions {
            for state in version.upstreams() {
                let Some(known) = self.known.get_mut(&*state.id) else {
                    continue;
                };
                change(&mut known.named);
                if !version.is_withdrawn() {
                    change(&mut known.pickable);
                }
                self.touched.insert(state.id.to_string());
            }
        }
    }

    /// Marks what the table has withdrawn and unmarks what it picks; forgets what an earlier table
    /// has withdrawn when it is empty and named no more. Call it when every worker has switched.
    pub(crate) fn mark(&mut self) -> Marked {
        let mut marked = Marked::default();
        self.leaving.retain(|id| {
            let Some(known) = self.known.get(id) else {
                return false;
            };
            let is_over =
                known.named == 0 && known.state.in_flight() == 0 && known.state.upgraded() == 0;
            if is_over {
                self.known.remove(id);
                marked.released.push(id.clone());
            }
            !is_over
        });
        for id in self.touched.drain() {
            let Some(known) = self.known.get(&id) else {
                continue;
            };
            let withdrawn = known.pickable == 0;
            known.state.set_withdrawn(withdrawn);
            if withdrawn {
                marked.withdrawn.push(Arc::clone(&known.state));
            }
            if known.named == 0 {
                self.leaving.insert(id.clone());
            } else {
                self.leaving.remove(&id);
            }
            if !withdrawn {
                marked.released.push(id);
            }
        }
        marked
    }
}

#[cfg(test)]
mod tests;
