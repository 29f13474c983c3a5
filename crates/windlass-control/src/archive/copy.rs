//! Copies a tree, and changes the owner of one.

use std::path::Path;

use nix::fcntl::AtFlags;
use nix::unistd::{Gid, Uid, fchownat};

use super::{
    ArchiveError, ArchiveLimits, ExtractOptions, Extracted, FoundKind, Owner, TreeWriter, walk,
};

/// Copies everything below `from` to `to` (created when missing, else empty): plain copies, so that
/// no instance can change what another one runs.
/// Execute bits and links are kept, links are checked as when unpacking.
pub fn copy_tree(
    from: &Path,
    to: &Path,
    options: ExtractOptions,
) -> Result<Extracted, ArchiveError> {
    let mut tree = TreeWriter::new(to, options)?;
    walk(from, &options.limits, &mut |found| match &found.kind {
        FoundKind::Directory => tree.directory(found.path),
        FoundKind::File { executable, .. } => {
            tree.file(found.path, *executable, None, found.open()?)
        }
        FoundKind::Symlink { target } => tree.symlink(found.path, target.clone()),
    })?;
    tree.finish()
}

/// Gives a directory and everything below it to a user; links themselves, not what they point to.
/// Needs root unless the owner stays the same.
pub fn own_tree(
    directory: &Path,
    owner: Owner,
    limits: &ArchiveLimits,
) -> Result<(), ArchiveError> {
    let (uid, gid) = (
        Some(Uid::from_raw(owner.uid)),
        Some(Gid::from_raw(owner.gid)),
    );
    walk(directory, limits, &mut |found| {
        fchownat(
            found.parent,
            found.name,
            uid,
            gid,
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )
        .map_err(|errno| found.io("change the owner of", errno))
    })?;
    nix::unistd::chown(directory, uid, gid)
        .map_err(|errno| ArchiveError::io("change the owner of", directory, errno))
}
