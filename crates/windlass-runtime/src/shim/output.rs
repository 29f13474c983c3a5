//! Reads what a process prints, line by line.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::log::{LogStream, MAX_LINE_BYTES};

/// Bytes that are read from one pipe before others get their turn.
const TURN_BYTES: usize = 256 * 1024;
/// Size of one read, in bytes: that of a pipe.
const READ_BYTES: usize = 64 * 1024;

/// The reading end of one output of one process.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) process: usize,
    pub(super) stream: LogStream,
    pipe: File,
    /// The begin of a line whose end has not come yet.
    line: Vec<u8>,
}

impl Output {
    pub(super) fn new(process: usize, stream: LogStream, pipe: OwnedFd) -> Self {
        Self {
            process,
            stream,
            pipe: pipe.into(),
            line: Vec::new(),
        }
    }

    /// Hands every complete line that is there to `take`. False once the output has ended.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, mut take: impl FnMut(&[u8])) -> bool {
        buffer.resize(READ_BYTES, 0);
        let mut turn = 0;
        while turn < TURN_BYTES {
            match self.pipe.read(buffer) {
                Ok(0) => {
                    self.finish(take);
                    return false;
                }
                Ok(length) => {
                    turn += length;
                    self.split(&buffer[..length], &mut take);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Hands over a last line that has no end.
    pub(super) fn finish(&mut self, mut take: impl FnMut(&[u8])) {
        if !self.line.is_empty() {
            take(&self.line);
            self.line = Vec::new();
        }
    }

    fn split(&mut self, bytes: &[u8], take: &mut impl FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            self.line.extend_from_slice(text);
            while self.line.len() > MAX_LINE_BYTES {
                let rest = self.line.split_off(MAX_LINE_BYTES);
                take(&self.line);
                self.line = rest;
            }
            if is_whole {
                take(&self.line);
                self.line.clear();
            }
        }
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let null = File::open("/dev/null").unwrap();
        let mut output = Output::new(0, LogStream::Out, null.into());
        let mut lines = Vec::new();
        for chunk in chunks {
            output.split(chunk, &mut |line: &[u8]| lines.push(line.to_vec()));
        }
        output.finish(|line| lines.push(line.to_vec()));
        lines
    }

    #[test]
    fn lines_are_joined_over_reads_and_split_at_the_limit() {
        assert_eq!(lines(&[b"a\n\nb", b"c\nd"]), [&b"a"[..], b"", b"bc", b"d"]);
        let long = vec![b'x'; MAX_LINE_BYTES + 1];
        let got = lines(&[&long, b"\ny\n"]);
        assert_eq!(
            got.iter().map(Vec::len).collect::<Vec<_>>(),
            [MAX_LINE_BYTES, 1, 1]
        );
    }
}
