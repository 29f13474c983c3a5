//! A small file system that only this process and its children see.

use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use windlass::demo::Failure;

/// Its size, and who may pass it.
const OPTIONS: &str = "size=256m,mode=0711";

/// A file system in the place of a directory, as long as this value.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Makes the directory and mounts over it; needs [`alone`].
    ///
    /// # Errors
    /// When the system refuses.
    pub fn over(path: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(path).map_err(|source| Failure::File {
            what: "make directory",
            path: path.to_path_buf(),
            source,
        })?;
        let kind = Some("tmpfs");
        mount(kind, path, kind, MsFlags::empty(), Some(OPTIONS))
            .map_err(refused("mount a small file system"))?;
        Ok(Self {
            path: path.to_path_buf(),
        })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount2(&self.path, MntFlags::MNT_DETACH);
    }
}

/// From here on nobody else sees what this process mounts. To be called while it has one thread.
///
/// # Errors
/// When the system refuses.
pub fn alone() -> Result<(), Failure> {
    own_mounts().map_err(refused("see mounts of its own"))?;
    let none: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).map_err(refused("keep mounts private"))
}

/// As root, or as the same user in a namespace of users.
fn own_mounts() -> nix::Result<()> {
    let mounts = CloneFlags::CLONE_NEWNS;
    match unshare(mounts) {
        Err(nix::Error::EPERM) => {}
        done => return done,
    }
    let (user, group) = (nix::unistd::getuid(), nix::unistd::getgid());
    unshare(CloneFlags::CLONE_NEWUSER | mounts)?;
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{user} {user} 1")),
        ("gid_map", format!("{group} {group} 1")),
    ];
    for (name, text) in maps {
        std::fs::write(format!("/proc/self/{name}"), text).map_err(|_| nix::Error::EPERM)?;
    }
    Ok(())
}

fn refused(what: &'static str) -> impl FnOnce(nix::Error) -> Failure {
    move |errno| Failure::System {
        what,
        source: errno.into(),
    }
}
