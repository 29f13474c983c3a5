//! The router process from its start to its end.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tracing::{info, warn};

use crate::acceptor::Acceptor;
use crate::access_log::{AccessLog, LogBuffer};
use crate::config::{RouterConfig, TlsListener};
use crate::control_client::ControlClient;
use crate::counters::Registry;
use crate::metrics;
use crate::presence::Presence;
use crate::published::Published;
use crate::switcher::{Switcher, WorkerGone};
use crate::tls::{self, TlsError};
use crate::upstream::Uptime;
use crate::worker::{self, Arrival, Inbox, Shared, Switch};

/// Clients that may wait for one worker.
const ARRIVAL_LIMIT: usize = 256;
/// Tables that may wait for one worker.
const SWITCH_LIMIT: usize = 4;
/// Reports that may wait for control; more are dropped, they are hints.
const REPORT_LIMIT: usize = 1_024;

/// Why a router ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The system refused something at the start.
    #[error("cannot {action}: {source}")]
    Start {
        /// What was tried.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A certificate is not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A worker panicked.
    #[error("a worker has ended unexpectedly: start the router again")]
    Worker,
}

impl From<WorkerGone> for RouterError {
    fn from(_: WorkerGone) -> Self {
        Self::Worker
    }
}

/// How long a connection without a request is kept open for one more when the
/// router ends: its client may be sending it already. The answer says that the
/// connection ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// The same when another router has taken over: nobody waits for this one.
const LONG_FAREWELL: Duration = Duration::from_secs(5);

/// Runs the router until SIGTERM or SIGINT, or until SIGUSR1, which says that
/// another router has taken over. Then no more clients are accepted, requests in
/// flight may finish (bounded by `limits.drain_time`), and table changes are
/// still followed and acknowledged meanwhile. `ready` is called as soon as it
/// accepts clients.
pub fn run(config: RouterConfig, ready: impl FnOnce()) -> Result<(), RouterError> {
    let stop = async {
        let (Ok(mut term), Ok(mut int), Ok(mut taken_over)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
            signal(SignalKind::user_defined1()),
        ) else {
            warn!("cannot listen for signals: only SIGKILL will end this router");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => FAREWELL,
            _ = int.recv() => FAREWELL,
            _ = taken_over.recv() => LONG_FAREWELL,
        }
    };
    block_on(config, ready, stop)
}

/// As [`run`], but ends when `stop` does.
pub fn run_until(config: RouterConfig, stop: impl Future<Output = ()>) -> Result<(), RouterError> {
    let stop = async {
        stop.await;
        FAREWELL
    };
    block_on(config, || {}, stop)
}

fn block_on(
    config: RouterConfig,
    ready: impl FnOnce(),
    stop: impl Future<Output = Duration>,
) -> Result<(), RouterError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(start("build the runtime"))?;
    runtime.block_on(route(config, ready, stop))
}

async fn route(
    config: RouterConfig,
    ready: impl FnOnce(),
    stop: impl Future<Output = Duration>,
) -> Result<(), RouterError> {
    // Before the file is read, and before anything is served.
    let presence = Presence::announce(&config.table_path).map_err(start("announce the router"))?;
    let registry = Arc::new(Registry::default());
    let log = match config.access_log {
        Some(settings) => Some(
            AccessLog::open(settings, Arc::clone(&registry))
                .map_err(start("open the access log"))?,
        ),
        None => None,
    };
    let (reports, received_reports) = mpsc::channel(REPORT_LIMIT);
    let drain_time = config.limits.drain_time;
    let connections = config.limits.connections;
    let shared = Arc::new(Shared {
        registry: Arc::clone(&registry),
        uptime: Uptime::begin(),
        reports,
        refusal_path: worker::secret_path(),
        held: Arc::new(Semaphore::new(config.limits.hold_count)),
        trust_forwarded_headers: config.trust_forwarded_headers,
        limits: config.limits,
    });
    let mut workers = Workers::start(config.workers.max(1), &shared, log.as_ref())?;
    let drained = Arc::new(Notify::new());
    let published = Published::default();
    let switcher = Switcher::new(
        config.table_path,
        config.boot_id,
        std::mem::take(&mut workers.switches),
        Arc::clone(&registry),
        Arc::clone(&drained),
        published.clone(),
    );
    let name = presence.name().to_owned();
    let mut client = ControlClient {
        switcher,
        name,
        reports: received_reports,
        drained,
        draining: workers.draining.subscribe(),
    };
    let first = client.begin(&config.control_socket).await?;

    // Only now: a client must never meet a router without its table.
    let places = Arc::new(Semaphore::new(connections));
    let mut acceptors = Vec::new();
    for listener in config.http {
        acceptors.push(workers.acceptor(listener, None, &places)?);
    }
    for TlsListener {
        listener,
        certificates,
        issuer,
    } in config.https
    {
        let issuer = issuer.map(|issuer| (issuer, published.clone()));
        let tls = tls::server_config(&certificates, issuer)?;
        acceptors.push(workers.acceptor(listener, Some(tls), &places)?);
    }
    let accepting: Vec<_> = acceptors
        .into_iter()
        .map(|acceptor| tokio::spawn(acceptor.run()))
        .collect();
    let metrics = config
        .metrics
        .map(|listener| tokio::spawn(metrics::serve(listener, Arc::clone(&registry))));
    info!(router = presence.name(), "router serves");
    ready();

    let following = client.run(&config.control_socket, first);
    let ending = async {
        let farewell = stop.await;
        info!("router drains");
        // All listening sockets at once: who comes next binds them while this one drains.
        if let Some(task) = &metrics {
            task.abort();
        }
        for task in accepting {
            task.abort();
            // Its client, if it has just taken one, is dealt out or dropped.
            let _ = task.await;
        }
        // Without any receiver there is nothing to drain.
        let _ = workers.draining.send(Some(farewell));
        drain(&places, connections, drain_time).await;
    };
    let result = tokio::select! {
        gone = following => Err(gone.into()),
        () = ending => Ok(()),
    };
    if let Some(task) = metrics {
        task.abort();
    }
    if result.is_ok() {
        workers.join();
        if let Some(log) = log {
            log.close();
        }
    }
    // Last: as long as a worker may pick, control must see this router.
    drop(presence);
    result
}

/// Waits until all connections have ended, or the time is over.
async fn drain(places: &Semaphore, count: usize, limit: Duration) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    if windlass_clock::task::timeout(limit, places.acquire_many(count))
        .await
        .is_err()
    {
        warn!(
            left = count as usize - places.available_permits(),
            "connections are cut"
        );
    }
}

fn start(action: &'static str) -> impl Fn(io::Error) -> RouterError {
    move |source| RouterError::Start { action, source }
}

/// The worker threads and the ways to reach them.
struct Workers {
    threads: Vec<JoinHandle<io::Result<()>>>,
    arrivals: Vec<mpsc::Sender<Arrival>>,
    switches: Vec<mpsc::Sender<Switch>>,
    draining: watch::Sender<Option<Duration>>,
}

impl Workers {
    fn start(
        count: usize,
        shared: &Arc<Shared>,
        log: Option<&AccessLog>,
    ) -> Result<Self, RouterError> {
        let (draining, watched) = watch::channel(None);
        let mut workers = Self {
            threads: Vec::new(),
            arrivals: Vec::new(),
            switches: Vec::new(),
            draining,
        };
        for number in 0..count {
            let (arrivals, arrivals_in) = mpsc::channel(ARRIVAL_LIMIT);
            let (switches, switches_in) = mpsc::channel(SWITCH_LIMIT);
            let inbox = Inbox {
                arrivals: arrivals_in,
                switches: switches_in,
                draining: watched.clone(),
            };
            let buffer = LogBuffer::new(log, Arc::clone(&shared.registry));
            let shared = Arc::clone(shared);
            let thread = std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || worker::run(number, shared, buffer, inbox))
                .map_err(start("start a worker"))?;
            workers.threads.push(thread);
            workers.arrivals.push(arrivals);
            workers.switches.push(switches);
        }
        Ok(workers)
    }

    fn acceptor(
        &self,
        listener: std::net::TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        places: &Arc<Semaphore>,
    ) -> Result<Acceptor, RouterError> {
        Acceptor::new(listener, tls, self.arrivals.clone(), Arc::clone(places))
            .map_err(start("use a listening socket"))
    }

    /// Waits for the threads. Their switches must be dropped before.
    fn join(self) {
        drop(self.arrivals);
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(%error, "a worker failed"),
                Err(_) => warn!("a worker panicked"),
            }
        }
    }
}
