//! A client that speaks plain bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than anything that a test waits for.
pub(crate) const GENEROUS: Duration = Duration::from_mins(1);

/// One connection to the router.
pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
}

/// A response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).into_iter().next()
    }

    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1);
        lines
            .filter_map(|line| line.split_once(':'))
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    pub(crate) fn error(&self) -> &str {
        self.header("x-windlass-router-error").unwrap_or_default()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(GENEROUS)).unwrap();
        stream.set_write_timeout(Some(GENEROUS)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn get(&mut self, host: &str, path: &str) -> Answer {
        self.get_with(host, path, "")
    }

    pub(crate) fn get_with(&mut self, host: &str, path: &str, headers: &str) -> Answer {
        self.send(format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
        ));
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer")
    }

    /// `None` when the connection ends first.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        let (status, head) = self.try_head()?;
        let lower = head.to_ascii_lowercase();
        let length = lower
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let mut body = Vec::new();
        if lower.contains("transfer-encoding: chunked") {
            loop {
                let chunk = self.try_chunk()?;
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
            }
        } else if let Some(length) = length {
            body.resize(length.trim().parse().unwrap(), 0);
            self.stream.read_exact(&mut body).ok()?;
        } else if status != 101 && status != 204 && status != 304 {
            self.stream.read_to_end(&mut body).ok()?;
        }
        Some(Answer { status, head, body })
    }

    /// Status and head of a response.
    pub(crate) fn try_head(&mut self) -> Option<(u16, String)> {
        let mut head = String::new();
        loop {
            let before = head.len();
            if self.stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
            if &head[before..] == "\r\n" {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return Some((status, head));
            }
        }
    }

    /// One chunk of a body; empty at its end, `None` when it is cut.
    pub(crate) fn try_chunk(&mut self) -> Option<Vec<u8>> {
        let mut size = String::new();
        if self.stream.read_line(&mut size).ok()? == 0 {
            return None;
        }
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).ok()?;
        chunk.truncate(size);
        Some(chunk)
    }

    /// Whether the other side closes now (or already has), without more bytes.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        // A reset is an end too.
        let ended = self.stream.read_to_end(&mut rest);
        rest.is_empty()
            && ended.map_or_else(
                |error| error.kind() != std::io::ErrorKind::WouldBlock,
                |_| true,
            )
    }
}

/// One request on a connection of its own.
pub(crate) fn get(address: SocketAddr, host: &str, path: &str) -> Answer {
    Client::connect(address).get(host, path)
}
