//! What a handler left unread of a request's body.
//!
//! A refusal (no token, too large) is ready before the client has sent everything. Closing the
//! connection then makes the client's next write fail, and it never sees the answer. So the rest
//! is read and thrown away first, within limits of size and time.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use http_body_util::BodyExt;

/// Most of a rest that is read, bytes. After more the connection is cut.
const LIMIT_BYTES: u64 = 16 * 1024 * 1024;
/// Longest time that a rest is waited for, ms.
const LIMIT_MS: u64 = 2_000;

/// A body that handlers read and whose rest can still be had afterwards.
#[derive(Debug, Clone)]
pub struct Unread(Arc<Mutex<Body>>);

impl Unread {
    /// Keeps a hand on the body of a request. `None` where there is nothing to throw away: no
    /// body, or a client that sends it only when it is asked to go on.
    pub fn keep(request: &mut Request) -> Option<Self> {
        if request.body().is_end_stream() || request.headers().contains_key(EXPECT) {
            return None;
        }
        let body = std::mem::replace(request.body_mut(), Body::empty());
        let unread = Self(Arc::new(Mutex::new(body)));
        *request.body_mut() = Body::new(unread.clone());
        Some(unread)
    }

    /// Reads the rest and throws it away.
    pub async fn discard(mut self) {
        let all = async {
            let mut read_bytes: u64 = 0;
            while let Some(Ok(frame)) = self.frame().await {
                read_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                if read_bytes > LIMIT_BYTES {
                    return;
                }
            }
        };
        // Late or too much: the client misses the answer, as it would have without this.
        let _ = tokio::time::timeout(Duration::from_millis(LIMIT_MS), all).await;
    }
}

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.size_hint()
    }
}
