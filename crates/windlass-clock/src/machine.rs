//! The clock of every build but those for tests.

use std::path::Path;
use std::time::Duration;

/// Names the data directory of this process; only test builds read a file in it.
pub fn follow(_data_dir: &Path) {}

/// What has passed beyond what really has: nothing.
pub const fn offset() -> Duration {
    Duration::ZERO
}

/// The wall clock.
pub fn wall() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// For threads that block.
pub mod thread {
    use std::time::Duration;

    pub use std::thread::sleep;
    pub use std::time::Instant;

    /// How long a wait that has `left` to go may block before it looks at the clock again.
    pub const fn look(left: Duration) -> Duration {
        left
    }
}

/// For tasks.
pub mod task {
    pub use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout, timeout_at};
}
