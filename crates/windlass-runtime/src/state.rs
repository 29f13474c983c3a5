//! The state file of a run: the truth about it, readable when nobody is left to ask.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::crash_point::crash_point;
use crate::isolation::IsolationSet;
use crate::log::LogPosition;
use crate::observation::{Exit, PortCheck, RunPhase, RunStatus};
use crate::spec::{LaunchSpec, RunKind};

const STATE_FILE: &str = "state.json";
const NEW_STATE_FILE: &str = "state.json.new";
pub(crate) const LOCK_FILE: &str = "lock";
pub(crate) const SOCKET_FILE: &str = "sock";
pub(crate) const SHIM_ERROR_FILE: &str = "shim.err";
pub(crate) const WORK_DIR: &str = "work";
pub(crate) const TMP_DIR: &str = "tmp";

/// Largest state file that is read, in bytes; a real one has about one KiB.
const MAX_STATE_BYTES: u64 = 1024 * 1024;

/// What the shim (and after its death, whoever cleans up) writes about a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunState {
    pub(crate) protocol: u32,
    pub(crate) app: String,
    pub(crate) run: String,
    pub(crate) kind: RunKind,
    pub(crate) generation: u64,
    pub(crate) token: String,
    /// Boot in which the run was launched: after another boot nothing of it can be left.
    pub(crate) boot_id: String,
    pub(crate) shim_pid: u32,
    /// Start time of the shim in clock ticks since boot; with the pid it names a process.
    pub(crate) shim_start_ticks: u64,
    pub(crate) phase: RunPhase,
    pub(crate) routable: bool,
    pub(crate) main_pid: Option<u32>,
    pub(crate) started_at_ms: Option<u64>,
    pub(crate) grace_ms: u64,
    pub(crate) port: Option<u16>,
    pub(crate) port_check: PortCheck,
    pub(crate) isolation: IsolationSet,
    pub(crate) uid: Option<u32>,
    /// Control groups that were made for the run.
    pub(crate) cgroups: Vec<PathBuf>,
    pub(crate) exit: Option<Exit>,
    /// Last three digits of the log stamps.
    #[serde(default)]
    pub(crate) log_number: u32,
    /// Where the log ended when the state was written.
    pub(crate) log_end: LogPosition,
}

impl RunState {
    /// State of a run that nothing has been started for yet.
    pub(crate) fn launching(spec: &LaunchSpec) -> Self {
        let shim_pid = std::process::id();
        Self {
            protocol: spec.protocol,
            app: spec.app.clone(),
            run: spec.run.clone(),
            kind: spec.kind,
            generation: spec.generation,
            token: spec.token.clone(),
            boot_id: boot_id(),
            shim_pid,
            shim_start_ticks: crate::procfs::stat(shim_pid).map_or(0, |stat| stat.start_ticks),
            phase: RunPhase::Launching,
            routable: false,
            main_pid: None,
            started_at_ms: None,
            grace_ms: spec.grace_ms,
            port: spec.port,
            port_check: PortCheck::None,
            isolation: spec.isolation,
            uid: spec.uid,
            cgroups: Vec::new(),
            exit: None,
            log_number: spec.log_number,
            log_end: LogPosition::default(),
        }
    }

    /// Reads the state of the run in `run_dir`; `None` if it was never launched.
    pub(crate) fn read(run_dir: &Path) -> io::Result<Option<Self>> {
        let path = run_dir.join(STATE_FILE);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() > MAX_STATE_BYTES => {
                return Err(io::Error::other("state file is too large"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(serde_json::from_slice(&fs::read(path)?)?))
    }

    /// Name and protocol of the run in `run_dir`, as far as it has not ended: also where the rest
    /// of the file has another form.
    pub(crate) fn protocol_of(run_dir: &Path) -> io::Result<Option<(String, u32)>> {
        #[derive(Deserialize)]
        struct Head {
            protocol: u32,
            run: String,
            phase: serde_json::Value,
        }
        let path = run_dir.join(STATE_FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let head: Head = serde_json::from_slice(&bytes)?;
        let over = [RunPhase::Ended, RunPhase::Lost];
        let is_over = over
            .iter()
            .any(|phase| serde_json::to_value(phase).is_ok_and(|value| value == head.phase));
        Ok((!is_over).then_some((head.run, head.protocol)))
    }

    /// Replaces the state file: after a crash of any process either the old or the new one is
    /// there, whole.
    ///
    /// How a run ended also survives a power failure, at the price of two disk syncs. Earlier
    /// states need not: after a power failure the run is gone, whatever its state was, and the
    /// syncs would stand in the way of its start.
    pub(crate) fn write(&self, run_dir: &Path) -> io::Result<()> {
        let new = run_dir.join(NEW_STATE_FILE);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        if self.is_over() {
            file.sync_all()?;
        }
        // Control writes states too, of runs without a shim; these two points are the shim's.
        crash_point!("shim-state-before-rename");
        fs::rename(&new, run_dir.join(STATE_FILE))?;
        crash_point!("shim-state-renamed");
        if self.is_over() {
            File::open(run_dir)?.sync_all()?;
        }
        Ok(())
    }

    /// True once nothing can happen to the run any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, RunPhase::Ended | RunPhase::Lost)
    }

    pub(crate) fn status(&self) -> RunStatus {
        RunStatus {
            app: self.app.clone(),
            run: self.run.clone(),
            kind: self.kind,
            generation: self.generation,
            phase: self.phase,
            routable: self.routable,
            pid: self.main_pid,
            started_at_ms: self.started_at_ms,
            port: self.port,
            port_check: self.port_check,
            log_number: self.log_number,
            exit: self.exit.clone(),
        }
    }
}

/// Identity of the present boot; empty where the kernel does not tell.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Wall clock, in milliseconds since the epoch.
pub(crate) fn wall_ms() -> u64 {
    wall_us() / 1000
}

/// Wall clock, in microseconds since the epoch.
pub(crate) fn wall_us() -> u64 {
    let since = windlass_clock::wall()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Opens the lock file of a run and tries to take its lock; `None` if somebody holds it.
pub(crate) fn try_lock(run_dir: &Path) -> io::Result<Option<File>> {
    let lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(run_dir.join(LOCK_FILE))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}
