//! Inputs: commands of users, observations of drivers and router, the clock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::build::{BuildOutcome, BuildSource, OnBuilt};
use crate::configuration::Edit;
use crate::id::{
    ArtifactId, BuildId, ComponentName, InstanceId, PackageId, PlanGeneration, ReleaseId,
    RevisionId, TaskId,
};
use crate::instance::RunExit;
use crate::release::Urgency;
use crate::strategy::Strategy;
use crate::time::Uptime;

/// What enters `transition`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Writes keys of the configuration.
    Edit(EditCommand),
    /// Sets the desired instances of a component.
    Scale(ScaleCommand),
    /// Runs the app.
    Start(StartCommand),
    /// Stops the app.
    Stop,
    /// Runs the app anew: with the current configuration, or both versions in place during a
    /// release.
    Restart(StartCommand),
    /// Ends one instance; it is started again in its place.
    RestartInstance(InstanceId),
    /// Creates a release.
    Deploy(DeployCommand),
    /// Cancels a release.
    CancelRelease(CancelCommand),
    /// Opens the manual gate of a release.
    ContinueRelease(ReleaseId),
    /// Takes a release by stages to its last stage at once.
    CompleteRelease(ReleaseId),
    /// Gives a version that is known a host of its own.
    Publish {
        /// Which.
        revision: RevisionId,
    },
    /// Takes a published version away: releases to it end, its instances too.
    Withdraw {
        /// Which.
        revision: RevisionId,
        /// Who.
        by: String,
        /// With which client.
        client: Option<String>,
    },
    /// Has checks hold back the release that an unfinished build opens.
    AwaitChecks {
        /// Which build.
        build: BuildId,
    },
    /// Creates a build.
    CreateBuild(CreateBuildCommand),
    /// Cancels a build.
    CancelBuild {
        /// Which.
        build: BuildId,
        /// Who.
        by: String,
    },
    /// Creates a task.
    RunTask(RunTaskCommand),
    /// Cancels a task.
    CancelTask(CancelTaskCommand),
    /// Deletes the app.
    Delete {
        /// Who.
        by: String,
        /// With which client.
        client: Option<String>,
    },
    /// Changes settings of the app.
    Configure(crate::app::AppSettings),
    /// Something was seen.
    Observe(Observation),
    /// A wake-up time has come.
    Tick,
}

/// Writes keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EditCommand {
    /// The writes, in order.
    pub edits: Vec<Edit>,
    /// Who writes.
    pub actor: String,
    /// Whether writes to the artifact and to routed components are refused while a release is in
    /// flight.
    pub refuse_during_release: bool,
}

/// Sets desired instances.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScaleCommand {
    /// Of which component.
    pub component: ComponentName,
    /// How many.
    pub instances: u32,
}

/// Starts or restarts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StartCommand {
    /// Id for the revision, if a new one is needed.
    pub revision: RevisionId,
}

/// Creates a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeployCommand {
    /// Id of the release.
    pub release: ReleaseId,
    /// Id of its target revision.
    pub revision: RevisionId,
    /// Writes that belong to the target (artifact, rolled back keys); they are not a user's
    /// later change.
    pub edits: Vec<Edit>,
    /// Sizes that only the target has until it is deployed (memory, disk, log rate).
    pub target_edits: Vec<Edit>,
    /// Instances of the target, where they differ from the app's scale.
    pub target_scale: BTreeMap<ComponentName, u32>,
    /// How.
    pub strategy: Strategy,
    /// What happens when the app is stopped.
    pub if_stopped: IfStopped,
    /// Builds that it waits for: unfinished ones of this app.
    pub awaited_builds: Vec<BuildId>,
}

/// What a release of a stopped app does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfStopped {
    /// The target becomes the base, the app is started, the release is deployed at once.
    DeployAtOnce,
    /// The app is started by the release, which proceeds as any other.
    Release,
}

/// Cancels a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CancelCommand {
    /// Which.
    pub release: ReleaseId,
    /// Who.
    pub by: String,
    /// With which client.
    pub client: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// How hard.
    pub urgency: Urgency,
}

/// Creates a build.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CreateBuildCommand {
    /// Its id.
    pub build: BuildId,
    /// What it builds.
    pub source: BuildSource,
    /// Id of the artifact that it will make.
    pub artifact: ArtifactId,
    /// Memory, MiB.
    pub memory_mb: u64,
    /// Disk, MiB.
    pub disk_mb: u64,
    /// Whether it ends with the last release that waits for it.
    pub for_releases: bool,
    /// Whether queued ones of its branch give way to it, and it to newer ones.
    pub gives_way: bool,
    /// What its success does.
    pub on_built: Option<OnBuilt>,
}

impl CreateBuildCommand {
    /// A build of a package for users to see.
    pub fn of_package(build: BuildId, package: PackageId, artifact: ArtifactId) -> Self {
        Self {
            build,
            source: BuildSource::Package(package),
            artifact,
            memory_mb: 1024,
            disk_mb: 4096,
            for_releases: false,
            gives_way: false,
            on_built: None,
        }
    }
}

/// Creates a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunTaskCommand {
    /// Its id.
    pub task: TaskId,
    /// Its number.
    pub sequence: u64,
    /// Its name.
    pub name: String,
    /// What it runs.
    pub command: String,
    /// User inside the sandbox.
    pub user: Option<String>,
    /// Memory, MiB.
    pub memory_mb: u64,
    /// Disk, MiB.
    pub disk_mb: u64,
    /// Log bytes per second.
    pub log_bytes_per_second: Option<u64>,
    /// Artifact; `None` = the app's.
    pub artifact: Option<ArtifactId>,
}

/// Cancels a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CancelTaskCommand {
    /// Which.
    pub task: TaskId,
    /// Who.
    pub by: String,
    /// With which client.
    pub client: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// What was seen by a driver or the router.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// A run of an instance is healthy, and whether it is routable.
    InstanceRunning {
        /// Which.
        instance: InstanceId,
        /// Which start.
        run: u32,
        /// Whether it may have traffic.
        routable: bool,
    },
    /// A run of an instance is over; nothing of it is left.
    InstanceExited {
        /// Which.
        instance: InstanceId,
        /// Which start.
        run: u32,
        /// How.
        exit: RunExit,
    },
    /// The router has no request left on an instance, as of a table generation.
    InstanceEmpty {
        /// Which.
        instance: InstanceId,
        /// Table generation from which it had no pick.
        generation: PlanGeneration,
    },
    /// Every router worker uses this table generation of the app.
    RouterAcknowledged {
        /// Generation.
        generation: PlanGeneration,
    },
    /// Measured time from a cancel to its safe table.
    SafeMeasured {
        /// Of which release.
        release: ReleaseId,
        /// Microseconds.
        micros: u64,
    },
    /// A request waits for an instance on demand.
    Demanded {
        /// Of which version.
        revision: RevisionId,
        /// Which.
        component: ComponentName,
    },
    /// An instance on demand has no request.
    Idle {
        /// Which.
        instance: InstanceId,
        /// Since when.
        since: Uptime,
    },
    /// A build's run passed a phase or printed a line.
    BuildProgress {
        /// Which.
        build: BuildId,
        /// How long ago, milliseconds.
        idle_ms: u64,
    },
    /// A build's run is over; nothing of it is left.
    BuildEnded {
        /// Which.
        build: BuildId,
        /// Which start.
        run: u32,
        /// How; `None` = its run was lost.
        outcome: Option<BuildOutcome>,
    },
    /// A task runs.
    TaskStarted {
        /// Which.
        task: TaskId,
    },
    /// A task's run is over; nothing of it is left.
    TaskExited {
        /// Which.
        task: TaskId,
        /// How.
        exit: RunExit,
    },
    /// A job of a release printed a line.
    JobProgress {
        /// Of which release.
        release: ReleaseId,
        /// Which.
        component: ComponentName,
        /// How long ago, milliseconds.
        idle_ms: u64,
    },
    /// A job of a release is over.
    JobEnded {
        /// Of which release.
        release: ReleaseId,
        /// Which.
        component: ComponentName,
        /// Whether it ended well.
        succeeded: bool,
    },
    /// The checks of a release concluded.
    ChecksConcluded {
        /// Of which release.
        release: ReleaseId,
        /// Whether well.
        succeeded: bool,
    },
    /// Nothing of before runs any more: a reboot, or `up` after `down`.
    Rebooted,
}
