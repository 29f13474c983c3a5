//! Waits for the rest of a head only so long. Between requests a client may be silent for longer:
//! that is not counted here, while the time limit of the HTTP library counts both as one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use windlass_clock::task::{Instant, Sleep, sleep_until};

use super::activity::Activity;

/// The stream of a connection.
#[derive(Debug)]
pub(super) struct Patience<S> {
    stream: S,
    activity: Arc<Activity>,
    /// `None` = what arrives are not heads one after the other, but frames.
    limit: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    /// Waits for a head at most so long.
    pub(super) fn new(stream: S, activity: Arc<Activity>, limit: Option<Duration>) -> Self {
        Self {
            stream,
            activity,
            limit,
            timer: None,
        }
    }

    /// Ready when the client's time for its head is over.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let (Some(since), Some(limit)) = (self.activity.head_since(), self.limit) else {
                self.timer = None;
                return Poll::Pending;
            };
            let deadline = since + limit;
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            // One that was set for an earlier head fires early, and is set again.
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, out);
        if polled.is_ready() {
            if this.limit.is_some() && out.filled().len() > before {
                this.activity.arrived();
            }
            return polled;
        }
        ready!(this.poll_overdue(cx));
        let late = io::Error::new(io::ErrorKind::TimedOut, "the head came too slowly");
        Poll::Ready(Err(late))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
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
