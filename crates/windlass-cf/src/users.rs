//! `/v3/users`. The same users as those of the token endpoint.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use windlass_control::identity::{NewUser, UserPatch};
use windlass_control::listing::{Column, Filter};
use windlass_engine::id::{OrganizationId, SpaceId, UserId};
use windlass_engine::records::{AdminScope, Metadata, PASSWORD_ORIGIN, User};

use crate::auth::Authenticated;
use crate::body::{JsonObject, Validator};
use crate::error::{ApiError, ApiResult};
use crate::links::Urls;
use crate::path::Guid;
use crate::query::{ListQuery, ListSpec, only_parameters};
use crate::server::CfState;
use crate::{jobs, metadata, page, time};

/// Longest name, characters.
const MAX_NAME_CHARS: usize = 255;
const LIST: ListSpec = ListSpec::with_filters(&["usernames", "partial_usernames", "origins"]);

/// The organization, and the space if any, whose users are listed.
pub(crate) type Membership = (OrganizationId, Option<SpaceId>);

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/users", get(list).post(create))
        .route("/v3/users/{guid}", get(show).patch(update).delete(delete))
}

/// A user as the wire has it.
pub(crate) fn to_wire(row: &User, urls: &Urls) -> Value {
    // A client has no login name: it is known by its id.
    let name = (!row.is_client).then_some(row.name.as_str());
    json!({
        "guid": row.id.as_str(),
        "created_at": time::rfc3339(row.stamps.created_at),
        "updated_at": time::rfc3339(row.stamps.updated_at),
        "username": name,
        "presentation_name": row.name,
        "origin": name.map(|_| row.origin.as_str()),
        "metadata": metadata::to_wire(&row.metadata),
        "links": { "self": urls.href(&format!("/v3/users/{}", row.id)) },
    })
}

/// A list of users; with a membership only those who have a role there.
pub(crate) async fn answer_list(
    cf: &CfState,
    caller: &Authenticated,
    raw: Option<&str>,
    path: &str,
    members: Option<Membership>,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw, &LIST)?;
    let names = query.values("usernames");
    let partial = query.values("partial_usernames");
    if names.is_some() && partial.is_some() {
        return Err(ApiError::bad_query(
            "Usernames cannot be provided with both usernames and partial_usernames",
        ));
    }
    if query.values("origins").is_some() && names.is_none() && partial.is_none() {
        return Err(ApiError::bad_query(
            "Origins filter cannot be provided without usernames or partial_usernames filter.",
        ));
    }
    let mut question = query.question(&[("usernames", Column::Name), ("origins", Column::Origin)]);
    if let Some(partial) = partial {
        question.filters.push(Filter::one_of(
            Column::Id,
            cf.identity()
                .ids_with_name_parts(partial)
                .await?
                .iter()
                .map(UserId::as_str),
        ));
    }
    if let Some((organization, space)) = members {
        let ids = cf.tenancy().members(&organization, space.as_ref()).await?;
        question
            .filters
            .push(Filter::one_of(Column::Id, ids.iter().map(UserId::as_str)));
    }
    let found = cf.identity().list_users(&caller.grants, question).await?;
    let rows = found
        .rows
        .iter()
        .map(|row| to_wire(row, cf.urls()))
        .collect();
    Ok(Json(page::answer(
        cf.urls(),
        path,
        &query,
        found.total,
        rows,
    )))
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    answer_list(&cf, &caller, raw.as_deref(), "/v3/users", None).await
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    only_parameters(raw.as_deref(), &[])?;
    let user = find(&cf, &caller, &guid).await?;
    Ok(Json(to_wire(&user, cf.urls())))
}

/// Makes a user known to the platform. `cf create-user` first creates it at the token endpoint
/// and then names its guid here; as both are one user here, that is an answer and no change.
async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    JsonObject(body): JsonObject,
) -> ApiResult {
    caller.require_admin()?;
    let new = request(&body)?;
    let known = match &new.id {
        Some(id) => cf.identity().user(id)?,
        None => None,
    };
    let user = match known {
        Some(user) => user,
        None => cf.identity().create_user(new).await?,
    };
    Ok((StatusCode::CREATED, Json(to_wire(&user, cf.urls()))).into_response())
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let user = find(&cf, &caller, &guid).await?;
    caller.require_admin()?;
    let mut check = Validator::new();
    check.known_fields(&body, "", &["metadata"]);
    let patch = check.metadata(&body);
    check.finish()?;
    let metadata = Some(patch.apply(&user.metadata)?);
    let patch = UserPatch {
        metadata,
        ..UserPatch::default()
    };
    let changed = cf.identity().update_user(&user.id, patch).await?;
    Ok(Json(to_wire(&changed, cf.urls())))
}

async fn delete(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let user = find(&cf, &caller, &guid).await?;
    caller.require_admin()?;
    cf.identity().delete_user(&user.id).await?;
    jobs::accepted_done(&cf, &caller, "user.delete", &guid).await
}

async fn find(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<User> {
    let query = ListQuery::parse(None, &LIST)?;
    let mut question = query.question(&[]);
    question.filters.push(Filter::is(Column::Id, guid));
    let found = cf.identity().list_users(&caller.grants, question).await?;
    found
        .rows
        .into_iter()
        .next()
        .ok_or_else(|| ApiError::not_found("User"))
}

fn request(body: &Map<String, Value>) -> Result<NewUser, ApiError> {
    let mut check = Validator::new();
    check.known_fields(body, "", &["guid", "username", "origin", "metadata"]);
    let guid = check.optional_string(body, "guid", 1, 200);
    let name = check.optional_string(body, "username", 1, MAX_NAME_CHARS);
    let origin = check.optional_string(body, "origin", 1, MAX_NAME_CHARS);
    let metadata = check.metadata(body);
    if check.is_clean() {
        match (guid, name, origin) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => {}
            (Some(_), Some(_), _) => check.add("Username cannot be provided with 'guid'"),
            (Some(_), None, Some(_)) => check.add("Origin cannot be provided with 'guid'"),
            (None, Some(_), None) => {
                check.add("Origin can only be provided together with 'username'");
            }
            (None, None, Some(_)) => {
                check.add("Username can only be provided together with 'origin'");
            }
            (None, None, None) => check.add("Guid or 'username' and 'origin' must be provided"),
        }
    }
    check.finish()?;
    Ok(NewUser {
        id: guid.map(UserId::from),
        name: name.or(guid).unwrap_or_default().to_owned(),
        origin: origin.unwrap_or(PASSWORD_ORIGIN).to_owned(),
        password: None,
        // Who is known by a guid alone is a client of the token endpoint.
        is_client: name.is_none(),
        admin: AdminScope::None,
        metadata: metadata.apply(&Metadata::default())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_body_has_its_text() {
        for (body, text) in [
            (
                json!({}),
                "Guid or 'username' and 'origin' must be provided",
            ),
            (json!({"guid": 5}), "Guid must be a string"),
            (
                json!({"guid": "g", "username": "a"}),
                "Username cannot be provided with 'guid'",
            ),
            (
                json!({"username": "a"}),
                "Origin can only be provided together with 'username'",
            ),
            (
                json!({"guid": "g", "password": "x"}),
                "Unknown field(s): 'password'",
            ),
        ] {
            assert_eq!(
                request(body.as_object().unwrap()).unwrap_err().detail(),
                text
            );
        }
        let good = json!({"username": "anna", "origin": "ldap"});
        assert!(!request(good.as_object().unwrap()).unwrap().is_client);
    }
}
