//! Parameters in paths. An id that is no UUID names nothing: 404, as any unknown one.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use windlass_wire::path_params::PathParams;

use crate::error::ApiError;

/// Parameters of the path, in order.
#[derive(Debug, Clone)]
pub(crate) struct Params(PathParams);

impl Params {
    /// The id of this name. `what` is a noun for the refusal.
    ///
    /// # Errors
    /// 404 for what is no UUID in its usual form.
    pub(crate) fn id(&self, name: &str, what: &str) -> Result<&str, ApiError> {
        self.0
            .get(name)
            .filter(|text| is_id(text))
            .ok_or_else(|| ApiError::not_found(what))
    }

    /// A name of any form.
    ///
    /// # Errors
    /// 404 when the path has none.
    pub(crate) fn name(&self, name: &str, what: &str) -> Result<&str, ApiError> {
        self.0.get(name).ok_or_else(|| ApiError::not_found(what))
    }
}

/// Whether a text is a UUID in the form in which all of ours are.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        PathParams::of(parts, state)
            .await
            .map(Self)
            .ok_or_else(ApiError::unknown_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_in_small_letters() {
        assert!(is_id("3f5b2f9f-b62f-497e-9980-1bda11e879c3"));
        for bad in [
            "",
            "sample",
            "3f5b2f9fb62f497e99801bda11e879c3",
            "3F5B2F9F-B62F-497E-9980-1BDA11E879C3",
            "3f5b2f9f-b62f-497e-9980-1bda11e879c3x",
            "{3f5b2f9f-b62f-497e-9980-1bda11e879}",
            "3f5b2f9f_b62f_497e_9980_1bda11e879c3",
            "３f5b2f9f-b62f-497e-9980-1bda11e879",
        ] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
