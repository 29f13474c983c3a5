//! A git repository of an app, served over HTTP on this machine.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::Router;
use tower_http::services::ServeDir;

use super::failure::Failure;

/// The branch.
pub const BRANCH: &str = "main";

/// It, with its server, which ends with this value.
#[derive(Debug)]
pub struct Repository {
    work: PathBuf,
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

/// Whether this machine has git, by which Windlass fetches too.
pub fn can_be_made() -> bool {
    Command::new("git")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

impl Repository {
    /// Makes an empty one in a new directory and serves it.
    pub fn new(work: &Path) -> Result<Self, Failure> {
        fs::create_dir(work).map_err(Failure::file("make directory", work))?;
        // What git keeps is all that a client needs to fetch from it, as plain files.
        let files = ServeDir::new(work.join(".git"));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(Failure::system("start a server of git"))?;
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .map_err(Failure::system("listen for git"))?;
        let address = listener
            .local_addr()
            .map_err(Failure::system("listen for git"))?;
        let router = Router::new().nest_service("/hello.git", files);
        runtime.spawn(async move { axum::serve(listener, router).await });
        let repository = Self {
            work: work.to_path_buf(),
            address,
            _runtime: runtime,
        };
        repository.git(&["init", "--quiet"])?;
        let branch = format!("refs/heads/{BRANCH}");
        repository.git(&["symbolic-ref", "HEAD", &branch])?;
        Ok(repository)
    }

    /// Where it is cloned from.
    pub fn url(&self) -> String {
        format!("http://{}/hello.git", self.address)
    }

    /// Commits the files of a directory, with one more of this name and content. Gives the commit.
    pub fn commit(&self, files: &Path, (name, content): (&str, &str)) -> Result<String, Failure> {
        let entries = fs::read_dir(files).map_err(Failure::file("read", files))?;
        for entry in entries {
            let path = entry.map_err(Failure::file("read", files))?.path();
            if let Some(file) = path.file_name().filter(|_| path.is_file()) {
                fs::copy(&path, self.work.join(file)).map_err(Failure::file("copy", &path))?;
            }
        }
        let path = self.work.join(name);
        fs::write(&path, content).map_err(Failure::file("write", &path))?;
        self.git(&["add", "--all", "--force"])?;
        self.git(&["commit", "--quiet", "--message", content.trim()])?;
        // For clients that are served plain files.
        self.git(&["update-server-info"])?;
        Ok(self.git(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    fn git(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new("git");
        // Nothing of this machine's own settings, nor of a repository that the demo runs in.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GIT_") {
                command.env_remove(name);
            }
        }
        let output = command
            .arg("-C")
            .arg(&self.work)
            .args(["-c", "user.name=demo", "-c", "user.email=demo@localhost"])
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", OsStr::new("/dev/null"))
            .stdin(Stdio::null())
            .output()
            .map_err(Failure::system("start git"))?;
        if !output.status.success() {
            return Err(Failure::Unexpected(format!(
                "git {} ended with {}: {}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            )));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
