//! Plain records of what surrounds the engine: tenants, identity, source, routes, audit.
//!
//! They carry no rules; the store keeps them and `windlass-control` decides about them.

mod audit;
mod identity;
mod routing;
mod settings;
mod source;
mod tenancy;

pub use audit::{Actor, AuditEvent, Operation, OperationState, Target};
pub use identity::{
    AdminScope, PASSWORD_ORIGIN, Role, RoleKind, SigningKey, Token, TokenKind, User,
};
pub use routing::{AppHost, Destination, Domain, Protocol, Route, RouteOptions, WantedHost};
pub use settings::{FeatureFlag, IdempotencyRow, SecretValue};
pub use source::{
    Artifact, ArtifactState, BuildCancel, BuildOutputSettings, BuildRecord, BuildRecordState,
    BuildSettings, GitSource, NumberedProcess, NumberedRevision, Package, PackageState,
    ServiceBinding, ServiceInstance,
};
pub use tenancy::{AppRecord, Dialect, Metadata, Organization, Quota, Space, Stamps};
