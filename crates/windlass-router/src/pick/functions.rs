//! Instances for the functions of a site. The version is chosen before: its
//! routes have said that a function answers.

use std::sync::Arc;

use super::{Pick, Picker, begin};
use crate::compiled::{Compiled, CompiledTarget};
use crate::counters::VersionCounters;

/// A version of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VersionOf<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
}

/// What became of a pick for a function.
#[derive(Debug)]
pub(crate) enum FunctionChoice {
    /// An instance. The request counts as in flight from here on.
    Instance(Pick),
    /// None runs: one is awaited.
    Wait {
        counters: Arc<VersionCounters>,
        hold_ms: u32,
        hold_limit: u32,
    },
    /// All have failed this request.
    Nothing,
    /// The version does not serve any more: another one answers.
    Moved,
}

impl Picker {
    /// Picks; synchronous for the same reason as [`Self::pick`].
    pub(crate) fn pick_function(
        &mut self,
        table: &Compiled,
        of: VersionOf<'_>,
        failed: &[Arc<str>],
        now_ms: u64,
    ) -> FunctionChoice {
        let Some(group) = table.groups.get(of.group) else {
            return FunctionChoice::Moved;
        };
        let place = group
            .versions
            .iter()
            .position(|version| *version.id == *of.version && !version.is_withdrawn());
        let Some(place) = place else {
            return FunctionChoice::Moved;
        };
        let version = &group.versions[place];
        let CompiledTarget::Site {
            upstreams,
            hold_ms,
            hold_limit,
            ..
        } = &version.target
        else {
            return FunctionChoice::Moved;
        };
        if upstreams.is_empty() {
            return FunctionChoice::Wait {
                counters: Arc::clone(&version.counters),
                hold_ms: *hold_ms,
                hold_limit: *hold_limit,
            };
        }
        self.function_turn = self.function_turn.wrapping_add(1);
        let turn = self.function_turn;
        let in_turn = || {
            (0..upstreams.len())
                .map(move |offset| &upstreams[turn.wrapping_add(offset) % upstreams.len()])
                .filter(|upstream| !failed.contains(&upstream.id))
        };
        let found = in_turn()
            .find(|upstream| upstream.is_reachable(now_ms))
            .or_else(|| in_turn().next());
        found.map_or(FunctionChoice::Nothing, |upstream| {
            FunctionChoice::Instance(begin(table, group, place, upstream, false))
        })
    }
}
