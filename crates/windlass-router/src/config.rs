//! Everything a router process is told at its start.

use std::fmt;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Settings of one router process. The sockets are opened by whoever starts it
/// and stay open when it dies, so that no connection is refused meanwhile.
#[derive(Debug)]
pub struct RouterConfig {
    /// The table file, written by control.
    pub table_path: PathBuf,
    /// Unix socket on which control listens for routers.
    pub control_socket: PathBuf,
    /// Names the boot, as for [`crate::RouterLink::open`]: upstreams of another
    /// one are not used.
    pub boot_id: String,
    /// Sockets for HTTP without TLS.
    pub http: Vec<TcpListener>,
    /// Sockets for HTTP with TLS.
    pub https: Vec<TlsListener>,
    /// Socket for `/metrics` and `/health`.
    pub metrics: Option<TcpListener>,
    /// Threads that serve connections; 0 means one.
    pub workers: usize,
    /// What clients and instances may cost.
    pub limits: Limits,
    /// Where requests are written down.
    pub access_log: Option<AccessLogSettings>,
    /// How the `X-Forwarded-Proto` and `-Host` of a client are taken: true
    /// keeps them (the router stands behind another proxy), false replaces
    /// them.
    pub trust_forwarded_headers: bool,
}

/// One socket with TLS.
#[derive(Debug)]
pub struct TlsListener {
    /// The socket.
    pub listener: TcpListener,
    /// Certificates, chosen by server name. The first one serves clients that
    /// name none or an unknown one.
    pub certificates: Vec<CertificateFiles>,
    /// Makes certificates for hosts of the table that none of these covers.
    pub issuer: Option<Issuer>,
}

/// Makes a certificate for a server name (or `*.domain`) when a client first asks for it.
#[derive(Clone)]
pub struct Issuer(pub Arc<Issue>);

/// How that is done.
pub type Issue = dyn Fn(&str) -> Result<IssuedCertificate, String> + Send + Sync;

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer")
    }
}

/// A certificate that was just made.
#[derive(Clone)]
pub struct IssuedCertificate {
    /// The certificate and its chain, PEM.
    pub chain_pem: String,
    /// Its private key, PEM.
    pub key_pem: String,
}

impl fmt::Debug for IssuedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuedCertificate(hidden)")
    }
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// Server names for which it is used; `*.domain` covers one label.
    pub hosts: Vec<String>,
    /// The certificate and its chain, PEM.
    pub certificate_path: PathBuf,
    /// Its private key, PEM.
    pub key_path: PathBuf,
}

/// The access log: one JSON object per request.
#[derive(Debug, Clone)]
pub struct AccessLogSettings {
    /// The file; rotated ones get `.1`, `.2`, … appended.
    pub path: PathBuf,
    /// Size at which the file is rotated, in bytes.
    pub rotate_bytes: u64,
    /// Rotated files that are kept.
    pub keep_files: u32,
}

/// What clients and instances may cost. Every duration is wall time between two
/// events of the network, not processor time.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open client connections; more wait unaccepted.
    pub connections: usize,
    /// Request line and headers together, in bytes (431).
    pub header_bytes: usize,
    /// Header lines of a request (431).
    pub header_count: usize,
    /// Request target, in bytes (414).
    pub uri_bytes: usize,
    /// Request body, in bytes (413); `None` means any.
    pub body_bytes: Option<u64>,
    /// From the first byte of a request to the end of its headers (408).
    pub header_time: Duration,
    /// A kept connection without a request is closed.
    pub idle_time: Duration,
    /// Between two parts of a request body, and between two writes to a client
    /// that does not read.
    pub stall_time: Duration,
    /// TLS handshake.
    pub handshake_time: Duration,
    /// Connecting to an instance.
    pub connect_time: Duration,
    /// From a request to the headers of its response (504).
    pub response_time: Duration,
    /// Between two parts of a response body.
    pub response_stall_time: Duration,
    /// How long requests wait for a group whose instances nobody has confirmed
    /// since the reboot.
    pub hold_time: Duration,
    /// Requests that wait at once.
    pub hold_count: usize,
    /// Idle connections to one instance, per worker.
    pub idle_upstream_connections: usize,
    /// An idle connection to an instance is not used again after this. Node
    /// closes after 5 s, so it must be shorter.
    pub idle_upstream_time: Duration,
    /// After SIGTERM requests may go on for so long.
    pub drain_time: Duration,
    /// Concurrent requests on one HTTP/2 connection.
    pub http2_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_bytes: 64 * 1024,
            header_count: 100,
            uri_bytes: 16 * 1024,
            body_bytes: None,
            header_time: Duration::from_secs(15),
            idle_time: Duration::from_secs(75),
            stall_time: Duration::from_mins(1),
            handshake_time: Duration::from_secs(10),
            connect_time: Duration::from_secs(5),
            response_time: Duration::from_mins(15),
            response_stall_time: Duration::from_mins(15),
            hold_time: Duration::from_secs(30),
            hold_count: 1_000,
            idle_upstream_connections: 64,
            idle_upstream_time: Duration::from_secs(4),
            drain_time: Duration::from_secs(30),
            http2_streams: 128,
        }
    }
}
