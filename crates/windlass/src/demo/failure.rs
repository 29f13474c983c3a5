//! Why the demo could not go on.

use std::path::PathBuf;
use std::time::Duration;

/// Why something on the way failed. A statement that does not hold is no failure but a check.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file or directory could not be used.
    #[error("failed to {what} {path}: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The system refused something.
    #[error("failed to {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A request had no answer.
    #[error("no answer to {request}: {text}")]
    NoAnswer {
        /// Method and path.
        request: String,
        /// Why.
        text: String,
    },
    /// A request was refused.
    #[error("{request} was answered {status}: {text}")]
    Refused {
        /// Method and path.
        request: String,
        /// Status of the answer.
        status: u16,
        /// Its body.
        text: String,
    },
    /// Something did not come.
    #[error("waited {} s for {what}; last seen: {last}", limit.as_secs())]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// What was there instead.
        last: String,
    },
    /// Windlass itself ended or said something unexpected.
    #[error("{0}")]
    Unexpected(String),
}

impl Failure {
    pub(super) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }

    pub(super) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { what, source }
    }

    pub(super) fn field(name: &str, value: &serde_json::Value) -> Self {
        Self::Unexpected(format!("an answer has no {name}: {value}"))
    }
}

/// Waits for a condition: asks again every few milliseconds, at most [`WAIT_LIMIT`]. The question
/// returns what is there now as text while it has not come.
///
/// # Errors
/// The question's own failure, or [`Failure::Late`].
pub fn wait_for<T>(
    what: &str,
    mut question: impl FnMut() -> Result<Result<T, String>, Failure>,
) -> Result<T, Failure> {
    let started = std::time::Instant::now();
    loop {
        let last = match question()? {
            Ok(found) => return Ok(found),
            Err(last) => last,
        };
        if started.elapsed() >= WAIT_LIMIT {
            return Err(Failure::Late {
                what: what.to_owned(),
                limit: WAIT_LIMIT,
                last,
            });
        }
        std::thread::sleep(WAIT_POLL);
    }
}

/// Longest wait for anything.
pub const WAIT_LIMIT: Duration = Duration::from_mins(2);
/// Pause between two questions.
pub const WAIT_POLL: Duration = Duration::from_millis(20);
