//! Features of an app.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_engine::records::AppRecord;

use super::access::{self, Place};
use super::document::Document;
use super::request;
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::path::{Guid, Params};
use crate::server::CfState;

/// A feature of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feature {
    Ssh,
    Revisions,
    ServiceBindingK8s,
    FileBasedVcapServices,
}

impl Feature {
    const ALL: [Self; 4] = [
        Self::Ssh,
        Self::Revisions,
        Self::ServiceBindingK8s,
        Self::FileBasedVcapServices,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Revisions => "revisions",
            Self::ServiceBindingK8s => "service-binding-k8s",
            Self::FileBasedVcapServices => "file-based-vcap-services",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Ssh => "Enable SSHing into the app.",
            Self::Revisions => "Enable versioning of an application",
            Self::ServiceBindingK8s => "Enable k8s service bindings for the app",
            Self::FileBasedVcapServices => "Enable file-based VCAP service bindings for the app",
        }
    }

    fn find(name: &str) -> ApiResult<Self> {
        Self::ALL
            .into_iter()
            .find(|feature| feature.name() == name)
            .ok_or_else(|| ApiError::not_found("Feature"))
    }

    /// Where it is kept. Bindings as files are not there: apps get theirs in `VCAP_SERVICES` only.
    fn switch(self, document: &mut Document) -> Option<&mut bool> {
        match self {
            Self::Ssh => Some(&mut document.ssh),
            Self::Revisions => Some(&mut document.revisions),
            Self::ServiceBindingK8s | Self::FileBasedVcapServices => None,
        }
    }

    fn is_on(self, app: &AppRecord) -> bool {
        self.switch(&mut Document::of(app)).is_some_and(|on| *on)
    }

    fn to_wire(self, app: &AppRecord) -> Value {
        json!({
            "name": self.name(),
            "description": self.description(),
            "enabled": self.is_on(app),
        })
    }
}

/// Whether a feature of an app is on; `None` = there is no such feature.
pub(crate) fn is_on(app: &AppRecord, name: &str) -> Option<bool> {
    Feature::find(name).ok().map(|feature| feature.is_on(app))
}

pub(super) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/apps/{guid}/features", get(list))
        .route("/v3/apps/{guid}/features/{name}", get(show).patch(update))
        .route("/v3/apps/{guid}/ssh_enabled", get(ssh_enabled))
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let place = access::find(&cf, &caller, &guid)?;
    let resources: Vec<Value> = Feature::ALL
        .iter()
        .map(|feature| feature.to_wire(&place.app))
        .collect();
    let own = cf
        .urls()
        .href(&format!("/v3/apps/{}/features", place.app.id));
    Ok(Json(json!({
        "resources": resources,
        "pagination": {
            "total_results": resources.len(),
            "total_pages": 1,
            "first": own,
            "last": own,
            "next": null,
            "previous": null,
        },
    })))
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = access::find(&cf, &caller, params.get("guid")?)?;
    Ok(Json(
        Feature::find(params.get("name")?)?.to_wire(&place.app),
    ))
}

pub(crate) async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let place = access::find(&cf, &caller, params.get("guid")?)?;
    let feature = Feature::find(params.get("name")?)?;
    require(&place, feature)?;
    let enabled = request::update_feature(&body)?;
    let can_be_on = feature.switch(&mut Document::default()).is_some();
    if enabled && !can_be_on {
        return Err(ApiError::unprocessable(format!(
            "Feature '{}' cannot be enabled: service bindings are provided in the environment \
             variable VCAP_SERVICES only",
            feature.name()
        )));
    }
    let data = json!({"request": {"features": {feature.name(): enabled}}});
    let extra = place.audit(&caller, "audit.app.update", data);
    let change = move |app: &mut AppRecord| {
        Document::change(app, |document| {
            if let Some(on) = feature.switch(document) {
                *on = enabled;
            }
        });
    };
    let app = cf.control.update_app(&place.app.id, change, extra).await?;
    Ok(Json(feature.to_wire(&app)))
}

/// Supporters may switch revisions and nothing else.
fn require(place: &Place, feature: Feature) -> ApiResult<()> {
    match feature {
        Feature::Revisions => place.require_operate(),
        Feature::Ssh | Feature::ServiceBindingK8s | Feature::FileBasedVcapServices => {
            place.require_write()
        }
    }
}

/// There is no SSH, whatever app and space say.
async fn ssh_enabled(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    access::find(&cf, &caller, &guid)?;
    Ok(Json(
        json!({"enabled": false, "reason": "ssh is disabled globally"}),
    ))
}
