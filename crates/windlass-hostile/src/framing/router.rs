//! A real router with an instance behind it that keeps every byte it gets.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use windlass_router::table::SHARE_PARTS;
use windlass_router::{
    Acknowledgement, Change, Destination, Group, HostRoutes, Limits, RouteRule, RouterConfig,
    RouterError, RouterLink, TargetKind, Upstream, Version, run_until,
};

use super::message::{Message, read_message};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(2);
const BOOT: &str = "boot";
/// The host that has a route.
const HOST: &str = "app.test";

/// What the instance got: each request as bytes and as a message.
type Got = Arc<Mutex<Vec<(Vec<u8>, Message)>>>;

/// What ends a router, and its thread.
type Running = (oneshot::Sender<()>, JoinHandle<Result<(), RouterError>>);

/// A router, control's link to it, and an instance.
pub struct Routed {
    address: SocketAddr,
    got: Got,
    running: Option<Running>,
    link: RouterLink,
    runtime: Runtime,
    _folder: TempDir,
}

impl Routed {
    /// Starts them.
    ///
    /// # Errors
    /// When the machine has no sockets or files.
    pub fn start() -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (table, socket) = (folder.path().join("table"), folder.path().join("control"));
        let instance = TcpListener::bind("127.0.0.1:0")?;
        let upstream = instance.local_addr()?;
        let got = Got::default();
        serve(instance, &got);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let control = UnixListener::bind(&socket)?;
        let (link, _events) = {
            let _entered = runtime.enter();
            RouterLink::open(control, &table, BOOT, 0).map_err(std::io::Error::other)?
        };
        let http = TcpListener::bind("127.0.0.1:0")?;
        let address = http.local_addr()?;
        let position = link
            .publish(routes(upstream))
            .map_err(std::io::Error::other)?;
        let config = RouterConfig {
            table_path: table,
            control_socket: socket,
            boot_id: BOOT.to_owned(),
            http: vec![http],
            https: Vec::new(),
            metrics: None,
            workers: 1,
            limits: Limits::default(),
            access_log: None,
            trust_forwarded_headers: false,
        };
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            run_until(config, async {
                let _ = stopped.await;
            })
        });
        let routed = Self {
            address,
            got,
            running: Some((stop, thread)),
            link,
            runtime,
            _folder: folder,
        };
        let waited = routed.link.wait_acknowledged(position, PATIENCE);
        let waited = routed.runtime.block_on(waited);
        if matches!(waited, Acknowledgement::Acknowledged { .. }) {
            Ok(routed)
        } else {
            Err(std::io::Error::other("the router takes no routes"))
        }
    }

    /// Sends the bytes of a connection and reads until its end.
    ///
    /// # Errors
    /// When there is no connection, or it does not end.
    pub fn send(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // Who refuses may have hung up by then.
        let _ = stream
            .write_all(bytes)
            .and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answers = Vec::new();
        match stream.read_to_end(&mut answers) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(error),
            // A reset is an end too.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// What the instance has got since the last call.
    pub fn take(&self) -> Vec<(Vec<u8>, Message)> {
        std::mem::take(&mut *self.got.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Routed {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

fn routes(upstream: SocketAddr) -> Vec<Change> {
    let name = || "app".to_owned();
    let version = Version {
        id: name(),
        share: SHARE_PARTS,
        target: TargetKind::Instances {
            upstreams: vec![Upstream {
                id: name(),
                address: upstream,
                index: 0,
                public_id: name(),
            }],
        },
    };
    let group = Group {
        app_id: name(),
        plan_generation: 1,
        versions: vec![version],
        drain_limit_ms: 1_000,
        ..Group::default()
    };
    let rule = RouteRule {
        route_id: name(),
        path_prefix: String::new(),
        method: None,
        headers: Vec::new(),
        destinations: vec![Destination {
            group: name(),
            weight: 1,
        }],
        absent: Vec::new(),
    };
    vec![
        Change::PutGroup {
            group: name(),
            value: group,
        },
        Change::PutHost {
            host: HOST.to_owned(),
            value: HostRoutes {
                commit: 1,
                rules: vec![rule],
            },
        },
    ]
}

/// Keeps and answers what comes, one thread for each connection. It ends with the process.
fn serve(listener: TcpListener, got: &Got) {
    let got = Arc::clone(got);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let got = Arc::clone(&got);
            thread::spawn(move || answer_all(stream, &got));
        }
    });
}

fn answer_all(mut stream: TcpStream, got: &Got) {
    let (mut bytes, mut room) = (Vec::new(), [0; 16 * 1024]);
    loop {
        match read_message(&bytes) {
            Ok(Some(message)) => {
                let rest = bytes.split_off(message.bytes);
                let whole = std::mem::replace(&mut bytes, rest);
                let mut got = got.lock().unwrap_or_else(PoisonError::into_inner);
                got.push((whole, message));
                drop(got);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                if stream.write_all(answer).is_err() {
                    return;
                }
                continue;
            }
            Ok(None) => {}
            // The router would never send it: whoever checks finds it as it is.
            Err(problem) => {
                let message = Message::unreadable(problem);
                let mut got = got.lock().unwrap_or_else(PoisonError::into_inner);
                got.push((bytes, message));
                return;
            }
        }
        match stream.read(&mut room) {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend_from_slice(&room[..count]),
        }
    }
}
