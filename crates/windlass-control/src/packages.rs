//! Packages: uploaded source of apps.
//!
//! The bits of an upload go straight to the blobs; one commit makes the package ready. Whatever
//! breaks before that leaves the package as it was, so that the upload can be tried again.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::Semaphore;
use windlass_engine::id::{AppId, OperationId, PackageId};
use windlass_engine::records::{
    Actor, AppRecord, BuildRecord, Metadata, OperationState, Package, PackageState,
};
use windlass_store::{Column, Filter, ListPage, ListQuery, Tx};

use crate::archive::ArchiveLimits;
use crate::blobs::{AsyncBlobWriter, BlobError, Digest};
use crate::clock;
use crate::commit::write;
use crate::control::Control;
use crate::error::Error;
use crate::identity::Visibility;
use crate::staging::{AssembleError, PackageUpload, Resource, assemble_package};
use crate::tenancy::{By, Subject, put_event, put_operation};

/// Uploads that are unpacked and checked at once: each needs a core and its size on disk. Others
/// wait for their turn.
const UPLOADS_CHECKED_AT_ONCE: usize = 2;

pub(crate) static CHECKING: Semaphore = Semaphore::const_new(UPLOADS_CHECKED_AT_ONCE);

/// The bits of an upload on their way to the blobs. Dropped, nothing of them stays.
#[derive(Debug)]
pub struct Upload {
    writer: AsyncBlobWriter,
}

impl Upload {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Unavailable`] when the blob store is full.
    pub async fn push(&mut self, piece: Bytes) -> Result<(), Error> {
        self.writer.push(piece).await.map_err(blob_error)
    }

    /// Puts the bits in place.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub async fn finish(self) -> Result<StoredBits, Error> {
        let stored = self.writer.finish().await.map_err(blob_error)?;
        Ok(StoredBits {
            digest: stored.digest,
            size_bytes: stored.size_bytes,
        })
    }
}

/// Bits that are in place and belong to nothing yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBits {
    /// The blob.
    pub digest: Digest,
    /// Its size, bytes.
    pub size_bytes: u64,
}

impl Control {
    /// Creates a package that waits for its upload.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the app.
    pub async fn create_package(
        &self,
        actor: &Actor,
        app: &AppId,
        metadata: Metadata,
    ) -> Result<Package, Error> {
        let (by, app) = (now_by(actor), app.clone());
        write(self.store(), move |tx| {
            let record = live_app(tx, &app)?;
            let package = Package {
                id: new_id(),
                app,
                state: PackageState::AwaitingUpload,
                blob: None,
                size_bytes: 0,
                metadata,
                stamps: by.stamps(tx),
            };
            tx.put(&package)?;
            let data = json!({"package_guid": package.id, "request": {"type": "bits"}});
            put_event(
                tx,
                &by,
                "audit.app.package.create",
                app_subject(&record),
                data,
            )?;
            Ok(package)
        })
        .await
    }

    /// Creates a package with the bits of another one.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the app or source, [`Error::Conflict`] when the source has no
    /// bits.
    pub async fn copy_package(
        &self,
        actor: &Actor,
        source: &PackageId,
        app: &AppId,
    ) -> Result<Package, Error> {
        let (by, source, app) = (now_by(actor), source.clone(), app.clone());
        write(self.store(), move |tx| {
            let record = live_app(tx, &app)?;
            let source = tx
                .get::<Package>(&source)?
                .ok_or(Error::NotFound { what: "package" })?;
            if source.state != PackageState::Ready {
                return Err(Error::Conflict("the source package has no bits".to_owned()));
            }
            let package = Package {
                id: new_id(),
                app,
                state: PackageState::Ready,
                blob: source.blob,
                size_bytes: source.size_bytes,
                metadata: Metadata::default(),
                stamps: by.stamps(tx),
            };
            tx.put(&package)?;
            let request = json!({"source_package_guid": source.id});
            let data = json!({"package_guid": package.id, "request": request});
            put_event(
                tx,
                &by,
                "audit.app.package.create",
                app_subject(&record),
                data,
            )?;
            Ok(package)
        })
        .await
    }

    /// Begins to take bits (of a package or a droplet).
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the blob store is full.
    pub async fn begin_upload(&self) -> Result<Upload, Error> {
        let writer = self.blobs().async_writer(false).await.map_err(blob_error)?;
        Ok(Upload { writer })
    }

    /// Checks an upload and makes its package ready. `resources` are files that the client left
    /// out; `scope` is the user in whose name they are known.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when the package was uploaded already;
    /// [`Error::Invalid`] when the upload is no acceptable zip.
    pub async fn finish_package(
        &self,
        actor: &Actor,
        id: &PackageId,
        bits: Option<StoredBits>,
        resources: Vec<Resource>,
    ) -> Result<Package, Error> {
        let turn = CHECKING.acquire().await.map_err(Error::internal)?;
        let control = self.clone();
        let scope = actor.id.clone();
        let assembled = tokio::task::spawn_blocking(move || {
            let scratch = uploads_dir(control.data_dir())?;
            let upload = PackageUpload {
                bits: bits.map(|bits| bits.digest),
                resources: &resources,
                scope: &scope,
                limits: ArchiveLimits::default(),
            };
            assemble_package(control.blobs(), control.resources(), &upload, &scratch)
                .map_err(|error| assemble_error(error, "bits"))
        })
        .await
        .map_err(Error::internal)??;
        drop(turn);
        let (by, id) = (now_by(actor), id.clone());
        write(self.store(), move |tx| {
            let mut package = awaiting(tx, &id)?;
            let record = live_app(tx, &package.app)?;
            package.state = PackageState::Ready;
            package.blob = Some(assembled.digest.to_string());
            package.size_bytes = assembled.size_bytes;
            package.stamps.updated_at = by.at;
            tx.put(&package)?;
            let data = json!({"package_guid": package.id});
            put_event(
                tx,
                &by,
                "audit.app.package.upload",
                app_subject(&record),
                data,
            )?;
            Ok(package)
        })
        .await
    }

    /// Says whether a package waits for its upload, before anything of that is read.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`].
    pub fn check_awaits_upload(&self, package: &Package) -> Result<(), Error> {
        if package.state == PackageState::AwaitingUpload {
            Ok(())
        } else {
            Err(uploaded())
        }
    }

    /// Replaces labels and annotations.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn update_package(
        &self,
        id: &PackageId,
        metadata: Metadata,
    ) -> Result<Package, Error> {
        let id = id.clone();
        write(self.store(), move |tx| {
            let mut package = tx
                .get::<Package>(&id)?
                .ok_or(Error::NotFound { what: "package" })?;
            package.metadata = metadata;
            package.stamps.updated_at = clock::wall();
            tx.put(&package)?;
            Ok(package)
        })
        .await
    }

    /// Deletes a package. Its bits go with the last that refers to them.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] while it is being staged.
    pub async fn delete_package(
        &self,
        actor: &Actor,
        id: &PackageId,
    ) -> Result<OperationId, Error> {
        let (by, id) = (now_by(actor), id.clone());
        write(self.store(), move |tx| {
            let package = tx
                .get::<Package>(&id)?
                .ok_or(Error::NotFound { what: "package" })?;
            let staging = [
                Filter::is(Column::Package, id.as_str()),
                Filter::is(Column::State, "staging"),
            ];
            if tx.count::<BuildRecord>(&staging)? > 0 {
                return Err(Error::Conflict("the package is being staged".to_owned()));
            }
            tx.delete::<Package>(&id)?;
            if let Some(record) = tx.get::<AppRecord>(&package.app)? {
                let data = json!({"package_guid": id});
                put_event(
                    tx,
                    &by,
                    "audit.app.package.delete",
                    app_subject(&record),
                    data,
                )?;
            }
            let done = OperationState::Complete;
            Ok(put_operation(tx, &by, "package.delete", id.as_str(), done)?)
        })
        .await
    }

    /// One package.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn package(&self, id: &PackageId) -> Result<Option<Package>, Error> {
        Ok(self.store().read(|reader| reader.get::<Package>(id))?)
    }

    /// Packages that the caller sees.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn list_packages(
        &self,
        visibility: &Visibility,
        query: ListQuery,
    ) -> Result<ListPage<Package>, Error> {
        self.list_of_apps(visibility, query).await
    }

    /// A blob to send: the file and its size in bytes, compared with its digest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is gone; [`Error::Internal`] when it is damaged.
    pub async fn open_blob(&self, sha256: &str) -> Result<(tokio::fs::File, u64), Error> {
        let digest: Digest = sha256.parse().map_err(Error::internal)?;
        self.blobs().open_async(&digest).await.map_err(blob_error)
    }
}

pub(crate) fn now_by(actor: &Actor) -> By {
    By {
        actor: actor.clone(),
        at: clock::wall(),
    }
}

fn new_id() -> PackageId {
    PackageId::new(uuid::Uuid::new_v4().to_string())
}

fn live_app(tx: &Tx<'_>, id: &AppId) -> Result<AppRecord, Error> {
    tx.get::<AppRecord>(id)?
        .filter(|app| !app.deleted)
        .ok_or(Error::NotFound { what: "app" })
}

/// The package inside the commit: a second upload that overtook this one has made it ready.
fn awaiting(tx: &Tx<'_>, id: &PackageId) -> Result<Package, Error> {
    let package = tx
        .get::<Package>(id)?
        .ok_or(Error::NotFound { what: "package" })?;
    if package.state == PackageState::AwaitingUpload {
        Ok(package)
    } else {
        Err(uploaded())
    }
}

fn uploaded() -> Error {
    Error::Conflict("bits have been uploaded".to_owned())
}

pub(crate) fn app_subject(app: &AppRecord) -> Subject {
    Subject::new("app", app.id.as_str(), &app.name).within(&app.organization, Some(&app.space))
}

/// Where uploads are unpacked: on the disk of the blobs, readable by nobody else.
pub(crate) fn uploads_dir(data_dir: &Path) -> Result<PathBuf, Error> {
    let path = data_dir.join("uploads");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .map_err(Error::internal)?;
    Ok(path)
}

/// Removes what a process that was killed has left of its uploads. For the start only.
pub(crate) fn remove_interrupted_uploads(data_dir: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(data_dir.join("uploads")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::internal(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What a failure of the blob store is for a caller.
pub(crate) fn blob_error(error: BlobError) -> Error {
    match error {
        BlobError::TooLarge { limit_bytes } => Error::TooLarge {
            what: "upload",
            limit_bytes,
        },
        BlobError::Full { .. } | BlobError::Stopped => Error::Unavailable(error.to_string()),
        BlobError::Missing(_) => Error::NotFound { what: "blob" },
        BlobError::Io { ref source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            tracing::warn!("{error}");
            Error::Unavailable("the disk is full; make room and try again".to_owned())
        }
        BlobError::Corrupt(_) | BlobError::Io { .. } => Error::internal(error),
    }
}

pub(crate) fn assemble_error(error: AssembleError, field: &str) -> Error {
    if let AssembleError::Blob(error) = error {
        return blob_error(error);
    }
    if error.is_refusal() {
        Error::Invalid {
            field: field.to_owned(),
            reason: error.to_string(),
        }
    } else {
        Error::internal(error)
    }
}
