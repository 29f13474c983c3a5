//! `windlass env`: addresses, and a token made for this shell.

use axum::Json;
use axum::extract::{ConnectInfo, State};
use serde::Deserialize;
use serde_json::{Map, Value};
use windlass_control::identity::NewToken;
use windlass_engine::records::{Organization, Space, User};

use super::Admin;
use super::error::{Answer, Refusal};
use super::peer::Peer;
use crate::first_start::{ADMINISTRATOR, ORGANIZATION, SPACE};
use crate::public_address;

/// Name of the tokens that this makes.
const TOKEN_NAME: &str = "windlass env";
/// How long they are valid, seconds (30 days).
const TOKEN_SECONDS: i64 = 30 * 24 * 3600;
/// How many of them a user has at most; the oldest go first.
const TOKENS_KEPT: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    user: Option<String>,
}

/// The variables of one user. The token also serves as password at the token endpoint, so that no
/// password has to be kept anywhere.
pub(super) async fn env(
    State(admin): State<Admin>,
    ConnectInfo(_): ConnectInfo<Peer>,
    Json(request): Json<Request>,
) -> Answer {
    let user = admin.user_named(request.user.as_deref().unwrap_or(ADMINISTRATOR))?;
    let token = mint(&admin, &user).await?;
    let (organization, space) = place(&admin, &user)?;
    let settings = &admin.settings;
    let bundle = settings.layout().ca_bundle().display().to_string();
    let digitalocean = public_address::digitalocean_api(settings);
    let vercel = public_address::vercel_api(settings);
    let pairs = [
        ("WINDLASS_CF_API", public_address::cf_api(settings)),
        ("WINDLASS_DIGITALOCEAN_API", digitalocean.clone()),
        ("WINDLASS_VERCEL_API", vercel),
        (
            "WINDLASS_ROUTER_HTTP",
            public_address::router_http(settings),
        ),
        (
            "WINDLASS_ROUTER_HTTPS",
            public_address::router_https(settings),
        ),
        ("WINDLASS_METRICS", public_address::metrics(settings)),
        ("WINDLASS_APPS_DOMAIN", settings.domain.clone()),
        ("WINDLASS_USER", user.name),
        ("WINDLASS_PASSWORD", token.clone()),
        ("WINDLASS_TOKEN", token.clone()),
        ("WINDLASS_ORGANIZATION", organization),
        ("WINDLASS_SPACE", space),
        ("WINDLASS_CA_FILE", bundle.clone()),
        ("SSL_CERT_FILE", bundle.clone()),
        ("REQUESTS_CA_BUNDLE", bundle.clone()),
        ("CURL_CA_BUNDLE", bundle.clone()),
        ("NODE_EXTRA_CA_CERTS", bundle),
        ("DIGITALOCEAN_API_URL", digitalocean),
        ("DIGITALOCEAN_ACCESS_TOKEN", token.clone()),
        ("DIGITALOCEAN_TOKEN", token.clone()),
        ("VERCEL_TOKEN", token),
    ];
    let object: Map<String, Value> = pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    Ok(Json(Value::Object(object)))
}

async fn mint(admin: &Admin, user: &User) -> Result<String, Refusal> {
    let tokens = admin.control.identity().tokens(&user.id).await?;
    let ours: Vec<_> = tokens
        .into_iter()
        .filter(|token| token.name == TOKEN_NAME)
        .collect();
    let surplus = (ours.len() + 1).saturating_sub(TOKENS_KEPT);
    for token in ours.iter().take(surplus) {
        admin.control.identity().delete_token(&token.id).await?;
    }
    let NewToken { text, .. } = admin
        .control
        .identity()
        .create_token(&user.id, TOKEN_NAME, Some(TOKEN_SECONDS))
        .await?;
    Ok(text)
}

/// Where the user works: the first organization and space where they have a role; else ours.
fn place(admin: &Admin, user: &User) -> Result<(String, String), Refusal> {
    let roles = admin.roles_of(&user.id)?;
    let role = roles
        .iter()
        .find(|role| role.space.is_some())
        .or(roles.first());
    let Some(role) = role else {
        return Ok((ORGANIZATION.to_owned(), SPACE.to_owned()));
    };
    let (organization, space) = (role.organization.clone(), role.space.clone());
    let names = admin.control.store().read(move |reader| {
        let organization = reader.get::<Organization>(&organization)?;
        let space = match space {
            Some(space) => reader.get::<Space>(&space)?,
            None => None,
        };
        Ok::<_, Refusal>((organization, space))
    })?;
    let organization = names
        .0
        .map_or_else(|| ORGANIZATION.to_owned(), |row| row.name);
    Ok((
        organization,
        names.1.map_or_else(|| SPACE.to_owned(), |row| row.name),
    ))
}
