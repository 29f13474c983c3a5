//! A change that has begun is carried through, even if its client goes away meanwhile.
//!
//! A server drops the handler of a connection that is closed. Between a commit and the routes that
//! follow from it that would leave a cancel durable, but not in force.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Runs the handler of everything that may change something in a task of its own.
pub async fn outlive(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!("a request broke: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::body::Body;
    use axum::routing::post;
    use tokio::sync::Semaphore;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_handler_whose_client_has_gone_goes_on_to_its_end() {
        let (begun, go, done) = (
            Arc::new(Semaphore::new(0)),
            Arc::new(Semaphore::new(0)),
            Arc::new(Semaphore::new(0)),
        );
        let signals = (Arc::clone(&begun), Arc::clone(&go), Arc::clone(&done));
        let handler = move || async move {
            let (begun, go, done) = signals;
            begun.add_permits(1);
            let _ = go.acquire().await;
            done.add_permits(1);
        };
        let router = Router::new()
            .route("/", post(handler))
            .layer(axum::middleware::from_fn(outlive));
        let request = Request::post("/").body(Body::empty()).expect("a request");
        let client = tokio::spawn(router.oneshot(request));
        let _ = begun.acquire().await.expect("it begins");
        client.abort();
        assert!(client.await.is_err_and(|error| error.is_cancelled()));
        go.add_permits(1);
        let _ = done.acquire().await.expect("it ends");
    }
}
