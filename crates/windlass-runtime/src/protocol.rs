//! What a shim and control say to each other: JSON lines over a Unix socket.

use serde::{Deserialize, Serialize};

use crate::log::LogPosition;
use crate::observation::Usage;
use crate::state::RunState;

/// Longest line that either side reads, in bytes. The peer is dropped beyond it.
pub(crate) const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// From control to the shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub(crate) enum ToShim {
    /// First message of a connection.
    Hello { protocol: u32 },
    /// End the run: SIGTERM, and after the grace SIGKILL.
    Stop { grace_ms: u64 },
    /// End the run at once.
    Kill,
    /// Answer with the state.
    Status,
    /// Answer with what the run uses.
    Usage { id: u64 },
    /// A message of a newer control that this shim does not know.
    #[serde(other)]
    Unknown,
}

/// From the shim to control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub(crate) enum FromShim {
    /// First message of a connection.
    Hello { protocol: u32, state: Box<RunState> },
    /// The state has changed.
    State { state: Box<RunState> },
    /// Answer to a usage question.
    Usage { id: u64, usage: Usage },
    /// The log has grown to here. Sent at most every few milliseconds.
    Log { end: LogPosition },
    /// A message of a newer shim that this control does not know.
    #[serde(other)]
    Unknown,
}

/// One message as a line.
pub(crate) fn to_line<T: Serialize>(message: &T) -> Vec<u8> {
    // Plain data with string keys always has a JSON form.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_messages_of_a_neighbour_version_are_tolerated() {
        let message: ToShim = serde_json::from_str(r#"{"type":"freeze","why":"new"}"#).unwrap();
        assert_eq!(message, ToShim::Unknown);
        let message: FromShim = serde_json::from_str(r#"{"type":"thawed"}"#).unwrap();
        assert_eq!(message, FromShim::Unknown);
    }
}
