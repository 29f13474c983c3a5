//! The most disk that a process or a task may ask for.

use crate::body::Validator;

/// Most disk, MiB.
pub(crate) const MAX_DISK_MB: i64 = 2_048;

/// Refuses more disk for a process than there may be.
pub(crate) fn check(checks: &mut Validator, disk_in_mb: Option<i64>) {
    let Some(asked) = disk_in_mb.filter(|asked| *asked > MAX_DISK_MB) else {
        return;
    };
    checks.add(format!(
        "disk_quota too much disk requested (requested {asked} MB - must be less than \
         {MAX_DISK_MB} MB)"
    ));
}
