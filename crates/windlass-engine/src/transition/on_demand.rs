//! Instances on demand: one per published version and component, started by the first request
//! that needs it and ended when it is idle. Releases do not move them.

use super::Work;
use crate::app::RunState;
use crate::configuration::ComponentRole;
use crate::id::{ComponentName, InstanceId, RevisionId};
use crate::instance::{Instance, InstancePhase};
use crate::limits::REFUSAL_PERIOD_MS;
use crate::time::Uptime;

impl Work {
    /// A request waits. What is there already, or waits after crashes, is not started again.
    pub(super) fn demanded(&mut self, revision: &RevisionId, component: &ComponentName) {
        let wanted = self.state.run == RunState::Started
            && self.state.published.contains_key(revision)
            && self.state.role_in(revision, component) == Some(ComponentRole::OnDemand);
        let is_there = self.state.serving(revision, component).next().is_some();
        if !wanted || is_there {
            return;
        }
        if !self.has_room_for(revision, component) {
            self.refuse_demand(revision, component);
            return;
        }
        if let Some(published) = self.state.published.get_mut(revision) {
            published.refused_at = None;
        }
        self.add(revision, component);
    }

    /// Says that there is no room, now and then: every request of a visitor may ask.
    fn refuse_demand(&mut self, revision: &RevisionId, component: &ComponentName) {
        let now = self.now.uptime;
        let Some(published) = self.state.published.get_mut(revision) else {
            return;
        };
        let is_told = published
            .refused_at
            .is_some_and(|at| now.since(at) < REFUSAL_PERIOD_MS);
        if is_told {
            return;
        }
        published.refused_at = Some(now);
        self.tell_app(
            "not_started",
            format!("{component} of {revision} is over the quota of the organization"),
        );
    }

    /// An instance has had no request for some time: long enough ends it.
    pub(super) fn idle(&mut self, id: InstanceId, since: Uptime) {
        let Some(instance) = self.state.instances.get(&id) else {
            return;
        };
        let InstancePhase::Running { since: up, .. } = instance.phase else {
            return;
        };
        let idle_since = since.max(up);
        let limit_ms = self.state.settings.idle_limit_ms;
        if self.is_on_demand(instance) && self.now.uptime.since(idle_since) >= limit_ms {
            self.retire(id);
        }
    }

    /// What is not published any more goes, and everything with its app. One that crashed again
    /// and again is not started for nobody: the next request does that, once its wait is over.
    pub(super) fn settle_on_demand(&mut self) -> bool {
        let now = self.now.uptime;
        let started = self.state.run == RunState::Started;
        let (mut over, mut unwanted) = (Vec::new(), Vec::new());
        for instance in self.state.instances.values() {
            if !self.is_on_demand(instance) || instance.is_ending() {
                continue;
            }
            if !started || !self.state.published.contains_key(&instance.revision) {
                unwanted.push(instance.id);
                continue;
            }
            let waited = match instance.phase {
                InstancePhase::Crashed { retry_at } => retry_at.is_none_or(|at| at <= now),
                InstancePhase::Starting
                | InstancePhase::Running { .. }
                | InstancePhase::Draining { .. }
                | InstancePhase::Stopping
                | InstancePhase::Restarting => false,
            };
            if waited && instance.crashes > crate::limits::IMMEDIATE_RESTARTS {
                over.push(instance.id);
            }
        }
        for id in &unwanted {
            self.retire(*id);
        }
        for id in &over {
            self.state.instances.remove(id);
        }
        !unwanted.is_empty() || !over.is_empty()
    }

    pub(super) fn is_on_demand(&self, instance: &Instance) -> bool {
        self.state.role_in(&instance.revision, &instance.component) == Some(ComponentRole::OnDemand)
    }
}
