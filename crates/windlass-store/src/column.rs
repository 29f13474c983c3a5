//! The columns that rows are looked up, filtered and ordered by.

/// A column. Which table has which is said by its [`Table`](crate::Table); a query that names a
/// column which the table lacks is answered with [`StoreError::UnknownColumn`].
///
/// [`StoreError::UnknownColumn`]: crate::StoreError::UnknownColumn
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Key of the row.
    Id,
    /// Name; compared without case where names ignore case.
    Name,
    /// Name as it was given, where `Name` is folded and no document holds it.
    DisplayName,
    /// Organization, direct or through the space or app.
    Organization,
    /// Space, direct or through the app.
    Space,
    /// App. For routes: the app of any of its destinations.
    App,
    /// User.
    User,
    /// Kind or type word.
    Kind,
    /// State word.
    State,
    /// `ACTIVE` or `FINALIZED` of a release.
    StatusValue,
    /// Reason beside the status value.
    StatusReason,
    /// Whether a release has its outcome.
    Finished,
    /// Number of a task inside its app.
    SequenceId,
    /// Number of a numbered revision.
    Number,
    /// Package.
    Package,
    /// Build.
    Build,
    /// Artifact.
    Artifact,
    /// SHA-256 of a blob.
    Blob,
    /// Release.
    Release,
    /// Domain.
    Domain,
    /// Host label of a route.
    Host,
    /// Path of a route.
    Path,
    /// Whole host name of a route.
    FullHost,
    /// Whether a domain is internal.
    Internal,
    /// An organization that a domain is shared with.
    SharedWith,
    /// Whether an organization is suspended.
    Suspended,
    /// Whether a deletion is under way.
    Deleting,
    /// Whether an app is deleted.
    Deleted,
    /// Dialect.
    Dialect,
    /// Origin of a user.
    Origin,
    /// Whether a user is an OAuth client.
    IsClient,
    /// Digest of a token.
    Sha256,
    /// End of a token or row.
    ExpiresAt,
    /// End of a signing key's use.
    RetiredAt,
    /// Service instance.
    ServiceInstance,
    /// Id of who did something.
    Actor,
    /// Id of what it was done to.
    Target,
    /// Kind of what it was done to.
    TargetKind,
    /// Id of what an operation is about.
    Subject,
    /// HTTP status of a kept answer.
    Status,
    /// Body of a kept answer.
    Body,
    /// Whether a kept answer was delivered.
    Delivered,
    /// Encrypted text.
    Ciphertext,
    /// Wall time of creation.
    CreatedAt,
    /// Wall time of the last change.
    UpdatedAt,
    /// Commit of creation.
    CreatedCommit,
    /// Labels as JSON.
    Labels,
    /// The whole row as JSON.
    Document,
}

impl Column {
    /// Name in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::DisplayName => "display_name",
            Self::Organization => "organization",
            Self::Space => "space",
            Self::App => "app",
            Self::User => "user_id",
            Self::Kind => "kind",
            Self::State => "state",
            Self::StatusValue => "status_value",
            Self::StatusReason => "status_reason",
            Self::Finished => "finished",
            Self::SequenceId => "sequence_id",
            Self::Number => "number",
            Self::Package => "package",
            Self::Build => "build",
            Self::Artifact => "artifact",
            Self::Blob => "blob",
            Self::Release => "release_id",
            Self::Domain => "domain",
            Self::Host => "host",
            Self::Path => "path",
            Self::FullHost => "full_host",
            Self::Internal => "internal",
            Self::SharedWith => "shared_with",
            Self::Suspended => "suspended",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Dialect => "dialect",
            Self::Origin => "origin",
            Self::IsClient => "is_client",
            Self::Sha256 => "sha256",
            Self::ExpiresAt => "expires_at",
            Self::RetiredAt => "retired_at",
            Self::ServiceInstance => "service_instance",
            Self::Actor => "actor",
            Self::Target => "target",
            Self::TargetKind => "target_kind",
            Self::Subject => "subject",
            Self::Status => "status",
            Self::Body => "body",
            Self::Delivered => "delivered",
            Self::Ciphertext => "ciphertext",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::CreatedCommit => "created_commit",
            Self::Labels => "labels",
            Self::Document => "document",
        }
    }
}
