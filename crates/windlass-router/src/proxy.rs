//! One request: match, pick, forward, pass the response on.

use std::rc::Rc;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;

use crate::compiled::CompiledTarget;
use crate::pick::Choice;
use crate::table::{AnswerHeader, AnswerKind};
use crate::worker::{Peer, Worker};

pub(crate) mod answer;
pub(crate) mod body;
mod decision;
pub(crate) mod exchange;
pub(crate) mod files;
mod forward;
mod headers;
mod hold;
mod pass;
mod redirect;
pub(crate) mod site;
mod sticky;
mod target;
mod upgrade;
mod wishes;

use answer::Answer;
use body::ResponseBody;
use decision::Decision;
use exchange::Exchange;
use files::FileRequest;
use pass::{Way, pass};
use redirect::{elsewhere, redirect};
use site::{CallOf, Planned};
use target::{Target, admit, asked};
use wishes::Wishes;

/// How often a request may find that its version was withdrawn while it waited.
const MOVE_LIMIT: usize = 4;

/// Answers a request, always with some response.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    peer: Peer,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let decision = Decision::new(&peer.connection);
    let request_id =
        headers::request_id_of(request.headers()).unwrap_or_else(|| worker.request_id());
    let mut exchange = Exchange::begin(
        &worker,
        &peer.connection,
        peer.address,
        request.version(),
        request.method(),
        request_id.clone(),
    );
    let mut notes = Notes::default();
    let answer = match admit(&worker, &request) {
        Ok(target) => {
            exchange.set_target(&target.host, target.path.path());
            let routing = route(
                &worker, &peer, request, target, exchange, decision, &mut notes,
            );
            match routing.await {
                Ok(mut response) => {
                    notes.add(response.headers_mut());
                    return response;
                }
                Err((answer, ended)) => {
                    exchange = *ended;
                    answer
                }
            }
        }
        Err(answer) => answer,
    };
    let mut response = answer.response();
    exchange.answered(response.status(), answer.code());
    headers::add_request_id(response.headers_mut(), &request_id);
    notes.add(response.headers_mut());
    response
}

/// Headers that the response carries whoever answers in the end.
#[derive(Debug, Default)]
struct Notes {
    of_visitor: Vec<(HeaderName, HeaderValue)>,
    of_site: Vec<(HeaderName, HeaderValue)>,
}

impl Notes {
    fn add(self, headers: &mut HeaderMap) {
        for (name, value) in self.of_site {
            headers.insert(name, value);
        }
        for (name, value) in self.of_visitor {
            headers.append(name, value);
        }
    }
}

/// An answer in place of a response, with the exchange that it ends.
type Ended = (Answer, Box<Exchange>);

/// What only some requests take is boxed: the state of a request is moved around before it is first
/// polled, and most are passed to an instance.
async fn route(
    worker: &Rc<Worker>,
    peer: &Peer,
    request: Request<Incoming>,
    target: Target,
    mut exchange: Exchange,
    decision: Decision,
    notes: &mut Notes,
) -> Result<Response<ResponseBody>, Ended> {
    let wishes = match Wishes::of(worker, peer, &request, &target) {
        Ok(wishes) => wishes,
        Err(answer) => return Err((answer, Box::new(exchange))),
    };
    for _ in 0..MOVE_LIMIT {
        let asked = asked(&request, &target);
        let wish = wishes.wish(request.headers(), &[]);
        let choice = hold::choose(worker, asked, wish, &mut exchange).await;
        let (choice, seen) = match choice {
            Ok(choice) => choice,
            Err(answer) => return Err((answer, Box::new(exchange))),
        };
        let (group, version, position) = match choice {
            Choice::Instance(pick) => {
                notes.of_visitor = wishes.notes(request.headers(), &pick.group, pick.version, peer);
                exchange.set_pick(pick);
                let way = Way {
                    target: &target,
                    seen: seen_path(&target, seen),
                    wishes: &wishes,
                    call: None,
                };
                return pass(worker, peer, request, way, exchange, decision).await;
            }
            Choice::Elsewhere(to) => {
                let answer = elsewhere(&to, &target, peer.is_tls);
                return Err((answer, Box::new(exchange)));
            }
            Choice::NoSuchInstance => return Err((Answer::UnknownInstance, Box::new(exchange))),
            Choice::Nothing | Choice::Wait { .. } => {
                return Err((Answer::NoEndpoints, Box::new(exchange)));
            }
            Choice::Other {
                group,
                version,
                position,
            } => (group, version, position),
        };
        notes.of_visitor = wishes.notes(request.headers(), &group, version, peer);
        let version = &group.versions[version];
        exchange.set_position(position);
        exchange.set_version(&version.counters, &group.id, &version.id);
        let seen = seen_path(&target, seen);
        let answer = match &version.target {
            CompiledTarget::Redirect {
                location,
                status,
                keep_path,
            } => redirect(location, *status, *keep_path, &target.path),
            CompiledTarget::Static(files) => {
                let asked = FileRequest {
                    method: request.method(),
                    seen,
                    path: &target.path,
                    headers: request.headers(),
                };
                let served = files::serve(Arc::clone(files), &version.id, asked, exchange);
                return Box::pin(served).await;
            }
            CompiledTarget::Site {
                site,
                headers: answer_headers,
                request_headers,
                ..
            } => {
                let planned = site::plan(Arc::clone(site), &request, &target.host, seen);
                let planned = Box::pin(planned).await;
                let request_id = exchange.request_id().to_owned();
                let mut tell = |kind| {
                    notes.of_site = site::told(answer_headers, kind, &request_id);
                };
                match planned {
                    Planned::File(file) => {
                        tell(AnswerKind::File);
                        let (method, headers) = (request.method(), request.headers());
                        return file.respond(&version.id, method, headers, exchange);
                    }
                    Planned::Answer(answer) => {
                        let is_lost = answer.is_not_found();
                        tell(if is_lost {
                            AnswerKind::NotFound
                        } else {
                            AnswerKind::Any
                        });
                        answer
                    }
                    Planned::Function(call) => {
                        let call = CallOf {
                            call,
                            group: Arc::clone(&group.id),
                            version: Arc::clone(&version.id),
                            site: Arc::clone(site),
                            headers: Arc::clone(request_headers),
                        };
                        tell(AnswerKind::FunctionFailed);
                        let chosen = hold::choose_for_function(worker, call.version_of());
                        match Box::pin(chosen).await {
                            Ok(Some(pick)) => exchange.set_pick(pick),
                            // Withdrawn meanwhile: whatever serves now answers.
                            Ok(None) => continue,
                            Err(answer) => return Err((answer, Box::new(exchange))),
                        }
                        let way = Way {
                            target: &target,
                            seen: call.call.seen.clone(),
                            wishes: &wishes,
                            call: Some(&call),
                        };
                        let passed = pass(worker, peer, request, way, exchange, decision);
                        let passed = Box::pin(passed).await;
                        if passed.is_ok() {
                            notes.of_site =
                                site::told(answer_headers, AnswerKind::Function, &request_id);
                        }
                        return passed;
                    }
                }
            }
            CompiledTarget::Instances { .. } | CompiledTarget::OnDemand { .. } => {
                Answer::TargetNotServed
            }
        };
        return Err((answer, Box::new(exchange)));
    }
    Err((Answer::NoEndpoints, Box::new(exchange)))
}

/// The path that the answering side sees: another one behind a rule of the app,
/// with the query of the request.
fn seen_path(target: &Target, path: Option<String>) -> PathAndQuery {
    let Some(mut path) = path else {
        return target.path.clone();
    };
    if let Some(query) = target.path.query() {
        path.push('?');
        path.push_str(query);
    }
    path.parse().unwrap_or_else(|_| target.path.clone())
}

/// What a look at the table gives.
#[derive(Debug)]
pub(crate) enum Look {
    /// No table has ever been read.
    NoTable,
    UnknownRoute,
    /// Nothing that the rule leads to is there.
    Absent {
        route: Arc<str>,
        headers: Arc<[AnswerHeader]>,
    },
    Chosen {
        route: Arc<str>,
        choice: Choice,
        /// Path that the answering side sees, where it differs.
        path: Option<String>,
    },
}
