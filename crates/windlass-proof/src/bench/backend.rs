//! Upstreams of the benchmarks: they answer each request with the same bytes, as cheaply as they
//! can, so that what is measured is the proxy.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Longest head of a request, bytes.
const HEAD_LIMIT: usize = 16 * 1024;

/// A running upstream. It ends with this value.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Backend {
    /// Answers 200 with a body of so many bytes, and its name in the header `X-Upstream`.
    pub(super) async fn start(name: &str, body_bytes: usize) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nX-Upstream: {name}\r\nContent-Length: {body_bytes}\r\n\r\n"
        )
        .into_bytes();
        answer.resize(answer.len() + body_bytes, b'x');
        let answer: Arc<[u8]> = answer.into();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                tokio::spawn(async move {
                    // A proxy that closes its connection ends it.
                    let _ = serve(socket, &answer).await;
                });
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Requests have no body here.
async fn serve(mut socket: TcpStream, answer: &[u8]) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut read = Vec::with_capacity(4 * 1024);
    loop {
        if let Some(end) = end_of_head(&read) {
            read.drain(..end);
            socket.write_all(answer).await?;
            continue;
        }
        if read.len() > HEAD_LIMIT || socket.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
}

/// Where the head of a message ends.
pub(super) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 4)
}
