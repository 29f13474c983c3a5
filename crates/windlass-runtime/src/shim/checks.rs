//! Health and readiness checks, each in a small thread of its own.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use nix::sys::eventfd::EventFd;
use windlass_clock::thread::{Instant, look, sleep};

use crate::observation::PortCheck;
use crate::ports::{self, Listener};
use crate::procfs;
use crate::spec::{HealthCheck, HealthKind, ReadinessCheck};

/// Pause between the first two checks. Until the first success it grows with the time that has
/// passed, by [`PAUSE_PART`], up to [`MAX_PAUSE`]: a success is seen at most an eighth too late.
const MIN_PAUSE: Duration = Duration::from_millis(1);
/// Longest pause between checks before the first success.
const MAX_PAUSE: Duration = Duration::from_millis(250);
/// The part of the time waited so far that the next pause takes: one in so many.
const PAUSE_PART: u32 = 8;
/// Longest status line of an answer that is read, in bytes.
const MAX_STATUS_LINE_BYTES: usize = 1024;
/// Stack of a thread of the shim, in bytes.
pub(super) const STACK_BYTES: usize = 256 * 1024;

/// What is checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) port: u16,
    pub(super) init_pid: u32,
}

/// What the threads tell the loop of the shim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The health check has passed for the first time.
    Healthy(PortCheck),
    /// It has not passed in time.
    StartTimeout(String),
    /// It has failed after it had passed.
    Unhealthy(String),
    /// The readiness check has changed its mind.
    Ready(bool),
    /// The processes use more memory than they may.
    OutOfMemory(String),
    /// `work/` and `tmp/` have become larger than they may.
    OutOfDisk(String),
}

/// Sends events and wakes the loop.
#[derive(Debug, Clone)]
pub(super) struct EventSender {
    pub(super) events: SyncSender<Event>,
    pub(super) wake: Arc<EventFd>,
}

impl EventSender {
    /// False once nobody listens any more.
    pub(super) fn send(&self, event: Event) -> bool {
        let is_sent = self.events.send(event).is_ok();
        // The counter cannot overflow: it is read after each wake-up.
        let _ = self.wake.write(1);
        is_sent
    }
}

/// Polls quickly until it counts as passed, then at the interval. Ends after its last event.
pub(super) fn watch_health(check: &HealthCheck, target: Target, events: &EventSender) {
    let limit = Duration::from_millis(check.invocation_timeout_ms.max(1));
    sleep(Duration::from_millis(check.patience.initial_delay_ms));
    let begun = Instant::now();
    let deadline = begun + Duration::from_millis(check.start_timeout_ms);
    let mut passed = 0;
    loop {
        match invoke(&check.kind, target, limit) {
            Ok(port_check) => {
                passed += 1;
                if passed >= check.patience.successes {
                    if !events.send(Event::Healthy(port_check)) {
                        return;
                    }
                    break;
                }
            }
            Err(text) if Instant::now() >= deadline => {
                events.send(Event::StartTimeout(text));
                return;
            }
            Err(_) => passed = 0,
        }
        let pause = pause_after(begun.elapsed());
        sleep(pause.min(deadline.saturating_duration_since(Instant::now())));
    }
    let mut failed = 0;
    loop {
        sleep(Duration::from_millis(check.interval_ms.max(1)));
        match invoke(&check.kind, target, limit) {
            Ok(_) => failed = 0,
            Err(text) => {
                failed += 1;
                if failed >= check.patience.failures {
                    events.send(Event::Unhealthy(text));
                    return;
                }
            }
        }
    }
}

fn pause_after(waited: Duration) -> Duration {
    (waited / PAUSE_PART).clamp(MIN_PAUSE, MAX_PAUSE)
}

/// Polls quickly while not ready, at the interval while ready. Ends when nobody listens.
pub(super) fn watch_readiness(check: &ReadinessCheck, target: Target, events: &EventSender) {
    let limit = Duration::from_millis(check.invocation_timeout_ms.max(1));
    let interval = Duration::from_millis(check.interval_ms.max(1));
    sleep(Duration::from_millis(check.patience.initial_delay_ms));
    let mut is_ready = false;
    let mut unready_since = Instant::now();
    let (mut before, mut in_a_row) = (false, 0u32);
    loop {
        let passes = invoke(&check.kind, target, limit).is_ok();
        in_a_row = if passes == before {
            in_a_row.saturating_add(1)
        } else {
            1
        };
        before = passes;
        let decide = if passes {
            check.patience.successes
        } else {
            check.patience.failures
        };
        let changes = passes != is_ready && in_a_row >= decide;
        if changes && !events.send(Event::Ready(passes)) {
            return;
        }
        is_ready ^= changes;
        if passes || changes {
            unready_since = Instant::now();
        }
        let pause = if is_ready {
            // What serves is asked at its pace, also while failures are counted.
            interval
        } else {
            pause_after(unready_since.elapsed()).min(interval.max(MIN_PAUSE))
        };
        sleep(pause);
    }
}

fn invoke(kind: &HealthKind, target: Target, limit: Duration) -> Result<PortCheck, String> {
    let port = target.port;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let deadline = Instant::now() + limit;
    let connect = || {
        TcpStream::connect_timeout(&address, limit)
            .map_err(|error| format!("port {port} does not accept connections: {error}"))
    };
    match kind {
        HealthKind::Process => Ok(PortCheck::None),
        HealthKind::Port => {
            drop(connect()?);
            whose(target)
        }
        HealthKind::Http {
            path,
            takes_redirects,
        } => {
            let stream = connect()?;
            // Ask only our own: a stranger on the port must not get requests meant for the app.
            let port_check = whose(target)?;
            let status = ask(stream, path, port, deadline)
                .map_err(|error| format!("no answer to GET {path}: {error}"))?;
            let (wanted, words) = passing(*takes_redirects);
            if wanted.contains(&status) {
                Ok(port_check)
            } else {
                Err(format!("GET {path} answered {status} instead of {words}"))
            }
        }
    }
}

/// Statuses with which a GET passes.
fn passing(takes_redirects: bool) -> (RangeInclusive<u16>, &'static str) {
    if takes_redirects {
        (200..=399, "200 to 399")
    } else {
        (200..=200, "200")
    }
}

/// Everything below the shim belongs to the run; init never listens, and may not be looked into.
fn whose(target: Target) -> Result<PortCheck, String> {
    let below = procfs::descendants(&BTreeSet::from([std::process::id()]));
    let pids = below.iter().map(|stat| stat.pid);
    let pids: BTreeSet<u32> = pids.filter(|pid| *pid != target.init_pid).collect();
    let port = target.port;
    match ports::listener(port, &pids) {
        Listener::Ours => Ok(PortCheck::Owned),
        Listener::Unknown => Ok(PortCheck::Connect),
        Listener::Foreign => Err(format!("port {port} is held by a process of somebody else")),
        Listener::Nobody => Err(format!("nobody listens on port {port} any more")),
    }
}

fn ask(mut stream: TcpStream, path: &str, port: u16, deadline: Instant) -> io::Result<u16> {
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(io::Error::from(io::ErrorKind::TimedOut))
        } else {
            Ok(left)
        }
    };
    // The kernel takes this little at once: no wait that has to look at the clock.
    stream.set_write_timeout(Some(left()?))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: windlass-healthcheck\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut buffer = [0; 256];
    while !head.contains(&b'\n') && head.len() < MAX_STATUS_LINE_BYTES {
        stream.set_read_timeout(Some(look(left()?)))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => head.extend_from_slice(&buffer[..length]),
            // What is left says whether it was the last look.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    status_of(&head).ok_or_else(|| io::Error::other("it is not HTTP"))
}

fn status_of(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    words
        .next()
        .filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_passes_with_200_or_with_redirects_too() {
        for (status, strict, lenient) in [
            (199, false, false),
            (200, true, true),
            (204, false, true),
            (302, false, true),
            (399, false, true),
            (400, false, false),
            (500, false, false),
        ] {
            assert_eq!(passing(false).0.contains(&status), strict, "{status}");
            assert_eq!(passing(true).0.contains(&status), lenient, "{status}");
        }
    }

    #[test]
    fn status_lines() {
        assert_eq!(status_of(b"HTTP/1.1 200 OK\r\nX: y"), Some(200));
        assert_eq!(status_of(b"HTTP/1.0 503\r\n"), Some(503));
        assert_eq!(status_of(b"SSH-2.0 200\r\n"), None);
        assert_eq!(status_of(b""), None);
    }
}
