//! Releases: one movement of instances and traffic from a base revision to a target.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::configuration::{Configuration, Edit, JobKind, Key};
use crate::id::{BuildId, CommitNumber, ComponentName, PlanGeneration, ReleaseId, RevisionId};
use crate::limits::SHARE_ALL;
use crate::strategy::{Gate, Step, Strategy, Weight};
use crate::time::{Timestamp, Uptime};

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Release {
    /// Its id.
    pub id: ReleaseId,
    /// How it proceeds.
    pub strategy: Strategy,
    /// What it moves to.
    pub target: RevisionId,
    /// What a cancel restores; `None` = nothing ran before.
    pub base: Option<RevisionId>,
    /// Instances that the base needs, per component, as of the (first) release of a train.
    pub base_scale: BTreeMap<ComponentName, u32>,
    /// Whether any instance of the base was routable when the train began.
    pub base_was_routable: bool,
    /// Components without traffic of which no instance of the base ran when the train began.
    #[serde(default)]
    pub base_down: BTreeSet<ComponentName>,
    /// Whether the app was running before; without a base a cancel puts that back.
    pub was_started: bool,
    /// Scale of the target once it is deployed, per component.
    pub target_scale: BTreeMap<ComponentName, u32>,
    /// The compiled steps.
    pub steps: Vec<Step>,
    /// Index of the step that it moves towards or stands at; once it is put back or over, of the
    /// one that it had got to.
    #[serde(default)]
    pub last_step: usize,
    /// Builds that it waits for.
    pub awaited_builds: Vec<BuildId>,
    /// Where it stands.
    pub state: ReleaseState,
    /// Target instances wanted now, per routed component: raised as instances become routable.
    pub wanted: BTreeMap<ComponentName, u32>,
    /// Most target instances that were routable at once in this step, per component.
    pub best_routable: BTreeMap<ComponentName, u32>,
    /// Jobs of this release that were started, each at most once.
    pub jobs: Vec<JobRun>,
    /// When it ends for lack of progress.
    pub deadline: Deadline,
    /// How its checks concluded, once they did.
    pub checks: Option<bool>,
    /// Whether checks hold it back before it moves anything.
    #[serde(default)]
    pub awaits_checks: bool,
    /// When a timer gate opens.
    pub timer_until: Option<Uptime>,
    /// How it was canceled, or why it is being put back.
    pub restore: Option<Restore>,
    /// Words about what holds it up, shown by the dialects.
    pub error: Option<String>,
    /// Creation, wall.
    pub created_at: Timestamp,
    /// Last change, wall.
    pub updated_at: Timestamp,
    /// Last change of its visible status, wall.
    pub status_changed_at: Timestamp,
    /// Last progress of health, wall.
    pub last_healthy_at: Timestamp,
    /// Commit that created it: separates earlier from later writes of keys.
    pub created_commit: CommitNumber,
    /// Number of its instances, jobs and builds that still run after its end.
    pub cleanup_left: u32,
    /// Whether its target ever had a share of the traffic.
    pub had_share: bool,
    /// Components in which it ever had one.
    #[serde(default)]
    pub served: BTreeSet<ComponentName>,
    /// Whether a newer release took over what it restores; then it only winds down.
    pub relieved: bool,
    /// What the configuration was before, kept only when there is no base.
    pub configuration_before: Option<Configuration>,
    /// Writes that go into the app's configuration once it is deployed.
    pub target_edits: Vec<Edit>,
}

/// Where a release stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseState {
    /// Waits for its turn (policy `OneRunningNewestPending`).
    Pending,
    /// Waits for its builds.
    Building,
    /// Moves towards a step.
    RollingOut {
        /// Index of the step.
        step: usize,
    },
    /// Reached a step whose gate a user opens.
    Paused {
        /// Index of the step.
        step: usize,
    },
    /// What was before is put back; the outcome is fixed.
    Restoring {
        /// What it will be.
        outcome: Outcome,
    },
    /// Over, for ever.
    Finalized {
        /// What it was.
        outcome: Outcome,
    },
}

/// How a release ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The target carries the load.
    Deployed,
    /// Put back.
    Canceled(CancelCause),
    /// A newer release took over.
    Superseded {
        /// Whether it was on its way to a pause or paused when that happened.
        while_paused: bool,
    },
    /// It could not succeed; put back.
    Failed(FailureReason),
}

/// Why a release is canceled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelCause {
    /// A user said so.
    User,
    /// Its app was deleted.
    Deleted,
}

/// Why a release fails.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// No progress for its deadline.
    Deadline,
    /// A job ended badly.
    Job {
        /// Which.
        component: ComponentName,
    },
    /// A check concluded badly.
    Check,
    /// A build ended badly.
    Build,
}

impl Outcome {
    /// The word of the record.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Canceled(_) => "canceled",
            Self::Superseded { .. } => "superseded",
            Self::Failed(_) => "failed",
        }
    }
}

/// What a release is put back with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Restore {
    /// Who asked (user name), or `engine`.
    pub by: String,
    /// With which client.
    pub client: Option<String>,
    /// Why, in words.
    pub reason: Option<String>,
    /// When, wall.
    pub at: Timestamp,
    /// When, uptime: time to safe counts from here.
    pub since: Uptime,
    /// How hard.
    pub urgency: Urgency,
    /// Share that the target had when it was canceled, per component, in 1/10,000.
    pub share_at_commit: BTreeMap<ComponentName, u16>,
    /// Lowest share given since, per component: it is never raised.
    pub share_cap: BTreeMap<ComponentName, u16>,
    /// First table generation in which the target's share is 0, while not acknowledged.
    pub zero_generation: Option<PlanGeneration>,
    /// Whether such a table was acknowledged: from then on the share stays 0.
    pub safe: bool,
    /// From the commit to the first acknowledged table with share 0, microseconds.
    pub time_to_safe_us: Option<u64>,
    /// Keys put back.
    pub restored: Vec<Key>,
    /// Keys that keep a later write.
    pub not_restored: Vec<Key>,
    /// Jobs, tasks and the like that can't be undone, in words.
    pub not_undone: Vec<String>,
    /// Words about the base (`was not healthy`, `superseded by …`).
    pub note: Option<String>,
}

/// How hard a cancel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Never below the capacity that the base needs.
    CapacitySafe,
    /// Share 0 as soon as anything else is routable.
    Now,
    /// Share 0 at once, even when nothing else is routable.
    AcceptOutage,
}

/// The clock of a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deadline {
    /// There is none.
    Off,
    /// It runs out then.
    Running {
        /// When.
        at: Uptime,
    },
    /// It stands still.
    Held {
        /// What is left, milliseconds.
        left_ms: u64,
    },
}

/// A job of a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobRun {
    /// Its component.
    pub component: ComponentName,
    /// When it runs.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// When it is ended at the latest. Only a job for failures has its own: the others run while
    /// the deadline of their release does.
    #[serde(default)]
    pub until: Option<Uptime>,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Wanted or running.
    Running,
    /// Being ended, before it was done.
    Canceling,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Was ended before it was done.
    Interrupted,
}

impl Release {
    /// Whether it moves instances: not waiting, not being put back, not over.
    pub fn is_in_flight(&self) -> bool {
        matches!(
            self.state,
            ReleaseState::RollingOut { .. } | ReleaseState::Paused { .. }
        )
    }

    /// Whether no router has said yet that it uses the table in which the target has no share. It
    /// may be over before that, when nothing of it has to be ended; its time to safe comes then.
    pub(crate) fn awaits_safe_table(&self) -> bool {
        let restore = self.restore.as_ref();
        restore.is_some_and(|restore| !restore.safe && restore.zero_generation.is_some())
    }

    /// Whether it is over.
    pub fn is_finalized(&self) -> bool {
        matches!(self.state, ReleaseState::Finalized { .. })
    }

    /// Whether what was before is being put back.
    pub fn is_restoring(&self) -> bool {
        matches!(self.state, ReleaseState::Restoring { .. })
    }

    /// Whether a job of it runs.
    pub(crate) fn runs_a_job(&self) -> bool {
        self.jobs.iter().any(|job| job.state == JobState::Running)
    }

    /// Ends its jobs that run.
    pub(crate) fn cancel_jobs(&mut self) {
        for job in &mut self.jobs {
            if job.state == JobState::Running {
                job.state = JobState::Canceling;
            }
        }
    }

    /// Index of the step that it moves towards or stands at.
    pub fn step_index(&self) -> Option<usize> {
        match self.state {
            ReleaseState::RollingOut { step } | ReleaseState::Paused { step } => Some(step),
            ReleaseState::Pending
            | ReleaseState::Building
            | ReleaseState::Restoring { .. }
            | ReleaseState::Finalized { .. } => None,
        }
    }

    /// Whether checks that have not concluded hold it back.
    pub fn is_held_by_checks(&self) -> bool {
        self.step().is_some_and(|step| step.gate == Gate::Checks)
    }

    /// The step that it moves towards or stands at.
    pub fn step(&self) -> Option<&Step> {
        self.step_index().and_then(|index| self.steps.get(index))
    }

    /// Whether its steps have come to where all traffic is meant for its target.
    pub fn has_moved(&self) -> bool {
        let Some(index) = self.step_index() else {
            return false;
        };
        self.steps
            .iter()
            .enumerate()
            .take(index + 1)
            .any(|(position, step)| match step.weight {
                Weight::Share(share) => share == SHARE_ALL,
                // Step by step: only when it is over.
                Weight::ByInstances => position < index,
                Weight::ByStepTotal => false,
            })
    }

    /// Its outcome, fixed or reached.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            ReleaseState::Restoring { outcome } | ReleaseState::Finalized { outcome } => {
                Some(outcome)
            }
            ReleaseState::Pending
            | ReleaseState::Building
            | ReleaseState::RollingOut { .. }
            | ReleaseState::Paused { .. } => None,
        }
    }

    /// Instances that the base needs of a component, before later scaling by a user.
    pub fn base_count(&self, component: &ComponentName) -> u32 {
        self.base_scale.get(component).copied().unwrap_or(0)
    }

    /// The state in words, as the record shows it.
    pub fn state_word(&self) -> &'static str {
        match &self.state {
            ReleaseState::Pending => "pending",
            ReleaseState::Building => "building",
            ReleaseState::RollingOut { .. } => "rolling_out",
            ReleaseState::Paused { .. } => "paused",
            ReleaseState::Restoring { .. } => "restoring",
            ReleaseState::Finalized { .. } => "finalized",
        }
    }
}
