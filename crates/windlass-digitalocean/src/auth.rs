//! Who calls: the bearer token of a request, checked before anything else.

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use windlass_control::commands::Caller;
use windlass_control::identity::Grants;
use windlass_control::principal::Principal;
use windlass_wire::bearer::{bearer, user_agent};

use crate::error::ApiError;
use crate::server::DoState;

/// A caller whose token is good and has the scope that the method needs: reading for GET and
/// HEAD, writing for everything else.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated {
    /// Who.
    pub(crate) principal: Principal,
    /// What their roles allow.
    pub(crate) grants: Grants,
}

impl Authenticated {
    /// The caller for the record.
    pub(crate) fn caller(&self) -> Caller {
        Caller::from(&self.principal)
    }

    /// What tells the callers of this API apart: for rate limits and repeated requests.
    pub(crate) fn key(&self) -> &str {
        self.principal.user.id.as_str()
    }
}

impl FromRequestParts<DoState> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &DoState) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers).ok_or_else(ApiError::unauthorized)?;
        let principal = state
            .control
            .identity()
            .authenticate(token, user_agent(&parts.headers))?;
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        let allowed = if reads {
            principal.may_read()
        } else {
            principal.may_write()
        };
        if !allowed {
            return Err(ApiError::forbidden(
                "You are missing the required permission for this operation",
            ));
        }
        let grants = state.control.identity().grants(&principal)?;
        Ok(Self { principal, grants })
    }
}
