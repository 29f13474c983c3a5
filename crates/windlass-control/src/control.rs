//! `Control`: everything that the dialects and the command line may ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use windlass_engine::id::AppId;
use windlass_engine::input::Input;
use windlass_engine::records::AuditEvent;
use windlass_router::RouterLink;
use windlass_runtime::Driver;
use windlass_store::{Store, StoreError, Tx, WriteError};

use crate::blobs::{Blobs, Resources, ResourcesLimits};
use crate::clock;
use crate::commit::{CommitSettings, Committed, apply};
use crate::error::Error;
use crate::identity::Identity;
use crate::once::{Delivered, Once, Repeats};
use crate::runtimes::Runtimes;
use crate::secrets::Secrets;
use crate::settings::ControlSettings;
use crate::sources::Sources;
use crate::staging::{Buildpacks, Droplets};
use crate::tenancy::Tenancy;

/// The use cases of Windlass. Clones share everything.
#[derive(Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

struct Inner {
    settings: ControlSettings,
    commit_settings: CommitSettings,
    store: Store,
    secrets: Secrets,
    identity: Identity,
    tenancy: Tenancy,
    blobs: Blobs,
    resources: Resources,
    files: Resources,
    buildpacks: Buildpacks,
    sources: Sources,
    droplets: Droplets,
    driver: Arc<dyn Driver>,
    routes: RouterLink,
    starts: Arc<Semaphore>,
    workers: Mutex<Workers>,
    pending: Mutex<Pending>,
    broken: Notify,
    delivered: Delivered,
    repeats: Repeats,
}

/// Workers that run, by app.
#[derive(Default)]
pub(crate) struct Workers {
    pub(crate) running: BTreeMap<AppId, Arc<Notify>>,
    /// Set when the start has taken in what was left: no plan is carried out before that.
    pub(crate) open: bool,
    /// Set when everything is being stopped: no plan is carried out and no fact taken in any more.
    pub(crate) closed: bool,
}

/// What is under way outside of the database, or has to be tried again. All of it can be lost.
#[derive(Default)]
pub(crate) struct Pending {
    /// Apps and hosts whose routes could not be published.
    pub(crate) unpublished_apps: BTreeSet<AppId>,
    pub(crate) unpublished_hosts: BTreeSet<String>,
    /// Whether somebody tries these hosts again.
    pub(crate) is_retrying_hosts: bool,
    /// Staging runs whose result is being stored.
    pub(crate) collecting: BTreeSet<String>,
    /// Set after a reboot: a start keeps its place until its run is up.
    pub(crate) is_returning: bool,
    /// Places of runs that are starting, by name.
    pub(crate) starting: BTreeMap<String, OwnedSemaphorePermit>,
}

/// What [`Control::open`] needs beside the settings.
pub struct Parts {
    /// The open database.
    pub store: Store,
    /// The keys.
    pub secrets: Secrets,
    /// Name of this boot of the machine.
    pub boot_id: String,
    /// What runs things.
    pub driver: Arc<dyn Driver>,
    /// Where drivers report.
    pub observations: tokio::sync::mpsc::Receiver<windlass_runtime::Observation>,
    /// Where routers connect.
    pub router_listener: UnixListener,
    /// The table file.
    pub table_path: std::path::PathBuf,
    /// Address of the token endpoint, as tokens name it.
    pub issuer: String,
}

/// What goes into the commit of a command beside the command itself.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// Rows of the audit trail. Their stamps are set by the commit.
    pub audit: Vec<AuditEvent>,
    /// What makes a repeat of the request find this commit.
    pub once: Option<Once>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

impl Control {
    /// Takes over a data directory: adopts what runs, goes on where it was, begins to observe.
    /// Must be called within a runtime.
    ///
    /// # Errors
    /// [`Error::Internal`] when something of the data directory can't be used.
    pub async fn open(settings: ControlSettings, parts: Parts) -> Result<Self, Error> {
        let data = settings.data_dir.clone();
        windlass_clock::follow(&data);
        crate::packages::remove_interrupted_uploads(&data)?;
        let blobs =
            Blobs::open(data.join("blobs"), settings.blob_limits).map_err(Error::internal)?;
        let resources = Resources::open(data.join("resources"), ResourcesLimits::default())
            .map_err(Error::internal)?;
        let files = Resources::open(data.join("files"), ResourcesLimits::UPLOADED)
            .map_err(Error::internal)?;
        let buildpacks = Buildpacks::install(data.join("buildpacks")).map_err(Error::internal)?;
        let droplets = Droplets::open(blobs.clone(), data.join("droplets"), &parts.boot_id)
            .map_err(Error::internal)?;
        let epoch = crate::restored::table_epoch(&parts.store)?;
        let (routes, router_events) = RouterLink::open(
            parts.router_listener,
            &parts.table_path,
            &parts.boot_id,
            epoch,
        )
        .map_err(Error::internal)?;
        let wall: crate::identity::WallClock = Arc::new(clock::wall);
        let inner = Inner {
            commit_settings: CommitSettings {
                port_range: settings.port_range.clone(),
                uid_range: settings.uid_range.clone(),
                build_slots: settings.build_slots,
            },
            identity: Identity::new(
                parts.store.clone(),
                parts.secrets.clone(),
                wall.clone(),
                &parts.issuer,
            ),
            tenancy: Tenancy::new(parts.store.clone(), wall),
            starts: Arc::new(Semaphore::new(settings.starts_at_once.max(1))),
            workers: Mutex::new(Workers::default()),
            pending: Mutex::new(Pending::default()),
            broken: Notify::new(),
            delivered: Delivered::default(),
            repeats: Repeats::default(),
            driver: parts.driver,
            secrets: parts.secrets,
            store: parts.store,
            sources: Sources::new(settings.sources.clone()),
            settings,
            blobs,
            resources,
            files,
            buildpacks,
            droplets,
            routes,
        };
        let control = Self {
            inner: Arc::new(inner),
        };
        control
            .begin(&parts.boot_id, parts.observations, router_events)
            .await?;
        Ok(control)
    }

    /// Users, tokens, rights.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// Organizations, spaces, roles, domains.
    pub fn tenancy(&self) -> &Tenancy {
        &self.inner.tenancy
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The settings.
    pub fn settings(&self) -> &ControlSettings {
        &self.inner.settings
    }

    /// The blobs.
    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// Files that clients need not send again.
    pub fn resources(&self) -> &Resources {
        &self.inner.resources
    }

    /// Files that clients upload one by one, by organization.
    pub(crate) fn files(&self) -> &Resources {
        &self.inner.files
    }

    /// The buildpacks.
    pub fn buildpacks(&self) -> &Buildpacks {
        &self.inner.buildpacks
    }

    /// The machine's language runtimes, as they are now.
    pub(crate) fn runtimes(&self) -> Runtimes {
        let settings = self.settings();
        let home = settings.home.as_deref();
        Runtimes::find(&settings.search_path, home, settings.isolation.uid)
    }

    /// Git sources.
    pub fn sources(&self) -> &Sources {
        &self.inner.sources
    }

    /// What runs things.
    pub fn driver(&self) -> &Arc<dyn Driver> {
        &self.inner.driver
    }

    /// The link to the routers.
    pub fn routes(&self) -> &RouterLink {
        &self.inner.routes
    }

    /// The keys.
    pub fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    pub(crate) fn droplets(&self) -> &Droplets {
        &self.inner.droplets
    }

    pub(crate) fn starts(&self) -> &Arc<Semaphore> {
        &self.inner.starts
    }

    pub(crate) fn delivered(&self) -> &Delivered {
        &self.inner.delivered
    }

    /// How many requests were repeats, since this program began.
    pub fn repeats(&self) -> &Repeats {
        &self.inner.repeats
    }

    pub(crate) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.inner
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn workers(&self) -> &Mutex<Workers> {
        &self.inner.workers
    }

    /// Ends when the disk failed in the middle of a commit: what lies on it is unknown then, and
    /// only a new start can tell.
    pub async fn broken(&self) {
        self.inner.broken.notified().await;
    }

    pub(crate) fn commit_settings(&self) -> &CommitSettings {
        &self.inner.commit_settings
    }

    /// Directory of the logs of an app.
    pub fn app_logs_dir(&self, app: &AppId) -> std::path::PathBuf {
        self.settings().logs_dir().join(app.as_str())
    }

    /// Directory of a run.
    pub(crate) fn run_dir(&self, run: &str) -> std::path::PathBuf {
        self.settings().runs_dir().join(run)
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.settings().data_dir
    }

    /// Folds an input into an app, makes it durable, puts the routes in force, wakes the worker.
    pub(crate) async fn commit(&self, app: &AppId, input: Input) -> Result<Committed, Error> {
        self.commit_with(app, input, Extra::default(), |_, _| Ok(()))
            .await
            .map(|(done, ())| done)
    }

    /// The same, with more in the same commit.
    pub(crate) async fn commit_with<T, F>(
        &self,
        app: &AppId,
        input: Input,
        extra: Extra,
        more: F,
    ) -> Result<(Committed, T), Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>, &Committed) -> Result<T, Error> + Send + 'static,
    {
        let id = app.clone();
        let settings = self.commit_settings().clone();
        let control = self.clone();
        let (committed, value) = self
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                let committed = apply(tx, &id, &input, Some(&settings))?;
                put_audit(tx, extra.audit)?;
                let value = more(tx, &committed)?;
                Ok((committed, value))
            })
            .await?;
        self.act(&committed);
        Ok((committed, value))
    }

    /// Refuses what an earlier request has done; writes down that it is done now.
    pub(crate) fn claim(&self, tx: &mut Tx<'_>, once: Option<&Once>) -> Result<(), Error> {
        match once {
            Some(once) => {
                let claimed = once.claim(tx, self.delivered());
                if let Err(Error::Repeated { .. }) = &claimed {
                    self.repeats().add();
                }
                claimed
            }
            None => Ok(()),
        }
    }

    /// Runs a closure in the writer. A disk that failed in the middle of a commit ends control.
    pub(crate) async fn write<T, F>(&self, change: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    {
        let done = self.store().write(change).await;
        if let Err(WriteError::Store(StoreError::DiskFailed)) = &done {
            self.inner.broken.notify_one();
        }
        done.map_err(WriteError::flatten)
    }

    /// What follows a commit: routes in force first, then the worker is woken.
    pub(crate) fn act(&self, committed: &Committed) {
        if !committed.changed {
            return;
        }
        match self.publish(committed) {
            Ok(position) => self.follow_acknowledgement(&committed.state, position, None),
            Err(error) => self.note_unpublished(&committed.state.app, &error),
        }
        self.publish_hosts(&committed.hosts, committed.commit);
        self.wake(&committed.state.app);
    }
}

impl Control {
    /// The same, and waits for the routers as long as an answer may take.
    pub(crate) async fn act_in_force(&self, committed: &Committed) {
        if !committed.changed {
            return;
        }
        let published = self.publish(committed);
        self.publish_hosts(&committed.hosts, committed.commit);
        match published {
            Ok(position) => {
                self.follow_acknowledgement(&committed.state, position, None);
                self.wake(&committed.state.app);
                self.await_acknowledged(position).await;
            }
            Err(error) => {
                self.note_unpublished(&committed.state.app, &error);
                self.wake(&committed.state.app);
            }
        }
    }

    /// Writes rows of the audit trail about something that changes nothing.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn write_audit(&self, events: Vec<AuditEvent>) -> Result<(), Error> {
        self.write(move |tx| put_audit(tx, events)).await
    }
}

/// Writes rows of the audit trail with the stamps of this commit.
pub(crate) fn put_audit(tx: &mut Tx<'_>, events: Vec<AuditEvent>) -> Result<(), Error> {
    let wall = clock::wall();
    for mut event in events {
        event.stamps.created_at = wall;
        event.stamps.updated_at = wall;
        event.stamps.created_commit = tx.commit_number();
        tx.put(&event)?;
    }
    Ok(())
}
