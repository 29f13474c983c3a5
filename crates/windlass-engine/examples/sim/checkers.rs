//! What must always hold. Each property is one function; none knows how the world came there.

mod capacity;
mod releases;
mod rest;
mod shares;
mod work;

use windlass_engine::app::AppState;
use windlass_engine::input::Input;
use windlass_engine::plan::Plan;
use windlass_engine::time::Now;
use windlass_engine::transition::Ledgers;

use crate::history::History;

pub(crate) use releases::promises_kept;
pub(crate) use rest::at_rest;
pub(crate) use work::{changes_nothing_again, is_late};

/// A property that does not hold.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) property: &'static str,
    pub(crate) text: String,
}

pub(crate) type Held = Result<(), Violation>;

pub(crate) fn must(property: &'static str, holds: bool, text: impl FnOnce() -> String) -> Held {
    if holds {
        Ok(())
    } else {
        Err(Violation {
            property,
            text: text(),
        })
    }
}

/// One commit: the input, the state and plan before and after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commit<'a> {
    pub(crate) input: &'a Input,
    pub(crate) before: &'a AppState,
    pub(crate) old: &'a Plan,
    pub(crate) after: &'a AppState,
    pub(crate) new: &'a Plan,
    pub(crate) now: Now,
    pub(crate) ledgers: &'a Ledgers,
}

/// Properties of one commit.
pub(crate) fn commit(commit: &Commit<'_>, history: &History) -> Held {
    releases::none_is_lost(commit)?;
    releases::outcome_is_fixed(commit, history)?;
    releases::cancel_is_accepted(commit)?;
    releases::nothing_of_a_canceled_one_runs(commit, history)?;
    shares::are_whole(commit, history)?;
    shares::are_of_routable_instances(commit)?;
    shares::stay_at_zero(commit, history)?;
    shares::do_not_rise_again(commit, history)?;
    shares::fall_as_promised(commit)?;
    capacity::is_kept(commit)?;
    work::indices_are_unique(commit)?;
    work::runs_only_grow(commit)?;
    work::tasks_end_as_they_must(commit, history)?;
    work::builds_end_as_they_must(commit, history)?;
    work::jobs_stop_with_the_app(commit)?;
    work::generation_grows_with_the_work(commit)?;
    work::wakes_in_time(commit)?;
    work::quota_is_kept(commit)
}
