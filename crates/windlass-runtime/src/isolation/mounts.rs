//! The view of the file system inside a mount namespace: a private `/tmp`, a `/proc` that shows
//! only the run, and neither the data of the server nor other runs.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

/// Size of `/dev/shm`, which counts as memory of the run.
const SHM_OPTIONS: &str = "size=64m,mode=1777";
/// Size of the empty directory that hides another one; it only holds mount points.
const COVER_OPTIONS: &str = "size=1m,mode=755";

/// What the view has to show and to hide.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// Becomes `/tmp` and `/var/tmp`.
    pub(crate) tmp: PathBuf,
    /// Stay visible although something above them is hidden.
    pub(crate) exposed: Vec<PathBuf>,
    /// Is hidden: the data directory.
    pub(crate) hidden: Option<PathBuf>,
    /// User that must be able to walk to the exposed paths.
    pub(crate) uid: Option<u32>,
}

/// Builds the view in the mount namespace of the calling process.
///
/// # Errors
/// What was tried and what the kernel said, for people.
pub(crate) fn build(view: &View) -> Result<(), String> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    attempt(
        "making mounts private",
        mount_raw(None, Path::new("/"), None, private, None),
    )?;

    // Hold the exposed paths before anything covers them.
    let mut held = Vec::new();
    for path in &view.exposed {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open(path);
        match opened {
            Ok(file) => held.push((path, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("opening {}: {error}", path.display())),
        }
    }
    let tmp = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(&view.tmp);
    let tmp = tmp.map_err(|error| format!("opening {}: {error}", view.tmp.display()))?;

    let mut covers: Vec<PathBuf> = view.hidden.iter().cloned().collect();
    covers.extend(
        view.uid
            .into_iter()
            .flat_map(|uid| unreachable_parents(&view.exposed, uid)),
    );
    covers.sort();
    covers.dedup();
    let tmp_dirs = [PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
    // A directory below another hidden one needs no cover of its own, and `/tmp` is covered by the
    // private one.
    let all = covers.clone();
    covers.retain(|cover| {
        let above = all.iter().chain(&tmp_dirs);
        !above
            .into_iter()
            .any(|other| cover.starts_with(other) && cover != other)
            && !tmp_dirs.contains(cover)
    });

    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    for dir in tmp_dirs.iter().filter(|dir| dir.is_dir()) {
        attempt(
            "binding /tmp",
            mount_raw(Some(&handle(&tmp)), dir, None, bind, None),
        )?;
    }
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    for cover in &covers {
        let covered = mount_raw(
            Some(Path::new("none")),
            cover,
            Some("tmpfs"),
            plain,
            Some(COVER_OPTIONS),
        );
        attempt(&format!("covering {}", cover.display()), covered)?;
    }
    for (path, file) in &held {
        if covers
            .iter()
            .chain(&tmp_dirs)
            .any(|cover| path.starts_with(cover))
        {
            let shown = mount_point(path, file)
                .and_then(|()| mount_raw(Some(&handle(file)), path, None, bind, None));
            attempt(&format!("showing {}", path.display()), shown)?;
        }
    }
    if Path::new("/dev/shm").is_dir() {
        let shm = Path::new("/dev/shm");
        let made = mount_raw(
            Some(Path::new("none")),
            shm,
            Some("tmpfs"),
            plain,
            Some(SHM_OPTIONS),
        );
        attempt("mounting /dev/shm", made)?;
    }
    let proc = Path::new("/proc");
    let flags = plain | MsFlags::MS_NOEXEC;
    attempt(
        "mounting /proc",
        mount_raw(Some(proc), proc, Some("proc"), flags, None),
    )
}

/// The outermost directory above each path which `uid` cannot walk through.
fn unreachable_parents(paths: &[PathBuf], uid: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in paths {
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        let blocked = above.into_iter().find(|dir| !can_walk(dir, uid));
        found.extend(blocked.map(Path::to_path_buf));
    }
    found
}

/// True if a process of `uid` (and a group of the same number) may walk through `dir`.
pub(crate) fn can_walk(dir: &Path, uid: u32) -> bool {
    let Ok(metadata) = fs::metadata(dir) else {
        return true;
    };
    let bit = if metadata.uid() == uid {
        0o100
    } else if metadata.gid() == uid {
        0o010
    } else {
        0o001
    };
    metadata.mode() & bit != 0
}

/// Makes a place for a bind mount of `file` at `path`.
fn mount_point(path: &Path, file: &File) -> io::Result<()> {
    let is_dir = file.metadata()?.is_dir();
    let parent = path.parent().unwrap_or(Path::new("/"));
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o755);
    if is_dir {
        return builder.create(path);
    }
    builder.create(parent)?;
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)
    {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// A path that means an open file even when its own path is covered. The `/proc` of the outer pid
/// namespace must still be mounted.
fn handle(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn mount_raw(
    source: Option<&Path>,
    target: &Path,
    kind: Option<&str>,
    flags: MsFlags,
    options: Option<&str>,
) -> io::Result<()> {
    Ok(mount(source, target, kind, flags, options)?)
}

fn attempt(what: &str, result: io::Result<()>) -> Result<(), String> {
    result.map_err(|error| format!("{what}: {error}"))
}
