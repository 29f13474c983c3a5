//! Parameters in paths, as text.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

/// Parameters of a path, in order.
#[derive(Debug, Clone)]
pub struct PathParams(Vec<(String, String)>);

impl PathParams {
    /// Those of a request. `None` = its path does not decode to text: then it names nothing.
    pub async fn of<S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<Self> {
        let raw = RawPathParams::from_request_parts(parts, state).await.ok()?;
        Some(Self(
            raw.iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        ))
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}
