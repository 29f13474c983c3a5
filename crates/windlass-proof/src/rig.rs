//! A Windlass of one's own with its first administrator and the example application.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use windlass::demo::load::{Load, Visit};
use windlass::demo::platform::{App, Platform};
use windlass::demo::server::Server;
use windlass::demo::{Failure, bits};

use crate::small_disk::SmallDisk;

/// A running Windlass. What falls last is named last.
#[derive(Debug)]
pub struct Rig {
    /// What its API is asked with.
    pub platform: Platform,
    /// Its processes.
    pub server: Server,
    example: PathBuf,
    _disk: Option<SmallDisk>,
    _directory: TempDir,
}

impl Rig {
    /// Starts this program in a directory of its own, with more flags of `windlass up`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn new(program: &Path, example: &Path, flags: &[&str]) -> Result<Self, Failure> {
        Self::made(program, example, flags, |_| Ok(None))
    }

    /// The same with its data on a small disk, see [`small_disk::alone`].
    ///
    /// # Errors
    /// When it does not start, or the disk can't be made.
    pub fn on_small_disk(program: &Path, example: &Path, flags: &[&str]) -> Result<Self, Failure> {
        Self::made(program, example, flags, |server| {
            SmallDisk::over(&server.data_dir()).map(Some)
        })
    }

    fn made(
        program: &Path,
        example: &Path,
        flags: &[&str],
        disk: impl FnOnce(&Server) -> Result<Option<SmallDisk>, Failure>,
    ) -> Result<Self, Failure> {
        let directory = directory()?;
        let mut server = Server::new(program, &directory.path().join("w"), flags)?;
        let disk = disk(&server)?;
        server.up()?;
        let platform = Platform::of(&server, None)?;
        Ok(Self {
            platform,
            server,
            _disk: disk,
            example: example.to_path_buf(),
            _directory: directory,
        })
    }

    /// The directory of the example's program and Procfile.
    pub fn example(&self) -> &Path {
        &self.example
    }

    /// The example, packed, that says it is this version.
    ///
    /// # Errors
    /// When its files can't be read.
    pub fn archive(&self, version: &str) -> Result<Vec<u8>, Failure> {
        let settings = format!("VERSION={version}\n");
        bits::pack(&self.example, &[("hello.conf", &settings)])
    }

    /// Pushes a version of the example as an app.
    ///
    /// # Errors
    /// What the API or the build says.
    pub fn push(&self, name: &str, version: &str, instances: u32) -> Result<App, Failure> {
        self.platform.push(name, &self.archive(version)?, instances)
    }

    /// Builds a version of the example for an app; the droplet.
    ///
    /// # Errors
    /// What the API or the build says.
    pub fn stage(&self, app: &App, version: &str) -> Result<String, Failure> {
        self.platform.stage(app, &self.archive(version)?)
    }

    /// Where the router listens for plain HTTP.
    ///
    /// # Errors
    /// When Windlass does not say.
    pub fn router(&self) -> Result<SocketAddr, Failure> {
        let named = self.platform.env.get("WINDLASS_ROUTER_HTTP");
        named
            .and_then(|url| url.trim_start_matches("http://").parse().ok())
            .ok_or_else(|| Failure::Unexpected("no address of the router".to_owned()))
    }

    /// A steady load of about 300 requests a second.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn visitors(&self, app: &App) -> Result<Load, Failure> {
        Load::start(Visit {
            router: self.router()?,
            host: app.host.clone(),
            path: "/".to_owned(),
            keeping: 4,
            passing: 2,
            pause: Duration::from_millis(20),
        })
    }

    /// Takes up a Windlass that was started again: addresses and tokens may be others.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn renew(&mut self) -> Result<(), Failure> {
        self.platform = Platform::of(&self.server, None)?;
        Ok(())
    }

    /// Stops everything; what is wrong afterwards, one line each: processes that are left, a damaged
    /// database.
    ///
    /// # Errors
    /// When `down` fails or the database can't be read.
    pub fn end(mut self) -> Result<Vec<String>, Failure> {
        self.down()
    }

    /// The same, and its directory stays as long as this value.
    ///
    /// # Errors
    /// When `down` fails or the database can't be read.
    pub fn down(&mut self) -> Result<Vec<String>, Failure> {
        self.server.down()?;
        let mut wrong: Vec<_> = self
            .server
            .census()
            .iter()
            .map(|seen| format!("left: {seen:?}"))
            .collect();
        wrong.extend(integrity(&self.server.data_dir())?);
        Ok(wrong)
    }
}

/// What SQLite finds wrong with the database of a data directory.
///
/// # Errors
/// When it can't be read.
pub fn integrity(data_dir: &Path) -> Result<Option<String>, Failure> {
    let unreadable = |error: rusqlite::Error| Failure::Unexpected(format!("database: {error}"));
    let path = data_dir.join("state/windlass.db");
    let database = rusqlite::Connection::open(path).map_err(unreadable)?;
    let found: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .map_err(unreadable)?;
    Ok((found != "ok").then(|| format!("integrity: {found}")))
}

/// A directory that apps under user ids of their own can pass.
fn directory() -> Result<TempDir, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| Failure::System {
        what: "make a temporary directory",
        source,
    };
    let directory = tempfile::Builder::new()
        .prefix("windlass-proof-")
        .tempdir()
        .map_err(failed)?;
    let mode = std::fs::Permissions::from_mode(0o711);
    std::fs::set_permissions(directory.path(), mode).map_err(failed)?;
    Ok(directory)
}
