//! A router in this process, with control's link beside it.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use windlass_router::{
    AccessLogSettings, Acknowledgement, Change, Destination, Group, HostRoutes, Limits, Position,
    RouteRule, RouterConfig, RouterError, RouterEvent, RouterLink, TargetKind, Version, run_until,
};

use crate::client::GENEROUS;
use crate::instance::Instance;

pub(crate) const BOOT: &str = "boot";
pub(crate) const HOST: &str = "app.test";
pub(crate) const GROUP: &str = "group";

/// The thread of a router.
pub(crate) type Running = JoinHandle<Result<(), RouterError>>;

/// A running router and everything around it.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) http: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) control: Option<Control>,
    router: Option<(oneshot::Sender<()>, Running)>,
}

/// Control's side.
pub(crate) struct Control {
    pub(crate) link: RouterLink,
    pub(crate) events: mpsc::Receiver<RouterEvent>,
    pub(crate) runtime: Runtime,
}

pub(crate) fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

impl World {
    pub(crate) fn start() -> Self {
        Self::with(1, |_| {})
    }

    /// A router with control, changed by `change`.
    pub(crate) fn with(workers: usize, change: impl FnOnce(&mut RouterConfig)) -> Self {
        let mut world = Self::without_router();
        world.start_router(workers, change);
        world
    }

    pub(crate) fn without_router() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::start(folder.path().join("control"), folder.path().join("table"));
        let nowhere = "127.0.0.1:0".parse().unwrap();
        Self {
            folder,
            http: nowhere,
            metrics: nowhere,
            control: Some(control),
            router: None,
        }
    }

    pub(crate) fn start_router(&mut self, workers: usize, change: impl FnOnce(&mut RouterConfig)) {
        let (http, metrics) = (listener(), listener());
        self.http = http.local_addr().unwrap();
        self.metrics = metrics.local_addr().unwrap();
        let mut config = self.config(workers);
        config.http = vec![http];
        config.metrics = Some(metrics);
        change(&mut config);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            run_until(config, async {
                let _ = stopped.await;
            })
        });
        self.router = Some((stop, thread));
    }

    pub(crate) fn config(&self, workers: usize) -> RouterConfig {
        RouterConfig {
            table_path: self.folder.path().join("table"),
            control_socket: self.folder.path().join("control"),
            boot_id: BOOT.to_owned(),
            http: vec![],
            https: vec![],
            metrics: None,
            workers,
            limits: Limits::default(),
            access_log: Some(AccessLogSettings {
                path: self.log_path(),
                rotate_bytes: 64 * 1024 * 1024,
                keep_files: 2,
            }),
            trust_forwarded_headers: false,
        }
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    pub(crate) fn control(&mut self) -> &mut Control {
        self.control.as_mut().unwrap()
    }

    /// Publishes and waits until it is in force.
    pub(crate) fn publish(&mut self, changes: Vec<Change>) -> Position {
        let control = self.control();
        let position = control.link.publish(changes).unwrap();
        control.acknowledged(position);
        position
    }

    /// One group behind [`HOST`].
    pub(crate) fn route(&mut self, versions: Vec<Version>) -> Position {
        let changes = vec![put_group(1, versions), put_host(vec![rule("", GROUP)])];
        // Once the router has said hello, so that the change is in force in it.
        self.control().connected(1);
        self.publish(changes)
    }

    /// Asks the router to end; returns how to wait for its end.
    pub(crate) fn stop_router(&mut self) -> Running {
        let (stop, thread) = self.router.take().unwrap();
        stop.send(()).unwrap();
        thread
    }

    /// Ends the router and reads what it has logged.
    pub(crate) fn log(&mut self) -> Vec<serde_json::Value> {
        self.stop_router().join().unwrap().unwrap();
        let text = std::fs::read_to_string(self.log_path()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn metrics(&self) -> String {
        crate::client::get(self.metrics, "metrics", "/metrics")
            .text()
            .to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.router.take() {
            let _ = stop.send(());
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

impl Control {
    pub(crate) fn start(socket: PathBuf, table: PathBuf) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(socket).unwrap();
        let (link, events) = {
            let _entered = runtime.enter();
            RouterLink::open(listener, &table, BOOT, 0).unwrap()
        };
        Self {
            link,
            events,
            runtime,
        }
    }

    pub(crate) fn acknowledged(&self, position: Position) {
        let answer = self
            .runtime
            .block_on(self.link.wait_acknowledged(position, GENEROUS));
        assert!(
            matches!(answer, Acknowledgement::Acknowledged { .. }),
            "{answer:?}"
        );
    }

    /// Waits until so many routers have said hello.
    pub(crate) fn connected(&self, count: usize) {
        until(|| {
            let routers = self.link.routers();
            routers.len() == count && routers.iter().all(|router| router.position.is_some())
        });
    }

    pub(crate) fn event(&mut self) -> RouterEvent {
        let next = tokio::time::timeout;
        self.runtime
            .block_on(async { next(GENEROUS, self.events.recv()).await })
            .expect("an event in time")
            .expect("an event")
    }

    /// The next event, if there is one already.
    pub(crate) fn try_event(&mut self) -> Option<RouterEvent> {
        self.events.try_recv().ok()
    }
}

/// Waits for a condition.
pub(crate) fn until(mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < GENEROUS, "the condition never held");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn version(id: &str, share: u16, instances: &[&Instance]) -> Version {
    let upstreams = instances
        .iter()
        .zip(0..)
        .map(|(instance, index)| instance.upstream(index))
        .collect();
    Version {
        id: id.to_owned(),
        share,
        target: TargetKind::Instances { upstreams },
    }
}

pub(crate) fn group(plan_generation: u64, versions: Vec<Version>) -> Group {
    Group {
        app_id: "app".to_owned(),
        plan_generation,
        versions,
        drain_limit_ms: 30_000,
        sticky_cookies: vec!["JSESSIONID".to_owned()],
        ..Group::default()
    }
}

pub(crate) fn put_group(plan_generation: u64, versions: Vec<Version>) -> Change {
    Change::PutGroup {
        group: GROUP.to_owned(),
        value: group(plan_generation, versions),
    }
}

pub(crate) fn put_host(rules: Vec<RouteRule>) -> Change {
    Change::PutHost {
        host: HOST.to_owned(),
        value: HostRoutes { commit: 1, rules },
    }
}

pub(crate) fn rule(path_prefix: &str, group: &str) -> RouteRule {
    RouteRule {
        route_id: format!("route-{group}"),
        path_prefix: path_prefix.to_owned(),
        method: None,
        headers: vec![],
        destinations: vec![Destination {
            group: group.to_owned(),
            weight: 1,
        }],
        absent: Vec::new(),
    }
}
