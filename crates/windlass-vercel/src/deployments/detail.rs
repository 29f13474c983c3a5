//! What this dialect keeps of a deployment beside the engine's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_engine::id::{BuildId, ReleaseId, RevisionId};
use windlass_engine::records::BuildRecord;

use super::git::Repository;
use crate::checks::Check;
use crate::document::{Environment, Settings};

/// Of a deployment. Never changes after its creation, but for its checks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Detail {
    /// Name of the project then.
    pub(crate) name: String,
    /// Its own host.
    pub(crate) host: String,
    /// What it is for.
    pub(crate) target: Target,
    /// What it came from, in the words of the wire.
    pub(crate) source: String,
    /// Who asked.
    pub(crate) creator: Creator,
    /// Free pairs of the client.
    pub(crate) meta: BTreeMap<String, String>,
    /// Settings of the project then, with those of the request.
    pub(crate) settings: Settings,
    /// Names of the variables that its functions have.
    pub(crate) env: Vec<String>,
    /// Names of the variables that its build has.
    pub(crate) build_env: Vec<String>,
    /// Whether it takes the production hosts by itself.
    pub(crate) auto_assign: bool,
    /// Whether it was built before it came here.
    pub(crate) prebuilt: bool,
    /// Its version.
    pub(crate) revision: RevisionId,
    /// The release that its success opens.
    pub(crate) release: Option<ReleaseId>,
    /// The deployment that it repeats.
    pub(crate) of: Option<BuildId>,
    /// The repository that it was made of; branch and commit stand in the record.
    #[serde(default)]
    pub(crate) git: Option<Repository>,
    /// Fields of the project file that came with it.
    #[serde(default)]
    pub(crate) project_file: Option<Value>,
    /// Its checks, oldest first.
    #[serde(default)]
    pub(crate) checks: Vec<Check>,
}

/// What a deployment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// Its project's own hosts.
    Production,
    /// A preview that is called staging.
    Staging,
    /// A preview.
    Preview,
}

/// Who asked for a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Creator {
    /// Id of the user.
    pub(crate) id: String,
    /// Their name.
    pub(crate) name: String,
}

impl Target {
    /// The word on the wire; previews have none.
    pub(crate) fn as_wire(self) -> Option<&'static str> {
        match self {
            Self::Production => Some("production"),
            Self::Staging => Some("staging"),
            Self::Preview => None,
        }
    }

    /// The variables that it has.
    pub(crate) fn environment(self) -> Environment {
        match self {
            Self::Production => Environment::Production,
            Self::Staging | Self::Preview => Environment::Preview,
        }
    }
}

impl Detail {
    /// That of a deployment of this dialect.
    pub(crate) fn of(record: &BuildRecord) -> Option<Self> {
        serde_json::from_value(record.detail.clone()?).ok()
    }

    /// As the record keeps it.
    pub(crate) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
