//! What an app is configured to run, split into keys that a cancel restores one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

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
}

impl ComponentConfig {
    /// A component with the defaults of its role: routed ones are checked by their port.
    pub fn new(role: ComponentRole) -> Self {
        let kind = match role {
            ComponentRole::Routed => HealthKind::Port,
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
    /// A GET answers below 400.
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
}

impl HealthCheck {
    /// A check with default times.
    pub fn new(kind: HealthKind) -> Self {
        Self {
            kind,
            start_timeout_secs: None,
            invocation_timeout_secs: None,
            interval_secs: None,
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

/// One restorable part of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// The artifact.
    Artifact,
    /// An environment variable.
    Env(String),
    /// A service binding.
    Binding(BindingId),
    /// That a component exists.
    Component(ComponentName),
    /// Its artifact.
    ComponentArtifact(ComponentName),
    /// Its command.
    Command(ComponentName),
    /// Its user.
    User(ComponentName),
    /// Its memory.
    Memory(ComponentName),
    /// Its disk.
    Disk(ComponentName),
    /// Its log rate.
    LogRate(ComponentName),
    /// Its health check.
    Health(ComponentName),
    /// Its readiness check.
    Readiness(ComponentName),
    /// A sidecar.
    Sidecar(String),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Artifact => f.write_str("artifact"),
            Self::Env(name) => write!(f, "env.{name}"),
            Self::Binding(id) => write!(f, "binding.{id}"),
            Self::Component(name) => write!(f, "component.{name}"),
            Self::ComponentArtifact(name) => write!(f, "component.{name}.artifact"),
            Self::Command(name) => write!(f, "component.{name}.command"),
            Self::User(name) => write!(f, "component.{name}.user"),
            Self::Memory(name) => write!(f, "component.{name}.memory"),
            Self::Disk(name) => write!(f, "component.{name}.disk"),
            Self::LogRate(name) => write!(f, "component.{name}.log_rate"),
            Self::Health(name) => write!(f, "component.{name}.health_check"),
            Self::Readiness(name) => write!(f, "component.{name}.readiness_check"),
            Self::Sidecar(name) => write!(f, "sidecar.{name}"),
        }
    }
}

/// A write of one key by a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// Sets the artifact.
    Artifact(Option<ArtifactId>),
    /// Sets or removes an environment variable.
    Env(String, Option<SecretRef>),
    /// Sets or removes a binding.
    Binding(BindingId, Option<SecretRef>),
    /// Adds a component; an existing one is left as it is.
    AddComponent(ComponentName, ComponentConfig),
    /// Removes a component.
    RemoveComponent(ComponentName),
    /// Sets its artifact.
    ComponentArtifact(ComponentName, Option<ArtifactId>),
    /// Sets its command.
    Command(ComponentName, Option<String>),
    /// Sets its user.
    User(ComponentName, Option<String>),
    /// Sets its memory, MiB.
    Memory(ComponentName, u64),
    /// Sets its disk, MiB.
    Disk(ComponentName, u64),
    /// Sets its log rate, bytes per second.
    LogRate(ComponentName, Option<u64>),
    /// Sets its health check.
    Health(ComponentName, HealthCheck),
    /// Sets its readiness check.
    Readiness(ComponentName, HealthCheck),
    /// Sets or removes a sidecar.
    Sidecar(String, Option<Sidecar>),
}

impl Edit {
    /// The key that it writes.
    pub fn key(&self) -> Key {
        match self {
            Self::Artifact(_) => Key::Artifact,
            Self::Env(name, _) => Key::Env(name.clone()),
            Self::Binding(id, _) => Key::Binding(id.clone()),
            Self::AddComponent(name, _) | Self::RemoveComponent(name) => {
                Key::Component(name.clone())
            }
            Self::ComponentArtifact(name, _) => Key::ComponentArtifact(name.clone()),
            Self::Command(name, _) => Key::Command(name.clone()),
            Self::User(name, _) => Key::User(name.clone()),
            Self::Memory(name, _) => Key::Memory(name.clone()),
            Self::Disk(name, _) => Key::Disk(name.clone()),
            Self::LogRate(name, _) => Key::LogRate(name.clone()),
            Self::Health(name, _) => Key::Health(name.clone()),
            Self::Readiness(name, _) => Key::Readiness(name.clone()),
            Self::Sidecar(name, _) => Key::Sidecar(name.clone()),
        }
    }

    /// The component that it touches, if it touches one.
    pub fn component(&self) -> Option<&ComponentName> {
        match self {
            Self::Artifact(_) | Self::Env(..) | Self::Binding(..) | Self::Sidecar(..) => None,
            Self::AddComponent(name, _)
            | Self::RemoveComponent(name)
            | Self::ComponentArtifact(name, _)
            | Self::Command(name, _)
            | Self::User(name, _)
            | Self::Memory(name, _)
            | Self::Disk(name, _)
            | Self::LogRate(name, _)
            | Self::Health(name, _)
            | Self::Readiness(name, _) => Some(name),
        }
    }
}

impl Configuration {
    /// The artifact that a component runs.
    pub fn artifact_of(&self, component: &ComponentName) -> Option<&ArtifactId> {
        self.components
            .get(component)
            .and_then(|config| config.artifact.as_ref())
            .or(self.artifact.as_ref())
    }

    /// Applies one write. Writes to a component that is not there change nothing.
    pub fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Artifact(artifact) => self.artifact.clone_from(artifact),
            Edit::Env(name, value) => set(&mut self.env, name, value.as_ref()),
            Edit::Binding(id, value) => set(&mut self.bindings, id, value.as_ref()),
            Edit::AddComponent(name, config) => {
                self.components
                    .entry(name.clone())
                    .or_insert_with(|| config.clone());
            }
            Edit::RemoveComponent(name) => {
                self.components.remove(name);
            }
            Edit::ComponentArtifact(name, artifact) => {
                self.with(name, |c| c.artifact.clone_from(artifact));
            }
            Edit::Command(name, command) => self.with(name, |c| c.command.clone_from(command)),
            Edit::User(name, user) => self.with(name, |c| c.user.clone_from(user)),
            Edit::Memory(name, mb) => self.with(name, |c| c.memory_mb = *mb),
            Edit::Disk(name, mb) => self.with(name, |c| c.disk_mb = *mb),
            Edit::LogRate(name, rate) => self.with(name, |c| c.log_bytes_per_second = *rate),
            Edit::Health(name, check) => self.with(name, |c| c.health.clone_from(check)),
            Edit::Readiness(name, check) => self.with(name, |c| c.readiness.clone_from(check)),
            Edit::Sidecar(name, sidecar) => set(&mut self.sidecars, name, sidecar.as_ref()),
        }
    }

    /// Every key that this configuration has a value for.
    pub fn keys(&self) -> BTreeSet<Key> {
        let mut keys = BTreeSet::from([Key::Artifact]);
        keys.extend(self.env.keys().cloned().map(Key::Env));
        keys.extend(self.bindings.keys().cloned().map(Key::Binding));
        keys.extend(self.sidecars.keys().cloned().map(Key::Sidecar));
        for name in self.components.keys() {
            keys.extend([
                Key::Component(name.clone()),
                Key::ComponentArtifact(name.clone()),
                Key::Command(name.clone()),
                Key::User(name.clone()),
                Key::Memory(name.clone()),
                Key::Disk(name.clone()),
                Key::LogRate(name.clone()),
                Key::Health(name.clone()),
                Key::Readiness(name.clone()),
            ]);
        }
        keys
    }

    /// Makes `key` here what it is in `from`; says whether that changed anything.
    pub fn copy_key(&mut self, from: &Self, key: &Key) -> bool {
        let before = self.clone();
        match key {
            Key::Artifact => self.artifact.clone_from(&from.artifact),
            Key::Env(name) => set(&mut self.env, name, from.env.get(name)),
            Key::Binding(id) => set(&mut self.bindings, id, from.bindings.get(id)),
            Key::Sidecar(name) => set(&mut self.sidecars, name, from.sidecars.get(name)),
            Key::Component(name) => match from.components.get(name) {
                // Only the existence: the parts of a component are keys of their own.
                Some(config) => {
                    self.components
                        .entry(name.clone())
                        .or_insert_with(|| config.clone());
                }
                None => {
                    self.components.remove(name);
                }
            },
            Key::ComponentArtifact(name)
            | Key::Command(name)
            | Key::User(name)
            | Key::Memory(name)
            | Key::Disk(name)
            | Key::LogRate(name)
            | Key::Health(name)
            | Key::Readiness(name) => {
                if let Some(source) = from.components.get(name) {
                    self.with(name, |c| match key {
                        Key::ComponentArtifact(_) => c.artifact.clone_from(&source.artifact),
                        Key::Command(_) => c.command.clone_from(&source.command),
                        Key::User(_) => c.user.clone_from(&source.user),
                        Key::Memory(_) => c.memory_mb = source.memory_mb,
                        Key::Disk(_) => c.disk_mb = source.disk_mb,
                        Key::LogRate(_) => c.log_bytes_per_second = source.log_bytes_per_second,
                        Key::Health(_) => c.health.clone_from(&source.health),
                        Key::Readiness(_) => c.readiness.clone_from(&source.readiness),
                        Key::Artifact
                        | Key::Env(_)
                        | Key::Binding(_)
                        | Key::Component(_)
                        | Key::Sidecar(_) => {}
                    });
                }
            }
        }
        *self != before
    }

    fn with(&mut self, name: &ComponentName, change: impl FnOnce(&mut ComponentConfig)) {
        if let Some(config) = self.components.get_mut(name) {
            change(config);
        }
    }
}

fn set<K: Ord + Clone, V: Clone>(map: &mut BTreeMap<K, V>, key: &K, value: Option<&V>) {
    match value {
        Some(value) => {
            map.insert(key.clone(), value.clone());
        }
        None => {
            map.remove(key);
        }
    }
}
