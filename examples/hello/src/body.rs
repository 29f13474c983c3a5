//! Reads the body of a request, as it is framed.

use std::io::{BufRead, Error, ErrorKind, Read, Result};

use crate::request::{Framing, read_line};

/// The body of one request. Read to its end, the stream stands at the next request.
pub struct Body<'a, R> {
    stream: &'a mut R,
    framing: Framing,
    /// Of the body, or of the current chunk.
    left_bytes: u64,
    is_over: bool,
}

impl<'a, R: BufRead> Body<'a, R> {
    /// Of the request whose head has just been read.
    pub fn new(stream: &'a mut R, framing: Framing) -> Self {
        let (left_bytes, is_over) = match framing {
            Framing::Length(bytes) => (bytes, bytes == 0),
            Framing::Chunked => (0, false),
        };
        Self {
            stream,
            framing,
            left_bytes,
            is_over,
        }
    }

    /// Reads what is left and returns how much that was, in bytes.
    pub fn drain(&mut self) -> Result<u64> {
        std::io::copy(self, &mut std::io::sink())
    }

    fn next_chunk(&mut self) -> Result<()> {
        let bad = |text: String| Error::new(ErrorKind::InvalidData, text);
        let line = read_line(self.stream).map_err(bad)?.unwrap_or_default();
        let size = line.split(';').next().unwrap_or_default().trim();
        self.left_bytes = u64::from_str_radix(size, 16).map_err(|e| bad(e.to_string()))?;
        if self.left_bytes == 0 {
            // Trailers, up to an empty line.
            while read_line(self.stream)
                .map_err(bad)?
                .is_some_and(|line| !line.is_empty())
            {}
            self.is_over = true;
        }
        Ok(())
    }

    fn end_chunk(&mut self) -> Result<()> {
        let line =
            read_line(self.stream).map_err(|text| Error::new(ErrorKind::InvalidData, text))?;
        match line.as_deref() {
            Some("") => Ok(()),
            _ => Err(Error::new(
                ErrorKind::InvalidData,
                "a chunk is longer than it says",
            )),
        }
    }
}

impl<R: BufRead> Read for Body<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if !self.is_over && self.left_bytes == 0 {
            self.next_chunk()?;
        }
        if self.is_over || buffer.is_empty() {
            return Ok(0);
        }
        let room = usize::try_from(self.left_bytes)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self.stream.read(&mut buffer[..room])?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.left_bytes -= count as u64;
        if self.left_bytes == 0 {
            match self.framing {
                Framing::Length(_) => self.is_over = true,
                Framing::Chunked => self.end_chunk()?,
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_framings_stop_at_the_next_request() {
        let mut stream = &b"hello worldNEXT"[..];
        assert_eq!(
            Body::new(&mut stream, Framing::Length(11)).drain().unwrap(),
            11
        );
        assert_eq!(stream, b"NEXT");
        let mut stream = &b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\nNEXT"[..];
        let mut text = String::new();
        Body::new(&mut stream, Framing::Chunked)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!((text.as_str(), stream), ("hello world", &b"NEXT"[..]));
        let mut stream = &b"5\r\nhel"[..];
        assert!(Body::new(&mut stream, Framing::Chunked).drain().is_err());
    }
}
