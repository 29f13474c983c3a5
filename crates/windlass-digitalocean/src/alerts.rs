//! `/v2/apps/{id}/alerts`: the alert rules of a spec. Nothing is sent anywhere, so destinations
//! are refused.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::apps::view;
use crate::auth::Authenticated;
use crate::deployments::view::serving;
use crate::document::Document;
use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::place;
use crate::server::DoState;

/// Members of a spec that hold components.
const COMPONENTS: [&str; 4] = ["services", "static_sites", "workers", "jobs"];

pub(crate) fn routes() -> Router<DoState> {
    Router::new()
        .route("/v2/apps/{id}/alerts", get(list))
        .route(
            "/v2/apps/{id}/alerts/{alert}/destinations",
            post(destinations),
        )
}

async fn list(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = place::app(&state, &caller, &params)?;
    let newest = view::newest(&state, &place.app.id).await?;
    let active = serving(&state, &place.app.id).await?;
    let spec = view::spec(&Document::of(&place.app), &newest, active.as_ref());
    Ok(Json(
        json!({ "alerts": alerts(place.app.id.as_str(), &spec) }),
    ))
}

async fn destinations(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<()> {
    place::app(&state, &caller, &params)?;
    params.id("alert", "alert")?;
    Err(ApiError::not_implemented("sending alerts"))
}

/// One alert for each rule. Its id follows from app, component and rule, so that it stays.
fn alerts(app: &str, spec: &Value) -> Vec<Value> {
    let rules = |owner: &Value| {
        owner
            .get("alerts")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let mut alerts: Vec<Value> = rules(spec)
        .into_iter()
        .map(|rule| alert(app, None, rule))
        .collect();
    for member in COMPONENTS {
        let components = spec.get(member).and_then(Value::as_array);
        for component in components.into_iter().flatten() {
            let name = component.get("name").and_then(Value::as_str).unwrap_or("");
            let own = rules(component).into_iter();
            alerts.extend(own.map(|rule| alert(app, Some(name), rule)));
        }
    }
    alerts
}

fn alert(app: &str, component: Option<&str>, rule: Value) -> Value {
    let name = format!("{app}/{}/{rule}", component.unwrap_or(""));
    let mut alert = json!({ "id": Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()) });
    if let Some(component) = component {
        alert["component_name"] = json!(component);
    }
    alert["spec"] = rule;
    alert["phase"] = json!("ACTIVE");
    alert
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_an_alert_with_an_id_that_stays() {
        let spec = json!({
            "alerts": [{"rule": "DEPLOYMENT_FAILED"}],
            "services": [{"name": "web", "alerts": [{"rule": "CPU_UTILIZATION"}]}],
        });
        let shown = alerts("a", &spec);
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0].get("component_name"), None);
        assert_eq!(shown[1]["component_name"], "web");
        assert_ne!(shown[0]["id"], shown[1]["id"]);
        assert_eq!(shown, alerts("a", &spec));
    }
}
