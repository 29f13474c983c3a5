//! Sources over https, from a server whose authority only `git_ca_file` knows.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tempfile::TempDir;
use windlass_control::testing::GitServer;

use super::world::{Site, push, spec};
use crate::gate;
use crate::world::temporary_directory;

/// TLS before a git server, for `localhost`, until the test ends.
struct Front {
    address: SocketAddr,
    directory: TempDir,
}

impl Front {
    fn before(git: &GitServer) -> Self {
        let server = git.base_url();
        let server = server
            .trim_start_matches("http://")
            .parse()
            .expect("address");
        let key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = authority.self_signed(&key).expect("a certificate");
        let directory = temporary_directory();
        std::fs::write(directory.path().join("ca.pem"), root.pem()).expect("a file");
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["localhost".to_owned()])
            .and_then(|params| params.signed_by(&key, &issuer))
            .expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .expect("a server");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let config = Arc::clone(&config);
                std::thread::spawn(move || pass(stream, config, server));
            }
        });
        Self { address, directory }
    }

    fn url(&self, repository: &str) -> String {
        format!("https://localhost:{}/{repository}.git", self.address.port())
    }

    fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }
}

fn pass(client: TcpStream, config: Arc<ServerConfig>, server: SocketAddr) {
    let Ok(connection) = ServerConnection::new(config) else {
        return;
    };
    let mut client = StreamOwned::new(connection, client);
    let Some(request) = gate::read(&mut client) else {
        return;
    };
    let Ok(mut behind) = TcpStream::connect(server) else {
        return;
    };
    let _ = behind.write_all(&request);
    let _ = std::io::copy(&mut behind, &mut client);
    client.conn.send_close_notify();
    let _ = client.flush();
}

fn from(url: &str) -> Value {
    let mut spec = spec("shop");
    let service = spec["services"][0].as_object_mut().expect("a service");
    service.remove("github");
    let source = json!({ "repo_clone_url": url, "branch": "main" });
    service.insert("git".to_owned(), source);
    spec
}

#[test]
fn a_repository_of_an_authority_of_ones_own() {
    let git = GitServer::start();
    let front = Front::before(&git);
    let file = format!("git_ca_file={}", front.ca_file().display());
    let site = Site::of(git, &["--set", &file]);
    let repository = site.repository("acme/shop", &[("hello.conf", "VERSION=1\n")]);
    let commit = push(&repository, &[("more", "")]);
    let (app, deployment) = site.create(&from(&front.url("acme/shop")));
    // Looked at when it was ordered, and again by the build.
    let ordered = site.deployment(&app, &deployment);
    assert_eq!(ordered["services"][0]["source_commit_hash"], json!(commit));
    let ended = site.wait_phase(&app, &deployment, "ACTIVE");
    assert_eq!(ended["services"][0]["source_commit_hash"], json!(commit));
    site.world.end();
}

#[test]
fn an_authority_that_nobody_knows_is_not_trusted() {
    let git = GitServer::start();
    let front = Front::before(&git);
    let site = Site::of(git, &[]);
    site.repository("acme/shop", &[]);
    let (app, deployment) = site.create(&from(&front.url("acme/shop")));
    let ended = site.wait_phase(&app, &deployment, "ERROR");
    let words = ended["progress"].to_string();
    assert!(words.contains("certificate"), "{words}");
    site.world.end();
}
