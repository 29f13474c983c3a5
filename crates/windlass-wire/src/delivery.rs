//! Whether an answer reached its client: of requests that are carried out once, however often they
//! are sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use windlass_control::Control;
use windlass_control::once::OnceKeys;

/// On an answer whose delivery is to be noted.
#[derive(Debug, Clone)]
pub struct Delivery(pub OnceKeys);

/// Wraps the body of an answer whose delivery is to be noted: the connection takes the whole body
/// only while the client is there.
pub fn watch(control: &Control, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(Delivery(keys)) = parts.extensions.remove::<Delivery>() else {
        return Response::from_parts(parts, body);
    };
    if parts.status.is_server_error() {
        return Response::from_parts(parts, body);
    }
    let watched = Watched {
        body,
        told: Some((control.clone(), keys)),
    };
    Response::from_parts(parts, Body::new(watched))
}

struct Watched {
    body: Body,
    told: Option<(Control, OnceKeys)>,
}

impl Watched {
    fn note_end(&mut self) {
        if let Some((control, keys)) = self.told.take() {
            // At once: the client may send the next request before anything is written.
            control.note_delivered(&keys);
            tokio::spawn(async move { control.answer_delivered(&keys).await });
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let is_over = match &polled {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => false,
        };
        if is_over {
            self.note_end();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
