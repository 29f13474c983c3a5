//! What control answers to the command line on the admin socket.
//!
//! Plain HTTP/1.1 with JSON. Who may connect is decided by the kernel: the socket is 0600, and each
//! connection must come from our own user or from root. Nothing here is reachable from a network.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post};
use windlass_control::control::Control;

use crate::outlive::outlive;
use crate::roles::Machine;
use crate::settings::Settings;

mod backup;
mod builds;
mod deployments;
mod env;
mod error;
mod events;
mod identity;
mod logs;
mod name;
mod peer;
mod query;
mod record;
mod status;
mod tasks;
mod tenancy;
mod wait;

pub use peer::serve;

/// Largest request, bytes.
const REQUEST_LIMIT_BYTES: usize = 64 * 1024;

/// What the handlers use.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The use cases.
    pub control: Control,
    /// Settings in force.
    pub settings: Arc<Settings>,
    /// What the machine offers.
    pub machine: Arc<Machine>,
}

/// All paths.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/env", post(env::env))
        .route("/users", get(identity::users).post(identity::create_user))
        .route("/users/{name}", delete(identity::delete_user))
        .route("/roles", post(identity::set_role))
        .route("/roles/unset", post(identity::unset_role))
        .route(
            "/tokens",
            get(identity::tokens).post(identity::create_token),
        )
        .route("/tokens/{id}", delete(identity::delete_token))
        .route("/signing_key/rotate", post(identity::rotate_key))
        .route(
            "/organizations",
            get(tenancy::organizations).post(tenancy::create_organization),
        )
        .route(
            "/organizations/{name}",
            delete(tenancy::delete_organization),
        )
        .route("/organizations/{name}/quota", post(tenancy::set_quota))
        .route("/spaces", get(tenancy::spaces).post(tenancy::create_space))
        .route(
            "/spaces/{organization}/{name}",
            delete(tenancy::delete_space),
        )
        .route("/deployments", get(deployments::list))
        .route("/deployments/{id}", get(deployments::show))
        .route("/deployments/{id}/cancel", post(deployments::cancel))
        .route("/deployments/{id}/continue", post(deployments::resume))
        .route("/tasks", get(tasks::list))
        .route("/tasks/{id}", get(tasks::show))
        .route("/tasks/{id}/cancel", post(tasks::cancel))
        .route("/events", get(events::events))
        .route("/logs", get(logs::logs))
        .route("/status", get(status::status))
        .route("/backup", post(backup::backup))
        .layer(DefaultBodyLimit::max(REQUEST_LIMIT_BYTES))
        .layer(axum::middleware::from_fn(outlive))
        .with_state(admin)
}
