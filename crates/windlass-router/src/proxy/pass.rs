//! A picked instance answers: the request goes to it, its response to the client.

use std::rc::Rc;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;

use super::answer::Answer;
use super::body::{RequestBody, ResponseBody};
use super::decision::Decision;
use super::exchange::Exchange;
use super::forward::{self, Forwarded, Outgoing};
use super::site::CallOf;
use super::target::Target;
use super::wishes::Wishes;
use super::{Ended, Look, headers, site, sticky, upgrade};
use crate::matching::Asked;
use crate::pick::{Choice, FunctionChoice};
use crate::worker::{Peer, Worker};

/// Where a request goes, and what it wishes.
pub(super) struct Way<'a> {
    pub(super) target: &'a Target,
    /// Path that the instance sees.
    pub(super) seen: PathAndQuery,
    pub(super) wishes: &'a Wishes,
    /// The function that answers, of a site.
    pub(super) call: Option<&'a CallOf>,
}

/// Forwards to the picked instance and passes its response on.
pub(super) async fn pass(
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
    let request_id = exchange.request_id().to_owned();
    let compose = |body| {
        let mut outgoing = Request::new(body);
        *outgoing.method_mut() = parts.method.clone();
        *outgoing.uri_mut() = Uri::from(seen.clone());
        *outgoing.headers_mut() = parts.headers.clone();
        let client = headers::ClientSide {
            address: peer.address.ip(),
            is_tls: peer.is_tls,
            host: &target.host_header,
            request_id: &request_id,
            is_trusted: worker.shared.trust_forwarded_headers,
        };
        headers::rewrite_request(outgoing.headers_mut(), client, upgrade.clone());
        if let Some(of) = call {
            let function = of.call.function.clone();
            let client = wishes.address();
            headers::set_own(outgoing.headers_mut(), &of.headers, &request_id, client);
            outgoing.headers_mut().insert(headers::FUNCTION, function);
        }
        outgoing
    };
    let asked = Asked {
        host: &target.host,
        path: target.path.path(),
        method: &parts.method,
        headers: &parts.headers,
    };
    let repick = |failed: &[Arc<str>]| {
        if let Some(of) = call {
            return match worker.look_function(of.version_of(), failed) {
                FunctionChoice::Instance(pick) => Some(Choice::Instance(pick)),
                FunctionChoice::Wait { .. } | FunctionChoice::Nothing | FunctionChoice::Moved => {
                    None
                }
            };
        }
        match worker.look(asked, wishes.wish(&parts.headers, failed)) {
            Look::Chosen { choice, .. } if !wants_instance => Some(choice),
            Look::Chosen { .. } | Look::NoTable | Look::UnknownRoute | Look::Absent { .. } => None,
        }
    };
    let outgoing = Outgoing {
        request: compose(body),
        again: || compose(RequestBody::empty()),
    };
    let forwarded = forward::forward(worker, &mut exchange, outgoing, repick).await;
    let Forwarded {
        mut response,
        connection,
    } = match forwarded {
        Ok(forwarded) => forwarded,
        Err(answer) => return Err((answer, Box::new(exchange))),
    };
    if let Some(of) = call
        && headers::take_failure(response.headers_mut())
        && let Some(page) = Box::pin(site::error_page(of, &parts, target, response.status())).await
    {
        let passed = page.respond(&of.version, &parts.method, &parts.headers, exchange)?;
        return Ok(with_headers_of(passed, response.headers()));
    }
    match call {
        Some(of) => of.call.finish(&mut response),
        None => pin(&mut response, wishes, &exchange, || {
            let table = worker.table();
            let route = table.rule(asked);
            route.map_or_else(String::new, |route| route.path_prefix.clone())
        }),
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

/// A page of the site in place of what a failed function answered, of which the headers beside
/// those of its body stay.
fn with_headers_of(
    mut page: Response<ResponseBody>,
    answered: &HeaderMap,
) -> Response<ResponseBody> {
    let headers = page.headers_mut();
    for (name, value) in answered {
        let is_of_body =
            name.as_str().starts_with("content-") || headers::HOP_BY_HOP.contains(name);
        if !is_of_body && !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
    page
}

fn pin(
    response: &mut Response<Incoming>,
    wishes: &Wishes,
    exchange: &Exchange,
    path: impl FnOnce() -> String,
) {
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
    sticky::pin_response(response.headers_mut(), sessions, instance, is_moved, path);
}
