//! Words between the supervisor and its roles: one JSON object a line on the role's link.
//!
//! After a reload the supervisor is a newer (or, when it gave way, an older) program than roles that
//! still run. Words that one side does not know are passed over, so a new word needs no new
//! version; a changed meaning needs [`VERSION`] + 1. Each program understands its own version and
//! the one before.

use std::io;
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// Version of these words.
pub const VERSION: u32 = 1;
/// Oldest version that is still understood.
pub const OLDEST_VERSION: u32 = 1;

/// Longest line, bytes.
const LINE_LIMIT_BYTES: usize = 64 * 1024;

/// What a role tells its supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum FromRole {
    /// Control knows what keeps apps apart on this machine.
    Isolation {
        /// The means in use, as `--isolation` names them.
        used: String,
        /// One line for each means: whether it is in use, and to which degree or why not.
        means: Vec<String>,
    },
    /// Control is there and waits for the one before it to end.
    Waiting,
    /// It answers on its sockets.
    Ready,
    /// It can't work until somebody changes something; exit status 78 follows.
    Refused {
        /// What and what to do.
        reason: String,
    },
    /// Control stops instances and tasks, so many are left.
    Stopping {
        /// How many still run.
        left: u64,
    },
    /// Control has stopped everything.
    Stopped,
    /// Something of another version.
    #[serde(other)]
    Unknown,
}

/// What the supervisor tells a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum ToRole {
    /// Stop every instance, task and build; the desired state stays as it is.
    StopAll,
    /// Something of another version.
    #[serde(other)]
    Unknown,
}

/// Reading side of a link. What was read of a line that is not whole stays in it.
#[derive(Debug)]
pub struct LinkReader {
    half: OwnedReadHalf,
    bytes: Vec<u8>,
}

/// Writing side of a link.
#[derive(Debug)]
pub struct LinkWriter(OwnedWriteHalf);

/// Both sides of a link, inside a tokio runtime. `unread` was read from it before.
pub fn split(link: UnixStream, unread: Vec<u8>) -> io::Result<(LinkReader, LinkWriter)> {
    link.set_nonblocking(true)?;
    let (half, write) = tokio::net::UnixStream::from_std(link)?.into_split();
    let reader = LinkReader {
        half,
        bytes: unread,
    };
    Ok((reader, LinkWriter(write)))
}

impl LinkReader {
    /// The next message; `None` at the end of the link. What can't be understood is an error.
    /// It may be dropped and called again: nothing is lost.
    pub async fn next<T: for<'a> Deserialize<'a>>(&mut self) -> io::Result<Option<T>> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            let mut part = [0; 4096];
            let read = self.half.read(&mut part).await?;
            if read == 0 || self.bytes.len() >= LINE_LIMIT_BYTES {
                return Ok(None);
            }
            self.bytes.extend_from_slice(&part[..read]);
        }
    }

    /// What was read and not given out.
    pub fn into_unread(self) -> Vec<u8> {
        self.bytes
    }
}

impl LinkWriter {
    /// Sends one message.
    pub async fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.0.write_all(&line).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_arrive_and_the_end_is_seen() {
        let (ours, theirs) = UnixStream::pair().expect("pair");
        let (kept, mut writer) = split(ours, Vec::new()).expect("splits");
        let (mut reader, _other) = split(theirs, Vec::new()).expect("splits");
        writer
            .send(&FromRole::Stopping { left: 3 })
            .await
            .expect("sends");
        drop((writer, kept));
        let message: Option<FromRole> = reader.next().await.expect("reads");
        assert_eq!(message, Some(FromRole::Stopping { left: 3 }));
        assert_eq!(reader.next::<FromRole>().await.expect("reads"), None);
    }

    /// The next reader of a link takes up what the one before had read.
    #[tokio::test]
    async fn half_a_line_is_kept_for_the_next_reader() {
        let (ours, theirs) = UnixStream::pair().expect("pair");
        let again = theirs.try_clone().expect("clones");
        let (_kept, mut writer) = split(ours, Vec::new()).expect("splits");
        let (mut reader, _other) =
            split(theirs, b"{\"say\":\"waiting\"}\n{\"say\":".to_vec()).expect("splits");
        let first: Option<FromRole> = reader.next().await.expect("reads");
        assert_eq!(first, Some(FromRole::Waiting));
        let (mut next, _other) = split(again, reader.into_unread()).expect("splits");
        writer.0.write_all(b"\"ready\"}\n").await.expect("writes");
        let second: Option<FromRole> = next.next().await.expect("reads");
        assert_eq!(second, Some(FromRole::Ready));
    }

    /// As roles of version 1 say it. These lines never change.
    const VERSION_1: &[(&str, FromRole)] = &[
        (r#"{"say":"ready"}"#, FromRole::Ready),
        (r#"{"say":"waiting"}"#, FromRole::Waiting),
        (
            r#"{"say":"stopping","left":2}"#,
            FromRole::Stopping { left: 2 },
        ),
        (r#"{"say":"stopped"}"#, FromRole::Stopped),
    ];

    #[test]
    fn words_of_version_1_are_understood_and_unknown_ones_passed_over() {
        for (line, meant) in VERSION_1 {
            let message: FromRole = serde_json::from_str(line).expect("understood");
            assert_eq!(&message, meant);
            let more = line.replace('}', r#","more":[1]}"#);
            let message: FromRole = serde_json::from_str(&more).expect("understood");
            assert_eq!(&message, meant);
        }
        let refused: FromRole =
            serde_json::from_str(r#"{"say":"refused","reason":"no key"}"#).expect("understood");
        let reason = "no key".to_owned();
        assert_eq!(refused, FromRole::Refused { reason });
        let order: ToRole = serde_json::from_str(r#"{"do":"stop_all"}"#).expect("understood");
        assert_eq!(order, ToRole::StopAll);
        let message: FromRole = serde_json::from_str(r#"{"say":"x","y":1}"#).expect("passed over");
        assert_eq!(message, FromRole::Unknown);
        let order: ToRole = serde_json::from_str(r#"{"do":"x","y":1}"#).expect("passed over");
        assert_eq!(order, ToRole::Unknown);
    }
}
