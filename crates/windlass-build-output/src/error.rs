//! Why a site is refused.

/// A file of a site that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {message}")]
pub struct OutputError {
    /// Which file, below the root of the site.
    pub file: String,
    /// What kind of problem it is.
    pub problem: Problem,
    /// What is wrong, for the author of the site.
    pub message: String,
}

/// Kind of an [`OutputError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The file is not what it must be.
    Invalid,
    /// A route is not what it must be.
    Route,
    /// It is well formed, but asks for what is not served here.
    NotSupported,
}

impl OutputError {
    pub(crate) fn invalid(file: &str, message: impl Into<String>) -> Self {
        Self::new(file, Problem::Invalid, message)
    }

    pub(crate) fn not_supported(file: &str, message: impl Into<String>) -> Self {
        Self::new(file, Problem::NotSupported, message)
    }

    pub(crate) fn new(file: &str, problem: Problem, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            problem,
            message: message.into(),
        }
    }
}

/// What is wrong with one route, before its place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteProblem {
    pub(crate) problem: Problem,
    pub(crate) message: String,
}

impl RouteProblem {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self {
            problem: Problem::Route,
            message: message.into(),
        }
    }

    pub(crate) fn not_supported(message: impl Into<String>) -> Self {
        Self {
            problem: Problem::NotSupported,
            message: message.into(),
        }
    }
}
