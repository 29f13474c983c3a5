//! Serves an API over TLS: HTTP/1.1 and HTTP/2, with limits, to an orderly end.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Version, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use windlass_clock::task::Instant;

use activity::Activity;
use patience::Patience;

mod activity;
mod patience;

/// Open connections; more wait unaccepted.
const CONNECTION_LIMIT: usize = 2_000;
/// TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// From the first byte of a request to the end of its head.
const HEAD_LIMIT: Duration = Duration::from_secs(20);
/// Bytes of the head of one request.
const HEAD_LIMIT_BYTES: usize = 64 * 1024;
/// A connection without a request is closed after so long. Clients keep theirs for up to 90 s
/// (Go, reqwest), and one that has just been closed fails whatever request is on its way: so it is
/// them who have to end first.
const QUIET_LIMIT: Duration = Duration::from_mins(2);
/// Requests at the same time on one HTTP/2 connection.
const STREAM_LIMIT: u32 = 128;
/// Requests in flight may finish for so long at the end.
const END_LIMIT: Duration = Duration::from_secs(5);
/// At the end a connection is kept open so long for one more request, or its first: its client may
/// be sending it already. The answer says that the connection ends.
const FAREWELL: Duration = Duration::from_millis(500);
/// Pause after a failed accept (too many open files), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`; then requests in flight may finish. Must be called within a runtime.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    let router = router.layer(from_fn_with_state(stop.clone(), say_farewell));
    // Closed when the last connection has ended.
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    loop {
        let accepted = async {
            // Never closed, so there is always a place some time.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = stop.cancelled() => break,
            (place, accepted) = accepted => match (place, accepted) {
                (Ok(place), Ok((stream, _))) => {
                    let connection =
                        connection(acceptor.clone(), stream, router.clone(), stop.clone());
                    tokio::spawn(hold(place, open.clone(), connection));
                }
                _ => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(open);
    let _ = tokio::time::timeout(END_LIMIT, all_closed.recv()).await;
    Ok(())
}

async fn hold(
    place: OwnedSemaphorePermit,
    open: mpsc::Sender<()>,
    connection: impl Future<Output = ()>,
) {
    connection.await;
    drop((place, open));
}

/// Says at the end that a connection takes no further request. HTTP/2 has a way of its own.
async fn say_farewell(
    State(stop): State<CancellationToken>,
    request: Request,
    next: Next,
) -> Response {
    let can_be_last = request.version() <= Version::HTTP_11;
    let mut response = next.run(request).await;
    if can_be_last && stop.is_cancelled() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

async fn connection(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    router: Router,
    stop: CancellationToken,
) {
    // Answers are small and clients wait for them.
    let _ = stream.set_nodelay(true);
    let last_request = async {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    let mut last_request = std::pin::pin!(last_request);
    let stream = tokio::select! {
        stream = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)) => stream,
        () = &mut last_request => return,
    };
    let Ok(Ok(stream)) = stream else { return };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    if is_http2 {
        answer(http2(), stream, None, router, last_request).await;
    } else {
        answer(http1(), stream, Some(HEAD_LIMIT), router, last_request).await;
    }
}

fn http1() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    // Heads have their time limit in `Patience`.
    builder
        .http1()
        .header_read_timeout(None)
        .max_buf_size(HEAD_LIMIT_BYTES);
    builder
}

fn http2() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAM_LIMIT)
        .max_header_list_size(u32::try_from(HEAD_LIMIT_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30));
    builder
}

/// Answers the requests of a connection until its client has ended it, has been quiet for too long,
/// or `last_request` says that the one under way is the last.
async fn answer<S>(
    builder: auto::Builder<TokioExecutor>,
    stream: S,
    head_limit: Option<Duration>,
    router: Router,
    last_request: impl Future<Output = ()>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::new());
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let active = activity.begin();
        let answer = router.clone().oneshot(request);
        async move { Ok::<_, Infallible>(active.until_end_of(answer.await?)) }
    });
    let stream = Patience::new(stream, Arc::clone(&activity), head_limit);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = activity.quiet(QUIET_LIMIT, Instant::now()) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                // A request may have come at this moment; one that has not even begun to speak
                // HTTP/2 is not waited for.
                () = activity.quiet(END_LIMIT, Instant::now()) => return,
            }
        }
        () = last_request => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests;
