//! `windlass status`.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use windlass_runtime::Means;

use super::Admin;
use super::error::Answer;
use crate::program;
use crate::public_address;

pub(super) async fn status(State(admin): State<Admin>) -> Answer {
    let settings = &admin.settings;
    let routers: Vec<Value> = admin
        .control
        .routes()
        .routers()
        .into_iter()
        .map(|router| {
            json!({
                "pid": router.pid,
                "epoch": router.position.map(|position| position.epoch),
                "generation": router.position.map(|position| position.generation),
            })
        })
        .collect();
    let running = admin.control.running().await;
    let probe = &admin.machine.probe;
    let used = admin.machine.isolation;
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "program": program::path().ok(),
        "control_pid": std::process::id(),
        "routers": routers,
        "running": running,
        "repeated_requests": admin.control.repeats().count(),
        "addresses": {
            "cf_api": public_address::cf_api(settings),
            "digitalocean_api": public_address::digitalocean_api(settings),
            "vercel_api": public_address::vercel_api(settings),
            "router_http": public_address::router_http(settings),
            "router_https": public_address::router_https(settings),
            "metrics": public_address::metrics(settings),
        },
        "isolation": {
            "files": means(&probe.landlock, used.landlock),
            "processes": means(&probe.pidns, used.pidns),
            "resources": means(&probe.cgroup, used.cgroup),
            "user": means(&probe.uid, used.uid),
        },
    })))
}

fn means(means: &Means, used: bool) -> Value {
    json!({ "used": used, "available": means.is_available, "note": means.note })
}
