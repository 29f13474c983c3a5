//! Deployments of apps that one document describes as a whole.
//!
//! The document says what the app shall be, not what is to change. What changes follows inside
//! the commit from what the app is then, so that two documents at the same time give one or the
//! other, never a mixture.

use windlass_engine::app::AppState;
use windlass_engine::configuration::Configuration;
use windlass_engine::id::{AppId, ComponentName, DomainId};
use windlass_engine::records::AppRecord;

use super::apps::{NewApp, live_app, put_app, put_new_app};
use super::deploy::{NewDeployment, deploy_in};
use crate::clock;
use crate::commit::read_state;
use crate::control::{Control, Extra, put_audit};
use crate::error::Error;
use crate::history::ReleaseRecord;
use crate::hosts;
use crate::routes::{RouteError, put_first_free_route};

/// The host that an app gets of its own, with its creation. It leads to the app as a whole.
#[derive(Debug, Clone)]
pub struct OwnHost {
    /// Label below the domain, lower case.
    pub label: String,
    /// Below which domain.
    pub domain: DomainId,
}

/// What is decided about the app inside the commit: refused, or changed.
pub type ChangeApp = Box<dyn FnOnce(&mut AppRecord, &AppState) -> Result<(), Error> + Send>;

impl Control {
    /// Creates an app with its host and its first deployment: all of it or nothing. The edits of
    /// the deployment's command are made from `target`.
    ///
    /// # Errors
    /// [`Error::Taken`] for its name or host, [`Error::Rejected`], [`Error::NotFound`].
    pub async fn create_app_deployed(
        &self,
        app: NewApp,
        host: OwnHost,
        target: Configuration,
        deployment: NewDeployment,
        extra: Extra,
    ) -> Result<(AppRecord, ReleaseRecord), Error> {
        let app_settings = app.settings.unwrap_or(self.settings().app_defaults);
        let settings = self.commit_settings().clone();
        let control = self.clone();
        let (committed, record, release, full_host) = self
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                let record = put_new_app(tx, app, app_settings, Vec::new())?;
                let full_host =
                    hosts::put_own(tx, &record, &host).map_err(|error| match error {
                        RouteError::Refused(refusal) => Error::Conflict(refusal.to_string()),
                        RouteError::Other(error) => error,
                    })?;
                put_audit(tx, extra.audit)?;
                let deployment = whole(deployment, &Configuration::default(), &target);
                let (committed, release) = deploy_in(tx, deployment, &settings, |_, _, _| Ok(()))?;
                Ok((committed, record, release, full_host))
            })
            .await?;
        self.publish_host_in_time(&full_host, committed.commit);
        self.act(&committed);
        Ok((record, release))
    }

    /// Creates an app with the first of these hosts that nobody has, which leads to a component
    /// of what the app runs: all of it or nothing.
    ///
    /// # Errors
    /// [`Error::Taken`] for its name or when each host is somebody's, [`Error::NotFound`].
    pub async fn create_app_hosted(
        &self,
        app: NewApp,
        hosts: Vec<OwnHost>,
        component: ComponentName,
        extra: Extra,
    ) -> Result<AppRecord, Error> {
        let app_settings = app.settings.unwrap_or(self.settings().app_defaults);
        let control = self.clone();
        let (record, full_host, commit) = self
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                let record = put_new_app(tx, app, app_settings, Vec::new())?;
                let full_host = put_first_free_route(tx, &record, &hosts, &component)?;
                put_audit(tx, extra.audit)?;
                Ok((record, full_host, tx.commit_number()))
            })
            .await?;
        self.publish_host_in_time(&full_host, commit);
        Ok(record)
    }

    /// Creates a deployment that makes an app what `target` says. `change` may refuse it and may
    /// change the app's record, in the same commit.
    ///
    /// # Errors
    /// What `change` says; [`Error::Taken`] for a new name, [`Error::Rejected`],
    /// [`Error::NotFound`].
    pub async fn deploy_whole(
        &self,
        target: Configuration,
        deployment: NewDeployment,
        change: ChangeApp,
        extra: Extra,
    ) -> Result<(AppRecord, ReleaseRecord), Error> {
        self.unpack_files(&target).await?;
        let settings = self.commit_settings().clone();
        let control = self.clone();
        let (committed, record, release) = self
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                let app = deployment.app.clone();
                let mut record = live_app(tx, &app)?;
                let row = tx.app_state(&app)?.ok_or(Error::NotFound { what: "app" })?;
                let state = read_state(&row)?;
                change(&mut record, &state)?;
                record.stamps.updated_at = clock::wall();
                put_app(tx, &record)?;
                put_audit(tx, extra.audit)?;
                let deployment = whole(deployment, &state.configuration, &target);
                let (committed, release) = deploy_in(tx, deployment, &settings, |_, _, _| Ok(()))?;
                Ok((committed, record, release))
            })
            .await?;
        self.act(&committed);
        Ok((record, release))
    }

    /// Changes the record of an app with its state in sight, without a deployment.
    ///
    /// # Errors
    /// What `change` says; [`Error::NotFound`].
    pub async fn change_app(
        &self,
        app: &AppId,
        change: ChangeApp,
        extra: Extra,
    ) -> Result<AppRecord, Error> {
        let app = app.clone();
        let control = self.clone();
        self.write(move |tx| {
            control.claim(tx, extra.once.as_ref())?;
            let mut record = live_app(tx, &app)?;
            let row = tx.app_state(&app)?.ok_or(Error::NotFound { what: "app" })?;
            change(&mut record, &read_state(&row)?)?;
            record.stamps.updated_at = clock::wall();
            put_app(tx, &record)?;
            put_audit(tx, extra.audit)?;
            Ok(record)
        })
        .await
    }
}

/// The deployment with the edits that lead from one configuration to another.
fn whole(
    mut deployment: NewDeployment,
    from: &Configuration,
    target: &Configuration,
) -> NewDeployment {
    deployment.command.edits = from.edits_to(target);
    deployment
}
