//! A connection to a shim.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::protocol::{FromShim, MAX_MESSAGE_BYTES, ToShim, to_line};
use crate::spec::{PROTOCOL, is_understood};
use crate::state::{RunState, SOCKET_FILE};

/// How long a shim may take to greet.
const GREETING_LIMIT: Duration = Duration::from_secs(10);

/// Both halves of a connection, after the greeting.
pub(super) struct Connection {
    pub(super) reader: Messages,
    pub(super) writer: OwnedWriteHalf,
    /// The state that the shim greeted with.
    pub(super) state: RunState,
}

/// Messages of a shim.
pub(super) struct Messages {
    reader: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(run_dir: &Path) -> io::Result<Self> {
        // A socket's path may have about a hundred bytes only: go through an open directory.
        let dir: File = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(run_dir)?;
        let path = format!("/proc/self/fd/{}/{SOCKET_FILE}", dir.as_raw_fd());
        let (reader, mut writer) = UnixStream::connect(path).await?.into_split();
        drop(dir);
        send(&mut writer, &ToShim::Hello { protocol: PROTOCOL }).await?;
        let mut reader = Messages {
            reader: BufReader::new(reader),
            line: Vec::new(),
        };
        match timeout(GREETING_LIMIT, reader.next()).await {
            Ok(Ok(FromShim::Hello { protocol, state })) if is_understood(protocol) => Ok(Self {
                reader,
                writer,
                state: *state,
            }),
            Ok(Ok(FromShim::Hello { protocol, .. })) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "its shim speaks protocol {protocol}, this program {PROTOCOL}: restart the app"
                ),
            )),
            Ok(Ok(other)) => Err(io::Error::other(format!("unexpected greeting {other:?}"))),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Messages {
    /// The next message. It may be canceled and called again: what was read is kept.
    pub(super) async fn next(&mut self) -> io::Result<FromShim> {
        let room = (MAX_MESSAGE_BYTES - self.line.len()) as u64;
        (&mut self.reader)
            .take(room)
            .read_until(b'\n', &mut self.line)
            .await?;
        if self.line.last() != Some(&b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let message = serde_json::from_slice(&self.line);
        self.line.clear();
        Ok(message?)
    }
}

pub(super) async fn send(writer: &mut OwnedWriteHalf, message: &ToShim) -> io::Result<()> {
    writer.write_all(&to_line(message)).await
}
