//! A check of a deployment, and what all of them together mean for it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use windlass_control::commands::checks::Verdict;
use windlass_engine::records::BuildRecord;

use crate::deployments::state::{Aliases, ReadyState};

/// A check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Check {
    /// Its id.
    pub(super) id: String,
    /// What it is called.
    pub(super) name: String,
    /// Whether it holds the production hosts back.
    pub(super) blocking: bool,
    /// Path of the deployment that it looks at.
    pub(super) path: Option<String>,
    /// Where people read more.
    pub(super) details_url: Option<String>,
    /// What its author calls it.
    pub(super) external_id: Option<String>,
    /// Whether it may be asked for again.
    pub(super) rerequestable: bool,
    /// Where it stands.
    pub(super) status: Status,
    /// What it found, in the words of its author.
    pub(super) output: Option<Value>,
    /// Id of the user who registered it.
    pub(super) by: String,
    /// Times, ms.
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) started_at: Option<i64>,
    pub(super) completed_at: Option<i64>,
}

/// Where a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Nobody has begun with it.
    Registered,
    /// It runs.
    Running,
    /// It is over.
    Completed(Conclusion),
}

/// How a check ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Conclusion {
    /// It had nothing to look at.
    Skipped,
    /// It says nothing.
    Neutral,
    /// All is well.
    Succeeded,
    /// It was ended.
    Canceled,
    /// Something is wrong.
    Failed,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Running => "running",
            Self::Completed(_) => "completed",
        }
    }

    pub(super) fn conclusion(self) -> Option<Conclusion> {
        match self {
            Self::Completed(conclusion) => Some(conclusion),
            Self::Registered | Self::Running => None,
        }
    }
}

impl Conclusion {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Neutral => "neutral",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [
            Self::Skipped,
            Self::Neutral,
            Self::Succeeded,
            Self::Canceled,
            Self::Failed,
        ]
        .into_iter()
        .find(|conclusion| conclusion.as_str() == word)
    }

    fn is_good(self) -> bool {
        match self {
            Self::Skipped | Self::Neutral | Self::Succeeded => true,
            Self::Canceled | Self::Failed => false,
        }
    }
}

impl Check {
    pub(super) fn to_wire(&self, deployment: &str) -> Value {
        let mut wire = json!({
            "id": self.id,
            "name": self.name,
            "deploymentId": deployment,
            "integrationId": self.by,
            "blocking": self.blocking,
            "rerequestable": self.rerequestable,
            "status": self.status.as_str(),
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
        });
        for (name, value) in [
            ("path", json!(self.path)),
            ("detailsUrl", json!(self.details_url)),
            ("externalId", json!(self.external_id)),
            ("output", json!(self.output)),
            ("startedAt", json!(self.started_at)),
            ("completedAt", json!(self.completed_at)),
            ("conclusion", json!(self.conclusion_word())),
        ] {
            if !value.is_null() {
                wire[name] = value;
            }
        }
        wire
    }

    /// The same as newer clients read it.
    pub(super) fn to_run(&self, deployment: &str, project: &str, owner: &str) -> Value {
        let mut wire = json!({
            "id": self.id,
            "checkId": self.id,
            "name": self.name,
            "deploymentId": deployment,
            "projectId": project,
            "ownerId": owner,
            "status": match self.status {
                Status::Registered => "queued",
                Status::Running => "running",
                Status::Completed(_) => "completed",
            },
            "blocks": if self.blocking { "deployment-alias" } else { "none" },
            "requires": "none",
            "source": {"kind": "webhook"},
            // A release that waits without an end is ended by its own deadline.
            "timeout": 0,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
        });
        for (name, value) in [
            ("externalUrl", json!(self.details_url)),
            ("externalId", json!(self.external_id)),
            ("output", json!(self.output)),
            ("completedAt", json!(self.completed_at)),
            ("conclusion", json!(self.conclusion_word())),
        ] {
            if !value.is_null() {
                wire[name] = value;
            }
        }
        wire
    }

    fn conclusion_word(&self) -> Option<&'static str> {
        self.status.conclusion().map(Conclusion::as_str)
    }
}

/// The checks of a deployment as they stand with it: of one that is over those that were not are
/// canceled, from the very commit that ended it on.
pub(crate) fn seen(
    checks: &[Check],
    record: &BuildRecord,
    ready: ReadyState,
    aliases: Aliases,
) -> Vec<Check> {
    let is_over = |check: &Check| match (ready, aliases) {
        (ReadyState::Canceled | ReadyState::Error, _) => true,
        (ReadyState::Ready, Aliases::Refused { .. }) => check.blocking,
        _ => false,
    };
    let canceled_at = record.canceled.as_ref().map(|cancel| cancel.at);
    let at = canceled_at.unwrap_or(record.stamps.updated_at).0;
    let mut seen = checks.to_vec();
    for check in &mut seen {
        if check.status.conclusion().is_none() && is_over(check) {
            check.status = Status::Completed(Conclusion::Canceled);
            check.completed_at = Some(at);
            check.updated_at = at;
        }
    }
    seen
}

/// What the checks of a deployment say of it on the wire: nothing when there are none.
pub(crate) fn members(seen: &[Check], aliases: Aliases) -> Vec<(&'static str, Value)> {
    if seen.is_empty() {
        return Vec::new();
    }
    let state = if seen.iter().all(|check| check.status.conclusion().is_some()) {
        "completed"
    } else if seen.iter().any(|check| check.status != Status::Registered) {
        "running"
    } else {
        "registered"
    };
    let mut members = vec![("checksState", state.into())];
    let blocking = || seen.iter().filter(|check| check.blocking);
    if state == "completed" {
        let conclusions = || blocking().filter_map(|check| check.status.conclusion());
        // The worst says how all of them ended; those that block nothing do not count.
        let word = match conclusions().max() {
            Some(Conclusion::Failed) => "failed",
            Some(Conclusion::Canceled) => "canceled",
            Some(Conclusion::Succeeded | Conclusion::Neutral) | None => "succeeded",
            Some(Conclusion::Skipped) => "skipped",
        };
        members.push(("checksConclusion", word.into()));
    }
    if let Some(first) = blocking().map(|check| check.created_at).min() {
        let bad = |check: &Check| check.status.conclusion().is_some_and(|it| !it.is_good());
        let open = |check: &Check| check.status.conclusion().is_none();
        let (word, is_over) = if matches!(aliases, Aliases::Refused { .. }) {
            ("failed", true)
        } else if blocking().any(open) {
            ("pending", false)
        } else if blocking().any(bad) {
            ("failed", true)
        } else {
            ("succeeded", true)
        };
        let mut alias = json!({"state": word, "startedAt": first});
        if is_over && let Some(at) = blocking().filter_map(|check| check.completed_at).max() {
            alias["completedAt"] = at.into();
        }
        members.push(("checks", json!({"deployment-alias": alias})));
    }
    members
}

/// What follows for the production hosts.
pub(super) fn verdict(checks: &[Check]) -> Verdict {
    let blocking = || checks.iter().filter(|check| check.blocking);
    if blocking().next().is_none() {
        return Verdict::None;
    }
    let conclusions: Option<Vec<Conclusion>> =
        blocking().map(|check| check.status.conclusion()).collect();
    match conclusions {
        None => Verdict::Awaited,
        Some(all) => Verdict::Concluded {
            succeeded: all.into_iter().all(Conclusion::is_good),
        },
    }
}
