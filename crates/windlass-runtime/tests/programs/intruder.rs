//! What an app tries against another one, and that other one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSliceMut, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use crate::{Done, LIFE_LIMIT};

/// What the victim has in its memory.
const SECRET: [u8; 16] = *b"in memory only 1";
/// A byte a MiB.
const MIB: usize = 1024 * 1024;

/// Whom it is tried on.
pub(crate) struct Victim<'a> {
    /// The data directory of the server, with a file `secret`.
    pub(crate) data_dir: &'a Path,
    /// The files of the victim, with a file `file`.
    pub(crate) dir: &'a Path,
    /// As the machine knows it.
    pub(crate) pid: i32,
    /// Where it has its secret.
    pub(crate) address: usize,
    /// Where it listens.
    pub(crate) port: u16,
}

/// Has a secret in its memory, listens, and says where.
pub(crate) fn victim() -> Done {
    let secret = Box::new(SECRET);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = std::ptr::from_ref(secret.as_ref()).addr();
    writeln!(
        io::stdout(),
        "up {address} {}",
        listener.local_addr()?.port()
    )?;
    std::thread::sleep(LIFE_LIMIT);
    drop((secret, listener));
    Ok(())
}

/// Tries everything, one line each: what, and `done` or what the system said.
pub(crate) fn intrude(victim: &Victim<'_>) -> Done {
    let of_process = |file: &str| format!("/proc/{}/{file}", victim.pid);
    let file = victim.dir.join("file");
    say("read-file", fs::read(&file).map(drop))?;
    say(
        "write-file",
        OpenOptions::new().append(true).open(&file).map(drop),
    )?;
    say("list-files", fs::read_dir(victim.dir).map(drop))?;
    say("make-file", File::create(victim.dir.join("new")).map(drop))?;
    say(
        "read-data",
        fs::read(victim.data_dir.join("secret")).map(drop),
    )?;
    say(
        "write-data",
        File::create(victim.data_dir.join("new")).map(drop),
    )?;
    say("list-groups", fs::read_dir("/sys/fs/cgroup").map(drop))?;
    say(
        "read-environment",
        fs::read(of_process("environ")).map(drop),
    )?;
    say("read-memory", read_memory(victim))?;
    say(
        "write-memory",
        OpenOptions::new()
            .write(true)
            .open(of_process("mem"))
            .map(drop),
    )?;
    say("trace", trace(victim.pid))?;
    say(
        "take-port",
        TcpListener::bind(("127.0.0.1", victim.port)).map(drop),
    )?;
    say("leave-groups", leave_groups())?;
    say("make-device", make_device())?;
    // The last, so that everything else was tried on a living one.
    say(
        "kill",
        kill(Pid::from_raw(victim.pid), Signal::SIGKILL).map_err(io::Error::from),
    )?;
    Ok(())
}

fn say(what: &str, result: io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) => writeln!(io::stdout(), "{what} done"),
        Err(error) => writeln!(io::stdout(), "{what} {error}"),
    }
}

fn read_memory(victim: &Victim<'_>) -> io::Result<()> {
    let mut found = [0; SECRET.len()];
    let there = RemoteIoVec {
        base: victim.address,
        len: SECRET.len(),
    };
    process_vm_readv(
        Pid::from_raw(victim.pid),
        &mut [IoSliceMut::new(&mut found)],
        &[there],
    )?;
    if found == SECRET {
        return Ok(());
    }
    Err(io::Error::other(format!("something else: {found:?}")))
}

/// `PTRACE_SEIZE`, which stops nobody. There is no safe call for it in Rust; Perl has one.
fn trace(pid: i32) -> io::Result<()> {
    let number = match std::env::consts::ARCH {
        "x86_64" => 101,
        "aarch64" => 117,
        other => return Err(io::Error::other(format!("not tried on {other}"))),
    };
    let script = format!("exit(syscall({number}, 0x4206, {pid}, 0, 0) == 0 ? 0 : 1)");
    let tried = Command::new("perl").arg("-e").arg(script).status();
    match tried {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(io::Error::other("refused")),
        Err(error) => Err(io::Error::other(format!("not tried without perl: {error}"))),
    }
}

/// Moves itself out of its control groups, where they are to be seen.
fn leave_groups() -> io::Result<()> {
    let mut last = io::Error::other("there are none");
    for place in ["memory", "pids", "unified", "."] {
        let members = Path::new("/sys/fs/cgroup").join(place).join("cgroup.procs");
        let moved = OpenOptions::new()
            .write(true)
            .open(members)
            .and_then(|mut file| file.write_all(b"0"));
        match moved {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A way to every disk, if it could be opened.
fn make_device() -> io::Result<()> {
    let kind = nix::sys::stat::SFlag::S_IFCHR;
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
    let zero = nix::sys::stat::makedev(1, 5);
    nix::sys::stat::mknod("device", kind, mode, zero)?;
    File::open("device").map(drop)
}

/// Writes so much into files that have no name any more, and keeps them.
pub(crate) fn unlinked(mib: usize) -> Done {
    let mut kept = Vec::new();
    for number in 0..mib {
        let name = format!("unlinked{number}");
        let mut file = File::create(&name)?;
        fs::remove_file(&name)?;
        file.write_all(&vec![1; MIB])?;
        kept.push(file);
    }
    writeln!(io::stdout(), "written")?;
    std::thread::sleep(LIFE_LIMIT);
    drop(kept);
    Ok(())
}
