//! Who calls: the bearer token of a request, checked before anything else.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use windlass_control::identity::{Blocked, Grants, OrganizationAccess, SpaceAccess};
use windlass_control::principal::Principal;

use crate::error::ApiError;
use crate::server::CfState;

/// A caller whose token is good and has the scope that the method needs: reading for GET and
/// HEAD, writing for everything else.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// Who.
    pub principal: Principal,
    /// What their roles allow.
    pub grants: Grants,
}

impl FromRequestParts<CfState> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, cf: &CfState) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers)?;
        let principal = cf
            .identity()
            .authenticate(token, user_agent(&parts.headers))?;
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        let allowed = if reads {
            principal.may_read()
        } else {
            principal.may_write()
        };
        if !allowed {
            return Err(ApiError::not_authorized());
        }
        let grants = cf.identity().grants(&principal)?;
        Ok(Self { principal, grants })
    }
}

impl Authenticated {
    /// Refuses everybody but administrators.
    ///
    /// # Errors
    /// 403 10003.
    pub fn require_admin(&self) -> Result<(), ApiError> {
        if self.principal.is_admin() {
            Ok(())
        } else {
            Err(ApiError::not_authorized())
        }
    }
}

/// 403 or 422 when the tenant is suspended or goes away, whatever the role.
///
/// # Errors
/// 403 10017, 422 10020.
pub fn require_active(blocked: Option<Blocked>) -> Result<(), ApiError> {
    match blocked {
        None => Ok(()),
        Some(Blocked::Suspended) => Err(ApiError::org_suspended()),
        Some(Blocked::OrganizationDeleting) => Err(ApiError::org_being_deleted()),
        Some(Blocked::SpaceDeleting) => Err(ApiError::space_being_deleted()),
    }
}

/// Requires a right in a space that the caller can see, and that the space is active.
///
/// # Errors
/// 403 10003, then those of [`require_active`].
pub fn require_in_space(
    access: &SpaceAccess,
    right: impl FnOnce(&SpaceAccess) -> bool,
) -> Result<(), ApiError> {
    if !right(access) {
        return Err(ApiError::not_authorized());
    }
    require_active(access.blocked)
}

/// Requires management of an organization that the caller can see, and that it is active.
///
/// # Errors
/// 403 10003, then those of [`require_active`].
pub fn require_manager(access: &OrganizationAccess) -> Result<(), ApiError> {
    if !access.manage {
        return Err(ApiError::not_authorized());
    }
    require_active(access.blocked)
}

/// The token behind `bearer ` (any case: `cf` sends it small, others with a capital).
///
/// # Errors
/// 401 10002 without one, 401 1000 with something else.
pub fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(ApiError::not_authenticated());
    };
    let text = value
        .to_str()
        .map_err(|_| ApiError::invalid_auth_token())?
        .trim();
    // `cf` sends an empty header when nobody is logged in.
    if text.is_empty() {
        return Err(ApiError::not_authenticated());
    }
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(ApiError::invalid_auth_token()),
    }
}

/// Name of the calling program, for the record.
pub fn user_agent(headers: &HeaderMap) -> &str {
    headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(value: &'static str) -> Result<String, u32> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
        bearer(&headers)
            .map(str::to_owned)
            .map_err(|error| error.entries[0].code)
    }

    #[test]
    fn tokens_are_found_in_either_spelling() {
        assert_eq!(read("bearer a.b.c"), Ok("a.b.c".to_owned()));
        assert_eq!(read("Bearer  a.b.c "), Ok("a.b.c".to_owned()));
        assert_eq!(read(""), Err(10002));
        assert_eq!(
            bearer(&HeaderMap::new()).unwrap_err().entries[0].code,
            10002
        );
        assert_eq!(read("Basic eHh4"), Err(1000));
        assert_eq!(read("abc"), Err(1000));
    }

    #[test]
    fn blocked_tenants_have_their_own_answers() {
        assert!(require_active(None).is_ok());
        let code = |blocked| require_active(Some(blocked)).unwrap_err().entries[0].code;
        assert_eq!(code(Blocked::Suspended), 10017);
        assert_eq!(code(Blocked::OrganizationDeleting), 10020);
        assert_eq!(code(Blocked::SpaceDeleting), 10020);
    }
}
