//! Finds out which means of isolation this machine offers, by trying each.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::sys::wait::waitpid;
use nix::unistd::{Gid, Uid, geteuid, pipe2, setresgid, setresuid};
use serde::{Deserialize, Serialize};

use super::IsolationSet;
use super::landlock::{Allowed, Degree, confine};
use super::mounts::{self, View};
use super::user_namespace::Namespaces;
use crate::cgroup::{Groups, Hierarchies};
use crate::fork;
use crate::spec::Limits;

/// Largest answer of a probing process, in bytes.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// Any user that is not root.
const NOBODY: u32 = 65_534;
/// Limits that are set on a trial group.
const TRIAL_LIMITS: Limits = Limits {
    memory_mb: Some(64),
    disk_mb: None,
    pids: Some(64),
    log_bytes_per_second: None,
    time_limit_ms: None,
};

/// What this machine offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Files.
    pub landlock: Means,
    /// Processes.
    pub pidns: Means,
    /// Resources.
    pub cgroup: Means,
    /// User.
    pub uid: Means,
}

/// One means of isolation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Means {
    /// True if it can be used.
    pub is_available: bool,
    /// To which degree, or why not.
    pub note: String,
}

/// How to start a shim: the program and the arguments before the run directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShimCommand {
    /// Path of the program.
    pub program: PathBuf,
    /// For example `["shim"]`.
    pub args: Vec<String>,
}

impl Probe {
    /// Everything that is available.
    pub fn best(&self) -> IsolationSet {
        IsolationSet {
            landlock: self.landlock.is_available,
            pidns: self.pidns.is_available,
            cgroup: self.cgroup.is_available,
            uid: self.uid.is_available,
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("landlock (files)", &self.landlock),
            ("pidns (processes)", &self.pidns),
            ("cgroup (resources)", &self.cgroup),
            ("uid (user)", &self.uid),
        ];
        for (index, (name, means)) in rows.into_iter().enumerate() {
            let word = if means.is_available { "yes" } else { "no" };
            let end = if index == 3 { "" } else { "\n" };
            write!(f, "{name:<20} {word:<4} {}{end}", means.note)?;
        }
        Ok(())
    }
}

/// Asks a shim process what this machine offers. It blocks for some milliseconds.
///
/// # Errors
/// If the program cannot be started or does not answer.
pub fn probe(shim: &ShimCommand) -> io::Result<Probe> {
    let output = Command::new(&shim.program)
        .args(&shim.args)
        .arg("--probe")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "the probing process ended with {}",
            output.status
        )));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The other side of [`probe`]: tries everything and prints the result. Call it in a process that
/// has a single thread.
pub(crate) fn probe_main() -> io::Result<()> {
    let probe = Probe {
        landlock: landlock(),
        pidns: pid_namespace(),
        cgroup: cgroup(),
        uid: uid(),
    };
    let mut out = io::stdout().lock();
    out.write_all(&serde_json::to_vec(&probe)?)?;
    out.flush()
}

fn landlock() -> Means {
    in_child(CloneFlags::empty(), &mut || {
        Ok(match confine(&Allowed::default())? {
            Degree::All => "all: files, devices, signals, abstract sockets".to_owned(),
            Degree::Part => "in part: this kernel does not know all of it".to_owned(),
        })
    })
}

fn pid_namespace() -> Means {
    let tmp = std::env::temp_dir().join(format!("windlass-probe-{}", std::process::id()));
    if let Err(error) = std::fs::create_dir_all(&tmp) {
        return Means {
            is_available: false,
            note: format!("{}: {error}", tmp.display()),
        };
    }
    let namespaces = Namespaces::of_run();
    let means = in_child(namespaces.flags, &mut || {
        namespaces.enter()?;
        let view = View {
            tmp: tmp.clone(),
            exposed: Vec::new(),
            hidden: None,
            uid: None,
        };
        mounts::build(&view)?;
        let kind = if geteuid().is_root() {
            "as root"
        } else {
            "in a user namespace"
        };
        Ok(kind.to_owned())
    });
    // The directory is empty, or of no interest.
    let _ = std::fs::remove_dir_all(&tmp);
    means
}

fn cgroup() -> Means {
    let found = Hierarchies::detect();
    let notes = found.notes.join("; ");
    if !found.is_usable() {
        return Means {
            is_available: false,
            note: notes,
        };
    }
    let name = format!("probe-{}", std::process::id());
    let groups = match Groups::create(&found, &name, &TRIAL_LIMITS) {
        Ok(groups) => groups,
        Err(error) => {
            return Means {
                is_available: false,
                note: error.to_string(),
            };
        }
    };
    let paths = groups.paths();
    let mut means = in_child(CloneFlags::empty(), &mut || {
        Groups::join(&paths).map_err(|error| error.to_string())?;
        Ok(String::new())
    });
    groups.remove();
    if means.is_available {
        means.note = groups.to_string();
    }
    if !notes.is_empty() {
        means.note = format!("{} ({notes})", means.note);
    }
    means
}

fn uid() -> Means {
    if !geteuid().is_root() {
        let note = "the server does not run as root, apps run as its user".to_owned();
        return Means {
            is_available: false,
            note,
        };
    }
    in_child(CloneFlags::empty(), &mut || {
        let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        let changed = setresgid(gid, gid, gid).and_then(|()| setresuid(uid, uid, uid));
        changed.map_err(|error| format!("changing the user: {error}"))?;
        Ok("each app under a user of its own".to_owned())
    })
}

/// Tries something in a process of its own, since it cannot be undone.
fn in_child(namespaces: CloneFlags, trial: &mut dyn FnMut() -> Result<String, String>) -> Means {
    let (answer, note_end) = match pipe2(OFlag::O_CLOEXEC) {
        Ok(ends) => ends,
        Err(error) => {
            return Means {
                is_available: false,
                note: error.to_string(),
            };
        }
    };
    let mut note_end = Some(note_end);
    let child = fork::spawn(namespaces, &mut || {
        let (status, note) = match trial() {
            Ok(note) => (b'+', note),
            Err(note) => (b'-', note),
        };
        let text = [&[status], note.as_bytes()].concat();
        let written = note_end
            .take()
            .map(|end| io::Write::write_all(&mut file(end), &text));
        i32::from(!matches!(written, Some(Ok(()))))
    });
    drop(note_end);
    let child = match child {
        Ok(child) => child,
        Err(error) => {
            return Means {
                is_available: false,
                note: format!("new process: {error}"),
            };
        }
    };
    let mut text = String::new();
    let read = file(answer)
        .take(MAX_ANSWER_BYTES)
        .read_to_string(&mut text);
    // Its status says nothing that its answer does not say.
    let _ = waitpid(child, None);
    match (read, text.strip_prefix('+')) {
        (Ok(_), Some(note)) => Means {
            is_available: true,
            note: note.to_owned(),
        },
        (Ok(_), None) => Means {
            is_available: false,
            note: text.trim_start_matches('-').to_owned(),
        },
        (Err(error), _) => Means {
            is_available: false,
            note: error.to_string(),
        },
    }
}

fn file(fd: OwnedFd) -> std::fs::File {
    fd.into()
}
