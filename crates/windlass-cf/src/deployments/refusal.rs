//! Refusals of control in the words that a create of a deployment has for them.

use windlass_control::Error;
use windlass_engine::rejection::{QuotaKind, Rejection};

use crate::error::ApiError;

/// What a create of a deployment answers. A quota is named with the organization whose it is, and
/// with the hint that a roll needs more than the app itself.
pub(super) fn of_create(error: Error, organization: &str) -> ApiError {
    let Error::Rejected(Rejection::QuotaExceeded { what }) = error else {
        return ApiError::from(error);
    };
    let problem = match what {
        QuotaKind::Memory => "memory quota_exceeded",
        QuotaKind::Instances => "app_instance_limit app_instance_limit_exceeded",
        // A deployment runs no task of users.
        QuotaKind::Tasks => return Rejection::QuotaExceeded { what }.into(),
    };
    ApiError::unprocessable(format!(
        "{problem} for organization {organization}. This organization's quota may not be large \
         enough to support rolling deployments or your configured max-in-flight."
    ))
}
