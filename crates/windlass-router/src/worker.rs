//! A worker: one thread with a runtime of its own, its own pool, its own places
//! in the schedules and its own view of the table.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use crate::access_log::{FLUSH_EVERY, LogBuffer};
use crate::compiled::Compiled;
use crate::config::Limits;
use crate::counters::Registry;
use crate::framing::HeadLimits;
use crate::guard::{ClientConnection, Guard, GuardLimits, RefusalPath};
use crate::matching::{Asked, FoundBy};
use crate::pick::{Choice, FunctionChoice, Picker, VersionOf, Wish};
use crate::pool::Pool;
use crate::proxy::{self, Look};
use crate::table::{GroupId, Position, UpstreamId, VersionId};
use crate::upstream::Uptime;

/// How often idle connections to instances are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// An HTTP/2 client that is silent is asked whether it lives this often …
const PING_EVERY: Duration = Duration::from_secs(30);
/// … and must answer within this.
const PING_TIME: Duration = Duration::from_secs(20);

/// What all threads of a router share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) registry: Arc<Registry>,
    pub(crate) uptime: Uptime,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) refusal_path: RefusalPath,
    /// Places for requests that wait.
    pub(crate) held: Arc<Semaphore>,
    pub(crate) trust_forwarded_headers: bool,
}

/// What workers tell control.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Unreachable(UpstreamId),
    Wanted { group: GroupId, version: VersionId },
}

/// A new client.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Its place among all connections.
    pub(crate) place: OwnedSemaphorePermit,
}

/// An order to pick by a new table. `done` is told when that is so.
#[derive(Debug)]
pub(crate) struct Switch {
    pub(crate) table: Arc<Compiled>,
    pub(crate) done: oneshot::Sender<()>,
}

/// What reaches a worker.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    pub(crate) switches: mpsc::Receiver<Switch>,
    /// Set when the router ends: connections finish what they do, and those
    /// without a request wait so long for one.
    pub(crate) draining: watch::Receiver<Option<Duration>>,
}

/// One worker, seen from its own thread.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) number: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Pool,
    pub(crate) log: LogBuffer,
    /// Told at each new table.
    pub(crate) switched: Notify,
    table: RefCell<Arc<Compiled>>,
    picker: RefCell<Picker>,
    draining: watch::Receiver<Option<Duration>>,
    ids: RequestIds,
}

/// A client's connection, as its requests see it.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) is_tls: bool,
    pub(crate) connection: Arc<ClientConnection>,
    _place: Rc<Place>,
}

/// A place among all connections, and its count.
#[derive(Debug)]
struct Place {
    registry: Arc<Registry>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn new(registry: &Arc<Registry>, permit: OwnedSemaphorePermit) -> Self {
        registry
            .connections
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self {
            registry: Arc::clone(registry),
            _permit: permit,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry
            .connections
            .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Runs a worker on this thread until its inbox ends.
pub(crate) fn run(
    number: usize,
    shared: Arc<Shared>,
    log: LogBuffer,
    mut inbox: Inbox,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let limits = &shared.limits;
    let worker = Rc::new(Worker {
        number,
        pool: Pool::new(limits.idle_upstream_connections, limits.idle_upstream_time),
        log,
        switched: Notify::new(),
        table: RefCell::default(),
        picker: RefCell::new(Picker::new(number)),
        draining: inbox.draining.clone(),
        ids: RequestIds::new(),
        shared,
    });
    LocalSet::new().block_on(&runtime, async {
        let keeping = tokio::task::spawn_local(keep_house(Rc::clone(&worker)));
        loop {
            tokio::select! {
                // A table goes before clients: an acknowledgement waits for it.
                biased;
                switch = inbox.switches.recv() => match switch {
                    Some(switch) => worker.switch(switch),
                    None => break,
                },
                Some(arrival) = inbox.arrivals.recv() => {
                    tokio::task::spawn_local(serve_arrival(Rc::clone(&worker), arrival));
                }
            }
        }
        keeping.abort();
    });
    Ok(())
}

/// Everything that recurs.
async fn keep_house(worker: Rc<Worker>) {
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            _ = flush.tick() => worker.log.flush(),
            _ = sweep.tick() => worker.pool.sweep(),
        }
    }
}

impl Worker {
    /// The table in force.
    pub(crate) fn table(&self) -> Arc<Compiled> {
        Arc::clone(&self.table.borrow())
    }

    /// Looks a request up and picks its instance, in one synchronous step.
    pub(crate) fn look(&self, asked: Asked<'_>, wish: Wish<'_>) -> Look {
        let table = self.table.borrow();
        if table.position == Position::default() {
            return Look::NoTable;
        }
        let Some(found) = table.find(asked) else {
            return Look::UnknownRoute;
        };
        let now_ms = self.shared.uptime.now_ms();
        let (choice, path) = match found.by {
            FoundBy::Rule(rule, path) => {
                let is_absent = || {
                    let mut destinations = rule.destinations.iter();
                    destinations.all(|id| !table.groups.contains_key(id))
                };
                if !rule.absent.is_empty() && is_absent() {
                    return Look::Absent {
                        route: Arc::clone(&rule.route_id),
                        headers: Arc::clone(&rule.absent),
                    };
                }
                let mut picker = self.picker.borrow_mut();
                (picker.pick(&table, rule, wish, now_ms), path)
            }
            FoundBy::Redirect(to) => (Choice::Elsewhere(Arc::clone(to)), None),
            FoundBy::Nothing => return Look::UnknownRoute,
        };
        Look::Chosen {
            route: Arc::clone(&found.route.route_id),
            choice,
            path,
        }
    }

    /// Picks an instance for a function of a version, as [`Self::look`] does.
    pub(crate) fn look_function(&self, of: VersionOf<'_>, failed: &[Arc<str>]) -> FunctionChoice {
        let table = self.table.borrow();
        let now_ms = self.shared.uptime.now_ms();
        let mut picker = self.picker.borrow_mut();
        picker.pick_function(&table, of, failed, now_ms)
    }

    /// A new request id.
    pub(crate) fn request_id(&self) -> String {
        self.ids.next()
    }

    fn switch(&self, switch: Switch) {
        self.picker.borrow_mut().switch(&switch.table);
        *self.table.borrow_mut() = switch.table;
        self.switched.notify_waiters();
        // Nobody waits when the router ends.
        let _ = switch.done.send(());
    }

    /// Ends when the router does; gives how long a connection without a request
    /// waits for one.
    async fn drained(&self) -> Duration {
        let mut draining = self.draining.clone();
        // Without a sender the router is ending too.
        let ended = draining.wait_for(Option::is_some).await;
        ended
            .ok()
            .and_then(|farewell| *farewell)
            .unwrap_or_default()
    }
}

async fn serve_arrival(worker: Rc<Worker>, arrival: Arrival) {
    let place = Place::new(&worker.shared.registry, arrival.place);
    let served = async {
        arrival.stream.set_nodelay(true)?;
        let stream = TcpStream::from_std(arrival.stream)?;
        let peer = Peer {
            address: arrival.address,
            is_tls: arrival.tls.is_some(),
            connection: Arc::new(ClientConnection::new(worker.shared.uptime)),
            _place: Rc::new(place),
        };
        let Some(tls) = arrival.tls else {
            serve_http1(&worker, stream, peer).await;
            return Ok(());
        };
        let limit = worker.shared.limits.handshake_time;
        let stream = tokio::time::timeout(limit, TlsAcceptor::from(tls).accept(stream))
            .await
            .map_err(|_| {
                io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long")
            })??;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            serve_http2(&worker, stream, peer).await;
        } else {
            serve_http1(&worker, stream, peer).await;
        }
        Ok::<(), io::Error>(())
    };
    if let Err(error) = served.await {
        debug!(%error, "a client connection failed");
    }
}

async fn serve_http1<S>(worker: &Rc<Worker>, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &worker.shared.limits;
    let guard_limits = GuardLimits {
        head: HeadLimits {
            bytes: limits.header_bytes,
            headers: limits.header_count,
            uri_bytes: limits.uri_bytes,
        },
        header_time: limits.header_time,
        idle_time: limits.idle_time,
        stall_time: limits.stall_time,
    };
    let refusal_path = worker.shared.refusal_path.clone();
    let guard = Guard::new(
        stream,
        Arc::clone(&peer.connection),
        guard_limits,
        refusal_path,
    );
    let connection = http1::Builder::new()
        .max_headers(limits.header_count)
        .serve_connection(
            TokioIo::new(guard),
            // Boxed once, for the connection moves it about.
            service_fn(|request| Box::pin(answer(worker, &peer, request))),
        )
        .with_upgrades();
    let mut connection = pin!(connection);
    let last_request = async {
        let farewell = worker.drained().await;
        idle(&peer.connection, farewell).await;
    };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = last_request => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "an HTTP/1 connection failed");
    }
}

async fn serve_http2<S>(worker: &Rc<Worker>, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let limits = &worker.shared.limits;
    let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    let service = {
        let worker = Rc::clone(worker);
        let peer = peer.clone();
        service_fn(move |request| {
            let (worker, peer) = (Rc::clone(&worker), peer.clone());
            async move { answer(&worker, &peer, request).await }
        })
    };
    let connection = http2::Builder::new(OnThisThread)
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(header_bytes)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIME)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = worker.drained() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = idle(&peer.connection, limits.idle_time) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "an HTTP/2 connection failed");
    }
}

/// Ends when no request has been there for the whole time.
async fn idle(connection: &ClientConnection, idle_time: Duration) {
    loop {
        let idle = connection.idle_for().unwrap_or_default();
        if idle >= idle_time {
            return;
        }
        // A little more, so that rounding makes no tight loop.
        windlass_clock::task::sleep(idle_time.saturating_sub(idle) + Duration::from_millis(1))
            .await;
    }
}

async fn answer(
    worker: &Rc<Worker>,
    peer: &Peer,
    request: Request<Incoming>,
) -> Result<http::Response<proxy::body::ResponseBody>, Infallible> {
    // HTTP/2 has a way of its own to say so.
    let can_be_last = request.version() <= Version::HTTP_11;
    let mut response = proxy::serve(Rc::clone(worker), peer.clone(), request).await;
    if can_be_last
        && worker.draining.borrow().is_some()
        && response.status() != StatusCode::SWITCHING_PROTOCOLS
    {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Ok(response)
}

/// Runs the parts of an HTTP/2 connection on the worker's thread.
#[derive(Debug, Clone, Copy)]
struct OnThisThread;

impl<F: Future + 'static> Executor<F> for OnThisThread {
    fn execute(&self, part: F) {
        tokio::task::spawn_local(async move {
            part.await;
        });
    }
}

/// Request ids that do not repeat: a counter, scrambled with random keys, in
/// the form of a random UUID.
#[derive(Debug)]
struct RequestIds {
    keys: (RandomState, RandomState),
    count: Cell<u64>,
}

impl RequestIds {
    fn new() -> Self {
        Self {
            keys: (RandomState::new(), RandomState::new()),
            count: Cell::new(0),
        }
    }

    fn next(&self) -> String {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        let scramble = |keys: &RandomState| {
            let mut hasher = keys.build_hasher();
            hasher.write_u64(count);
            hasher.finish()
        };
        let (a, b) = (scramble(&self.keys.0), scramble(&self.keys.1));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 48) & 0x3fff,
            b & 0xffff_ffff_ffff
        )
    }
}

/// A path that no client can guess.
pub(crate) fn secret_path() -> RefusalPath {
    let number = || {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(0);
        hasher.finish()
    };
    RefusalPath(format!("/{:016x}{:016x}/", number(), number()).into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn request_ids_are_uuids_and_differ() {
        let ids = RequestIds::new();
        let made: BTreeSet<String> = (0..1_000).map(|_| ids.next()).collect();
        assert_eq!(made.len(), 1_000);
        for id in made {
            let lengths: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12]);
            assert_eq!(id.as_bytes()[14], b'4');
            assert!(b"89ab".contains(&id.as_bytes()[19]));
        }
    }

    #[test]
    fn secret_paths_differ() {
        assert_ne!(secret_path().0, secret_path().0);
    }
}
