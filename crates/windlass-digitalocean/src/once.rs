//! Requests that clients send again because their answer was lost.
//!
//! The clients of this API repeat POST, PUT and DELETE after a lost connection and after a 5xx,
//! most of them without any key. What the first request made is written down in its commit; the
//! repeat is answered with that, as it stands now.

use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Json, http::Method};
use serde::{Deserialize, Serialize};
use serde_json::json;
use windlass_control::error::Error;
use windlass_control::once::{Once, OnceKeys, Request};
use windlass_wire::delivery::Delivery;

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::server::DoState;
use crate::{apps, deployments, place};

/// The same over all tries of one call of the Python client.
const CLIENT_REQUEST_ID: &str = "x-ms-client-request-id";
/// Longest such id, bytes.
const MAX_ID_BYTES: usize = 128;

/// What a request made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Made {
    /// An app was created or changed.
    App {
        /// Which.
        app: String,
        /// With which deployment.
        deployment: String,
    },
    /// A deployment was created.
    Deployment {
        /// Of which app.
        app: String,
        /// Which.
        deployment: String,
    },
    /// An app was deleted.
    Deleted {
        /// Which.
        app: String,
    },
    /// Something that is answered with nothing.
    Nothing,
}

/// A request that may be a repeat.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    keys: OnceKeys,
}

impl Attempt {
    /// A request of this caller.
    pub(crate) fn of(
        caller: &Authenticated,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Self {
        let id = headers
            .get(CLIENT_REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|text| !text.is_empty() && text.len() <= MAX_ID_BYTES);
        let keys = OnceKeys::of(&Request {
            caller: caller.key(),
            method: method.as_str(),
            path,
            body,
            id,
        });
        Self { keys }
    }

    /// The answer of the first request, if this one is its repeat.
    ///
    /// # Errors
    /// What showing it fails with.
    pub(crate) async fn repeated(
        &self,
        state: &DoState,
        caller: &Authenticated,
    ) -> ApiResult<Option<Response>> {
        match state.control.made_before(&self.keys)? {
            Some(made) => answer_again(state, caller, &made, self).await.map(Some),
            None => Ok(None),
        }
    }

    /// What a commit writes down, so that a repeat finds it.
    pub(crate) fn makes(&self, made: &Made) -> Once {
        Once {
            keys: self.keys.clone(),
            made: serde_json::to_vec(made).unwrap_or_default(),
        }
    }

    /// The answer to what was done: a fresh one, or that of the first request when this one turns
    /// out to be its repeat inside the commit.
    ///
    /// # Errors
    /// Those of the command.
    pub(crate) async fn answer(
        &self,
        state: &DoState,
        caller: &Authenticated,
        done: Result<Response, ApiErrorOr>,
    ) -> ApiResult {
        match done {
            Ok(response) => Ok(self.tracked(response)),
            Err(ApiErrorOr::Control(Error::Repeated { made })) => {
                answer_again(state, caller, &made, self).await
            }
            Err(ApiErrorOr::Control(error)) => Err(error.into()),
            Err(ApiErrorOr::Api(error)) => Err(error),
        }
    }

    /// Has the delivery of an answer noted.
    fn tracked(&self, mut response: Response) -> Response {
        response
            .extensions_mut()
            .insert(Delivery(self.keys.clone()));
        response
    }
}

/// An error that is told to the client, or one that may be a repeat.
#[derive(Debug)]
pub(crate) enum ApiErrorOr {
    /// Told as it is.
    Api(ApiError),
    /// Of control.
    Control(Error),
}

impl From<ApiError> for ApiErrorOr {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<Error> for ApiErrorOr {
    fn from(error: Error) -> Self {
        Self::Control(error)
    }
}

async fn answer_again(
    state: &DoState,
    caller: &Authenticated,
    made: &[u8],
    attempt: &Attempt,
) -> ApiResult {
    let made: Made = serde_json::from_slice(made)
        .map_err(|error| ApiError::from(Error::internal(format!("what was made: {error}"))))?;
    let response = match made {
        Made::App { app, deployment } => {
            let place = place::by_id(state, caller, &app)?;
            apps::answer(state, &place, Some(&deployment)).await?
        }
        Made::Deployment { app, deployment } => {
            let place = place::by_id(state, caller, &app)?;
            let record = place::deployment_of(state, &place, &deployment)?;
            deployments::answer(state, record).await?
        }
        Made::Deleted { app } => Json(json!({ "id": app })).into_response(),
        Made::Nothing => Json(json!({})).into_response(),
    };
    Ok(attempt.tracked(response))
}
