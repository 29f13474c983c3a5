//! Users, roles, tokens.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{ConnectInfo, Path, Query, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use windlass_control::error::Error;
use windlass_control::identity::NewUser;
use windlass_control::tenancy::{is_space_role, role_word};
use windlass_engine::id::{TokenId, UserId};
use windlass_engine::records::{Actor, AdminScope, Organization, Role, RoleKind, Space, User};
use windlass_store::{Column, Filter, ListQuery, Page};

use super::Admin;
use super::error::{Answer, Refusal};
use super::peer::Peer;
use super::query::stamp;

/// Random bytes of a password that is made here.
const PASSWORD_BYTES: usize = 18;
/// Most users and tokens of one list.
const LIST_LIMIT: u32 = Page::MAX_LIMIT;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUserRequest {
    name: String,
    password: Option<String>,
    #[serde(default)]
    admin: bool,
    organization: Option<String>,
    space: Option<String>,
    #[serde(default)]
    is_client: bool,
}

pub(super) async fn create_user(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(request): Json<NewUserRequest>,
) -> Answer {
    // Where they are to work has to be there before they are.
    let place = match (&request.organization, &request.space) {
        (None, None) => None,
        (Some(organization), None) => Some((admin.organization_named(organization)?, None)),
        (Some(organization), Some(space)) => {
            let (organization, space) = admin.space_named(organization, space)?;
            Some((organization, Some(space)))
        }
        (None, Some(_)) => return Err(Refusal::bad("--space needs --org")),
    };
    let made = if request.password.is_some() {
        None
    } else {
        Some(random_password()?)
    };
    let password = request
        .password
        .as_ref()
        .or(made.as_ref())
        .map_or("", String::as_str);
    let mut new = NewUser::person(&request.name, password);
    if request.admin {
        new.admin = AdminScope::Admin;
    }
    new.is_client = request.is_client;
    let user = admin.control.identity().create_user(new).await?;
    if let Some((organization, space)) = place {
        let actor = peer.principal().actor();
        admin
            .give_rights(&actor, &user.id, &organization, space.as_ref())
            .await?;
    }
    let mut answer = json!({
        "name": user.name,
        "id": user.id,
        "admin": request.admin,
        "is_client": user.is_client,
        "roles": admin.roles_in_words(&user.id)?,
    });
    if let Some(password) = made {
        answer["password"] = password.into();
    }
    Ok(Json(answer))
}

pub(super) async fn users(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Answer {
    let query = ListQuery::default().page(Page::first(LIST_LIMIT));
    let page = admin
        .control
        .identity()
        .list_users(&admin.grants(peer)?, query)
        .await?;
    let mut rows = Vec::new();
    for user in page.rows {
        let roles = admin.roles_in_words(&user.id)?;
        rows.push(json!({
            "name": user.name,
            "id": user.id,
            "admin": user.admin != AdminScope::None,
            "is_client": user.is_client,
            "roles": roles,
        }));
    }
    Ok(Json(Value::Array(rows)))
}

pub(super) async fn delete_user(State(admin): State<Admin>, Path(name): Path<String>) -> Answer {
    let user = admin.user_named(&name)?;
    admin.control.identity().delete_user(&user.id).await?;
    Ok(Json(json!({ "deleted": name })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleRequest {
    user: String,
    role: RoleKind,
    organization: String,
    space: Option<String>,
}

/// Gives a role; membership of the organization comes with it. Having it already is fine.
pub(super) async fn set_role(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(request): Json<RoleRequest>,
) -> Answer {
    let actor = peer.principal().actor();
    let user = admin.user_named(&request.user)?;
    let member = RoleKind::OrganizationUser;
    match &request.space {
        Some(space) if is_space_role(request.role) => {
            let (organization, space) = admin.space_named(&request.organization, space)?;
            let tenancy = &admin.control.tenancy();
            had(tenancy
                .create_organization_role(&actor, member, &user.id, &organization.id)
                .await)?;
            had(tenancy
                .create_space_role(&actor, request.role, &user.id, &space.id)
                .await)?;
        }
        None if !is_space_role(request.role) => {
            let organization = admin.organization_named(&request.organization)?;
            let id = &organization.id;
            had(admin
                .control
                .tenancy()
                .create_organization_role(&actor, request.role, &user.id, id)
                .await)?;
        }
        Some(_) | None => return Err(wrong_place()),
    }
    Ok(Json(
        json!({ "name": user.name, "roles": admin.roles_in_words(&user.id)? }),
    ))
}

pub(super) async fn unset_role(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(request): Json<RoleRequest>,
) -> Answer {
    let user = admin.user_named(&request.user)?;
    let organization = admin.organization_named(&request.organization)?;
    let space = match &request.space {
        Some(space) => Some(admin.space_named(&request.organization, space)?.1.id),
        None => None,
    };
    if space.is_some() != is_space_role(request.role) {
        return Err(wrong_place());
    }
    let roles = admin.roles_of(&user.id)?;
    let role = roles.into_iter().find(|role| {
        role.kind == request.role && role.organization == organization.id && role.space == space
    });
    let role =
        role.ok_or_else(|| Refusal::unknown("role", role_word(request.role), "user list"))?;
    admin
        .control
        .tenancy()
        .delete_role(&peer.principal().actor(), &role.id)
        .await?;
    Ok(Json(
        json!({ "name": user.name, "roles": admin.roles_in_words(&user.id)? }),
    ))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTokenRequest {
    name: String,
    user: String,
    days: Option<u32>,
}

pub(super) async fn create_token(
    State(admin): State<Admin>,
    Json(request): Json<NewTokenRequest>,
) -> Answer {
    let user = admin.user_named(&request.user)?;
    let seconds = request.days.map(|days| i64::from(days) * 24 * 3600);
    let made = admin
        .control
        .identity()
        .create_token(&user.id, &request.name, seconds)
        .await?;
    Ok(Json(json!({
        "id": made.token.id,
        "name": made.token.name,
        "user": user.name,
        "expires_at": made.token.expires_at.map(stamp),
        "token": made.text,
    })))
}

#[derive(Debug, Deserialize)]
pub(super) struct TokensQuery {
    user: Option<String>,
}

pub(super) async fn tokens(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Query(query): Query<TokensQuery>,
) -> Answer {
    let users: Vec<User> = if let Some(name) = query.user {
        vec![admin.user_named(&name)?]
    } else {
        let query = ListQuery::default().page(Page::first(LIST_LIMIT));
        admin
            .control
            .identity()
            .list_users(&admin.grants(peer)?, query)
            .await?
            .rows
    };
    let mut rows = Vec::new();
    for user in users {
        for token in admin.control.identity().tokens(&user.id).await? {
            rows.push(json!({
                "id": token.id,
                "name": token.name,
                "user": user.name,
                "created_at": stamp(token.stamps.created_at),
                "expires_at": token.expires_at.map(stamp),
            }));
        }
    }
    Ok(Json(Value::Array(rows)))
}

pub(super) async fn delete_token(State(admin): State<Admin>, Path(id): Path<String>) -> Answer {
    if !admin
        .control
        .identity()
        .delete_token(&TokenId::new(id.as_str()))
        .await?
    {
        return Err(Refusal::unknown("token", &id, "token list"));
    }
    Ok(Json(json!({ "deleted": id })))
}

/// Signs with a new key from now on. Nobody is logged out by it: clients never recover from that.
pub(super) async fn rotate_key(State(admin): State<Admin>) -> Answer {
    let identity = admin.control.identity();
    let id = identity.rotate_signing_key().await?;
    let honoured = identity.public_keys()?.len();
    Ok(Json(
        json!({ "signing_key": id, "honoured_keys": honoured }),
    ))
}

impl Admin {
    /// Gives a user every right in an organization and in one space of it.
    async fn give_rights(
        &self,
        actor: &Actor,
        user: &UserId,
        organization: &Organization,
        space: Option<&Space>,
    ) -> Result<(), Refusal> {
        let tenancy = self.control.tenancy();
        for kind in [RoleKind::OrganizationUser, RoleKind::OrganizationManager] {
            had(tenancy
                .create_organization_role(actor, kind, user, &organization.id)
                .await)?;
        }
        let Some(space) = space else { return Ok(()) };
        for kind in [RoleKind::SpaceManager, RoleKind::SpaceDeveloper] {
            had(tenancy
                .create_space_role(actor, kind, user, &space.id)
                .await)?;
        }
        Ok(())
    }

    /// Every role of a user.
    pub(super) fn roles_of(&self, user: &UserId) -> Result<Vec<Role>, Refusal> {
        let filter = Filter::is(Column::User, user.as_str());
        self.control
            .store()
            .read(move |reader| Ok(reader.all::<Role>(vec![filter])?))
    }

    /// `organization_manager@acme`, `space_developer@acme/dev`.
    fn roles_in_words(&self, user: &UserId) -> Result<Vec<String>, Refusal> {
        let roles = self.roles_of(user)?;
        self.control.store().read(move |reader| {
            let mut names: BTreeMap<String, String> = BTreeMap::new();
            let mut words = Vec::new();
            for role in roles {
                let id = role.organization.to_string();
                if !names.contains_key(&id) {
                    let row = reader.get::<Organization>(&role.organization)?;
                    names.insert(id.clone(), row.map_or_else(|| id.clone(), |row| row.name));
                }
                let mut word = format!("{}@{}", role_word(role.kind), names[&id]);
                if let Some(space) = &role.space {
                    let row = reader.get::<Space>(space)?;
                    word.push('/');
                    word.push_str(&row.map_or_else(|| space.to_string(), |row| row.name));
                }
                words.push(word);
            }
            Ok::<_, Refusal>(words)
        })
    }
}

fn had(result: Result<Role, Error>) -> Result<(), Refusal> {
    match result {
        Ok(_) | Err(Error::Taken { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn wrong_place() -> Refusal {
    Refusal::bad("space roles need --space, organization roles must not have it")
}

fn random_password() -> Result<String, Refusal> {
    let mut bytes = [0; PASSWORD_BYTES];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
