//! `/v3/roles`.

use std::collections::BTreeSet;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use windlass_control::error::Error;
use windlass_control::listing::{Column, Filter};
use windlass_control::tenancy::{is_space_role, role_word};
use windlass_engine::id::{RoleId, UserId};
use windlass_engine::records::{AdminScope, Metadata, PASSWORD_ORIGIN, Role, RoleKind, User};

use crate::auth::{Authenticated, require_in_space, require_manager};
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::path::Guid;
use crate::query::{ListQuery, ListSpec, only_parameters, split_list};
use crate::server::CfState;
use crate::{feature_flags, jobs, organizations, page, spaces, users};

mod request;
mod view;

use request::{NewRole, Place, UserReference};

const INCLUDES: &[&str] = &["user", "space", "organization"];
const LIST: ListSpec = ListSpec {
    filters: &["organization_guids", "space_guids", "user_guids", "types"],
    order: &[],
    includes: INCLUDES,
    labels: false,
};
const NOT_A_MEMBER: &str = "Users cannot be assigned roles in a space if they do not have a role in that space's \
     organization.";

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/roles", get(list).post(create))
        .route("/v3/roles/{guid}", get(show).delete(delete))
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let mut question = query.question(&[
        ("organization_guids", Column::Organization),
        ("space_guids", Column::Space),
        ("user_guids", Column::User),
        ("types", Column::Kind),
    ]);
    if query.values("organization_guids").is_some() {
        // The wire counts a role of a space as one of the space only.
        question.filters.push(Filter::is_null(Column::Space));
    }
    let found = cf.tenancy().list_roles(&caller.grants, question).await?;
    let rows = found
        .rows
        .iter()
        .map(|row| view::role(row, cf.urls()))
        .collect();
    let included = (!query.include.is_empty())
        .then(|| included(&cf, &found.rows, &query.include))
        .transpose()?;
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    Ok(Json(page::list(
        cf.urls(),
        "/v3/roles",
        &query,
        total,
        rows,
        included,
    )))
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let parameters = only_parameters(raw.as_deref(), &["include"])?;
    let role = find(&cf, &caller, &guid)?;
    let mut answer = view::role(&role, cf.urls());
    if let Some(text) = parameters.get("include") {
        let asked = split_list(text);
        if let Some(other) = asked.iter().find(|one| !INCLUDES.contains(&one.as_str())) {
            return Err(ApiError::bad_query(format!(
                "Invalid included resource: '{other}'. Valid included resources are: 'user', \
                 'space', 'organization'"
            )));
        }
        answer["included"] = included(&cf, std::slice::from_ref(&role), &asked)?;
    }
    Ok(Json(answer))
}

async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    JsonObject(body): JsonObject,
) -> ApiResult {
    let new = request::create(&body)?;
    let role = match &new.place {
        Place::Space(guid) => create_in_space(&cf, &caller, &new, guid).await?,
        Place::Organization(guid) => create_in_organization(&cf, &caller, &new, guid).await?,
    };
    Ok((StatusCode::CREATED, Json(view::role(&role, cf.urls()))).into_response())
}

async fn create_in_space(
    cf: &CfState,
    caller: &Authenticated,
    new: &NewRole,
    guid: &str,
) -> ApiResult<Role> {
    let (_, space, access) = spaces::find(cf, caller, guid).map_err(|_| {
        ApiError::unprocessable(
            "Invalid space. Ensure that the space exists and you have access to it.",
        )
    })?;
    require_in_space(&access, |access| access.manage)?;
    let user = find_user(cf, caller, &new.user, true)?;
    let place = format!("space '{}'", space.name);
    cf.tenancy()
        .create_space_role(&caller.principal.actor(), new.kind, &user.id, &space.id)
        .await
        .map_err(|error| refused(error, new.kind, &user, &place))
}

async fn create_in_organization(
    cf: &CfState,
    caller: &Authenticated,
    new: &NewRole,
    guid: &str,
) -> ApiResult<Role> {
    let (organization, access) = organizations::find(cf, caller, guid).map_err(|_| {
        ApiError::unprocessable(
            "Invalid organization. Ensure that the organization exists and you have access to it.",
        )
    })?;
    require_manager(&access)?;
    let user = find_user(cf, caller, &new.user, false)?;
    let place = format!("organization '{}'", organization.name);
    cf.tenancy()
        .create_organization_role(
            &caller.principal.actor(),
            new.kind,
            &user.id,
            &organization.id,
        )
        .await
        .map_err(|error| refused(error, new.kind, &user, &place))
}

async fn delete(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let role = find(&cf, &caller, &guid)?;
    if let Some(space) = &role.space {
        let (_, _, access) = spaces::find(&cf, &caller, space.as_str())?;
        require_in_space(&access, |access| access.manage)?;
    } else {
        let (_, access) = organizations::find(&cf, &caller, role.organization.as_str())?;
        require_manager(&access)?;
    }
    let actor = caller.principal.actor();
    cf.tenancy()
        .delete_role(&actor, &role.id)
        .await
        .map_err(|error| match error {
            Error::Conflict(_) => ApiError::unprocessable(
                "Cannot delete organization_user role while user has roles in spaces in that \
             organization.",
            ),
            other => other.into(),
        })?;
    jobs::accepted_done(&cf, &caller, "role.delete", &guid).await
}

fn find(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<Role> {
    cf.tenancy()
        .role(&caller.grants, &RoleId::from(guid))?
        .ok_or_else(|| ApiError::not_found("Role"))
}

/// The user that a role is for. For a space role every failure has one text, so that nobody can
/// find out by it which users exist.
fn find_user(
    cf: &CfState,
    caller: &Authenticated,
    reference: &UserReference,
    for_space: bool,
) -> ApiResult<User> {
    let missing = |text: String| {
        ApiError::unprocessable(if for_space {
            NOT_A_MEMBER.to_owned()
        } else {
            text
        })
    };
    match reference {
        UserReference::Guid(guid) => {
            let found = cf.identity().user(&UserId::from(guid.as_str()))?;
            found.ok_or_else(|| missing(format!("No user exists with the guid '{guid}'.")))
        }
        UserReference::Name { name, origin } => {
            if !caller.principal.is_admin() {
                feature_flags::require(cf, "set_roles_by_username")?;
            }
            let mut found = cf.identity().users_named(name)?;
            if let Some(origin) = origin {
                found.retain(|user| user.origin == *origin);
            }
            if found.len() > 1 {
                let mut origins: Vec<&str> =
                    found.iter().map(|user| user.origin.as_str()).collect();
                origins.sort_unstable();
                return Err(ApiError::unprocessable(format!(
                    "Ambiguous user. User with username '{name}' exists in the following \
                     origins: {}. Specify an origin to disambiguate.",
                    origins.join(", ")
                )));
            }
            found.pop().ok_or_else(|| {
                missing(match origin {
                    Some(origin) => {
                        format!("No user exists with the username '{name}' and origin '{origin}'.")
                    }
                    None => format!("No user exists with the username '{name}'."),
                })
            })
        }
    }
}

fn refused(error: Error, kind: RoleKind, user: &User, place: &str) -> ApiError {
    match error {
        Error::Taken { .. } => ApiError::unprocessable(format!(
            "User '{}' already has '{}' role in {place}.",
            user.name,
            role_word(kind)
        )),
        Error::Forbidden(_) if is_space_role(kind) => ApiError::unprocessable(NOT_A_MEMBER),
        other => other.into(),
    }
}

fn included(cf: &CfState, roles: &[Role], asked: &[String]) -> ApiResult<Value> {
    let mut answer = Map::new();
    let asks = |what: &str| asked.iter().any(|one| one == what);
    if asks("user") {
        let ids: BTreeSet<&UserId> = roles.iter().map(|role| &role.user).collect();
        let mut rows = Vec::new();
        for id in ids {
            let user = cf.identity().user(id)?.unwrap_or_else(|| gone(id));
            rows.push(users::to_wire(&user, cf.urls()));
        }
        answer.insert("users".to_owned(), Value::Array(rows));
    }
    if asks("space") {
        let ids: BTreeSet<_> = roles
            .iter()
            .filter_map(|role| role.space.as_ref())
            .collect();
        let mut rows = Vec::new();
        for id in ids {
            rows.extend(
                cf.tenancy()
                    .space(id)?
                    .map(|(_, row)| spaces::to_wire(&row, cf.urls())),
            );
        }
        answer.insert("spaces".to_owned(), Value::Array(rows));
    }
    if asks("organization") {
        let ids: BTreeSet<_> = roles
            .iter()
            .filter(|role| role.space.is_none())
            .map(|role| &role.organization)
            .collect();
        let mut rows = Vec::new();
        for id in ids {
            let row = cf.tenancy().organization(id)?;
            rows.extend(row.map(|row| organizations::to_wire(&row, cf.urls())));
        }
        answer.insert("organizations".to_owned(), Value::Array(rows));
    }
    Ok(json!(answer))
}

/// A user that was deleted between two reads: still shown, so that no list has a hole.
fn gone(id: &UserId) -> User {
    User {
        id: id.clone(),
        name: id.to_string(),
        origin: PASSWORD_ORIGIN.to_owned(),
        password_hash: None,
        is_client: false,
        admin: AdminScope::None,
        metadata: Metadata::default(),
        stamps: windlass_engine::records::Stamps::default(),
    }
}
