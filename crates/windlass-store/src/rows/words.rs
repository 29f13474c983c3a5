//! The words that stand in the columns `State` and `Kind`, for filters.

use windlass_engine::records::{
    ArtifactState, BuildRecordState, OperationState, PackageState, RoleKind, TokenKind,
};

/// Word of a package's state.
pub fn package_state(state: &PackageState) -> &'static str {
    match state {
        PackageState::AwaitingUpload => "awaiting_upload",
        PackageState::Processing => "processing",
        PackageState::Ready => "ready",
        PackageState::Failed { .. } => "failed",
        PackageState::Expired => "expired",
    }
}

/// Word of an artifact's state.
pub fn artifact_state(state: &ArtifactState) -> &'static str {
    match state {
        ArtifactState::AwaitingUpload => "awaiting_upload",
        ArtifactState::Staged => "staged",
        ArtifactState::Failed { .. } => "failed",
        ArtifactState::Expired => "expired",
    }
}

/// Word of a build's state.
pub fn build_state(state: &BuildRecordState) -> &'static str {
    match state {
        BuildRecordState::Staging => "staging",
        BuildRecordState::Staged { .. } => "staged",
        BuildRecordState::Failed { .. } => "failed",
        BuildRecordState::Skipped { .. } => "skipped",
        BuildRecordState::Canceled => "canceled",
    }
}

/// Word of an operation's state.
pub fn operation_state(state: &OperationState) -> &'static str {
    match state {
        OperationState::Processing => "processing",
        OperationState::Complete => "complete",
        OperationState::Failed { .. } => "failed",
    }
}

/// Word of a role's kind.
pub fn role_kind(kind: RoleKind) -> &'static str {
    match kind {
        RoleKind::OrganizationUser => "organization_user",
        RoleKind::OrganizationAuditor => "organization_auditor",
        RoleKind::OrganizationManager => "organization_manager",
        RoleKind::OrganizationBillingManager => "organization_billing_manager",
        RoleKind::SpaceAuditor => "space_auditor",
        RoleKind::SpaceDeveloper => "space_developer",
        RoleKind::SpaceManager => "space_manager",
        RoleKind::SpaceSupporter => "space_supporter",
    }
}

/// Word of a token's kind.
pub fn token_kind(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Api => "api",
        TokenKind::Refresh => "refresh",
    }
}
