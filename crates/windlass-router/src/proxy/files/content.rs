//! The content of a file on its way to a client, at the client's pace.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::proxy::exchange::{End, Exchange};

/// Bytes that are read at once.
const CHUNK_BYTES: u64 = 64 * 1024;

type Read = (File, io::Result<Vec<u8>>);

/// A part of a file, with what ends together with it.
#[derive(Debug)]
pub(crate) struct FileBody {
    /// `None` while a thread reads from it, and after a failure.
    file: Option<File>,
    reading: Option<JoinHandle<Read>>,
    at: u64,
    left: u64,
    exchange: Exchange,
}

impl FileBody {
    pub(crate) fn new(file: File, start: u64, length: u64, exchange: Exchange) -> Self {
        Self {
            file: Some(file),
            reading: None,
            at: start,
            left: length,
            exchange,
        }
    }

    pub(crate) fn is_end(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }

    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.reading.is_none() {
            let Some(file) = self.file.take() else {
                return Poll::Ready(None);
            };
            let (at, length) = (self.at, self.left.min(CHUNK_BYTES));
            // Disks make threads wait, and this one serves others.
            self.reading = Some(tokio::task::spawn_blocking(move || read(file, at, length)));
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let done = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let bytes = match done {
            Ok((file, Ok(bytes))) => {
                self.file = Some(file);
                bytes
            }
            Ok((_, Err(error))) => return Poll::Ready(Some(Err(self.failed(error)))),
            Err(error) => return Poll::Ready(Some(Err(self.failed(io::Error::other(error))))),
        };
        let length = bytes.len() as u64;
        self.at += length;
        self.left = self.left.saturating_sub(length);
        self.exchange.add_bytes(length);
        if self.left == 0 {
            self.exchange.end(End::Complete);
        }
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }

    fn failed(&mut self, error: io::Error) -> io::Error {
        self.exchange.end(End::EndpointFailed);
        error
    }
}

/// Exactly so many bytes: a file that has become shorter is an error, since its
/// length was told.
fn read(file: File, at: u64, length: u64) -> Read {
    let length = usize::try_from(length.min(CHUNK_BYTES)).unwrap_or_default();
    let mut bytes = vec![0; length];
    let read = file.read_exact_at(&mut bytes, at).map(|()| bytes);
    (file, read)
}
