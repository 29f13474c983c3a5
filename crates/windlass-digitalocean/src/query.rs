//! Query strings of this API.

use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
pub(crate) use windlass_wire::query::encode;
use windlass_wire::query::{self, BadQuery};

use crate::error::{ApiError, ApiResult};

/// The parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pairs(query::Pairs);

impl Pairs {
    /// Reads a raw query.
    ///
    /// # Errors
    /// 400 for what does not decode to text, and for too many.
    pub(crate) fn parse(raw: Option<&str>) -> ApiResult<Self> {
        Ok(Self(query::Pairs::parse(raw)?))
    }

    /// A switch: `true` or `false`, absent is `false`.
    ///
    /// # Errors
    /// 400 for another word.
    pub(crate) fn switch(&self, name: &str) -> ApiResult<bool> {
        match self.first(name) {
            None | Some("" | "false" | "False" | "0") => Ok(false),
            Some("true" | "True" | "1") => Ok(true),
            Some(_) => Err(ApiError::bad_request(format!(
                "{name} must be true or false"
            ))),
        }
    }
}

impl Deref for Pairs {
    type Target = query::Pairs;

    fn deref(&self) -> &query::Pairs {
        &self.0
    }
}

impl From<BadQuery> for ApiError {
    fn from(bad: BadQuery) -> Self {
        Self::bad_request(bad.to_string())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Pairs {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::parse(parts.uri.query())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_words() {
        let pairs = Pairs::parse(Some("a=true&b=False&c=yes")).unwrap();
        assert_eq!(pairs.switch("a"), Ok(true));
        assert_eq!(pairs.switch("b"), Ok(false));
        assert_eq!(pairs.switch("missing"), Ok(false));
        assert!(pairs.switch("c").is_err());
    }
}
