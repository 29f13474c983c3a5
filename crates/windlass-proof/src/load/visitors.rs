//! The visitors: what each of them does until the end.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use windlass::demo::Failure;

use super::connection::{Connection, Visit};
use super::socket::{Ended, talk};
use super::tally::{Kind, Tally};

/// Visitors of each kind.
const KEEPING: usize = 32;
const PASSING: usize = 4;
const SLOW: usize = 6;
const UPLOADING: usize = 2;
const TALKING: usize = 6;
/// Pause of those who do not ask as fast as they can.
const PASSING_PAUSE: Duration = Duration::from_millis(10);
const UPLOAD_PAUSE: Duration = Duration::from_secs(1);
const MESSAGE_PAUSE: Duration = Duration::from_millis(100);
/// How long a slow request takes, milliseconds.
const SLOW_MS: u64 = 2_000;
/// Size of an upload, bytes.
const UPLOAD_BYTES: usize = 10 * 1024 * 1024;
/// Messages of a short WebSocket, and of one that only the end of its instance ends.
const FEW: u32 = 10;
const MANY: u32 = 100_000;

/// The visitors at work.
#[derive(Debug)]
pub(super) struct Visitors {
    stop: Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Visitors {
    /// Sends them off.
    pub(super) fn start(visit: Visit, tally: Arc<Tally>) -> Result<Self, Failure> {
        let failed = |source| Failure::System {
            what: "start the visitors",
            source,
        };
        let (stop, stopped) = channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let visitor = Visitor {
            visit: Arc::new(visit),
            tally,
            stopped,
        };
        let thread = std::thread::Builder::new()
            .name("visitors".to_owned())
            .spawn(move || runtime.block_on(visitor.all()))
            .map_err(failed)?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Lets every one of them finish. `false` when one of them broke.
    pub(super) fn finish(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        self.stop.send_replace(true);
        self.thread
            .take()
            .is_none_or(|thread| thread.join().is_ok())
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        self.end();
    }
}

#[derive(Clone)]
struct Visitor {
    visit: Arc<Visit>,
    tally: Arc<Tally>,
    stopped: Receiver<bool>,
}

impl Visitor {
    async fn all(self) {
        let mut visitors = JoinSet::new();
        for _ in 0..KEEPING {
            visitors.spawn(
                self.clone()
                    .ask(Kind::Keeping, "/".to_owned(), Duration::ZERO),
            );
        }
        for _ in 0..PASSING {
            visitors.spawn(
                self.clone()
                    .ask(Kind::Passing, "/".to_owned(), PASSING_PAUSE),
            );
        }
        for _ in 0..SLOW {
            let path = format!("/slow?ms={SLOW_MS}");
            visitors.spawn(self.clone().ask(Kind::Slow, path, Duration::ZERO));
        }
        for number in 0..UPLOADING {
            visitors.spawn(self.clone().upload(number));
        }
        for number in 0..TALKING {
            let messages = if number % 2 == 0 { FEW } else { MANY };
            visitors.spawn(self.clone().talk(messages));
        }
        while let Some(ended) = visitors.join_next().await {
            if let Err(error) = ended {
                self.tally
                    .failed(Kind::Keeping, &format!("a visitor broke: {error}"));
            }
        }
    }

    fn goes_on(&self) -> bool {
        !*self.stopped.borrow()
    }

    async fn ask(self, kind: Kind, path: String, pause: Duration) {
        let mut connection = Connection::default();
        while self.goes_on() {
            match connection.ask(&self.visit, &path, Bytes::new()).await {
                Ok(answer) => self.tally.answered(kind, &answer.version),
                Err(text) => self.tally.failed(kind, &text),
            }
            if kind == Kind::Passing {
                connection.close();
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn upload(self, number: usize) {
        let body = body(number);
        let wanted = format!("{} {:016x}", body.len(), digest(&body));
        let mut connection = Connection::default();
        while self.goes_on() {
            match connection.ask(&self.visit, "/digest", body.clone()).await {
                Ok(answer) if answer.body.trim_ascii() == wanted.as_bytes() => {
                    self.tally.answered(Kind::Upload, &answer.version);
                }
                Ok(answer) => {
                    let text = String::from_utf8_lossy(&answer.body);
                    self.tally
                        .failed(Kind::Upload, &format!("{text}, not {wanted}"));
                }
                Err(text) => self.tally.failed(Kind::Upload, &text),
            }
            tokio::time::sleep(UPLOAD_PAUSE).await;
        }
    }

    /// One WebSocket after the other. At the end a long one is given up.
    async fn talk(self, messages: u32) {
        let mut stopped = self.stopped.clone();
        while self.goes_on() {
            let ended = tokio::select! {
                ended = talk(&self.visit, &self.tally, messages, MESSAGE_PAUSE) => ended,
                _ = stopped.wait_for(|stopped| *stopped) => return,
            };
            match ended {
                Ok(Ended::Well) => {}
                Ok(Ended::CutByDrain) => self.tally.cut_by_drain(),
                Err(text) => self.tally.failed(Kind::Socket, &text),
            }
        }
    }
}

/// Bytes that differ from visitor to visitor and from place to place.
fn body(number: usize) -> Bytes {
    let byte = |at: usize| u8::try_from((at * 31 + at / 251 + number * 7) % 256).unwrap_or(0);
    (0..UPLOAD_BYTES).map(byte).collect()
}

/// 64 bits of FNV-1a, as the example counts them.
fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |digest: u64, byte| {
            (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_differ_and_their_digests_too() {
        assert_eq!(digest(b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(body(0).len(), UPLOAD_BYTES);
        assert_ne!(digest(&body(0)), digest(&body(1)));
    }
}
