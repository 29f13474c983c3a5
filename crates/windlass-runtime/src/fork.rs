//! The only unsafe code: making a process without executing a program.
//!
//! A child of `fork` has only the thread that called it. If another thread held a lock at that
//! moment (the allocator's, for one), it is held in the child for ever. Therefore all functions
//! refuse to work in a process that has more than one thread.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd as _, BorrowedFd};

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

/// Runs `child` in a new process as [`spawn`] does, in this control group of version 2 from the
/// first moment where the kernel can do that; `child` is told whether it is there.
pub(crate) fn spawn_in(
    group: Option<BorrowedFd<'_>>,
    child: &mut dyn FnMut(bool) -> i32,
) -> nix::Result<Pid> {
    if !is_single_threaded() {
        return Err(nix::Error::EDEADLK);
    }
    if let Some(group) = group {
        let status = clone_into(group, &mut || child(true));
        if status.is_ok() {
            return status;
        }
    }
    spawn(CloneFlags::empty(), &mut || child(false))
}

/// A fork whose child begins in another control group. Linux 5.7 has it; sandboxes often refuse it.
fn clone_into(group: BorrowedFd<'_>, child: &mut dyn FnMut() -> i32) -> nix::Result<Pid> {
    /// `struct clone_args` of the kernel, in its second version.
    #[repr(C)]
    #[derive(Default)]
    struct Arguments {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        exit_signal: u64,
        stack: u64,
        stack_size: u64,
        tls: u64,
        set_tid: u64,
        set_tid_size: u64,
        cgroup: u64,
    }
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

    let arguments = Arguments {
        flags: CLONE_INTO_CGROUP,
        exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
        cgroup: u64::from(group.as_raw_fd().unsigned_abs()),
        ..Arguments::default()
    };
    let mut guarded =
        || std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut *child)).unwrap_or(PANICKED);
    // SAFETY: the arguments are of the size that is told and outlive the call. Without CLONE_VM and
    // without a stack it is a fork: this process has one thread (the caller has checked), and the
    // child goes on with copies of everything.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::from_ref(&arguments),
            size_of::<Arguments>(),
        )
    };
    match answer {
        0 => {
            let status = guarded();
            // SAFETY: as in `spawn`.
            unsafe { libc::_exit(status) }
        }
        pid => Ok(Pid::from_raw(
            nix::Error::result(pid)?
                .try_into()
                .map_err(|_| nix::Error::EOVERFLOW)?,
        )),
    }
}

fn is_single_threaded() -> bool {
    let threads = std::fs::read_dir("/proc/self/task");
    threads.is_ok_and(|threads| threads.count() == 1)
}
