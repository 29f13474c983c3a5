//! What will happen, in the order of the virtual clock.

use std::collections::BTreeMap;

use windlass_engine::id::{InstanceId, ReleaseId};
use windlass_engine::input::Observation;

use crate::driver::Run;

/// Something that will happen at its time.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// A process does the next thing by itself.
    Process(Run),
    /// An observation reaches a control that still lives.
    Deliver {
        control: u32,
        observation: Observation,
    },
    /// A worker of control carries the plan out.
    Look { control: u32 },
    /// Driver and worker look at everything anew.
    Resync,
    /// The writer of the store syncs.
    Sync { control: u32 },
    /// A worker of the router takes a table over.
    Apply {
        router: u32,
        worker: usize,
        generation: u64,
    },
    /// The last request on an instance is over.
    Quiet {
        router: u32,
        instance: InstanceId,
        run: u32,
    },
    /// Checks of a release conclude.
    Conclude { release: ReleaseId, succeeded: bool },
}

#[derive(Debug, Default)]
pub(crate) struct Agenda {
    happenings: BTreeMap<(u64, u64), Happening>,
    next: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at_ms: u64, happening: Happening) {
        self.happenings.insert((at_ms, self.next), happening);
        self.next += 1;
    }

    /// When the next one is due.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.happenings.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn take(&mut self) -> Option<(u64, Happening)> {
        self.happenings
            .pop_first()
            .map(|((at, _), happening)| (at, happening))
    }

    /// Forgets everything: the machine was rebooted.
    pub(crate) fn clear(&mut self) {
        self.happenings.clear();
    }
}
