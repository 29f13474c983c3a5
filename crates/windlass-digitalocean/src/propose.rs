//! `/v2/apps/propose`: whether a spec is good, without doing anything.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::apps;
use crate::auth::Authenticated;
use crate::body::{self, JsonObject};
use crate::error::{ApiError, ApiResult};
use crate::path::is_id;
use crate::place;
use crate::server::DoState;
use crate::submit;

/// Names that are tried for a suggestion.
const TRIES: u32 = 100;
/// Longest name of an app, bytes.
const MAX_NAME_BYTES: usize = 32;

pub(crate) fn routes() -> Router<DoState> {
    Router::new().route("/v2/apps/propose", post(propose))
}

async fn propose(
    State(state): State<DoState>,
    caller: Authenticated,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let own = match object.get("app_id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) if id.is_empty() => None,
        Some(Value::String(id)) if is_id(id) => Some(place::by_id(&state, &caller, id)?),
        Some(_) => return Err(ApiError::not_found("app")),
    };
    let spec = submit::spec(body::spec(&object)?)?;
    let organization = match &own {
        Some(place) => place.app.organization.clone(),
        None => place::home(&state, &caller, None).await?.organization.id,
    };
    let app = own.as_ref().map(|place| &place.app);
    let shown = submit::proposed(&state, &spec, app, &organization)?;
    let name = spec.app().name.clone();
    let visible = caller.grants.visible_spaces();
    let taken_by = apps::named(&state, &visible, &name).await?;
    let is_free = match (&taken_by, &own) {
        (None, _) => true,
        (Some(taken), Some(own)) => taken.id == own.app.id,
        (Some(_), None) => false,
    };
    let mut answer = json!({
        "app_name_available": is_free,
        "app_is_static": is_static(&shown),
        "app_is_starter": false,
        "existing_static_apps": "0",
        "max_free_static_apps": "0",
        "spec": shown,
        "app_cost": 0,
        "app_tier_upgrade_cost": 0,
        "app_tier_downgrade_cost": 0,
    });
    if !is_free {
        for number in 2..TRIES {
            let tail = format!("-{number}");
            let kept: String = name.chars().take(MAX_NAME_BYTES - tail.len()).collect();
            let candidate = format!("{kept}{tail}");
            if apps::named(&state, &visible, &candidate).await?.is_none() {
                answer["app_name_suggestion"] = json!(candidate);
                break;
            }
        }
    }
    Ok(Json(answer))
}

/// Whether there is nothing in it but files.
fn is_static(spec: &Value) -> bool {
    let has = |member: &str| {
        spec.get(member)
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
    };
    has("static_sites") && !["services", "workers", "jobs"].into_iter().any(has)
}
