//! Query strings of this API.

use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use windlass_wire::query;

use crate::error::{ApiError, ApiResult};

/// The parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pairs(query::Pairs);

impl Pairs {
    /// The first value of a name; an empty one counts as none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|text| !text.is_empty())
    }

    /// A switch: absent, empty, `0` and `false` are off.
    ///
    /// # Errors
    /// 400 for another word than `1` and `true`.
    pub(crate) fn switch(&self, name: &str) -> ApiResult<bool> {
        match self.first(name) {
            None | Some("" | "0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(_) => Err(ApiError::bad_request(format!(
                "Invalid query parameter: `{name}` should be a boolean"
            ))),
        }
    }

    /// Words of a list that is separated by commas; empty = none was given.
    pub(crate) fn words<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        self.values(name)
            .flat_map(|text| text.split(','))
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect()
    }
}

impl Deref for Pairs {
    type Target = query::Pairs;

    fn deref(&self) -> &query::Pairs {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Pairs {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        Ok(Self(query::Pairs::parse(parts.uri.query())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches() {
        let raw = Some("a=1&b=&c=maybe");
        let pairs = Pairs(query::Pairs::parse(raw).unwrap());
        assert_eq!(pairs.switch("a"), Ok(true));
        assert_eq!(pairs.switch("b"), Ok(false));
        assert!(pairs.switch("c").is_err());
        assert_eq!(pairs.text("b"), None);
    }
}
