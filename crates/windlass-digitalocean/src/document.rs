//! What this dialect keeps of an app and of a deployment beside the engine's own.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_control::history::ReleaseRecord;
use windlass_engine::configuration::JobKind;
use windlass_engine::id::{BuildId, ReleaseId};
use windlass_engine::records::AppRecord;

use crate::auth::Authenticated;

/// Of an app.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Document {
    /// The spec that was submitted last.
    pub(crate) spec: Value,
    /// Host that the platform gave it.
    pub(crate) host: String,
    /// While a rollback is neither committed nor reverted.
    pub(crate) pin: Option<Pin>,
}

/// A rollback that may still be reverted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// The deployment that rolled back.
    pub(crate) deployment: ReleaseId,
    /// The deployment that was active before.
    pub(crate) before: ReleaseId,
}

/// Of a deployment. Never changes after its creation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Detail {
    /// The spec that it runs.
    pub(crate) spec: Value,
    /// What it came from.
    pub(crate) cause: Cause,
    /// The deployment before it.
    pub(crate) previous: Option<ReleaseId>,
    /// The deployment that it repeats.
    pub(crate) cloned_from: Option<ReleaseId>,
    /// Tier of its largest instance.
    pub(crate) tier: String,
    /// Its components, in the order of the wire.
    pub(crate) components: Vec<Component>,
    /// Whether nothing new was wanted of it but to run anew.
    #[serde(default)]
    pub(crate) restart: bool,
}

/// A component of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Component {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: ComponentKind,
    /// The build that made what it runs.
    pub(crate) build: Option<BuildId>,
    /// The commit, when it was known at the creation.
    pub(crate) commit: Option<String>,
    /// Whether an earlier build is used again.
    pub(crate) reused: bool,
}

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ComponentKind {
    /// Gets traffic.
    Service,
    /// Runs without traffic.
    Worker,
    /// Files.
    StaticSite,
    /// Runs once.
    Job(JobKind),
}

/// What a deployment came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// The creation of its app.
    Initial(By),
    /// Somebody asked for it.
    Manual(By),
    /// A new spec.
    Spec(By),
    /// Somebody asked for new processes.
    Restart(By),
    /// Somebody went back.
    Rollback(By),
    /// Somebody took that back.
    Revert(By),
    /// A push to a branch.
    Push(Pushed),
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct By {
    /// Id of the user.
    pub(crate) id: String,
    /// Their name.
    pub(crate) name: String,
}

/// A push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pushed {
    /// `github`, `gitlab`, `bitbucket`.
    pub(crate) provider: String,
    /// `owner/name`.
    pub(crate) repo: String,
    /// The branch.
    pub(crate) branch: String,
    /// The commit, 40 hex digits.
    pub(crate) commit: String,
    /// Who wrote it, as far as that is known.
    pub(crate) author: String,
    /// Its message, as far as that is known.
    pub(crate) message: String,
}

impl By {
    /// The caller of a request.
    pub(crate) fn of(caller: &Authenticated) -> Self {
        Self {
            id: caller.principal.user.id.to_string(),
            name: caller.principal.user.name.clone(),
        }
    }
}

impl Document {
    /// That of an app. What can't be read counts as empty: an app is shown all the same.
    pub(crate) fn of(app: &AppRecord) -> Self {
        serde_json::from_value(app.document.clone()).unwrap_or_default()
    }

    /// As the record keeps it.
    pub(crate) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Detail {
    /// That of a deployment of this dialect.
    pub(crate) fn of(record: &ReleaseRecord) -> Option<Self> {
        serde_json::from_value(record.detail.options.clone()).ok()
    }

    /// As the record keeps it.
    pub(crate) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
