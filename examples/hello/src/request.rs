//! Reads the head of a request.

use std::io::{BufRead, Read};

/// Bytes of a request's head.
const HEAD_BYTES: u64 = 64 * 1024;

/// How the body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks, until an empty one.
    Chunked,
}

/// The head of a request.
#[derive(Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    query: String,
    pub framing: Framing,
    /// Whether the client keeps the connection.
    pub keep_alive: bool,
    /// Whether the client waits to be asked for the body.
    pub expects_continue: bool,
    /// What the client wants to speak instead of HTTP.
    pub upgrade: Option<String>,
    /// Key of a client that wants a WebSocket.
    pub websocket_key: Option<String>,
}

impl Request {
    /// Reads one; `None` when the client has closed the connection between requests.
    pub fn read(stream: &mut impl BufRead) -> Result<Option<Self>, String> {
        let mut head = stream.take(HEAD_BYTES);
        let Some(line) = read_line(&mut head)? else {
            return Ok(None);
        };
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some(protocol), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err("bad request line".to_owned());
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            framing: Framing::Length(0),
            keep_alive: protocol == "HTTP/1.1",
            expects_continue: false,
            upgrade: None,
            websocket_key: None,
        };
        loop {
            let line = read_line(&mut head)?.ok_or("the head is not complete")?;
            if line.is_empty() {
                return Ok(Some(request));
            }
            let (name, value) = line.split_once(':').ok_or("bad header")?;
            request.header(&name.to_ascii_lowercase(), value.trim())?;
        }
    }

    /// A number of the query string, such as `ms` in `?ms=100`.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.parameter(name)?.parse().ok()
    }

    /// A value of the query string, as it stands there.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    fn header(&mut self, name: &str, value: &str) -> Result<(), String> {
        let lower = value.to_ascii_lowercase();
        match name {
            "content-length" if self.framing != Framing::Chunked => {
                let length = value.parse().map_err(|_| "bad content-length".to_owned())?;
                self.framing = Framing::Length(length);
            }
            "transfer-encoding" if lower == "chunked" => self.framing = Framing::Chunked,
            "transfer-encoding" => return Err("unknown transfer-encoding".to_owned()),
            "connection" if lower.contains("close") => self.keep_alive = false,
            "connection" if lower.contains("keep-alive") => self.keep_alive = true,
            "upgrade" => self.upgrade = Some(value.to_owned()),
            "expect" => self.expects_continue = lower == "100-continue",
            "sec-websocket-key" => self.websocket_key = Some(value.to_owned()),
            _ => {}
        }
        Ok(())
    }
}

/// A line without its end; `None` at the end of the stream.
pub fn read_line(stream: &mut impl BufRead) -> Result<Option<String>, String> {
    let mut line = Vec::new();
    let count = stream
        .read_until(b'\n', &mut line)
        .map_err(|error| error.to_string())?;
    if count == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err("a line is not complete or too long".to_owned());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line)
        .map(Some)
        .map_err(|_| "not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Request>, String> {
        Request::read(&mut text.as_bytes())
    }

    #[test]
    fn heads() {
        let request = read("GET /slow?ms=20&x=y HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap()
            .unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("GET", "/slow")
        );
        assert_eq!(request.number("ms"), Some(20));
        assert_eq!(request.parameter("x"), Some("y"));
        assert!(request.keep_alive);
        let request = read(
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\
                            Expect: 100-continue\r\n\r\n",
        );
        let request = request.unwrap().unwrap();
        assert_eq!(request.framing, Framing::Chunked);
        assert!(!request.keep_alive && request.expects_continue);
        assert!(read("").unwrap().is_none());
        for bad in [
            "GET\r\n\r\n",
            "GET / HTTP/1.1\r\nHost",
            "GET / HTTP/1.1\r\nx\r\n\r\n",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
