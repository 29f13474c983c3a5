//! A client's HTTP/1 connection, watched.
//!
//! The guard reads in front of the HTTP parser. It holds a head back until it
//! is whole and unambiguous, follows the body to know where the next head
//! begins, and keeps the times: a slow head, an idle connection, a client that
//! does not read. A refused head is replaced by a request of the guard's own,
//! whose secret path tells the proxy what to answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use windlass_clock::task::{Instant, Sleep, sleep, sleep_until};

use crate::framing::{BodyFollower, HeadLimits, Refusal, check_head, head_end};

mod connection;

pub(crate) use connection::ClientConnection;
use connection::Decided;

/// Read at once from the socket, in bytes.
const READ_BYTES: usize = 16 * 1024;
/// Empty lines before a request line, which some clients send after a body.
pub(crate) const BLANK_LIMIT_BYTES: usize = 8;
/// Bytes that may arrive before an upgrade is decided.
const UNDECIDED_LIMIT_BYTES: usize = 64 * 1024;
/// After a refusal the rest of what the client sends is read and dropped, so
/// that the answer is not lost to a reset: so much, in bytes, …
const LINGER_BYTES: usize = 256 * 1024;
/// … and so long.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// Times of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GuardLimits {
    pub(crate) head: HeadLimits,
    pub(crate) header_time: Duration,
    pub(crate) idle_time: Duration,
    pub(crate) stall_time: Duration,
}

/// The path that a refusal is told by. It is secret, so no client can ask for
/// it.
#[derive(Debug, Clone)]
pub(crate) struct RefusalPath(pub(crate) Arc<str>);

impl RefusalPath {
    /// The refusal that a path tells, if it is one of ours.
    pub(crate) fn refusal(&self, path: &str) -> Option<Refusal> {
        let number: usize = path.strip_prefix(&*self.0)?.parse().ok()?;
        Refusal::ALL.get(number).copied()
    }

    fn request(&self, refusal: Refusal) -> String {
        let number = Refusal::ALL
            .iter()
            .position(|known| *known == refusal)
            .unwrap_or(0);
        format!(
            "GET {}{number} HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n",
            self.0
        )
    }
}

/// The watched stream.
#[derive(Debug)]
pub(crate) struct Guard<S> {
    stream: S,
    connection: Arc<ClientConnection>,
    limits: GuardLimits,
    refusal_path: RefusalPath,
    phase: Phase,
    buffer: BytesMut,
    /// Bytes at the front of the buffer that may be delivered.
    cleared: usize,
    /// Bytes of the buffer that hold no end of a head.
    scanned: usize,
    /// Bytes of empty lines before the next head.
    blank_bytes: usize,
    head_since: Option<Instant>,
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    lingered_bytes: usize,
}

#[derive(Debug)]
enum Phase {
    Head,
    Body(BodyFollower),
    Undecided,
    Raw,
    Refused,
}

impl<S> Guard<S> {
    pub(crate) fn new(
        stream: S,
        connection: Arc<ClientConnection>,
        limits: GuardLimits,
        refusal_path: RefusalPath,
    ) -> Self {
        Self {
            stream,
            connection,
            limits,
            refusal_path,
            phase: Phase::Head,
            buffer: BytesMut::new(),
            cleared: 0,
            scanned: 0,
            blank_bytes: 0,
            head_since: None,
            read_timer: None,
            write_timer: None,
            lingered_bytes: 0,
        }
    }

    /// Judges what is in the buffer. True when something may be delivered or
    /// the phase has changed.
    fn advance(&mut self) -> io::Result<bool> {
        match &mut self.phase {
            Phase::Head => Ok(self.advance_head()),
            Phase::Body(body) => {
                if self.buffer.is_empty() {
                    return Ok(false);
                }
                let taken = body
                    .follow(&self.buffer)
                    .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "ambiguous chunks"))?;
                self.cleared = taken;
                if body.is_at_end() {
                    self.phase = Phase::Head;
                    self.scanned = 0;
                }
                Ok(taken > 0)
            }
            Phase::Undecided => match self.connection.decided() {
                Decided::StaysHttp => {
                    self.phase = Phase::Head;
                    self.scanned = 0;
                    Ok(true)
                }
                Decided::LeavesHttp => {
                    self.phase = Phase::Raw;
                    Ok(true)
                }
                Decided::NotYet => Ok(false),
            },
            Phase::Raw => {
                self.cleared = self.buffer.len();
                Ok(self.cleared > 0)
            }
            Phase::Refused => Ok(false),
        }
    }

    fn advance_head(&mut self) -> bool {
        while self.scanned == 0
            && self.buffer.starts_with(b"\r\n")
            && self.blank_bytes < BLANK_LIMIT_BYTES
        {
            self.buffer.advance(2);
            self.blank_bytes += 2;
        }
        // A lone carriage return may be the start of such an empty line.
        if self.buffer.is_empty() || &self.buffer[..] == b"\r" {
            return false;
        }
        let verdict = match head_end(&self.buffer, self.scanned) {
            Ok(Some(end)) => {
                check_head(&self.buffer[..end], self.limits.head).map(|head| (end, head))
            }
            Ok(None) if self.buffer.len() > self.limits.head.bytes => Err(self.oversize()),
            Ok(None) => {
                self.scanned = self.buffer.len();
                return false;
            }
            Err(refusal) => Err(refusal),
        };
        self.head_since = None;
        self.scanned = 0;
        self.blank_bytes = 0;
        match verdict {
            Ok((end, head)) => {
                self.cleared = end;
                let body = BodyFollower::new(head.framing);
                self.phase = if head.wants_upgrade {
                    self.connection.leave_undecided();
                    Phase::Undecided
                } else if body.is_at_end() {
                    Phase::Head
                } else {
                    Phase::Body(body)
                };
            }
            Err(refusal) => self.refuse(refusal),
        }
        true
    }

    /// A head over the limit whose first line has not even ended is all target.
    fn oversize(&self) -> Refusal {
        if self.buffer.contains(&b'\n') {
            Refusal::HeadersTooLarge
        } else {
            Refusal::UriTooLong
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.phase = Phase::Refused;
        self.buffer.clear();
        self.buffer
            .extend_from_slice(self.refusal_path.request(refusal).as_bytes());
        self.cleared = self.buffer.len();
        self.head_since = None;
    }

    /// When the client must have said something; `None` while the time is
    /// somebody else's.
    fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Head => Some(if let Some(since) = self.head_since {
                since + self.limits.header_time
            } else {
                let idle = self.connection.idle_for().unwrap_or_default();
                Instant::now() + self.limits.idle_time.saturating_sub(idle)
            }),
            // The proxy watches the body: it knows whether anybody waits for it.
            Phase::Body(_) | Phase::Undecided | Phase::Raw | Phase::Refused => None,
        }
    }

    /// Ready when the client's time is over.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(deadline) = self.deadline() else {
                self.read_timer = None;
                return Poll::Pending;
            };
            let timer = self
                .read_timer
                .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            // A timer that is set too early is set again when it fires; one
            // that is set too late would let a slow head through.
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                self.read_timer = None;
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

impl<S: AsyncRead + Unpin> Guard<S> {
    /// Reads into the buffer. `Ready(0)` is the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = [std::mem::MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        self.buffer.extend_from_slice(read.filled());
        if matches!(self.phase, Phase::Head) && !read.filled().is_empty() {
            self.head_since.get_or_insert_with(Instant::now);
        }
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Bytes of a body of known length need no look: they go straight through.
    fn poll_straight(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Option<Poll<io::Result<()>>> {
        let left = match &mut self.phase {
            Phase::Raw => return Some(Pin::new(&mut self.stream).poll_read(cx, out)),
            Phase::Body(BodyFollower::Length(left)) => left,
            Phase::Body(BodyFollower::Chunked(_))
            | Phase::Head
            | Phase::Undecided
            | Phase::Refused => return None,
        };
        let limit = usize::try_from(*left)
            .unwrap_or(usize::MAX)
            .min(out.remaining());
        let mut part = ReadBuf::new(out.initialize_unfilled_to(limit));
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut part);
        let filled = part.filled().len();
        out.advance(filled);
        *left -= filled as u64;
        if *left == 0 {
            self.phase = Phase::Head;
        }
        Some(polled)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.cleared > 0 {
                let count = this.cleared.min(out.remaining());
                out.put_slice(&this.buffer[..count]);
                this.buffer.advance(count);
                this.cleared -= count;
                return Poll::Ready(Ok(()));
            }
            if this.advance()? {
                continue;
            }
            match this.phase {
                // The end of the stream would look like a client that has left;
                // the answer, once written, ends the connection.
                Phase::Refused => return Poll::Pending,
                Phase::Undecided => {
                    this.connection.wake_when_decided(cx.waker());
                    if this.buffer.len() >= UNDECIDED_LIMIT_BYTES {
                        return Poll::Pending;
                    }
                }
                Phase::Head | Phase::Body(_) | Phase::Raw => {}
            }
            if this.buffer.is_empty()
                && let Some(polled) = this.poll_straight(cx, out)
            {
                return polled;
            }
            match this.poll_fill(cx)? {
                Poll::Ready(0) => return Poll::Ready(Ok(())),
                Poll::Ready(_) => {}
                Poll::Pending => {
                    ready!(this.poll_overdue(cx));
                    if this.head_since.is_some() {
                        this.refuse(Refusal::HeaderTimeout);
                    } else {
                        // An idle connection ends without a word.
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Guard<S> {
    /// A client that does not read may hold a response only so long.
    fn watch_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.write_timer = None;
            return polled;
        }
        let limit = self.limits.stall_time;
        let timer = self
            .write_timer
            .get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read",
        )))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.watch_write(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, parts);
        this.watch_write(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        this.watch_write(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let unread = matches!(this.phase, Phase::Refused | Phase::Body(_));
        if this.lingered_bytes == 0 {
            let polled = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(this.watch_write(cx, polled))?;
        }
        if !unread {
            return Poll::Ready(Ok(()));
        }
        let timer = this
            .read_timer
            .get_or_insert_with(|| Box::pin(sleep(LINGER_TIME)));
        if this.lingered_bytes == 0 {
            timer.as_mut().reset(Instant::now() + LINGER_TIME);
            this.lingered_bytes = 1;
        }
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        loop {
            this.buffer.clear();
            this.cleared = 0;
            match ready!(this.poll_fill(cx)) {
                Ok(1..) if this.lingered_bytes < LINGER_BYTES => {
                    this.lingered_bytes += this.buffer.len();
                }
                Ok(_) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
