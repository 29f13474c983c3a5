//! The known runs, findable by name and by app.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, oneshot, watch};

use crate::observation::{RunPhase, RunStatus, Usage};

/// All known runs, ended ones included until they are forgotten.
#[derive(Debug, Default)]
pub(super) struct Runs {
    entries: BTreeMap<String, Entry>,
    /// Names of the runs of each app that has any: an app is asked about often, and most runs are
    /// those of others.
    by_app: BTreeMap<String, BTreeSet<String>>,
}

/// A known run. The app of its status never changes.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) status: RunStatus,
    pub(super) grace_ms: u64,
    /// Shortest grace that was asked for; `None` while nobody has asked for a stop.
    pub(super) stop: watch::Sender<Option<u64>>,
    pub(super) questions: mpsc::Sender<oneshot::Sender<Usage>>,
}

impl Runs {
    pub(super) fn insert(&mut self, entry: Entry) {
        let (app, run) = (entry.status.app.clone(), entry.status.run.clone());
        self.remove(&run);
        self.by_app.entry(app).or_default().insert(run.clone());
        self.entries.insert(run, entry);
    }

    pub(super) fn remove(&mut self, run: &str) {
        let Some(entry) = self.entries.remove(run) else {
            return;
        };
        if let Some(runs) = self.by_app.get_mut(&entry.status.app) {
            runs.remove(run);
            if runs.is_empty() {
                self.by_app.remove(&entry.status.app);
            }
        }
    }

    pub(super) fn get(&self, run: &str) -> Option<&Entry> {
        self.entries.get(run)
    }

    pub(super) fn get_mut(&mut self, run: &str) -> Option<&mut Entry> {
        self.entries.get_mut(run)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The runs of one app.
    pub(super) fn of_app(&self, app: &str) -> impl Iterator<Item = (&String, &Entry)> {
        let names = self.by_app.get(app).into_iter().flatten();
        names.filter_map(|run| Some((run, self.entries.get(run)?)))
    }
}

impl Entry {
    /// Asks for a stop; the shortest grace counts.
    pub(super) fn stop_within(&self, grace_ms: u64) {
        self.stop.send_if_modified(|asked| {
            let shortest = asked.map_or(grace_ms, |before| before.min(grace_ms));
            asked.replace(shortest) != Some(shortest)
        });
    }
}

pub(super) fn is_over(phase: RunPhase) -> bool {
    matches!(phase, RunPhase::Ended | RunPhase::Lost)
}
