//! A nginx of one's own, that proxies to itself: what it refuses, we must refuse.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest wait for an answer and for the start.
const PATIENCE: Duration = Duration::from_secs(20);
/// The next request on a connection, by which it is seen where the one before has ended.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n";

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    process: Child,
    socket: PathBuf,
    _folder: TempDir,
}

/// What a connection was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// Final statuses, in order.
    pub statuses: Vec<u16>,
    /// Whether nginx ended the connection in time.
    pub has_ended: bool,
}

/// Its name and version.
///
/// # Errors
/// When it can't be run.
pub fn version() -> std::io::Result<String> {
    let said = Command::new("nginx").arg("-v").output()?.stderr;
    let said = String::from_utf8_lossy(&said).into_owned();
    let version = said.trim().rsplit(": ").next().unwrap_or_default();
    Ok(version.to_owned())
}

impl Nginx {
    /// Starts one in a folder of its own, on sockets in it.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub fn start() -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        fs::create_dir(root.join("logs"))?;
        let file = root.join("nginx.conf");
        fs::write(&file, configuration(root))?;
        let mut process = Command::new("nginx")
            .arg("-p")
            .arg(root)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()?;
        let socket = root.join("front");
        let began = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            if process.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                let _ = process.kill();
                return Err(std::io::Error::other("nginx does not start"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self {
            process,
            socket,
            _folder: folder,
        })
    }

    /// Sends the bytes of a connection and their end.
    ///
    /// # Errors
    /// When there is no connection.
    pub fn ask(&self, bytes: &[u8]) -> std::io::Result<Answers> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // Who refuses may have hung up by then.
        let _ = stream
            .write_all(bytes)
            .and_then(|()| stream.shutdown(Shutdown::Write));
        let mut said = Vec::new();
        let has_ended = stream.read_to_end(&mut said).is_ok();
        Ok(Answers {
            statuses: statuses(&said),
            has_ended,
        })
    }

    /// Sends the bytes and one request more.
    ///
    /// # Errors
    /// When there is no connection.
    pub fn ask_with_next(&self, bytes: &[u8]) -> std::io::Result<Answers> {
        self.ask(&[bytes, NEXT].concat())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its worker when it is asked kindly.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        let _ = self.process.wait();
    }
}

fn configuration(root: &Path) -> String {
    let root = root.display();
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {root}/{name};\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes 1;\nerror_log {root}/logs/error.log;\npid {root}/pid;\n\
         events {{ worker_connections 512; }}\n\
         http {{\naccess_log off;\n{folders}client_max_body_size 0;\n\
         large_client_header_buffers 8 64k;\nproxy_ignore_client_abort on;\n\
         server {{ listen unix:{root}/front; location / {{\n\
         proxy_pass http://unix:{root}/back:;\nproxy_http_version 1.1;\n}} }}\n\
         server {{ listen unix:{root}/back; location / {{ return 204; }} }}\n}}\n"
    )
}

/// The final statuses of responses without bodies of their own, or with those of nginx.
fn statuses(said: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(said);
    text.split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|rest| rest.get(..3)?.parse().ok())
        .filter(|status| *status >= 200)
        .collect()
}
