//! Zip files: nothing is written outside the destination, the limits hold, links stay inside, and
//! what was unpacked packs and unpacks to the same tree again.
//!
//! An input is a zip, or, after a byte `0xff`, a list of entries of which one is made with right
//! checksums.

mod made;

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use windlass_control::archive::{
    ArchiveError, ArchiveLimits, ExtractOptions, Extracted, extract_zip, zip_tree,
};

/// Begins a list of entries.
const ENTRIES: u8 = 0xff;
/// Name of the destination, beside which nothing may be.
const INSIDE: &str = "in";

const LIMITS: ArchiveLimits = ArchiveLimits {
    entries: 24,
    total_bytes: 20_000,
    file_bytes: 8_000,
    name_bytes: 120,
    depth: 6,
    link_target_bytes: 60,
    ratio: 20,
    ratio_floor_bytes: 2_000,
    metadata_bytes: 8_000,
};

/// What lies at a path.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Directory,
    File { content: Vec<u8>, mode: u32 },
    Link { target: PathBuf },
}

/// Feeds one zip.
pub fn check(input: &[u8]) {
    match input.split_first() {
        Some((&ENTRIES, entries)) => unpack(&made::zip(entries)),
        _ => unpack(input),
    }
}

fn unpack(archive: &[u8]) {
    let outer = tempfile::tempdir().expect("a directory");
    let (result, found) = extract(archive, outer.path(), LIMITS.ratio);
    let extracted = match result {
        Ok(extracted) => extracted,
        Err(error) => {
            assert!(error.is_refusal(), "the machine is blamed: {error}");
            let text = error.to_string();
            assert!(!text.contains(['\n', '\r', '\0']), "{text:?}");
            return;
        }
    };
    assert_eq!(found.len() as u64, extracted.entries);
    assert_eq!(content_bytes(&found), extracted.bytes);
    let is_done = |found: &Found| !matches!(found, Found::File { mode: 0o600, .. });
    assert!(found.values().all(is_done), "{found:?}");
    let inside = outer.path().join(INSIDE);
    links_stay(&inside, &found);
    // Names that are no text can't be packed as a zip.
    if found.keys().all(|path| path.to_str().is_some()) {
        packs_again(&inside, &found);
    }
}

fn extract(
    archive: &[u8],
    outer: &Path,
    ratio: u64,
) -> (Result<Extracted, ArchiveError>, BTreeMap<PathBuf, Found>) {
    let options = ExtractOptions {
        limits: ArchiveLimits { ratio, ..LIMITS },
        ..ExtractOptions::default()
    };
    let inside = outer.join(INSIDE);
    let result = extract_zip(Cursor::new(archive), &inside, options);
    let beside: Vec<_> = fs::read_dir(outer)
        .expect("is read")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name != INSIDE)
        .collect();
    assert!(beside.is_empty(), "written outside: {beside:?}");
    let mut found = BTreeMap::new();
    if inside.exists() {
        look(&inside, Path::new(""), &mut found);
    }
    // Also what a refused archive left behind is within the limits.
    assert!(
        found.len() as u64 <= LIMITS.entries,
        "{} entries",
        found.len()
    );
    assert!(content_bytes(&found) <= LIMITS.total_bytes);
    for (path, found) in &found {
        assert!(path.components().count() <= LIMITS.depth, "{path:?}");
        if let Found::File { content, .. } = found {
            assert!(content.len() as u64 <= LIMITS.file_bytes);
        }
    }
    (result, found)
}

/// Reads a tree without following links.
fn look(root: &Path, below: &Path, all: &mut BTreeMap<PathBuf, Found>) {
    for entry in fs::read_dir(root.join(below)).expect("is read") {
        let entry = entry.expect("an entry");
        let path = below.join(entry.file_name());
        let data = fs::symlink_metadata(entry.path()).expect("is there");
        let mode = data.permissions().mode() & 0o7777;
        let found = if data.is_dir() {
            assert_eq!(mode, 0o755, "{path:?}");
            look(root, &path, all);
            Found::Directory
        } else if data.is_symlink() {
            let target = fs::read_link(entry.path()).expect("a target");
            Found::Link { target }
        } else {
            assert!(data.is_file(), "{path:?} is something else");
            // A file that was refused halfway is its owner's alone.
            assert!(matches!(mode, 0o600 | 0o644 | 0o755), "{path:?}: {mode:o}");
            let content = fs::read(entry.path()).expect("is read");
            Found::File { content, mode }
        };
        all.insert(path, found);
    }
}

fn content_bytes(all: &BTreeMap<PathBuf, Found>) -> u64 {
    let files = all.values().map(|found| match found {
        Found::File { content, .. } => content.len() as u64,
        Found::Directory | Found::Link { .. } => 0,
    });
    files.sum()
}

/// Whatever a link leads to, if to anything, is inside.
fn links_stay(inside: &Path, all: &BTreeMap<PathBuf, Found>) {
    let root = inside.canonicalize().expect("is there");
    for (path, found) in all {
        if let Found::Link { target } = found {
            assert!(target.is_relative(), "{path:?} → {target:?}");
            if let Ok(led) = inside.join(path).canonicalize() {
                assert!(led.starts_with(&root), "{path:?} leads to {led:?}");
            }
        }
    }
}

fn packs_again(inside: &Path, found: &BTreeMap<PathBuf, Found>) {
    let packed = match zip_tree(Vec::new(), inside, &LIMITS) {
        Ok((packed, _)) => packed,
        Err(error) => {
            let is_text = found.values().all(|found| match found {
                Found::Link { target } => target.to_str().is_some(),
                Found::Directory | Found::File { .. } => true,
            });
            assert!(!is_text, "what was unpacked is packed: {error}");
            return;
        }
    };
    let again = tempfile::tempdir().expect("a directory");
    // What is packed here may be as compressible as what it is made of.
    match extract(&packed, again.path(), ArchiveLimits::STORED_PACKAGE.ratio) {
        (Ok(_), same) => assert_eq!(&same, found),
        // A table of contents of our own may be longer than the one that came.
        (Err(ArchiveError::Whole(refusal)), _) => {
            let text = refusal.to_string();
            assert!(text.contains("own headers"), "{text}");
        }
        (Err(error), _) => panic!("what was packed is unpacked: {error}"),
    }
}
