//! What happens on a client's connection, as known on both sides of the parser.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use windlass_clock::task::{Instant, sleep_until};

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Activity(Mutex<Now>);

#[derive(Debug)]
struct Now {
    /// Requests whose head is complete and whose answer is not.
    active: u32,
    /// When the first byte of the next head arrived.
    head_since: Option<Instant>,
    /// When the last answer ended, or the connection began.
    quiet_since: Instant,
}

/// A request that is being answered. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Active(Arc<Activity>);

/// The body of an answer, by whose end the request ends.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: Body,
    _active: Active,
}

impl Activity {
    /// Of a new connection.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Now {
            active: 0,
            head_since: None,
            quiet_since: Instant::now(),
        }))
    }

    /// A head is complete.
    pub(super) fn begin(self: &Arc<Self>) -> Active {
        let mut now = self.now();
        now.active += 1;
        now.head_since = None;
        Active(Arc::clone(self))
    }

    /// Bytes have arrived: they are of a head unless a request is being answered.
    pub(super) fn arrived(&self) {
        let mut now = self.now();
        if now.active == 0 {
            now.head_since.get_or_insert_with(Instant::now);
        }
    }

    /// Since when a head is incomplete, if one is.
    pub(super) fn head_since(&self) -> Option<Instant> {
        self.now().head_since
    }

    /// Ends when nothing has been asked for so long, counted at the earliest from `from`.
    pub(super) async fn quiet(&self, limit: Duration, from: Instant) {
        loop {
            let now = Instant::now();
            // Whoever is busy at this look can't have been quiet for long at the next one.
            let since = self.quiet_since().unwrap_or(now).max(from);
            if since + limit <= now {
                return;
            }
            sleep_until(since + limit).await;
        }
    }

    fn quiet_since(&self) -> Option<Instant> {
        let now = self.now();
        let is_quiet = now.active == 0 && now.head_since.is_none();
        is_quiet.then_some(now.quiet_since)
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Active {
    /// The answer, by whose end the request ends. A connection that leaves HTTP is busy from then
    /// on: its bytes are no heads, and who took it over knows its limits.
    pub(super) fn until_end_of(self, response: Response<Body>) -> Response<AnswerBody> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.0.now().active += 1;
        }
        response.map(|body| AnswerBody {
            body,
            _active: self,
        })
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let mut now = self.0.now();
        now.active -= 1;
        now.quiet_since = Instant::now();
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
