//! `windlass router`: the data plane.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::ExitCode;

use windlass_router::{
    AccessLogSettings, CertificateFiles, Limits, RouterConfig, RouterError, TlsListener,
};

use super::{boot_id, link, refused};
use crate::ca::{self, Certificates};
use crate::cli::CliError;
use crate::handover::{self, Orders};
use crate::role_link::FromRole;
use crate::supervisor::sockets;
use crate::{private_file, program, telemetry};

/// Size at which the access log is rotated, bytes.
const ACCESS_LOG_BYTES: u64 = 64 * 1024 * 1024;
/// Rotated access logs that are kept.
const ACCESS_LOG_FILES: u32 = 4;

/// Runs the router until it is told to end.
pub fn router() -> Result<ExitCode, CliError> {
    program::take_name();
    let mut handover = handover::receive::<Orders>()?;
    let settings = handover.orders.settings.clone();
    telemetry::start_with(&settings.log).map_err(CliError::Failed)?;
    program::take_open_files();
    #[cfg(windlass_fail)]
    crate::crash::arm(&settings.layout(), crate::crash::Mortal::Router)
        .map_err(CliError::Failed)?;
    windlass_clock::follow(&settings.data_dir);
    let layout = settings.layout();
    let run_dir = open(&layout.run_dir())?;
    let directory = layout.router_dir();
    private_file::directory(&directory).map_err(|source| CliError::File {
        what: "make directory",
        path: directory.clone(),
        source,
    })?;
    let certificate = Certificates::of(&layout).router;
    let domain = &settings.domain;
    let issuer = match ca::host_issuer(&layout) {
        Ok(issuer) => Some(issuer),
        // Those that there are still serve.
        Err(error) => {
            tracing::warn!("no certificates will be made for hosts of apps: {error}");
            None
        }
    };
    let config = RouterConfig {
        table_path: layout.route_table(),
        // Short whatever the data directory is called: a socket's address holds 107 bytes.
        control_socket: format!("/proc/self/fd/{}/router.sock", run_dir.as_raw_fd()).into(),
        boot_id: boot_id()?,
        http: vec![handover.take::<TcpListener>(sockets::ROUTER_HTTP)?],
        https: vec![TlsListener {
            listener: handover.take::<TcpListener>(sockets::ROUTER_HTTPS)?,
            certificates: vec![CertificateFiles {
                hosts: vec![format!("*.{domain}"), domain.clone()],
                certificate_path: certificate.chain,
                key_path: certificate.key,
            }],
            issuer,
        }],
        metrics: Some(handover.take::<TcpListener>(sockets::METRICS)?),
        workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        limits: Limits::default(),
        access_log: Some(AccessLogSettings {
            path: directory.join("access.log"),
            rotate_bytes: ACCESS_LOG_BYTES,
            keep_files: ACCESS_LOG_FILES,
        }),
        trust_forwarded_headers: false,
    };
    let (supervisor, _orders) = link::listen(handover.link).map_err(|error| {
        CliError::Failed(format!("failed to listen to the supervisor: {error}"))
    })?;
    let ready = supervisor.clone();
    match windlass_router::run(config, move || ready.say(&FromRole::Ready)) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error @ RouterError::Tls(_)) => {
            supervisor.say(&FromRole::Refused {
                reason: error.to_string(),
            });
            Ok(refused())
        }
        Err(error) => Err(CliError::Failed(error.to_string())),
    }
}

fn open(path: &Path) -> Result<File, CliError> {
    File::open(path).map_err(|source| CliError::File {
        what: "open",
        path: path.to_path_buf(),
        source,
    })
}
