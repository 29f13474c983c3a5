//! What an app is configured to run, split into keys that a cancel restores one by one.

mod ingress;
mod keys;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use ingress::{IngressAction, IngressRule, PathChange, PathMatch, Redirect};
pub use keys::{Edit, Key};

use crate::id::{ArtifactId, BindingId, ComponentName, SecretRef};

/// The whole configuration of an app. Values of secrets are references.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Configuration {
    /// Artifact that every component runs unless it names its own.
    pub artifact: Option<ArtifactId>,
    /// Environment variables of users.
    pub env: BTreeMap<String, SecretRef>,
    /// Service bindings: credentials as references.
    pub bindings: BTreeMap<BindingId, SecretRef>,
    /// Components (process types).
    pub components: BTreeMap<ComponentName, ComponentConfig>,
    /// Sidecars by name.
    pub sidecars: BTreeMap<String, Sidecar>,
    /// Which component answers which path, for hosts that lead to the app as a whole.
    #[serde(default)]
    pub ingress: Vec<IngressRule>,
}

/// Part that a component plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentRole {
    /// Gets traffic from routes.
    Routed,
    /// Runs without traffic.
    Worker,
    /// Runs once per release, at its gate.
    Job(JobKind),
    /// Files that the router serves itself.
    Static,
    /// Started only by tasks that name it as their template.
    Template,
    /// Files that the router serves itself, beside functions in one process that is started by
    /// the first request that needs it and stopped when it is idle.
    OnDemand,
}

impl ComponentRole {
    /// Whether it has instances of its own, which releases move. Those on demand come and go
    /// without them.
    pub fn runs_instances(self) -> bool {
        match self {
            Self::Routed | Self::Worker => true,
            Self::Job(_) | Self::Static | Self::Template | Self::OnDemand => false,
        }
    }
}

/// When a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Before the first instance of the target.
    PreDeploy,
    /// After traffic has moved, with the base still warm.
    PostDeploy,
    /// After the release failed (not after a cancel).
    FailedDeploy,
}

/// Configuration of one component.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ComponentConfig {
    /// Part that it plays.
    pub role: ComponentRole,
    /// Artifact of its own; `None` = the configuration's.
    pub artifact: Option<ArtifactId>,
    /// Start command; `None` = the artifact's.
    pub command: Option<String>,
    /// User name inside the sandbox.
    pub user: Option<String>,
    /// Memory of one instance, MiB.
    pub memory_mb: u64,
    /// Disk of one instance, MiB.
    pub disk_mb: u64,
    /// Log bytes per second; `None` = unlimited.
    pub log_bytes_per_second: Option<u64>,
    /// Start-up and liveness check.
    pub health: HealthCheck,
    /// Check that decides whether an instance is routable.
    pub readiness: HealthCheck,
    /// Whether a worker may run in old and new version at once.
    pub overlap: bool,
    /// Environment variables of its own; they win over the configuration's.
    #[serde(default)]
    pub env: BTreeMap<String, SecretRef>,
    /// How long its instances may finish their requests, milliseconds; `None` = the app's.
    #[serde(default)]
    pub drain_limit_ms: Option<u64>,
    /// Between SIGTERM and SIGKILL of its instances, milliseconds; `None` = the app's.
    #[serde(default)]
    pub grace_ms: Option<u64>,
    /// How its files are served; only static ones have this.
    #[serde(default)]
    pub documents: StaticDocuments,
}

/// Documents of a static component, as paths below its root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct StaticDocuments {
    /// Document of a directory; `None` = `index.html`.
    pub index: Option<String>,
    /// Body of the 404 of an unknown path.
    pub error: Option<String>,
    /// What answers an unknown path with 200; then there is no error document.
    pub catch_all: Option<String>,
}

impl ComponentConfig {
    /// A component with the defaults of its role: routed ones are checked by their port.
    pub fn new(role: ComponentRole) -> Self {
        let kind = match role {
            ComponentRole::Routed | ComponentRole::OnDemand => HealthKind::Port,
            ComponentRole::Worker
            | ComponentRole::Job(_)
            | ComponentRole::Static
            | ComponentRole::Template => HealthKind::Process,
        };
        Self {
            role,
            artifact: None,
            command: None,
            user: None,
            memory_mb: 1024,
            disk_mb: 1024,
            log_bytes_per_second: None,
            health: HealthCheck::new(kind),
            readiness: HealthCheck::new(HealthKind::Process),
            overlap: false,
            env: BTreeMap::new(),
            drain_limit_ms: None,
            grace_ms: None,
            documents: StaticDocuments::default(),
        }
    }
}

/// How health is found out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthKind {
    /// The process lives.
    Process,
    /// The port listens.
    Port,
    /// A GET is answered with 200, or what else the check takes.
    Http {
        /// Path of the GET.
        endpoint: String,
    },
}

/// A health or readiness check. `None` = the runtime's default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HealthCheck {
    /// How.
    pub kind: HealthKind,
    /// Longest start-up, seconds.
    pub start_timeout_secs: Option<u64>,
    /// Longest single check, seconds.
    pub invocation_timeout_secs: Option<u64>,
    /// Time between checks after start-up, seconds.
    pub interval_secs: Option<u64>,
    /// Time before the first check, seconds.
    #[serde(default)]
    pub initial_delay_secs: Option<u64>,
    /// Checks in a row that must pass before it counts as passed.
    #[serde(default)]
    pub success_threshold: Option<u32>,
    /// Checks in a row that must fail before it counts as failed.
    #[serde(default)]
    pub failure_threshold: Option<u32>,
    /// Port that is asked; `None` = that of the instance.
    #[serde(default)]
    pub port: Option<u16>,
    /// Whether a GET passes with every status from 200 to 399, not with 200 alone.
    #[serde(default)]
    pub takes_redirects: bool,
}

impl HealthCheck {
    /// A check with default times.
    pub fn new(kind: HealthKind) -> Self {
        Self {
            kind,
            start_timeout_secs: None,
            invocation_timeout_secs: None,
            interval_secs: None,
            initial_delay_secs: None,
            success_threshold: None,
            failure_threshold: None,
            port: None,
            takes_redirects: false,
        }
    }
}

/// A process beside the main one of some components.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sidecar {
    /// Its command.
    pub command: String,
    /// Components that it runs beside.
    pub components: BTreeSet<ComponentName>,
    /// Memory out of the component's, MiB.
    pub memory_mb: Option<u64>,
    /// Whether a user (not the artifact) asked for it.
    pub from_user: bool,
}

impl Configuration {
    /// The artifact that a component runs.
    pub fn artifact_of(&self, component: &ComponentName) -> Option<&ArtifactId> {
        self.components
            .get(component)
            .and_then(|config| config.artifact.as_ref())
            .or(self.artifact.as_ref())
    }

    /// Whether it has jobs of a kind.
    pub fn has_jobs(&self, kind: JobKind) -> bool {
        self.components
            .values()
            .any(|config| config.role == ComponentRole::Job(kind))
    }

    /// The environment of a component: the configuration's variables, and its own that win.
    pub fn env_of(&self, component: &ComponentName) -> BTreeMap<String, SecretRef> {
        let mut env = self.env.clone();
        if let Some(config) = self.components.get(component) {
            env.extend(config.env.clone());
        }
        env
    }
}
