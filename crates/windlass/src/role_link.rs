//! Words between the supervisor and its roles: one JSON object a line on the role's link.

use std::io;
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// Longest line, bytes.
const LINE_LIMIT_BYTES: u64 = 64 * 1024;

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
}

/// What the supervisor tells a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum ToRole {
    /// Stop every instance, task and build; the desired state stays as it is.
    StopAll,
}

/// Reading side of a link.
#[derive(Debug)]
pub struct LinkReader(BufReader<OwnedReadHalf>);

/// Writing side of a link.
#[derive(Debug)]
pub struct LinkWriter(OwnedWriteHalf);

/// Both sides of a link, inside a tokio runtime.
pub fn split(link: UnixStream) -> io::Result<(LinkReader, LinkWriter)> {
    link.set_nonblocking(true)?;
    let (read, write) = tokio::net::UnixStream::from_std(link)?.into_split();
    Ok((LinkReader(BufReader::new(read)), LinkWriter(write)))
}

impl LinkReader {
    /// The next message; `None` at the end of the link. What can't be understood is an error.
    pub async fn next<T: for<'a> Deserialize<'a>>(&mut self) -> io::Result<Option<T>> {
        let mut line = Vec::new();
        (&mut self.0)
            .take(LINE_LIMIT_BYTES)
            .read_until(b'\n', &mut line)
            .await?;
        if line.last() != Some(&b'\n') {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&line)?))
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
        let (kept, mut writer) = split(ours).expect("splits");
        let (mut reader, _other) = split(theirs).expect("splits");
        writer
            .send(&FromRole::Stopping { left: 3 })
            .await
            .expect("sends");
        drop((writer, kept));
        let message: Option<FromRole> = reader.next().await.expect("reads");
        assert_eq!(message, Some(FromRole::Stopping { left: 3 }));
        assert_eq!(reader.next::<FromRole>().await.expect("reads"), None);
    }
}
