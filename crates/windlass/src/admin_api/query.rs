//! Parts of requests and answers that several lists share.

use jiff::Timestamp as Moment;
use serde::Deserialize;
use windlass_engine::time::Timestamp;

/// Parameters of a list of deployments or tasks.
#[derive(Debug, Deserialize)]
pub(super) struct RunsQuery {
    /// Name or id of an app.
    pub(super) app: Option<String>,
    /// Only those that are not over.
    #[serde(default)]
    pub(super) active: bool,
    /// Most rows.
    #[serde(default = "default_limit")]
    pub(super) limit: u32,
}

/// Parameters of one that is waited for.
#[derive(Debug, Deserialize)]
pub(super) struct WaitQuery {
    /// What to wait for; nothing without it.
    pub(super) wait: Option<WaitFor>,
    /// Longest wait, milliseconds.
    #[serde(default)]
    pub(super) wait_ms: u64,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WaitFor {
    /// The outcome, and that nothing of it runs.
    Outcome,
    /// The next pause, or the outcome.
    Pause,
}

fn default_limit() -> u32 {
    50
}

/// A moment as RFC 3339 in UTC with milliseconds.
pub(super) fn stamp(at: Timestamp) -> String {
    Moment::from_millisecond(at.0)
        .map_or_else(|_| at.0.to_string(), |moment| format!("{moment:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc_with_milliseconds() {
        assert_eq!(stamp(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            stamp(Timestamp(1_700_000_000_123)),
            "2023-11-14T22:13:20.123Z"
        );
    }
}
