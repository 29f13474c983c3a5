//! Waiting for a commit that makes something true.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Admin;
use super::error::Refusal;
use super::query::{WaitFor, WaitQuery};

/// Longest wait of one request.
const LONGEST: Duration = Duration::from_secs(30);

impl Admin {
    /// Reads again after each commit until `is_there` holds or the wait is over. Says whether it
    /// came; `None` when nothing was waited for.
    pub(super) async fn wait_for<T>(
        &self,
        query: &WaitQuery,
        read: impl Fn() -> Result<T, Refusal>,
        is_there: impl Fn(&T, WaitFor) -> bool,
    ) -> Result<(T, Option<bool>), Refusal> {
        let Some(what) = query.wait else {
            return Ok((read()?, None));
        };
        let end = Instant::now() + Duration::from_millis(query.wait_ms).min(LONGEST);
        // Listen before reading, so that no commit falls between.
        let mut hints = self.control.store().hints();
        loop {
            let value = read()?;
            if is_there(&value, what) {
                return Ok((value, Some(true)));
            }
            match timeout_at(end, hints.next()).await {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return Ok((value, Some(false))),
            }
        }
    }
}
