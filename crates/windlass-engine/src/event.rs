//! What a transition has to tell: rows of the event trail.

use serde::{Deserialize, Serialize};

use crate::id::{AppId, BuildId, ReleaseId, TaskId};

/// One thing that happened, in the same commit as the change itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// To what.
    pub subject: Subject,
    /// One word, for example `canceled`.
    pub kind: &'static str,
    /// A sentence for people, without secrets.
    pub text: String,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The app.
    App(AppId),
    /// A release.
    Release(ReleaseId),
    /// A build.
    Build(BuildId),
    /// A task.
    Task(TaskId),
}

impl Subject {
    /// The kind as a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::App(_) => "app",
            Self::Release(_) => "release",
            Self::Build(_) => "build",
            Self::Task(_) => "task",
        }
    }

    /// The id as text.
    pub fn id(&self) -> &str {
        match self {
            Self::App(id) => id.as_str(),
            Self::Release(id) => id.as_str(),
            Self::Build(id) => id.as_str(),
            Self::Task(id) => id.as_str(),
        }
    }
}
