//! Source that comes file by file: uploads by SHA-1, and packages made of lists of them.
//!
//! Files are known per organization and only for a while: those used longest ago give way. A
//! package has everything that its list named; it doesn't refer to them.

use bytes::Bytes;
use serde_json::json;
use windlass_engine::id::{AppId, OrganizationId, PackageId};
use windlass_engine::records::{Actor, Metadata, Package, PackageState};

use crate::archive::ArchiveLimits;
use crate::blobs::{FileUpload, FileUploadError, Sha1Digest};
use crate::commands::apps::live_app;
use crate::commit::write;
use crate::control::Control;
use crate::error::Error;
use crate::packages::{CHECKING, app_subject, assemble_error, blob_error, now_by, uploads_dir};
use crate::staging::{FilesError, SourceFile, SourceFiles, assemble_files};
use crate::tenancy::put_event;

/// The content of one file on its way. Dropped, nothing of it stays.
#[derive(Debug)]
pub struct Incoming {
    upload: FileUpload,
}

impl Incoming {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::Unavailable`] when too much is being uploaded.
    pub async fn push(&mut self, piece: Bytes) -> Result<(), Error> {
        self.upload.push(piece).await.map_err(blob_error)
    }

    /// Keeps the file.
    ///
    /// # Errors
    /// As [`Self::push`]; [`Error::Invalid`] with the field `digest` or `size` when the content is
    /// not what the client announced.
    pub async fn finish(self, sha1: Sha1Digest, size_bytes: Option<u64>) -> Result<(), Error> {
        let invalid = |field: &str, error: &FileUploadError| Error::Invalid {
            field: field.to_owned(),
            reason: error.to_string(),
        };
        self.upload
            .finish(sha1, size_bytes)
            .await
            .map_err(|error| match error {
                FileUploadError::Digest { .. } => invalid("digest", &error),
                FileUploadError::Size { .. } => invalid("size", &error),
                FileUploadError::Blob(error) => blob_error(error),
            })
    }
}

/// Why no package was made of a list.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// These are to be uploaded first; nothing was made.
    #[error("{} of the files are to be uploaded first", .0.len())]
    Missing(Vec<Sha1Digest>),
    /// Something else.
    #[error(transparent)]
    Other(#[from] Error),
}

impl Control {
    /// Begins to take one file of an organization.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn begin_file(&self, organization: &OrganizationId) -> Result<Incoming, Error> {
        let upload = self.files().upload(organization.as_str()).await;
        upload.map(|upload| Incoming { upload }).map_err(blob_error)
    }

    /// Which files of a list are to be uploaded first, each once.
    pub fn missing_files(
        &self,
        organization: &OrganizationId,
        files: &[SourceFile],
    ) -> Vec<Sha1Digest> {
        let source = SourceFiles {
            files,
            archive: None,
            scope: organization.as_str(),
            limits: ArchiveLimits::default(),
        };
        source.missing(self.files())
    }

    /// Makes a package of a list of files. `archive` is the path of a tar.gz whose parts
    /// `<archive>.part<number>` the list may have: they are unpacked.
    ///
    /// # Errors
    /// [`SourceError::Missing`]; [`Error::NotFound`] without the app; [`Error::Invalid`] with the
    /// field `files` when the list is not acceptable.
    pub async fn create_package_of_files(
        &self,
        actor: &Actor,
        app: &AppId,
        files: Vec<SourceFile>,
        archive: Option<&'static str>,
    ) -> Result<Package, SourceError> {
        let scope = self.app_record(app)?.organization;
        let turn = CHECKING.acquire().await.map_err(Error::internal)?;
        let control = self.clone();
        let assembled = tokio::task::spawn_blocking(move || {
            let source = SourceFiles {
                files: &files,
                archive,
                scope: scope.as_str(),
                limits: ArchiveLimits::default(),
            };
            let scratch = uploads_dir(control.data_dir())?;
            assemble_files(control.blobs(), control.files(), &source, &scratch).map_err(refused)
        })
        .await
        .map_err(Error::internal)??;
        drop(turn);
        let (by, app) = (now_by(actor), app.clone());
        let package = write(self.store(), move |tx| {
            let record = live_app(tx, &app)?;
            let package = Package {
                id: PackageId::new(uuid::Uuid::new_v4().to_string()),
                app,
                state: PackageState::Ready,
                blob: Some(assembled.digest.to_string()),
                size_bytes: assembled.size_bytes,
                metadata: Metadata::default(),
                stamps: by.stamps(tx),
            };
            tx.put(&package)?;
            let subject = app_subject(&record);
            let data = json!({"package_guid": package.id});
            put_event(tx, &by, "audit.app.package.create", subject, data)?;
            Ok(package)
        });
        Ok(package.await?)
    }
}

fn refused(error: FilesError) -> SourceError {
    match error {
        FilesError::Missing(missing) => SourceError::Missing(missing),
        FilesError::TooMany => SourceError::Other(Error::Invalid {
            field: "files".to_owned(),
            reason: error.to_string(),
        }),
        FilesError::Assemble(error) => SourceError::Other(assemble_error(error, "files")),
    }
}
