//! Whom a request is for, and whether it may be served at all.

use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Method, Request, Version};
use hyper::body::Incoming;

use super::answer::Answer;
use crate::framing::Refusal;
use crate::framing::request_line::{is_method, is_path};
use crate::matching::Asked;
use crate::worker::Worker;

/// Whom the request is for.
#[derive(Debug)]
pub(super) struct Target {
    /// Lower case, without port.
    pub(super) host: String,
    /// As the client said it.
    pub(super) host_header: HeaderValue,
    pub(super) path: PathAndQuery,
}

/// Checks what the guard cannot see, or (HTTP/2) has not seen.
pub(super) fn admit(worker: &Worker, request: &Request<Incoming>) -> Result<Target, Answer> {
    if request.version() != Version::HTTP_2
        && let Some(refusal) = worker.shared.refusal_path.refusal(request.uri().path())
    {
        return Err(Answer::Refused(refusal));
    }
    // A tunnel is nobody's here, and what an instance was sent is not told by echo.
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Answer::MethodNotAllowed);
    }
    let limits = &worker.shared.limits;
    let path = request.uri().path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let sound = is_method(request.method().as_str().as_bytes())
        && path.as_str().starts_with('/')
        && is_path(path.as_str().as_bytes());
    if !sound {
        return Err(Answer::Refused(Refusal::RequestLine));
    }
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

/// What the table is asked about it.
pub(super) fn asked<'a>(request: &'a Request<Incoming>, target: &'a Target) -> Asked<'a> {
    Asked {
        host: &target.host,
        path: target.path.path(),
        method: request.method(),
        headers: request.headers(),
    }
}
