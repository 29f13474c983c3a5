//! TLS and HTTP/2 towards clients.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use windlass_router::{
    CertificateFiles, Change, HostRoutes, IssuedCertificate, Issuer, TlsListener,
};

use crate::instance::Instance;
use crate::world::{World, listener, version};

struct TlsWorld {
    world: World,
    https: SocketAddr,
    roots: RootCertStore,
    /// Names that a certificate was made for.
    asked: Arc<Mutex<Vec<String>>>,
}

/// An authority that makes certificates, which `roots` trust, and notes for what.
fn issuer(roots: &mut RootCertStore) -> (Issuer, Arc<Mutex<Vec<String>>>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    roots.add(authority.der().clone()).unwrap();
    let signer = rcgen::Issuer::new(params, key);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let issuer = Issuer(Arc::new(move |name| {
        noted.lock().unwrap().push(name.to_owned());
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        let made = params.signed_by(&key, &signer).unwrap();
        Ok(IssuedCertificate {
            chain_pem: made.pem(),
            key_pem: key.serialize_pem(),
        })
    }));
    (issuer, asked)
}

fn start() -> TlsWorld {
    let mut world = World::without_router();
    let mut roots = RootCertStore::empty();
    let mut certificates = Vec::new();
    for (name, hosts) in [("app.test", "app.test"), ("other.test", "*.other.test")] {
        let names = vec![name.to_owned(), format!("one.{name}")];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        roots.add(made.cert.der().clone()).unwrap();
        let file = |kind| world.folder.path().join(format!("{name}.{kind}"));
        std::fs::write(file("pem"), made.cert.pem()).unwrap();
        std::fs::write(file("key"), made.signing_key.serialize_pem()).unwrap();
        certificates.push(CertificateFiles {
            hosts: vec![hosts.to_owned()],
            certificate_path: file("pem"),
            key_path: file("key"),
        });
    }
    let (issuer, asked) = issuer(&mut roots);
    let socket = listener();
    let https = socket.local_addr().unwrap();
    world.start_router(2, |config| {
        config.https = vec![TlsListener {
            listener: socket,
            certificates,
            issuer: Some(issuer),
        }];
    });
    TlsWorld {
        world,
        https,
        roots,
        asked,
    }
}

impl TlsWorld {
    async fn connect(&self, name: &str, protocols: &[&str]) -> TlsStream<TcpStream> {
        self.try_with(name, protocols).await.unwrap()
    }

    async fn try_connect(&self, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        self.try_with(name, &[]).await
    }

    async fn try_with(
        &self,
        name: &str,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let stream = TcpStream::connect(self.https).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn http_1_over_tls_with_the_certificate_of_the_name() {
    let instance = Instance::named("a");
    let mut tls = start();
    tls.world.route(vec![version("v", 10_000, &[&instance])]);
    block_on(async {
        for name in ["app.test", "one.other.test"] {
            // Verification fails unless the certificate is the right one.
            let stream = tls.connect(name, &["http/1.1"]).await;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            let request = Request::get("/")
                .header("host", "app.test")
                .body(Full::<bytes::Bytes>::default())
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(
                response.into_body().collect().await.unwrap().to_bytes(),
                "a"
            );
        }
    });
    let head = instance.heads.lock().unwrap()[0].to_ascii_lowercase();
    assert!(head.contains("x-forwarded-proto: https"), "{head}");
}

#[test]
fn http_2_requests_share_a_connection() {
    let instance = Instance::start("echo", |asked| {
        let body = asked.body();
        let cookie = asked.header("cookie").unwrap_or_default().to_owned();
        asked.answer(&format!("{cookie} {}", String::from_utf8(body).unwrap()));
        true
    });
    let mut tls = start();
    tls.world.route(vec![version("v", 10_000, &[&instance])]);
    block_on(async {
        let stream = tls.connect("app.test", &["h2", "http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let mut answers = Vec::new();
        for number in 0..20 {
            let mut sender = sender.clone();
            answers.push(tokio::spawn(async move {
                let request = Request::post("https://app.test/x")
                    .header("cookie", "a=1")
                    .header("cookie", "b=2")
                    .body(Full::new(bytes::Bytes::from(number.to_string())))
                    .unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(response.status(), 200);
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body, format!("a=1; b=2 {number}"));
            }));
        }
        for answer in answers {
            answer.await.unwrap();
        }
        let mut sender = sender.clone();
        let request = Request::get("https://unknown.test/")
            .body(Full::<bytes::Bytes>::default())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 404);
        assert_eq!(
            response.headers()["x-windlass-router-error"],
            "unknown_route"
        );
    });
    let log = tls.world.log();
    assert!(log.iter().all(|line| line["protocol"] == "HTTP/2"));
}

#[test]
fn hosts_of_the_table_get_certificates_of_their_own() {
    let mut tls = start();
    tls.world.control().connected(1);
    for host in ["shop.example.com", "*.wild.example.com"] {
        let value = HostRoutes::default();
        let host = host.to_owned();
        tls.world.publish(vec![Change::PutHost { host, value }]);
    }
    block_on(async {
        for name in [
            "shop.example.com",
            "SHOP.example.com",
            "a.wild.example.com",
            "b.wild.example.com",
            "c.d.wild.example.com",
        ] {
            // Verification fails unless the certificate is the right one.
            tls.connect(name, &[]).await;
        }
        // Nobody has one made for a name that leads nowhere.
        let error = tls.try_connect("other.example.com").await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
    });
    assert_eq!(
        *tls.asked.lock().unwrap(),
        [
            "shop.example.com",
            "*.wild.example.com",
            "c.d.wild.example.com"
        ]
    );
}
