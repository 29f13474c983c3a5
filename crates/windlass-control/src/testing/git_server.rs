//! A git server on loopback for tests: `git http-backend` behind a small HTTP server.
#![allow(clippy::expect_used, reason = "a test that can't be set up has failed")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Serves the bare repositories of a directory until it is dropped.
pub struct GitServer {
    directory: tempfile::TempDir,
    port: u16,
    ended: Arc<AtomicBool>,
    redirects: Redirects,
}

/// First part of a path, and where requests below it are sent: the rest is appended.
type Redirects = Arc<Mutex<Vec<(String, String)>>>;

/// A repository with a working copy, to commit to.
pub struct Repository {
    work: PathBuf,
}

impl std::fmt::Debug for GitServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitServer")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl GitServer {
    /// Starts at a free port of loopback.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (ended, redirects) = (Arc::new(AtomicBool::new(false)), Redirects::default());
        let root = directory.path().to_path_buf();
        let (stop, to) = (ended.clone(), redirects.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (root, to) = (root.clone(), to.clone());
                std::thread::spawn(move || answer(stream, &root, &to));
            }
        });
        Self {
            directory,
            port,
            ended,
            redirects,
        }
    }

    /// Address of everything.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Address of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}.git", self.base_url())
    }

    /// Sends requests for a repository elsewhere.
    pub fn redirect(&self, name: &str, to: &str) {
        let from = format!("/{name}.git");
        self.redirects
            .lock()
            .expect("a lock")
            .push((from, to.to_owned()));
    }

    /// Makes an empty repository with the branch `main`.
    pub fn repository(&self, name: &str) -> Repository {
        let bare = self.directory.path().join(format!("{name}.git"));
        let work = self.directory.path().join("work").join(name);
        std::fs::create_dir_all(&work).expect("a directory");
        git(
            &work,
            &[
                "init",
                "-q",
                "--bare",
                "-b",
                "main",
                &bare.display().to_string(),
            ],
        );
        git(&work, &["init", "-q", "-b", "main"]);
        git(
            &work,
            &["remote", "add", "origin", &bare.display().to_string()],
        );
        Repository { work }
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // So that the thread sees it.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Repository {
    /// The working copy.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.work.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, content).expect("a file");
        self
    }

    /// Commits everything and pushes it to a branch; answers with the commit.
    pub fn push(&self, branch: &str) -> String {
        git(&self.work, &["add", "-A"]);
        git(
            &self.work,
            &["commit", "-q", "--allow-empty", "-m", "a change"],
        );
        self.push_head(branch)
    }

    /// Pushes what is committed to a branch; answers with the commit.
    pub fn push_head(&self, branch: &str) -> String {
        let to = format!("HEAD:refs/heads/{branch}");
        git(&self.work, &["push", "-q", "--force", "origin", &to]);
        git(&self.work, &["rev-parse", "HEAD"]).trim().to_owned()
    }
}

/// Runs git in a directory as somebody; answers with its output.
pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(directory)
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs([
            ("GIT_AUTHOR_NAME", "Ada"),
            ("GIT_AUTHOR_EMAIL", "ada@example.com"),
        ])
        .envs([
            ("GIT_COMMITTER_NAME", "Ada"),
            ("GIT_COMMITTER_EMAIL", "ada@example.com"),
        ])
        .output()
        .expect("git is needed for this test: install it");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {words}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn answer(mut stream: TcpStream, root: &Path, redirects: &Redirects) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let (mut length, mut variables) = (0, Vec::new());
    loop {
        let mut header = String::new();
        let _ = reader.read_line(&mut header);
        let Some((name, value)) = header.trim().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "content-type" => variables.push(("CONTENT_TYPE", value.to_owned())),
            "content-encoding" => variables.push(("HTTP_CONTENT_ENCODING", value.to_owned())),
            "git-protocol" => variables.push(("HTTP_GIT_PROTOCOL", value.to_owned())),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    let elsewhere = redirects
        .lock()
        .expect("a lock")
        .iter()
        .find_map(|(from, to)| {
            let rest = target.strip_prefix(from.as_str())?;
            Some(format!("{to}{rest}"))
        });
    if let Some(to) = elsewhere {
        let head = format!(
            "HTTP/1.1 301 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let _ = stream.write_all(head.as_bytes());
        return;
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_LENGTH", length.to_string())
        // Also when the repository belongs to somebody else than who runs the test.
        .envs([
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "safe.directory"),
        ])
        .env("GIT_CONFIG_VALUE_0", "*")
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git http-backend");
    let mut input = backend.stdin.take().expect("a pipe");
    std::thread::spawn(move || {
        let _ = input.write_all(&body);
    });
    let mut output = Vec::new();
    let mut pipe = backend.stdout.take().expect("a pipe");
    let _ = pipe.read_to_end(&mut output);
    let _ = backend.wait();
    let text = String::from_utf8_lossy(&output);
    let status = text
        .lines()
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix("Status: "))
        .unwrap_or("200 OK")
        .to_owned();
    let _ = stream.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n").as_bytes());
    let _ = stream.write_all(&output);
}
