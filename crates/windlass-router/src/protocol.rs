//! What control and a router say to each other: one JSON object per line over
//! a unix stream socket. The router connects; control listens.
//!
//! A router's first line is [`ToControl::Hello`]. Unknown messages are ignored
//! by both sides, so a new kind may be added without a new version; a changed
//! meaning, or a new kind of anything inside a table, needs [`VERSION`] + 1.
//! Each side understands its own version and the one before, and speaks the
//! older of both.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};

use crate::table::{Delta, GroupId, Position, UpstreamId, VersionId};

/// Version of the protocol and of the table file's records.
pub const VERSION: u32 = 1;
/// Oldest version that is still understood.
pub const OLDEST_VERSION: u32 = 1;
/// A longer line ends the connection, in bytes. Deltas that would be longer are
/// announced by [`ToRouter::ReadFile`].
pub const LINE_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// Upstreams in one [`ToRouter::AskEmpty`].
pub const ASK_LIMIT: usize = 1_000;

/// From control to a router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToRouter {
    /// Answer to a hello.
    Welcome {
        /// The version that both sides speak from now on.
        version: u32,
    },
    /// The hello was refused; the connection ends.
    Refused {
        /// Why, for the log.
        reason: String,
    },
    /// One step of the table, already in the file.
    Delta {
        /// The step.
        delta: Delta,
    },
    /// The file holds more than this router has: read it.
    ReadFile {
        /// What it will find, at least.
        position: Position,
    },
    /// Say [`ToControl::Empty`] for these as soon as it is true.
    AskEmpty {
        /// Upstreams that are being drained.
        upstreams: Vec<UpstreamId>,
    },
    /// Something newer than this version.
    #[serde(other)]
    Unknown,
}

/// From a router to control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToControl {
    /// First line. Every worker has switched to `position` already.
    Hello {
        /// Oldest version that this router speaks.
        oldest_version: u32,
        /// Newest version that this router speaks.
        version: u32,
        /// The name of its [`crate::presence::Presence`].
        name: String,
        /// Its process.
        pid: u32,
        /// The table in force.
        position: Position,
    },
    /// Every worker has switched to this table: no request is picked by an
    /// older one from now on.
    Ack {
        /// The table in force.
        position: Position,
    },
    /// A withdrawn upstream has no request in flight any more.
    Empty {
        /// Which.
        upstream: UpstreamId,
        /// The table in force when it was seen.
        position: Position,
        /// Upgraded connections (WebSockets) that are still open.
        upgraded: u32,
    },
    /// Connections to this upstream fail; it is left out for a moment.
    Unreachable {
        /// Which.
        upstream: UpstreamId,
    },
    /// A request waits for this version to be started.
    Wanted {
        /// The group of the version; empty from an older router.
        #[serde(default)]
        group: GroupId,
        /// Which.
        version: VersionId,
    },
    /// An instance on demand has had no request for some time.
    Idle {
        /// Which.
        upstream: UpstreamId,
        /// For how long at least, in milliseconds.
        idle_ms: u64,
    },
    /// Something newer than this version.
    #[serde(other)]
    Unknown,
}

/// Why a connection between control and router ended.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Io(#[from] std::io::Error),
    /// A line is no message.
    #[error("a line is not a message: {0}")]
    Message(#[from] serde_json::Error),
    /// A line has no end in sight.
    #[error("a line is longer than {LINE_LIMIT_BYTES} bytes")]
    TooLong,
    /// The other side speaks other versions.
    #[error("the other side refused: {0}")]
    Refused(String),
    /// The other side broke the order of messages.
    #[error("expected {0}")]
    Unexpected(&'static str),
}

/// One message as a line.
pub fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, ProtocolError> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    if line.len() > LINE_LIMIT_BYTES {
        return Err(ProtocolError::TooLong);
    }
    Ok(line)
}

/// Writes one message.
pub async fn send<M: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    message: &M,
) -> Result<(), ProtocolError> {
    to.write_all(&encode(message)?).await?;
    Ok(())
}

/// Reads lines of bounded length. Cancel safe: a partly read line stays here.
#[derive(Debug)]
pub struct LineReader<R> {
    from: R,
    line: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> LineReader<R> {
    /// Reads from `from`.
    pub fn new(from: R) -> Self {
        Self {
            from,
            line: Vec::new(),
        }
    }

    /// The next message; `None` at the end of the stream.
    pub async fn next<M: for<'de> Deserialize<'de>>(&mut self) -> Result<Option<M>, ProtocolError> {
        loop {
            let available = self.from.fill_buf().await?;
            if available.is_empty() {
                return Ok(None);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            if self.line.len() + taken > LINE_LIMIT_BYTES {
                return Err(ProtocolError::TooLong);
            }
            self.line.extend_from_slice(&available[..taken]);
            self.from.consume(taken);
            if end.is_some() {
                let message = serde_json::from_slice(&self.line);
                self.line.clear();
                return Ok(Some(message?));
            }
        }
    }
}

/// The version to speak with a side that understands `oldest..=newest`.
pub fn common_version(oldest: u32, newest: u32) -> Option<u32> {
    let version = newest.min(VERSION);
    (version >= oldest && version >= OLDEST_VERSION).then_some(version)
}

#[cfg(test)]
mod neighbours;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_message_is_read_as_unknown() {
        let text = r#"{"type":"tomorrow","more":1}"#;
        assert_eq!(
            serde_json::from_str::<ToRouter>(text).unwrap(),
            ToRouter::Unknown
        );
        assert_eq!(
            serde_json::from_str::<ToControl>(text).unwrap(),
            ToControl::Unknown
        );
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused() {
        let endless = vec![b'x'; LINE_LIMIT_BYTES + 1];
        let mut reader = LineReader::new(endless.as_slice());
        let read = reader.next::<ToRouter>().await;
        assert!(matches!(read, Err(ProtocolError::TooLong)));
    }

    #[tokio::test]
    async fn messages_follow_each_other() {
        let mut bytes = Vec::new();
        let messages = [
            ToRouter::Welcome { version: 1 },
            ToRouter::AskEmpty {
                upstreams: vec!["a".to_owned()],
            },
        ];
        for message in &messages {
            bytes.extend(encode(message).unwrap());
        }
        let mut reader = LineReader::new(bytes.as_slice());
        for message in &messages {
            assert_eq!(
                reader.next::<ToRouter>().await.unwrap().as_ref(),
                Some(message)
            );
        }
        assert_eq!(reader.next::<ToRouter>().await.unwrap(), None);
    }
}
