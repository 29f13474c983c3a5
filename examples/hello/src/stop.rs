//! SIGTERM: stop accepting, finish what is in flight, end.

use std::net::TcpListener;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

const SIGTERM: i32 = 15;
const SHUT_RDWR: i32 = 2;
const SIG_IGN: usize = 1;

unsafe extern "C" {
    fn signal(number: i32, handler: usize) -> usize;
    fn shutdown(socket: RawFd, how: i32) -> i32;
}

static STOPPING: AtomicBool = AtomicBool::new(false);
static LISTENER: AtomicI32 = AtomicI32::new(-1);

extern "C" fn on_sigterm(_number: i32) {
    STOPPING.store(true, Ordering::SeqCst);
    // A listener that is shut down wakes its accept with an error.
    // SAFETY: shutdown may be called in a signal handler; a bad descriptor is only an error.
    unsafe { shutdown(LISTENER.load(Ordering::SeqCst), SHUT_RDWR) };
}

/// From now on SIGTERM ends the accept loop of this listener.
pub fn on_term_stop_accepting(listener: &TcpListener) {
    LISTENER.store(listener.as_raw_fd(), Ordering::SeqCst);
    let handler: extern "C" fn(i32) = on_sigterm;
    // SAFETY: the handler only touches atomics and calls a function that is allowed there.
    unsafe { signal(SIGTERM, handler as usize) };
}

/// From now on SIGTERM does nothing, for the programs started from here too.
pub fn ignore_term() {
    // SAFETY: SIG_IGN is a valid disposition.
    unsafe { signal(SIGTERM, SIG_IGN) };
}

/// Whether SIGTERM has come.
pub fn is_stopping() -> bool {
    STOPPING.load(Ordering::SeqCst)
}
