//! Runs a program with a time limit and hears what it says.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

/// Bytes of standard output that are kept.
const STDOUT_BYTES: u64 = 64 * 1024;
/// Bytes of one line.
const LINE_BYTES: usize = 2_000;
/// Events that wait.
const QUEUE: usize = 64;
/// Pause between looks at what a running program has written to the disk.
const LOOK: Duration = Duration::from_millis(250);

/// How a program ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
}

/// Why it was ended.
#[derive(Debug)]
pub(super) enum Stopped {
    TooSlow,
    TooLarge,
    Io(std::io::Error),
}

enum Event {
    Line(String),
    Stdout(Vec<u8>),
    StderrEnd,
    Exited,
}

/// Runs `command` until `deadline`. Each line of its standard error goes to `hear`; `is_too_large`
/// is asked now and then. Nothing of its process group is left.
pub(super) fn run(
    mut command: Command,
    deadline: Instant,
    hear: &mut dyn FnMut(&str),
    is_too_large: &dyn Fn() -> bool,
) -> Result<Ended, Stopped> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(Stopped::Io)?;
    let events = listen(&mut child);
    let heard = follow(&events, deadline, hear, is_too_large);
    // Not reaped yet, so the number is still its own.
    let _ = killpg(pid(&child), Signal::SIGKILL);
    let status = child.wait().map_err(Stopped::Io)?;
    heard.map(|stdout| Ended { status, stdout })
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

fn listen(child: &mut Child) -> Receiver<Event> {
    let (sender, events) = sync_channel(QUEUE);
    let pid = pid(child);
    if let Some(pipe) = child.stdout.take() {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let mut content = Vec::new();
            let _ = pipe.take(STDOUT_BYTES).read_to_end(&mut content);
            let _ = sender.send(Event::Stdout(content));
        });
    }
    if let Some(pipe) = child.stderr.take() {
        let sender = sender.clone();
        std::thread::spawn(move || {
            lines(pipe, &sender);
            let _ = sender.send(Event::StderrEnd);
        });
    }
    std::thread::spawn(move || {
        let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        let _ = sender.send(Event::Exited);
    });
    events
}

fn follow(
    events: &Receiver<Event>,
    deadline: Instant,
    hear: &mut dyn FnMut(&str),
    is_too_large: &dyn Fn() -> bool,
) -> Result<Vec<u8>, Stopped> {
    let (mut stdout, mut stderr_ended, mut exited) = (None, false, false);
    let mut next_look = Instant::now() + LOOK;
    loop {
        if stdout.is_some() && stderr_ended && exited {
            return Ok(stdout.unwrap_or_default());
        }
        let now = Instant::now();
        if now >= deadline {
            return Err(Stopped::TooSlow);
        }
        if now >= next_look {
            next_look = now + LOOK;
            if is_too_large() {
                return Err(Stopped::TooLarge);
            }
        }
        let wait = next_look.min(deadline).saturating_duration_since(now);
        match events.recv_timeout(wait) {
            Ok(Event::Line(line)) => hear(&line),
            Ok(Event::Stdout(content)) => stdout = Some(content),
            Ok(Event::StderrEnd) => stderr_ended = true,
            Ok(Event::Exited) => exited = true,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(stdout.unwrap_or_default()),
        }
    }
}

/// Splits at line feeds and at the carriage returns of progress reports.
fn lines(mut pipe: impl Read, sender: &SyncSender<Event>) {
    let mut buffer = [0; 4096];
    let mut line = Vec::new();
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        for byte in &buffer[..count] {
            match byte {
                b'\n' => {
                    if sender.send(Event::Line(plain(&line))).is_err() {
                        return;
                    }
                    line.clear();
                }
                // What was written so far is overwritten.
                b'\r' => line.clear(),
                _ if line.len() < LINE_BYTES => line.push(*byte),
                _ => {}
            }
        }
    }
    if !line.is_empty() {
        let _ = sender.send(Event::Line(plain(&line)));
    }
}

/// Without what could move a terminal's cursor: the other side writes these lines.
fn plain(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[test]
    fn output_and_lines() {
        let mut heard = Vec::new();
        let script = "printf 'one\\n10%%\\r100%%\\n\\033[1mx\\n' >&2; echo out; exit 3";
        let ended = run(
            sh(script),
            far(),
            &mut |l| heard.push(l.to_owned()),
            &|| false,
        )
        .unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert_eq!(ended.stdout, b"out\n");
        assert_eq!(heard, ["one", "100%", "[1mx"]);
    }

    #[test]
    fn a_slow_one_is_ended_with_its_children() {
        let script = "sleep 1000 & echo $! >&2; wait";
        let mut child = 0;
        let soon = Instant::now() + Duration::from_millis(300);
        let stopped = run(
            sh(script),
            soon,
            &mut |l| child = l.parse().unwrap(),
            &|| false,
        );
        assert!(matches!(stopped, Err(Stopped::TooSlow)));
        // The child was given the signal; it may take a moment until it is gone.
        let pid = Pid::from_raw(child);
        let limit = far();
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let is_gone = || !state().contains("(sleep)") || state().contains(") Z");
        while !is_gone() {
            assert!(Instant::now() < limit, "{}", state());
            std::thread::yield_now();
        }
    }

    #[test]
    fn one_that_writes_too_much_is_ended() {
        let stopped = run(sh("sleep 1000"), far(), &mut |_| (), &|| true);
        assert!(matches!(stopped, Err(Stopped::TooLarge)));
    }
}
