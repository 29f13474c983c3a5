//! Answers that send the client elsewhere.

use http::StatusCode;
use http::uri::PathAndQuery;

use super::answer::Answer;
use super::target::Target;
use crate::compiled::Elsewhere;

/// The request's address with other parts.
pub(super) fn elsewhere(to: &Elsewhere, target: &Target, is_tls: bool) -> Answer {
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

/// The address of a version that is one.
pub(super) fn redirect(
    location: &str,
    status: u16,
    keep_path: bool,
    path: &PathAndQuery,
) -> Answer {
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
