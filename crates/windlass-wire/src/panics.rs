//! A panic of a handler: a bug, but of one request alone.

use std::any::Any;

/// What a panic says, for the log. Never for a client.
pub fn text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
