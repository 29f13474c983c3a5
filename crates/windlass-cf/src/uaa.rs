//! The token endpoint and the user API beside it, as far as `cf` and `cloudfoundry-client` use
//! them (UAA's forms and errors, not Cloud Controller's).

use axum::Router;
use axum::routing::{delete, get, post, put};

use crate::server::CfState;

mod error;
mod form;
mod scim;
mod token;
mod tokens_info;

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/login", get(tokens_info::login))
        .route("/info", get(tokens_info::login))
        .route("/oauth/token", post(token::grant))
        .route("/oauth/token/revoke/{jti}", delete(tokens_info::revoke))
        .route("/token_key", get(tokens_info::token_key))
        .route("/token_keys", get(tokens_info::token_keys))
        .route("/check_token", post(tokens_info::check_token))
        .route("/userinfo", get(tokens_info::userinfo))
        .route("/oauth/clients/{id}", get(scim::show_client))
        .route("/Users", get(scim::list).post(scim::create))
        .route("/Users/{id}", get(scim::show).delete(scim::delete))
        .route("/Users/{id}/password", put(scim::change_password))
}
