//! `windlass control`: APIs, engine, builds, state.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use windlass_cf::links::Urls;
use windlass_cf::server::CfState;
use windlass_control::blobs::BlobLimits;
use windlass_control::control::{Control, Parts};
use windlass_control::secrets::Secrets;
use windlass_control::settings::ControlSettings;
use windlass_control::sources::{AddressRules, SourceSettings};
use windlass_digitalocean::server::DoState;
use windlass_engine::app::{AppSettings, CancelRestores as Restores};
use windlass_engine::records::Dialect;
use windlass_runtime::{
    BoxFuture, Driver, IsolationSet, Means, Observation, Probe, ProcessDriver,
    ProcessDriverSettings, probe,
};
use windlass_store::{OpenOptions, Store, StoreError};
use windlass_vercel::server::VercelState;

use super::link::Supervisor;
use super::{boot_id, link, refused, shim_command};
use crate::admin_api::{self, Admin};
use crate::ca::Certificates;
use crate::cli::CliError;
use crate::handover::{self, Handover, Orders};
use crate::outlive::outlive;
use crate::role_link::{FromRole, ToRole};
use crate::settings::{CancelRestores, Settings};
use crate::supervisor::{lock, sockets};
use crate::{
    api_server, first_start, key_file, private_file, program, public_address, restore, telemetry,
    tls,
};

/// How often the runs that are left are counted while everything stops.
const STOP_POLL: Duration = Duration::from_millis(25);
/// Longest wait for answers that are under way when the disk has failed.
const LAST_ANSWERS_LIMIT: Duration = Duration::from_secs(1);
/// Observations of the driver that may wait.
const OBSERVATION_QUEUE: usize = 4096;

/// Why control can't start: for ever, or this time.
enum Trouble {
    /// Somebody has to change something first.
    Final(String),
    /// Trying again may help.
    Passing(String),
}

/// Opens what runs the runs; its observations go into the channel.
pub type OpenDriver = fn(
    ProcessDriverSettings,
    mpsc::Sender<Observation>,
) -> BoxFuture<'static, io::Result<Arc<dyn Driver>>>;

/// Runs control until it is told to end.
pub fn control() -> Result<ExitCode, CliError> {
    let open_driver: OpenDriver = |settings, observations| {
        Box::pin(async move {
            let driver = ProcessDriver::open(settings, observations).await?;
            Ok(Arc::new(driver) as Arc<dyn Driver>)
        })
    };
    control_over(open_driver, |_| {})
}

/// The same over another driver, with settings that are adjusted to it.
pub fn control_over(
    open_driver: OpenDriver,
    adjust: impl FnOnce(&mut Settings),
) -> Result<ExitCode, CliError> {
    program::take_name();
    let handover = handover::receive::<Orders>()?;
    let mut settings = handover.orders.settings.clone();
    adjust(&mut settings);
    telemetry::start_with(&settings.log).map_err(CliError::Failed)?;
    program::take_open_files();
    #[cfg(windlass_fail)]
    crate::crash::arm(&settings.layout(), crate::crash::Mortal::Control)
        .map_err(CliError::Failed)?;
    let link = handover
        .link
        .try_clone()
        .map_err(|error| CliError::Failed(error.to_string()))?;
    let (supervisor, orders) = link::listen(link).map_err(|error| {
        CliError::Failed(format!("failed to listen to the supervisor: {error}"))
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Failed(format!("failed to start: {error}")))?;
    let done = runtime.block_on(serve(
        handover,
        settings,
        supervisor.clone(),
        orders,
        open_driver,
    ));
    // Shims and builds are processes of their own; nothing of ours has to be waited for.
    runtime.shutdown_background();
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Trouble::Passing(text)) => Err(CliError::Failed(text)),
        Err(Trouble::Final(reason)) => {
            supervisor.say(&FromRole::Refused { reason });
            Ok(refused())
        }
    }
}

async fn serve(
    mut handover: Handover<Orders>,
    settings: Settings,
    supervisor: Supervisor,
    orders: mpsc::Receiver<ToRole>,
    open_driver: OpenDriver,
) -> Result<(), Trouble> {
    let cf: TcpListener = handover.take(sockets::CF).map_err(passing)?;
    let digitalocean: TcpListener = handover.take(sockets::DIGITALOCEAN).map_err(passing)?;
    let vercel: TcpListener = handover.take(sockets::VERCEL).map_err(passing)?;
    let admin: UnixListener = handover.take(sockets::ADMIN).map_err(passing)?;
    let router_link: UnixListener = handover.take(sockets::ROUTER_LINK).map_err(passing)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(passing)?;

    // What takes a while or may be refused comes while the control before this one still answers.
    key_file::read(&settings.key_file).map_err(|error| Trouble::Final(error.to_string()))?;
    let machine = look_at_machine(&settings).await?;
    let state_dir = settings.layout().state_dir();
    private_file::directory(&state_dir).map_err(passing)?;
    let path = settings.layout().control_lock();
    // The one before may still be ending, at a reload or after its supervisor was killed: never
    // two at once.
    supervisor.say(&FromRole::Waiting);
    let alone = tokio::task::spawn_blocking(move || lock::wait_and_take(&path));
    tokio::select! {
        // Held until this process has ended, not only until it returns from here: up to then some
        // work in the background may still write.
        taken = alone => std::mem::forget(taken.map_err(passing)?.map_err(passing)?),
        _ = terminate.recv() => return Ok(()),
    }
    supervisor.say(&machine.told());
    restore::forget_interrupted(&settings.layout()).map_err(passing)?;
    let control = open(&settings, &machine, router_link, open_driver).await?;
    first_start::seed(control.identity(), control.tenancy(), &settings.domain)
        .await
        .map_err(passing)?;

    let stop = CancellationToken::new();
    let certificate = Certificates::of(&settings.layout()).api;
    let tls = tls::server_config(&certificate, &[b"h2", b"http/1.1"])
        .map_err(|error| Trouble::Final(error.to_string()))?;
    let urls = Urls::new(&public_address::cf_api(&settings));
    let dialect = windlass_cf::server::router(CfState::new(control.clone(), urls))
        .layer(axum::middleware::from_fn(outlive));
    let api = tokio::spawn(api_server::serve(
        cf,
        Arc::clone(&tls),
        dialect,
        stop.clone(),
    ));
    let state = DoState::new(
        control.clone(),
        &windlass_digitalocean::server::Settings {
            api_origin: public_address::digitalocean_api(&settings),
            router_origin: public_address::router_https(&settings),
            requests_per_hour: settings.digitalocean_requests_per_hour,
        },
    );
    tokio::spawn(windlass_digitalocean::poll(state.clone()));
    let dialect =
        windlass_digitalocean::server::router(state).layer(axum::middleware::from_fn(outlive));
    let second = tokio::spawn(api_server::serve(
        digitalocean,
        Arc::clone(&tls),
        dialect,
        stop.clone(),
    ));
    let state = VercelState::new(
        control.clone(),
        &windlass_vercel::server::Settings {
            requests_per_hour: settings.vercel_requests_per_hour,
        },
    );
    let dialect = windlass_vercel::server::router(state).layer(axum::middleware::from_fn(outlive));
    let third = tokio::spawn(api_server::serve(vercel, tls, dialect, stop.clone()));
    let state = Admin {
        control: control.clone(),
        settings: Arc::new(settings),
        machine: Arc::new(machine),
    };
    let admin = tokio::spawn(admin_api::serve(admin, admin_api::router(state)));
    tokio::spawn(follow_orders(control.clone(), supervisor.clone(), orders));
    supervisor.say(&FromRole::Ready);
    tokio::select! {
        _ = terminate.recv() => {}
        () = control.broken() => {
            // Whoever asked for it is told before we go.
            stop.cancel();
            let answers = async { (api.await, second.await, third.await) };
            let _ = tokio::time::timeout(LAST_ANSWERS_LIMIT, answers).await;
            return Err(Trouble::Passing("the disk failed during a commit".to_owned()));
        }
        ended = admin => {
            return Err(Trouble::Passing(format!("the admin socket broke: {ended:?}")));
        }
    }
    stop.cancel();
    api.await.map_err(passing)?.map_err(passing)?;
    second.await.map_err(passing)?.map_err(passing)?;
    third.await.map_err(passing)?.map_err(passing)
}

async fn follow_orders(
    control: Control,
    supervisor: Supervisor,
    mut orders: mpsc::Receiver<ToRole>,
) {
    while let Some(order) = orders.recv().await {
        match order {
            ToRole::StopAll => {}
            ToRole::Unknown => continue,
        }
        if let Err(error) = control.stop_everything().await {
            tracing::error!(%error, "failed to stop everything");
            continue;
        }
        let mut said = None;
        loop {
            let left = control.running().await;
            if left == 0 {
                break;
            }
            if said.replace(left) != Some(left) {
                let left = u64::try_from(left).unwrap_or(u64::MAX);
                supervisor.say(&FromRole::Stopping { left });
            }
            // The supervisor bounds this wait.
            tokio::time::sleep(STOP_POLL).await;
        }
        supervisor.say(&FromRole::Stopped);
    }
}

/// What the machine offers, found out at each start.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Every means with its note.
    pub probe: Probe,
    /// Those in use.
    pub isolation: IsolationSet,
}

impl Machine {
    /// Each means with its place in the set and its name in `--isolation`.
    fn told(&self) -> FromRole {
        let Self { probe, isolation } = self;
        let rows = [
            ("files (landlock)", &probe.landlock, isolation.landlock),
            ("processes (pidns)", &probe.pidns, isolation.pidns),
            ("resources (cgroup)", &probe.cgroup, isolation.cgroup),
            ("user (uid)", &probe.uid, isolation.uid),
        ];
        let row = |(name, means, used): (&str, &Means, bool)| {
            let word = match (used, means.is_available) {
                (true, _) => "in use",
                (false, true) => "not asked for",
                (false, false) => "not available",
            };
            format!("{name}: {word}; {}", means.note)
        };
        FromRole::Isolation {
            used: isolation.to_string(),
            means: rows.into_iter().map(row).collect(),
        }
    }
}

async fn look_at_machine(settings: &Settings) -> Result<Machine, Trouble> {
    let shim = shim_command();
    let probed = tokio::task::spawn_blocking(move || probe(&shim))
        .await
        .map_err(passing)?;
    let probe = probed.map_err(passing)?;
    let isolation = match settings.isolation.as_str() {
        "best" => probe.best(),
        text => {
            let wanted =
                IsolationSet::parse(text).map_err(|error| Trouble::Final(error.to_string()))?;
            if wanted.intersect(probe.best()) != wanted {
                return Err(Trouble::Final(format!(
                    "this machine does not offer all of `--isolation {text}`:\n{probe}\nname \
                     fewer means, or `best`"
                )));
            }
            wanted
        }
    };
    Ok(Machine { probe, isolation })
}

async fn open(
    settings: &Settings,
    machine: &Machine,
    router_listener: UnixListener,
    open_driver: OpenDriver,
) -> Result<Control, Trouble> {
    let layout = settings.layout();
    for directory in [layout.state_dir(), layout.router_dir()] {
        private_file::directory(&directory).map_err(passing)?;
    }
    let keys = key_file::read(&settings.key_file)
        .map_err(|error| Trouble::Final(error.to_string()))?
        .into_iter()
        .map(|key| (key.id, key.bytes));
    let secrets = Secrets::new(keys).map_err(|error| Trouble::Final(error.to_string()))?;
    let store = open_store(settings).await?;
    let (sender, observations) = mpsc::channel(OBSERVATION_QUEUE);
    let driver_settings = ProcessDriverSettings {
        data_dir: settings.data_dir.clone(),
        shim: shim_command(),
    };
    let driver = open_driver(driver_settings, sender)
        .await
        .map_err(passing)?;
    let api = public_address::cf_api(settings);
    let parts = Parts {
        store,
        secrets,
        boot_id: boot_id().map_err(passing)?,
        driver,
        observations,
        router_listener,
        table_path: layout.route_table(),
        issuer: format!("{api}/oauth/token"),
    };
    Control::open(control_settings(settings, machine, api), parts)
        .await
        .map_err(passing)
}

async fn open_store(settings: &Settings) -> Result<Store, Trouble> {
    let path = settings.layout().database();
    let opened = tokio::task::spawn_blocking(move || Store::open(path, OpenOptions::default()));
    opened.await.map_err(passing)?.map_err(|error| match error {
        StoreError::Newer { .. } | StoreError::Foreign { .. } => Trouble::Final(error.to_string()),
        other => Trouble::Passing(other.to_string()),
    })
}

fn control_settings(settings: &Settings, machine: &Machine, cf_api_url: String) -> ControlSettings {
    let local = ControlSettings::local(&settings.data_dir);
    let deadline_ms = settings.release_deadline_s * 1000;
    ControlSettings {
        apps_domain: settings.domain.clone(),
        cf_api_url,
        isolation: machine.isolation,
        uid_range: settings.uid_first..=settings.uid_first.saturating_add(settings.uid_count - 1),
        app_defaults: AppSettings {
            deadline_ms: (deadline_ms > 0).then_some(deadline_ms),
            drain_limit_ms: settings.drain_limit_ms,
            keep_base_warm: settings.keep_base_warm,
            cancel_restores: match settings.cancel_restores {
                CancelRestores::Everything => Restores::Everything,
                CancelRestores::Artifact => Restores::Artifact,
            },
            ..local.app_defaults
        },
        port_range: settings.instance_port_first
            ..=settings
                .instance_port_first
                .saturating_add(settings.instance_port_count - 1),
        log_file_bytes: settings.run_log_mb * 1024 * 1024 / u64::from(local.log_files.max(1)),
        retention_days: settings.retention_days,
        sources: source_settings(settings),
        search_path: std::env::var_os("PATH")
            .map(|path| std::env::split_paths(&path).collect())
            .unwrap_or_default(),
        home: std::env::var_os("HOME").map(Into::into),
        sites: BTreeMap::from([(Dialect::Vercel, windlass_vercel::sites::manners())]),
        build_slots: u32::try_from(settings.staging_slots).unwrap_or(u32::MAX),
        build_time_limit_ms: settings.staging_timeout_s * 1000,
        blob_limits: BlobLimits {
            blob_bytes: settings.upload_max_mb * 1024 * 1024,
            total_bytes: settings.storage_max_mb * 1024 * 1024,
        },
        ..local
    }
}

fn source_settings(settings: &Settings) -> SourceSettings {
    let git = settings.git.clone();
    SourceSettings {
        github_url: git.github_url,
        gitlab_url: git.gitlab_url,
        bitbucket_url: git.bitbucket_url,
        addresses: AddressRules {
            allow_loopback: git.allow_loopback,
        },
        poll_interval_s: git.poll_interval_s,
        webhook_secret: git.webhook_secret,
        ca_file: git.ca_file,
        ssh_key_file: git.ssh_key_file,
        ssh_known_hosts_file: git.ssh_known_hosts_file,
        fetch_time_limit_s: git.timeout_s,
        source_mb: git.max_mb,
    }
}

fn passing(error: impl std::fmt::Display) -> Trouble {
    Trouble::Passing(error.to_string())
}
