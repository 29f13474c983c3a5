//! Serves an API over TLS: HTTP/1.1 and HTTP/2, with limits, to an orderly end.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Version, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Open connections; more wait unaccepted.
const CONNECTION_LIMIT: usize = 2_000;
/// TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// From the first byte of a request to the end of its headers.
const HEADER_LIMIT: Duration = Duration::from_secs(20);
/// Header bytes of one request.
const HEADER_LIMIT_BYTES: usize = 64 * 1024;
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
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(HEADER_LIMIT_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAM_LIMIT)
        .max_header_list_size(u32::try_from(HEADER_LIMIT_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30));
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = last_request => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
