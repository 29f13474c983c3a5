//! What dialects read: single rows, and lists of what a caller may see.

use windlass_engine::id::{AppId, ArtifactId, BuildId};
use windlass_engine::records::{AppRecord, Artifact, BuildRecord};
use windlass_store::{Column, Filter, ListPage, ListQuery, ReleaseRow, Row, StoreError, TaskRow};

use crate::clock;
use crate::commit::write;
use crate::control::Control;
use crate::error::Error;
use crate::history::{ReleaseRecord, TaskRecord};
use crate::identity::Visibility;
use crate::tenancy::visible;
use windlass_engine::records::Metadata;

impl Control {
    /// Apps that the caller sees.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn list_apps(
        &self,
        visibility: &Visibility,
        mut query: ListQuery,
    ) -> Result<ListPage<AppRecord>, Error> {
        query.filters.push(Filter::is(Column::Deleted, false));
        query
            .filters
            .extend(visible(visibility, Column::Organization, Column::Space));
        self.list(query).await
    }

    /// The same on the thread of the caller: for few rows.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn list_apps_blocking(
        &self,
        visibility: &Visibility,
        mut query: ListQuery,
    ) -> Result<ListPage<AppRecord>, Error> {
        query.filters.push(Filter::is(Column::Deleted, false));
        query
            .filters
            .extend(visible(visibility, Column::Organization, Column::Space));
        Ok(self
            .store()
            .read(move |reader| reader.list::<AppRecord>(&query))?)
    }

    /// Releases that the caller sees.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn list_releases(
        &self,
        visibility: &Visibility,
        query: ListQuery,
    ) -> Result<ListPage<ReleaseRecord>, Error> {
        let page = self.list_of_apps::<ReleaseRow>(visibility, query).await?;
        convert(page, ReleaseRecord::from_row)
    }

    /// Tasks that the caller sees.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn list_tasks(
        &self,
        visibility: &Visibility,
        query: ListQuery,
    ) -> Result<ListPage<TaskRecord>, Error> {
        let page = self.list_of_apps::<TaskRow>(visibility, query).await?;
        convert(page, TaskRecord::from_row)
    }

    /// Artifacts that the caller sees.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn list_artifacts(
        &self,
        visibility: &Visibility,
        query: ListQuery,
    ) -> Result<ListPage<Artifact>, Error> {
        self.list_of_apps(visibility, query).await
    }

    /// Builds that the caller sees.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn list_builds(
        &self,
        visibility: &Visibility,
        query: ListQuery,
    ) -> Result<ListPage<BuildRecord>, Error> {
        self.list_of_apps(visibility, query).await
    }

    /// An app that is not deleted.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn find_app(&self, id: &AppId) -> Result<Option<AppRecord>, Error> {
        let found: Option<AppRecord> = self.store().read(|reader| reader.get(id))?;
        Ok(found.filter(|app| !app.deleted))
    }

    /// An artifact.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn find_artifact(&self, id: &ArtifactId) -> Result<Option<Artifact>, Error> {
        Ok(self.store().read(|reader| reader.get(id))?)
    }

    /// A build.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn find_build(&self, id: &BuildId) -> Result<Option<BuildRecord>, Error> {
        Ok(self.store().read(|reader| reader.get(id))?)
    }

    /// Replaces labels and annotations of an artifact.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn update_artifact(
        &self,
        id: &ArtifactId,
        metadata: Metadata,
    ) -> Result<Artifact, Error> {
        let id = id.clone();
        write(self.store(), move |tx| {
            let mut artifact = tx
                .get::<Artifact>(&id)?
                .ok_or(Error::NotFound { what: "droplet" })?;
            artifact.metadata = metadata;
            artifact.stamps.updated_at = clock::wall();
            tx.put(&artifact)?;
            Ok(artifact)
        })
        .await
    }

    /// Replaces labels and annotations of a build.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn update_build(
        &self,
        id: &BuildId,
        metadata: Metadata,
    ) -> Result<BuildRecord, Error> {
        let id = id.clone();
        write(self.store(), move |tx| {
            let mut build = tx
                .get::<BuildRecord>(&id)?
                .ok_or(Error::NotFound { what: "build" })?;
            build.metadata = metadata;
            build.stamps.updated_at = clock::wall();
            tx.put(&build)?;
            Ok(build)
        })
        .await
    }

    /// Rows that belong to apps that the caller sees. Rows outlive their app, for the record; no
    /// dialect shows them.
    pub(crate) async fn list_of_apps<T>(
        &self,
        visibility: &Visibility,
        mut query: ListQuery,
    ) -> Result<ListPage<T>, Error>
    where
        T: Row + Send + 'static,
    {
        query
            .filters
            .extend(visible(visibility, Column::Organization, Column::Space));
        self.list(query).await
    }

    async fn list<T>(&self, query: ListQuery) -> Result<ListPage<T>, Error>
    where
        T: Row + Send + 'static,
    {
        Ok(self
            .store()
            .read_list(move |reader| reader.list::<T>(&query))
            .await?)
    }
}

fn convert<R, T>(
    page: ListPage<R>,
    read: fn(&R) -> Result<T, StoreError>,
) -> Result<ListPage<T>, Error> {
    let rows = page.rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(ListPage {
        rows,
        total: page.total,
    })
}
