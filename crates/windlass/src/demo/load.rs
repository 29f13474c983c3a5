//! Visitors: a steady load through the router that counts who answered and what failed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::failure::Failure;
use super::tally::Tally;
pub use super::tally::{Counts, Totals};

/// Longest wait of a visitor for an answer, then the request has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Header in which the example says which version answers.
const VERSION_HEADER: &str = "x-hello-version";

/// Whom the visitors visit, and how many they are.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Address of the router.
    pub router: SocketAddr,
    /// Host of the app.
    pub host: String,
    /// Path that is asked for.
    pub path: String,
    /// Visitors that keep their connection.
    pub keeping: usize,
    /// Visitors that take a new connection for each request.
    pub passing: usize,
    /// Pause of a visitor between two requests.
    pub pause: Duration,
}

/// The visitors at work.
#[derive(Debug)]
pub struct Load {
    tally: Arc<Tally>,
    stop: tokio::sync::watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Sends the visitors off.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(visit: Visit) -> Result<Self, Failure> {
        let tally = Arc::new(Tally::default());
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::system("start the load"))?;
        let shared = Arc::clone(&tally);
        let thread = std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let visit = Arc::new(visit);
                    let mut visitors = tokio::task::JoinSet::new();
                    for number in 0..visit.keeping + visit.passing {
                        let keeps = number < visit.keeping;
                        let (visit, tally) = (Arc::clone(&visit), Arc::clone(&shared));
                        visitors.spawn(visitor(visit, tally, keeps, stopped.clone()));
                    }
                    while visitors.join_next().await.is_some() {}
                });
            })
            .map_err(Failure::system("start the load"))?;
        Ok(Self {
            tally,
            stop,
            thread: Some(thread),
        })
    }

    /// Begins a new section: answers to requests that are sent from now on are counted in it.
    pub fn section(&self) {
        self.tally.section();
    }

    /// Who has answered in this section so far.
    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// All of it so far.
    pub fn totals(&self) -> Totals {
        self.tally.totals()
    }

    /// The router is about to be killed: what breaks on its connections is its death's doing.
    pub fn router_dies(&self) {
        self.tally.router_dies();
    }

    /// The killed router is gone: connections from now on are another's.
    pub fn router_is_dead(&self) {
        self.tally.router_is_dead();
    }

    /// Lets every visitor finish and returns what they saw.
    pub fn finish(mut self) -> Totals {
        self.end();
        self.tally.totals()
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A visitor that panicked has counted nothing more; the counts tell.
            let _ = thread.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

/// A connection to the router.
struct Line {
    sender: SendRequest<Empty<Bytes>>,
    opened: Instant,
}

/// What a request came to.
enum Came {
    Answer {
        version: String,
    },
    Nothing {
        text: String,
        opened: Option<Instant>,
    },
}

async fn visitor(
    visit: Arc<Visit>,
    tally: Arc<Tally>,
    keeps: bool,
    stopped: tokio::sync::watch::Receiver<bool>,
) {
    let mut line = None;
    while !*stopped.borrow() {
        let section = tally.sent();
        if !keeps {
            line = None;
        }
        match ask(&visit, &mut line).await {
            Came::Answer { version } => tally.answered(section, &version),
            Came::Nothing { text, opened } => {
                line = None;
                if tally.is_cut_by_kill(opened) {
                    // Sent again once; now it must succeed.
                    match ask(&visit, &mut line).await {
                        Came::Answer { version } => tally.cut(section, &version),
                        Came::Nothing { text, .. } => {
                            line = None;
                            tally.failed(&format!("again after a cut: {text}"));
                        }
                    }
                } else {
                    tally.failed(&text);
                }
            }
        }
        tokio::time::sleep(visit.pause).await;
    }
}

async fn ask(visit: &Visit, line: &mut Option<Line>) -> Came {
    let failed = |text: String, opened| Came::Nothing { text, opened };
    // A connection that was closed between two requests is no failure of a request.
    if line.as_ref().is_some_and(|line| line.sender.is_closed()) {
        *line = None;
    }
    if let Some(open) = line
        && open.sender.ready().await.is_err()
    {
        *line = None;
    }
    let mut open = match line.take() {
        Some(open) => open,
        None => match timeout(PATIENCE, connect(visit.router)).await {
            Ok(Ok(open)) => open,
            Ok(Err(text)) => return failed(format!("connect: {text}"), None),
            Err(_) => return failed("connect: no answer".to_owned(), None),
        },
    };
    let opened = open.opened;
    let came = match timeout(PATIENCE, exchange(visit, &mut open.sender)).await {
        Ok(Ok(version)) => Came::Answer { version },
        Ok(Err(text)) => failed(text, Some(opened)),
        Err(_) => failed(
            format!("no answer in {} s", PATIENCE.as_secs()),
            Some(opened),
        ),
    };
    *line = Some(open);
    came
}

async fn connect(router: SocketAddr) -> Result<Line, String> {
    let socket = TcpStream::connect(router)
        .await
        .map_err(|error| error.to_string())?;
    let opened = Instant::now();
    socket
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(Line { sender, opened })
}

/// Sends one request and reads the whole answer; the version that gave it.
async fn exchange(visit: &Visit, sender: &mut SendRequest<Empty<Bytes>>) -> Result<String, String> {
    let request = Request::get(&visit.path)
        .header(http::header::HOST, &visit.host)
        .body(Empty::new())
        .map_err(|error| error.to_string())?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    let (head, body) = answer.into_parts();
    let bytes = body
        .collect()
        .await
        .map_err(|error| format!("in the body: {error}"))?
        .to_bytes();
    if head.status != http::StatusCode::OK {
        let why = head
            .headers
            .get("x-windlass-router-error")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        return Err(format!("status {} {why} {}", head.status, text.trim()));
    }
    head.headers
        .get(VERSION_HEADER)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
        .ok_or_else(|| "the answer names no version".to_owned())
}
