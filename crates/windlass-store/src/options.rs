//! Settings of an open store.

/// Settings of an open store. The defaults are right for one control process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// Changes that may wait for the writer; more callers wait in turn.
    pub queue_limit: usize,
    /// How long a caller waits for a place in the queue, milliseconds, before
    /// [`StoreError::Overloaded`](crate::StoreError::Overloaded).
    pub queue_wait_ms: u64,
    /// Most changes of one commit.
    pub group_limit: usize,
    /// Read connections that stay open; more are opened and closed as needed.
    pub idle_readers: usize,
    /// Lists that run at a time; more callers wait in turn.
    pub list_limit: usize,
    /// How long another process may lock the file before an error, milliseconds.
    pub busy_timeout_ms: u32,
    /// Hints that are kept for a slow listener before it is told that it missed some.
    pub hint_limit: usize,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            queue_limit: 1024,
            queue_wait_ms: 10_000,
            group_limit: 256,
            idle_readers: 4,
            list_limit: 4,
            busy_timeout_ms: 5_000,
            hint_limit: 1024,
        }
    }
}
