//! One request: match, pick, forward, pass the response on.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};
use hyper::body::Incoming;

use crate::compiled::{CompiledGroup, CompiledTarget, Elsewhere};
use crate::framing::Refusal;
use crate::guard::ClientConnection;
use crate::matching::{Asked, FoundBy};
use crate::pick::{Choice, FunctionChoice, Visitor, Wish};
use crate::table::AnswerKind;
use crate::worker::{Peer, Worker};

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod exchange;
pub(crate) mod files;
mod forward;
mod headers;
mod hold;
pub(crate) mod site;
mod sticky;
mod upgrade;

use answer::Answer;
use body::{RequestBody, ResponseBody};
use exchange::Exchange;
use files::FileRequest;
use forward::Forwarded;
use site::{CallOf, Planned};

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

/// Whom the request is for.
#[derive(Debug)]
struct Target {
    /// Lower case, without port.
    host: String,
    /// As the client said it.
    host_header: HeaderValue,
    path: PathAndQuery,
}

/// An answer in place of a response, with the exchange that it ends.
type Ended = (Answer, Box<Exchange>);

/// Checks what the guard cannot see, or (HTTP/2) has not seen.
fn admit(worker: &Worker, request: &Request<Incoming>) -> Result<Target, Answer> {
    if request.version() != Version::HTTP_2
        && let Some(refusal) = worker.shared.refusal_path.refusal(request.uri().path())
    {
        return Err(Answer::Refused(refusal));
    }
    if request.method() == Method::CONNECT {
        return Err(Answer::MethodNotAllowed);
    }
    let limits = &worker.shared.limits;
    let path = request.uri().path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    if path.as_str().len() > limits.uri_bytes {
        return Err(Answer::Refused(Refusal::UriTooLong));
    }
    if request.headers().len() > limits.header_count {
        return Err(Answer::Refused(Refusal::HeadersTooLarge));
    }
    let host_header = host_of(request).ok_or(Answer::Refused(Refusal::Host))?;
    let host = plain_host(&host_header).ok_or(Answer::Refused(Refusal::Host))?;
    Ok(Target {
        host,
        host_header,
        path,
    })
}

/// The host: of the target when it names one, which must not differ from the
/// header, else of the header.
fn host_of(request: &Request<Incoming>) -> Option<HeaderValue> {
    let mut in_headers = request.headers().get_all(HOST).iter();
    let in_header = in_headers.next();
    if in_headers.next().is_some() {
        return None;
    }
    match (request.uri().authority(), in_header) {
        (Some(authority), Some(header)) => {
            let same = header
                .as_bytes()
                .eq_ignore_ascii_case(authority.as_str().as_bytes());
            (same && !authority.as_str().contains('@')).then(|| header.clone())
        }
        (Some(authority), None) => HeaderValue::from_str(authority.as_str()).ok(),
        (None, Some(header)) => Some(header.clone()),
        // HTTP/1.0 without a host: no route can match it.
        (None, None) => Some(HeaderValue::from_static("")),
    }
}

/// Lower case, without port and without a dot at its end.
fn plain_host(header: &HeaderValue) -> Option<String> {
    if header.is_empty() {
        return Some(String::new());
    }
    let authority: Authority = header.to_str().ok()?.parse().ok()?;
    let host = authority.host();
    Some(host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase())
}

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
                return files::serve(Arc::clone(files), &version.id, asked, exchange).await;
            }
            CompiledTarget::Site {
                site,
                headers: answer_headers,
                ..
            } => {
                let planned = site::plan(Arc::clone(site), &request, &target.host, seen).await;
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
                        };
                        tell(AnswerKind::FunctionFailed);
                        match hold::choose_for_function(worker, call.version_of()).await {
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
                        let passed = pass(worker, peer, request, way, exchange, decision).await;
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

/// The request's address with other parts.
fn elsewhere(to: &Elsewhere, target: &Target, is_tls: bool) -> Answer {
    let own_scheme = if is_tls { "https" } else { "http" };
    let scheme = to.scheme.as_deref().unwrap_or(own_scheme);
    let own_host = target.host_header.to_str().unwrap_or_default();
    let authority = match (&to.authority, to.port) {
        (None, None) if scheme == own_scheme => own_host.to_owned(),
        (authority, port) => {
            let host = authority.as_deref().unwrap_or(&target.host);
            port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
        }
    };
    let uri = to.uri.as_deref().unwrap_or(target.path.as_str());
    let slash = if uri.starts_with('/') { "" } else { "/" };
    Answer::Redirect {
        location: format!("{scheme}://{authority}{slash}{uri}"),
        status: to.status,
    }
}

fn redirect(location: &str, status: u16, keep_path: bool, path: &PathAndQuery) -> Answer {
    let location = if keep_path {
        format!("{}{path}", location.trim_end_matches('/'))
    } else {
        location.to_owned()
    };
    let status = if (300..400).contains(&status) {
        status
    } else {
        StatusCode::FOUND.as_u16()
    };
    Answer::Redirect { location, status }
}

/// What the request says about its instance.
#[derive(Debug)]
struct Wishes {
    named: Option<(String, u32)>,
    pinned: Option<String>,
    /// Where the request comes from.
    address: IpAddr,
}

impl Wishes {
    fn of(
        worker: &Worker,
        peer: &Peer,
        request: &Request<Incoming>,
        target: &Target,
    ) -> Result<Self, Answer> {
        let address = headers::client_address(
            request.headers(),
            peer.address.ip(),
            worker.shared.trust_forwarded_headers,
        );
        let named =
            sticky::named_instance(request.headers()).map_err(|()| Answer::InstanceHeader)?;
        let named = named.map(|(app, index)| (app.to_owned(), index));
        if !sticky::has_pin(request.headers()) {
            return Ok(Self {
                named,
                pinned: None,
                address,
            });
        }
        let table = worker.table();
        let found = table.find(asked(request, target));
        let rule = found.and_then(|found| match found.by {
            FoundBy::Rule(rule, _) => Some(rule),
            FoundBy::Redirect(_) | FoundBy::Nothing => None,
        });
        let pinned = rule
            .into_iter()
            .flat_map(|rule| &rule.destinations)
            .filter_map(|id| table.groups.get(id))
            .find_map(|group| sticky::pinned_instance(request.headers(), &group.sticky_cookies));
        Ok(Self {
            named,
            pinned,
            address,
        })
    }

    fn visitor<'a>(&self, headers: &'a HeaderMap) -> Visitor<'a> {
        Visitor {
            address: self.address,
            headers,
        }
    }

    /// What a response says about the visitor's version.
    fn notes(
        &self,
        headers: &HeaderMap,
        group: &CompiledGroup,
        version: usize,
        peer: &Peer,
    ) -> Vec<(HeaderName, HeaderValue)> {
        self.visitor(headers).notes(group, version, peer.is_tls)
    }

    fn wish<'a>(&'a self, headers: &'a HeaderMap, failed: &'a [Arc<str>]) -> Wish<'a> {
        Wish {
            pinned: self.pinned.as_deref(),
            named: self
                .named
                .as_ref()
                .map(|(app, index)| (app.as_str(), *index)),
            failed,
            visitor: Some(self.visitor(headers)),
        }
    }
}

fn asked<'a>(request: &'a Request<Incoming>, target: &'a Target) -> Asked<'a> {
    Asked {
        host: &target.host,
        path: target.path.path(),
        method: request.method(),
        headers: request.headers(),
    }
}

/// What a look at the table gives.
#[derive(Debug)]
pub(crate) enum Look {
    /// No table has ever been read.
    NoTable,
    UnknownRoute,
    Chosen {
        route: Arc<str>,
        choice: Choice,
        /// Path that the answering side sees, where it differs.
        path: Option<String>,
    },
}

/// Where a request goes, and what it wishes.
struct Way<'a> {
    target: &'a Target,
    /// Path that the instance sees.
    seen: PathAndQuery,
    wishes: &'a Wishes,
    /// The function that answers, of a site.
    call: Option<&'a CallOf>,
}

/// Forwards to the picked instance and passes its response on.
async fn pass(
    worker: &Rc<Worker>,
    peer: &Peer,
    mut request: Request<Incoming>,
    way: Way<'_>,
    mut exchange: Exchange,
    mut decision: Decision,
) -> Result<Response<ResponseBody>, Ended> {
    let Way {
        target,
        seen,
        wishes,
        call,
    } = way;
    let limits = &worker.shared.limits;
    let upgrade = headers::upgrade_of(request.headers()).filter(|_| decision.is_owed());
    let client_upgrade = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    let wants_instance = wishes.named.is_some();
    // The head without its body, to match again after a failed attempt.
    let (parts, incoming) = request.into_parts();
    let body = RequestBody::new(incoming, limits.body_bytes, limits.stall_time);
    if body.is_announced_too_large() {
        return Err((Answer::BodyTooLarge, Box::new(exchange)));
    }
    let mut outgoing = Request::new(body);
    *outgoing.method_mut() = parts.method.clone();
    *outgoing.uri_mut() = Uri::from(seen);
    *outgoing.headers_mut() = parts.headers.clone();
    let client = headers::ClientSide {
        address: peer.address.ip(),
        is_tls: peer.is_tls,
        host: &target.host_header,
        request_id: exchange.request_id(),
        is_trusted: worker.shared.trust_forwarded_headers,
    };
    headers::rewrite_request(outgoing.headers_mut(), client, upgrade.clone());
    if let Some(of) = call {
        let function = of.call.function.clone();
        outgoing.headers_mut().insert(headers::FUNCTION, function);
    }
    let repick = |failed: &[Arc<str>]| {
        if let Some(of) = call {
            return match worker.look_function(of.version_of(), failed) {
                FunctionChoice::Instance(pick) => Some(Choice::Instance(pick)),
                FunctionChoice::Wait { .. } | FunctionChoice::Nothing | FunctionChoice::Moved => {
                    None
                }
            };
        }
        let asked = Asked {
            host: &target.host,
            path: target.path.path(),
            method: &parts.method,
            headers: &parts.headers,
        };
        match worker.look(asked, wishes.wish(&parts.headers, failed)) {
            Look::Chosen { choice, .. } if !wants_instance => Some(choice),
            Look::Chosen { .. } | Look::NoTable | Look::UnknownRoute => None,
        }
    };
    let forwarded = forward::forward(worker, &mut exchange, outgoing, repick).await;
    let Forwarded {
        mut response,
        connection,
    } = match forwarded {
        Ok(forwarded) => forwarded,
        Err(answer) => return Err((answer, Box::new(exchange))),
    };
    match call {
        Some(of) => of.call.finish(&mut response),
        None => pin(&mut response, wishes, &exchange),
    }
    exchange.set_status(response.status());
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let (Some(protocol), Some(client_upgrade)) = (upgrade, client_upgrade) else {
            // Nobody asked for it.
            return Err((Answer::EndpointFailure, Box::new(exchange)));
        };
        decision.leave_http();
        let instance_upgrade = hyper::upgrade::on(&mut response);
        let protocol = response
            .headers()
            .get(http::header::UPGRADE)
            .cloned()
            .unwrap_or(protocol);
        headers::rewrite_response(
            response.headers_mut(),
            exchange.request_id(),
            Some(protocol),
        );
        let switched = response.map(|_| ResponseBody::empty());
        let peer = peer.clone();
        tokio::task::spawn_local(upgrade::tunnel(
            client_upgrade,
            instance_upgrade,
            exchange,
            peer,
        ));
        return Ok(switched);
    }
    headers::rewrite_response(response.headers_mut(), exchange.request_id(), None);
    *response.version_mut() = Version::HTTP_11;
    Ok(response.map(|incoming| {
        ResponseBody::upstream(incoming, connection, limits.response_stall_time, exchange)
    }))
}

fn pin(response: &mut Response<Incoming>, wishes: &Wishes, exchange: &Exchange) {
    let Some(pick) = exchange.pick() else { return };
    let sessions = &pick.group.sticky_cookies;
    if sessions.is_empty() {
        return;
    }
    let instance = &pick.upstream().public_id;
    let is_moved = wishes
        .pinned
        .as_deref()
        .is_some_and(|pinned| *pinned != **instance);
    sticky::pin_response(response.headers_mut(), sessions, instance, is_moved);
}

/// The guard waits to hear whether a request leaves HTTP; it must hear it
/// however the request ends.
#[derive(Debug)]
struct Decision {
    connection: Option<Arc<ClientConnection>>,
}

impl Decision {
    fn new(connection: &Arc<ClientConnection>) -> Self {
        Self {
            connection: connection.take_undecided().then(|| Arc::clone(connection)),
        }
    }

    fn is_owed(&self) -> bool {
        self.connection.is_some()
    }

    fn leave_http(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.decide(true);
        }
    }
}

impl Drop for Decision {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.decide(false);
        }
    }
}
