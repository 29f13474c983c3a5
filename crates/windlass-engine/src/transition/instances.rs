//! Instances follow the counts: slots are added, retired, restarted, drained.

use std::cmp::Reverse;

use super::{UNNUMBERED, Work};
use crate::app::RunState;
use crate::configuration::ComponentRole;
use crate::counts::{Counts, counts, is_withdrawn};
use crate::id::{ComponentName, InstanceId, RevisionId};
use crate::instance::{Instance, InstancePhase};
use crate::release::Outcome;

impl Work {
    pub(super) fn settle_instances(&mut self) -> bool {
        let mut changed = self.settle_on_demand();
        for component in self.state.components() {
            let wanted = counts(&self.state, &component);
            changed |= self.settle_component(&component, wanted);
        }
        changed | self.settle_drains() | self.settle_restarts()
    }

    fn settle_component(&mut self, component: &ComponentName, wanted: Counts) -> bool {
        let (base, target) = match self.state.governing() {
            Some(release) => (release.base.clone(), Some(release.target.clone())),
            None => (self.state.base.clone(), None),
        };
        let mut changed = false;
        if let Some(release) = self.state.in_flight() {
            let id = release.id.clone();
            let before = release.wanted.get(component).copied();
            if before.unwrap_or(0) != wanted.target
                && let Some(release) = self.release_mut(&id)
            {
                release.wanted.insert(component.clone(), wanted.target);
                changed = true;
            }
        }
        if let Some(target) = &target {
            if wanted.only_routable_target {
                changed |= self.retire_unroutable(target, component);
            }
            // A canceled target is never started anew.
            let grows = self.state.in_flight().is_some();
            changed |= self.set_count(target, component, wanted.target, grows);
        }
        if let Some(base) = base.as_ref().filter(|base| target.as_ref() != Some(*base)) {
            changed |= self.set_count(base, component, wanted.base, true);
        }
        let known = [base.as_ref(), target.as_ref()];
        changed | self.keep_leaving(component, wanted.leaving, &known)
    }

    fn set_count(
        &mut self,
        revision: &RevisionId,
        component: &ComponentName,
        wanted: u32,
        grows: bool,
    ) -> bool {
        if self.state.role_in(revision, component) == Some(ComponentRole::OnDemand) {
            return false;
        }
        let mut serving: Vec<(bool, u32, InstanceId)> = self
            .state
            .serving(revision, component)
            .map(|instance| (instance.is_routable(), instance.index, instance.id))
            .collect();
        let have = u32::try_from(serving.len()).unwrap_or(u32::MAX);
        if have > wanted {
            // The highest index goes; during a release those without traffic go before it.
            let moving = self.state.governing().is_some();
            serving.sort_by_key(|(routable, index, _)| (moving && *routable, Reverse(*index)));
            let extra = have - wanted;
            for (_, _, id) in serving.into_iter().take(extra as usize) {
                self.retire(id);
            }
            return true;
        }
        if have < wanted && grows && self.state.run == RunState::Started {
            for _ in have..wanted {
                self.add(revision, component);
            }
            return true;
        }
        false
    }

    fn retire_unroutable(&mut self, revision: &RevisionId, component: &ComponentName) -> bool {
        let ids: Vec<InstanceId> = self
            .state
            .serving(revision, component)
            .filter(|instance| !instance.is_routable())
            .map(|instance| instance.id)
            .collect();
        for id in &ids {
            self.retire(*id);
        }
        !ids.is_empty()
    }

    /// Of the other versions at most `keep` routable instances stay: canceled ones go first.
    fn keep_leaving(
        &mut self,
        component: &ComponentName,
        keep: u32,
        known: &[Option<&RevisionId>],
    ) -> bool {
        let worker = self.state.role_of(component) == Some(ComponentRole::Worker);
        let mut leaving: Vec<(bool, InstanceId)> = Vec::new();
        let mut gone: Vec<InstanceId> = Vec::new();
        for instance in self.state.instances.values() {
            if instance.component != *component
                || instance.is_ending()
                || known.contains(&Some(&instance.revision))
                || self.is_on_demand(instance)
            {
                continue;
            }
            let useful = (instance.is_routable() || worker && !instance.is_crashed())
                && !is_withdrawn(&self.state, &instance.revision);
            if useful {
                leaving.push((self.is_canceled(&instance.revision), instance.id));
            } else {
                gone.push(instance.id);
            }
        }
        leaving.sort_unstable();
        gone.extend(leaving.into_iter().skip(keep as usize).map(|(_, id)| id));
        for id in &gone {
            self.retire(*id);
        }
        !gone.is_empty()
    }

    fn is_canceled(&self, revision: &RevisionId) -> bool {
        self.state.releases.iter().any(|release| {
            release.target == *revision
                && match release.outcome() {
                    Some(Outcome::Canceled(_) | Outcome::Failed(_)) => true,
                    Some(Outcome::Deployed | Outcome::Superseded { .. }) | None => false,
                }
        })
    }

    /// Adds a slot at the lowest free index of its version.
    pub(super) fn add(&mut self, revision: &RevisionId, component: &ComponentName) {
        let used: Vec<u32> = self
            .state
            .serving(revision, component)
            .map(|instance| instance.index)
            .collect();
        let index = (0..=u32::MAX)
            .find(|index| !used.contains(index))
            .unwrap_or(0);
        let id = self.state.next_instance;
        self.state.next_instance.0 += 1;
        let instance = Instance {
            id,
            component: component.clone(),
            revision: revision.clone(),
            index,
            run: 1,
            phase: InstancePhase::Starting,
            crashes: 0,
            last_exit: None,
            since_wall: self.now.wall,
        };
        self.state.instances.insert(id, instance);
    }

    fn drain_limit_ms(&self, id: InstanceId) -> u64 {
        let instance = self.state.instances.get(&id);
        instance.map_or(self.state.settings.drain_limit_ms, |it| {
            self.state.drain_limit_ms(&it.revision, &it.component)
        })
    }

    /// Takes an instance out of service: out of the table, drained, ended.
    pub(super) fn retire(&mut self, id: InstanceId) {
        let routed = self.is_routed(id);
        let until = self.now.uptime.plus_ms(self.drain_limit_ms(id));
        let wall = self.now.wall;
        self.state.restarts.remove(&id);
        let Some(instance) = self.state.instances.get_mut(&id) else {
            return;
        };
        instance.since_wall = wall;
        match instance.phase {
            InstancePhase::Starting | InstancePhase::Restarting => {
                instance.phase = InstancePhase::Stopping;
            }
            InstancePhase::Running { .. } => {
                instance.phase = if routed {
                    InstancePhase::Draining {
                        generation: UNNUMBERED,
                        until,
                        restart: false,
                    }
                } else {
                    InstancePhase::Stopping
                };
            }
            InstancePhase::Draining {
                generation,
                until,
                restart: true,
            } => {
                instance.phase = InstancePhase::Draining {
                    generation,
                    until,
                    restart: false,
                };
            }
            InstancePhase::Crashed { .. } => {
                self.state.instances.remove(&id);
            }
            InstancePhase::Draining { restart: false, .. } | InstancePhase::Stopping => {}
        }
    }

    /// Restarts an instance in its place, drained before.
    pub(super) fn begin_restart(&mut self, id: InstanceId) {
        let routed = self.is_routed(id);
        let until = self.now.uptime.plus_ms(self.drain_limit_ms(id));
        let wall = self.now.wall;
        let Some(instance) = self.state.instances.get_mut(&id) else {
            return;
        };
        instance.since_wall = wall;
        match instance.phase {
            InstancePhase::Running { .. } if routed => {
                instance.phase = InstancePhase::Draining {
                    generation: UNNUMBERED,
                    until,
                    restart: true,
                };
            }
            InstancePhase::Starting | InstancePhase::Running { .. } => {
                instance.phase = InstancePhase::Restarting;
            }
            InstancePhase::Crashed { .. } => start_again(instance),
            InstancePhase::Draining { .. }
            | InstancePhase::Stopping
            | InstancePhase::Restarting => {}
        }
    }

    /// The drain of an instance is over: it is ended.
    pub(super) fn end_drain(&mut self, id: InstanceId) {
        let Some(instance) = self.state.instances.get_mut(&id) else {
            return;
        };
        if let InstancePhase::Draining { restart, .. } = instance.phase {
            instance.phase = if restart {
                InstancePhase::Restarting
            } else {
                InstancePhase::Stopping
            };
        }
    }

    fn settle_drains(&mut self) -> bool {
        let now = self.now.uptime;
        let over: Vec<InstanceId> = self
            .state
            .instances
            .values()
            .filter(|instance| {
                matches!(instance.phase, InstancePhase::Draining { until, .. } if until <= now)
            })
            .map(|instance| instance.id)
            .collect();
        for id in &over {
            self.end_drain(*id);
        }
        !over.is_empty()
    }

    /// Restarts crashed slots whose back-off is over, and the next of a restart in place.
    fn settle_restarts(&mut self) -> bool {
        let now = self.now.uptime;
        let mut changed = false;
        for instance in self.state.instances.values_mut() {
            if let InstancePhase::Crashed { retry_at: Some(at) } = instance.phase
                && at <= now
            {
                start_again(instance);
                changed = true;
            }
        }
        let waiting: Vec<InstanceId> = self.state.restarts.iter().copied().collect();
        for id in waiting {
            let Some(instance) = self.state.instances.get(&id) else {
                self.state.restarts.remove(&id);
                changed = true;
                continue;
            };
            let revision = instance.revision.clone();
            let busy = self
                .state
                .instances
                .values()
                .any(|other| other.revision == revision && other.is_starting());
            if !busy {
                self.state.restarts.remove(&id);
                self.begin_restart(id);
                changed = true;
            }
        }
        changed
    }

    fn is_routed(&self, id: InstanceId) -> bool {
        self.state.instances.get(&id).is_some_and(|instance| {
            matches!(
                self.state.role_in(&instance.revision, &instance.component),
                Some(ComponentRole::Routed | ComponentRole::OnDemand)
            )
        })
    }
}

/// Starts the next run of a slot.
pub(super) fn start_again(instance: &mut Instance) {
    instance.run += 1;
    instance.phase = InstancePhase::Starting;
}
