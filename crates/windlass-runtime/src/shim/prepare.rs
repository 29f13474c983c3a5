//! What has to be there before a process of the app is started.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::cgroup::{Groups, Hierarchies};
use crate::spec::LaunchSpec;
use crate::state::{TMP_DIR, WORK_DIR};

/// Makes `work/` and `tmp/` and gives them to the user of the run.
pub(super) fn directories(spec: &LaunchSpec) -> Result<(), String> {
    let user = user_of(spec)?;
    for name in [WORK_DIR, TMP_DIR] {
        let dir = spec.run_dir.join(name);
        let made = fs::create_dir_all(&dir)
            .and_then(|()| fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)))
            .and_then(|()| user.map_or(Ok(()), |uid| give_to(&dir, uid)));
        made.map_err(|error| format!("preparing {}: {error}", dir.display()))?;
    }
    Ok(())
}

/// The user that the processes get, if it is another one than the server's.
pub(super) fn user_of(spec: &LaunchSpec) -> Result<Option<u32>, String> {
    if !spec.isolation.uid {
        return Ok(None);
    }
    if !geteuid().is_root() {
        return Err("isolation by uid needs a server that runs as root".to_owned());
    }
    match spec.uid {
        Some(0) | None => Err("isolation by uid needs a user id that is not root's".to_owned()),
        Some(uid) => Ok(Some(uid)),
    }
}

/// The data directory of the server, which the processes must not see.
pub(super) fn data_dir(spec: &LaunchSpec) -> Option<PathBuf> {
    let runs = spec.run_dir.parent().filter(|runs| runs.ends_with("runs"));
    runs.and_then(Path::parent).map(PathBuf::from)
}

/// Makes the control groups of the run.
pub(super) fn groups(spec: &LaunchSpec) -> Result<Option<Groups>, String> {
    if !spec.isolation.cgroup {
        return Ok(None);
    }
    let made = Groups::create(&Hierarchies::detect(), &spec.run, &spec.limits);
    made.map(Some)
        .map_err(|error| format!("control group: {error}"))
}

/// Symbolic links are given away themselves, never what they point to.
fn give_to(path: &Path, uid: u32) -> io::Result<()> {
    let mut waiting = vec![path.to_path_buf()];
    while let Some(path) = waiting.pop() {
        lchown(&path, Some(uid), Some(uid))?;
        if fs::symlink_metadata(&path)?.is_dir() {
            for entry in fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        }
    }
    Ok(())
}
