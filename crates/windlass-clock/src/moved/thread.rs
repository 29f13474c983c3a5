//! For threads that block.

use std::time::Duration;

use super::{FAR, LOOK, instant};

instant!(std::time::Instant);

/// Blocks until so much has passed.
pub fn sleep(span: Duration) {
    let now = Instant::now();
    let until = now.checked_add(span).unwrap_or(now + FAR);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(look(left));
    }
}

/// How long a wait that has `left` to go may block before it looks at the clock again.
pub fn look(left: Duration) -> Duration {
    left.min(LOOK)
}
