//! Visitors of a proxy: so many kept connections, at a fixed rate or as fast as they are answered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::backend::end_of_head;

/// Where they go.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) socket: SocketAddr,
    pub(super) host: String,
    /// With TLS, trusting what this says.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// How they come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// So many requests a second, all connections together, whatever the answers take.
    Rate(f64),
    /// Each connection asks again as soon as it is answered.
    Greedy,
}

/// What they saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Milliseconds of each answer; at a fixed rate from the moment at which the request was due, if
    /// its connection was still busy then.
    pub(super) times: Vec<f64>,
    /// Requests without a whole answer of status 200.
    pub(super) failed: usize,
    pub(super) span: Duration,
}

impl Seen {
    /// Answers a second.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.span.as_secs_f64()
    }
}

/// Opens the connections, asks once on each, and then for so long.
pub(super) async fn visit(
    address: &Address,
    connections: usize,
    pace: Pace,
    span: Duration,
) -> io::Result<Seen> {
    let request: Arc<[u8]> = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n",
        address.host
    )
    .into_bytes()
    .into();
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(address).await?;
        connection.ask(&request).await?;
        open.push(connection);
    }
    let begun = Instant::now();
    let mut visitors = JoinSet::new();
    for (number, connection) in open.into_iter().enumerate() {
        let request = Arc::clone(&request);
        visitors.spawn(async move {
            match pace {
                Pace::Greedy => greedy(connection, &request, begun + span).await,
                Pace::Rate(rate) => {
                    #[expect(clippy::cast_precision_loss, reason = "hundreds of connections")]
                    let (each, offset) = (connections as f64 / rate, number as f64 / rate);
                    let first = begun + Duration::from_secs_f64(offset);
                    let each = Duration::from_secs_f64(each);
                    steady(connection, &request, first, each, begun + span).await
                }
            }
        });
    }
    let mut seen = Seen::default();
    while let Some(done) = visitors.join_next().await {
        let (times, failed) = done.map_err(io::Error::other)?;
        seen.times.extend(times);
        seen.failed += failed;
    }
    seen.span = begun.elapsed();
    Ok(seen)
}

async fn greedy(mut connection: Connection, request: &[u8], until: Instant) -> (Vec<f64>, usize) {
    let mut times = Vec::new();
    while Instant::now() < until {
        let asked = Instant::now();
        if connection.ask(request).await.is_err() {
            return (times, 1);
        }
        times.push(millis(asked.elapsed()));
    }
    (times, 0)
}

async fn steady(
    mut connection: Connection,
    request: &[u8],
    first: Instant,
    each: Duration,
    until: Instant,
) -> (Vec<f64>, usize) {
    let mut times = Vec::new();
    let mut due = first;
    while due < until {
        let busy = Instant::now() >= due;
        if !busy {
            // The clock of the runtime has a grain of 1 ms: being late by it is not the proxy's doing.
            tokio::time::sleep_until(due.into()).await;
        }
        let asked = if busy { due } else { Instant::now() };
        if connection.ask(request).await.is_err() {
            return (times, 1);
        }
        times.push(millis(asked.elapsed()));
        due += each;
    }
    (times, 0)
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A kept connection.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
}

impl Connection {
    /// Opens it.
    pub(super) async fn open(address: &Address) -> io::Result<Self> {
        let socket = TcpStream::connect(address.socket).await?;
        socket.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &address.tls {
            None => Box::new(socket),
            Some(tls) => {
                let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
                Box::new(
                    TlsConnector::from(Arc::clone(tls))
                        .connect(name, socket)
                        .await?,
                )
            }
        };
        Ok(Self {
            stream,
            read: Vec::with_capacity(32 * 1024),
        })
    }

    /// Sends a request and reads its whole answer; the head of it.
    pub(super) async fn ask(&mut self, request: &[u8]) -> io::Result<String> {
        self.stream.write_all(request).await?;
        self.read.clear();
        let end = loop {
            if let Some(end) = end_of_head(&self.read) {
                break end;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        let length = length_of(&head)?;
        while self.read.len() < end + length {
            self.more().await?;
        }
        if head.get(9..12) == Some("200") {
            Ok(head)
        } else {
            Err(io::Error::other(head))
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn length_of(head: &str) -> io::Result<usize> {
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    value.ok_or_else(|| io::Error::other(format!("an answer without a length: {head}")))
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
