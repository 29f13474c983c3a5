//! The roles that `windlass up` starts, and the shim.

use std::path::Path;

use crate::cli::CliError;
use crate::handover;
use crate::role_link::{self, FromRole};

/// Runs one shim; returns its exit status.
pub fn shim(_run_dir: &Path) -> u8 {
    1
}

/// Runs control until it is told to end.
pub fn control() -> Result<u8, CliError> {
    idle()
}

/// Runs the router until it is told to end.
pub fn router() -> Result<u8, CliError> {
    idle()
}

fn idle() -> Result<u8, CliError> {
    let handover = handover::receive()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut r, mut w) = role_link::split(handover.link).unwrap();
        w.send(&FromRole::Ready).await.unwrap();
        while let Ok(Some(role_link::ToRole::StopAll)) = r.next().await {
            w.send(&FromRole::Stopped).await.unwrap();
        }
    });
    Ok(0)
}
