//! What users ask for.

use std::collections::BTreeMap;

use windlass_engine::app::{AppState, RunState};
use windlass_engine::build::{BuildSource, BuildState};
use windlass_engine::configuration::{ComponentConfig, ComponentRole, Edit};
use windlass_engine::id::{ComponentName, ReleaseId, RevisionId};
use windlass_engine::input::{
    CancelCommand, CancelTaskCommand, CreateBuildCommand, DeployCommand, EditCommand, IfStopped,
    Input, RunTaskCommand, ScaleCommand, StartCommand,
};
use windlass_engine::release::Urgency;
use windlass_engine::strategy::Strategy;

use crate::random::Random;
use crate::scenario::{self, Scenario};

/// Kinds of commands.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Edit,
    Scale,
    Start,
    Stop,
    Restart,
    RestartInstance,
    Deploy,
    Cancel,
    Continue,
    CreateBuild,
    CancelBuild,
    RunTask,
    CancelTask,
    Configure,
    Delete,
}

/// Makes commands with ids that were never used before.
#[derive(Debug, Default)]
pub(crate) struct Users {
    number: u64,
    /// Releases that were ever asked for.
    releases: Vec<ReleaseId>,
    builds: Vec<windlass_engine::id::BuildId>,
}

impl Users {
    fn name(&mut self, letter: &str) -> String {
        self.number += 1;
        format!("{letter}{}", self.number)
    }

    /// The revision of the next start or restart.
    pub(crate) fn revision(&mut self) -> RevisionId {
        self.name("s").into()
    }

    pub(crate) fn command(
        &mut self,
        scenario: &Scenario,
        state: &AppState,
        random: &mut Random,
    ) -> Option<Input> {
        let open = state.releases.iter().any(|release| !release.is_finalized());
        let stopped = state.run != RunState::Started;
        let kind = random.weighted(&[
            (10, Kind::Edit),
            (12, Kind::Scale),
            (if stopped { 40 } else { 2 }, Kind::Start),
            (5, Kind::Stop),
            (4, Kind::Restart),
            (8, Kind::RestartInstance),
            (40, Kind::Deploy),
            (if open { 40 } else { 4 }, Kind::Cancel),
            (30, Kind::Continue),
            (6, Kind::CreateBuild),
            (6, Kind::CancelBuild),
            (10, Kind::RunTask),
            (8, Kind::CancelTask),
            (3, Kind::Configure),
            (u64::from(scenario.may_delete), Kind::Delete),
        ]);
        Some(match kind {
            Kind::Edit => Input::Edit(EditCommand {
                edits: self.edits(state, random),
                actor: "user".to_owned(),
                refuse_during_release: random.chance(50),
            }),
            Kind::Scale => Input::Scale(ScaleCommand {
                component: any_component(state, random)?,
                instances: random.count(0, 5),
            }),
            Kind::Start => Input::Start(StartCommand {
                revision: self.revision(),
            }),
            Kind::Stop => Input::Stop,
            Kind::Restart => Input::Restart(StartCommand {
                revision: self.revision(),
            }),
            Kind::RestartInstance => {
                let ids: Vec<_> = state.instances.keys().copied().collect();
                Input::RestartInstance(random.pick_any(&ids)?)
            }
            Kind::Deploy => Input::Deploy(self.deploy(state, random)),
            Kind::Cancel => {
                let open: Vec<_> = state
                    .releases
                    .iter()
                    .filter(|release| !release.is_finalized())
                    .map(|release| release.id.clone())
                    .collect();
                let list = if random.chance(90) {
                    &open
                } else {
                    &self.releases
                };
                let release = random.pick_any(list)?;
                cancel(release, random)
            }
            Kind::Continue => {
                let in_flight = state.in_flight().map(|release| release.id.clone());
                let known = random.pick_any(&self.releases);
                Input::ContinueRelease(in_flight.filter(|_| random.chance(90)).or(known)?)
            }
            Kind::CreateBuild => self.create_build(random),
            Kind::CancelBuild => Input::CancelBuild {
                build: random.pick_any(&self.builds)?,
                by: "user".to_owned(),
            },
            Kind::RunTask => self.run_task(random),
            Kind::CancelTask => {
                let ids: Vec<_> = state.tasks.iter().map(|task| task.id.clone()).collect();
                Input::CancelTask(CancelTaskCommand {
                    task: random.pick_any(&ids)?,
                    by: "user".to_owned(),
                    client: None,
                    reason: None,
                })
            }
            Kind::Configure => Input::Configure(scenario::settings(random)),
            Kind::Delete => Input::Delete {
                by: "user".to_owned(),
                client: None,
            },
        })
    }

    fn edits(&mut self, state: &AppState, random: &mut Random) -> Vec<Edit> {
        let mut edits = Vec::new();
        for _ in 0..random.span(1, 2) {
            let component = any_component(state, random).unwrap_or_else(|| "web".into());
            edits.push(match random.below(12) {
                0..=4 => Edit::Artifact(Some(self.name("a").into())),
                5..=7 => Edit::Env("NAME".to_owned(), None),
                8 => Edit::Memory(component, random.span(1, 3)),
                9 => Edit::Command(component, Some(self.name("run"))),
                10 => {
                    let role = random.pick(&[ComponentRole::Routed, ComponentRole::Worker]);
                    let name = match role {
                        ComponentRole::Routed => "admin",
                        _ => "clock",
                    };
                    let mut config = ComponentConfig::new(role);
                    config.memory_mb = 1;
                    Edit::AddComponent(name.into(), config)
                }
                _ => Edit::RemoveComponent(random.pick(&["admin".into(), "clock".into()])),
            });
        }
        edits
    }

    fn deploy(&mut self, state: &AppState, random: &mut Random) -> DeployCommand {
        let release: ReleaseId = self.name("r").into();
        self.releases.push(release.clone());
        let mut target_scale = BTreeMap::new();
        if random.chance(15)
            && let Some(component) = any_component(state, random)
        {
            target_scale.insert(component, random.count(0, 5));
        }
        let any = random.chance(10);
        let open: Vec<_> = state
            .builds
            .iter()
            .filter(|build| any || matches!(build.state, BuildState::Queued | BuildState::Running))
            .map(|build| build.id.clone())
            .collect();
        let waits = random.chance(25);
        let mut edits = vec![Edit::Artifact(Some(self.name("a").into()))];
        if random.chance(30) {
            edits.extend(self.edits(state, random));
        }
        DeployCommand {
            revision: format!("v{}", release.as_str()).into(),
            release,
            edits,
            target_edits: if random.chance(10) {
                vec![Edit::Memory("web".into(), random.span(1, 3))]
            } else {
                Vec::new()
            },
            target_scale,
            strategy: strategy(random),
            if_stopped: random.pick(&[IfStopped::DeployAtOnce, IfStopped::Release]),
            awaited_builds: if waits { open } else { Vec::new() },
        }
    }

    fn create_build(&mut self, random: &mut Random) -> Input {
        let name = self.name("b");
        self.builds.push(name.clone().into());
        let mut command =
            CreateBuildCommand::of_package(name.into(), "package".into(), self.name("a").into());
        command.for_releases = random.chance(50);
        if random.chance(50) {
            command.source = BuildSource::Git {
                url: "repository".to_owned(),
                branch: random.pick(&["main".to_owned(), "next".to_owned()]),
                commit: None,
            };
        }
        Input::CreateBuild(command)
    }

    fn run_task(&mut self, random: &mut Random) -> Input {
        let name = self.name("t");
        Input::RunTask(RunTaskCommand {
            task: name.clone().into(),
            sequence: self.number,
            name,
            command: "run".to_owned(),
            user: None,
            memory_mb: random.span(1, 2),
            disk_mb: 1,
            log_bytes_per_second: None,
            artifact: None,
        })
    }
}

pub(crate) fn cancel(release: ReleaseId, random: &mut Random) -> Input {
    Input::CancelRelease(CancelCommand {
        release,
        by: "user".to_owned(),
        client: None,
        reason: None,
        urgency: random.weighted(&[
            (6, Urgency::CapacitySafe),
            (2, Urgency::Now),
            (1, Urgency::AcceptOutage),
        ]),
    })
}

fn strategy(random: &mut Random) -> Strategy {
    let max_in_flight = random.count(1, 3);
    match random.below(12) {
        10 | 11 => Strategy::BlueGreen,
        0..=3 => Strategy::Rolling { max_in_flight },
        4..=8 => {
            let mut weights: Vec<u8> = (0..random.below(4))
                .map(|_| random.pick(&[1, 10, 20, 25, 40, 50, 75, 99, 100]))
                .collect();
            weights.sort_unstable();
            weights.dedup();
            Strategy::Canary {
                weights,
                max_in_flight,
            }
        }
        _ => Strategy::Recreate,
    }
}

fn any_component(state: &AppState, random: &mut Random) -> Option<ComponentName> {
    let runs = |role: ComponentRole| matches!(role, ComponentRole::Routed | ComponentRole::Worker);
    let names: Vec<_> = state
        .configuration
        .components
        .iter()
        .filter(|(_, config)| runs(config.role))
        .map(|(name, _)| name.clone())
        .collect();
    random.pick_any(&names)
}
