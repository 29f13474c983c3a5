//! When a release entered its stages, and how far each component came: told while it moves, and
//! kept as it was when its outcome was fixed, because what is put back afterwards says nothing of
//! how far it came.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use windlass_engine::app::AppState;
use windlass_engine::build::BuildState;
use windlass_engine::id::{ComponentName, ReleaseId};
use windlass_engine::instance::RunExit;
use windlass_engine::release::{Outcome, Release, ReleaseState};
use windlass_engine::time::Timestamp;

use super::ReleaseRecord;
use crate::clock;
use crate::control::Control;
use crate::error::Error;

impl Control {
    /// Notes in the record of a release that a process of a component was started.
    pub(crate) async fn note_started(
        &self,
        id: &ReleaseId,
        component: &ComponentName,
    ) -> Result<(), Error> {
        let known = self.release(id)?.marks;
        let is_noted = known.ended_at.is_some()
            || (known.components.get(component)).is_some_and(|own| own.started_at.is_some());
        if is_noted {
            return Ok(());
        }
        let (id, component) = (id.clone(), component.clone());
        self.write(move |tx| {
            let Some(row) = tx.get(&id)? else {
                return Ok(());
            };
            let mut record = ReleaseRecord::from_row(&row)?;
            record.marks.note_started(&component, clock::wall());
            tx.put(&record.to_row()?)?;
            Ok(())
        })
        .await
    }
}

/// Wall times of the stages of a release. `None` = not reached.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Marks {
    /// The first of its builds began, or it turned out to need none.
    pub building_at: Option<Timestamp>,
    /// Everything that it runs was there.
    pub built_at: Option<Timestamp>,
    /// Its first process was started.
    pub started_at: Option<Timestamp>,
    /// Its outcome was fixed.
    pub ended_at: Option<Timestamp>,
    /// Its components.
    pub components: BTreeMap<ComponentName, ComponentMarks>,
}

/// How far a component of a release came.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ComponentMarks {
    /// Its first process was started.
    pub started_at: Option<Timestamp>,
    /// All its instances were ready at once.
    pub ready_at: Option<Timestamp>,
    /// How an instance of it last ended by itself.
    pub last_exit: Option<RunExit>,
}

impl Marks {
    /// What follows for the marks from a release as it is now.
    pub(crate) fn note(&mut self, state: &AppState, release: &Release, wall: Timestamp) {
        match &release.state {
            ReleaseState::Pending => {}
            ReleaseState::Building => self.note_building(state, release, wall),
            ReleaseState::RollingOut { .. } | ReleaseState::Paused { .. } => {
                self.note_built(wall);
                self.note_components(state, release, wall);
            }
            ReleaseState::Restoring { outcome } | ReleaseState::Finalized { outcome } => {
                if self.ended_at.is_some() {
                    return;
                }
                self.ended_at = Some(wall);
                if *outcome == Outcome::Deployed {
                    self.note_built(wall);
                    self.note_components(state, release, wall);
                }
            }
        }
    }

    /// Notes the start of a process of a component.
    pub(crate) fn note_started(&mut self, component: &ComponentName, wall: Timestamp) {
        if self.ended_at.is_some() {
            return;
        }
        self.started_at.get_or_insert(wall);
        let own = self.components.entry(component.clone()).or_default();
        own.started_at.get_or_insert(wall);
    }

    fn note_building(&mut self, state: &AppState, release: &Release, wall: Timestamp) {
        let begun = state.builds.iter().any(|build| {
            release.awaited_builds.contains(&build.id) && build.state != BuildState::Queued
        });
        if begun {
            self.building_at.get_or_insert(wall);
        }
    }

    fn note_built(&mut self, wall: Timestamp) {
        self.building_at.get_or_insert(wall);
        self.built_at.get_or_insert(wall);
    }

    fn note_components(&mut self, state: &AppState, release: &Release, wall: Timestamp) {
        for (component, goal) in &release.target_scale {
            let routable = state.routable(&release.target, component);
            if routable > 0 {
                self.note_running(component, wall);
            }
            let mut instances = state.serving(&release.target, component);
            let exit = instances.find_map(|instance| instance.last_exit.clone());
            if routable >= *goal || exit.is_some() {
                let own = self.components.entry(component.clone()).or_default();
                if routable >= *goal {
                    own.ready_at.get_or_insert(wall);
                }
                own.last_exit = exit.or(own.last_exit.take());
            }
        }
    }

    /// What runs has been started, also when that was not heard of by itself.
    fn note_running(&mut self, component: &ComponentName, wall: Timestamp) {
        self.started_at.get_or_insert(wall);
        let own = self.components.entry(component.clone()).or_default();
        own.started_at.get_or_insert(wall);
    }
}

#[cfg(test)]
mod tests {
    use windlass_engine::app::{AppSettings, ConcurrencyPolicy};
    use windlass_engine::configuration::{ComponentConfig, ComponentRole, Edit};
    use windlass_engine::id::{AppId, ArtifactId, CommitNumber, InstanceId, ReleaseId, RevisionId};
    use windlass_engine::input::{DeployCommand, IfStopped, Input, Observation};
    use windlass_engine::strategy::Strategy;
    use windlass_engine::time::{Now, Uptime};
    use windlass_engine::transition::{Ledgers, transition};

    use super::*;

    fn at(millis: u64) -> Now {
        Now {
            wall: Timestamp(i64::try_from(millis).unwrap()),
            uptime: Uptime(millis),
            commit: CommitNumber(millis),
        }
    }

    fn fold(state: &AppState, input: Input, millis: u64) -> AppState {
        transition(state, &input, at(millis), &Ledgers::default())
            .unwrap()
            .state
    }

    /// An app with a release of two instances that has just begun to move.
    fn moving() -> AppState {
        let state = AppState::new(
            AppId::from("a"),
            ConcurrencyPolicy::OneRunningNewestPending,
            AppSettings::default(),
        );
        let command = DeployCommand {
            release: ReleaseId::from("r"),
            revision: RevisionId::from("v"),
            edits: vec![
                Edit::AddComponent("web".into(), ComponentConfig::new(ComponentRole::Routed)),
                Edit::Artifact(Some(ArtifactId::from("d"))),
            ],
            target_edits: vec![],
            target_scale: BTreeMap::from([("web".into(), 2)]),
            strategy: Strategy::Rolling { max_in_flight: 2 },
            if_stopped: IfStopped::Release,
            awaited_builds: vec![],
        };
        fold(&state, Input::Deploy(command), 10)
    }

    fn running(instance: InstanceId) -> Input {
        Input::Observe(Observation::InstanceRunning {
            instance,
            run: 1,
            routable: true,
        })
    }

    fn note(marks: &mut Marks, state: &AppState, millis: u64) {
        let release = state.release(&ReleaseId::from("r")).unwrap();
        marks.note(state, release, at(millis).wall);
    }

    #[test]
    fn each_stage_keeps_its_first_moment() {
        let mut state = moving();
        let mut marks = Marks::default();
        note(&mut marks, &state, 10);
        assert_eq!(marks.built_at, Some(Timestamp(10)));
        assert_eq!(marks.started_at, None);
        marks.note_started(&"web".into(), Timestamp(20));
        let ids: Vec<InstanceId> = state.instances.keys().copied().collect();
        state = fold(&state, running(ids[0]), 30);
        note(&mut marks, &state, 30);
        assert_eq!(marks.components["web"].ready_at, None);
        state = fold(&state, running(ids[1]), 40);
        note(&mut marks, &state, 40);
        assert_eq!(marks.started_at, Some(Timestamp(20)));
        assert_eq!(marks.components["web"].started_at, Some(Timestamp(20)));
        assert_eq!(marks.components["web"].ready_at, Some(Timestamp(40)));
        assert_eq!(marks.ended_at, Some(Timestamp(40)));
        note(&mut marks, &state, 50);
        assert_eq!(marks.ended_at, Some(Timestamp(40)));
    }

    #[test]
    fn what_comes_after_the_outcome_changes_nothing() {
        let state = moving();
        let mut marks = Marks::default();
        note(&mut marks, &state, 10);
        let canceled = fold(
            &state,
            Input::CancelRelease(windlass_engine::input::CancelCommand {
                release: ReleaseId::from("r"),
                by: "anna".to_owned(),
                client: None,
                reason: None,
                urgency: windlass_engine::release::Urgency::CapacitySafe,
            }),
            20,
        );
        note(&mut marks, &canceled, 20);
        let fixed = marks.clone();
        assert_eq!(fixed.ended_at, Some(Timestamp(20)));
        marks.note_started(&"web".into(), Timestamp(30));
        note(&mut marks, &canceled, 40);
        assert_eq!(marks, fixed);
    }
}
