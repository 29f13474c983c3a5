//! Identifiers: one newtype per noun, so that two kinds of id can't be mixed up.
//!
//! Ids are opaque text made by the shell (the engine has no randomness); each dialect makes its
//! public form from them.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares one id newtype. Eighteen identical definitions would hide the one that differs.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// Wraps the text of an id.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

ids! {
    /// An organization: the tenant.
    OrganizationId;
    /// A space inside an organization.
    SpaceId;
    /// An app: the unit of consistency of the engine.
    AppId;
    /// An immutable revision of an app's whole configuration.
    RevisionId;
    /// A release: one movement of instances and traffic to a target revision.
    ReleaseId;
    /// A build: source to artifact.
    BuildId;
    /// A task: one run of a command beside the app.
    TaskId;
    /// An artifact (Cloud Foundry: droplet): what a build produced and a revision runs.
    ArtifactId;
    /// Uploaded source of an app.
    PackageId;
    /// A user.
    UserId;
    /// A role of a user in an organization or a space.
    RoleId;
    /// An API token or refresh token.
    TokenId;
    /// A signing key of the token endpoint.
    KeyId;
    /// A domain below which routes have their hosts.
    DomainId;
    /// A host name that an app has of its own.
    AppHostId;
    /// A route: host and path that lead to apps.
    RouteId;
    /// A destination of a route.
    DestinationId;
    /// A numbered revision as a dialect shows it.
    NumberedRevisionId;
    /// A service instance (user provided).
    ServiceInstanceId;
    /// A binding of a service instance to an app.
    BindingId;
    /// A row of the audit trail.
    AuditEventId;
    /// A durable job that a dialect shows while something long goes on (deletion).
    OperationId;
}

/// Name of a component of an app: a process type, service, worker or output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ComponentName(pub String);

impl ComponentName {
    /// Wraps a name.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ComponentName {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Borrow<str> for ComponentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Number of an instance slot inside its app: grows, is never used twice.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct InstanceId(pub u64);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a commit of the store: breaks ties of equal timestamps in every ordering.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct CommitNumber(pub u64);

/// Compare-and-set number of an app's row: grows with each commit of the row.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct RowRevision(pub u64);

/// Fencing number of driver and router: grows only when the plan changes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct PlanGeneration(pub u64);

/// Keyed digest of a secret value; the value itself lies encrypted in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretRef(pub String);
