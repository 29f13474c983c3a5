//! Accepts clients at one address and deals them out to the workers in turn.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpListener as TokioListener;
use tokio::sync::{Semaphore, mpsc};
use tracing::{debug, warn};

use crate::worker::Arrival;

/// Rest after the system refused to accept (no file descriptors left).
const REST: Duration = Duration::from_millis(50);

/// One address.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TokioListener,
    tls: Option<Arc<ServerConfig>>,
    workers: Vec<mpsc::Sender<Arrival>>,
    next_worker: usize,
    /// Places for connections, of all addresses together.
    places: Arc<Semaphore>,
}

impl Acceptor {
    /// Must be called within a runtime.
    pub(crate) fn new(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        workers: Vec<mpsc::Sender<Arrival>>,
        places: Arc<Semaphore>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TokioListener::from_std(listener)?;
        Ok(Self {
            listener,
            tls,
            workers,
            next_worker: 0,
            places,
        })
    }

    /// Accepts until it is dropped. Without a free place clients wait in the
    /// socket's own queue.
    pub(crate) async fn run(mut self) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                return;
            };
            let (stream, address) = match self.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_of_one_client(&error) => {
                    debug!(%error, "a client left before it was accepted");
                    continue;
                }
                Err(error) => {
                    warn!(%error, "cannot accept clients");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            let tls = self.tls.clone();
            if !self
                .deal(Arrival {
                    stream,
                    address,
                    tls,
                    place,
                })
                .await
            {
                return;
            }
        }
    }

    async fn accept(&self) -> io::Result<(std::net::TcpStream, std::net::SocketAddr)> {
        let (stream, address) = self.listener.accept().await?;
        // It leaves this thread's runtime; its worker takes it into its own.
        Ok((stream.into_std()?, address))
    }

    /// Hands a client to the worker whose turn it is, or to the next that has
    /// room. False when the workers are gone.
    async fn deal(&mut self, mut arrival: Arrival) -> bool {
        let count = self.workers.len();
        for _ in 0..count {
            let worker = self.next_worker;
            self.next_worker = (worker + 1) % count;
            match self.workers[worker].try_send(arrival) {
                Ok(()) => return true,
                Err(mpsc::error::TrySendError::Full(back)) => arrival = back,
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
            }
        }
        self.workers[self.next_worker].send(arrival).await.is_ok()
    }
}

fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        error.kind(),
        K::ConnectionAborted | K::ConnectionReset | K::Interrupted
    )
}
