//! What is to be seen of the world.

use super::{World, web};
use crate::build::BuildState;
use crate::release::{Outcome, Release, ReleaseState};
use crate::task::TaskState;

impl World {
    /// Instances of a version of web that are meant to serve.
    pub(in crate::transition::tests) fn wanted(&self, revision: &str) -> u32 {
        self.wanted_of(revision, "web")
    }

    pub(in crate::transition::tests) fn wanted_of(&self, revision: &str, component: &str) -> u32 {
        let count = self
            .state
            .serving(&revision.into(), &component.into())
            .count();
        u32::try_from(count).unwrap()
    }

    pub(in crate::transition::tests) fn routable(&self, revision: &str) -> u32 {
        self.state.routable(&revision.into(), &web())
    }

    /// Wanted instances of base and target of version `number`, as `old/new`.
    pub(in crate::transition::tests) fn balance(&self, number: u32) -> String {
        let target = format!("v{number}");
        format!("{}/{}", self.wanted("v1"), self.wanted(&target))
    }

    pub(in crate::transition::tests) fn share_of(&self, component: &str, revision: &str) -> u16 {
        self.plan().share_of(&component.into(), &revision.into())
    }

    pub(in crate::transition::tests) fn share(&self, revision: &str) -> u16 {
        self.plan().share_of(&web(), &revision.into())
    }

    #[track_caller]
    pub(in crate::transition::tests) fn release(&self, number: u32) -> &Release {
        &self.releases[&format!("r{number}")]
    }

    #[track_caller]
    pub(in crate::transition::tests) fn word(&self, number: u32) -> &'static str {
        let release = self.release(number);
        match &release.state {
            ReleaseState::Finalized { outcome } => outcome.as_str(),
            _ => release.state_word(),
        }
    }

    #[track_caller]
    pub(in crate::transition::tests) fn outcome(&self, number: u32) -> Option<&Outcome> {
        self.release(number).outcome()
    }

    #[track_caller]
    pub(in crate::transition::tests) fn task_state(&self, id: &str) -> &TaskState {
        &self.tasks[id].state
    }

    #[track_caller]
    pub(in crate::transition::tests) fn build_state(&self, id: &str) -> &BuildState {
        &self.builds[id].state
    }

    pub(in crate::transition::tests) fn runs(&self, revision: &str) -> bool {
        self.state.has_instances_of(&revision.into())
    }
}
