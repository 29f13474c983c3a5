//! Control-C during the demo: its Windlass ends with it.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::census;
use super::failure::{Failure, WAIT_POLL};
use super::server::{Role, Server};

/// Longest wait for the end of everything.
const END_LIMIT: Duration = Duration::from_secs(20);
/// Exit status of a program that was ended by SIGINT, as shells count it.
const EXIT_INTERRUPTED: i32 = 130;

/// From now on Control-C and SIGTERM end the server at once, remove its directory and end us.
pub(super) fn end_with_us(server: &Server) -> Result<(), Failure> {
    let Some(pid) = server.pid(Role::Supervisor) else {
        return Ok(());
    };
    let home = server.home().to_path_buf();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::system("watch signals"))?;
    let wait = async {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            came = tokio::signal::ctrl_c() => came,
            _ = terminate.recv() => Ok(()),
        }
    };
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            if runtime.block_on(wait).is_err() {
                return;
            }
            // The second one means: do not wait for instances.
            for _ in 0..2 {
                let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
                std::thread::sleep(WAIT_POLL);
            }
            let started = Instant::now();
            while started.elapsed() < END_LIMIT
                && census::start_ticks(pid).is_some()
                && !census::is_zombie(pid)
            {
                std::thread::sleep(WAIT_POLL);
            }
            let _ = std::fs::remove_dir_all(home);
            std::process::exit(EXIT_INTERRUPTED);
        })
        .map_err(Failure::system("watch signals"))?;
    Ok(())
}
