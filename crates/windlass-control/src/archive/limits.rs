//! What an archive may at most contain.

/// Limits of one archive. All are checked while reading, before anything larger exists on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Entries, counting directories that are only implied by names.
    pub entries: u64,
    /// Content of all files together, in bytes.
    pub total_bytes: u64,
    /// Content of one file, in bytes.
    pub file_bytes: u64,
    /// Length of one name, in bytes.
    pub name_bytes: usize,
    /// Components of one name.
    pub depth: usize,
    /// Length of the target of a symbolic link, in bytes.
    pub link_target_bytes: usize,
    /// Content may be this many times larger than its compressed form …
    pub ratio: u64,
    /// … once it is larger than this, in bytes: small files of one letter are no bombs.
    pub ratio_floor_bytes: u64,
    /// The archive's own headers (the table of contents of a zip), in bytes: they are held in
    /// memory, at several times their size.
    pub metadata_bytes: u64,
}

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;
/// More than deflate reaches, which ends at about 1,032.
const DEFLATE_RATIO: u64 = 1_100;

impl ArchiveLimits {
    /// For packages that users upload.
    pub const PACKAGE: Self = Self {
        entries: 200_000,
        total_bytes: 2 * GIB,
        file_bytes: GIB,
        name_bytes: 2048,
        depth: 100,
        link_target_bytes: 1024,
        ratio: 200,
        ratio_floor_bytes: 16 * MIB,
        metadata_bytes: 32 * MIB,
    };

    /// For packages that are in the store. An upload was held against [`Self::PACKAGE`] when it came;
    /// what was packed here out of known files may be as compressible as those are.
    pub const STORED_PACKAGE: Self = Self {
        ratio: DEFLATE_RATIO,
        ..Self::PACKAGE
    };

    /// For droplets, build caches and directories: what staging made of a package.
    /// Its own output may be as compressible as it likes, the total is what bounds it.
    pub const DROPLET: Self = Self {
        entries: 400_000,
        total_bytes: 4 * GIB,
        file_bytes: 2 * GIB,
        ratio: DEFLATE_RATIO,
        ..Self::PACKAGE
    };
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self::PACKAGE
    }
}
