//! Ends what killed shims left behind: as outer subreaper the supervisor inherits it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use nix::unistd::Pid;
use windlass_runtime::reap_and_end_orphans;

/// Longest time for one orphan; what is left then is taken up at the next look. The supervisor
/// stands still in it: it must not start a role that the sweep does not know.
const SWEEP_LIMIT: Duration = Duration::from_millis(200);
/// Longest time for one tree when everything is ended.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// Ends every child of ours that is neither to be kept nor a live shim, perhaps of the program
/// before a reload. Returns how many there were.
pub(super) fn sweep(keep: &[Pid], data_dir: &Path, program_before: Option<&Path>) -> usize {
    let keep: BTreeSet<u32> = keep.iter().map(|pid| pid.as_raw().unsigned_abs()).collect();
    reap_and_end_orphans(&keep, data_dir, program_before, SWEEP_LIMIT)
        .ended
        .len()
}

/// Ends every child of ours with its tree. For the end, when control and router are gone.
pub(super) fn kill_everything() {
    // No run lies there, so no shim is spared.
    let nowhere = Path::new("/nonexistent");
    reap_and_end_orphans(&BTreeSet::new(), nowhere, None, KILL_LIMIT);
}
