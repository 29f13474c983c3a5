//! Archives from strangers: zip files of uploaded packages and tar.gz droplets.
//!
//! Everything that is read here is treated as hostile.
//! No entry is ever written outside the destination, no link is followed while writing, and every
//! dimension of an archive (entries, bytes, ratio, names, depth) has a limit in [`ArchiveLimits`].
//! After an error the destination may hold a part of the archive: the caller removes it.
//!
//! Start at [`extract_zip`], [`extract_tar_gz`], [`pack_tar_gz`] and [`copy_tree`].

mod copy;
mod limits;
mod links;
mod name;
mod pack;
mod tree;
mod untar;
mod unzip;
mod walk;
mod zip_tree;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
pub(crate) mod testing;

use std::path::PathBuf;

pub use copy::{copy_tree, own_tree};
pub use limits::ArchiveLimits;
pub use links::LinkPolicy;
pub use pack::{PackItem, pack_tar_gz};
pub use tree::{Extracted, Owner};
pub use untar::{extract_tar, extract_tar_gz};
pub use unzip::extract_zip;
pub use zip_tree::zip_tree;

pub(crate) use name::EntryPath;
pub(crate) use tree::TreeWriter;
pub(crate) use untar::untar_gz_into;
pub(crate) use unzip::unzip_into;
pub(crate) use walk::{Found, FoundKind, walk};

/// How an archive is unpacked.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExtractOptions {
    /// What the archive may at most contain.
    pub limits: ArchiveLimits,
    /// Where symbolic links may point.
    pub links: LinkPolicy,
    /// Who owns what is written; `None` leaves it to this process.
    pub owner: Option<Owner>,
}

/// Why an archive was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// One entry breaks a rule. The name is printed escaped: it comes from a stranger.
    #[error("entry \"{}\": {refusal}", name.escape_default())]
    Entry {
        /// The name as it stands in the archive, bytes that are not UTF-8 replaced.
        name: String,
        /// The rule.
        refusal: Refusal,
    },
    /// The archive as a whole breaks a rule.
    #[error("archive: {0}")]
    Whole(Refusal),
    /// The machine failed, not the archive.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ArchiveError {
    /// Whether the archive is to blame (its sender can act on it) and not this machine.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Entry { .. } | Self::Whole(_) => true,
            Self::Io { .. } => false,
        }
    }

    /// The rule that was broken, if one was.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Entry { refusal, .. } | Self::Whole(refusal) => Some(refusal),
            Self::Io { .. } => None,
        }
    }

    pub(crate) fn entry(name: &[u8], refusal: Refusal) -> Self {
        /// A name in a message is cut after so many characters.
        const SHOWN_CHARS: usize = 200;
        let name = String::from_utf8_lossy(name)
            .chars()
            .take(SHOWN_CHARS)
            .collect();
        Self::Entry { name, refusal }
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<std::io::Error>,
    ) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source: source.into(),
        }
    }
}

/// The rule that an archive or an entry breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name is empty or names only the destination itself.
    #[error("the name is empty")]
    EmptyName,
    /// The name begins with `/` or a drive letter.
    #[error("the name is absolute")]
    AbsoluteName,
    /// A component of the name is `..`.
    #[error("the name contains \"..\"")]
    ParentComponent,
    /// The name contains a backslash, which some programs take for a separator.
    #[error("the name contains a backslash")]
    Backslash,
    /// The name contains a NUL byte.
    #[error("the name contains a NUL byte")]
    NulByte,
    /// A zip is to be written, and names in it are UTF-8.
    #[error("the name is not UTF-8")]
    NotUtf8,
    /// The whole name is too long.
    #[error("the name is longer than {limit_bytes} bytes")]
    NameTooLong {
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// The name has too many components.
    #[error("the name is deeper than {limit} directories")]
    TooDeep {
        /// The limit in components.
        limit: usize,
    },
    /// The same path occurs twice.
    #[error("the path occurs twice")]
    Duplicate,
    /// A path is used as a file (or link) and as a directory.
    #[error("the path is both a directory and something else")]
    FileAndDirectory,
    /// Names occur twice in the table of contents of a zip.
    #[error("a name occurs twice")]
    DuplicateNames,
    /// The entry is encrypted.
    #[error("encrypted entries are not supported")]
    Encrypted,
    /// The entry is a hard link.
    #[error("hard links are not supported")]
    HardLink,
    /// A device, a pipe, a socket or something unknown.
    #[error("only files, directories and symbolic links are supported")]
    SpecialFile,
    /// A sparse file or another form that is not supported.
    #[error("this form of tar entry is not supported: {0}")]
    UnsupportedForm(&'static str),
    /// A directory entry carries data.
    #[error("a directory has content")]
    DirectoryWithContent,
    /// An absolute symbolic link.
    #[error("the symbolic link is absolute")]
    AbsoluteLink,
    /// A symbolic link leads out of the tree, maybe by way of another one.
    #[error("the symbolic link leads out of the archive")]
    EscapingLink,
    /// Symbolic links lead to each other without end.
    #[error("the symbolic link leads through too many others")]
    LinkLoop,
    /// The target of a symbolic link is empty, too long or has a NUL byte.
    #[error("the target of the symbolic link is empty, too long or not a path")]
    BadLinkTarget,
    /// All links together would take too long to check.
    #[error("the symbolic links are too tangled to be checked")]
    TangledLinks,
    /// One file is too large.
    #[error("the file is larger than {limit_bytes} bytes")]
    FileTooLarge {
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// All files together are too large.
    #[error("the content is larger than {limit_bytes} bytes in all")]
    TooManyBytes {
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// There are too many entries, counting the directories that names imply.
    #[error("there are more than {limit} entries")]
    TooManyEntries {
        /// The limit.
        limit: u64,
    },
    /// The content is too many times larger than its compressed form.
    #[error("the content is more than {limit} times larger than its compressed form")]
    Ratio {
        /// The limit as a factor.
        limit: u64,
    },
    /// The table of contents (or an extension header) is too large.
    #[error("the archive's own headers are larger than {limit_bytes} bytes")]
    TooMuchMetadata {
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// The archive is not readable: truncated, wrong checksum, wrong format.
    #[error("not readable: {0}")]
    Corrupt(String),
    /// The file changed while it was read.
    #[error("the file changed while it was read")]
    Changed,
}
