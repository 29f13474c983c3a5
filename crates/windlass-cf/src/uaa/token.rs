//! `POST /oauth/token`.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use windlass_control::error::Error;
use windlass_control::identity::IssuedTokens;

use super::error::UaaError;
use super::form;
use crate::body::LimitedBytes;
use crate::percent::decode_form;
use crate::server::CfState;

/// The public client that `cf` and its libraries use; it has no secret.
const CF_CLIENT: &str = "cf";

/// All grants. The answer is never to be cached.
pub(super) async fn grant(
    State(cf): State<CfState>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Result<LimitedBytes, crate::error::ApiError>,
) -> Result<Response, UaaError> {
    let LimitedBytes(bytes) =
        body.map_err(|_| UaaError::invalid_request("The form is too large"))?;
    let fields = form::parse(&bytes)?;
    let field = |name: &str| fields.get(name).map(String::as_str);
    let basic = form::basic(&headers)?;
    let tokens = match field("grant_type") {
        Some("password") => {
            let client = public_client(basic, field("client_id"))?;
            if field("passcode").is_some() {
                return Err(UaaError::invalid_request("Passcodes are not offered"));
            }
            let (Some(name), Some(password)) = (field("username"), field("password")) else {
                return Err(UaaError::invalid_request("Missing username or password"));
            };
            let origin = origin_hint(query.as_deref(), field("login_hint"))?;
            cf.identity()
                .login(name, password, origin.as_deref(), &client)
                .await?
        }
        Some("refresh_token") => {
            let client = public_client(basic, field("client_id"))?;
            let token = field("refresh_token")
                .ok_or_else(|| UaaError::invalid_request("Missing refresh_token"))?;
            cf.identity()
                .refresh(token, &client)
                .await
                .map_err(|error| match error {
                    Error::NotAuthenticated(_) => {
                        UaaError::invalid_token("The token expired, was revoked, or is unknown")
                    }
                    other => other.into(),
                })?
        }
        Some("client_credentials") => {
            let (id, secret) = match basic {
                Some(pair) => pair,
                None => (
                    field("client_id").unwrap_or_default().to_owned(),
                    field("client_secret").unwrap_or_default().to_owned(),
                ),
            };
            cf.identity()
                .login_client(&id, &secret)
                .await
                .map_err(|error| match error {
                    Error::NotAuthenticated(_) => UaaError::invalid_client(),
                    other => other.into(),
                })?
        }
        Some(other) => return Err(UaaError::unsupported_grant(other)),
        None => return Err(UaaError::invalid_request("Missing grant type")),
    };
    let mut response = Json(to_wire(&tokens)).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `token_type` is small: `cf` compares it letter by letter.
fn to_wire(tokens: &IssuedTokens) -> Value {
    let mut answer = Map::new();
    answer.insert("access_token".to_owned(), json!(tokens.access_token));
    answer.insert("token_type".to_owned(), json!("bearer"));
    if let Some(refresh) = &tokens.refresh_token {
        answer.insert("refresh_token".to_owned(), json!(refresh));
    }
    answer.insert("expires_in".to_owned(), json!(tokens.expires_in_seconds));
    let scopes: Vec<&str> = tokens.scopes.iter().map(String::as_str).collect();
    answer.insert("scope".to_owned(), json!(scopes.join(" ")));
    answer.insert("jti".to_owned(), json!(tokens.jti));
    Value::Object(answer)
}

/// The client that a user logs in with: only the public one.
fn public_client(
    basic: Option<(String, String)>,
    in_body: Option<&str>,
) -> Result<String, UaaError> {
    let (id, secret) = match basic {
        Some(pair) => pair,
        None => (in_body.unwrap_or_default().to_owned(), String::new()),
    };
    if id == CF_CLIENT && secret.is_empty() {
        Ok(id)
    } else {
        Err(UaaError::invalid_client())
    }
}

/// `login_hint={"origin":"uaa"}`, in the query or the form.
fn origin_hint(query: Option<&str>, in_form: Option<&str>) -> Result<Option<String>, UaaError> {
    let in_query = query
        .unwrap_or_default()
        .split('&')
        .find_map(|part| part.strip_prefix("login_hint="))
        .and_then(decode_form);
    // Java programs send an empty one when they have none.
    let hint = in_query.or_else(|| in_form.map(str::to_owned));
    let Some(hint) = hint.filter(|hint| !hint.is_empty()) else {
        return Ok(None);
    };
    let parsed: Option<Value> = serde_json::from_str(&hint).ok();
    let origin = parsed
        .as_ref()
        .and_then(|hint| hint.get("origin"))
        .and_then(Value::as_str);
    origin
        .map(|origin| Some(origin.to_owned()))
        .ok_or_else(|| UaaError::invalid_request("login_hint must be {\"origin\": \"…\"}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_log_in_with_the_public_client_only() {
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert!(public_client(pair("cf", ""), None).is_ok());
        assert!(public_client(None, Some("cf")).is_ok());
        assert!(public_client(pair("cf", "x"), None).is_err());
        assert!(public_client(pair("other", ""), None).is_err());
        assert!(public_client(None, None).is_err());
    }

    #[test]
    fn the_origin_is_read_as_cf_sends_it() {
        let query = "login_hint=%7B%22origin%22%3A%22ldap%22%7D";
        assert_eq!(
            origin_hint(Some(query), None).unwrap().as_deref(),
            Some("ldap")
        );
        for none in [None, Some("")] {
            assert_eq!(origin_hint(None, none).unwrap(), None);
        }
        assert!(origin_hint(Some("login_hint=x"), None).is_err());
    }
}
