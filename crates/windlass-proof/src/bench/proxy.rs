//! The proxies that are compared, each with as many workers, weights, counters and an access log.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use windlass::demo::census;
use windlass::demo::{Failure, wait_for};
use windlass_router::{
    AccessLogSettings, Acknowledgement, CertificateFiles, Change, Destination, Group, HostRoutes,
    Limits, RouteRule, RouterConfig, RouterLink, TargetKind, TlsListener, Version,
};

/// The host that all of them serve.
pub(super) const HOST: &str = "app.test";
/// Name of the boot in the table of a router that stands alone.
const BOOT: &str = "bench";

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Windlass,
    Nginx,
    Haproxy,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Windlass, Self::Nginx, Self::Haproxy];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Windlass => "windlass",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }
}

/// A certificate with its key, PEM files.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
    /// Both in one file, as HAProxy reads it.
    pub(super) both: PathBuf,
}

/// A running proxy; it ends with this value.
pub(super) struct Proxy {
    pub(super) kind: Kind,
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
    pub(super) folder: PathBuf,
    child: Child,
    link: Option<Link>,
}

/// Control's side of a router that stands alone.
pub(super) struct Link {
    pub(super) link: RouterLink,
    _events: tokio::sync::mpsc::Receiver<windlass_router::RouterEvent>,
}

/// What the router process is told on its command line.
#[derive(Debug, clap::Args)]
pub struct Alone {
    folder: PathBuf,
    http: SocketAddr,
    https: SocketAddr,
    workers: usize,
    chain: PathBuf,
    key: PathBuf,
}

/// The body of a router process without a control: its table comes from whoever started it.
///
/// # Errors
/// When it can't listen or read.
pub fn router_alone(arguments: &Alone) -> Result<(), Failure> {
    let bind = |address: SocketAddr| TcpListener::bind(address).map_err(failed);
    let config = RouterConfig {
        table_path: arguments.folder.join("table"),
        control_socket: arguments.folder.join("control"),
        boot_id: BOOT.to_owned(),
        http: vec![bind(arguments.http)?],
        https: vec![TlsListener {
            listener: bind(arguments.https)?,
            certificates: vec![CertificateFiles {
                hosts: vec![HOST.to_owned()],
                certificate_path: arguments.chain.clone(),
                key_path: arguments.key.clone(),
            }],
            issuer: None,
        }],
        metrics: None,
        workers: arguments.workers,
        limits: Limits::default(),
        access_log: Some(AccessLogSettings {
            path: arguments.folder.join("access.log"),
            rotate_bytes: 64 * 1024 * 1024,
            keep_files: 2,
        }),
        trust_forwarded_headers: false,
    };
    windlass_router::run(config, || {}).map_err(failed)
}

impl Proxy {
    /// Starts one before these upstreams and waits until it listens.
    pub(super) fn start(
        kind: Kind,
        folder: &Path,
        workers: usize,
        certificate: &Certificate,
        upstreams: &[SocketAddr],
    ) -> Result<Self, Failure> {
        let folder = folder.join(kind.name());
        fs::create_dir_all(&folder).map_err(failed)?;
        let (http, https) = (free_address()?, free_address()?);
        let mut link = None;
        let mut command = match kind {
            Kind::Windlass => {
                link = Some(Link::open(&folder)?);
                let mut command = Command::new(crate::programs::this()?);
                command
                    .arg("router-alone")
                    .arg(&folder)
                    .args([http.to_string(), https.to_string(), workers.to_string()])
                    .args([&certificate.chain, &certificate.key]);
                command
            }
            Kind::Nginx => {
                let path = folder.join("nginx.conf");
                let text = nginx(&folder, workers, certificate, http, https, upstreams);
                fs::write(&path, text).map_err(failed)?;
                let mut command = Command::new("nginx");
                command.arg("-p").arg(&folder).arg("-c").arg(&path);
                command.args(["-g", "daemon off;"]);
                command
            }
            Kind::Haproxy => {
                let path = folder.join("haproxy.cfg");
                let text = haproxy(&folder, workers, certificate, http, https, upstreams);
                fs::write(&path, text).map_err(failed)?;
                let mut command = Command::new("haproxy");
                command.arg("-db").arg("-f").arg(&path);
                command
            }
        };
        let log = fs::File::create(folder.join("output")).map_err(failed)?;
        let errors = log.try_clone().map_err(failed)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| failed(format!("{}: {error}", kind.name())))?;
        let mut proxy = Self {
            kind,
            http,
            https,
            folder,
            child,
            link,
        };
        proxy.wait_listening()?;
        if let Some(link) = &proxy.link {
            link.wait_connected()?;
            let versions = vec![version("one", upstreams)];
            link.publish(vec![put_group(1, versions), put_host()])?;
        }
        Ok(proxy)
    }

    fn wait_listening(&mut self) -> Result<(), Failure> {
        let (http, https) = (self.http, self.https);
        let name = self.kind.name();
        let output = self.folder.join("output");
        let child = &mut self.child;
        wait_for(&format!("{name} to listen"), || {
            if let Some(status) = child.try_wait().map_err(failed)? {
                let said = fs::read_to_string(&output).unwrap_or_default();
                return Err(failed(format!("{name} ended with {status}: {said}")));
            }
            let both = [http, https]
                .iter()
                .all(|address| std::net::TcpStream::connect(address).is_ok());
            Ok(if both {
                Ok(())
            } else {
                Err("refused".to_owned())
            })
        })
    }

    /// Control's side, of Windlass.
    pub(super) fn link(&self) -> Result<&Link, Failure> {
        self.link.as_ref().ok_or_else(|| failed("no link"))
    }

    /// Processor time of all its processes and threads so far.
    pub(super) fn processor_time(&self) -> Duration {
        let own = i32::try_from(self.child.id()).unwrap_or(0);
        let children = census::children(own).into_iter().map(|seen| seen.pid);
        let nanos = std::iter::once(own).chain(children).map(nanos_of).sum();
        Duration::from_nanos(nanos)
    }

    /// Sends a signal to its first process.
    pub(super) fn signal(&self, name: &str) -> Result<(), Failure> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            other => Err(failed(format!("kill -s {name} {pid}: {other:?}"))),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // SIGTERM takes the workers of nginx along; a SIGKILL would leave them.
        let _ = self.signal("TERM");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) && matches!(self.child.try_wait(), Ok(None))
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Link {
    fn open(folder: &Path) -> Result<Self, Failure> {
        let socket = folder.join("control");
        let listener = UnixListener::bind(socket).map_err(failed)?;
        let (link, events) =
            RouterLink::open(listener, &folder.join("table"), BOOT, 0).map_err(failed)?;
        Ok(Self {
            link,
            _events: events,
        })
    }

    fn wait_connected(&self) -> Result<(), Failure> {
        wait_for("the router", || {
            let routers = self.link.routers();
            let there = routers.iter().any(|router| router.position.is_some());
            Ok(if there {
                Ok(())
            } else {
                Err(format!("{routers:?}"))
            })
        })
    }

    /// Publishes and waits until it is in force; how long that took.
    pub(super) fn publish(&self, changes: Vec<Change>) -> Result<Duration, Failure> {
        let begun = Instant::now();
        let position = self.link.publish(changes).map_err(failed)?;
        let wait = self
            .link
            .wait_acknowledged(position, windlass::demo::WAIT_LIMIT);
        let answer = tokio::runtime::Handle::current().block_on(wait);
        match answer {
            Acknowledgement::Acknowledged { .. } => Ok(begun.elapsed()),
            Acknowledgement::NotYet { missing } => Err(failed(format!("{missing:?}"))),
        }
    }
}

/// A version that has all the traffic.
pub(super) fn version(id: &str, upstreams: &[SocketAddr]) -> Version {
    Version {
        id: id.to_owned(),
        share: 10_000,
        target: TargetKind::Instances {
            upstreams: upstreams
                .iter()
                .enumerate()
                .map(|(number, address)| windlass_router::Upstream {
                    id: format!("{id}.{number}"),
                    address: *address,
                    index: u32::try_from(number).unwrap_or(0),
                    public_id: format!("{id}.{number}"),
                })
                .collect(),
        },
    }
}

/// The only group, of this plan generation.
pub(super) fn put_group(plan_generation: u64, versions: Vec<Version>) -> Change {
    Change::PutGroup {
        group: "group".to_owned(),
        value: Group {
            plan_generation,
            versions,
            ..Group::default()
        },
    }
}

fn put_host() -> Change {
    Change::PutHost {
        host: HOST.to_owned(),
        value: HostRoutes {
            commit: 1,
            rules: vec![RouteRule {
                route_id: "route".to_owned(),
                path_prefix: String::new(),
                method: None,
                headers: Vec::new(),
                destinations: vec![Destination {
                    group: "group".to_owned(),
                    weight: 1,
                }],
                absent: Vec::new(),
            }],
        },
    }
}

fn nginx(
    folder: &Path,
    workers: usize,
    certificate: &Certificate,
    http: SocketAddr,
    https: SocketAddr,
    upstreams: &[SocketAddr],
) -> String {
    let servers: Vec<_> = upstreams
        .iter()
        .map(|address| format!("    server {address} weight=1;"))
        .collect();
    let servers = servers.join("\n");
    let folder = folder.display();
    let (chain, key) = (certificate.chain.display(), certificate.key.display());
    format!(
        "worker_processes {workers};
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log {folder}/access.log combined buffer=64k flush=1s;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream app {{
    zone app 64k;
{servers}
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {http} reuseport backlog=1024;
    listen {https} ssl reuseport backlog=1024;
    ssl_certificate {chain};
    ssl_certificate_key {key};
    server_name {HOST};
    location / {{
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffers 8 16k;
    }}
    location = /status {{ stub_status; }}
  }}
}}
"
    )
}

fn haproxy(
    folder: &Path,
    workers: usize,
    certificate: &Certificate,
    http: SocketAddr,
    https: SocketAddr,
    upstreams: &[SocketAddr],
) -> String {
    let servers: Vec<_> = upstreams
        .iter()
        .enumerate()
        .map(|(number, address)| format!("  server s{number} {address} weight 10"))
        .collect();
    let servers = servers.join("\n");
    let both = certificate.both.display();
    let socket = folder.join("runtime.sock");
    let socket = socket.display();
    format!(
        "global
  nbthread {workers}
  maxconn 4096
  stats socket {socket} mode 600 level admin
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option forwardfor
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
frontend web
  bind {http}
  bind {https} ssl crt {both}
  default_backend app
backend app
  balance roundrobin
{servers}
"
    )
}

/// Nanoseconds that all threads of a process have run; 0 of one that is gone.
fn nanos_of(pid: i32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

fn free_address() -> Result<SocketAddr, Failure> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(failed)
}

pub(super) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Unexpected(format!("proxy: {error}"))
}
