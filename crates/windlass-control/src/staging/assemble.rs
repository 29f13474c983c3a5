//! Makes a package of an upload: a zip, files that the server knows already, or both.

use std::path::Path;

use serde::Deserialize;

use crate::archive::{
    ArchiveError, ArchiveLimits, EntryPath, ExtractOptions, Refusal, TreeWriter, unzip_into,
    zip_tree,
};
use crate::blobs::{BlobError, Blobs, Digest, Resources, Sha1Digest};

/// A file that the client did not upload because the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WireResource")]
pub struct Resource {
    /// Where it stands in the package.
    pub path: String,
    /// Its content.
    pub sha1: Sha1Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Whether it can be run.
    pub executable: bool,
}

/// Both spellings that clients use.
#[derive(Deserialize)]
struct WireResource {
    #[serde(alias = "fn")]
    path: String,
    sha1: Option<String>,
    checksum: Option<WireChecksum>,
    #[serde(alias = "size")]
    size_in_bytes: u64,
    mode: Option<String>,
}

#[derive(Deserialize)]
struct WireChecksum {
    value: String,
}

impl TryFrom<WireResource> for Resource {
    type Error = String;

    fn try_from(wire: WireResource) -> Result<Self, String> {
        let sha1 = wire.sha1.or(wire.checksum.map(|checksum| checksum.value));
        let sha1 = sha1.ok_or("a resource has no checksum")?;
        let sha1 = sha1
            .parse()
            .map_err(|error| format!("checksum of a resource: {error}"))?;
        let mode = wire.mode.unwrap_or_default();
        let mode = if mode.is_empty() {
            Ok(0o644)
        } else {
            u32::from_str_radix(&mode, 8)
        };
        let mode = mode.map_err(|_| "the mode of a resource is not an octal number")?;
        Ok(Self {
            path: wire.path,
            sha1,
            size_bytes: wire.size_in_bytes,
            executable: mode & 0o111 != 0,
        })
    }
}

/// An upload whose parts have arrived.
#[derive(Debug, Clone, Copy)]
pub struct PackageUpload<'a> {
    /// The uploaded zip, already in the store; `None` when everything is known.
    pub bits: Option<Digest>,
    /// The known files.
    pub resources: &'a [Resource],
    /// In whose name files are known and remembered; see [`Resources`].
    pub scope: &'a str,
    /// What the package may contain.
    pub limits: ArchiveLimits,
}

/// A package in the store: a zip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// The blob.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The size of its content in bytes.
    pub content_bytes: u64,
}

/// Why an upload is no package.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// There is nothing in it.
    #[error("the upload has neither bits nor resources")]
    Empty,
    /// The client left out a file that the server does not know (any more).
    #[error("the server does not have the content of {path:?}; upload it")]
    UnknownResource {
        /// The file.
        path: String,
    },
    /// The zip or the path of a resource is not acceptable.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The store.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl AssembleError {
    /// Whether the upload is to blame and not this machine.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Empty
            | Self::UnknownResource { .. }
            | Self::Blob(BlobError::TooLarge { .. } | BlobError::Full { .. }) => true,
            Self::Archive(error) => error.is_refusal(),
            Self::Blob(_) => false,
        }
    }
}

/// Checks an upload by unpacking it below `scratch`, adds the known files, and stores the package.
/// Without known files the zip stays as it was uploaded. New files are remembered. Blocking.
pub fn assemble_package(
    blobs: &Blobs,
    resources: &Resources,
    upload: &PackageUpload<'_>,
    scratch: &Path,
) -> Result<Package, AssembleError> {
    if upload.bits.is_none() && upload.resources.is_empty() {
        return Err(AssembleError::Empty);
    }
    let directory = tempfile::Builder::new()
        .prefix("package-")
        .tempdir_in(scratch)
        .map_err(|error| ArchiveError::io("create a directory in", scratch, error))?;
    let options = ExtractOptions {
        limits: upload.limits,
        ..ExtractOptions::default()
    };
    let mut tree = TreeWriter::new(directory.path(), options)?;
    if let Some(bits) = &upload.bits {
        let (file, _) = blobs.open_checked(bits)?;
        unzip_into(file, &mut tree, &options)?;
    }
    for resource in upload.resources {
        add_resource(&mut tree, resources, resource, upload)?;
    }
    let content_bytes = tree.finish()?.bytes;
    resources.remember(upload.scope, directory.path())?;
    match upload.bits {
        Some(digest) if upload.resources.is_empty() => Ok(Package {
            digest,
            size_bytes: blobs.size_bytes(&digest)?,
            content_bytes,
        }),
        Some(_) | None => {
            let writer = blobs.writer(false)?;
            let (writer, _) = zip_tree(writer, directory.path(), &upload.limits)?;
            let stored = writer.finish()?;
            let (digest, size_bytes) = (stored.digest, stored.size_bytes);
            Ok(Package {
                digest,
                size_bytes,
                content_bytes,
            })
        }
    }
}

fn add_resource(
    tree: &mut TreeWriter,
    resources: &Resources,
    resource: &Resource,
    upload: &PackageUpload<'_>,
) -> Result<(), AssembleError> {
    let name = resource.path.as_bytes();
    let path = EntryPath::parse(name, &upload.limits)?;
    if name.ends_with(b"/") {
        return Err(ArchiveError::entry(name, Refusal::DirectoryWithContent).into());
    }
    let unknown = || AssembleError::UnknownResource {
        path: resource.path.clone(),
    };
    if !resources.knows(upload.scope, &resource.sha1, resource.size_bytes) {
        return Err(unknown());
    }
    let file = resources
        .open_file(upload.scope, &resource.sha1)?
        .ok_or_else(unknown)?;
    tree.file(&path, resource.executable, None, file)?;
    Ok(())
}
