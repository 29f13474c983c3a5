//! Published versions: each has a host of its own, whatever the app itself runs.

use std::collections::BTreeMap;

use super::Work;
use crate::app::{Published, RunState};
use crate::build::{AwaitedChecks, Build, OnBuilt, OnBuiltRelease};
use crate::id::{BuildId, CommitNumber, ReleaseId, RevisionId};
use crate::input::{DeployCommand, IfStopped};
use crate::rejection::{InFlightConflict, Rejection};
use crate::release::{CancelCause, Outcome, Release, Urgency};
use crate::revision::Revision;
use crate::strategy::{Strategy, compile};

impl Work {
    pub(super) fn publish(&mut self, id: &RevisionId) -> Result<(), Rejection> {
        let Some(revision) = self.state.revisions.get(id) else {
            return Err(Rejection::UnknownRevision(id.clone()));
        };
        let commit = revision.created_commit;
        if !self.state.published.contains_key(id) {
            let published = Published {
                build: None,
                commit,
                refused_at: None,
            };
            self.state.published.insert(id.clone(), published);
            self.tell_app("published", format!("version {id} has a host of its own"));
        }
        Ok(())
    }

    /// Takes a version away. What moves to it ends as by a cancel, what runs of it is ended.
    pub(super) fn withdraw(
        &mut self,
        id: &RevisionId,
        by: &str,
        client: Option<&str>,
    ) -> Result<(), Rejection> {
        if !self.state.published.contains_key(id) {
            return Err(Rejection::UnknownRevision(id.clone()));
        }
        let open = |release: &&Release| !release.is_finalized() && !release.relieved;
        let falls_back = |release: &Release| release.base.as_ref() == Some(id);
        if self.state.releases.iter().filter(open).any(falls_back) {
            return Err(Rejection::ReleaseInFlight {
                what: InFlightConflict::WithdrawBase,
            });
        }
        let moves_to: Vec<_> = self
            .state
            .releases
            .iter()
            .filter(|release| !release.is_finalized() && release.target == *id)
            .map(|release| release.id.clone())
            .collect();
        for release in moves_to {
            self.begin_restore(
                &release,
                Outcome::Canceled(CancelCause::Deleted),
                by,
                client,
                Some("its version was deleted"),
                Urgency::AcceptOutage,
            );
        }
        self.state.published.remove(id);
        if self.state.base.as_ref() == Some(id) {
            self.state.base = None;
        }
        self.tell_app("withdrawn", format!("version {id} was taken away by {by}"));
        Ok(())
    }

    /// What a build was for is there: in the same commit its version is published and, where asked
    /// for, released.
    pub(super) fn publish_built(&mut self, id: &BuildId) {
        let Some(build) = self.state.builds.iter().find(|build| build.id == *id) else {
            return;
        };
        if self.state.run == RunState::Deleted {
            return;
        }
        let Some(on_built) = build.on_built.clone() else {
            return;
        };
        let commit = build.created_commit;
        let revision = revision_of(build, &on_built, self.now.commit);
        let published = Published {
            build: Some(id.clone()),
            commit,
            refused_at: None,
        };
        for component in revision.configuration.components.keys() {
            self.state.scale.entry(component.clone()).or_insert(0);
        }
        self.state
            .revisions
            .insert(on_built.revision.clone(), revision);
        self.state
            .published
            .insert(on_built.revision.clone(), published);
        self.tell_build(id, "published", "its version has a host of its own");
        if let Some(release) = &on_built.release {
            self.release_built(id, commit, &on_built.revision, release);
        }
    }

    fn release_built(
        &mut self,
        id: &BuildId,
        commit: CommitNumber,
        revision: &RevisionId,
        wanted: &OnBuiltRelease,
    ) {
        if !self.state.settings.releases_built {
            self.tell_build(id, "held", "the app stays with the version chosen for it");
            return;
        }
        if self.newest_released().is_some_and(|newest| newest > commit) {
            self.tell_build(id, "overtaken", "the app runs a newer version already");
            return;
        }
        let command = DeployCommand {
            release: wanted.release.clone(),
            revision: revision.clone(),
            edits: Vec::new(),
            target_edits: Vec::new(),
            target_scale: BTreeMap::new(),
            strategy: self.strategy_from_here(&wanted.strategy),
            if_stopped: IfStopped::Release,
            awaited_builds: Vec::new(),
        };
        match self.deploy(&command) {
            Ok(()) => self.hold_for_checks(&wanted.release, wanted.checks),
            Err(rejection) => self.tell_build(id, "not_released", rejection.to_string()),
        }
    }

    /// Checks may have concluded while the build ran, or conclude later.
    fn hold_for_checks(&mut self, id: &ReleaseId, checks: AwaitedChecks) {
        let concluded = match checks {
            AwaitedChecks::None => return,
            AwaitedChecks::Awaited => None,
            AwaitedChecks::Concluded { succeeded } => Some(succeeded),
        };
        if let Some(release) = self.release_mut(id) {
            release.awaits_checks = true;
            release.checks = concluded;
        }
        let Some(release) = self.state.release(id).filter(|it| it.is_in_flight()) else {
            // It is compiled when its turn comes.
            return;
        };
        let steps = compile(&release.strategy, &self.parts(release));
        if let Some(release) = self.release_mut(id) {
            release.steps = steps;
        }
    }

    /// The release of a build is to wait for checks.
    pub(super) fn await_checks(&mut self, id: &BuildId) -> Result<(), Rejection> {
        match self.built_release_mut(|build| build.id == *id) {
            Some(release) => {
                release.checks = AwaitedChecks::Awaited;
                Ok(())
            }
            None => Err(Rejection::UnknownBuild(id.clone())),
        }
    }

    /// Checks of a release concluded, or of one that its build still has to open.
    pub(super) fn checks_concluded(&mut self, id: &ReleaseId, succeeded: bool) {
        if let Some(release) = self.release_mut(id) {
            release.checks.get_or_insert(succeeded);
            return;
        }
        let opens = |build: &Build| {
            let release = build.on_built.as_ref().and_then(|it| it.release.as_ref());
            release.is_some_and(|release| release.release == *id)
        };
        if let Some(release) = self.built_release_mut(opens)
            && release.checks == AwaitedChecks::Awaited
        {
            release.checks = AwaitedChecks::Concluded { succeeded };
        }
    }

    fn built_release_mut(
        &mut self,
        choose: impl Fn(&Build) -> bool,
    ) -> Option<&mut OnBuiltRelease> {
        let mut builds = self.state.builds.iter_mut();
        builds
            .find(|build| !build.is_finished() && choose(build))
            .and_then(|build| build.on_built.as_mut())
            .and_then(|on_built| on_built.release.as_mut())
    }

    /// Stages share traffic with what runs; where nothing does there is nothing to share.
    fn strategy_from_here(&self, wanted: &Strategy) -> Strategy {
        if self.state.base.is_none() && matches!(wanted, Strategy::Stages(_)) {
            Strategy::Instant
        } else {
            wanted.clone()
        }
    }

    /// The newest version that the app runs or moves to.
    fn newest_released(&self) -> Option<CommitNumber> {
        let targets = self
            .state
            .releases
            .iter()
            .filter(|release| !release.is_finalized() && !release.is_restoring())
            .map(|release| &release.target);
        targets
            .chain(&self.state.base)
            .filter_map(|revision| self.state.published.get(revision))
            .map(|published| published.commit)
            .max()
    }
}

fn revision_of(build: &Build, on_built: &OnBuilt, commit: CommitNumber) -> Revision {
    let mut configuration = *on_built.configuration.clone();
    configuration.artifact = Some(build.artifact.clone());
    Revision {
        id: on_built.revision.clone(),
        configuration,
        lineage: None,
        created_commit: commit,
    }
}
