//! From the fork to the program: what a process of the app gives up before it is executed.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid, setsid};

use super::prepare;
use crate::cgroup::Groups;
use crate::isolation::capabilities;
use crate::isolation::landlock::{Allowed, confine};
use crate::isolation::mounts::can_walk;
use crate::leftovers::TOKEN_VARIABLE;
use crate::spec::{Command, LaunchSpec, ProcessSpec};
use crate::state::{TMP_DIR, WORK_DIR};

/// Files that a process may have open unless it asks for more, as in Cloud Foundry.
const OPEN_FILES: u64 = 16_384;

/// How much larger than the disk limit a single file may become, in MiB: so much that the limit is
/// seen to be exceeded.
const FILE_MARGIN_MB: u64 = 1;

/// What is the same for all processes of a run.
pub(super) struct Confinement {
    cgroups: Vec<PathBuf>,
    user: Option<u32>,
    /// `None` without Landlock.
    allowed: Option<Allowed>,
    work: PathBuf,
    tmp: PathBuf,
    file_bytes: Option<u64>,
    /// Limit of processes of the user; only where the user is the run's alone.
    user_processes: Option<u64>,
    token: String,
    has_own_mounts: bool,
}

impl Confinement {
    pub(super) fn of(spec: &LaunchSpec, cgroups: &[PathBuf], user: Option<u32>) -> Self {
        let (work, tmp) = (spec.run_dir.join(WORK_DIR), spec.run_dir.join(TMP_DIR));
        let has_own_mounts = spec.isolation.pidns;
        let allowed = spec.isolation.landlock.then(|| {
            let mut writable = vec![work.clone(), tmp.clone()];
            if has_own_mounts {
                // They are the run's own.
                writable.extend(["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from));
            }
            writable.extend(spec.writable.iter().cloned());
            Allowed {
                readable: spec.readable.clone(),
                writable,
                hidden: prepare::data_dir(spec),
            }
        });
        let is_alone = user.is_some() && spec.uid_exclusive && cgroups.is_empty();
        Self {
            cgroups: cgroups.to_vec(),
            user,
            allowed,
            work,
            tmp: if has_own_mounts {
                PathBuf::from("/tmp")
            } else {
                tmp
            },
            file_bytes: spec
                .limits
                .disk_mb
                .map(|disk_mb| (disk_mb + FILE_MARGIN_MB).saturating_mul(1024 * 1024)),
            user_processes: spec.limits.pids.filter(|_| is_alone),
            token: spec.token.clone(),
            has_own_mounts,
        }
    }
}

/// Becomes the program of `process`. It returns only if that fails, with the reason. `born_in` is
/// the control group that it is in already.
pub(super) fn execute(
    process: &ProcessSpec,
    confinement: &Confinement,
    born_in: Option<&Path>,
    out: OwnedFd,
    err: OwnedFd,
) -> String {
    if let Err(text) = confine_self(process, confinement, born_in) {
        return text;
    }
    let mut program = match &process.command {
        Command::Shell(line) => {
            let shell = if Path::new("/bin/bash").exists() {
                "/bin/bash"
            } else {
                "/bin/sh"
            };
            let mut program = Program::new(shell);
            program.arg("-c").arg(line);
            program
        }
        Command::Argv(argv) => {
            let Some((name, args)) = argv.split_first() else {
                return "no command".to_owned();
            };
            let mut program = Program::new(name);
            program.args(args);
            program
        }
    };
    program
        .env_clear()
        .env("TMPDIR", &confinement.tmp)
        .envs(&process.env);
    program.env(TOKEN_VARIABLE, &confinement.token);
    program.stdin(Stdio::null()).stdout(out).stderr(err);
    let error = program.exec();
    format!("executing {}: {error}", program.get_program().display())
}

fn confine_self(
    process: &ProcessSpec,
    confinement: &Confinement,
    born_in: Option<&Path>,
) -> Result<(), String> {
    let text = |what: &'static str| move |error: nix::Error| format!("{what}: {error}");
    setsid().map_err(text("new session"))?;
    SigSet::empty()
        .thread_set_mask()
        .map_err(text("signal mask"))?;
    let others = confinement
        .cgroups
        .iter()
        .filter(|path| born_in != Some(path.as_path()));
    Groups::join(others).map_err(|error| format!("joining the control group: {error}"))?;
    limit_resources(confinement).map_err(text("resource limit"))?;
    if let Some(uid) = confinement.user {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(uid));
        setgroups(&[gid]).map_err(text("groups"))?;
        setresgid(gid, gid, gid).map_err(text("group"))?;
        setresuid(uid, uid, uid).map_err(text("user"))?;
    }
    let dir = confinement.work.join(&process.working_dir);
    if let Err(error) = std::env::set_current_dir(&dir) {
        return Err(format!(
            "working directory {}: {error}{}",
            dir.display(),
            hint(&dir, confinement)
        ));
    }
    let is_confined = confinement.has_own_mounts || confinement.allowed.is_some();
    if is_confined && confinement.user.is_none() && geteuid().is_root() {
        capabilities::give_up()?;
    }
    prctl::set_no_new_privs().map_err(text("no_new_privs"))?;
    if let Some(allowed) = &confinement.allowed {
        confine(allowed)?;
    }
    Ok(())
}

/// Names the directory on the way that the user of the app cannot walk through.
fn hint(dir: &Path, confinement: &Confinement) -> String {
    let Some(uid) = confinement.user.filter(|_| !confinement.has_own_mounts) else {
        return String::new();
    };
    let mut above: Vec<&Path> = dir.ancestors().collect();
    above.reverse();
    above.into_iter().find(|above| !can_walk(above, uid)).map_or_else(String::new, |above| {
        format!(
            "; user {uid} cannot pass {}: allow it with chmod o+x, or use isolation by pidns too",
            above.display()
        )
    })
}

fn limit_resources(confinement: &Confinement) -> nix::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(OPEN_FILES), hard)?;
    for (resource, limit) in [
        (Resource::RLIMIT_FSIZE, confinement.file_bytes),
        (Resource::RLIMIT_NPROC, confinement.user_processes),
    ] {
        if let Some(limit) = limit {
            let (_, hard) = getrlimit(resource)?;
            let limit = limit.min(hard);
            setrlimit(resource, limit, limit)?;
        }
    }
    Ok(())
}
