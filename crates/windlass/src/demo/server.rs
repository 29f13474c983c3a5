//! A Windlass of one's own: the real program in a process of its own, seen from outside.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::census::{self, Seen};
use super::failure::{Failure, WAIT_POLL, wait_for};
use super::interrupt;

/// Longest wait for the end when a server is thrown away.
const DISCARD_LIMIT: Duration = Duration::from_secs(20);

/// A data directory with its key, and the `windlass up` that runs on it.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    home: PathBuf,
    flags: Vec<String>,
    child: Option<Child>,
    stays: bool,
}

/// Which role a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The supervisor, `windlass up`.
    Supervisor,
    /// APIs, engine, state.
    Control,
    /// The data plane.
    Router,
}

impl Server {
    /// Prepares `home` for a server; nothing is started.
    ///
    /// # Errors
    /// When the directory can't be made.
    pub fn new(program: &Path, home: &Path, flags: &[&str]) -> Result<Self, Failure> {
        // Apps under user ids of their own must pass through, so it is not 0700.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(home)
            .map_err(Failure::file("make directory", home))?;
        Ok(Self {
            program: program.to_path_buf(),
            home: home.to_path_buf(),
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            child: None,
            stays: false,
        })
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The key file.
    pub fn key_file(&self) -> PathBuf {
        self.home.join("key")
    }

    /// The directory of data, key and output.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The program that is run.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Starts `windlass up` and waits until it is ready.
    ///
    /// # Errors
    /// When it ends instead, or is not ready in time.
    pub fn up(&mut self) -> Result<(), Failure> {
        let log_path = self.log_path();
        let already = fs::metadata(&log_path).map_or(0, |file| file.len());
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log_path)
            .map_err(Failure::file("open", &log_path))?;
        let errors = log.try_clone().map_err(Failure::file("open", &log_path))?;
        let mut up = self.command(&["up", "--ports", "auto", "--output", "json"]);
        up.arg("--key-file")
            .arg(self.key_file())
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // An interrupt on the terminal is for us; we end it in order.
            .process_group(0);
        let child = interrupt::start(|| up.spawn());
        self.child = Some(child.map_err(Failure::file("start", &self.program))?);
        wait_for("windlass up", || {
            let text = self.log_since(already);
            if text.lines().any(is_ready) {
                return Ok(Ok(()));
            }
            if let Some(status) = self.try_wait()? {
                return Err(Failure::Unexpected(format!(
                    "windlass up ended with {status}:\n{text}"
                )));
            }
            Ok(Err(text))
        })
    }

    /// A command line of this Windlass that is not run yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        // Settings of the person who runs this are not those of this Windlass.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WINDLASS_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.data_dir());
        command
    }

    /// Runs a command line of this Windlass to its end.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn run(&self, arguments: &[&str]) -> Result<Output, Failure> {
        self.command(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(Failure::file("start", &self.program))
    }

    /// Runs a command line with `--output json`; the answer is what it printed.
    ///
    /// # Errors
    /// When it fails or prints no JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let output = self.run(&[arguments, &["--output", "json"]].concat())?;
        if !output.status.success() {
            return Err(Failure::Unexpected(format!(
                "windlass {} ended with {}: {}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            )));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| {
            Failure::Unexpected(format!(
                "windlass {} printed no JSON ({error}): {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stdout)
            ))
        })
    }

    /// Process id of a role, `None` while it does not run.
    pub fn pid(&self, role: Role) -> Option<i32> {
        let supervisor = self
            .child
            .as_ref()
            .and_then(|child| child.id().try_into().ok())?;
        let word = match role {
            Role::Supervisor => return Some(supervisor),
            Role::Control => "control",
            Role::Router => "router",
        };
        census::children(supervisor)
            .into_iter()
            .find(|seen| {
                !seen.is_zombie
                    && seen
                        .arguments
                        .get(1)
                        .is_some_and(|argument| argument == word)
            })
            .map(|seen| seen.pid)
    }

    /// Kills a role and waits until that process is gone.
    ///
    /// # Errors
    /// When the role does not run, or does not go.
    pub fn kill(&mut self, role: Role) -> Result<(), Failure> {
        let pid = self
            .pid(role)
            .ok_or_else(|| Failure::Unexpected(format!("{role:?} does not run")))?;
        let born = census::start_ticks(pid);
        kill(Pid::from_raw(pid), Signal::SIGKILL)
            .map_err(|errno| Failure::system("kill a role")(errno.into()))?;
        if role == Role::Supervisor {
            self.wait_ended()?;
            return Ok(());
        }
        wait_for("the end of a killed role", || {
            let is_gone = census::start_ticks(pid) != born || census::is_zombie(pid);
            Ok(if is_gone {
                Ok(())
            } else {
                Err(format!("{pid} lives"))
            })
        })
    }

    /// Whether `windlass up` does not run (any more).
    ///
    /// # Errors
    /// When the system does not say.
    pub fn has_ended(&mut self) -> Result<bool, Failure> {
        Ok(self.try_wait()?.is_some() || self.child.is_none())
    }

    /// Ends Windlass by SIGTERM: apps go on running.
    ///
    /// # Errors
    /// When it does not end, or not well.
    pub fn terminate(&mut self) -> Result<(), Failure> {
        self.signal(Signal::SIGTERM)?;
        let status = self.wait_ended()?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::Unexpected(format!(
            "windlass up ended with {status} after SIGTERM:\n{}",
            self.log()
        )))
    }

    /// `windlass down`: everything stops.
    ///
    /// # Errors
    /// When it does not end, or not well.
    pub fn down(&mut self) -> Result<(), Failure> {
        self.json(&["down"])?;
        let status = self.wait_ended()?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::Unexpected(format!(
            "windlass up ended with {status} after down:\n{}",
            self.log()
        )))
    }

    /// Every process that belongs to this Windlass: roles, shims, and what they started.
    pub fn census(&self) -> Vec<Seen> {
        census::belonging_to(&self.data_dir())
    }

    /// Everything that `windlass up` has printed.
    pub fn log(&self) -> String {
        self.log_since(0)
    }

    /// Leaves it running when this value goes.
    pub fn leave_running(&mut self) {
        self.stays = true;
    }

    fn log_path(&self) -> PathBuf {
        self.home.join("up.log")
    }

    fn log_since(&self, offset: u64) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        String::from_utf8_lossy(bytes.get(offset..).unwrap_or_default()).into_owned()
    }

    fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let pid = self
            .pid(Role::Supervisor)
            .ok_or_else(|| Failure::Unexpected("windlass up does not run".to_owned()))?;
        kill(Pid::from_raw(pid), signal)
            .map_err(|errno| Failure::system("signal windlass up")(errno.into()))
    }

    fn try_wait(&mut self) -> Result<Option<ExitStatus>, Failure> {
        let Some(child) = &mut self.child else {
            return Ok(Some(ExitStatus::from_raw(0)));
        };
        let status = child
            .try_wait()
            .map_err(Failure::system("wait for windlass up"))?;
        if status.is_some() {
            self.child = None;
        }
        Ok(status)
    }

    fn wait_ended(&mut self) -> Result<ExitStatus, Failure> {
        wait_for("the end of windlass up", || {
            Ok(self.try_wait()?.ok_or_else(|| "it runs".to_owned()))
        })
    }

    /// Ends everything at once, without grace.
    fn discard(&mut self) {
        if self.child.is_some() {
            // The second interrupt means: do not wait for instances.
            let _ = self.signal(Signal::SIGINT);
            std::thread::sleep(WAIT_POLL);
            let _ = self.signal(Signal::SIGINT);
            let started = Instant::now();
            while started.elapsed() < DISCARD_LIMIT && matches!(self.try_wait(), Ok(None)) {
                std::thread::sleep(WAIT_POLL);
            }
        }
        for seen in self.census() {
            let _ = kill(Pid::from_raw(seen.pid), Signal::SIGKILL);
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        self.discard();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "output of windlass up:\n{}", self.log());
        }
    }
}

fn is_ready(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|value| value["event"] == "ready")
}
