//! Connections to instances. Each worker has a pool of its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use windlass_clock::task::Instant;

use crate::proxy::body::RequestBody;
use crate::upstream::UpstreamState;

/// A connection that is ready for one request.
#[derive(Debug)]
pub(crate) struct UpstreamConnection {
    pub(crate) sender: SendRequest<RequestBody>,
    /// Bytes that were ever read from it.
    pub(crate) read_bytes: Arc<AtomicU64>,
    /// Whether it has served a request before.
    pub(crate) is_reused: bool,
}

/// Idle connections, by instance.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: RefCell<HashMap<Arc<str>, Vec<Idle>>>,
    limit: usize,
    idle_time: Duration,
}

#[derive(Debug)]
struct Idle {
    connection: UpstreamConnection,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(limit: usize, idle_time: Duration) -> Self {
        Self {
            idle: RefCell::default(),
            limit,
            idle_time,
        }
    }

    /// The connection that was used last, if it still is good.
    pub(crate) async fn take(&self, upstream: &Arc<str>) -> Option<UpstreamConnection> {
        loop {
            let idle = self.idle.borrow_mut().get_mut(upstream)?.pop()?;
            if idle.since.elapsed() >= self.idle_time || idle.connection.sender.is_closed() {
                continue;
            }
            let mut connection = idle.connection;
            // Its task may not yet have come to see the end of the last
            // response, or that the instance has closed it.
            if connection.sender.ready().await.is_ok() {
                connection.is_reused = true;
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose last response was read to its end.
    pub(crate) fn put(&self, upstream: &Arc<str>, connection: UpstreamConnection) {
        if connection.sender.is_closed() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let connections = idle.entry(Arc::clone(upstream)).or_default();
        if connections.len() < self.limit {
            connections.push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    /// Drops all idle connections to an instance: one of them was found dead.
    pub(crate) fn forget(&self, upstream: &str) {
        self.idle.borrow_mut().remove(upstream);
    }

    /// Drops what has been idle for too long.
    pub(crate) fn sweep(&self) {
        self.idle.borrow_mut().retain(|_, connections| {
            connections.retain(|idle| {
                idle.since.elapsed() < self.idle_time && !idle.connection.sender.is_closed()
            });
            !connections.is_empty()
        });
    }
}

/// Connects to an instance. Must be called within a local task set.
pub(crate) async fn connect(
    upstream: &UpstreamState,
    limit: Duration,
) -> io::Result<UpstreamConnection> {
    let stream = tokio::time::timeout(limit, TcpStream::connect(upstream.address))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "connecting took too long"))??;
    stream.set_nodelay(true)?;
    let read_bytes = Arc::new(AtomicU64::new(0));
    let counted = Counted {
        stream,
        read_bytes: Arc::clone(&read_bytes),
    };
    let (sender, connection) = http1::handshake(TokioIo::new(counted))
        .await
        .map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        // Its errors reach the request; an idle one is simply gone.
        let _ = connection.with_upgrades().await;
    });
    Ok(UpstreamConnection {
        sender,
        read_bytes,
        is_reused: false,
    })
}

/// A stream that counts what is read: only an attempt of which nothing was read
/// may be repeated.
#[derive(Debug)]
struct Counted {
    stream: TcpStream,
    read_bytes: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, out);
        self.read_bytes
            .fetch_add((out.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
