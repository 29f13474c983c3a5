//! TLS configurations from the files of the local authority.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::ca::CertificateFiles;

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or is not PEM.
    #[error(
        "failed to read certificate file {path}: {text}; start `windlass up` again to renew it"
    )]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        text: String,
    },
    /// Key and certificate do not fit.
    #[error("failed to set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Configuration of a server that speaks HTTP/1.1 and HTTP/2.
pub fn server_config(
    files: &CertificateFiles,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&files.chain)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| file(&files.key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Configuration of a client that trusts the roots of a bundle.
pub fn client_config(bundle: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(bundle)?);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| file(path, &error))
}

fn file(path: &Path, error: &rustls_pki_types::pem::Error) -> TlsError {
    TlsError::File {
        path: path.to_path_buf(),
        text: error.to_string(),
    }
}

#[cfg(test)]
pub(crate) mod tests_support {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// One TLS connection on loopback, checked by the roots of `bundle`.
    pub(crate) fn handshake(bundle: &str, files: &CertificateFiles, host: &str) {
        let dir = tempfile::tempdir().expect("temp dir");
        let bundle_path = dir.path().join("bundle.pem");
        std::fs::write(&bundle_path, bundle).expect("writes");
        let server = server_config(files, &[]).expect("server");
        let client = client_config(&bundle_path).expect("client");
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("address");
        let thread = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("accepts");
            let mut connection = rustls::ServerConnection::new(server).expect("server side");
            let mut stream = rustls::Stream::new(&mut connection, &mut socket);
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("reads");
            stream.write_all(&byte).expect("writes");
        });
        let name = host.to_owned().try_into().expect("host");
        let mut connection = rustls::ClientConnection::new(client, name).expect("client side");
        let mut socket = TcpStream::connect(address).expect("connects");
        let mut stream = rustls::Stream::new(&mut connection, &mut socket);
        stream.write_all(b"x").expect("writes");
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("reads");
        assert_eq!(&byte, b"x");
        thread.join().expect("server thread");
    }
}
