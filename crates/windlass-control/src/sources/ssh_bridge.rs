//! ssh for a fetch inside a sandbox: the key stays outside.
//!
//! git in the sandbox starts [`ssh_bridge_main`] in the place of ssh. It passes bytes on over a
//! socket in the run's directory to this server, which runs ssh: with its own key, to the machine
//! that it has checked, for the one repository of the build. Whoever else finds the socket can read
//! that repository and nothing more.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{UnixListener, UnixStream};

use super::{Remote, SourceError, SourceSettings, SourceUrl, Sources, ssh};
use crate::archive::Owner;

/// Name of the socket.
const SOCKET: &str = "ssh.sock";
/// Connections of one build: a fetch makes at most three.
const CONNECTIONS: u32 = 8;
/// Time beyond that of the fetch: the run has to start first.
const SPARE: Duration = Duration::from_mins(2);
/// Bytes of what ssh says.
const WORDS_BYTES: u64 = 4 * 1024;
const BUFFER_BYTES: usize = 64 * 1024;

impl Sources {
    /// The command that stands for ssh in a run with the directory `work`.
    pub(crate) fn ssh_command(program: &Path, work: &Path) -> String {
        let quoted =
            |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        format!("{} git-ssh --directory {}", quoted(program), quoted(work))
    }

    /// Offers a way by ssh to `url`, and to nothing else, in the directory of a run. It ends with the
    /// time that a fetch may take. Must be called within a runtime.
    pub(crate) fn offer_ssh(
        &self,
        url: SourceUrl,
        work: &Path,
        owner: Option<Owner>,
    ) -> Result<(), SourceError> {
        let io = SourceError::io;
        // By way of the open directory: the path of a socket may have 107 bytes only.
        let directory = File::open(work).map_err(io("open the run's directory"))?;
        let path = format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd());
        let listener = UnixListener::bind(&path).map_err(io("make a socket"))?;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, mode).map_err(io("set the mode of a socket"))?;
        if let Some(Owner { uid, gid }) = owner {
            chown(&path, Some(uid), Some(gid)).map_err(io("give a socket away"))?;
        }
        let settings = self.settings.clone();
        let limit = Duration::from_secs(settings.fetch_time_limit_s).saturating_add(SPARE);
        tokio::spawn(async move {
            // Its end is no event: a later connection is refused then.
            let _ = tokio::time::timeout(limit, serve(listener, settings, url)).await;
        });
        Ok(())
    }
}

async fn serve(listener: UnixListener, settings: Arc<SourceSettings>, url: SourceUrl) {
    for _ in 0..CONNECTIONS {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        if let Err(error) = pass_on(stream, &settings, &url).await {
            tracing::warn!(source.url = %url, "a fetch by ssh failed: {error}");
        }
    }
}

async fn pass_on(
    stream: UnixStream,
    settings: &SourceSettings,
    url: &SourceUrl,
) -> Result<(), SourceError> {
    let (looked_up, rules) = (url.clone(), settings.addresses);
    let remote = tokio::task::spawn_blocking(move || Remote::look_up(looked_up, rules))
        .await
        .map_err(|error| SourceError::Git(error.to_string()))??;
    let mut child = tokio::process::Command::new("ssh")
        .args(ssh::arguments(settings, &remote)?)
        .args(["-o", "SendEnv=GIT_PROTOCOL"])
        .args(["-p", &url.port().to_string()])
        .arg(format!("{}@{}", url.user(), url.host()))
        // No character of a checked path means anything to a shell inside of quotes.
        .arg(format!("git-upload-pack '{}'", url.path()))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("GIT_PROTOCOL", "version=2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(SourceError::io("run ssh"))?;
    let (Some(mut input), Some(mut output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(SourceError::Git("ssh has no pipes".to_owned()));
    };
    let (mut from, mut to) = stream.into_split();
    let up = async {
        let _ = copy(&mut from, &mut input).await;
        drop(input);
        // The answer counts, not the end of the question.
        std::future::pending::<()>().await;
    };
    let down = async {
        let _ = copy(&mut output, &mut to).await;
        let _ = to.shutdown().await;
    };
    let words = async {
        let mut words = Vec::new();
        let _ = errors.take(WORDS_BYTES).read_to_end(&mut words).await;
        words
    };
    let answered = async { tokio::join!(down, words).1 };
    let words = tokio::select! {
        words = answered => words,
        () = up => Vec::new(),
    };
    let status = child
        .wait()
        .await
        .map_err(SourceError::io("wait for ssh"))?;
    if status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&words);
    let last = words.lines().last().unwrap_or("it failed without a word");
    Err(SourceError::Git(format!("ssh: {last}")))
}

/// What git takes for ssh: passes bytes on between its own input and output and the socket.
pub fn ssh_bridge_main(directory: &Path) -> ExitCode {
    match bridge(directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "no way by ssh: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bridge(directory: &Path) -> std::io::Result<()> {
    std::env::set_current_dir(directory)?;
    let stream = StdStream::connect(SOCKET)?;
    let mut up = stream.try_clone()?;
    std::thread::spawn(move || {
        let _ = pump(std::io::stdin(), &mut up);
        let _ = up.shutdown(std::net::Shutdown::Write);
    });
    pump(stream, &mut std::io::stdout())
}

/// Passes every piece on at once: the other side may wait for it.
fn pump(mut from: impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => {
                to.write_all(&buffer[..count])?;
                to.flush()?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::AddressRules;

    #[test]
    fn the_command_is_quoted() {
        let command = Sources::ssh_command(Path::new("/a b/windlass"), Path::new("/it's/work"));
        assert_eq!(
            command,
            r"'/a b/windlass' git-ssh --directory '/it'\''s/work'"
        );
    }

    #[tokio::test]
    async fn it_leads_to_ssh_and_ends_with_it() {
        let directory = tempfile::tempdir().unwrap();
        // Nobody listens there: ssh says so and ends, and with it the connection.
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = closed.local_addr().unwrap().port();
        drop(closed);
        let sources = Sources::new(SourceSettings {
            ssh_key_file: Some(directory.path().join("key")),
            addresses: AddressRules {
                allow_loopback: true,
            },
            ..SourceSettings::default()
        });
        let url = format!("ssh://git@127.0.0.1:{port}/a/b.git")
            .parse()
            .unwrap();
        let long = directory.path().join("x".repeat(120));
        std::fs::create_dir(&long).unwrap();
        sources.offer_ssh(url, &long, None).unwrap();
        let mode = std::fs::metadata(long.join(SOCKET)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let short = directory.path().join("short");
        std::os::unix::fs::symlink(&long, &short).unwrap();
        let mut stream = UnixStream::connect(short.join(SOCKET)).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"");
    }
}
