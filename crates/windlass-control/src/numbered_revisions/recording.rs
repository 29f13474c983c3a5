//! Commands that record a numbered revision in their own commit.

use windlass_engine::id::AppId;
use windlass_engine::input::{Input, StartCommand};
use windlass_engine::records::AuditEvent;

use super::{Content, Origin, Recorded, record};
use crate::clock;
use crate::commands::apps::live_app;
use crate::commands::deploy::NewDeployment;
use crate::commands::run_app::new_revision;
use crate::commit::Committed;
use crate::control::{Control, Extra, put_audit};
use crate::error::Error;
use crate::history::ReleaseRecord;

/// Whether and how a command records a numbered revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// The app's feature is off.
    Off,
    /// What runs becomes a revision if it differs from the newest.
    On {
        /// Number of the revision that is rolled back to.
        rolled_back_to: Option<u32>,
    },
}

impl Control {
    /// Creates a deployment and, in the same commit, its numbered revision. `events` are told in
    /// that commit too.
    ///
    /// # Errors
    /// Those of [`Control::deploy`].
    pub async fn deploy_recorded<F>(
        &self,
        new: NewDeployment,
        recording: Recording,
        events: F,
    ) -> Result<ReleaseRecord, Error>
    where
        F: FnOnce(Option<&Recorded>) -> Vec<AuditEvent> + Send + 'static,
    {
        let (app, release) = (new.app.clone(), new.command.release.clone());
        self.deploy(new, Extra::default(), move |tx, committed, detail| {
            let Recording::On { rolled_back_to } = recording else {
                return put_audit(tx, events(None));
            };
            let mut app = live_app(tx, &app)?;
            let target = committed
                .state
                .release(&release)
                .map(|release| &release.target);
            let revision = target.and_then(|target| committed.state.revisions.get(target));
            let configuration =
                revision.map_or(&committed.state.configuration, |it| &it.configuration);
            let origin = Origin {
                release: Some(release),
                rolled_back_to,
            };
            let content = Content::of(configuration);
            let recorded = record(tx, &mut app, content, origin, clock::wall())?;
            put_audit(tx, events(Some(&recorded)))?;
            detail.numbered_revision = Some((recorded.revision.id, recorded.revision.number));
            Ok(())
        })
        .await
    }

    /// Starts an app and, in the same commit, records what it runs.
    ///
    /// # Errors
    /// Those of [`Control::start_app`].
    pub async fn start_app_recorded<F>(
        &self,
        app: &AppId,
        recording: Recording,
        events: F,
    ) -> Result<Committed, Error>
    where
        F: FnOnce(Option<&Recorded>) -> Vec<AuditEvent> + Send + 'static,
    {
        let input = Input::Start(StartCommand {
            revision: new_revision(),
        });
        self.run_recorded(app, input, recording, events).await
    }

    /// Restarts an app and, in the same commit, records what it runs.
    ///
    /// # Errors
    /// Those of [`Control::restart_app`].
    pub async fn restart_app_recorded<F>(
        &self,
        app: &AppId,
        recording: Recording,
        events: F,
    ) -> Result<Committed, Error>
    where
        F: FnOnce(Option<&Recorded>) -> Vec<AuditEvent> + Send + 'static,
    {
        let input = Input::Restart(StartCommand {
            revision: new_revision(),
        });
        self.run_recorded(app, input, recording, events).await
    }

    async fn run_recorded<F>(
        &self,
        app: &AppId,
        input: Input,
        recording: Recording,
        events: F,
    ) -> Result<Committed, Error>
    where
        F: FnOnce(Option<&Recorded>) -> Vec<AuditEvent> + Send + 'static,
    {
        let id = app.clone();
        let done = self.commit_with(app, input, Extra::default(), move |tx, committed| {
            // Who starts what runs already deploys nothing.
            if recording == Recording::Off || !committed.changed {
                return put_audit(tx, events(None));
            }
            let mut app = live_app(tx, &id)?;
            let content = Content::of(&committed.state.configuration);
            let recorded = record(tx, &mut app, content, Origin::default(), clock::wall())?;
            put_audit(tx, events(Some(&recorded)))
        });
        Ok(done.await?.0)
    }
}
