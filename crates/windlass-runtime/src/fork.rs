//! The only unsafe code: making a process without executing a program.
//!
//! A child of `fork` has only the thread that called it. If another thread held a lock at that
//! moment (the allocator's, for one), it is held in the child for ever. Therefore both functions
//! refuse to work in a process that has more than one thread.
#![allow(unsafe_code)]

use nix::sched::CloneFlags;
use nix::unistd::{ForkResult, Pid};

/// Stack of a child that is made with namespaces, in bytes. It is the child's own copy, and only
/// the touched pages cost memory.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// Status of a child whose code panicked.
const PANICKED: i32 = 101;

/// Runs `child` in a new process, inside the new namespaces that `namespaces` names, and returns
/// its id. The child ends with the status that `child` returns; it never returns to the caller.
pub(crate) fn spawn(namespaces: CloneFlags, child: &mut dyn FnMut() -> i32) -> nix::Result<Pid> {
    if !is_single_threaded() {
        return Err(nix::Error::EDEADLK);
    }
    // A panic must not unwind into the frames that the child has copied from its parent.
    let mut guarded =
        || std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut *child)).unwrap_or(PANICKED);
    if namespaces.is_empty() {
        // SAFETY: this process has one thread (checked above), so the child may use everything.
        return match unsafe { nix::unistd::fork() }? {
            ForkResult::Parent { child } => Ok(child),
            ForkResult::Child => {
                let status = guarded();
                // SAFETY: `_exit` has no preconditions. It skips the destructors and exit handlers
                // of the parent, which are not this process's to run.
                unsafe { libc::_exit(status) }
            }
        };
    }
    let mut stack = vec![0_u8; STACK_BYTES];
    let callback = Box::new(move || {
        let status = guarded();
        // SAFETY: as above.
        unsafe { libc::_exit(status) }
    });
    // SAFETY: this process has one thread (checked above). Without CLONE_VM the child works on
    // copies of the stack and of everything else, so nothing is shared and nothing dangles.
    unsafe { nix::sched::clone(callback, &mut stack, namespaces, Some(libc::SIGCHLD)) }
}

fn is_single_threaded() -> bool {
    let threads = std::fs::read_dir("/proc/self/task");
    threads.is_ok_and(|threads| threads.count() == 1)
}
