//! What strangers send and what lies on disk, read without a socket or a file. For the checks of
//! hostile input only: nothing of it is an interface.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};

use crate::compiled::{Compiler, usable};
use crate::config::Limits;
use crate::framing::{BodyFollower, HeadLimits, Refusal, check_head, head_end};
use crate::guard::{BLANK_LIMIT_BYTES, ClientConnection, Guard, GuardLimits, RefusalPath};
use crate::table::{Delta, Table};
use crate::table_file::{self, TableFileError, TableRead};
use crate::upstream::Uptime;

/// Begins the path of the request that stands for a refused one.
pub const REFUSED: &str = "/refused-";
/// No wait of these checks ever ends by it.
const LONG: Duration = Duration::from_hours(1);

/// A request that is let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Its head, the empty line included.
    pub head: Range<usize>,
    /// Its body as it is framed on the wire.
    pub body: Range<usize>,
    /// The body comes in chunks.
    pub is_chunked: bool,
    /// The client asks to leave HTTP.
    pub wants_upgrade: bool,
}

/// How the bytes of a connection end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Behind a request, or before the first.
    Whole,
    /// Within a head.
    InHead,
    /// Within a body. Its head has been let through: the request is the last one.
    InBody,
    /// What follows is refused.
    Refused,
}

fn limits() -> HeadLimits {
    let limits = Limits::default();
    HeadLimits {
        bytes: limits.header_bytes,
        headers: limits.header_count,
        uri_bytes: limits.uri_bytes,
    }
}

/// The requests of a connection that are let through, judged with all bytes at hand.
pub fn requests(bytes: &[u8]) -> (Vec<Passed>, End) {
    let mut passed = Vec::new();
    let mut at = 0;
    loop {
        let mut blank = 0;
        while bytes[at..].starts_with(b"\r\n") && blank < BLANK_LIMIT_BYTES {
            at += 2;
            blank += 2;
        }
        let rest = &bytes[at..];
        if rest.is_empty() {
            return (passed, End::Whole);
        }
        let end = match head_end(rest, 0) {
            Ok(Some(end)) => end,
            Ok(None) if rest.len() > limits().bytes => return (passed, End::Refused),
            Ok(None) => return (passed, End::InHead),
            Err(_) => return (passed, End::Refused),
        };
        let Ok(head) = check_head(&rest[..end], limits()) else {
            return (passed, End::Refused);
        };
        let mut body = BodyFollower::new(head.framing);
        let followed = body.follow(&rest[end..]);
        let taken = *followed.as_ref().unwrap_or(&0);
        passed.push(Passed {
            head: at..at + end,
            body: at + end..at + end + taken,
            is_chunked: matches!(body, BodyFollower::Chunked(_)),
            wants_upgrade: head.wants_upgrade,
        });
        at += end + taken;
        if followed.is_err() {
            return (passed, End::Refused);
        }
        if !body.is_at_end() {
            return (passed, End::InBody);
        }
    }
}

/// What the parser behind the guard of a connection is given, when the client's bytes arrive in
/// pieces of so many bytes. Every upgrade stays HTTP. An error is the end of the connection.
pub fn guarded(bytes: &[u8], piece_bytes: usize) -> (Vec<u8>, bool) {
    let connection = Arc::new(ClientConnection::new(Uptime::begin()));
    let limits = GuardLimits {
        head: limits(),
        header_time: LONG,
        idle_time: LONG,
        stall_time: LONG,
    };
    let pieces = Pieces {
        rest: bytes,
        piece_bytes: piece_bytes.max(1),
    };
    let refusal_path = RefusalPath(Arc::from(REFUSED));
    let mut guard = Guard::new(pieces, Arc::clone(&connection), limits, refusal_path);
    let mut context = Context::from_waker(Waker::noop());
    let mut delivered = Vec::new();
    let mut room = [0; 4096];
    loop {
        let mut out = ReadBuf::new(&mut room);
        match Pin::new(&mut guard).poll_read(&mut context, &mut out) {
            // The end came while the proxy had not yet decided.
            Poll::Ready(Ok(())) if out.filled().is_empty() && connection.take_undecided() => {
                connection.decide(false);
            }
            Poll::Ready(Ok(())) if out.filled().is_empty() => return (delivered, true),
            Poll::Ready(Ok(())) => delivered.extend_from_slice(out.filled()),
            Poll::Ready(Err(_)) => return (delivered, false),
            Poll::Pending if connection.take_undecided() => connection.decide(false),
            // Refused: the parser has all that it will get.
            Poll::Pending => return (delivered, true),
        }
    }
}

/// Bytes that arrive piece by piece, and then the end.
struct Pieces<'a> {
    rest: &'a [u8],
    piece_bytes: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let count = this.piece_bytes.min(out.remaining()).min(this.rest.len());
        let (piece, rest) = this.rest.split_at(count);
        out.put_slice(piece);
        this.rest = rest;
        Poll::Ready(Ok(()))
    }
}

/// How many ways there are to refuse.
pub const REFUSALS: usize = Refusal::ALL.len();

/// Reads the bytes of a table file.
pub fn table_of(bytes: &[u8]) -> TableRead {
    table_file::read_records(bytes)
}

/// A record of a table file.
///
/// # Errors
/// When it would be too long.
pub fn record(delta: &Delta) -> Result<Vec<u8>, TableFileError> {
    table_file::encode_record(delta)
}

/// Compiles a table as a router does when it takes it over, in the boot of its upstreams and in
/// another one.
pub fn compile(table: &Table) {
    for boot in [table.boot_id.as_str(), "another boot"] {
        let mut compiler = Compiler::new(1, Arc::default(), Arc::default());
        let usable = usable(table, boot);
        compiler.compile(&usable, None);
        compiler.mark();
    }
}
