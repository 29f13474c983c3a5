//! What a request says about who sends it.

use axum::http::{HeaderMap, header};

/// The token behind `Bearer `, in any case.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Name of the calling program, for the record; empty when it has none.
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

    #[test]
    fn only_bearer_tokens_are_tokens() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer  a.b "), Some("a.b".to_owned()));
        assert_eq!(read("bearer a"), Some("a".to_owned()));
        assert_eq!(read("Bearer "), None);
        assert_eq!(read("Basic eHg="), None);
        assert_eq!(read("abc"), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
