//! Deployments with hosts of their own: created as a build, released between versions that are
//! there, taken away again.

use std::collections::{BTreeMap, BTreeSet};

use windlass_engine::app::AppSettings;
use windlass_engine::build::AwaitedChecks;
use windlass_engine::id::{AppId, BuildId, ReleaseId, RevisionId};
use windlass_engine::input::{CreateBuildCommand, DeployCommand, IfStopped, Input, Observation};
use windlass_engine::records::{AppRecord, BuildRecord, Route, SecretValue, WantedHost};
use windlass_engine::rejection::{InFlightConflict, Rejection};
use windlass_engine::release::Release;
use windlass_engine::strategy::Strategy;
use windlass_store::{Column, Filter, Tx};

use super::apps::{live_app, put_app};
use super::builds::{note_cancel, put_new_build};
use super::room::is_unchosen;
use super::{Caller, recorded};
use crate::clock;
use crate::commit::{Committed, apply, read_state};
use crate::control::{Control, Extra, put_audit};
use crate::error::Error;
use crate::history::{ReleaseDetail, ReleaseRecord};
use crate::routes::RouteError;
use crate::routes::pinned::put_new_host;

/// A deployment to create: a build whose success publishes its version.
#[derive(Debug, Clone)]
pub struct NewSiteDeployment {
    /// What the engine is told; `on_built` says what its success does.
    pub build: CreateBuildCommand,
    /// What lists show. Its stamps are set by the commit. Its `hosts` are given to the version when
    /// it is there.
    pub record: BuildRecord,
    /// Hosts of its own, taken from nobody: they lead to it from the first moment.
    pub own_hosts: Vec<WantedHost>,
    /// Secret values that its configuration refers to and that are not stored yet.
    pub secrets: Vec<SecretValue>,
}

/// A move of an app to a version that is there.
#[derive(Debug, Clone)]
pub struct SiteRelease {
    /// The app.
    pub app: AppId,
    /// Id of the release.
    pub release: ReleaseId,
    /// The version.
    pub revision: RevisionId,
    /// How it proceeds.
    pub strategy: Strategy,
    /// Whether builds that succeed move the app again; `None` = as before.
    pub releases_built: Option<bool>,
    /// Whether it may wait for its turn; else it is refused while another one moves by stages.
    pub may_wait: bool,
    /// What only the dialect needs.
    pub detail: ReleaseDetail,
}

/// A change of the record of an app.
pub type ChangeRecord = Box<dyn FnOnce(&mut AppRecord) + Send>;

impl Control {
    /// Creates a deployment: the build and its own hosts, all of it or nothing. Before that the
    /// oldest version that nobody has chosen gives way, if the app has as many as it may.
    ///
    /// # Errors
    /// [`Error::Rejected`], [`Error::NotFound`]; [`RouteError::Refused`] for a host that is taken.
    pub async fn create_site_deployment(
        &self,
        new: NewSiteDeployment,
        extra: Extra,
    ) -> Result<BuildRecord, RouteError> {
        self.make_room(&new.record.app).await?;
        let settings = self.commit_settings().clone();
        let control = self.clone();
        let (committed, record, hosts) = self
            .store()
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                put_audit(tx, extra.audit)?;
                let app = live_app(tx, &new.record.app)?;
                let revision = new.build.on_built.as_ref().map(|it| it.revision.clone());
                let input = Input::CreateBuild(new.build);
                let committed = apply(tx, &app.id, &input, Some(&settings))?;
                let record = put_new_build(tx, new.record, &committed.state)?;
                for value in &new.secrets {
                    tx.put(value)?;
                }
                let mut hosts = Vec::new();
                for host in &new.own_hosts {
                    hosts.push(put_new_host(tx, &app, host, revision.as_ref())?.full_host);
                }
                Ok::<_, RouteError>((committed, record, hosts))
            })
            .await
            .map_err(windlass_store::WriteError::flatten)?;
        for host in &hosts {
            self.publish_host_in_time(host, committed.commit);
        }
        self.act(&committed);
        Ok(record)
    }

    /// Moves an app to a version that is there. When this returns, it is durable, and in force in
    /// the router as far as its strategy says so at once.
    ///
    /// # Errors
    /// [`Error::Rejected`], [`Error::NotFound`].
    pub async fn release_site(
        &self,
        new: SiteRelease,
        extra: Extra,
    ) -> Result<ReleaseRecord, Error> {
        let settings = self.commit_settings().clone();
        let control = self.clone();
        let (committed, record) = self
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                put_audit(tx, extra.audit)?;
                let row = tx
                    .app_state(&new.app)?
                    .ok_or(Error::NotFound { what: "app" })?;
                let state = read_state(&row)?;
                if !state.published.contains_key(&new.revision) {
                    return Err(Rejection::UnknownRevision(new.revision).into());
                }
                if !new.may_wait && state.in_flight().is_some_and(moves_by_stages) {
                    let what = InFlightConflict::Release;
                    return Err(Rejection::ReleaseInFlight { what }.into());
                }
                if let Some(releases_built) = new.releases_built {
                    let input = Input::Configure(AppSettings {
                        releases_built,
                        ..state.settings
                    });
                    apply(tx, &new.app, &input, Some(&settings))?;
                }
                let input = Input::Deploy(DeployCommand {
                    release: new.release.clone(),
                    revision: new.revision,
                    edits: Vec::new(),
                    target_edits: Vec::new(),
                    target_scale: BTreeMap::new(),
                    strategy: new.strategy,
                    if_stopped: IfStopped::Release,
                    awaited_builds: Vec::new(),
                });
                let committed = apply(tx, &new.app, &input, Some(&settings))?;
                let mut record = recorded(tx, &new.release)?;
                record.detail = new.detail;
                tx.put(&record.to_row()?)?;
                Ok((committed, record))
            })
            .await?;
        self.act_in_force(&committed).await;
        Ok(record)
    }

    /// Sets whether builds that succeed move the app.
    ///
    /// # Errors
    /// [`Error::Rejected`], [`Error::NotFound`].
    pub async fn set_releases_built(&self, app: &AppId, releases_built: bool) -> Result<(), Error> {
        let state = self.state(app)?.ok_or(Error::NotFound { what: "app" })?;
        let input = Input::Configure(AppSettings {
            releases_built,
            ..state.settings
        });
        self.commit(app, input).await.map(|_| ())
    }

    /// Changes the record of an app, and whether answers name their version while visitors are
    /// divided, in one commit.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn change_site(
        &self,
        app: &AppId,
        change: ChangeRecord,
        names_versions: bool,
        extra: Extra,
    ) -> Result<AppRecord, Error> {
        let settings = self.commit_settings().clone();
        let (control, app) = (self.clone(), app.clone());
        let (committed, record) = self
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                put_audit(tx, extra.audit)?;
                let mut record = live_app(tx, &app)?;
                let row = tx.app_state(&app)?.ok_or(Error::NotFound { what: "app" })?;
                let input = Input::Configure(AppSettings {
                    names_versions,
                    ..read_state(&row)?.settings
                });
                let committed = apply(tx, &app, &input, Some(&settings))?;
                change(&mut record);
                record.stamps.updated_at = clock::wall();
                put_app(tx, &record)?;
                Ok((committed, record))
            })
            .await?;
        self.act(&committed);
        Ok(record)
    }

    /// Takes a deployment away: its build ends, its version, its hosts and what runs of it go.
    ///
    /// # Errors
    /// [`Error::Rejected`] while a release may fall back on it, [`Error::NotFound`].
    pub async fn withdraw(
        &self,
        id: &BuildId,
        caller: &Caller,
        extra: Extra,
    ) -> Result<BuildRecord, Error> {
        self.withdraw_if(id, caller, extra, |_, _, _| Ok(true))
            .await
    }

    /// The same, if nobody has chosen its version for anything by then.
    ///
    /// # Errors
    /// As [`Self::withdraw`]; [`Error::NotFound`] when somebody has.
    pub(super) async fn withdraw_unchosen(
        &self,
        id: &BuildId,
        caller: &Caller,
    ) -> Result<BuildRecord, Error> {
        self.withdraw_if(id, caller, Extra::default(), |tx, app, id| {
            let row = tx.app_state(app)?.ok_or(Error::NotFound { what: "app" })?;
            let state = read_state(&row)?;
            let routes: Vec<Route> = tx.all(vec![Filter::is(Column::App, app.as_str())])?;
            let mut made = state.published.iter();
            Ok(made.any(|(revision, published)| {
                published.build.as_ref() == Some(id) && is_unchosen(&state, &routes, revision)
            }))
        })
        .await
    }

    /// `may_go` is judged inside the commit.
    async fn withdraw_if(
        &self,
        id: &BuildId,
        caller: &Caller,
        extra: Extra,
        may_go: fn(&Tx<'_>, &AppId, &BuildId) -> Result<bool, Error>,
    ) -> Result<BuildRecord, Error> {
        let settings = self.commit_settings().clone();
        let (control, id, caller) = (self.clone(), id.clone(), caller.clone());
        let (commits, record, hosts) = self
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                put_audit(tx, extra.audit)?;
                let record: BuildRecord = tx
                    .get(&id)?
                    .filter(|record: &BuildRecord| !record.withdrawn)
                    .ok_or(Error::NotFound { what: "build" })?;
                let app = live_app(tx, &record.app)?;
                if !may_go(tx, &app.id, &id)? {
                    return Err(Error::NotFound { what: "build" });
                }
                let (commits, revisions) = end_version(tx, &app, &id, &caller, &settings)?;
                let mut record: BuildRecord =
                    tx.get(&id)?.ok_or(Error::NotFound { what: "build" })?;
                if commits.canceled {
                    note_cancel(&mut record, &caller, Some("deleted"), clock::wall());
                }
                record.withdrawn = true;
                record.stamps.updated_at = clock::wall();
                tx.put(&record)?;
                let hosts = end_hosts(tx, &app, &revisions)?;
                Ok((commits, record, hosts))
            })
            .await?;
        for committed in commits.made {
            for host in &hosts {
                self.publish_host_in_time(host, committed.commit);
            }
            self.act_in_force(&committed).await;
        }
        Ok(record)
    }

    /// Has checks hold back the release that an unfinished build opens.
    ///
    /// # Errors
    /// [`Error::Rejected`] when it opens none (any more).
    pub async fn await_checks(&self, app: &AppId, build: &BuildId) -> Result<(), Error> {
        let input = Input::AwaitChecks {
            build: build.clone(),
        };
        self.commit(app, input).await.map(|_| ())
    }

    /// The checks of a release concluded, also of one that its build still has to open.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn conclude_checks(
        &self,
        app: &AppId,
        release: &ReleaseId,
        succeeded: bool,
    ) -> Result<(), Error> {
        let input = Input::Observe(Observation::ChecksConcluded {
            release: release.clone(),
            succeeded,
        });
        let (committed, ()) = self
            .commit_with(app, input, Extra::default(), |_, _| Ok(()))
            .await?;
        self.act_in_force(&committed).await;
        Ok(())
    }

    /// How the checks stand that hold back the release of an unfinished build.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn awaited_checks(&self, app: &AppId, build: &BuildId) -> Result<AwaitedChecks, Error> {
        let state = self.state(app)?.ok_or(Error::NotFound { what: "app" })?;
        let mut builds = state.builds.iter().filter(|it| it.id == *build);
        let release = builds
            .next()
            .and_then(|it| it.on_built.as_ref())
            .and_then(|it| it.release.as_ref());
        Ok(release.map_or(AwaitedChecks::None, |release| release.checks))
    }
}

fn moves_by_stages(release: &Release) -> bool {
    matches!(release.strategy, Strategy::Stages(_))
}

/// What the end of a version committed.
struct Ended {
    made: Vec<Committed>,
    /// Whether its build was canceled for it.
    canceled: bool,
}

/// Cancels the build if it is not over, and withdraws the version that it made.
fn end_version(
    tx: &mut Tx<'_>,
    app: &AppRecord,
    id: &BuildId,
    caller: &Caller,
    settings: &crate::commit::CommitSettings,
) -> Result<(Ended, BTreeSet<RevisionId>), Error> {
    let row = tx
        .app_state(&app.id)?
        .ok_or(Error::NotFound { what: "app" })?;
    let state = read_state(&row)?;
    let mut ended = Ended {
        made: Vec::new(),
        canceled: false,
    };
    let mut revisions = BTreeSet::new();
    let mut builds = state.builds.iter();
    if let Some(build) = builds.find(|it| it.id == *id && !it.is_finished()) {
        revisions.extend(build.on_built.as_ref().map(|it| it.revision.clone()));
        let input = Input::CancelBuild {
            build: id.clone(),
            by: caller.name.clone(),
        };
        ended.made.push(apply(tx, &app.id, &input, Some(settings))?);
        ended.canceled = true;
    }
    let made = state.published.iter();
    for (revision, _) in made.filter(|(_, published)| published.build.as_ref() == Some(id)) {
        let input = Input::Withdraw {
            revision: revision.clone(),
            by: caller.name.clone(),
            client: caller.client.clone(),
        };
        ended.made.push(apply(tx, &app.id, &input, Some(settings))?);
        revisions.insert(revision.clone());
    }
    Ok((ended, revisions))
}

/// Deletes the hosts that lead to versions. Gives their names.
fn end_hosts(
    tx: &mut Tx<'_>,
    app: &AppRecord,
    revisions: &BTreeSet<RevisionId>,
) -> Result<Vec<String>, Error> {
    let routes: Vec<Route> = tx.all(vec![Filter::is(Column::App, app.id.as_str())])?;
    let mut hosts = Vec::new();
    for route in routes {
        let leads = route.destinations.iter().any(|to| {
            to.app == app.id
                && to
                    .revision
                    .as_ref()
                    .is_some_and(|it| revisions.contains(it))
        });
        if leads {
            tx.delete::<Route>(&route.id)?;
            hosts.push(route.full_host);
        }
    }
    Ok(hosts)
}
