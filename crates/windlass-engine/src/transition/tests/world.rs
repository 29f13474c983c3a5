//! A world for table tests: drives one app through `transition`, plays driver and router when
//! told to, and checks after every input what must always hold.

mod driver;
mod sight;

use std::collections::{BTreeMap, BTreeSet};

use crate::app::{AppSettings, AppState, ConcurrencyPolicy};
use crate::build::{AwaitedChecks, Build, BuildOutcome, OnBuilt, OnBuiltRelease};
use crate::configuration::{ComponentConfig, ComponentRole, Configuration, Edit};
use crate::id::{AppId, CommitNumber, ComponentName, ReleaseId, RevisionId, TaskId};
use crate::input::{
    CancelCommand, CreateBuildCommand, DeployCommand, EditCommand, IfStopped, Input, Observation,
    RunTaskCommand, ScaleCommand, StartCommand,
};
use crate::instance::{ExitReason, RunExit};
use crate::plan::{Plan, plan};
use crate::rejection::Rejection;
use crate::release::{Release, Urgency};
use crate::strategy::Strategy;
use crate::task::Task;
use crate::time::{Now, Timestamp, Uptime};
use crate::transition::{Ledgers, transition};

/// Rounds after which a world that does not come to rest is a failed test.
const ROUNDS_MAX: u32 = 200;

pub(super) struct World {
    pub(super) state: AppState,
    pub(super) ledgers: Ledgers,
    pub(super) uptime: u64,
    commit: u64,
    /// Releases, tasks and builds as last seen, finished ones too.
    pub(super) releases: BTreeMap<String, Release>,
    pub(super) tasks: BTreeMap<String, Task>,
    pub(super) builds: BTreeMap<String, Build>,
    /// Kinds of the events so far.
    pub(super) told: Vec<&'static str>,
}

pub(super) fn web() -> ComponentName {
    ComponentName::from("web")
}

pub(super) fn rolling(max_in_flight: u32) -> Strategy {
    Strategy::Rolling { max_in_flight }
}

pub(super) fn canary(weights: &[u8], max_in_flight: u32) -> Strategy {
    Strategy::Canary {
        weights: weights.to_vec(),
        max_in_flight,
    }
}

/// Deploys version `number`: release `rN` of revision `vN` with artifact `aN`.
pub(super) fn deployment(number: u32, strategy: Strategy) -> DeployCommand {
    DeployCommand {
        release: ReleaseId::new(format!("r{number}")),
        revision: RevisionId::new(format!("v{number}")),
        edits: vec![Edit::Artifact(Some(format!("a{number}").into()))],
        target_edits: Vec::new(),
        target_scale: BTreeMap::new(),
        strategy,
        if_stopped: IfStopped::DeployAtOnce,
        awaited_builds: Vec::new(),
    }
}

pub(super) fn cancel_of(number: u32, urgency: Urgency) -> Input {
    Input::CancelRelease(CancelCommand {
        release: ReleaseId::new(format!("r{number}")),
        by: "anna".to_owned(),
        client: None,
        reason: None,
        urgency,
    })
}

pub(super) fn exited(code: i32) -> RunExit {
    RunExit {
        code: Some(code),
        ..RunExit::new(ExitReason::Exited)
    }
}

impl World {
    /// A new app: stopped, empty.
    pub(super) fn empty(policy: ConcurrencyPolicy) -> Self {
        Self {
            state: AppState::new(AppId::from("app"), policy, AppSettings::default()),
            ledgers: Ledgers::default(),
            uptime: 1_000,
            commit: 0,
            releases: BTreeMap::new(),
            tasks: BTreeMap::new(),
            builds: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    /// An app without anything of its own yet, whose builds publish their versions.
    pub(super) fn publishing(slots: u32) -> Self {
        let policy = ConcurrencyPolicy::ParallelBuilds { slots };
        let mut world = Self::empty(policy);
        let settings = AppSettings::default();
        world.state = AppState::started(AppId::from("app"), policy, settings);
        world
    }

    /// Builds version `number`: build `bN` of version `vN`, released as `rN` if asked for.
    pub(super) fn version(&mut self, number: u32, strategy: Option<Strategy>) {
        self.input(&Input::CreateBuild(version_of(number, strategy)));
    }

    /// The build of version `number` succeeds.
    pub(super) fn built(&mut self, number: u32) {
        self.build_ended(&format!("b{number}"), Some(BuildOutcome::Built));
    }

    /// A stopped app with a web component of `instances` and artifact `a1`.
    pub(super) fn stopped(policy: ConcurrencyPolicy, instances: u32) -> Self {
        let mut world = Self::empty(policy);
        world.edit(vec![
            Edit::Artifact(Some("a1".into())),
            Edit::AddComponent(web(), ComponentConfig::new(ComponentRole::Routed)),
        ]);
        world.scale("web", instances);
        world
    }

    /// An app that runs version `v1` in `instances` instances, policy of Cloud Foundry.
    pub(super) fn running(instances: u32) -> Self {
        Self::running_with(ConcurrencyPolicy::SupersedeNow, instances)
    }

    pub(super) fn running_with(policy: ConcurrencyPolicy, instances: u32) -> Self {
        let mut world = Self::stopped(policy, instances);
        world.start("v1");
        world.settle();
        world
    }

    pub(super) fn now(&self) -> Now {
        Now {
            wall: Timestamp(i64::try_from(self.uptime).unwrap()),
            uptime: Uptime(self.uptime),
            commit: CommitNumber(self.commit),
        }
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&self.state, self.now())
    }

    /// Folds an input in; says whether it changed anything.
    pub(super) fn try_input(&mut self, input: &Input) -> Result<bool, Rejection> {
        self.commit += 1;
        let now = self.now();
        let before = self.plan();
        let result = transition(&self.state, input, now, &self.ledgers)?;
        let after = plan(&result.state, now);
        assert_eq!(
            result.state.plan_generation != self.state.plan_generation,
            !after.is_same_work(&before),
            "the generation is raised iff the plan differs, after {input:?}"
        );
        assert!(after.is_balanced(), "shares of {after:?}");
        let twice = matches!(input, Input::Observe(seen) if *seen != Observation::Rebooted)
            || matches!(input, Input::Tick);
        if twice {
            let again = transition(&result.state, input, now, &self.ledgers).unwrap();
            assert!(!again.changed, "a second {input:?} changes nothing");
        }
        if matches!(input, Input::Tick) {
            assert!(
                after.wake_at.is_none_or(|at| at > now.uptime),
                "after a tick nothing is due any more"
            );
        }
        if result.changed {
            assert_ne!(result.state.row_revision, self.state.row_revision);
            self.told
                .extend(result.events.iter().map(|event| event.kind));
            self.note(&result.state);
            self.state = result.state;
            self.check_indexes();
        }
        Ok(result.changed)
    }

    fn note(&mut self, state: &AppState) {
        for release in self.state.releases.iter().filter(|r| !r.is_finalized()) {
            assert!(
                state.release(&release.id).is_some(),
                "{} got lost",
                release.id
            );
        }
        for release in &state.releases {
            let known = self.releases.insert(release.id.0.clone(), release.clone());
            let fixed = known.as_ref().and_then(Release::outcome);
            assert!(
                fixed.is_none() || fixed == release.outcome(),
                "one outcome: {fixed:?} became {:?}",
                release.outcome()
            );
        }
        for task in &state.tasks {
            self.tasks.insert(task.id.0.clone(), task.clone());
        }
        for build in &state.builds {
            self.builds.insert(build.id.0.clone(), build.clone());
        }
    }

    fn check_indexes(&self) {
        let mut seen = BTreeSet::new();
        for instance in self.state.instances.values().filter(|i| !i.is_ending()) {
            assert!(
                seen.insert((&instance.revision, &instance.component, instance.index)),
                "index {} of {} twice",
                instance.index,
                instance.revision
            );
        }
    }

    /// Folds an input in that must be accepted.
    #[track_caller]
    pub(super) fn input(&mut self, input: &Input) -> bool {
        match self.try_input(input) {
            Ok(changed) => changed,
            Err(rejection) => panic!("{input:?} was refused: {rejection}"),
        }
    }

    /// Folds an input in that must be refused.
    #[track_caller]
    pub(super) fn refused(&mut self, input: &Input) -> Rejection {
        match self.try_input(input) {
            Ok(_) => panic!("{input:?} was accepted"),
            Err(rejection) => rejection,
        }
    }

    pub(super) fn observe(&mut self, seen: Observation) -> bool {
        self.input(&Input::Observe(seen))
    }

    pub(super) fn edit(&mut self, edits: Vec<Edit>) {
        self.input(&Input::Edit(EditCommand {
            edits,
            actor: "anna".to_owned(),
            refuse_during_release: false,
        }));
    }

    pub(super) fn scale(&mut self, component: &str, instances: u32) {
        self.input(&Input::Scale(ScaleCommand {
            component: component.into(),
            instances,
        }));
    }

    pub(super) fn start(&mut self, revision: &str) {
        self.input(&Input::Start(StartCommand {
            revision: revision.into(),
        }));
    }

    pub(super) fn restart(&mut self, revision: &str) {
        self.input(&Input::Restart(StartCommand {
            revision: revision.into(),
        }));
    }

    #[track_caller]
    pub(super) fn deploy(&mut self, number: u32, strategy: Strategy) {
        self.input(&Input::Deploy(deployment(number, strategy)));
    }

    #[track_caller]
    pub(super) fn cancel(&mut self, number: u32) {
        self.input(&cancel_of(number, Urgency::CapacitySafe));
    }

    #[track_caller]
    pub(super) fn go_on(&mut self, number: u32) {
        self.input(&Input::ContinueRelease(ReleaseId::new(format!(
            "r{number}"
        ))));
    }

    pub(super) fn build(&mut self, id: &str, for_releases: bool) {
        let mut command =
            CreateBuildCommand::of_package(id.into(), "p".into(), format!("{id}-artifact").into());
        command.for_releases = for_releases;
        self.input(&Input::CreateBuild(command));
    }

    pub(super) fn task(&mut self, id: &str) {
        self.input(&task_of(id));
    }
}

/// The build of a version that is released by `strategy`, if any.
pub(super) fn version_of(number: u32, strategy: Option<Strategy>) -> CreateBuildCommand {
    let mut configuration = Configuration::default();
    let config = ComponentConfig::new(ComponentRole::OnDemand);
    configuration.components.insert("site".into(), config);
    let build = format!("b{number}").into();
    let artifact = format!("a{number}").into();
    let mut command = CreateBuildCommand::of_package(build, "p".into(), artifact);
    command.on_built = Some(OnBuilt {
        revision: format!("v{number}").into(),
        configuration: Box::new(configuration),
        release: strategy.map(|strategy| OnBuiltRelease {
            release: format!("r{number}").into(),
            strategy,
            checks: AwaitedChecks::None,
        }),
    });
    command
}

pub(super) fn task_of(id: &str) -> Input {
    Input::RunTask(RunTaskCommand {
        task: TaskId::from(id),
        sequence: 1,
        name: "migrate".to_owned(),
        command: "true".to_owned(),
        user: None,
        memory_mb: 64,
        disk_mb: 64,
        log_bytes_per_second: None,
        artifact: None,
    })
}
