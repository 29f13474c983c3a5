//! Continue: a user opens the manual gate of a release; complete: or all that are left.

use super::Work;
use crate::id::ReleaseId;
use crate::rejection::Rejection;
use crate::release::ReleaseState;
use crate::strategy::{Gate, Strategy};

impl Work {
    pub(super) fn continue_release(&mut self, id: &ReleaseId) -> Result<(), Rejection> {
        let Some(release) = self.state.release(id) else {
            return Err(Rejection::UnknownRelease(id.clone()));
        };
        match release.state {
            ReleaseState::Paused { step } => {
                self.tell_release(id, "continued", format!("step {} was continued", step + 1));
                self.pass_step(id, step);
                Ok(())
            }
            ReleaseState::Pending
            | ReleaseState::Building
            | ReleaseState::RollingOut { .. }
            | ReleaseState::Restoring { .. }
            | ReleaseState::Finalized { .. } => Err(Rejection::NotContinuable {
                state: release.state.clone(),
            }),
        }
    }

    /// Goes to the last stage at once. Only stages can be left out: nothing has to be started or
    /// run for them.
    pub(super) fn complete_release(&mut self, id: &ReleaseId) -> Result<(), Rejection> {
        let Some(release) = self.state.release(id) else {
            return Err(Rejection::UnknownRelease(id.clone()));
        };
        let staged = matches!(release.strategy, Strategy::Stages(_));
        let last = release.steps.len().saturating_sub(1);
        if !staged
            || !release.is_in_flight()
            || release.step().is_some_and(|step| step.gate == Gate::Checks)
        {
            return Err(Rejection::NotContinuable {
                state: release.state.clone(),
            });
        }
        let step = release.step_index().unwrap_or(last);
        self.tell_release(id, "completed", "the stages that were left are skipped");
        let passed = if step < last { last - 1 } else { step };
        self.pass_step(id, passed);
        Ok(())
    }
}
