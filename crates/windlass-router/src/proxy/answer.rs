//! Answers that the router gives itself: plain text with a machine-readable
//! reason in a header.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::body::ResponseBody;
use crate::framing::Refusal;

/// Carries the reason of an answer that does not come from an instance.
pub(crate) const ERROR_HEADER: HeaderName = HeaderName::from_static("x-windlass-router-error");

/// What the router answers itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Refused(Refusal),
    UnknownRoute,
    /// `X-Cf-App-Instance` is not `app:index`.
    InstanceHeader,
    /// There is no such instance on this route.
    UnknownInstance,
    MethodNotAllowed,
    BodyTooLarge,
    /// The client's body ended early, stalled or was ambiguous.
    BodyIncomplete,
    NoEndpoints,
    EndpointFailure,
    EndpointTimeout,
    /// A version on demand that was picked without an instance.
    TargetNotServed,
    /// A static artifact has no such file.
    NoSuchFile,
    /// Files can only be read.
    OnlyRead,
    /// The routes of a site took more work than a request may.
    SiteTooMuchWork,
    /// The files of a site cannot be read.
    SiteUnreadable,
    /// What a site answers without a document.
    Site {
        status: u16,
        headers: Vec<(HeaderName, HeaderValue)>,
    },
    Redirect {
        location: String,
        status: u16,
    },
}

impl Answer {
    /// Status, reason and text.
    fn content(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Refused(refusal) => match refusal {
                Refusal::RequestLine => (
                    S::BAD_REQUEST,
                    "malformed_request_line",
                    "the request line is malformed",
                ),
                Refusal::HttpVersion => (
                    S::HTTP_VERSION_NOT_SUPPORTED,
                    "http_version",
                    "only HTTP/1.0 and HTTP/1.1 are understood here",
                ),
                Refusal::HeaderLine => (
                    S::BAD_REQUEST,
                    "malformed_header",
                    "a header line is malformed or folded",
                ),
                Refusal::LineEnding => (
                    S::BAD_REQUEST,
                    "line_ending",
                    "every line must end with CR LF",
                ),
                Refusal::Framing => (
                    S::BAD_REQUEST,
                    "ambiguous_framing",
                    "the end of the request is ambiguous: send one Content-Length or \
                     Transfer-Encoding: chunked",
                ),
                Refusal::Host => (S::BAD_REQUEST, "bad_host", "send exactly one valid Host"),
                Refusal::UriTooLong => (
                    S::URI_TOO_LONG,
                    "uri_too_long",
                    "the request target is too long",
                ),
                Refusal::HeadersTooLarge => (
                    S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    "headers_too_large",
                    "the headers are too large or too many",
                ),
                Refusal::HeaderTimeout => (
                    S::REQUEST_TIMEOUT,
                    "header_timeout",
                    "the headers did not arrive in time",
                ),
                Refusal::Expectation => (
                    S::EXPECTATION_FAILED,
                    "expectation",
                    "only Expect: 100-continue is known",
                ),
            },
            Self::UnknownRoute => (
                S::NOT_FOUND,
                "unknown_route",
                "no route exists for this host and path",
            ),
            Self::InstanceHeader => (
                S::BAD_REQUEST,
                "invalid_instance_header",
                "X-Cf-App-Instance must be an app id, a colon and an instance index",
            ),
            Self::UnknownInstance => (
                S::NOT_FOUND,
                "unknown_instance",
                "this route has no such instance",
            ),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "CONNECT is not served",
            ),
            Self::BodyTooLarge => (
                S::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "the request body is too large",
            ),
            Self::BodyIncomplete => (
                S::BAD_REQUEST,
                "body_incomplete",
                "the request body did not arrive whole",
            ),
            Self::NoEndpoints => (
                S::SERVICE_UNAVAILABLE,
                "no_endpoints",
                "no instance can answer now",
            ),
            Self::EndpointFailure => (
                S::BAD_GATEWAY,
                "endpoint_failure",
                "the instance failed to answer",
            ),
            Self::EndpointTimeout => (
                S::GATEWAY_TIMEOUT,
                "endpoint_timeout",
                "the instance did not answer in time",
            ),
            Self::TargetNotServed => (
                S::NOT_IMPLEMENTED,
                "target_not_served",
                "this kind of target is not served",
            ),
            Self::NoSuchFile => (S::NOT_FOUND, "no_such_file", "there is no such file"),
            Self::OnlyRead => (
                S::METHOD_NOT_ALLOWED,
                "only_read",
                "files are only read: use GET or HEAD",
            ),
            Self::SiteTooMuchWork => (
                S::LOOP_DETECTED,
                "site_too_much_work",
                "the routes of this site take more work than a request may",
            ),
            Self::SiteUnreadable => (
                S::INTERNAL_SERVER_ERROR,
                "site_unreadable",
                "the files of this site can't be read",
            ),
            Self::Site { status, .. } => {
                let status = S::from_u16(*status).unwrap_or(S::NOT_FOUND);
                let is_error = status.is_client_error() || status.is_server_error();
                let code = if is_error { "site_status" } else { "" };
                let text = status.canonical_reason().unwrap_or("an answer of the site");
                (status, code, text)
            }
            Self::Redirect { status, .. } => (
                S::from_u16(*status).unwrap_or(S::FOUND),
                "",
                "the content is elsewhere",
            ),
        }
    }

    /// Whether there is nothing at the path of a site.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Site { status: 404, .. } | Self::NoSuchFile)
    }

    /// The machine-readable reason; empty for a redirect.
    pub(crate) fn code(&self) -> &'static str {
        self.content().1
    }

    /// The response.
    pub(crate) fn response(&self) -> Response<ResponseBody> {
        let (status, code, text) = self.content();
        let body = ResponseBody::text(Bytes::from(format!("{status}: {text}\n")));
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        match self {
            Self::Redirect { location, .. } => {
                if let Ok(location) = HeaderValue::from_str(location) {
                    headers.insert(LOCATION, location);
                }
                return response;
            }
            Self::Site { headers: own, .. } => {
                for (name, value) in own {
                    headers.insert(name, value.clone());
                }
                if code.is_empty() {
                    return response;
                }
            }
            Self::Refused(_) => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Self::NoEndpoints => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::OnlyRead => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            Self::UnknownRoute
            | Self::InstanceHeader
            | Self::UnknownInstance
            | Self::MethodNotAllowed
            | Self::BodyTooLarge
            | Self::BodyIncomplete
            | Self::EndpointFailure
            | Self::EndpointTimeout
            | Self::TargetNotServed
            | Self::NoSuchFile
            | Self::SiteTooMuchWork
            | Self::SiteUnreadable => {}
        }
        headers.insert(ERROR_HEADER, HeaderValue::from_static(code));
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_that_clients_rely_on() {
        for (answer, status, code) in [
            (Answer::UnknownRoute, 404, "unknown_route"),
            (Answer::NoEndpoints, 503, "no_endpoints"),
            (Answer::EndpointFailure, 502, "endpoint_failure"),
            (Answer::EndpointTimeout, 504, "endpoint_timeout"),
            (Answer::BodyTooLarge, 413, "body_too_large"),
            (Answer::Refused(Refusal::Framing), 400, "ambiguous_framing"),
            (
                Answer::Refused(Refusal::HeadersTooLarge),
                431,
                "headers_too_large",
            ),
            (
                Answer::Refused(Refusal::HeaderTimeout),
                408,
                "header_timeout",
            ),
        ] {
            let response = answer.response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()[ERROR_HEADER], code);
            assert_eq!(
                response.headers()[CONTENT_TYPE],
                "text/plain; charset=utf-8"
            );
        }
    }

    #[test]
    fn a_redirect_names_its_place() {
        let answer = Answer::Redirect {
            location: "https://x/y".to_owned(),
            status: 308,
        };
        let response = answer.response();
        assert_eq!(response.status().as_u16(), 308);
        assert_eq!(response.headers()[LOCATION], "https://x/y");
        assert!(!response.headers().contains_key(ERROR_HEADER));
    }
}
