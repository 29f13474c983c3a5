//! `/v3/feature_flags`: switches of the installation.

use axum::extract::{RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_engine::records::FeatureFlag;

use crate::auth::Authenticated;
use crate::body::{JsonObject, Validator};
use crate::error::{ApiError, ApiResult};
use crate::links::Urls;
use crate::page::{self, Page};
use crate::path::Params;
use crate::query::{ListQuery, ListSpec};
use crate::server::CfState;
use crate::time;

/// Longest text of the operator, characters.
const MAX_MESSAGE_CHARS: usize = 250;
const LIST: ListSpec = ListSpec {
    filters: &[],
    order: &["name"],
    includes: &[],
    labels: false,
};

/// All switches and what they are until somebody changes them, by name.
const FLAGS: [(&str, bool); 17] = [
    ("app_bits_upload", true),
    ("app_scaling", true),
    ("diego_docker", false),
    ("env_var_visibility", true),
    ("hide_marketplace_from_unauthenticated_users", false),
    ("private_domain_creation", true),
    ("resource_matching", true),
    ("route_creation", true),
    ("route_sharing", false),
    ("service_instance_creation", true),
    ("service_instance_sharing", true),
    ("set_roles_by_username", true),
    ("space_developer_env_var_visibility", true),
    ("space_scoped_private_broker_creation", true),
    ("task_creation", true),
    ("unset_roles_by_username", true),
    ("user_org_creation", false),
];

/// Switches for what there is not: they stay off, as the endpoints behind them say.
const NOT_THERE: [(&str, &str); 2] = [
    ("diego_docker", "apps run from source, not from images"),
    ("route_sharing", "a route belongs to one space"),
];

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/feature_flags", get(list))
        .route("/v3/feature_flags/{name}", get(show).patch(update))
}

/// Whether a switch is on.
pub(crate) fn is_on(cf: &CfState, name: &str) -> ApiResult<bool> {
    Ok(current(cf, name)?.enabled)
}

/// Refuses with the operator's text, if there is one, when a switch is off. Administrators are
/// not bound by switches: that is for the caller to know.
///
/// # Errors
/// 403 330002.
pub(crate) fn require(cf: &CfState, name: &str) -> ApiResult<()> {
    let flag = current(cf, name)?;
    if flag.enabled {
        return Ok(());
    }
    Err(ApiError::feature_disabled(
        name,
        flag.custom_error_message.as_deref(),
    ))
}

fn current(cf: &CfState, name: &str) -> ApiResult<FeatureFlag> {
    let (name, default) = FLAGS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| ApiError::not_found("Feature flag"))?;
    let stored = cf.tenancy().feature_flag(name)?;
    Ok(stored.unwrap_or_else(|| FeatureFlag {
        name: (*name).to_owned(),
        enabled: *default,
        custom_error_message: None,
        updated_at: None,
    }))
}

fn to_wire(flag: &FeatureFlag, urls: &Urls) -> Value {
    json!({
        "name": flag.name,
        "enabled": flag.enabled,
        "updated_at": flag.updated_at.map(time::rfc3339),
        "custom_error_message": flag.custom_error_message,
        "links": { "self": urls.href(&format!("/v3/feature_flags/{}", flag.name)) },
    })
}

async fn list(
    State(cf): State<CfState>,
    _caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let mut flags = FLAGS
        .iter()
        .map(|(name, _)| current(&cf, name))
        .collect::<ApiResult<Vec<_>>>()?;
    if query
        .order_by
        .as_ref()
        .is_some_and(|order| order.descending)
    {
        flags.reverse();
    }
    let part = Page::cut(flags, &query);
    let rows = part
        .rows
        .iter()
        .map(|flag| to_wire(flag, cf.urls()))
        .collect();
    Ok(Json(page::list(
        cf.urls(),
        "/v3/feature_flags",
        &query,
        part.total,
        rows,
        None,
    )))
}

async fn show(
    State(cf): State<CfState>,
    _caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    Ok(Json(to_wire(
        &current(&cf, params.get("name")?)?,
        cf.urls(),
    )))
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let old = current(&cf, params.get("name")?)?;
    caller.require_admin()?;
    let mut check = Validator::new();
    check.known_fields(&body, "", &["enabled", "custom_error_message"]);
    let enabled = check.optional_bool(&body, "enabled");
    let message = check.optional_string(&body, "custom_error_message", 1, MAX_MESSAGE_CHARS);
    check.finish()?;
    let not_there = NOT_THERE.iter().find(|(name, _)| *name == old.name);
    if let (Some(true), Some((name, reason))) = (enabled, not_there) {
        let text = format!("Feature flag '{name}' can't be enabled: {reason}");
        return Err(ApiError::not_supported(&text));
    }
    let message = body
        .contains_key("custom_error_message")
        .then(|| message.map(str::to_owned));
    let changed = cf
        .tenancy()
        .set_feature_flag(&old.name, enabled.unwrap_or(old.enabled), message)
        .await?;
    Ok(Json(to_wire(&changed, cf.urls())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unlike() {
        assert!(FLAGS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn what_is_not_there_is_off() {
        for (name, _) in NOT_THERE {
            assert!(FLAGS.contains(&(name, false)), "{name}");
        }
    }
}
