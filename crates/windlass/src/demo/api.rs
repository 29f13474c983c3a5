//! A client of the Cloud Foundry API: one request after the other, over TLS, as anybody's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::failure::Failure;

/// Longest wait for an answer. Control may be restarting meanwhile.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_mins(1);
/// Longest answer, bytes.
const ANSWER_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// A caller with a token.
#[derive(Debug)]
pub struct Api {
    address: SocketAddr,
    name: ServerName<'static>,
    token: Option<String>,
    tls: Arc<ClientConfig>,
    runtime: tokio::runtime::Runtime,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Method and path of the request.
    pub request: String,
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as JSON; null when it is none.
    pub body: Value,
    /// Body as text.
    pub text: String,
}

impl Answer {
    pub(super) fn new(request: String, head: http::response::Parts, bytes: &[u8]) -> Self {
        Self {
            request,
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_slice(bytes).unwrap_or_default(),
            text: String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    /// The body of a success.
    ///
    /// # Errors
    /// [`Failure::Refused`] for any other status than 2xx.
    pub fn ok(self) -> Result<Value, Failure> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        Err(Failure::Refused {
            request: self.request,
            status: self.status,
            text: self.text,
        })
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Api {
    /// A client of `url` that trusts the roots in `ca_file` and nothing else.
    ///
    /// # Errors
    /// When the URL or the file can't be used.
    pub fn new(url: &str, ca_file: &Path, token: Option<&str>) -> Result<Self, Failure> {
        let bad = |what: &dyn std::fmt::Display| Failure::Unexpected(format!("{url}: {what}"));
        let uri: Uri = url.parse().map_err(|error| bad(&error))?;
        let authority = uri.authority().ok_or_else(|| bad(&"no host"))?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        // A server on this machine that is reached by name: resolvers need not know it.
        let ip = if host.ends_with(".localhost") {
            Ok(IpAddr::V4(Ipv4Addr::LOCALHOST))
        } else {
            host.parse()
        };
        let ip = ip.map_err(|error| bad(&error))?;
        let address = SocketAddr::new(ip, authority.port_u16().unwrap_or(443));
        let name = ServerName::try_from(host).map_err(|error| bad(&error))?;
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(ca_file).map_err(|error| bad(&error))?;
        roots.add_parsable_certificates(certificates.filter_map(Result::ok));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::system("start a client"))?;
        Ok(Self {
            address,
            name,
            token: token.map(str::to_owned),
            tls: Arc::new(tls),
            runtime,
        })
    }

    /// The same client for another caller.
    ///
    /// # Errors
    /// When the client can't be made.
    pub fn with_token(&self, token: Option<&str>) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::system("start a client"))?;
        Ok(Self {
            address: self.address,
            name: self.name.clone(),
            token: token.map(str::to_owned),
            tls: Arc::clone(&self.tls),
            runtime,
        })
    }

    /// Reads something.
    ///
    /// # Errors
    /// [`Failure::NoAnswer`], [`Failure::Refused`].
    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None, &[])?.ok()
    }

    /// Makes or does something.
    ///
    /// # Errors
    /// [`Failure::NoAnswer`], [`Failure::Refused`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(Method::POST, path, Some(body), &[])?.ok()
    }

    /// Changes something.
    ///
    /// # Errors
    /// [`Failure::NoAnswer`], [`Failure::Refused`].
    pub fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(Method::PATCH, path, Some(body), &[])?.ok()
    }

    /// Sends a request with a JSON body; any status is an answer.
    ///
    /// # Errors
    /// [`Failure::NoAnswer`].
    pub fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let (bytes, kind) = match body {
            Some(Value::Null) | None => (Bytes::new(), None),
            Some(value) => (value.to_string().into(), Some("application/json")),
        };
        self.send(method, path, bytes, kind, headers)
    }

    /// Sends a request with any body; any status is an answer.
    ///
    /// # Errors
    /// [`Failure::NoAnswer`].
    pub fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        content_type: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let line = format!("{method} {path}");
        let no_answer = |text: String| Failure::NoAnswer {
            request: line.clone(),
            text,
        };
        let request = self
            .request(method, path, body, content_type, headers)
            .map_err(no_answer)?;
        let (head, bytes) = self
            .runtime
            .block_on(async {
                tokio::time::timeout(ANSWER_LIMIT, self.exchange(request))
                    .await
                    .unwrap_or_else(|_| Err(format!("waited {} s", ANSWER_LIMIT.as_secs())))
            })
            .map_err(no_answer)?;
        Ok(Answer::new(line, head, &bytes))
    }

    /// A request of this caller.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        content_type: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, self.address.to_string());
        if let Some(token) = &self.token {
            request = request.header(http::header::AUTHORIZATION, format!("bearer {token}"));
        }
        if let Some(kind) = content_type {
            request = request.header(http::header::CONTENT_TYPE, kind);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
            .body(Full::new(body))
            .map_err(|error| error.to_string())
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(http::response::Parts, Bytes), String> {
        let (mut sender, connection) = self.connect().await?;
        let answered = answer(&mut sender, request).await;
        connection.abort();
        answered
    }

    /// Opens a connection, and the task that carries it.
    pub(super) async fn connect(&self) -> Result<(Sender, JoinHandle<()>), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let socket = TcpStream::connect(self.address)
            .await
            .map_err(|error| text(&error))?;
        socket.set_nodelay(true).map_err(|error| text(&error))?;
        let socket = TlsConnector::from(Arc::clone(&self.tls))
            .connect(self.name.clone(), socket)
            .await
            .map_err(|error| text(&error))?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .map_err(|error| text(&error))?;
        // How a connection ends shows in the requests on it.
        let carried = tokio::spawn(async move { drop(connection.await) });
        Ok((sender, carried))
    }

    /// Runs what talks to the server.
    pub(super) fn block_on<T>(&self, talk: impl Future<Output = T>) -> T {
        self.runtime.block_on(talk)
    }
}

/// Sends requests on one connection.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// Sends a request and reads the whole answer.
pub(super) async fn answer(
    sender: &mut Sender,
    request: Request<Full<Bytes>>,
) -> Result<(http::response::Parts, Bytes), String> {
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| told(&error))?;
    let (head, body) = answer.into_parts();
    let bytes = Limited::new(body, ANSWER_LIMIT_BYTES)
        .collect()
        .await
        .map_err(|error| told(error.as_ref()))?
        .to_bytes();
    Ok((head, bytes))
}

/// An error with all that it came from.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
