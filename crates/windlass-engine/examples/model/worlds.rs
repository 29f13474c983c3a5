//! The four worlds.

use windlass_engine::app::{AppSettings, AppState, ConcurrencyPolicy, RunState};
use windlass_engine::configuration::{ComponentConfig, ComponentRole, Edit};
use windlass_engine::id::AppId;
use windlass_engine::input::{EditCommand, Input, ScaleCommand, StartCommand};
use windlass_engine::plan::plan;
use windlass_engine::release::{ReleaseState, Urgency};
use windlass_engine::task::TaskState;
use windlass_engine::time::Now;
use windlass_engine::transition::{Ledgers, transition};

use super::node::{Action, Budget, Node, number_of};

/// A small world that is searched whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    /// Cancel, continue, finish and supersede of a canary against each other.
    Race,
    /// A train of rolling releases, any of them canceled.
    Train,
    /// A cancel whose base crashes, with every urgency, stop, start, reboot.
    Restore,
    /// A task, and releases that share a build; delete.
    Work,
}

impl World {
    pub(crate) const ALL: [Self; 4] = [Self::Race, Self::Train, Self::Restore, Self::Work];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Race => "race",
            Self::Train => "train",
            Self::Restore => "restore",
            Self::Work => "task and build",
        }
    }

    /// Instances that the base needs.
    pub(crate) fn instances(self) -> u32 {
        match self {
            Self::Race | Self::Train | Self::Restore => 2,
            Self::Work => 1,
        }
    }

    fn budget(self) -> Budget {
        match self {
            Self::Race => Budget {
                deploys: 2,
                continues: 1,
                crashes: 1,
                timeouts: 1,
                ..Budget::default()
            },
            Self::Train => Budget {
                deploys: 3,
                ..Budget::default()
            },
            Self::Restore => Budget {
                deploys: 1,
                crashes: 2,
                flips: 1,
                stops: 1,
                reboots: 1,
                ..Budget::default()
            },
            Self::Work => Budget {
                deploys: 2,
                tasks: 1,
                builds: 1,
                losses: 1,
                deletes: 1,
                ..Budget::default()
            },
        }
    }

    fn policy(self) -> ConcurrencyPolicy {
        match self {
            Self::Race | Self::Train | Self::Restore => ConcurrencyPolicy::SupersedeNow,
            Self::Work => ConcurrencyPolicy::OneRunningNewestPending,
        }
    }

    /// Version 1 runs in all its instances.
    pub(crate) fn root(self) -> Node {
        let mut state = AppState::new(AppId::from("app"), self.policy(), AppSettings::default());
        let edits = vec![
            Edit::Artifact(Some("a1".into())),
            Edit::AddComponent("web".into(), ComponentConfig::new(ComponentRole::Routed)),
        ];
        let setup = [
            Input::Edit(EditCommand {
                edits,
                actor: String::new(),
                refuse_during_release: false,
            }),
            Input::Scale(ScaleCommand {
                component: "web".into(),
                instances: self.instances(),
            }),
            Input::Start(StartCommand {
                revision: "v1".into(),
            }),
        ];
        for input in setup {
            if let Ok(made) = transition(&state, &input, Now::default(), &Ledgers::default()) {
                state = made.state;
            }
        }
        // What was written before the start does not count as a later write.
        state.changes.clear();
        state.scale_changes.clear();
        let mut node = Node {
            plan: plan(&state, Now::default()),
            state,
            budget: self.budget(),
            fates: std::collections::BTreeMap::new(),
            next: 2,
        };
        while let Some(action) = node.arrivals().first().copied() {
            match node.step(action) {
                Ok(Some(next)) => node = next,
                Ok(None) | Err(_) => break,
            }
        }
        node
    }

    /// Every step that this world can make.
    pub(crate) fn actions(self, node: &Node) -> Vec<Action> {
        let mut actions = node.arrivals();
        actions.extend(node.troubles());
        actions.extend(self.commands(node));
        actions
    }

    fn commands(self, node: &Node) -> Vec<Action> {
        let mut actions = Vec::new();
        let budget = node.budget;
        if budget.deploys > 0 {
            let builds = self == Self::Work && budget.builds == 0;
            actions.push(Action::Deploy {
                canary: node.next == 2 && self != Self::Train,
                builds,
            });
        }
        for release in &node.state.releases {
            let number = number_of(release.id.as_str());
            match &release.state {
                ReleaseState::Finalized { .. } => {}
                ReleaseState::Paused { .. } if budget.continues > 0 => {
                    actions.push(Action::Continue(number));
                    actions.push(Action::Cancel(number, Urgency::CapacitySafe));
                }
                _ => actions.push(Action::Cancel(number, Urgency::CapacitySafe)),
            }
            if self == Self::Restore && !release.is_finalized() {
                actions.push(Action::Cancel(number, Urgency::Now));
                actions.push(Action::Cancel(number, Urgency::AcceptOutage));
            }
        }
        match node.state.run {
            RunState::Started if budget.stops > 0 => actions.push(Action::Stop),
            RunState::Stopped => actions.push(Action::Start),
            RunState::Started | RunState::Deleted => {}
        }
        if budget.tasks > 0 {
            actions.push(Action::RunTask);
        }
        for task in &node.state.tasks {
            let number = number_of(task.id.as_str());
            match task.state {
                TaskState::Pending | TaskState::Running | TaskState::Canceling => {
                    actions.push(Action::CancelTask(number));
                    actions.push(Action::TaskEnded(number, false));
                    if budget.losses > 0 {
                        actions.push(Action::TaskLost(number));
                    }
                }
                TaskState::Succeeded | TaskState::Failed { .. } => {}
            }
        }
        if budget.builds > 0 {
            actions.push(Action::CreateBuild);
        }
        for build in node
            .state
            .builds
            .iter()
            .filter(|build| !build.is_finished())
        {
            let number = number_of(build.id.as_str());
            actions.push(Action::CancelBuild(number));
            actions.push(Action::BuildEnded(number, Some(false)));
            if budget.losses > 0 {
                actions.push(Action::BuildEnded(number, None));
            }
        }
        if budget.deletes > 0 {
            actions.push(Action::Delete);
        }
        actions
    }
}
