//! The deployment object of the wire.

use serde_json::{Map, Value, json};
use windlass_control::history::ReleaseRecord;
use windlass_control::listing::{Column, Filter, ListQuery, Order, Page};
use windlass_engine::app::AppState;
use windlass_engine::build::BuildState;
use windlass_engine::configuration::JobKind;
use windlass_engine::id::{AppId, ComponentName, ReleaseId};
use windlass_engine::instance::{ExitReason, RunExit};
use windlass_engine::records::{BuildRecord, BuildRecordState};
use windlass_engine::release::{FailureReason, JobState, Outcome, ReleaseState};
use windlass_engine::strategy::{Gate, Weight};

use super::cause;
use super::phase::Phase;
use super::progress::{self, Canary, Facts, Leaf, Part, PartKind, Reason, Times};
use crate::document::{Component, ComponentKind, Detail};
use crate::error::ApiResult;
use crate::server::DoState;
use crate::time::{ZERO, seconds};

/// A deployment with what is needed to show it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    record: ReleaseRecord,
    detail: Detail,
    phase: Phase,
    builds: Vec<Option<BuildRecord>>,
    /// Builds that have begun, while they are not over.
    begun: Vec<windlass_engine::id::BuildId>,
}

/// The newest deployment of an app that was deployed.
pub(crate) async fn serving(state: &DoState, app: &AppId) -> ApiResult<Option<ReleaseRecord>> {
    let query = ListQuery::filtered(vec![
        Filter::is(Column::App, app.as_str()),
        Filter::is(Column::StatusReason, "DEPLOYED"),
    ])
    .ordered(Order::descending(Column::CreatedCommit))
    .page(Page::first(1));
    let found = state
        .control
        .list_releases(&windlass_control::identity::Visibility::All, query)
        .await?;
    Ok(found.rows.into_iter().next())
}

impl Shown {
    /// Reads what is needed. `serving` is the deployment that serves, `app` the engine's state
    /// where the caller has it.
    pub(crate) fn read(
        state: &DoState,
        record: ReleaseRecord,
        serving: Option<&ReleaseId>,
        app: Option<&AppState>,
    ) -> ApiResult<Self> {
        let detail = Detail::of(&record)
            .ok_or_else(|| windlass_control::Error::internal("a deployment has no detail"))?;
        let phase = Phase::of(&record, serving == Some(&record.release.id));
        let builds = detail
            .components
            .iter()
            .map(|component| match &component.build {
                Some(id) => state.control.find_build(id),
                None => Ok(None),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let own;
        let app = match app {
            Some(app) => Some(app),
            None if phase.is_open() => {
                own = state.control.state(&record.app)?;
                own.as_ref()
            }
            None => None,
        };
        let begun = app
            .into_iter()
            .flat_map(|app| &app.builds)
            .filter(|build| build.state != BuildState::Queued)
            .map(|build| build.id.clone())
            .collect();
        Ok(Self {
            record,
            detail,
            phase,
            builds,
            begun,
        })
    }

    /// The phase.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// The id.
    pub(crate) fn id(&self) -> &ReleaseId {
        &self.record.release.id
    }

    /// The record.
    pub(crate) fn record(&self) -> &ReleaseRecord {
        &self.record
    }

    /// The object.
    pub(crate) fn to_wire(&self) -> Value {
        let release = &self.record.release;
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| {
            object.insert(name.to_owned(), value);
        };
        put("id", json!(release.id));
        put("spec", self.detail.spec.clone());
        for (name, is) in [
            (
                "services",
                (|kind| kind == ComponentKind::Service) as fn(_) -> _,
            ),
            ("static_sites", |kind| kind == ComponentKind::StaticSite),
            ("workers", |kind| kind == ComponentKind::Worker),
            ("jobs", |kind| matches!(kind, ComponentKind::Job(_))),
        ] {
            let components = self.components(is);
            if !components.is_empty() {
                put(name, Value::Array(components));
            }
        }
        put("phase_last_updated_at", json!(self.phase_since()));
        put("created_at", json!(seconds(release.created_at)));
        put("updated_at", json!(seconds(release.updated_at)));
        put("cause", json!(cause::text(&self.detail.cause)));
        if let Some(id) = &self.detail.cloned_from {
            put("cloned_from", json!(id));
        }
        put("progress", progress::progress(&self.facts()));
        put("phase", json!(self.phase.as_str()));
        put("tier_slug", json!(self.detail.tier));
        if let Some(id) = &self.detail.previous {
            put("previous_deployment_id", json!(id));
        }
        put("cause_details", cause::details(&self.detail.cause));
        Value::Object(object)
    }

    fn components(&self, is: impl Fn(ComponentKind) -> bool) -> Vec<Value> {
        self.detail
            .components
            .iter()
            .zip(&self.builds)
            .filter(|(component, _)| is(component.kind))
            .map(|(component, build)| {
                let built = build
                    .as_ref()
                    .and_then(|build| build.git.as_ref()?.commit.as_ref());
                match component.commit.as_ref().or(built) {
                    Some(commit) => {
                        json!({"name": component.name, "source_commit_hash": commit})
                    }
                    None => json!({"name": component.name}),
                }
            })
            .collect()
    }

    /// When the phase began; the zero time for the first one.
    fn phase_since(&self) -> String {
        let marks = &self.record.marks;
        let since = match self.phase {
            Phase::PendingBuild => None,
            Phase::Building => marks.building_at,
            Phase::PendingDeploy => marks.built_at,
            Phase::Deploying => marks.started_at,
            Phase::Active | Phase::Superseded | Phase::Error | Phase::Canceled => marks.ended_at,
        };
        since.map_or_else(|| ZERO.to_owned(), seconds)
    }

    fn facts(&self) -> Facts {
        let marks = &self.record.marks;
        Facts {
            phase: self.phase,
            parts: self
                .detail
                .components
                .iter()
                .zip(&self.builds)
                .map(|(component, build)| self.part(component, build.as_ref()))
                .collect(),
            canary: self.canary(),
            ending: self.ending(),
            times: Times {
                building_at: marks.building_at,
                built_at: marks.built_at,
                started_at: marks.started_at,
                ended_at: marks.ended_at,
            },
        }
    }

    fn part(&self, component: &Component, build: Option<&BuildRecord>) -> Part {
        let kind = match component.kind {
            ComponentKind::Service => PartKind::Service,
            ComponentKind::Worker => PartKind::Worker,
            ComponentKind::StaticSite => PartKind::StaticSite,
            ComponentKind::Job(kind) => PartKind::Job(kind),
        };
        let (deploy, wait) = match component.kind {
            ComponentKind::Job(kind) => self.job(&component.name, kind),
            ComponentKind::StaticSite => (self.files(), Leaf::Pending),
            ComponentKind::Service | ComponentKind::Worker => self.instances(&component.name),
        };
        Part {
            name: component.name.clone(),
            kind,
            build: self.build(component, build),
            deploy,
            wait,
        }
    }

    fn build(&self, component: &Component, build: Option<&BuildRecord>) -> Leaf {
        let marks = &self.record.marks;
        if component.reused {
            return if marks.building_at.is_some() {
                Leaf::DoneBecause(Reason {
                    code: "PreviousBuildReused",
                    message: "the source and its settings have not changed since that build"
                        .to_owned(),
                })
            } else {
                Leaf::Pending
            };
        }
        match build.map(|build| (&build.id, &build.state)) {
            // What is built ahead of its turn is not told before: nobody is to count it.
            Some((_, BuildRecordState::Staging | BuildRecordState::Staged { .. }))
                if self.phase == Phase::PendingBuild =>
            {
                Leaf::Pending
            }
            Some((_, BuildRecordState::Staged { .. })) => Leaf::Done,
            Some((
                _,
                BuildRecordState::Failed { error } | BuildRecordState::Skipped { reason: error },
            )) => Leaf::Failed(build_failure(error)),
            Some((id, BuildRecordState::Staging)) if self.begun.contains(id) => Leaf::Running,
            // The record is gone with its retention; it was built if anything was deployed.
            None if marks.built_at.is_some() => Leaf::Done,
            // How the deployment ended says why a build was ended.
            Some((_, BuildRecordState::Staging | BuildRecordState::Canceled)) | None => {
                Leaf::Pending
            }
        }
    }

    fn instances(&self, name: &str) -> (Leaf, Leaf) {
        let marks = self.record.marks.components.get(name);
        let started = marks.is_some_and(|marks| marks.started_at.is_some());
        let ready = marks.is_some_and(|marks| marks.ready_at.is_some());
        let none_wanted = self
            .record
            .release
            .target_scale
            .get(name)
            .is_some_and(|goal| *goal == 0);
        if self.has_deployed() || (none_wanted && ready) {
            return (Leaf::Done, Leaf::Done);
        }
        match (started, ready) {
            (_, true) => (Leaf::Done, Leaf::Done),
            (true, false) => (Leaf::Done, Leaf::Running),
            (false, false) if self.phase == Phase::Deploying && self.are_jobs_before_done() => {
                (Leaf::Running, Leaf::Pending)
            }
            (false, false) => (Leaf::Pending, Leaf::Pending),
        }
    }

    /// No instance is started before the jobs that come first have succeeded.
    fn are_jobs_before_done(&self) -> bool {
        let before = ComponentKind::Job(JobKind::PreDeploy);
        let is_done = |component: &Component| {
            let mut runs = self.record.release.jobs.iter();
            runs.any(|run| {
                run.component.as_str() == component.name && run.state == JobState::Succeeded
            })
        };
        let mut components = self.detail.components.iter();
        components.all(|component| component.kind != before || is_done(component))
    }

    fn files(&self) -> Leaf {
        if self.has_deployed() {
            Leaf::Done
        } else if self.record.marks.started_at.is_some() && self.are_jobs_before_done() {
            Leaf::Running
        } else {
            Leaf::Pending
        }
    }

    fn job(&self, name: &str, kind: JobKind) -> (Leaf, Leaf) {
        let run = self
            .record
            .release
            .jobs
            .iter()
            .find(|job| job.component.as_str() == name && job.kind == kind);
        let Some(run) = run else {
            return (Leaf::Pending, Leaf::Pending);
        };
        let started = self
            .record
            .marks
            .components
            .get(&run.component)
            .is_some_and(|marks| marks.started_at.is_some());
        match run.state {
            JobState::Succeeded => (Leaf::Done, Leaf::Done),
            JobState::Failed => (Leaf::Done, Leaf::Failed(job_failure(&run.component))),
            JobState::Running | JobState::Canceling | JobState::Interrupted if started => {
                (Leaf::Done, Leaf::Running)
            }
            JobState::Running | JobState::Canceling | JobState::Interrupted => {
                (Leaf::Running, Leaf::Pending)
            }
        }
    }

    fn has_deployed(&self) -> bool {
        matches!(self.record.release.outcome(), Some(Outcome::Deployed))
    }

    fn canary(&self) -> Vec<Canary> {
        let release = &self.record.release;
        let now = release.step_index();
        let steps = release.steps.iter().enumerate();
        steps
            .filter(|(_, step)| step.gate == Gate::Manual)
            .filter_map(|(index, step)| {
                let Weight::Share(share) = step.weight else {
                    return None;
                };
                let leaf = match (&release.state, now) {
                    _ if self.has_deployed() => Leaf::Done,
                    (_, Some(now)) if index < now => Leaf::Done,
                    (ReleaseState::Paused { .. }, Some(now)) if index == now => Leaf::Running,
                    (_, Some(now)) if index == now => Leaf::Running,
                    _ => Leaf::Pending,
                };
                Some(Canary {
                    weight: share / 100,
                    leaf,
                })
            })
            .collect()
    }

    /// Why it did not succeed.
    fn ending(&self) -> Option<Reason> {
        let release = &self.record.release;
        let outcome = release.outcome()?;
        let (code, message) = match outcome {
            Outcome::Deployed => return None,
            Outcome::Canceled(_) => ("Canceled", self.canceled_words()),
            Outcome::Superseded { .. } => (
                "Superseded",
                "a newer deployment took its place before it began".to_owned(),
            ),
            Outcome::Failed(reason) => return Some(self.failure(reason)),
        };
        Some(Reason { code, message })
    }

    fn canceled_words(&self) -> String {
        let Some(restore) = &self.record.release.restore else {
            return "canceled".to_owned();
        };
        let mut words = format!("canceled by {} at {}", restore.by, seconds(restore.at));
        if let Some(reason) = &restore.reason {
            words = format!("{words}: {reason}");
        }
        words
    }

    fn failure(&self, reason: &FailureReason) -> Reason {
        match reason {
            FailureReason::Build => Reason {
                code: "BuildJobFailed",
                message: "a build failed".to_owned(),
            },
            FailureReason::Job { component } => job_failure(component),
            FailureReason::Check => Reason {
                code: "DeployContainerHealthChecksFailed",
                message: "a check concluded badly".to_owned(),
            },
            FailureReason::Deadline => self.not_ready(),
        }
    }

    /// Instances that never became ready: what was seen of them.
    fn not_ready(&self) -> Reason {
        let exits = self.record.marks.components.iter();
        let seen = exits
            .filter(|(_, marks)| marks.ready_at.is_none())
            .find_map(|(name, marks)| Some((name, marks.last_exit.as_ref()?)));
        match seen {
            Some((name, exit)) => Reason {
                code: exit_code(exit),
                message: format!("{name}: {}", exit.describe()),
            },
            None => Reason {
                code: "DeployContainerHealthChecksFailed",
                message: "no more instances became ready in time".to_owned(),
            },
        }
    }
}

fn exit_code(exit: &RunExit) -> &'static str {
    match exit.reason {
        ExitReason::OutOfMemory => "DeployContainerOutOfMemory",
        ExitReason::StartTimeout | ExitReason::Liveness => "DeployContainerHealthChecksFailed",
        ExitReason::LaunchFailed => "DeployContainerCommandNotExecutable",
        ExitReason::Exited
        | ExitReason::OutOfDisk
        | ExitReason::TimeLimit
        | ExitReason::Stopped
        | ExitReason::Lost => "DeployContainerExitNonZero",
    }
}

fn job_failure(component: &ComponentName) -> Reason {
    Reason {
        code: "DeployContainerExitNonZero",
        message: format!("the job {component} ended with an error"),
    }
}

/// `Identifier - words` of a build's record.
fn build_failure(error: &str) -> Reason {
    let (id, words) = error.split_once(" - ").unwrap_or(("", error));
    let code = match id {
        "StagingTimeExpired" => "BuildJobTimeout",
        "InsufficientResources" => "BuildJobOutOfMemory",
        "BuildpackCompileFailed" | "BuildpackReleaseFailed" | "StagingError" => {
            "BuildJobExitNonZero"
        }
        _ => "BuildJobFailed",
    };
    Reason {
        code,
        message: words.to_owned(),
    }
}
