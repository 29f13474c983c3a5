//! Parameters in paths. A path that does not decode names nothing: 404, as any unknown one.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::error::ApiError;

/// Parameters of the path, in order.
#[derive(Debug, Clone)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Parameters of a path that one handler sends another to.
    pub(crate) fn of<const N: usize>(params: [(&str, &str); N]) -> Self {
        let params = params.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self(params.into())
    }

    /// The parameter of this name.
    ///
    /// # Errors
    /// 404 10000 when the path has none.
    pub fn get(&self, name: &str) -> Result<&str, ApiError> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .ok_or_else(ApiError::unknown_request)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let raw = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::unknown_request())?;
        Ok(Self(
            raw.iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        ))
    }
}

/// The `{guid}` of the path.
#[derive(Debug, Clone)]
pub struct Guid(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Guid {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = Params::from_request_parts(parts, state).await?;
        params.get("guid").map(|guid| Self(guid.to_owned()))
    }
}
