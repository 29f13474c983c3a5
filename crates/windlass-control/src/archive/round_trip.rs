//! What is packed can be unpacked, and gives the same bytes again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::hostile::{SMALL, mode, options, untar, unzip};
use super::*;

#[test]
fn packing_is_deterministic_and_round_trips() {
    let outer = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let root = outer.path().join(name);
        fs::create_dir_all(root.join("bin")).unwrap();
        let long = "long-name/".repeat(15);
        fs::create_dir_all(root.join(&long)).unwrap();
        fs::write(root.join(&long).join("file"), b"deep").unwrap();
        fs::write(root.join("bin/run"), b"#!/bin/sh\n").unwrap();
        fs::set_permissions(root.join("bin/run"), fs::Permissions::from_mode(0o4711)).unwrap();
        std::os::unix::fs::symlink("bin/run", root.join("start")).unwrap();
        std::os::unix::fs::symlink(format!("{long}file"), root.join("far")).unwrap();
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        root
    };
    let pack = |root: &Path| {
        let items = [
            PackItem::Tree {
                name: "app",
                directory: root,
            },
            PackItem::Directory { name: "tmp" },
            PackItem::File {
                name: "info.yml",
                content: b"{}",
            },
        ];
        pack_tar_gz(Vec::new(), &items, &options(ArchiveLimits::DROPLET))
            .unwrap()
            .0
    };
    let first = pack(&make("first"));
    let second_root = make("second");
    let touched = fs::File::open(second_root.join("bin/run")).unwrap();
    touched
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(first, pack(&second_root), "times and owners do not count");

    let unpacked = untar(&first, ArchiveLimits::DROPLET).unwrap();
    let root = unpacked.path().join("in");
    assert_eq!(mode(&root.join("app/bin/run")), 0o755);
    assert_eq!(
        fs::read_link(root.join("app/start")).unwrap(),
        Path::new("bin/run")
    );
    assert_eq!(fs::read(root.join("app/far")).unwrap(), b"deep");
    assert!(!root.join("app/pipe").exists());
    assert!(root.join("tmp").is_dir());

    let copy = outer.path().join("copy");
    copy_tree(&root, &copy, options(ArchiveLimits::DROPLET)).unwrap();
    let items = [PackItem::Tree {
        name: "",
        directory: &copy,
    }];
    let again = pack_tar_gz(Vec::new(), &items, &options(ArchiveLimits::DROPLET))
        .unwrap()
        .0;
    let items = [PackItem::Tree {
        name: "",
        directory: &root,
    }];
    let original = pack_tar_gz(Vec::new(), &items, &options(ArchiveLimits::DROPLET))
        .unwrap()
        .0;
    assert_eq!(again, original);

    let (zipped, _) = zip_tree(Vec::new(), &root, &ArchiveLimits::DROPLET).unwrap();
    let unzipped = unzip(&zipped, ArchiveLimits::DROPLET).unwrap();
    let items = [PackItem::Tree {
        name: "",
        directory: &unzipped.path().join("in"),
    }];
    let from_zip = pack_tar_gz(Vec::new(), &items, &options(ArchiveLimits::DROPLET))
        .unwrap()
        .0;
    assert_eq!(from_zip, original, "through a zip and back");
}

#[test]
fn packing_refuses_what_could_not_be_unpacked() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path();
    std::os::unix::fs::symlink("/etc/passwd", root.join("a")).unwrap();
    let items = [PackItem::Tree {
        name: "app",
        directory: root,
    }];
    let error = pack_tar_gz(Vec::new(), &items, &options(SMALL)).unwrap_err();
    assert_eq!(error.refusal(), Some(&Refusal::AbsoluteLink));
    fs::remove_file(root.join("a")).unwrap();
    fs::write(root.join("big"), [0; 4_001]).unwrap();
    let error = pack_tar_gz(Vec::new(), &items, &options(SMALL)).unwrap_err();
    assert_eq!(
        error.refusal(),
        Some(&Refusal::FileTooLarge { limit_bytes: 4_000 })
    );
}

#[test]
fn a_copy_can_be_given_to_a_user() {
    use std::os::unix::fs::MetadataExt;

    if !nix::unistd::geteuid().is_root() {
        // Only root may give files away: then nothing runs under another user either.
        return;
    }
    let outer = tempfile::tempdir().unwrap();
    let from = outer.path().join("from");
    fs::create_dir_all(from.join("d")).unwrap();
    fs::write(from.join("d/file"), b"x").unwrap();
    let outside = outer.path().join("outside");
    fs::write(&outside, b"mine").unwrap();
    std::os::unix::fs::symlink("d/file", from.join("link")).unwrap();
    let owned = |root: &Path, id: u32| {
        for name in ["", "d", "d/file", "link"] {
            let metadata = fs::symlink_metadata(root.join(name)).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (id, id), "{name}");
        }
    };
    let to = outer.path().join("to");
    let owner = Owner {
        uid: 54_321,
        gid: 54_321,
    };
    copy_tree(
        &from,
        &to,
        ExtractOptions {
            owner: Some(owner),
            ..options(SMALL)
        },
    )
    .unwrap();
    owned(&to, 54_321);
    // A link out of the tree, as a program may have made it, is not followed.
    std::os::unix::fs::symlink(&outside, to.join("out")).unwrap();
    own_tree(
        &to,
        Owner {
            uid: 54_322,
            gid: 54_322,
        },
        &SMALL,
    )
    .unwrap();
    owned(&to, 54_322);
    assert_eq!(fs::metadata(&outside).unwrap().uid(), 0);
}

/// Who writes an archive into a pipe, as git does, fills it up behind the mark of its end, and is
/// cut off when nobody reads that.
#[test]
fn a_tar_is_read_to_the_end_of_what_fills_it_up() {
    let outer = tempfile::tempdir().unwrap();
    let mut filled_up = testing::tar(&[testing::tar_file("a", b"x")]);
    filled_up.resize(filled_up.len() + 10_240, 0);
    let mut reader = filled_up.as_slice();
    extract_tar(&mut reader, &outer.path().join("app"), options(SMALL)).unwrap();
    assert_eq!(reader.len(), 0);
    assert_eq!(fs::read(outer.path().join("app/a")).unwrap(), b"x");
}
