//! Control-C during the demo: its Windlass ends with it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use super::census;
use super::failure::{Failure, WAIT_POLL};
use super::server::Server;
use crate::output;

/// Longest wait for the end of everything.
const END_LIMIT: Duration = Duration::from_secs(20);
/// Exit status of a program that was ended by SIGINT, as shells count it.
const EXIT_INTERRUPTED: i32 = 130;

/// Set once somebody has interrupted the demo.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Held while a process is started. Between its fork and its exec nothing shows whose it is: an
/// interrupt at that moment would find nothing to end, and leave it running.
static STARTING: Mutex<()> = Mutex::new(());

/// Starts a process, unless everything is being ended; then this does not return.
pub(super) fn start<T>(start: impl FnOnce() -> T) -> T {
    loop {
        let starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if !INTERRUPTED.load(Ordering::SeqCst) {
            return start();
        }
        drop(starting);
        stop_here_if_interrupted();
    }
}

/// Whether what fails now fails because everything is being ended. Then this does not return: the
/// process ends in a moment, and what it would say is not worth saying.
pub(super) fn stop_here_if_interrupted() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// From now on Control-C and SIGTERM end everything of this server at once, remove its directory
/// and end us. It may be started later.
pub(super) fn end_with_us(server: &Server) -> Result<(), Failure> {
    let (home, data_dir) = (server.home().to_path_buf(), server.data_dir());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::system("watch signals"))?;
    let mut signals = runtime
        .block_on(async {
            let interrupt = signal(SignalKind::interrupt())?;
            Ok::<_, std::io::Error>((interrupt, signal(SignalKind::terminate())?))
        })
        .map_err(Failure::system("watch signals"))?;
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = signals.0.recv() => {}
                    _ = signals.1.recv() => {}
                }
            });
            let starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
            INTERRUPTED.store(true, Ordering::SeqCst);
            drop(starting);
            output::complain("interrupted: everything of the demo is ended");
            end(&data_dir);
            let _ = std::fs::remove_dir_all(home);
            std::process::exit(EXIT_INTERRUPTED);
        })
        .map_err(Failure::system("watch signals"))?;
    Ok(())
}

/// Ends the supervisor and with it all it has started; what does not end with it is killed.
fn end(data_dir: &Path) {
    let started = Instant::now();
    let mut interrupts = 0;
    loop {
        let left: Vec<_> = census::belonging_to(data_dir)
            .into_iter()
            .filter(|seen| !seen.is_zombie)
            .collect();
        if left.is_empty() {
            return;
        }
        let late = started.elapsed() > END_LIMIT;
        for seen in &left {
            let pid = Pid::from_raw(seen.pid);
            let is_supervisor = seen.arguments.get(1).is_some_and(|word| word == "up");
            if late {
                let _ = kill(pid, Signal::SIGKILL);
            } else if is_supervisor && interrupts < 2 {
                // The second one means: do not wait for instances.
                interrupts += 1;
                let _ = kill(pid, Signal::SIGINT);
            }
        }
        if started.elapsed() > END_LIMIT * 2 {
            return;
        }
        std::thread::sleep(WAIT_POLL);
    }
}
