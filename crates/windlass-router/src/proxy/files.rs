//! A static artifact: files that the router serves itself, so that they outlive
//! control and every instance.
//!
//! The whole path of the request is looked up below the root. Nothing outside
//! of the root is ever served, wherever links in the artifact lead.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    IF_RANGE, LOCATION, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::answer::Answer;
use super::body::ResponseBody;
use super::exchange::{End, Exchange};

mod content;
mod lookup;
mod range;
mod types;

pub(crate) use content::FileBody;
use lookup::Found;
pub(super) use lookup::{Opened, inside, open};
use range::Wanted;

/// Clients may keep a copy and must ask whether it is still good: the next
/// version may differ.
const REVALIDATE: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");

/// The files of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StaticFiles {
    pub(crate) root: PathBuf,
    /// Name of the document of a directory.
    pub(crate) index: String,
    /// Document for unknown paths.
    pub(crate) fallback: Option<String>,
    /// Document of the answer 404.
    pub(crate) not_found: Option<String>,
}

/// A request for a file.
#[derive(Debug)]
pub(super) struct FileRequest<'a> {
    pub(super) method: &'a Method,
    /// Path below the root.
    pub(super) seen: PathAndQuery,
    /// Path as the client said it.
    pub(super) path: &'a PathAndQuery,
    pub(super) headers: &'a HeaderMap,
}

/// Serves a file, or says why not; the exchange ends with the response.
pub(super) async fn serve(
    files: Arc<StaticFiles>,
    version: &str,
    request: FileRequest<'_>,
    exchange: Exchange,
) -> Result<Response<ResponseBody>, (Answer, Box<Exchange>)> {
    let FileRequest {
        method,
        seen,
        path,
        headers,
    } = request;
    if *method != Method::GET && *method != Method::HEAD {
        return Err((Answer::OnlyRead, Box::new(exchange)));
    }
    let asked = seen.path().to_owned();
    let looked = tokio::task::spawn_blocking(move || lookup::find(&files, &asked)).await;
    match looked.unwrap_or(Found::Nothing) {
        Found::File(file) => Ok(respond(
            StatusCode::OK,
            file,
            version,
            method,
            headers,
            exchange,
        )),
        Found::ErrorDocument(file) => Ok(respond(
            StatusCode::NOT_FOUND,
            file,
            version,
            method,
            headers,
            exchange,
        )),
        Found::Directory => Ok(to_directory(path, exchange)),
        Found::Nothing => Err((Answer::NoSuchFile, Box::new(exchange))),
    }
}

/// The response with an open file; only with status 200 it may be a part.
pub(super) fn respond(
    status: StatusCode,
    file: Opened,
    version: &str,
    method: &Method,
    asked: &HeaderMap,
    mut exchange: Exchange,
) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.media_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, REVALIDATE);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let tag = file.tag(version);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    let is_whole_answer = status == StatusCode::OK;
    if is_whole_answer && is_known(asked, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return without_body(response, exchange);
    }
    let is_range_asked = is_whole_answer
        && asked
            .get(IF_RANGE)
            .is_none_or(|known| known.as_bytes() == tag.as_bytes());
    let range = asked.get(RANGE).filter(|_| is_range_asked);
    let wanted = range.map_or(Wanted::Whole, |range| range::wanted(range, file.length));
    let (status, start, length) = match wanted {
        Wanted::Whole => (status, 0, file.length),
        Wanted::Part { start, length } => (StatusCode::PARTIAL_CONTENT, start, length),
        Wanted::Impossible => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            let range = format!("bytes */{}", file.length);
            insert(response.headers_mut(), CONTENT_RANGE, &range);
            response.headers_mut().remove(CONTENT_TYPE);
            return without_body(response, exchange);
        }
    };
    *response.status_mut() = status;
    if status == StatusCode::PARTIAL_CONTENT {
        let last = (start + length).saturating_sub(1);
        let range = format!("bytes {start}-{last}/{}", file.length);
        insert(response.headers_mut(), CONTENT_RANGE, &range);
    }
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(length));
    if *method == Method::HEAD || length == 0 {
        return without_body(response, exchange);
    }
    super::headers::add_request_id(response.headers_mut(), exchange.request_id());
    exchange.set_status(status);
    response.map(|_| ResponseBody::file(file.file, start, length, exchange))
}

/// Relative links in the document of a directory need the slash at its end.
fn to_directory(path: &PathAndQuery, exchange: Exchange) -> Response<ResponseBody> {
    // Two slashes at the begin would name another host.
    let mut location = format!("/{}/", path.path().trim_matches('/'));
    if let Some(query) = path.query() {
        location.push('?');
        location.push_str(query);
    }
    let text = Bytes::from_static(b"the document is at the path with a slash at its end\n");
    let mut response = Response::new(ResponseBody::text(text));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    insert(response.headers_mut(), LOCATION, &location);
    response.headers_mut().insert(CACHE_CONTROL, REVALIDATE);
    ended(response, exchange)
}

fn without_body(response: Response<ResponseBody>, exchange: Exchange) -> Response<ResponseBody> {
    ended(response, exchange)
}

fn ended(mut response: Response<ResponseBody>, mut exchange: Exchange) -> Response<ResponseBody> {
    super::headers::add_request_id(response.headers_mut(), exchange.request_id());
    exchange.set_status(response.status());
    exchange.end(End::Complete);
    response
}

fn insert(headers: &mut HeaderMap, name: http::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// Whether the client has this very file.
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let lists = asked.get_all(IF_NONE_MATCH).iter();
    let texts = lists.filter_map(|list| list.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}
