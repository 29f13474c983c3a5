//! Paths: any version and an optional `/now` lead to the same place, and parameters in them.

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use windlass_wire::path_params::PathParams;

use crate::error::ApiError;

/// Version that a path named; absent in the extensions of a request whose path names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version(pub(crate) u32);

/// Takes `/vN` and `/now` off the front of a path: `/v3/now/deployments` is `/deployments`.
pub(crate) fn plain(path: &str) -> (Option<Version>, &str) {
    let (version, rest) = match first(path).and_then(|(word, rest)| Some((number(word)?, rest))) {
        Some((version, rest)) => (Some(Version(version)), rest),
        None => (None, path),
    };
    match first(rest) {
        Some(("now", rest)) => (version, rest),
        _ => (version, rest),
    }
}

/// The first segment, if there is more behind it.
fn first(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix('/')?;
    let end = rest.find('/')?;
    Some((&rest[..end], &rest[end..]))
}

/// `v13` is 13.
fn number(word: &str) -> Option<u32> {
    let digits = word.strip_prefix('v')?;
    let good = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| digits.parse().ok())?
}

/// The address of a request without version.
pub(crate) fn plain_uri(uri: &Uri) -> Option<(Option<Version>, Uri)> {
    let (version, path) = plain(uri.path());
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    Some((version, text.parse().ok()?))
}

/// Parameters of the path, in order.
#[derive(Debug, Clone)]
pub(crate) struct Params(PathParams);

impl Params {
    /// The value of a parameter; empty when the path has none of this name.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_default()
    }
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
    fn versions_and_now_go() {
        for (path, version, rest) in [
            ("/v13/deployments/dpl_1", Some(13), "/deployments/dpl_1"),
            (
                "/v3/now/deployments/x/events",
                Some(3),
                "/deployments/x/events",
            ),
            ("/now/aliases/a", None, "/aliases/a"),
            ("/teams/v2", None, "/teams/v2"),
            ("/v2/user", Some(2), "/user"),
            ("/v2", None, "/v2"),
            ("/now", None, "/now"),
            ("/vx/user", None, "/vx/user"),
            ("/v12345/user", None, "/v12345/user"),
            ("/v2/v3/user", Some(2), "/v3/user"),
            ("/", None, "/"),
            ("", None, ""),
        ] {
            assert_eq!(plain(path), (version.map(Version), rest), "{path}");
        }
        let uri = "/v6/deployments?limit=20&a=%20".parse().unwrap();
        let (_, uri) = plain_uri(&uri).unwrap();
        assert_eq!(uri.to_string(), "/deployments?limit=20&a=%20");
    }
}
