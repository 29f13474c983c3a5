//! The clock of test builds: the machine's, and an offset that tests move forward.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

pub mod task;
pub mod thread;

/// Name of the file in the data directory. Its content: milliseconds that have passed beyond those
/// that really have, eight bytes, little end first. It is written in place, so that who has it open
/// sees it.
pub const FILE: &str = "test-clock-ms";
/// Where in the file the milliseconds begin by which the wall clock is ahead, or behind if they are
/// negative: eight bytes, little end first. A file that ends before has none.
pub const WALL_AT: u64 = 8;
/// How often a wait looks at the clock.
const LOOK: Duration = Duration::from_millis(20);
/// Where a span ends that is too long for the clock.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

static OFFSET: OnceLock<File> = OnceLock::new();

/// Names the data directory of this process and opens the file in it, which whoever comes first
/// makes. Only the first directory counts. Without the file the clock is the machine's.
pub fn follow(data_dir: &Path) {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(data_dir.join(FILE));
    if let Ok(file) = opened {
        let _ = OFFSET.set(file);
    }
}

/// What has passed beyond what really has.
pub fn offset() -> Duration {
    let mut bytes = [0; 8];
    match OFFSET.get().map(|file| file.read_exact_at(&mut bytes, 0)) {
        Some(Ok(())) => Duration::from_millis(u64::from_le_bytes(bytes)),
        Some(Err(_)) | None => Duration::ZERO,
    }
}

/// The wall clock, where tests have let it jump to.
pub fn wall() -> SystemTime {
    let now = SystemTime::now();
    let mut bytes = [0; 8];
    let read = OFFSET
        .get()
        .map(|file| file.read_exact_at(&mut bytes, WALL_AT));
    let Some(Ok(())) = read else { return now };
    let millis = i64::from_le_bytes(bytes);
    let span = Duration::from_millis(millis.unsigned_abs());
    let jumped = if millis < 0 {
        now.checked_sub(span)
    } else {
        now.checked_add(span)
    };
    jumped.unwrap_or(now)
}

/// An instant on the clock, with what the roles ask of it.
macro_rules! instant {
    ($machine:ty) => {
        /// A moment on the clock.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct Instant($machine);

        impl Instant {
            /// This moment.
            pub fn now() -> Self {
                Self(<$machine>::now() + crate::offset())
            }

            /// What has passed since then.
            pub fn elapsed(&self) -> Duration {
                Self::now().saturating_duration_since(*self)
            }

            /// What has passed since an earlier moment.
            pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
                self.0.saturating_duration_since(earlier.0)
            }

            /// A later moment, if the clock reaches it.
            pub fn checked_add(&self, span: Duration) -> Option<Self> {
                self.0.checked_add(span).map(Self)
            }
        }

        impl std::ops::Add<Duration> for Instant {
            type Output = Self;

            fn add(self, span: Duration) -> Self {
                Self(self.0 + span)
            }
        }

        impl std::ops::Sub for Instant {
            type Output = Duration;

            fn sub(self, earlier: Self) -> Duration {
                self.saturating_duration_since(earlier)
            }
        }
    };
}
pub(crate) use instant;

#[cfg(test)]
mod tests {
    use super::*;

    /// One test: the file of a process is set once.
    #[test]
    fn waits_end_when_the_file_says_that_their_time_has_passed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(offset(), Duration::ZERO);
        follow(dir.path());
        assert_eq!(offset(), Duration::ZERO, "an empty file adds nothing");
        let hour = Duration::from_hours(1);
        let began = (thread::Instant::now(), task::Instant::now());
        let blocked = std::thread::spawn(move || thread::sleep(hour));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let short = task::timeout(Duration::from_millis(1), std::future::pending::<()>());
            assert_eq!(short.await, Err(task::Elapsed), "real time passes too");
            let slept = tokio::spawn(task::sleep(hour));
            let never = tokio::spawn(task::sleep(Duration::MAX));
            let file = OpenOptions::new()
                .write(true)
                .open(dir.path().join(FILE))
                .unwrap();
            assert!(!blocked.is_finished() && !slept.is_finished());
            let mut millis = 0_u64;
            // An hour more each time: a thread may begin its wait late.
            while !blocked.is_finished() {
                millis += u64::try_from(hour.as_millis()).unwrap();
                file.write_all_at(&millis.to_le_bytes(), 0).unwrap();
                tokio::time::sleep(LOOK).await;
            }
            slept.await.unwrap();
            assert!(!never.is_finished());
        });
        blocked.join().unwrap();
        assert!(began.0.elapsed() >= hour && began.1.elapsed() >= hour);
        // The wall clock alone jumps, and jumps back.
        let file = OpenOptions::new()
            .write(true)
            .open(dir.path().join(FILE))
            .unwrap();
        let (passed, real) = (offset(), SystemTime::now());
        let day_ms = 24 * 60 * 60 * 1000_i64;
        for millis in [day_ms, -day_ms] {
            file.write_all_at(&millis.to_le_bytes(), WALL_AT).unwrap();
            let is_ahead = wall() > real + hour;
            let is_behind = wall() < real - hour;
            assert_eq!((is_ahead, is_behind), (millis > 0, millis < 0));
        }
        assert_eq!(offset(), passed);
    }
}
