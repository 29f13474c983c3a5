//! The disk space of a run.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Unit of the block count of a file, in bytes.
const BLOCK_BYTES: u64 = 512;
/// How the kernel names an open file without a name.
const NAMELESS: &[u8] = b" (deleted)";

/// Space that a directory takes. Hard links count once; other file systems and what cannot be read
/// count nothing.
pub(super) fn size_bytes(dir: &Path) -> u64 {
    let Ok(root) = std::fs::symlink_metadata(dir) else {
        return 0;
    };
    let mut total = 0;
    let mut links: BTreeSet<(u64, u64)> = BTreeSet::new();
    let mut waiting = vec![dir.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&path) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.dev() != root.dev() {
                continue;
            }
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else if metadata.nlink() > 1 && !links.insert((metadata.dev(), metadata.ino())) {
                continue;
            }
            total += metadata.blocks() * BLOCK_BYTES;
        }
    }
    total
}

/// Space of files on the file systems of `dirs` that have no name any more, or never had one, and
/// that these processes keep open: the space is free only when they are closed. Another user's
/// processes can't be asked, unless by root.
pub(super) fn nameless_bytes(pids: &[u32], dirs: &[PathBuf]) -> u64 {
    let devices: BTreeSet<u64> = dirs
        .iter()
        .filter_map(|dir| Some(fs::symlink_metadata(dir).ok()?.dev()))
        .collect();
    let mut total = 0;
    let mut seen: BTreeSet<(u64, u64)> = BTreeSet::new();
    for pid in pids {
        // It may be gone already.
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        for entry in open.flatten() {
            let is_nameless = fs::read_link(entry.path())
                .is_ok_and(|name| name.as_os_str().as_encoded_bytes().ends_with(NAMELESS));
            if !is_nameless {
                continue;
            }
            let Ok(metadata) = fs::metadata(entry.path()) else {
                continue;
            };
            let is_counted = metadata.is_file()
                && metadata.nlink() == 0
                && devices.contains(&metadata.dev())
                && seen.insert((metadata.dev(), metadata.ino()));
            if is_counted {
                total += metadata.blocks() * BLOCK_BYTES;
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_links_count_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), vec![1; 100_000]).unwrap();
        let before = size_bytes(dir.path());
        std::fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        assert!(before >= 100_000);
        assert_eq!(size_bytes(dir.path()), before);
    }

    #[test]
    fn open_files_without_a_name_count_once_and_no_others() {
        use std::io::{BufRead as _, Write as _};
        let dir = tempfile::tempdir().unwrap();
        let dirs = [dir.path().to_path_buf()];
        let script = "exec 3> \"$0\"; exec 4>&3; head -c 1000000 /dev/zero >&3; echo; read x; \
                      rm \"$0\"; echo; read x";
        let mut child = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(script)
            .arg(dir.path().join("a (deleted)"))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
        let pids = [child.id()];
        said.read_line(&mut String::new()).unwrap();
        assert_eq!(nameless_bytes(&pids, &dirs), 0, "it has a name");
        child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        said.read_line(&mut String::new()).unwrap();
        let counted = nameless_bytes(&pids, &dirs);
        assert!((1_000_000..1_500_000).contains(&counted), "{counted}");
        assert_eq!(nameless_bytes(&pids, &["/proc".into()]), 0, "elsewhere");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(nameless_bytes(&pids, &dirs), 0);
    }
}
