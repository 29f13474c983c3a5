//! Bodies on their way through the router. Nothing is collected: what arrives
//! is passed on, at the pace of the slower side.

use std::error::Error;
use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use windlass_clock::task::{Sleep, sleep};

use super::exchange::{End, Exchange};
use super::files::FileBody;
use crate::pool::UpstreamConnection;

type BodyError = Box<dyn Error + Send + Sync>;

/// Why a body was ended by the router.
#[derive(Debug, thiserror::Error)]
enum BodyFailure {
    #[error("the request body is over its limit")]
    TooLarge,
    #[error("nothing arrived for too long")]
    Stalled,
}

/// What became of a request body that is read elsewhere.
#[derive(Debug, Default)]
pub(crate) struct BodyFate {
    too_large: AtomicBool,
    failed: AtomicBool,
}

impl BodyFate {
    pub(crate) fn is_too_large(&self) -> bool {
        self.too_large.load(Ordering::Relaxed)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// The body of a request, towards an instance.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Option<Incoming>,
    left_bytes: u64,
    stall: Stall,
    fate: Arc<BodyFate>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, limit_bytes: Option<u64>, stall_time: Duration) -> Self {
        Self {
            incoming: (!incoming.is_end_stream()).then_some(incoming),
            left_bytes: limit_bytes.unwrap_or(u64::MAX),
            stall: Stall::new(stall_time),
            fate: Arc::default(),
        }
    }

    pub(crate) fn empty() -> Self {
        Self {
            incoming: None,
            left_bytes: 0,
            stall: Stall::new(Duration::MAX),
            fate: Arc::default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.incoming.is_none()
    }

    pub(crate) fn fate(&self) -> Arc<BodyFate> {
        Arc::clone(&self.fate)
    }

    /// Whether its announced length is over the limit already.
    pub(crate) fn is_announced_too_large(&self) -> bool {
        self.incoming
            .as_ref()
            .is_some_and(|body| body.size_hint().lower() > self.left_bytes)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else {
            ready!(this.stall.poll(cx));
            this.fate.failed.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(BodyFailure::Stalled.into())));
        };
        this.stall.moved();
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                if length > this.left_bytes {
                    this.fate.too_large.store(true, Ordering::Relaxed);
                    Some(Err(BodyFailure::TooLarge.into()))
                } else {
                    this.left_bytes -= length;
                    Some(Ok(frame))
                }
            }
            Some(Err(error)) => {
                this.fate.failed.store(true, Ordering::Relaxed);
                Some(Err(error.into()))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// The body of a response, towards a client.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// Of the router itself, or none.
    Text(Option<Bytes>),
    /// Of an instance.
    Upstream(Box<UpstreamBody>),
    /// Of a static artifact.
    File(Box<FileBody>),
}

/// A response body of an instance, with what ends together with it.
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    connection: Option<UpstreamConnection>,
    stall: Stall,
    exchange: Exchange,
}

impl ResponseBody {
    pub(crate) fn text(text: Bytes) -> Self {
        Self::Text(Some(text))
    }

    pub(crate) fn empty() -> Self {
        Self::Text(None)
    }

    /// A part of a file; the exchange ends with it.
    pub(crate) fn file(file: File, start: u64, length: u64, exchange: Exchange) -> Self {
        Self::File(Box::new(FileBody::new(file, start, length, exchange)))
    }

    /// Passes a response on; the exchange ends with it, and the connection goes
    /// back to the pool when it has been read to its end.
    pub(crate) fn upstream(
        incoming: Incoming,
        connection: UpstreamConnection,
        stall_time: Duration,
        exchange: Exchange,
    ) -> Self {
        let connection = Some(connection);
        let stall = Stall::new(stall_time);
        let mut body = UpstreamBody {
            incoming,
            connection,
            stall,
            exchange,
        };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        Self::Upstream(Box::new(body))
    }
}

impl UpstreamBody {
    fn finish(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.exchange.end(End::Complete);
            self.exchange.keep_connection(connection);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            ready!(self.stall.poll(cx));
            self.exchange.end(End::EndpointTimeout);
            return Poll::Ready(Some(Err(BodyFailure::Stalled.into())));
        };
        self.stall.moved();
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                self.exchange
                    .add_bytes(frame.data_ref().map_or(0, |data| data.len() as u64));
                if self.incoming.is_end_stream() {
                    self.finish();
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.exchange.end(End::EndpointFailed);
                Some(Err(error.into()))
            }
            None => {
                self.finish();
                None
            }
        })
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Upstream(body) => body.poll(cx),
            Self::File(body) => body
                .poll(cx)
                .map(|frame| frame.map(|frame| frame.map_err(BodyError::from))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Upstream(body) => body.incoming.is_end_stream(),
            Self::File(body) => body.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Self::Upstream(body) => body.incoming.size_hint(),
            Self::File(body) => body.size_hint(),
        }
    }
}

/// A time in which something must move.
#[derive(Debug)]
struct Stall {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    fn moved(&mut self) {
        self.timer = None;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        self.timer
            .get_or_insert_with(|| Box::pin(sleep(limit)))
            .as_mut()
            .poll(cx)
    }
}
