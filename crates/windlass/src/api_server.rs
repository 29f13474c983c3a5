//! Serves an API over TLS: HTTP/1.1 and HTTP/2, with limits, to an orderly end.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
    let graceful = Arc::new(GracefulShutdown::new());
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
                        connection(acceptor.clone(), stream, router.clone(), graceful.watcher());
                    tokio::spawn(hold(place, connection));
                }
                _ => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    if let Some(graceful) = Arc::into_inner(graceful) {
        let _ = tokio::time::timeout(END_LIMIT, graceful.shutdown()).await;
    }
    Ok(())
}

async fn hold(place: OwnedSemaphorePermit, connection: impl Future<Output = ()>) {
    connection.await;
    drop(place);
}

async fn connection(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Answers are small and clients wait for them.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await
    else {
        return;
    };
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
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
