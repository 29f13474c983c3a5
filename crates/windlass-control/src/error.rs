//! The one error of the use cases. Each dialect maps it once to its own form.

use thiserror::Error;
use windlass_engine::rejection::Rejection;
use windlass_store::StoreError;

/// Why a use case did not do what was asked.
#[derive(Debug, Error)]
pub enum Error {
    /// There is no such thing, or the caller may not see it.
    #[error("{what} not found")]
    NotFound {
        /// What was looked for, for example `app`.
        what: &'static str,
    },
    /// The caller sees it but may not do that.
    #[error("not permitted: {0}")]
    Forbidden(String),
    /// The caller is not known.
    #[error("not authenticated: {0}")]
    NotAuthenticated(String),
    /// The engine says no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// An input is wrong.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which field.
        field: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// A name or host is taken.
    #[error("{what} is already taken: {value}")]
    Taken {
        /// What is unique, for example `app name`.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// An earlier request has done it: what that one made.
    #[error("done before by the same request")]
    Repeated {
        /// As the dialect wrote it down.
        made: Vec<u8>,
    },
    /// Not possible in the present state.
    #[error("{0}")]
    Conflict(String),
    /// Larger than a limit.
    #[error("{what} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit, bytes.
        limit_bytes: u64,
    },
    /// Something needed is not there now.
    #[error("not available now: {0}")]
    Unavailable(String),
    /// A bug or a broken machine; details are in the log under the id.
    #[error("internal error {id}")]
    Internal {
        /// Id of the log line.
        id: String,
    },
}

impl Error {
    /// An internal error: logs the details once, and keeps only an id.
    pub fn internal(details: impl std::fmt::Display) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        tracing::error!(error.id = %id, "{details}");
        Self::Internal { id }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            // Nothing was kept: whoever asks again later asks for the same.
            tracing::warn!("{error}");
            return Self::Unavailable(error.to_string());
        }
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_asks_to_come_again_and_a_broken_one_does_not() {
        let full = Error::from(StoreError::DiskFull);
        assert!(matches!(&full, Error::Unavailable(text) if text.contains("disk is full")));
        let broken = Error::from(StoreError::DiskFailed);
        assert!(matches!(broken, Error::Internal { .. }));
    }
}
