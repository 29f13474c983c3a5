//! The local certificate authority: TLS from the first start, without anybody's help.
//!
//! One authority per data directory, ten years; two leaf certificates (API, router), made anew at
//! each start of the supervisor, so that none comes near its end; and one for each host of an app
//! that these do not cover, when the router is first asked for it. Clients trust one bundle that
//! holds the system's roots and ours, because their variables replace and do not add.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{ToSpan, Zoned};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use sha2::{Digest, Sha256};
use windlass_router::{IssuedCertificate, Issuer as HostIssuer};

use crate::layout::Layout;
use crate::private_file;
use crate::settings::Settings;

pub mod bundle;

/// Years that the authority is valid.
const AUTHORITY_YEARS: i32 = 10;
/// Days that a leaf is valid: clients refuse leaves beyond 398 days.
const LEAF_DAYS: i32 = 397;

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file can't be read or written.
    #[error("failed to use {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key or name was refused.
    #[error("failed to make a certificate: {0}; remove the `ca` directory to start it anew")]
    Certificate(#[from] rcgen::Error),
}

/// Files of one certificate.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// Leaf, then authority (PEM).
    pub chain: PathBuf,
    /// Private key (PEM, mode 0600).
    pub key: PathBuf,
}

/// What the authority made.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// For the APIs.
    pub api: CertificateFiles,
    /// Wildcard for the router.
    pub router: CertificateFiles,
}

impl Certificates {
    /// Where the files of a data directory lie.
    pub fn of(layout: &Layout) -> Self {
        let files = |name: &str| CertificateFiles {
            chain: layout.ca_dir().join(format!("{name}.pem")),
            key: layout.ca_dir().join(format!("{name}.key")),
        };
        Self {
            api: files("api"),
            router: files("router"),
        }
    }
}

/// Makes what is missing: authority, bundle; and both leaf certificates anew.
pub fn prepare(settings: &Settings, today: Date) -> Result<Certificates, CaError> {
    let layout = settings.layout();
    private_file::directory(&layout.ca_dir()).map_err(at(&layout.ca_dir()))?;
    let (authority_pem, issuer) = authority(&layout, today)?;
    let certificates = Certificates::of(&layout);
    leaf(
        &certificates.api,
        &authority_pem,
        &issuer,
        api_names(settings),
        today,
    )?;
    leaf(
        &certificates.router,
        &authority_pem,
        &issuer,
        router_names(settings),
        today,
    )?;
    let path = layout.ca_bundle();
    let text = bundle::text(&authority_pem);
    private_file::write(&path, text.as_bytes(), private_file::PUBLIC).map_err(at(&path))?;
    Ok(certificates)
}

/// Today in UTC.
pub fn today() -> Date {
    Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date()
}

fn authority(layout: &Layout, today: Date) -> Result<(String, Issuer<'static, KeyPair>), CaError> {
    let key_path = layout.ca_dir().join("ca.key");
    let certificate_path = layout.ca_dir().join("ca.pem");
    let key = match std::fs::read_to_string(&key_path) {
        Ok(pem) => KeyPair::from_pem(&pem)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            private_file::write(
                &key_path,
                key.serialize_pem().as_bytes(),
                private_file::SECRET,
            )
            .map_err(at(&key_path))?;
            key
        }
        Err(error) => return Err(at(&key_path)(error)),
    };
    let params = authority_params(&key, today);
    // The certificate is kept: clients that have imported it keep trusting it.
    let pem = match std::fs::read_to_string(&certificate_path) {
        Ok(pem) => pem,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let pem = params.self_signed(&key)?.pem();
            private_file::write(&certificate_path, pem.as_bytes(), private_file::PUBLIC)
                .map_err(at(&certificate_path))?;
            pem
        }
        Err(error) => return Err(at(&certificate_path)(error)),
    };
    Ok((pem, Issuer::new(params, key)))
}

/// The name follows from the key: the same at each start, another for each data directory.
fn authority_params(key: &KeyPair, today: Date) -> CertificateParams {
    let mut params = CertificateParams::default();
    let digest = hex::encode(Sha256::digest(key.public_key_raw()));
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Windlass");
    name.push(
        DnType::CommonName,
        format!("Windlass local authority {}", &digest[..8]),
    );
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(
        &mut params,
        today,
        today.saturating_add(AUTHORITY_YEARS.years()),
    );
    params
}

fn leaf(
    files: &CertificateFiles,
    authority_pem: &str,
    issuer: &Issuer<'static, KeyPair>,
    names: Vec<SanType>,
    today: Date,
) -> Result<(), CaError> {
    let made = signed(authority_pem, issuer, names, today)?;
    private_file::write(&files.key, made.key_pem.as_bytes(), private_file::SECRET)
        .map_err(at(&files.key))?;
    private_file::write(
        &files.chain,
        made.chain_pem.as_bytes(),
        private_file::PUBLIC,
    )
    .map_err(at(&files.chain))
}

fn signed(
    authority_pem: &str,
    issuer: &Issuer<'static, KeyPair>,
    names: Vec<SanType>,
    today: Date,
) -> Result<IssuedCertificate, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Windlass");
    params.subject_alt_names = names;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    set_validity(&mut params, today, today.saturating_add(LEAF_DAYS.days()));
    let certificate = params.signed_by(&key, issuer)?;
    Ok(IssuedCertificate {
        chain_pem: format!("{}{authority_pem}", certificate.pem()),
        key_pem: key.serialize_pem(),
    })
}

/// What makes certificates for the hosts of apps while the router serves.
///
/// # Errors
/// An authority that can't be read.
pub fn host_issuer(layout: &Layout) -> Result<HostIssuer, CaError> {
    let (authority_pem, issuer) = authority(layout, today())?;
    Ok(HostIssuer(Arc::new(move |host| {
        let names = sans(vec![host.to_owned()], Vec::new());
        signed(&authority_pem, &issuer, names, today()).map_err(|error| error.to_string())
    })))
}

/// Starts a day early, for clients whose clock is behind.
fn set_validity(params: &mut CertificateParams, today: Date, end: Date) {
    let date = |date: Date| {
        rcgen::date_time_ymd(
            i32::from(date.year()),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = date(today.saturating_sub(1.day()));
    params.not_after = date(end);
}

fn api_names(settings: &Settings) -> Vec<SanType> {
    let mut hosts = vec!["localhost".to_owned(), format!("api.{}", settings.domain)];
    let urls = [
        &settings.cf_url,
        &settings.digitalocean_url,
        &settings.vercel_url,
    ];
    let of_urls = urls.into_iter().flatten().map(|url| {
        let host = url.trim_start_matches("https://");
        host.rsplit_once(':').map_or(host, |(name, _)| name)
    });
    let names = &settings.listen_names;
    let names = [&names.cf, &names.digitalocean, &names.vercel];
    for host in of_urls.chain(names.into_iter().flatten().map(String::as_str)) {
        if !hosts.iter().any(|known| known == host) {
            hosts.push(host.to_owned());
        }
    }
    let mut addresses = loopback();
    for listen in [
        settings.listen.cf.ip(),
        settings.listen.digitalocean.ip(),
        settings.listen.vercel.ip(),
    ] {
        if !listen.is_unspecified() && !addresses.contains(&listen) {
            addresses.push(listen);
        }
    }
    sans(hosts, addresses)
}

fn router_names(settings: &Settings) -> Vec<SanType> {
    let hosts = vec![
        format!("*.{}", settings.domain),
        settings.domain.clone(),
        "localhost".to_owned(),
    ];
    sans(hosts, loopback())
}

fn loopback() -> Vec<IpAddr> {
    vec![
        IpAddr::from([127, 0, 0, 1]),
        IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
    ]
}

fn sans(hosts: Vec<String>, addresses: Vec<IpAddr>) -> Vec<SanType> {
    let hosts = hosts
        .into_iter()
        .filter_map(|host| match host.parse::<IpAddr>() {
            Ok(address) => Some(SanType::IpAddress(address)),
            Err(_) => host.as_str().try_into().ok().map(SanType::DnsName),
        });
    hosts
        .chain(addresses.into_iter().map(SanType::IpAddress))
        .collect()
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> CaError + use<> {
    let path = path.to_path_buf();
    move |source| CaError::Io {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::settings::sources::resolve;

    fn prepared(dir: &Path) -> Certificates {
        let environment = [("HOME".to_owned(), "/h".to_owned())].into();
        let resolved = resolve(Some(dir), &BTreeMap::new(), &environment).expect("resolves");
        let settings = Settings::check(&resolved).expect("settings");
        prepare(&settings, today()).expect("certificates")
    }

    #[test]
    fn the_authority_stays_and_keys_are_private() {
        let dir = tempfile::tempdir().expect("temp dir");
        let first = prepared(dir.path());
        let authority = std::fs::read(dir.path().join("ca/ca.pem")).expect("authority");
        let leaf = std::fs::read(&first.api.chain).expect("leaf");
        let second = prepared(dir.path());
        assert_eq!(
            std::fs::read(dir.path().join("ca/ca.pem")).expect("authority"),
            authority
        );
        assert_ne!(
            std::fs::read(&second.api.chain).expect("leaf"),
            leaf,
            "leaves are renewed"
        );
        for key in [
            &second.api.key,
            &second.router.key,
            &dir.path().join("ca/ca.key"),
        ] {
            assert!(!private_file::is_open_to_others(key).expect("metadata"));
        }
    }

    #[test]
    fn a_certificate_for_a_host_of_an_app_is_trusted_by_the_bundle() {
        let dir = tempfile::tempdir().expect("temp dir");
        prepared(dir.path());
        let layout = Layout::new(dir.path());
        let bundle = std::fs::read_to_string(layout.ca_bundle()).expect("a bundle");
        let issuer = host_issuer(&layout).expect("an issuer");
        for (name, host) in [
            ("shop.example.com", "shop.example.com"),
            ("*.shop.example.com", "a.shop.example.com"),
        ] {
            let made = (issuer.0)(name).expect("a certificate");
            let files = CertificateFiles {
                chain: dir.path().join("host.pem"),
                key: dir.path().join("host.key"),
            };
            std::fs::write(&files.chain, made.chain_pem).expect("writes");
            std::fs::write(&files.key, made.key_pem).expect("writes");
            crate::tls::tests_support::handshake(&bundle, &files, host);
        }
    }

    #[test]
    fn a_leaf_of_a_later_start_is_trusted_by_the_first_bundle() {
        let dir = tempfile::tempdir().expect("temp dir");
        prepared(dir.path());
        let bundle = std::fs::read_to_string(dir.path().join("ca-bundle.pem")).expect("bundle");
        let files = prepared(dir.path());
        crate::tls::tests_support::handshake(&bundle, &files.api, "localhost");
        crate::tls::tests_support::handshake(&bundle, &files.api, "127.0.0.1");
        crate::tls::tests_support::handshake(&bundle, &files.router, "hello.apps.localhost");
    }
}
