//! Continue: a user opens the manual gate of a release.

use super::Work;
use crate::id::ReleaseId;
use crate::rejection::Rejection;
use crate::release::ReleaseState;

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
}
