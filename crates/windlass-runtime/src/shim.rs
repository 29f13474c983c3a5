//! The shim: the small process that owns one run.
//!
//! It outlives control. It takes the lock of the run before anything else and holds it for life,
//! so that a run is launched at most once; what happens is in the state file before anybody is
//! told. Below it stands an init process, which starts the processes of the app and ends them if
//! the shim is killed.

mod checks;
mod child;
mod disk;
mod ending;
mod init;
mod output;
mod peers;
mod prepare;
mod run_loop;
mod sampler;

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::ExitCode;

use nix::sys::prctl;
use nix::unistd::setsid;

use crate::crash_point::crash_point;
use crate::log::LogWriter;
use crate::observation::{Exit, ExitReason, RunPhase};
use crate::spec::LaunchSpec;
use crate::state::{RunState, SOCKET_FILE, try_lock, wall_ms};
use init::Init;
use run_loop::RunLoop;

/// Exit status: another shim holds the lock of the run.
pub(crate) const EXIT_LOCKED: u8 = 75;
/// Exit status: the run was launched before.
pub(crate) const EXIT_LAUNCHED_BEFORE: u8 = 76;
/// What the shim writes to its standard output once it answers on its socket.
pub(crate) const LISTENING: &[u8] = b"listening\n";
/// Largest launch spec, in bytes.
pub(crate) const MAX_SPEC_BYTES: u64 = 16 * 1024 * 1024;

/// Runs the shim of the run in `run_dir`; its launch spec comes as JSON on standard input.
///
/// Call it first thing in `main` of `windlass shim RUN_DIR`, while the process has one thread. It
/// returns when nothing of the run is left. Given `--probe` instead of a directory, it answers
/// [`crate::probe`].
pub fn shim_main(run_dir: &Path) -> ExitCode {
    let done = if run_dir.as_os_str() == "--probe" {
        crate::isolation::probe_main().map(|()| ExitCode::SUCCESS)
    } else {
        run(run_dir)
    };
    done.unwrap_or_else(|error| {
        // Nobody is there to take an error of this write.
        let _ = writeln!(io::stderr(), "windlass shim: {error}");
        ExitCode::FAILURE
    })
}

fn run(run_dir: &Path) -> io::Result<ExitCode> {
    // It fails only for a process that leads its session already.
    let _ = setsid();
    crash_point!("shim-lock-before");
    let Some(mut lock) = try_lock(run_dir)? else {
        return Ok(ExitCode::from(EXIT_LOCKED));
    };
    crash_point!("shim-lock-taken");
    lock.set_len(0)?;
    write!(lock, "{}", std::process::id())?;
    if RunState::read(run_dir)?.is_some() {
        return Ok(ExitCode::from(EXIT_LAUNCHED_BEFORE));
    }
    let spec = read_spec(run_dir)?;
    // Secrets of the app are in this memory: no other process of the same user may look into it.
    prctl::set_dumpable(false)?;
    prctl::set_child_subreaper(true)?;
    std::env::set_current_dir(run_dir)?;
    if let Some(data_dir) = prepare::data_dir(&spec) {
        windlass_clock::follow(&data_dir);
    }

    let mut state = RunState::launching(&spec);
    let mut log = LogWriter::open(&spec.log_dir, spec.log, spec.log_number)?;
    let launched = launch(&spec, &mut state);
    crash_point!("shim-init-made");
    state.write(run_dir)?;
    let listener = listen()?;
    crash_point!("shim-listening");
    announce()?;
    match launched {
        Ok((init, groups)) => {
            RunLoop::new(&spec, run_dir, state, log, init, groups, listener)?.run()?;
        }
        Err(text) => {
            run_loop::platform_line(&mut log, &spec, &format!("could not be started: {text}"));
            log.flush();
            state.log_end = log.end();
            state.phase = RunPhase::Ended;
            let reason = ExitReason::LaunchFailed(text);
            let exit = Exit {
                code: None,
                signal: None,
                reason,
                process: None,
                at_ms: wall_ms(),
            };
            state.exit = Some(exit);
            state.write(run_dir)?;
        }
    }
    // It may be gone with its directory, if somebody forgot the run at once.
    let _ = fs::remove_file(SOCKET_FILE);
    drop(lock);
    Ok(ExitCode::SUCCESS)
}

/// Prepares everything and makes the init process, which then waits for its start signal.
fn launch(
    spec: &LaunchSpec,
    state: &mut RunState,
) -> Result<(Init, Option<crate::cgroup::Groups>), String> {
    prepare::directories(spec)?;
    let groups = prepare::groups(spec)?;
    state.cgroups = groups
        .as_ref()
        .map(crate::cgroup::Groups::paths)
        .unwrap_or_default();
    match Init::start(spec, state.cgroups.clone()) {
        Ok(init) => Ok((init, groups)),
        Err(text) => {
            if let Some(groups) = groups {
                groups.remove();
            }
            Err(text)
        }
    }
}

fn read_spec(run_dir: &Path) -> io::Result<LaunchSpec> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_SPEC_BYTES)
        .read_to_end(&mut bytes)?;
    let spec: LaunchSpec = serde_json::from_slice(&bytes)
        .map_err(|error| io::Error::other(format!("the launch spec cannot be read: {error}")))?;
    spec.validate().map_err(io::Error::other)?;
    if spec.run_dir != run_dir {
        return Err(io::Error::other("the launch spec is for another directory"));
    }
    Ok(spec)
}

/// The path of a socket may have about a hundred bytes only; the working directory is the run's.
fn listen() -> io::Result<UnixListener> {
    let _ = fs::remove_file(SOCKET_FILE);
    let listener = UnixListener::bind(SOCKET_FILE)?;
    fs::set_permissions(SOCKET_FILE, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Tells who started the shim that the socket is there, and lets go of the pipes to it.
fn announce() -> io::Result<()> {
    let mut out = io::stdout().lock();
    // If control has died meanwhile, the run goes on all the same.
    let _ = out.write_all(LISTENING).and_then(|()| out.flush());
    let null = File::options().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    Ok(())
}
