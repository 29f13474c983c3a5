//! Start, stop, restart, scale, delete.

use super::Work;
use crate::app::RunState;
use crate::build::BuildOutcome;
use crate::configuration::ComponentRole;
use crate::id::{InstanceId, RevisionId};
use crate::input::{ScaleCommand, StartCommand};
use crate::limits;
use crate::rejection::{InFlightConflict, Rejection};
use crate::release::{CancelCause, FailureReason, JobState, Outcome, Release, Urgency};
use crate::revision::Revision;

impl Work {
    pub(super) fn start(&mut self, command: &StartCommand) -> Result<(), Rejection> {
        if self.state.run == RunState::Started {
            return Ok(());
        }
        self.require_artifact()?;
        self.state.run = RunState::Started;
        if !self.state.has_open_release() {
            self.set_base(&command.revision, false);
        }
        self.tell_app("started", "the app was started");
        Ok(())
    }

    /// Everything of the app stops; a release and its deadline stand still.
    pub(super) fn stop(&mut self) {
        if self.state.run == RunState::Started {
            self.state.run = RunState::Stopped;
            self.state.restarts.clear();
            self.tell_app("stopped", "the app was stopped");
            self.stop_jobs();
        }
    }

    /// Jobs stop with their app. A job runs at most once per release, so one whose gate was not
    /// passed could never pass it after a start: its release fails now, as by a reboot.
    pub(super) fn stop_jobs(&mut self) {
        let interrupted = |release: &Release| {
            let mut jobs = release.jobs.iter();
            let job = jobs.find(|job| job.state == JobState::Running)?;
            Some((release.id.clone(), job.component.clone()))
        };
        let moving = self.state.releases.iter().filter(|it| it.is_in_flight());
        let failed: Vec<_> = moving.filter_map(interrupted).collect();
        for (id, component) in failed {
            let reason = FailureReason::Job { component };
            self.fail(&id, reason, "the app was stopped while a job ran");
        }
        for release in &mut self.state.releases {
            release.cancel_jobs();
        }
    }

    pub(super) fn restart(&mut self, command: &StartCommand) -> Result<(), Rejection> {
        if self.state.run != RunState::Started {
            return self.start(command);
        }
        self.require_artifact()?;
        if self.state.has_open_release() {
            // Both versions in place, one instance of each at a time; base and step unchanged.
            self.state.restarts = self
                .state
                .instances
                .values()
                .filter(|instance| !instance.is_ending())
                .map(|instance| instance.id)
                .collect();
            // Wrong on purpose: what is restarted is what the app was set to run.
            #[cfg(windlass_mutant = "restart_moves_base")]
            if let Some(release) = self.state.in_flight() {
                self.state.base = Some(release.target.clone());
            }
        } else {
            self.set_base(&command.revision, true);
        }
        self.tell_app("restarted", "the app was restarted");
        Ok(())
    }

    pub(super) fn restart_instance(&mut self, id: InstanceId) -> Result<(), Rejection> {
        match self.state.instances.get(&id) {
            Some(instance) if !instance.is_ending() => {
                self.begin_restart(id);
                Ok(())
            }
            Some(_) | None => Err(Rejection::UnknownInstance),
        }
    }

    pub(super) fn scale(&mut self, command: &ScaleCommand) -> Result<(), Rejection> {
        if command.instances > limits::INSTANCES_MAX {
            return Err(Rejection::LimitExceeded {
                what: "instances",
                limit: u64::from(limits::INSTANCES_MAX),
            });
        }
        let component = &command.component;
        if !self.state.configuration.components.contains_key(component) {
            return Err(Rejection::UnknownComponent(component.clone()));
        }
        let routed = self.state.role_of(component) == Some(ComponentRole::Routed);
        if routed && self.state.in_flight().is_some() {
            return Err(Rejection::ReleaseInFlight {
                what: InFlightConflict::Scale,
            });
        }
        self.state
            .scale
            .insert(component.clone(), command.instances);
        self.state
            .scale_changes
            .insert(component.clone(), self.now.commit);
        self.tell_app(
            "scaled",
            format!("{component} was scaled to {}", command.instances),
        );
        Ok(())
    }

    /// Durable and first: from this commit on everything of the app is on its way out.
    pub(super) fn delete(&mut self, by: &str, client: Option<&str>) {
        self.state.run = RunState::Deleted;
        let open: Vec<_> = self
            .state
            .releases
            .iter()
            .filter(|release| !release.is_finalized())
            .map(|release| release.id.clone())
            .collect();
        for id in open {
            self.begin_restore(
                &id,
                Outcome::Canceled(CancelCause::Deleted),
                by,
                client,
                Some("deleted"),
                Urgency::AcceptOutage,
            );
        }
        self.cancel_all_tasks(by);
        let builds: Vec<_> = self
            .state
            .builds
            .iter()
            .map(|build| build.id.clone())
            .collect();
        for build in builds {
            self.end_build(&build, BuildOutcome::Canceled, by);
        }
        self.state.base = None;
        self.state.published.clear();
        self.tell_app("deleted", format!("the app was deleted by {by}"));
    }

    /// Makes the current configuration the base. An unchanged one keeps its revision, unless
    /// `anew` (restart) asks for new instances.
    fn set_base(&mut self, id: &RevisionId, anew: bool) {
        let current = self
            .state
            .base
            .as_ref()
            .and_then(|base| self.state.revisions.get(base));
        if !anew && current.is_some_and(|base| base.configuration == self.state.configuration) {
            return;
        }
        let lineage = current.and_then(|base| base.lineage.clone());
        let revision = Revision {
            id: id.clone(),
            configuration: self.state.configuration.clone(),
            lineage,
            created_commit: self.now.commit,
        };
        self.state.revisions.insert(id.clone(), revision);
        self.state.base = Some(id.clone());
        for component in self.state.configuration.components.keys() {
            self.state.scale.entry(component.clone()).or_insert(0);
        }
    }

    fn require_artifact(&self) -> Result<(), Rejection> {
        let configuration = &self.state.configuration;
        let any = configuration.artifact.is_some()
            || configuration
                .components
                .values()
                .any(|config| config.artifact.is_some());
        if any {
            Ok(())
        } else {
            Err(Rejection::NoArtifact)
        }
    }
}
