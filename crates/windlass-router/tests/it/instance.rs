//! Instances for tests: small servers that say who they are, and that can be
//! told to misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use windlass_router::Upstream;

/// A server on a port of its own; it ends with the test process.
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) requests: Arc<AtomicUsize>,
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
}

/// One request, as an instance reads it.
pub(crate) struct Asked {
    /// Request line and headers.
    pub(crate) head: String,
    pub(crate) stream: BufReader<TcpStream>,
    /// Number of the request on its connection, from 0.
    pub(crate) number: usize,
}

impl Asked {
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Reads the body, whatever its framing.
    pub(crate) fn body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        if self.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk() {
                body.extend(chunk);
            }
        } else if let Some(length) = self.header("content-length") {
            body.resize(length.parse().unwrap(), 0);
            self.stream.read_exact(&mut body).unwrap();
        }
        body
    }

    /// One chunk; `None` at the end.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut size = String::new();
        self.stream.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).unwrap();
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        // A router that has hung up is no failure of the instance.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    pub(crate) fn answer(&mut self, body: &str) {
        self.answer_with("", body);
    }

    pub(crate) fn answer_with(&mut self, headers: &str, body: &str) {
        let length = body.len();
        let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        self.write(text.as_bytes());
    }
}

/// Whether the connection goes on after a request.
pub(crate) type Keep = bool;

impl Instance {
    /// Serves with `serve`, one thread per connection.
    pub(crate) fn start(
        id: &str,
        serve: impl Fn(&mut Asked) -> Keep + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let instance = Self {
            id: id.to_owned(),
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
            heads: Arc::default(),
        };
        let (connections, requests, heads) = (
            Arc::clone(&instance.connections),
            Arc::clone(&instance.requests),
            Arc::clone(&instance.heads),
        );
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (requests, heads) = (Arc::clone(&requests), Arc::clone(&heads));
                let (serve, stream) = (Arc::clone(&serve), stream.unwrap());
                connections.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    let mut stream = BufReader::new(stream);
                    for number in 0.. {
                        let Some(head) = read_head(&mut stream) else {
                            return;
                        };
                        requests.fetch_add(1, Ordering::SeqCst);
                        heads.lock().unwrap().push(head.clone());
                        let mut asked = Asked {
                            head,
                            stream,
                            number,
                        };
                        if !serve(&mut asked) {
                            return;
                        }
                        stream = asked.stream;
                    }
                });
            }
        });
        instance
    }

    /// Answers every request with its id.
    pub(crate) fn named(id: &str) -> Self {
        let name = id.to_owned();
        Self::start(id, move |asked| {
            asked.body();
            asked.answer(&name);
            true
        })
    }

    /// An address where nothing listens.
    pub(crate) fn dead(id: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        Self {
            id: id.to_owned(),
            address,
            connections: Arc::default(),
            requests: Arc::default(),
            heads: Arc::default(),
        }
    }

    pub(crate) fn upstream(&self, index: u32) -> Upstream {
        Upstream {
            id: self.id.clone(),
            address: self.address,
            index,
            public_id: format!("public-{}", self.id),
        }
    }
}

fn read_head(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if &head[before..] == "\r\n" {
            return Some(head);
        }
    }
}
