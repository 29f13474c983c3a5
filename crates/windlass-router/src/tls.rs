//! TLS towards clients: the certificate is chosen by server name.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use tracing::warn;

use crate::config::{CertificateFiles, IssuedCertificate, Issuer};
use crate::published::Published;

/// Protocols offered to clients, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Certificates made on demand that are kept; beyond that all are forgotten.
const MAX_ISSUED: usize = 1_000;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or no PEM.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// A certificate and its key do not fit, or are of an unknown kind.
    #[error("cannot use the certificate {}: {source}", path.display())]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// A socket without any certificate.
    #[error("a socket with TLS needs at least one certificate")]
    NoCertificate,
    /// The provider cannot serve.
    #[error("cannot set TLS up: {0}")]
    Setup(rustls::Error),
}

/// Certificates by server name.
#[derive(Debug)]
struct Certificates {
    by_host: HashMap<String, Arc<CertifiedKey>>,
    default: Arc<CertifiedKey>,
    on_demand: Option<OnDemand>,
}

/// Certificates that are made when a client first asks for them.
#[derive(Debug)]
struct OnDemand {
    issuer: Issuer,
    published: Published,
    issued: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

/// Reads the certificates and makes the settings of a socket.
pub(crate) fn server_config(
    files: &[CertificateFiles],
    issuer: Option<(Issuer, Published)>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let mut certificates = Certificates::read(files)?;
    certificates.on_demand = issuer.map(|(issuer, published)| OnDemand {
        issuer,
        published,
        issued: Mutex::default(),
    });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates));
    config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

impl Certificates {
    fn read(files: &[CertificateFiles]) -> Result<Self, TlsError> {
        let mut by_host = HashMap::new();
        let mut default = None;
        for file in files {
            let key = Arc::new(read_key(file)?);
            default.get_or_insert_with(|| Arc::clone(&key));
            for host in &file.hosts {
                by_host.insert(host.to_ascii_lowercase(), Arc::clone(&key));
            }
        }
        let default = default.ok_or(TlsError::NoCertificate)?;
        Ok(Self {
            by_host,
            default,
            on_demand: None,
        })
    }

    fn find(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let name = name.unwrap_or_default().to_ascii_lowercase();
        let wildcard = || {
            let (_, domain) = name.split_once('.')?;
            self.by_host.get(&format!("*.{domain}"))
        };
        let read = self.by_host.get(&name).or_else(wildcard).cloned();
        read.or_else(|| self.on_demand.as_ref()?.find(&name))
            .unwrap_or_else(|| Arc::clone(&self.default))
    }
}

impl OnDemand {
    /// The certificate for a host of the table.
    fn find(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let name = self.published.certified_name(name)?;
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = issued.get(&name) {
            return Some(Arc::clone(key));
        }
        let made = (self.issuer.0)(&name).and_then(|made| certified(&made));
        match made {
            Ok(key) => {
                // Those that are asked for are made again.
                if issued.len() >= MAX_ISSUED {
                    issued.clear();
                }
                let key = Arc::new(key);
                issued.insert(name, Arc::clone(&key));
                Some(key)
            }
            Err(text) => {
                warn!(host = name, "no certificate was made: {text}");
                None
            }
        }
    }
}

fn certified(made: &IssuedCertificate) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_slice_iter(made.chain_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(made.key_pem.as_bytes())
        .map_err(|error| error.to_string())?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| error.to_string())
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.find(hello.server_name()))
    }
}

fn read_key(file: &CertificateFiles) -> Result<CertifiedKey, TlsError> {
    let read = |path: &PathBuf| {
        let path = path.clone();
        move |source| TlsError::Read { path, source }
    };
    let chain = CertificateDer::pem_file_iter(&file.certificate_path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(read(&file.certificate_path))?;
    let key = PrivateKeyDer::from_pem_file(&file.key_path).map_err(read(&file.key_path))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|source| {
        TlsError::Certificate {
            path: file.certificate_path.clone(),
            source,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &tempfile::TempDir, name: &str, hosts: &[&str]) -> CertificateFiles {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let certificate_path = folder.path().join(format!("{name}.pem"));
        let key_path = folder.path().join(format!("{name}.key"));
        std::fs::write(&certificate_path, made.cert.pem()).unwrap();
        std::fs::write(&key_path, made.signing_key.serialize_pem()).unwrap();
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        CertificateFiles {
            hosts,
            certificate_path,
            key_path,
        }
    }

    #[test]
    fn the_certificate_is_chosen_by_name_then_wildcard_then_default() {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::read(&[
            files(&folder, "default", &[]),
            files(&folder, "wild", &["*.apps.test"]),
            files(&folder, "exact", &["one.apps.test"]),
        ])
        .unwrap();
        let is = |name: Option<&str>, host: &str| {
            let wanted = certificates
                .by_host
                .get(host)
                .unwrap_or(&certificates.default);
            Arc::ptr_eq(&certificates.find(name), wanted)
        };
        assert!(is(Some("one.apps.test"), "one.apps.test"));
        assert!(is(Some("TWO.apps.test"), "*.apps.test"));
        assert!(is(Some("a.two.apps.test"), "none"));
        assert!(is(None, "none"));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let one = files(&folder, "one", &[]);
        let two = files(&folder, "two", &[]);
        let mixed = CertificateFiles {
            key_path: two.key_path,
            ..one
        };
        assert!(matches!(
            server_config(&[mixed], None),
            Err(TlsError::Certificate { .. })
        ));
        assert!(matches!(
            server_config(&[], None),
            Err(TlsError::NoCertificate)
        ));
    }
}
