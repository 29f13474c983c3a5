//! Attempts at instances: connect, send, and perhaps try once more.
//!
//! An attempt is repeated only where nobody can notice: it could not connect;
//! or the request was never sent; or nothing of a response was read and the
//! request has no body and may be repeated by its method.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use tracing::debug;

use super::answer::Answer;
use super::body::RequestBody;
use super::exchange::Exchange;
use crate::pick::{Choice, Pick};
use crate::pool::{self, UpstreamConnection};
use crate::worker::{Report, Worker};

/// Instances that are tried for one request. Only the first failure to connect
/// is common; a whole version that is gone is taken out after so few.
const INSTANCE_LIMIT: usize = 3;

/// A response, with the connection that it comes from.
#[derive(Debug)]
pub(crate) struct Forwarded {
    pub(crate) response: Response<Incoming>,
    pub(crate) connection: UpstreamConnection,
}

/// A request to an instance.
pub(crate) struct Outgoing<A> {
    pub(crate) request: Request<RequestBody>,
    /// The same request once more, without a body: only a few are ever repeated.
    pub(crate) again: A,
}

/// One request on its way.
struct Attempts<'a, A> {
    worker: &'a Rc<Worker>,
    exchange: &'a mut Exchange,
    /// Instances that have failed it.
    failed: Vec<Arc<str>>,
    again: A,
    /// It was sent once and got lost.
    is_repeated: bool,
}

/// What to do after a failed attempt.
enum Next {
    /// The same instance, on a new connection.
    SameInstance(Request<RequestBody>),
    /// Another instance.
    OtherInstance(Request<RequestBody>),
    GiveUp(Answer),
}

/// Forwards to the picked instance, or to what `repick` gives after a failure.
pub(crate) async fn forward(
    worker: &Rc<Worker>,
    exchange: &mut Exchange,
    outgoing: Outgoing<impl Fn() -> Request<RequestBody>>,
    mut repick: impl FnMut(&[Arc<str>]) -> Option<Choice>,
) -> Result<Forwarded, Answer> {
    let mut attempts = Attempts {
        worker,
        exchange,
        failed: Vec::new(),
        again: outgoing.again,
        is_repeated: false,
    };
    let mut request = outgoing.request;
    let mut fresh = false;
    loop {
        let next = match attempts.connection(fresh).await {
            Ok(connection) => match attempts.send(connection, request).await {
                Ok(forwarded) => return Ok(forwarded),
                Err(next) => next,
            },
            Err(error) => attempts.after_connect(&error, request),
        };
        request = match next {
            Next::GiveUp(answer) => return Err(answer),
            Next::SameInstance(request) => {
                attempts.exchange.attempt_again();
                fresh = true;
                request
            }
            Next::OtherInstance(request) => {
                fresh = false;
                let Some(Choice::Instance(pick)) = repick(&attempts.failed) else {
                    return Err(Answer::EndpointFailure);
                };
                attempts.exchange.set_pick(pick);
                request
            }
        };
    }
}

impl<A: Fn() -> Request<RequestBody>> Attempts<'_, A> {
    /// An idle connection, unless a `fresh` one is asked for.
    async fn connection(&mut self, fresh: bool) -> io::Result<UpstreamConnection> {
        let Some(pick) = self.exchange.pick() else {
            return Err(io::Error::other("nothing was picked"));
        };
        let upstream = Arc::clone(pick.upstream());
        if fresh {
            self.worker.pool.forget(&upstream.id);
        } else if let Some(connection) = self.worker.pool.take(&upstream.id).await {
            return Ok(connection);
        }
        let connection = pool::connect(&upstream, self.worker.shared.limits.connect_time).await?;
        upstream.recover();
        Ok(connection)
    }

    fn after_connect(&mut self, error: &io::Error, request: Request<RequestBody>) -> Next {
        self.exchange.attempt_failed();
        let Some(pick) = self.exchange.pick() else {
            return Next::GiveUp(Answer::EndpointFailure);
        };
        debug!(upstream = %pick.upstream().id, %error, "cannot connect");
        if !is_fault_of_instance(error) {
            return Next::GiveUp(Answer::EndpointFailure);
        }
        self.worker.rest(pick.upstream());
        self.other_instance(request)
    }

    fn other_instance(&mut self, request: Request<RequestBody>) -> Next {
        let upstream = self.exchange.pick().map(Pick::upstream);
        self.failed
            .extend(upstream.map(|upstream| Arc::clone(&upstream.id)));
        if self.failed.len() < INSTANCE_LIMIT {
            Next::OtherInstance(request)
        } else {
            Next::GiveUp(Answer::EndpointFailure)
        }
    }

    async fn send(
        &mut self,
        mut connection: UpstreamConnection,
        request: Request<RequestBody>,
    ) -> Result<Forwarded, Next> {
        let read_before = connection.read_bytes.load(Ordering::Relaxed);
        let may_repeat = may_repeat(&request);
        let fate = request.body().fate();
        let limit = self.worker.shared.limits.response_time;
        let sending = connection.sender.try_send_request(request);
        let Ok(sent) = windlass_clock::task::timeout(limit, sending).await else {
            self.exchange.attempt_failed();
            return Err(Next::GiveUp(Answer::EndpointTimeout));
        };
        let mut error = match sent {
            Ok(response) => {
                return Ok(Forwarded {
                    response,
                    connection,
                });
            }
            Err(error) => error,
        };
        if fate.is_too_large() {
            return Err(Next::GiveUp(Answer::BodyTooLarge));
        }
        if fate.has_failed() {
            return Err(Next::GiveUp(Answer::BodyIncomplete));
        }
        self.exchange.attempt_failed();
        debug!(error = %error.error(), "an attempt failed");
        let nothing_read = connection.read_bytes.load(Ordering::Relaxed) == read_before;
        let repeatable = match error.take_message() {
            // It was not even begun to be sent.
            Some(request) => Some(request),
            None if nothing_read && may_repeat => Some((self.again)()),
            None => None,
        };
        let Some(request) = repeatable.filter(|_| !self.is_repeated) else {
            return Err(Next::GiveUp(Answer::EndpointFailure));
        };
        self.is_repeated = true;
        // A kept connection may have been closed just as it was used again: the
        // instance is well. A new one that breaks says the instance is not.
        Err(if connection.is_reused {
            Next::SameInstance(request)
        } else {
            self.other_instance(request)
        })
    }
}

/// Whether the request may be repeated after it was sent.
fn may_repeat(request: &Request<RequestBody>) -> bool {
    let is_idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    );
    is_idempotent && request.body().is_empty()
}

/// Whether a failure to connect says something about the instance, not about
/// this process.
fn is_fault_of_instance(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        error.kind(),
        K::ConnectionRefused
            | K::ConnectionReset
            | K::ConnectionAborted
            | K::TimedOut
            | K::HostUnreachable
            | K::NetworkUnreachable
            | K::NotConnected
            | K::BrokenPipe
    )
}

impl Worker {
    /// Leaves an instance out for a moment and tells control when that is news.
    fn rest(&self, upstream: &crate::upstream::UpstreamState) {
        if upstream.rest(self.shared.uptime.now_ms()) {
            // A hint: control also watches the health of its instances.
            let _ = self
                .shared
                .reports
                .try_send(Report::Unreachable(upstream.id.to_string()));
        }
    }
}
