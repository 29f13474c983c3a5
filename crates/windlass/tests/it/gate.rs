//! A gate before a git server: a fetch that arrives while it is closed hangs until it opens.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::world::until;

/// Body of the request that transfers a repository, in protocol version 2. Looks at branches pass.
const FETCH: &[u8] = b"command=fetch";

pub(crate) struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    closed: bool,
    ended: bool,
    /// Connections that wait at the closed gate.
    waiting: usize,
    /// Fetches that came, held or not.
    fetches: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// Before the server at `http://127.0.0.1:…`; open.
    pub(crate) fn before(url: &str) -> Self {
        let server = url.trim_start_matches("http://").parse().expect("address");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if all.lock().ended {
                    return;
                }
                let shared = Arc::clone(&all);
                std::thread::spawn(move || pass(stream, server, &shared));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn close(&self) {
        self.shared.lock().closed = true;
    }

    pub(crate) fn open(&self) {
        self.shared.lock().closed = false;
        self.shared.changed.notify_all();
    }

    /// Waits until a fetch hangs at the closed gate.
    pub(crate) fn wait_hanging(&self) {
        until("a fetch at the gate", || self.shared.lock().waiting > 0);
    }

    /// Fetches that came so far.
    pub(crate) fn fetches(&self) -> usize {
        self.shared.lock().fetches
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        state.closed = false;
        drop(state);
        self.shared.changed.notify_all();
        // So that the thread sees it.
        let _ = TcpStream::connect(self.address);
    }
}

/// One request, one connection to the server behind.
fn pass(client: TcpStream, server: SocketAddr, shared: &Shared) {
    let Ok(mut behind) = TcpStream::connect(server) else {
        return;
    };
    let Some(request) = read(&client) else {
        return;
    };
    if contains(&request, FETCH) {
        let mut state = shared.lock();
        state.fetches += 1;
        state.waiting += 1;
        while state.closed {
            state = shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }
    let _ = behind.write_all(&request);
    let _ = std::io::copy(&mut behind, &mut &client);
    let _ = client.shutdown(Shutdown::Both);
}

/// Head and body of a request. The connection is closed after its answer, so there is no second.
pub(crate) fn read(client: impl Read) -> Option<Vec<u8>> {
    let mut reader = BufReader::new(client);
    let (mut request, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        request.extend_from_slice(line.as_bytes());
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.extend_from_slice(&body);
    Some(request)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
