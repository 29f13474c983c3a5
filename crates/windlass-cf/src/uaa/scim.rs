//! `/Users`: what `cf create-user`, `delete-user`, `passwd` and `set-*-role --client` need.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use windlass_control::identity::{NewUser, UserPatch};
use windlass_control::principal::Principal;
use windlass_engine::id::UserId;
use windlass_engine::records::{AdminScope, Metadata, PASSWORD_ORIGIN, User};

use super::error::UaaError;
use crate::auth::{bearer, user_agent};
use crate::body::JsonObject;
use crate::error::ApiError;
use crate::path::Params;
use crate::percent::decode_form;
use crate::server::CfState;
use crate::time;

/// `GET /Users?filter=userName eq "U" and origin eq "uaa"`.
pub(super) async fn list(
    State(cf): State<CfState>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, UaaError> {
    admin(&cf, &headers)?;
    let filter = query
        .as_deref()
        .unwrap_or_default()
        .split('&')
        .find_map(|part| part.strip_prefix("filter="))
        .and_then(decode_form)
        .ok_or_else(|| UaaError::invalid_request("A filter by userName is needed"))?;
    let wanted = Wanted::parse(&filter).ok_or_else(|| {
        UaaError::invalid_request("Only userName, origin and id with eq are known")
    })?;
    let found = match (&wanted.id, &wanted.name) {
        (Some(id), _) => cf
            .identity()
            .user(&UserId::from(id.as_str()))?
            .into_iter()
            .collect(),
        (None, Some(name)) => cf.identity().users_named(name)?,
        (None, None) => Vec::new(),
    };
    let rows: Vec<Value> = found
        .iter()
        .filter(|user| {
            wanted
                .origin
                .as_ref()
                .is_none_or(|origin| *origin == user.origin)
        })
        .map(to_wire)
        .collect();
    Ok(Json(json!({
        "schemas": ["urn:scim:schemas:core:1.0"],
        "startIndex": 1,
        "itemsPerPage": rows.len(),
        "totalResults": rows.len(),
        "resources": rows,
    })))
}

/// `POST /Users`.
pub(super) async fn create(
    State(cf): State<CfState>,
    headers: HeaderMap,
    body: Result<JsonObject, ApiError>,
) -> Result<Response, UaaError> {
    admin(&cf, &headers)?;
    let JsonObject(body) = body.map_err(|_| UaaError::invalid_user("The body can't be read"))?;
    let text = |name: &str| -> Result<Option<&str>, UaaError> {
        match body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(UaaError::invalid_user(format!("{name} must be a string"))),
        }
    };
    let name = text("userName")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| UaaError::invalid_user("A username must be provided."))?;
    // `cf` sends an empty origin when the user gave none.
    let origin = text("origin")?
        .filter(|origin| !origin.is_empty())
        .unwrap_or(PASSWORD_ORIGIN);
    let password = text("password")?.filter(|password| !password.is_empty());
    if origin == PASSWORD_ORIGIN && password.is_none() {
        return Err(UaaError::invalid_user("A password must be provided."));
    }
    let new = NewUser {
        id: None,
        name: name.to_owned(),
        origin: origin.to_owned(),
        password: password.map(str::to_owned),
        is_client: false,
        admin: AdminScope::None,
        metadata: Metadata::default(),
    };
    let user = cf.identity().create_user(new).await?;
    Ok((StatusCode::CREATED, Json(to_wire(&user))).into_response())
}

/// `GET /Users/{id}`.
pub(super) async fn show(
    State(cf): State<CfState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Json<Value>, UaaError> {
    let principal = caller(&cf, &headers)?;
    let id = user_id(&params)?;
    if !principal.is_admin() && principal.user.id != id {
        return Err(UaaError::insufficient_scope());
    }
    let user = cf
        .identity()
        .user(&id)?
        .ok_or_else(|| UaaError::no_such_user(id.as_str()))?;
    Ok(Json(to_wire(&user)))
}

/// `DELETE /Users/{id}`. `cf delete-user` deletes at the API first, which is the same user here:
/// one that is gone already is an answer, not an error.
pub(super) async fn delete(
    State(cf): State<CfState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Json<Value>, UaaError> {
    admin(&cf, &headers)?;
    let id = user_id(&params)?;
    let Some(user) = cf.identity().user(&id)? else {
        return Ok(Json(json!({ "id": id.as_str() })));
    };
    cf.identity().delete_user(&id).await?;
    Ok(Json(to_wire(&user)))
}

/// `PUT /Users/{id}/password` with `{"password", "oldPassword"}`.
pub(super) async fn change_password(
    State(cf): State<CfState>,
    headers: HeaderMap,
    params: Params,
    body: Result<JsonObject, ApiError>,
) -> Result<Json<Value>, UaaError> {
    let principal = caller(&cf, &headers)?;
    let JsonObject(body) = body.map_err(|_| UaaError::invalid_user("The body can't be read"))?;
    let id = user_id(&params)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let password =
        text("password").ok_or_else(|| UaaError::invalid_user("A password must be provided."))?;
    if principal.user.id == id {
        let old = text("oldPassword").unwrap_or_default();
        if !cf.identity().password_fits(&principal.user, old).await? {
            return Err(UaaError::bad_credentials());
        }
    } else if !principal.is_admin() {
        return Err(UaaError::insufficient_scope());
    }
    let patch = UserPatch {
        password: Some(password.to_owned()),
        ..UserPatch::default()
    };
    cf.identity().update_user(&id, patch).await?;
    Ok(Json(
        json!({ "status": "ok", "message": "password updated" }),
    ))
}

/// `GET /oauth/clients/{id}`: whether there is such a client.
pub(super) async fn show_client(
    State(cf): State<CfState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Json<Value>, UaaError> {
    admin(&cf, &headers)?;
    let id = params.get("id").map_err(|_| UaaError::no_such_client())?;
    let client = cf
        .identity()
        .find_user(id, PASSWORD_ORIGIN)?
        .filter(|user| user.is_client);
    let client = client.ok_or_else(UaaError::no_such_client)?;
    Ok(Json(
        json!({ "client_id": client.name, "name": client.name }),
    ))
}

fn to_wire(user: &User) -> Value {
    json!({
        "id": user.id.as_str(),
        "userName": user.name,
        "origin": user.origin,
        "name": { "familyName": user.name, "givenName": user.name },
        "emails": [{ "value": user.name, "primary": true }],
        "active": true,
        "verified": true,
        "zoneId": "uaa",
        "meta": {
            "version": 0,
            "created": time::rfc3339(user.stamps.created_at),
            "lastModified": time::rfc3339(user.stamps.updated_at),
        },
        "schemas": ["urn:scim:schemas:core:1.0"],
    })
}

fn caller(cf: &CfState, headers: &HeaderMap) -> Result<Principal, UaaError> {
    let token = bearer(headers).map_err(|_| UaaError::unauthenticated())?;
    cf.identity()
        .authenticate(token, user_agent(headers))
        .map_err(|_| UaaError::invalid_token("The token expired, was revoked, or is unknown"))
}

fn admin(cf: &CfState, headers: &HeaderMap) -> Result<Principal, UaaError> {
    let principal = caller(cf, headers)?;
    if principal.is_admin() {
        Ok(principal)
    } else {
        Err(UaaError::insufficient_scope())
    }
}

fn user_id(params: &Params) -> Result<UserId, UaaError> {
    params
        .get("id")
        .map(UserId::from)
        .map_err(|_| UaaError::no_such_user(""))
}

/// What a filter asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    id: Option<String>,
    name: Option<String>,
    origin: Option<String>,
}

impl Wanted {
    /// Reads `attribute eq "value"`, joined by `and`; attributes in any case.
    fn parse(filter: &str) -> Option<Self> {
        let mut wanted = Self::default();
        let mut rest = filter.trim();
        loop {
            let (attribute, after) = rest.split_once(char::is_whitespace)?;
            let after = after.trim_start();
            let (operator, after) = after.split_once(char::is_whitespace)?;
            if !operator.eq_ignore_ascii_case("eq") {
                return None;
            }
            let (value, after) = quoted(after.trim_start())?;
            match attribute.to_ascii_lowercase().as_str() {
                "id" => wanted.id = Some(value),
                "username" => wanted.name = Some(value),
                "origin" => wanted.origin = Some(value),
                _ => return None,
            }
            let after = after.trim_start();
            if after.is_empty() {
                return Some(wanted);
            }
            let (and, more) = after.split_once(char::is_whitespace)?;
            if !and.eq_ignore_ascii_case("and") {
                return None;
            }
            rest = more.trim_start();
        }
    }
}

/// A value in double quotes, with backslash escapes, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut letters = inner.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &inner[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_cf_are_read() {
        let wanted = Wanted::parse(r#"userName eq "an \"na\" and x" and origin eq "uaa""#).unwrap();
        assert_eq!(wanted.name.as_deref(), Some(r#"an "na" and x"#));
        assert_eq!(wanted.origin.as_deref(), Some("uaa"));
        assert_eq!(
            Wanted::parse(r#"Id Eq "1""#).unwrap().id.as_deref(),
            Some("1")
        );
        for bad in [
            "",
            "userName",
            "userName eq",
            "userName eq x",
            r#"userName co "x""#,
            r#"emails eq "x""#,
            r#"id eq "x"#,
            r#"id eq "x" or id eq "y""#,
        ] {
            assert_eq!(Wanted::parse(bad), None, "{bad}");
        }
    }
}
