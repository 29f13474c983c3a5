//! `/teams`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::page::Page;
use crate::path::Params;
use crate::place::{self, Team};
use crate::query::Pairs;
use crate::server::VercelState;

pub(crate) fn routes() -> Router<VercelState> {
    Router::new()
        .route("/teams", get(list))
        .route("/teams/{team}", get(show))
}

async fn list(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
) -> ApiResult<Json<Value>> {
    let page = Page::parse(&query)?;
    let mut found = place::teams(&state, &caller).await?;
    found.retain(|organization| page.holds(organization.stamps.created_at));
    found.reverse();
    let pagination = page.cut(&mut found, |organization| organization.stamps.created_at);
    let mut teams = Vec::with_capacity(found.len());
    for organization in found {
        let team = place::with_home(&state, &caller, organization)?;
        teams.push(to_wire(&team, &caller));
    }
    Ok(Json(json!({"teams": teams, "pagination": pagination})))
}

async fn show(
    State(state): State<VercelState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let team = place::find_team(&state, &caller, params.get("team")).await?;
    let team = team.ok_or_else(|| ApiError::not_found("Team"))?;
    Ok(Json(to_wire(&team, &caller)))
}

fn to_wire(team: &Team, caller: &Authenticated) -> Value {
    let created = team.organization.stamps.created_at.0;
    json!({
        "id": team.id(),
        "slug": team.slug(),
        "name": team.organization.name,
        "avatar": null,
        "description": null,
        "creatorId": "",
        "stagingPrefix": team.slug(),
        "createdAt": created,
        "updatedAt": team.organization.stamps.updated_at.0,
        "resourceConfig": {},
        // There are no plans: everything is there, within the limits of the installation.
        "billing": {"plan": "enterprise"},
        "membership": {
            "uid": caller.principal.user.id,
            "teamId": team.id(),
            "role": role(team, caller),
            "confirmed": true,
            "confirmedAt": created,
            "created": created,
            "createdAt": created,
            "permissions": [],
            "teamPermissions": [],
            "teamRoles": [],
        },
    })
}

/// The caller's rights in the words of this API.
fn role(team: &Team, caller: &Authenticated) -> &'static str {
    let access = team.home.as_ref().map(|(_, access)| access);
    if caller.grants.organization(&team.organization).manage {
        "OWNER"
    } else if access.is_some_and(|access| access.write) {
        "MEMBER"
    } else if access.is_some_and(|access| access.operate) {
        "DEVELOPER"
    } else {
        "VIEWER"
    }
}
