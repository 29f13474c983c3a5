//! The init process of a run, between the shim and the processes of the app.
//!
//! With a pid namespace it is process 1 of it, so its death ends everything in there. Without one
//! it is a subreaper: if the shim is killed, it ends the tree in its stead. It holds the lock of
//! the run too, so that the lock is free only when both are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, pipe2, setresgid, setresuid};
use serde::{Deserialize, Serialize};

use super::child::{self, Confinement};
use super::prepare;
use crate::cgroup::Groups;
use crate::crash_point::crash_point;
use crate::fork;
use crate::isolation::mounts::{self, View};
use crate::isolation::user_namespace::Namespaces;
use crate::procfs;
use crate::spec::LaunchSpec;
use crate::state::{TMP_DIR, WORK_DIR};
use crate::tree::{MAX_PAUSE, MIN_PAUSE, kill_all};

/// Largest packet between shim and init, in bytes.
const MAX_PACKET_BYTES: usize = 16 * 1024;
/// Longest error text in a packet, in bytes.
const MAX_TEXT_BYTES: usize = 4 * 1024;

const GO: u8 = b'g';
const TERMINATE: u8 = b't';
const END_USER: u8 = b'u';

/// What init tells the shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// The run cannot be started.
    Failed(String),
    /// A process has been executed; its id as init sees it.
    Spawned { index: usize, pid: u32 },
    /// A process has ended.
    Exited {
        index: usize,
        code: Option<i32>,
        signal: Option<i32>,
    },
}

/// The shim's end of the channel to init.
#[derive(Debug)]
pub(super) struct Init {
    pub(super) pid: Pid,
    pub(super) channel: File,
    /// Reading ends of the output of each process: standard output, standard error.
    pub(super) outputs: Vec<(OwnedFd, OwnedFd)>,
}

impl Init {
    /// Makes the init process. It waits until [`Self::go`].
    pub(super) fn start(spec: &LaunchSpec, cgroups: Vec<PathBuf>) -> Result<Self, String> {
        let text = |error: nix::Error| format!("making the init process: {error}");
        let user = prepare::user_of(spec)?;
        let kind = SockType::SeqPacket;
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).map_err(text)?;
        fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(text)?;
        let (mut readers, mut writers) = (Vec::new(), Vec::new());
        for _ in &spec.processes {
            let (out, err) = (
                output_pipe(user).map_err(text)?,
                output_pipe(user).map_err(text)?,
            );
            readers.push((out.0, err.0));
            writers.push((out.1, err.1));
        }
        let namespaces = spec.isolation.pidns.then(Namespaces::of_run);
        let mut shim_side = Some((ours, readers));
        let mut init_side = Some((theirs, writers));
        let flags = namespaces.map_or(CloneFlags::empty(), |namespaces| namespaces.flags);
        let pid = fork::spawn(flags, &mut || {
            // In the child only: without this it would never see the end of the channel.
            drop(shim_side.take());
            let Some((channel, writers)) = init_side.take() else {
                return 1;
            };
            let channel = File::from(channel);
            InitProcess {
                spec,
                cgroups: &cgroups,
                user,
                namespaces,
                channel,
                live: BTreeMap::new(),
            }
            .run(writers)
        });
        drop(init_side);
        let pid = pid.map_err(text)?;
        let (channel, outputs) = shim_side.ok_or("making the init process: no channel")?;
        Ok(Self {
            pid,
            channel: File::from(channel),
            outputs,
        })
    }

    /// Lets init start the processes.
    pub(super) fn go(&mut self) -> io::Result<()> {
        self.channel.write_all(&[GO])
    }

    /// Asks init to send SIGTERM to the processes that it started.
    pub(super) fn terminate(&mut self) {
        // A dead init has ended the run; the shim learns it from its status.
        let _ = self.channel.write_all(&[TERMINATE]);
    }

    /// Asks init to end every process of the user that only this run has.
    pub(super) fn end_user(&mut self) {
        let _ = self.channel.write_all(&[END_USER]);
    }

    /// The next report, if there is one. An error means that init is gone.
    pub(super) fn report(&mut self) -> io::Result<Option<Report>> {
        let mut packet = vec![0; MAX_PACKET_BYTES];
        match self.channel.read(&mut packet) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => Ok(Some(serde_json::from_slice(&packet[..length])?)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A pipe for output. Its writing end belongs to the user of the app, so that the app can open
/// `/dev/stdout`.
fn output_pipe(user: Option<u32>) -> nix::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    if let Some(uid) = user {
        nix::unistd::fchown(&writer, Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid)))?;
    }
    Ok((reader, writer))
}

/// Inside the init process.
struct InitProcess<'a> {
    spec: &'a LaunchSpec,
    cgroups: &'a [PathBuf],
    user: Option<u32>,
    namespaces: Option<Namespaces>,
    channel: File,
    /// Processes of the spec that have not ended.
    live: BTreeMap<i32, usize>,
}

impl InitProcess<'_> {
    fn run(mut self, writers: Vec<(OwnedFd, OwnedFd)>) -> i32 {
        match self.start(writers) {
            Ok(signals) => {
                self.watch(&signals);
                0
            }
            Err(text) => {
                let cut = text.floor_char_boundary(MAX_TEXT_BYTES.min(text.len()));
                self.tell(&Report::Failed(text[..cut].to_owned()));
                1
            }
        }
    }

    fn start(&mut self, writers: Vec<(OwnedFd, OwnedFd)>) -> Result<SignalFd, String> {
        let text = |error: nix::Error| format!("init process: {error}");
        let null = File::options().read(true).write(true).open("/dev/null");
        let null = null.map_err(|error| format!("/dev/null: {error}"))?;
        nix::unistd::dup2_stdin(&null).map_err(text)?;
        nix::unistd::dup2_stdout(&null).map_err(text)?;
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.add(Signal::SIGTERM);
        mask.add(Signal::SIGINT);
        mask.thread_block().map_err(text)?;
        mask.remove(Signal::SIGTERM);
        mask.remove(Signal::SIGINT);
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .map_err(text)?;
        if let Some(namespaces) = self.namespaces {
            // The namespace dies with the shim, whatever happens to this code.
            prctl::set_pdeathsig(Signal::SIGKILL).map_err(text)?;
            namespaces.enter()?;
        } else {
            prctl::set_child_subreaper(true).map_err(text)?;
        }
        let mut go = [0];
        if !matches!(self.channel.read(&mut go), Ok(1)) || go[0] != GO {
            return Err("the shim is gone".to_owned());
        }
        if self.namespaces.is_some() {
            mounts::build(&self.view())?;
        }
        let confinement = Confinement::of(self.spec, self.cgroups, self.user);
        for (index, (out, err)) in writers.into_iter().enumerate() {
            crash_point!("shim-init-before-spawn");
            let pid = self.spawn(index, out, err, &confinement)?;
            crash_point!("shim-init-spawned");
            self.live.insert(pid.as_raw(), index);
            self.tell(&Report::Spawned {
                index,
                pid: pid.as_raw().unsigned_abs(),
            });
        }
        Ok(signals)
    }

    fn view(&self) -> View {
        let dir = &self.spec.run_dir;
        let mut exposed = vec![dir.join(WORK_DIR), dir.join(TMP_DIR)];
        exposed.extend(
            self.spec
                .readable
                .iter()
                .chain(&self.spec.writable)
                .cloned(),
        );
        View {
            tmp: dir.join(TMP_DIR),
            exposed,
            hidden: prepare::data_dir(self.spec),
            uid: self.user,
        }
    }

    /// Starts one process and returns when its program has been executed.
    fn spawn(
        &self,
        index: usize,
        out: OwnedFd,
        err: OwnedFd,
        confinement: &Confinement,
    ) -> Result<Pid, String> {
        let process = &self.spec.processes[index];
        let text = |error: nix::Error| format!("process {}: {error}", process.name);
        let (failure, failure_end) = pipe2(OFlag::O_CLOEXEC).map_err(text)?;
        let mut ends = Some((out, err, File::from(failure_end)));
        let birthplace = Groups::birthplace(self.cgroups);
        let group = birthplace.as_ref().map(|(_, opened)| opened.as_fd());
        let pid = fork::spawn_in(group, &mut |is_born_there| {
            let Some((out, err, mut failure_end)) = ends.take() else {
                return 1;
            };
            let born_in = birthplace
                .as_ref()
                .filter(|_| is_born_there)
                .map(|(path, _)| *path);
            let text = child::execute(process, confinement, born_in, out, err);
            let _ = failure_end.write_all(text.as_bytes());
            127
        });
        drop(ends);
        let pid = pid.map_err(text)?;
        let mut why = String::new();
        // The end of the pipe closes by itself when the program is executed.
        let read = File::from(failure)
            .take(MAX_TEXT_BYTES as u64)
            .read_to_string(&mut why);
        if read.is_ok() && why.is_empty() {
            return Ok(pid);
        }
        let _ = waitpid(pid, None);
        Err(format!("process {}: {why}", process.name))
    }

    /// Reports the ends of processes and obeys the shim, until the shim is gone.
    fn watch(&mut self, signals: &SignalFd) {
        loop {
            let mut fds = [
                PollFd::new(self.channel.as_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            ];
            let polled = poll(&mut fds, PollTimeout::NONE);
            let is_asked = fds[0].any().unwrap_or(false);
            while let Ok(Some(_)) = signals.read_signal() {}
            self.reap();
            if polled.is_err() || !is_asked {
                continue;
            }
            let mut order = [0];
            match self.channel.read(&mut order) {
                Ok(1) => self.obey(order[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return self.end_everything(),
            }
        }
    }

    fn obey(&self, order: u8) {
        match order {
            TERMINATE => {
                for pid in self.live.keys() {
                    // Each leads a process group. Not reaped yet, so the number is still its own.
                    let _ = killpg(Pid::from_raw(*pid), Signal::SIGTERM);
                }
                crash_point!("shim-init-terminated");
            }
            END_USER => self.end_user(),
            _ => {}
        }
    }

    /// One signal to all processes of the user reaches also those which are just being forked.
    fn end_user(&self) {
        let Some(uid) = self.user else { return };
        let _ = fork::spawn(CloneFlags::empty(), &mut || {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(uid));
            let changed = setresgid(gid, gid, gid).and_then(|()| setresuid(uid, uid, uid));
            // Without the change, the same call would end the whole machine.
            if changed.is_ok() {
                let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            }
            0
        });
    }

    fn reap(&mut self) {
        loop {
            let (pid, code, signal) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, Some(code), None),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, None, Some(signal as i32)),
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            if let Some(index) = self.live.remove(&pid.as_raw()) {
                self.tell(&Report::Exited {
                    index,
                    code,
                    signal,
                });
            }
        }
    }

    /// The shim was killed. In a pid namespace the death of this process is enough.
    fn end_everything(&mut self) {
        if self.namespaces.is_some() {
            return;
        }
        let me = BTreeSet::from([std::process::id()]);
        let mut pause = MIN_PAUSE;
        loop {
            if self.user.is_some() && self.spec.uid_exclusive {
                self.end_user();
            }
            kill_all(&procfs::descendants(&me));
            loop {
                match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                    // No child at all: nothing descends from this subreaper any more.
                    Err(nix::Error::ECHILD) => return,
                    Ok(WaitStatus::StillAlive) | Err(_) => break,
                    Ok(_) => {}
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    fn tell(&mut self, report: &Report) {
        let packet = serde_json::to_vec(report).unwrap_or_default();
        // A shim that is gone is noticed by the next read.
        let _ = self.channel.write_all(&packet);
    }
}
