//! One test per way in which an archive can be hostile.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proptest::prelude::*;
use tar::EntryType;

use super::testing::{TarEntry, ZipEntry, entry, file, gzip, tar, tar_entry, tar_file, zip};
use super::*;

pub(super) const SMALL: ArchiveLimits = ArchiveLimits {
    entries: 10,
    total_bytes: 5_000,
    file_bytes: 4_000,
    name_bytes: 100,
    depth: 5,
    link_target_bytes: 50,
    ratio: 20,
    ratio_floor_bytes: 1_000,
    metadata_bytes: 2_000,
};

pub(super) fn options(limits: ArchiveLimits) -> ExtractOptions {
    ExtractOptions {
        limits,
        ..ExtractOptions::default()
    }
}

pub(super) fn unzip(
    archive: &[u8],
    limits: ArchiveLimits,
) -> Result<tempfile::TempDir, ArchiveError> {
    let outer = tempfile::tempdir().unwrap();
    let result = extract_zip(
        Cursor::new(archive),
        &outer.path().join("in"),
        options(limits),
    );
    only_inside(outer.path());
    result.map(|_| outer)
}

pub(super) fn untar(
    archive: &[u8],
    limits: ArchiveLimits,
) -> Result<tempfile::TempDir, ArchiveError> {
    let outer = tempfile::tempdir().unwrap();
    let packed_bytes = archive.len() as u64;
    let destination = outer.path().join("in");
    let result = extract_tar_gz(archive, packed_bytes, &destination, options(limits));
    only_inside(outer.path());
    result.map(|_| outer)
}

/// Nothing stands beside the destination.
fn only_inside(outer: &Path) {
    let names: Vec<_> = fs::read_dir(outer)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(names.iter().all(|name| name == "in"), "{names:?}");
}

fn zip_refusal(entries: &[ZipEntry]) -> Refusal {
    let error = unzip(&zip(entries), SMALL).unwrap_err();
    error.refusal().unwrap_or_else(|| panic!("{error}")).clone()
}

fn tar_refusal(entries: &[TarEntry]) -> Refusal {
    let error = untar(&gzip(&tar(entries)), SMALL).unwrap_err();
    error.refusal().unwrap_or_else(|| panic!("{error}")).clone()
}

pub(super) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_zip_as_cf_makes_it() {
    // Directories carry the mode bits of a regular file; only the slash tells.
    let mut page = file("public/index.html", b"<p>hello</p>");
    page.deflate = true;
    let archive = zip(&[
        entry(b"public/", 0o100_755, b""),
        page,
        entry(b"run", 0o100_744, b"#!/bin/sh\n"),
        entry(b"empty", 0o100_644, b""),
        entry(b"link", 0o120_777, b"public/index.html"),
        entry(b"nested/without/entry", 0o100_644, b"x"),
    ]);
    let outer = unzip(&archive, SMALL).unwrap();
    let root = outer.path().join("in");
    assert!(root.join("public").is_dir());
    assert_eq!(mode(&root.join("public")), 0o755);
    assert_eq!(mode(&root.join("public/index.html")), 0o644);
    assert_eq!(mode(&root.join("run")), 0o755);
    assert_eq!(fs::read(root.join("empty")).unwrap(), b"");
    assert_eq!(fs::read(root.join("link")).unwrap(), b"<p>hello</p>");
    assert!(
        fs::symlink_metadata(root.join("link"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(fs::read(root.join("nested/without/entry")).unwrap(), b"x");
}

#[test]
fn names_that_lead_out() {
    for (name, expected) in [
        ("../x", Refusal::ParentComponent),
        ("a/../../x", Refusal::ParentComponent),
        ("/etc/x", Refusal::AbsoluteName),
        ("..\\x", Refusal::Backslash),
    ] {
        assert_eq!(zip_refusal(&[file(name, b"x")]), expected, "zip {name}");
        assert_eq!(tar_refusal(&[tar_file(name, b"x")]), expected, "tar {name}");
    }
    assert_eq!(
        zip_refusal(&[entry(b"a\0b", 0o100_644, b"")]),
        Refusal::NulByte
    );
}

#[test]
fn links_that_lead_out() {
    let link = |name: &str, target: &str| entry(name.as_bytes(), 0o120_777, target.as_bytes());
    assert_eq!(
        zip_refusal(&[link("a", "/etc/passwd")]),
        Refusal::AbsoluteLink
    );
    assert_eq!(zip_refusal(&[link("a", "../x")]), Refusal::EscapingLink);
    assert_eq!(
        zip_refusal(&[link("a", ".."), file("b", b"")]),
        Refusal::EscapingLink
    );
    assert_eq!(
        zip_refusal(&[link("d/up", ".."), link("out", "d/up/../x")]),
        Refusal::EscapingLink,
        "by way of another link"
    );
    assert_eq!(
        zip_refusal(&[link("a", "b"), link("b", "a")]),
        Refusal::LinkLoop
    );
    assert_eq!(zip_refusal(&[link("a", "")]), Refusal::BadLinkTarget);
    assert_eq!(
        zip_refusal(&[link("a", &"x/".repeat(40))]),
        Refusal::BadLinkTarget
    );
    let tar_link = |name, target| tar_entry(EntryType::Symlink, name, target, b"");
    assert_eq!(
        tar_refusal(&[tar_link("a", "/etc/passwd")]),
        Refusal::AbsoluteLink
    );
    assert_eq!(
        tar_refusal(&[tar_link("a/b", "../../x")]),
        Refusal::EscapingLink
    );
}

#[test]
fn nothing_is_written_through_a_link() {
    let link = entry(b"d", 0o120_777, b"elsewhere");
    let elsewhere = entry(b"elsewhere/", 0o040_755, b"");
    let through = file("d/x", b"x");
    assert_eq!(
        zip_refusal(&[elsewhere.clone(), link.clone(), through.clone()]),
        Refusal::FileAndDirectory
    );
    assert_eq!(
        zip_refusal(&[elsewhere, through, link]),
        Refusal::FileAndDirectory
    );

    // A link that was in the destination before.
    let outer = tempfile::tempdir().unwrap();
    let (inside, outside) = (outer.path().join("in"), outer.path().join("out"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, inside.join("d")).unwrap();
    std::os::unix::fs::symlink(outside.join("f"), inside.join("f")).unwrap();
    for name in ["d/x", "f"] {
        let archive = zip(&[file(name, b"x")]);
        extract_zip(Cursor::new(archive), &inside, options(SMALL)).unwrap_err();
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn kinds_that_are_not_files() {
    for kind in [0o010_644, 0o020_644, 0o060_644, 0o140_644] {
        assert_eq!(zip_refusal(&[entry(b"a", kind, b"")]), Refusal::SpecialFile);
    }
    for kind in [
        EntryType::Fifo,
        EntryType::Char,
        EntryType::Block,
        EntryType::new(b'V'),
    ] {
        assert_eq!(
            tar_refusal(&[tar_entry(kind, "a", "", b"")]),
            Refusal::SpecialFile
        );
    }
    let hard_link = tar_entry(EntryType::Link, "b", "a", b"");
    assert_eq!(
        tar_refusal(&[tar_file("a", b"x"), hard_link]),
        Refusal::HardLink
    );
    let sparse = tar_entry(EntryType::GNUSparse, "a", "", b"");
    assert_eq!(
        tar_refusal(&[sparse]),
        Refusal::UnsupportedForm("sparse file")
    );
    assert_eq!(
        zip_refusal(&[entry(b"d/", 0o040_755, b"x")]),
        Refusal::DirectoryWithContent
    );
}

#[test]
fn names_that_occur_twice() {
    assert_eq!(
        zip_refusal(&[file("a", b"1"), file("a", b"2")]),
        Refusal::DuplicateNames
    );
    assert_eq!(
        zip_refusal(&[file("a", b"1"), file("./a", b"2")]),
        Refusal::Duplicate
    );
    assert_eq!(
        zip_refusal(&[file("a", b"1"), file("a/b", b"2")]),
        Refusal::FileAndDirectory
    );
    assert_eq!(
        zip_refusal(&[file("a/b", b"1"), file("a", b"2")]),
        Refusal::FileAndDirectory
    );
    assert_eq!(
        tar_refusal(&[tar_file("a", b"1"), tar_file("a", b"2")]),
        Refusal::Duplicate
    );
    let directory = || tar_entry(EntryType::Directory, "d/", "", b"");
    untar(&gzip(&tar(&[directory(), directory()])), SMALL).expect("a directory twice is harmless");
    unzip(&zip(&[file("a", b"1"), file("A", b"2")]), SMALL).expect("case makes a difference");
}

#[test]
fn odd_modes_become_plain_ones() {
    let archive = zip(&[
        entry(b"setuid", 0o104_755, b""),
        entry(b"world", 0o100_666, b""),
        entry(b"nothing", 0o100_000, b""),
        entry(b"only-group-x", 0o100_010, b""),
        entry(b"sticky/", 0o041_777, b""),
        entry(b"dos", 0, b""),
    ]);
    let outer = unzip(&archive, SMALL).unwrap();
    let root = outer.path().join("in");
    for (name, expected) in [
        ("setuid", 0o755),
        ("world", 0o644),
        ("nothing", 0o644),
        ("only-group-x", 0o755),
        ("sticky", 0o755),
        ("dos", 0o644),
    ] {
        assert_eq!(mode(&root.join(name)), expected, "{name}");
    }
    let mut setuid = tar_file("s", b"");
    setuid.mode = 0o6755;
    let outer = untar(&gzip(&tar(&[setuid])), SMALL).unwrap();
    assert_eq!(mode(&outer.path().join("in/s")), 0o755);
}

#[test]
fn bombs_by_size_count_and_ratio() {
    let zeros = |name: &str, bytes: usize| {
        let mut entry = file(name, &vec![0; bytes]);
        entry.deflate = true;
        entry
    };
    assert_eq!(
        zip_refusal(&[zeros("a", 2_000)]),
        Refusal::Ratio { limit: 20 }
    );
    assert_eq!(
        zip_refusal(&[file("a", &[0; 4_001])]),
        Refusal::FileTooLarge { limit_bytes: 4_000 }
    );
    assert_eq!(
        zip_refusal(&[file("a", &[0; 3_000]), file("b", &[0; 3_000])]),
        Refusal::TooManyBytes { limit_bytes: 5_000 }
    );
    let many: Vec<_> = (0..11).map(|n| file(&format!("f{n}"), b"")).collect();
    assert_eq!(zip_refusal(&many), Refusal::TooManyEntries { limit: 10 });
    let implied = [
        file("a/b/c/d/e", b""),
        file("f/g/h/i/j", b""),
        file("k", b""),
    ];
    assert_eq!(zip_refusal(&implied), Refusal::TooManyEntries { limit: 10 });
    let long: Vec<_> = (0..30).map(|n| file(&format!("{n:0>90}"), b"")).collect();
    assert_eq!(
        zip_refusal(&long),
        Refusal::TooMuchMetadata { limit_bytes: 2_000 }
    );

    let no_ratio = ArchiveLimits {
        ratio: u64::MAX,
        ..SMALL
    };
    let error = untar(&gzip(&tar(&[tar_file("a", &[0; 4_500])])), no_ratio).unwrap_err();
    assert_eq!(
        error.refusal(),
        Some(&Refusal::FileTooLarge { limit_bytes: 4_000 })
    );
    // The decompressor is stopped also where content is skipped.
    let skipped = tar_entry(EntryType::Symlink, "a", "b", &vec![0; 900_000]);
    assert_eq!(
        tar_refusal(&[skipped]),
        Refusal::TooManyBytes { limit_bytes: 5_000 }
    );
    let limits = ArchiveLimits {
        file_bytes: u64::MAX,
        total_bytes: 40_000,
        ..SMALL
    };
    let bomb = gzip(&tar(&[tar_file("a", &vec![0; 900_000])]));
    let error = untar(&bomb, limits).unwrap_err();
    assert!(
        matches!(
            error.refusal(),
            Some(Refusal::Ratio { .. } | Refusal::TooManyBytes { .. })
        ),
        "{error}"
    );
}

#[test]
fn a_size_that_lies() {
    let mut archive = zip(&[file("a", b"0123456789")]);
    // The declared size in both headers becomes 3; the compressed one stays.
    let local = 22;
    let table = archive.len() - 22 - 46 - 1;
    archive[local] = 3;
    archive[table + 24] = 3;
    let error = unzip(&archive, SMALL).unwrap_err();
    assert!(
        matches!(error.refusal(), Some(Refusal::Corrupt(_))),
        "{error}"
    );
}

#[test]
fn names_too_long_or_too_deep() {
    assert_eq!(
        zip_refusal(&[file(&"a".repeat(101), b"")]),
        Refusal::NameTooLong { limit_bytes: 100 }
    );
    assert_eq!(
        zip_refusal(&[file("a/b/c/d/e/f", b"")]),
        Refusal::TooDeep { limit: 5 }
    );
    // A long name in an extension header is not read into memory without end.
    let long = tar_entry(
        EntryType::GNULongName,
        "././@LongLink",
        "",
        &vec![b'a'; 70_000],
    );
    let limits = ArchiveLimits {
        ratio: u64::MAX,
        ..SMALL
    };
    let error = untar(&gzip(&tar(&[long, tar_file("a", b"")])), limits).unwrap_err();
    assert!(
        matches!(error.refusal(), Some(Refusal::TooMuchMetadata { .. })),
        "{error}"
    );
}

#[test]
fn tar_extension_headers_are_checked_too() {
    let long = tar_entry(EntryType::GNULongName, "././@LongLink", "", b"../../evil\0");
    assert_eq!(
        tar_refusal(&[long, tar_file("good", b"x")]),
        Refusal::ParentComponent
    );
    let pax = tar_entry(EntryType::XHeader, "pax", "", b"18 path=/etc/cron\n");
    assert_eq!(
        tar_refusal(&[pax, tar_file("good", b"x")]),
        Refusal::AbsoluteName
    );
    let pax = tar_entry(EntryType::XHeader, "pax", "", b"9 size=1\n");
    let refusal = tar_refusal(&[pax, tar_file("good", b"x")]);
    assert!(matches!(refusal, Refusal::UnsupportedForm(_)), "{refusal}");
    let good = tar_entry(EntryType::XHeader, "pax", "", b"17 path=new-name\n");
    let outer = untar(&gzip(&tar(&[good, tar_file("old", b"x")])), SMALL).unwrap();
    assert!(outer.path().join("in/new-name").is_file());
}

#[test]
fn encrypted_and_damaged_archives() {
    let mut locked = file("a", b"secret content");
    locked.flags = 1;
    assert_eq!(zip_refusal(&[locked]), Refusal::Encrypted);
    let mut damaged = zip(&[file("a", b"content")]);
    damaged[32] ^= 1;
    let error = unzip(&damaged, SMALL).unwrap_err();
    assert!(
        matches!(error.refusal(), Some(Refusal::Corrupt(_))),
        "{error}"
    );
    for not_an_archive in [&b""[..], b"hello", &[0; 100]] {
        assert!(unzip(not_an_archive, SMALL).unwrap_err().is_refusal());
    }
    assert!(untar(b"hello", SMALL).unwrap_err().is_refusal());
    let whole = tar(&[tar_file("a", &[1; 3_000])]);
    let no_ratio = ArchiveLimits {
        ratio: u64::MAX,
        ..SMALL
    };
    let error = untar(&gzip(&whole[..2_000]), no_ratio).unwrap_err();
    assert!(
        matches!(error.refusal(), Some(Refusal::Corrupt(_))),
        "{error}"
    );
    let packed = gzip(&whole);
    assert!(
        untar(&packed[..packed.len() / 2], SMALL)
            .unwrap_err()
            .is_refusal()
    );
}

#[test]
fn an_error_names_the_entry_and_the_reason() {
    let error = unzip(&zip(&[file("ok", b""), file("../evil", b"")]), SMALL).unwrap_err();
    assert_eq!(
        error.to_string(),
        "entry \"../evil\": the name contains \"..\""
    );
    let error = unzip(
        &zip(&[file("..\u{1b}[2J/evil", b""), file("\u{1b}\\", b"")]),
        SMALL,
    );
    assert!(
        !error.unwrap_err().to_string().contains('\u{1b}'),
        "no control characters in logs"
    );
}

fn nasty_name() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"..".to_vec()),
        Just(b".".to_vec()),
        Just(b"".to_vec()),
        Just(b"a".to_vec()),
        Just(b"b".to_vec()),
        Just(b"C:".to_vec()),
        Just(b"..\\..".to_vec()),
        prop::collection::vec(any::<u8>(), 1..5),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.join(&b'/'))
}

fn nasty_entry() -> impl Strategy<Value = ZipEntry> {
    let modes = prop_oneof![
        Just(0o100_755),
        Just(0o120_777),
        Just(0o040_755),
        any::<u32>()
    ];
    (nasty_name(), modes, nasty_name()).prop_map(|(name, mode, data)| entry(&name, mode, &data))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whatever names, modes and link targets a zip has, nothing appears beside the destination,
    /// and no link that was made leads out of it.
    #[test]
    fn no_entry_leaves_the_destination(entries in prop::collection::vec(nasty_entry(), 1..8)) {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("in");
        let archive = zip(&entries);
        let _ = extract_zip(Cursor::new(archive), &root, options(SMALL));
        only_inside(outer.path());
        if root.exists() {
            let real_root = root.canonicalize().unwrap();
            walk(&root, &ArchiveLimits::PACKAGE, &mut |found| {
                let path = std::ffi::OsStr::new(std::str::from_utf8(found.path.as_bytes()).unwrap_or("."));
                if let Ok(real) = root.join(path).canonicalize() {
                    assert!(real.starts_with(&real_root), "{}", real.display());
                }
                Ok(())
            }).unwrap();
        }
    }
}
