//! All listening sockets. The supervisor binds them before it starts a role and never closes them,
//! so that connections wait while a role is down and none is refused.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::handover::{Handover, HandoverError};
use crate::private_file;
use crate::settings::{Ports, Settings};
use crate::unix_socket;

/// Connections that may wait on one address while its role is down.
const BACKLOG: i32 = 4096;

/// How long a taken address is tried again.
const BIND_PATIENCE: Duration = Duration::from_secs(1);
/// Pause between two tries; nothing tells when an address becomes free.
const BIND_PAUSE: Duration = Duration::from_millis(10);

/// First automatic block of instance ports. All blocks lie below the ports that Linux gives to
/// outgoing connections.
const FIRST_BLOCK: u16 = 20_000;
/// Ports of one block.
const BLOCK_PORTS: u16 = 400;
/// Blocks.
const BLOCKS: u16 = 31;

/// Why a socket can't be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// An address is not free or not ours.
    #[error("failed to listen on {address} for {name}: {source}; {advice}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Name of the socket.
        name: &'static str,
        /// Why.
        source: io::Error,
        /// What to do.
        advice: String,
    },
    /// A Unix socket can't be made.
    #[error("failed to make socket {path}: {source}")]
    Path {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Name of the Cloud Foundry API's socket.
pub const CF: &str = "cf";
/// Name of the DigitalOcean API's socket.
pub const DIGITALOCEAN: &str = "digitalocean";
/// Name of the Vercel API's socket.
pub const VERCEL: &str = "vercel";
/// Name of the router's socket without TLS.
pub const ROUTER_HTTP: &str = "router-http";
/// Name of the router's socket with TLS.
pub const ROUTER_HTTPS: &str = "router-https";
/// Name of the counters' socket.
pub const METRICS: &str = "metrics";
/// Name of the block of instance ports.
const INSTANCES: &str = "instances";
/// Name of the socket between control and router.
pub const ROUTER_LINK: &str = "router-link";
/// Name of the command line's socket.
pub const ADMIN: &str = "admin";
/// Name of the supervisor's own socket.
const SUPERVISOR: &str = "supervisor";

/// Every listening socket.
#[derive(Debug)]
pub struct Sockets {
    /// Cloud Foundry API.
    pub cf: TcpListener,
    /// DigitalOcean API.
    pub digitalocean: TcpListener,
    /// Vercel API.
    pub vercel: TcpListener,
    /// Router without TLS.
    pub router_http: TcpListener,
    /// Router with TLS.
    pub router_https: TcpListener,
    /// Counters.
    pub metrics: TcpListener,
    /// Control to router.
    pub router_link: UnixListener,
    /// Command line to control.
    pub admin: UnixListener,
    /// Command line to the supervisor.
    pub supervisor: UnixListener,
    /// Holds a block of instance ports against other Windlasses of this machine.
    pub block: Option<TcpListener>,
}

impl Sockets {
    /// Binds all. With automatic ports `settings.listen` gets the addresses that were taken.
    pub fn bind(settings: &mut Settings) -> Result<Self, SocketError> {
        let layout = settings.layout();
        let automatic = settings.ports == Ports::Auto;
        let chosen = if automatic {
            read_chosen(&layout.chosen_ports())
        } else {
            BTreeMap::new()
        };
        let mut block = None;
        if automatic {
            let (held, first) = take_block(chosen.get(INSTANCES).copied())?;
            block = Some(held);
            use_block(settings, first);
        }
        let listen = &mut settings.listen;
        let tcp = |name, flag, address: &mut SocketAddr| {
            let preferred = chosen.get(name).copied();
            let (listener, taken) = bind_tcp(name, flag, *address, automatic, preferred)?;
            *address = taken;
            Ok::<_, SocketError>(listener)
        };
        let sockets = Self {
            cf: tcp(CF, "--listen-cf", &mut listen.cf)?,
            digitalocean: tcp(
                DIGITALOCEAN,
                "--listen-digitalocean",
                &mut listen.digitalocean,
            )?,
            vercel: tcp(VERCEL, "--listen-vercel", &mut listen.vercel)?,
            router_http: tcp(ROUTER_HTTP, "--listen-router-http", &mut listen.router_http)?,
            router_https: tcp(
                ROUTER_HTTPS,
                "--listen-router-https",
                &mut listen.router_https,
            )?,
            metrics: tcp(METRICS, "--listen-metrics", &mut listen.metrics)?,
            router_link: bind_unix(layout.router_socket())?,
            admin: bind_unix(layout.admin_socket())?,
            supervisor: bind_unix(layout.supervisor_socket())?,
            block,
        };
        if automatic {
            let ports: BTreeMap<&str, u16> = [
                (CF, listen.cf.port()),
                (DIGITALOCEAN, listen.digitalocean.port()),
                (VERCEL, listen.vercel.port()),
                (ROUTER_HTTP, listen.router_http.port()),
                (ROUTER_HTTPS, listen.router_https.port()),
                (METRICS, listen.metrics.port()),
                (INSTANCES, settings.instance_port_first - 1),
            ]
            .into();
            let path = layout.chosen_ports();
            let text = serde_json::json!(ports).to_string();
            private_file::write(&path, text.as_bytes(), private_file::SECRET)
                .map_err(|source| SocketError::Path { path, source })?;
        }
        Ok(sockets)
    }

    /// Takes over those of the supervisor before this one. `settings` gets their addresses.
    ///
    /// # Errors
    /// When one is missing.
    pub fn adopt<T>(
        received: &mut Handover<T>,
        settings: &mut Settings,
    ) -> Result<Self, HandoverError> {
        let sockets = Self {
            cf: received.take(CF)?,
            digitalocean: received.take(DIGITALOCEAN)?,
            vercel: received.take(VERCEL)?,
            router_http: received.take(ROUTER_HTTP)?,
            router_https: received.take(ROUTER_HTTPS)?,
            metrics: received.take(METRICS)?,
            router_link: received.take(ROUTER_LINK)?,
            admin: received.take(ADMIN)?,
            supervisor: received.take(SUPERVISOR)?,
            block: received.take(INSTANCES).ok(),
        };
        let listen = &mut settings.listen;
        listen.cf = sockets.cf.local_addr()?;
        listen.digitalocean = sockets.digitalocean.local_addr()?;
        listen.vercel = sockets.vercel.local_addr()?;
        listen.router_http = sockets.router_http.local_addr()?;
        listen.router_https = sockets.router_https.local_addr()?;
        listen.metrics = sockets.metrics.local_addr()?;
        if let Some(block) = &sockets.block {
            use_block(settings, block.local_addr()?.port());
        }
        Ok(sockets)
    }

    /// What the next supervisor gets.
    pub fn for_successor(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        let block = self.block.as_ref().map(|block| (INSTANCES, block.as_fd()));
        let own = (SUPERVISOR, self.supervisor.as_fd());
        self.for_control()
            .into_iter()
            .chain(self.for_router())
            .chain(std::iter::once(own))
            .chain(block)
            .collect()
    }

    /// What control gets.
    pub fn for_control(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        vec![
            (CF, self.cf.as_fd()),
            (DIGITALOCEAN, self.digitalocean.as_fd()),
            (VERCEL, self.vercel.as_fd()),
            (ROUTER_LINK, self.router_link.as_fd()),
            (ADMIN, self.admin.as_fd()),
        ]
    }

    /// What the router gets.
    pub fn for_router(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        vec![
            (ROUTER_HTTP, self.router_http.as_fd()),
            (ROUTER_HTTPS, self.router_https.as_fd()),
            (METRICS, self.metrics.as_fd()),
        ]
    }
}

/// The first port of the block is the one that is held.
fn use_block(settings: &mut Settings, first: u16) {
    settings.instance_port_first = first + 1;
    settings.instance_port_count = BLOCK_PORTS - 1;
}

/// Takes a block of instance ports that no other Windlass of this machine has: whoever listens on
/// its first port has it, for as long as they live.
fn take_block(preferred: Option<u16>) -> Result<(TcpListener, u16), SocketError> {
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let blocks = (0..BLOCKS).map(|number| FIRST_BLOCK + number * BLOCK_PORTS);
    let mut last = at(FIRST_BLOCK);
    for port in preferred.into_iter().chain(blocks) {
        last = at(port);
        if let Ok(held) = TcpListener::bind(last) {
            return Ok((held, port));
        }
    }
    Err(SocketError::Address {
        address: last,
        name: INSTANCES,
        source: io::ErrorKind::AddrInUse.into(),
        advice: format!("{BLOCKS} blocks of ports are all in use; end another Windlass"),
    })
}

/// Binds one address; with automatic ports the port of the last start, else any free one.
fn bind_tcp(
    name: &'static str,
    flag: &str,
    address: SocketAddr,
    automatic: bool,
    preferred: Option<u16>,
) -> Result<(TcpListener, SocketAddr), SocketError> {
    let at = |port| SocketAddr::new(address.ip(), port);
    let bound = match (automatic, preferred) {
        (false, _) => bind_soon(address),
        (true, None) => TcpListener::bind(at(0)),
        (true, Some(port)) => bind_soon(at(port)).or_else(|_| TcpListener::bind(at(0))),
    };
    let finish = |listener: TcpListener| {
        rustix::net::listen(&listener, BACKLOG)?;
        // Roles use the socket without blocking; the mode belongs to the socket, not to the role.
        listener.set_nonblocking(true)?;
        let taken = listener.local_addr()?;
        Ok((listener, taken))
    };
    bound.and_then(finish).map_err(|source| {
        let advice = match source.kind() {
            io::ErrorKind::AddrInUse => format!(
                "stop what listens there, choose another address with {flag}, or pass --ports auto"
            ),
            io::ErrorKind::PermissionDenied => {
                format!("ports below 1024 need root; choose another with {flag}")
            }
            _ => format!("choose an address of this machine with {flag}"),
        };
        SocketError::Address {
            address,
            name,
            source,
            advice,
        }
    })
}

/// Binds an address, if need be when it has become free: the roles of a supervisor that was killed
/// hold it for a moment longer.
fn bind_soon(address: SocketAddr) -> io::Result<TcpListener> {
    let until = Instant::now() + BIND_PATIENCE;
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < until => {
                std::thread::sleep(BIND_PAUSE);
            }
            bound => return bound,
        }
    }
}

fn bind_unix(path: PathBuf) -> Result<UnixListener, SocketError> {
    let bound = unix_socket::bind(&path).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|source| SocketError::Path { path, source })
}

fn read_chosen(path: &std::path::Path) -> BTreeMap<String, u16> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automatic_ports_are_taken_again() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (first, address) = bind_tcp(CF, "--listen-cf", any, true, None).expect("binds");
        drop(first);
        let again = bind_tcp(CF, "--listen-cf", any, true, Some(address.port())).expect("binds");
        assert_eq!(again.1, address);
        let other = bind_tcp(CF, "--listen-cf", any, true, Some(address.port())).expect("binds");
        assert_ne!(other.1, address, "taken by somebody: another one");
    }

    #[test]
    fn an_address_that_is_free_in_a_moment_is_waited_for() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (held, address) = bind_tcp(CF, "--listen-cf", any, true, None).expect("binds");
        let waits = std::thread::spawn(move || bind_tcp(CF, "--listen-cf", address, false, None));
        drop(held);
        assert_eq!(waits.join().expect("no panic").expect("binds").1, address);
    }

    #[test]
    fn two_never_have_the_same_block_of_ports() {
        let (held, first) = take_block(None).expect("a block");
        let (_other, second) = take_block(Some(first)).expect("another block");
        assert_ne!(first, second);
        drop(held);
        let (_again, third) = take_block(Some(first)).expect("free again");
        assert_eq!(third, first);
    }

    #[test]
    fn a_taken_address_is_refused_with_advice() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (_held, address) = bind_tcp(CF, "--listen-cf", any, true, None).expect("binds");
        let error = bind_tcp(CF, "--listen-cf", address, false, None).expect_err("refused");
        assert!(error.to_string().contains("--listen-cf"), "{error}");
    }
}
