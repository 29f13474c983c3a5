//! Regions, sizes of instances, tiers: what specs may name.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::instance_size::{self, CpuType, INSTANCE_SIZES, InstanceSize};
use crate::path::Params;
use crate::region::{self, REGIONS, Region};
use crate::server::DoState;

const MIB: u64 = 1024 * 1024;
/// The tiers: slug and name.
const TIERS: [(&str, &str); 2] = [("basic", "Basic"), ("professional", "Professional")];

pub(crate) fn routes() -> Router<DoState> {
    Router::new()
        .route("/v2/apps/regions", get(regions))
        .route("/v2/apps/tiers", get(tiers))
        .route("/v2/apps/tiers/{slug}", get(tier))
        .route("/v2/apps/tiers/instance_sizes", get(sizes))
        .route("/v2/apps/tiers/instance_sizes/{slug}", get(size))
}

async fn regions(_: Authenticated) -> Json<Value> {
    let regions: Vec<Value> = REGIONS.iter().map(region_object).collect();
    Json(json!({ "regions": regions }))
}

async fn sizes(_: Authenticated) -> Json<Value> {
    let sizes: Vec<Value> = INSTANCE_SIZES.iter().map(size_object).collect();
    Json(json!({ "instance_sizes": sizes }))
}

async fn size(_: Authenticated, params: Params) -> ApiResult<Json<Value>> {
    let slug = params.name("slug", "instance size")?;
    let size = instance_size::find(slug).filter(|size| size.slug == slug);
    let size = size.ok_or_else(|| ApiError::not_found("instance size"))?;
    Ok(Json(json!({ "instance_size": size_object(size) })))
}

async fn tiers(_: Authenticated) -> Json<Value> {
    let tiers: Vec<Value> = TIERS.iter().map(|tier| tier_object(*tier)).collect();
    Json(json!({ "tiers": tiers }))
}

async fn tier(_: Authenticated, params: Params) -> ApiResult<Json<Value>> {
    let slug = params.name("slug", "tier")?;
    let tier = TIERS.into_iter().find(|(known, _)| *known == slug);
    let tier = tier.ok_or_else(|| ApiError::not_found("tier"))?;
    Ok(Json(json!({ "tier": tier_object(tier) })))
}

/// The region of an app. One that has no name here is shown by its slug.
pub(crate) fn region_of(slug: &str) -> Value {
    match region::find(slug) {
        Some(region) => region_object(region),
        None => json!({ "slug": slug }),
    }
}

fn region_object(region: &Region) -> Value {
    let mut object = json!({
        "slug": region.slug,
        "label": region.label,
        "flag": region.flag,
        "continent": region.continent,
        "data_centers": region.data_centers,
    });
    if region.slug == region::DEFAULT_SLUG {
        object["default"] = json!(true);
    }
    object
}

/// Numbers are texts on this wire. Nothing here costs anything.
fn size_object(size: &InstanceSize) -> Value {
    let mut object = json!({
        "name": size.name,
        "slug": size.slug,
        "cpu_type": match size.cpu_type {
            CpuType::Shared => "SHARED",
            CpuType::Dedicated => "DEDICATED",
        },
        "cpus": size.cpus.to_string(),
        "memory_bytes": (size.memory_mb * MIB).to_string(),
        "usd_per_month": "0.00",
        "usd_per_second": "0.00",
        "tier_slug": size.tier_slug,
        "scalable": true,
        "bandwidth_allowance_gib": "0",
    });
    if size.is_deprecated {
        object["deprecation_intent"] = json!(true);
    }
    object
}

fn tier_object((slug, name): (&str, &str)) -> Value {
    json!({
        "name": name,
        "slug": slug,
        "egress_bandwidth_bytes": "0",
        "build_seconds": "0",
    })
}
