//! Requests that clients send again because their answer was lost: what the first one made is
//! written down in its commit, and the repeat is answered with that, as it stands now.

use axum::http::{Method, Uri};
use axum::response::Response;
use windlass_control::once::{Once, OnceKeys, Request};
use windlass_engine::id::BuildId;
use windlass_wire::delivery::Delivery;

use crate::auth::Authenticated;
use crate::error::ApiResult;
use crate::server::VercelState;

/// A request about a deployment that may be a repeat.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    keys: OnceKeys,
}

impl Attempt {
    /// A request of this caller. No client of this API gives its requests ids.
    pub(crate) fn of(caller: &Authenticated, method: &Method, uri: &Uri, body: &[u8]) -> Self {
        let keys = OnceKeys::of(&Request {
            caller: caller.key(),
            method: method.as_str(),
            path: uri.path(),
            body,
            id: None,
        });
        Self { keys }
    }

    /// The deployment that the first request was about, if this one is its repeat.
    ///
    /// # Errors
    /// 500.
    pub(crate) fn repeated(&self, state: &VercelState) -> ApiResult<Option<BuildId>> {
        let made = state.control.made_before(&self.keys)?;
        Ok(made.and_then(|made| read(&made)))
    }

    /// What a commit writes down, so that a repeat finds it.
    pub(crate) fn makes(&self, deployment: &BuildId) -> Once {
        Once {
            keys: self.keys.clone(),
            made: deployment.as_str().as_bytes().to_vec(),
        }
    }

    /// Has the delivery of an answer noted.
    pub(crate) fn tracked(&self, mut response: Response) -> Response {
        response
            .extensions_mut()
            .insert(Delivery(self.keys.clone()));
        response
    }
}

/// What [`Attempt::makes`] wrote down.
pub(crate) fn read(made: &[u8]) -> Option<BuildId> {
    std::str::from_utf8(made).ok().map(BuildId::from)
}
