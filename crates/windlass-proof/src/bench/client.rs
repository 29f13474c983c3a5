//! A client of the API that keeps its connection: what a request takes is the server's doing.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use windlass::demo::Failure;
use windlass::demo::platform::Platform;

/// A connection that was idle for longer is opened again, as other clients do: the server closes it
/// after a little more, perhaps while a request is on its way.
const IDLE_LIMIT: Duration = Duration::from_secs(90);

/// Whom clients talk to, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    address: SocketAddr,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    token: String,
}

/// What came back, and how long that took from the first byte sent to the last one read.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) took: Duration,
}

impl Reply {
    /// The body of a success.
    pub(crate) fn ok(self) -> Result<Value, Failure> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        Err(Failure::Unexpected(format!(
            "{}: {}",
            self.status, self.body
        )))
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    door: Door,
    sender: SendRequest<Full<Bytes>>,
    used: Instant,
}

impl Door {
    /// The Cloud Foundry API of a Windlass.
    pub(crate) fn of(platform: &Platform) -> Result<Self, Failure> {
        let variable = |name: &str| {
            platform
                .env
                .get(name)
                .cloned()
                .ok_or_else(|| Failure::Unexpected(format!("windlass env prints no {name}")))
        };
        let url = variable("WINDLASS_CF_API")?;
        let bad = |what: &dyn std::fmt::Display| Failure::Unexpected(format!("{url}: {what}"));
        let authority = url.trim_start_matches("https://");
        let address: SocketAddr = authority.parse().map_err(|error| bad(&error))?;
        let mut roots = RootCertStore::empty();
        let file = variable("WINDLASS_CA_FILE")?;
        let found = CertificateDer::pem_file_iter(Path::new(&file)).map_err(|error| bad(&error))?;
        roots.add_parsable_certificates(found.filter_map(Result::ok));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            address,
            name: ServerName::from(address.ip()),
            tls: Arc::new(tls),
            token: variable("WINDLASS_TOKEN")?,
        })
    }

    /// Opens a connection.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        Ok(Client {
            sender: self.connect().await?,
            door: self.clone(),
            used: Instant::now(),
        })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let socket = TcpStream::connect(self.address).await.map_err(unsent)?;
        socket.set_nodelay(true).map_err(unsent)?;
        let socket = TlsConnector::from(Arc::clone(&self.tls))
            .connect(self.name.clone(), socket)
            .await
            .map_err(unsent)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await.map_err(unsent)?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

impl Client {
    /// Sends a request on the connection; any status is a reply. A connection that the server has
    /// closed while it was idle is opened again first, which does not count.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Failure> {
        loop {
            let is_stale = self.used.elapsed() > IDLE_LIMIT;
            if is_stale || self.sender.ready().await.is_err() {
                self.sender = self.door.connect().await?;
            }
            let request = self.request(method.clone(), path, body)?;
            let begun = Instant::now();
            let answer = match self.sender.send_request(request).await {
                Ok(answer) => answer,
                // Closed between the look and the sending: nothing was sent.
                Err(error) if error.is_canceled() => continue,
                Err(error) => return Err(unsent(error)),
            };
            let (head, body) = answer.into_parts();
            let bytes = body.collect().await.map_err(unsent)?.to_bytes();
            self.used = Instant::now();
            return Ok(Reply {
                status: head.status.as_u16(),
                headers: head.headers,
                body: serde_json::from_slice(&bytes).unwrap_or_default(),
                took: begun.elapsed(),
            });
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, self.door.address.to_string())
            .header(
                http::header::AUTHORIZATION,
                format!("bearer {}", self.door.token),
            );
        if body.is_some() {
            request = request.header(http::header::CONTENT_TYPE, "application/json");
        }
        request.body(Full::new(bytes)).map_err(unsent)
    }
}

fn unsent(error: impl std::fmt::Display) -> Failure {
    Failure::Unexpected(format!("the API: {error}"))
}
