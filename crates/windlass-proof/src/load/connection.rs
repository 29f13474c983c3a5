//! Requests through the router, over connections that are kept or not.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for an answer, then the request has failed.
const PATIENCE: Duration = Duration::from_mins(1);
/// Header in which the example says which version answers.
pub(super) const VERSION_HEADER: &str = "x-hello-version";

/// Whom the visitors visit.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    /// Address of the router.
    pub(super) router: SocketAddr,
    /// Host of the app.
    pub(super) host: String,
}

/// A good answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Which version gave it.
    pub(super) version: String,
    /// Its body.
    pub(super) body: Bytes,
}

/// A connection that is opened when it is needed.
#[derive(Debug, Default)]
pub(super) struct Connection(Option<SendRequest<Full<Bytes>>>);

impl Connection {
    /// Gives the connection up.
    pub(super) fn close(&mut self) {
        self.0 = None;
    }

    /// Sends a request and reads the whole answer. Anything but a 200 of the app is a failure.
    pub(super) async fn ask(
        &mut self,
        visit: &Visit,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, String> {
        let asked = timeout(PATIENCE, self.exchange(visit, path, body)).await;
        let answered = asked.unwrap_or_else(|_| Err(format!("waited {} s", PATIENCE.as_secs())));
        if answered.is_err() {
            self.close();
        }
        answered
    }

    async fn exchange(&mut self, visit: &Visit, path: &str, body: Bytes) -> Result<Answer, String> {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, &visit.host)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        // Closed between two requests is no failure of a request.
        let mut sender = match self.kept().await {
            Some(sender) => sender,
            None => connect(visit).await?,
        };
        let answer = sender.send_request(request).await.map_err(told)?;
        let (head, body) = answer.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| format!("in the body: {}", told(error)))?;
        let body = body.to_bytes();
        if head.status != http::StatusCode::OK {
            return Err(refused(&head, &body));
        }
        self.0 = Some(sender);
        Ok(Answer {
            version: version(&head.headers)?,
            body,
        })
    }
}

impl Connection {
    /// The connection, if it is still open.
    async fn kept(&mut self) -> Option<SendRequest<Full<Bytes>>> {
        let mut sender = self.0.take()?;
        (!sender.is_closed() && sender.ready().await.is_ok()).then_some(sender)
    }
}

/// Opens a connection to the router.
pub(super) async fn connect(visit: &Visit) -> Result<SendRequest<Full<Bytes>>, String> {
    let failed = |error: std::io::Error| format!("connect: {error}");
    let socket = TcpStream::connect(visit.router).await.map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    let (sender, connection) = handshake(TokioIo::new(socket)).await.map_err(told)?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

/// Sends a request on a connection of its own, and reads only the head of the answer.
pub(super) async fn open(
    visit: &Visit,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, String> {
    let asked = async {
        let mut sender = connect(visit).await?;
        sender.send_request(request).await.map_err(told)
    };
    let asked = timeout(PATIENCE, asked).await;
    asked.unwrap_or_else(|_| Err(format!("waited {} s", PATIENCE.as_secs())))
}

/// Which version answered.
pub(super) fn version(headers: &http::HeaderMap) -> Result<String, String> {
    let version = headers
        .get(VERSION_HEADER)
        .and_then(|value| value.to_str().ok());
    version
        .map(str::to_owned)
        .ok_or_else(|| "the answer names no version".to_owned())
}

fn refused(head: &http::response::Parts, body: &[u8]) -> String {
    let why = head.headers.get("x-windlass-router-error");
    let why = why
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    format!("status {} {why} {}", head.status, text.trim())
}

/// An error with what it came from.
fn told(error: hyper::Error) -> String {
    let source = std::error::Error::source(&error).map(ToString::to_string);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
