//! The keys of a configuration and the writes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ComponentConfig, Configuration, HealthCheck, IngressRule, Sidecar, StaticDocuments};
use crate::id::{ArtifactId, BindingId, ComponentName, SecretRef};

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
    /// An environment variable of its own.
    ComponentEnv(ComponentName, String),
    /// Its drain limit.
    DrainLimit(ComponentName),
    /// Its grace.
    Grace(ComponentName),
    /// How its files are served.
    Documents(ComponentName),
    /// The rules of paths.
    Ingress,
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
            Self::ComponentEnv(name, variable) => write!(f, "component.{name}.env.{variable}"),
            Self::DrainLimit(name) => write!(f, "component.{name}.drain_limit"),
            Self::Grace(name) => write!(f, "component.{name}.grace"),
            Self::Documents(name) => write!(f, "component.{name}.documents"),
            Self::Ingress => f.write_str("ingress"),
            Self::Sidecar(name) => write!(f, "sidecar.{name}"),
        }
    }
}

/// A write of one key by a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "few writes are alive at once, and none for long"
)]
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
    /// Sets or removes an environment variable of its own.
    ComponentEnv(ComponentName, String, Option<SecretRef>),
    /// Sets its drain limit, milliseconds.
    DrainLimit(ComponentName, Option<u64>),
    /// Sets its grace, milliseconds.
    Grace(ComponentName, Option<u64>),
    /// Sets how its files are served.
    Documents(ComponentName, StaticDocuments),
    /// Sets the rules of paths.
    Ingress(Vec<IngressRule>),
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
            Self::ComponentEnv(name, variable, _) => {
                Key::ComponentEnv(name.clone(), variable.clone())
            }
            Self::DrainLimit(name, _) => Key::DrainLimit(name.clone()),
            Self::Grace(name, _) => Key::Grace(name.clone()),
            Self::Documents(name, _) => Key::Documents(name.clone()),
            Self::Ingress(_) => Key::Ingress,
            Self::Sidecar(name, _) => Key::Sidecar(name.clone()),
        }
    }

    /// The component that it touches, if it touches one.
    pub fn component(&self) -> Option<&ComponentName> {
        match self {
            Self::Artifact(_)
            | Self::Env(..)
            | Self::Binding(..)
            | Self::Ingress(_)
            | Self::Sidecar(..) => None,
            Self::AddComponent(name, _)
            | Self::RemoveComponent(name)
            | Self::ComponentArtifact(name, _)
            | Self::Command(name, _)
            | Self::User(name, _)
            | Self::Memory(name, _)
            | Self::Disk(name, _)
            | Self::LogRate(name, _)
            | Self::Health(name, _)
            | Self::Readiness(name, _)
            | Self::ComponentEnv(name, _, _)
            | Self::DrainLimit(name, _)
            | Self::Grace(name, _)
            | Self::Documents(name, _) => Some(name),
        }
    }
}

impl Configuration {
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
            Edit::ComponentEnv(name, variable, value) => {
                self.with(name, |c| set(&mut c.env, variable, value.as_ref()));
            }
            Edit::DrainLimit(name, limit) => self.with(name, |c| c.drain_limit_ms = *limit),
            Edit::Grace(name, grace) => self.with(name, |c| c.grace_ms = *grace),
            Edit::Documents(name, documents) => {
                self.with(name, |c| c.documents.clone_from(documents));
            }
            Edit::Ingress(rules) => self.ingress.clone_from(rules),
            Edit::Sidecar(name, sidecar) => set(&mut self.sidecars, name, sidecar.as_ref()),
        }
    }

    /// Every key that this configuration has a value for.
    pub fn keys(&self) -> BTreeSet<Key> {
        let mut keys = BTreeSet::from([Key::Artifact, Key::Ingress]);
        keys.extend(self.env.keys().cloned().map(Key::Env));
        keys.extend(self.bindings.keys().cloned().map(Key::Binding));
        keys.extend(self.sidecars.keys().cloned().map(Key::Sidecar));
        for (name, config) in &self.components {
            keys.extend(
                config
                    .env
                    .keys()
                    .map(|variable| Key::ComponentEnv(name.clone(), variable.clone())),
            );
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
                Key::DrainLimit(name.clone()),
                Key::Grace(name.clone()),
                Key::Documents(name.clone()),
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
            Key::Ingress => self.ingress.clone_from(&from.ingress),
            Key::Sidecar(name) => set(&mut self.sidecars, name, from.sidecars.get(name)),
            Key::Component(name) => match from.components.get(name) {
                // The existence and the part that it plays; all else are keys of their own.
                Some(source) => {
                    let config = self
                        .components
                        .entry(name.clone())
                        .or_insert_with(|| source.clone());
                    config.role = source.role;
                    config.overlap = source.overlap;
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
            | Key::Readiness(name)
            | Key::ComponentEnv(name, _)
            | Key::DrainLimit(name)
            | Key::Grace(name)
            | Key::Documents(name) => {
                if let Some(source) = from.components.get(name) {
                    self.with(name, |config| copy_part(config, source, key));
                }
            }
        }
        *self != before
    }

    /// The writes that make `other` of this configuration.
    pub fn edits_to(&self, other: &Self) -> Vec<Edit> {
        let mut edits = Vec::new();
        if self.artifact != other.artifact {
            edits.push(Edit::Artifact(other.artifact.clone()));
        }
        differences(&self.env, &other.env, |name, value| {
            edits.push(Edit::Env(name.clone(), value.cloned()));
        });
        differences(&self.bindings, &other.bindings, |id, value| {
            edits.push(Edit::Binding(id.clone(), value.cloned()));
        });
        differences(&self.sidecars, &other.sidecars, |name, sidecar| {
            edits.push(Edit::Sidecar(name.clone(), sidecar.cloned()));
        });
        if self.ingress != other.ingress {
            edits.push(Edit::Ingress(other.ingress.clone()));
        }
        differences(&self.components, &other.components, |name, config| {
            match (self.components.get(name), config) {
                (Some(old), Some(new)) => component_edits(&mut edits, name, old, new),
                (None, Some(new)) => edits.push(Edit::AddComponent(name.clone(), new.clone())),
                (_, None) => edits.push(Edit::RemoveComponent(name.clone())),
            }
        });
        edits
    }

    fn with(&mut self, name: &ComponentName, change: impl FnOnce(&mut ComponentConfig)) {
        if let Some(config) = self.components.get_mut(name) {
            change(config);
        }
    }
}

/// Makes one part of a component what it is in `source`.
fn copy_part(config: &mut ComponentConfig, source: &ComponentConfig, key: &Key) {
    match key {
        Key::ComponentArtifact(_) => config.artifact.clone_from(&source.artifact),
        Key::Command(_) => config.command.clone_from(&source.command),
        Key::User(_) => config.user.clone_from(&source.user),
        Key::Memory(_) => config.memory_mb = source.memory_mb,
        Key::Disk(_) => config.disk_mb = source.disk_mb,
        Key::LogRate(_) => config.log_bytes_per_second = source.log_bytes_per_second,
        Key::Health(_) => config.health.clone_from(&source.health),
        Key::Readiness(_) => config.readiness.clone_from(&source.readiness),
        Key::ComponentEnv(_, variable) => {
            set(&mut config.env, variable, source.env.get(variable));
        }
        Key::DrainLimit(_) => config.drain_limit_ms = source.drain_limit_ms,
        Key::Grace(_) => config.grace_ms = source.grace_ms,
        Key::Documents(_) => config.documents.clone_from(&source.documents),
        Key::Artifact
        | Key::Env(_)
        | Key::Binding(_)
        | Key::Component(_)
        | Key::Ingress
        | Key::Sidecar(_) => {}
    }
}

/// The writes that make `new` of a component that is there.
fn component_edits(
    edits: &mut Vec<Edit>,
    name: &ComponentName,
    old: &ComponentConfig,
    new: &ComponentConfig,
) {
    if old.role != new.role || old.overlap != new.overlap {
        // What plays another part is another component of the same name.
        edits.push(Edit::RemoveComponent(name.clone()));
        edits.push(Edit::AddComponent(name.clone(), new.clone()));
        return;
    }
    let mut push = |differs: bool, edit: Edit| {
        if differs {
            edits.push(edit);
        }
    };
    let name = || name.clone();
    push(
        old.artifact != new.artifact,
        Edit::ComponentArtifact(name(), new.artifact.clone()),
    );
    push(
        old.command != new.command,
        Edit::Command(name(), new.command.clone()),
    );
    push(old.user != new.user, Edit::User(name(), new.user.clone()));
    push(
        old.memory_mb != new.memory_mb,
        Edit::Memory(name(), new.memory_mb),
    );
    push(old.disk_mb != new.disk_mb, Edit::Disk(name(), new.disk_mb));
    push(
        old.log_bytes_per_second != new.log_bytes_per_second,
        Edit::LogRate(name(), new.log_bytes_per_second),
    );
    push(
        old.health != new.health,
        Edit::Health(name(), new.health.clone()),
    );
    push(
        old.readiness != new.readiness,
        Edit::Readiness(name(), new.readiness.clone()),
    );
    push(
        old.drain_limit_ms != new.drain_limit_ms,
        Edit::DrainLimit(name(), new.drain_limit_ms),
    );
    push(
        old.grace_ms != new.grace_ms,
        Edit::Grace(name(), new.grace_ms),
    );
    push(
        old.documents != new.documents,
        Edit::Documents(name(), new.documents.clone()),
    );
    differences(&old.env, &new.env, |variable, value| {
        edits.push(Edit::ComponentEnv(name(), variable.clone(), value.cloned()));
    });
}

/// Calls `tell` with every key whose value differs, and its new value.
fn differences<K: Ord, V: PartialEq>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    mut tell: impl FnMut(&K, Option<&V>),
) {
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        tell(key, None);
    }
    for (key, value) in new {
        if old.get(key) != Some(value) {
            tell(key, Some(value));
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
