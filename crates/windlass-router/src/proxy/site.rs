//! Built sites: the routes of the site say what answers a request, a file that
//! the router serves itself or a function in an instance.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tracing::warn;
use windlass_build_output::{Decision, Files, Site, SiteRequest};

use super::answer::Answer;
use super::body::ResponseBody;
use super::exchange::Exchange;
use super::files::{self, Opened};
use super::headers::HOP_BY_HOP;
use super::target::Target;
use crate::pick::VersionOf;
use crate::table::{AnswerHeader, AnswerKind, RequestHeader};

/// Name of the file with the routes.
const CONFIG: &str = "config.json";

/// The unpacked files of a site. They are read when the first request needs
/// them.
#[derive(Debug)]
pub(crate) struct SiteFiles {
    root: PathBuf,
    site: Mutex<Option<Arc<Site>>>,
}

/// What answers a request.
#[derive(Debug)]
pub(super) enum Planned {
    File(PlannedFile),
    Function(Call),
    Answer(Answer),
}

/// A file that answers.
#[derive(Debug)]
pub(super) struct PlannedFile {
    file: Opened,
    /// For clients that save it.
    name: String,
    content_type: Option<String>,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A function that answers.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) function: HeaderValue,
    /// Path and query that it sees.
    pub(super) seen: PathAndQuery,
    status: Option<StatusCode>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A function in its version.
#[derive(Debug)]
pub(super) struct CallOf {
    pub(super) call: Call,
    pub(super) group: Arc<str>,
    pub(super) version: Arc<str>,
    pub(super) site: Arc<SiteFiles>,
    /// That the function sees.
    pub(super) headers: Arc<[RequestHeader]>,
}

impl CallOf {
    pub(super) fn version_of(&self) -> VersionOf<'_> {
        VersionOf {
            group: &self.group,
            version: &self.version,
        }
    }
}

/// What the routes look at, apart from the request itself.
#[derive(Debug)]
struct Asked {
    method: String,
    host: String,
    path: PathAndQuery,
    headers: Vec<(String, String)>,
}

impl SiteFiles {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            site: Mutex::new(None),
        }
    }

    /// The routes. It blocks.
    fn site(&self) -> Option<Arc<Site>> {
        let mut site = self.site.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(site) = &*site {
            return Some(Arc::clone(site));
        }
        let text = std::fs::read(self.root.join(CONFIG));
        let read = text
            .map_err(|error| error.to_string())
            .and_then(|text| Site::parse(&text).map_err(|error| error.to_string()));
        match read {
            Ok(read) => Some(Arc::clone(site.insert(Arc::new(read)))),
            Err(error) => {
                warn!(root = %self.root.display(), error, "a site cannot be read");
                None
            }
        }
    }

    /// What answers. It blocks.
    fn plan(&self, asked: &Asked) -> Planned {
        let Some(site) = self.site() else {
            return Planned::Answer(Answer::SiteUnreadable);
        };
        let on_disk = OnDisk::new(&self.root);
        planned(site.evaluate(asked.request(), &on_disk), &on_disk)
    }

    /// The site's own page for an error. It blocks.
    fn error_page(&self, status: StatusCode, asked: &Asked) -> Option<PlannedFile> {
        let site = self.site()?;
        let on_disk = OnDisk::new(&self.root);
        let decision = site.evaluate_error(status.as_u16(), asked.request(), &on_disk);
        match planned(decision, &on_disk) {
            Planned::File(page) => Some(page),
            // Another function might fail too.
            Planned::Function(_) | Planned::Answer(_) => None,
        }
    }
}

/// What answers by the routes.
fn planned(decision: Decision, on_disk: &OnDisk) -> Planned {
    match decision {
        Decision::File {
            file,
            content_type,
            status,
            headers,
        } => match on_disk.open(&file) {
            Some(opened) => Planned::File(PlannedFile {
                file: opened,
                name: file.rsplit('/').next().unwrap_or_default().to_owned(),
                content_type,
                status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
                headers: header_list(&headers),
            }),
            None => Planned::Answer(Answer::SiteUnreadable),
        },
        Decision::Function {
            name,
            target,
            status,
            headers,
        } => match (HeaderValue::from_str(&name), target.parse()) {
            (Ok(function), Ok(seen)) => Planned::Function(Call {
                function,
                seen,
                status: status.and_then(|status| StatusCode::from_u16(status).ok()),
                headers: header_list(&headers),
            }),
            // A name or query that no header or path can carry.
            _ => Planned::Answer(Answer::NoSuchFile),
        },
        Decision::Answer { status, headers } => Planned::Answer(Answer::Site {
            status,
            headers: header_list(&headers),
        }),
        Decision::TooMuchWork => Planned::Answer(Answer::SiteTooMuchWork),
    }
}

impl Asked {
    fn of(method: &Method, host: &str, path: PathAndQuery, headers: &HeaderMap) -> Self {
        let headers = headers.iter();
        Self {
            method: method.as_str().to_owned(),
            host: host.to_owned(),
            path,
            headers: headers
                .filter_map(|(name, value)| {
                    Some((name.to_string(), value.to_str().ok()?.to_owned()))
                })
                .collect(),
        }
    }

    fn request(&self) -> SiteRequest<'_> {
        SiteRequest {
            method: &self.method,
            host: &self.host,
            path: self.path.path(),
            query: self.path.query().unwrap_or_default(),
            headers: &self.headers,
        }
    }
}

/// The files below a root without links.
struct OnDisk {
    files: Option<PathBuf>,
    functions: Option<PathBuf>,
}

impl OnDisk {
    fn new(root: &Path) -> Self {
        Self {
            files: root.join("static").canonicalize().ok(),
            functions: root.join("functions").canonicalize().ok(),
        }
    }

    fn open(&self, file: &str) -> Option<Opened> {
        let root = self.files.as_deref()?;
        files::open(root, &root.join(file))
    }
}

impl Files for OnDisk {
    fn has_file(&self, path: &str) -> bool {
        self.files.as_deref().is_some_and(|root| {
            files::inside(root, &root.join(path)).is_some_and(|(_, metadata)| metadata.is_file())
        })
    }

    fn has_function(&self, name: &str) -> bool {
        self.functions.as_deref().is_some_and(|root| {
            let place = root.join(format!("{name}.func"));
            files::inside(root, &place).is_some_and(|(_, metadata)| metadata.is_dir())
        })
    }
}

/// What answers a request.
pub(super) async fn plan<B>(
    site: Arc<SiteFiles>,
    request: &Request<B>,
    host: &str,
    path: PathAndQuery,
) -> Planned {
    let asked = Asked::of(request.method(), host, path, request.headers());
    let planned = tokio::task::spawn_blocking(move || site.plan(&asked)).await;
    planned.unwrap_or(Planned::Answer(Answer::SiteUnreadable))
}

/// The site's own page in place of the answer of a function that has failed.
pub(super) async fn error_page(
    of: &CallOf,
    parts: &Parts,
    target: &Target,
    status: StatusCode,
) -> Option<PlannedFile> {
    let site = Arc::clone(&of.site);
    let path = target.path.clone();
    let asked = Asked::of(&parts.method, &target.host, path, &parts.headers);
    let page = tokio::task::spawn_blocking(move || site.error_page(status, &asked)).await;
    page.ok().flatten()
}

impl PlannedFile {
    /// Serves the file; the exchange ends with the response.
    pub(super) fn respond(
        self,
        version: &str,
        method: &Method,
        asked: &HeaderMap,
        exchange: Exchange,
    ) -> Result<Response<ResponseBody>, (Answer, Box<Exchange>)> {
        if self.status == StatusCode::OK && *method != Method::GET && *method != Method::HEAD {
            return Err((Answer::OnlyRead, Box::new(exchange)));
        }
        let mut response = files::respond(self.status, self.file, version, method, asked, exchange);
        let headers = response.headers_mut();
        if let Some(content_type) = self.content_type.as_deref()
            && let Ok(content_type) = HeaderValue::from_str(content_type)
            && headers.contains_key(CONTENT_TYPE)
        {
            headers.insert(CONTENT_TYPE, content_type);
        }
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if self.name.bytes().all(is_plain)
            && let Ok(value) = HeaderValue::from_str(&format!("inline; filename=\"{}\"", self.name))
        {
            headers.insert(CONTENT_DISPOSITION, value);
        }
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        Ok(response)
    }
}

impl Call {
    /// Adds to the response of the function what the routes say.
    pub(super) fn finish<B>(&self, response: &mut Response<B>) {
        if let Some(status) = self.status {
            *response.status_mut() = status;
        }
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            if !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
    }
}

/// Headers that an answer of this kind carries.
pub(super) fn told(
    told: &[AnswerHeader],
    kind: AnswerKind,
    request_id: &str,
) -> Vec<(HeaderName, HeaderValue)> {
    told.iter()
        .filter(|header| header.on == kind || header.on == AnswerKind::Any)
        .filter_map(|header| {
            let value = header.value.replace("{request_id}", request_id);
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(&value).ok()?))
        })
        .collect()
}

/// Headers of the site, without those that frame or carry the message.
fn header_list(headers: &[(String, String)]) -> Vec<(HeaderName, HeaderValue)> {
    headers
        .iter()
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let is_own = !HOP_BY_HOP.contains(&name)
                && name != http::header::CONTENT_LENGTH
                && name != http::header::CONTENT_RANGE;
            is_own.then_some(())?;
            Some((name, HeaderValue::from_str(value).ok()?))
        })
        .collect()
}
