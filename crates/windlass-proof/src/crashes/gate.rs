//! A gate on a port of this machine: builds and tasks connect and wait for a line.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use windlass::demo::Failure;

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    is_gone: bool,
    waiting: Vec<TcpStream>,
    arrived: usize,
}

/// Who waits at it goes on when it is opened; who comes later does not wait.
#[derive(Debug)]
pub(super) struct Gate {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Gate {
    /// A closed gate.
    pub(super) fn new() -> Result<Self, Failure> {
        let system = |what| move |source| Failure::System { what, source };
        let listener = TcpListener::bind("127.0.0.1:0").map_err(system("listen"))?;
        let port = listener.local_addr().map_err(system("listen"))?.port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::Builder::new()
            .name("gate".to_owned())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    if state.is_gone {
                        return;
                    }
                    state.arrived += 1;
                    state.waiting.push(stream);
                    if state.is_open {
                        state.let_pass();
                    }
                }
            })
            .map_err(system("start a thread"))?;
        Ok(Self { port, state })
    }

    /// A command that waits at the gate and fails when the gate goes away.
    pub(super) fn command(&self) -> String {
        let port = self.port;
        format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && read -u 3 go'")
    }

    /// How many have come so far.
    pub(super) fn arrived(&self) -> usize {
        self.lock().arrived
    }

    /// Opens it.
    pub(super) fn open(&self) {
        let mut state = self.lock();
        state.is_open = true;
        state.let_pass();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn let_pass(&mut self) {
        for mut stream in self.waiting.drain(..) {
            // Who waited may have been killed.
            let _ = stream.write_all(b"go\n");
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        {
            let mut state = self.lock();
            state.is_gone = true;
            state.waiting.clear();
        }
        // The thread looks once more.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
