//! Spaces.

use std::collections::BTreeMap;

use serde_json::json;
use windlass_engine::id::{OrganizationId, SpaceId};
use windlass_engine::records::{Actor, Metadata, Organization, Space};
use windlass_store::{Column, Filter, ListPage, ListQuery, Order, Page, StoreError, Unique};

use super::{Subject, Tenancy, check_name, live_organization, live_space, put_event, visible};
use crate::error::Error;
use crate::identity::{Grants, SpaceAccess};

/// A space to be.
#[derive(Debug, Clone)]
pub struct NewSpace {
    /// Where it lies.
    pub organization: OrganizationId,
    /// Name, unique there.
    pub name: String,
    /// Labels and annotations.
    pub metadata: Metadata,
}

/// Changes of a space; `None` = stays.
#[derive(Debug, Clone, Default)]
pub struct SpacePatch {
    /// New name.
    pub name: Option<String>,
    /// New labels and annotations (whole).
    pub metadata: Option<Metadata>,
    /// Features to switch, by name.
    pub features: BTreeMap<String, bool>,
}

impl Tenancy {
    /// Creates a space.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the organization, [`Error::Invalid`], [`Error::Taken`].
    pub async fn create_space(&self, actor: &Actor, new: NewSpace) -> Result<Space, Error> {
        check_name("name", &new.name)?;
        let by = self.by(actor);
        self.store
            .write(move |tx| {
                live_organization(tx, &new.organization)?;
                let space = Space {
                    id: SpaceId::new(uuid::Uuid::new_v4().to_string()),
                    organization: new.organization.clone(),
                    name: new.name.clone(),
                    deleting: false,
                    metadata: new.metadata.clone(),
                    features: BTreeMap::new(),
                    stamps: by.stamps(tx),
                };
                tx.put(&space).map_err(|error| taken(error, &space.name))?;
                let data = json!({ "request": { "name": space.name } });
                put_event(tx, &by, "audit.space.create", subject(&space), data)?;
                Ok(space)
            })
            .await
            .map_err(crate::identity::flatten)
    }

    /// Changes a space.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::Taken`].
    pub async fn update_space(
        &self,
        actor: &Actor,
        id: &SpaceId,
        patch: SpacePatch,
    ) -> Result<Space, Error> {
        if let Some(name) = &patch.name {
            check_name("name", name)?;
        }
        let (id, by) = (id.clone(), self.by(actor));
        self.store
            .write(move |tx| {
                let mut space = live_space(tx, &id)?;
                let data = json!({ "request": { "name": patch.name, "features": patch.features } });
                if let Some(name) = patch.name {
                    space.name = name;
                }
                if let Some(metadata) = patch.metadata {
                    space.metadata = metadata;
                }
                space.features.extend(patch.features);
                space.stamps.updated_at = by.at;
                tx.put(&space).map_err(|error| taken(error, &space.name))?;
                put_event(tx, &by, "audit.space.update", subject(&space), data)?;
                Ok(space)
            })
            .await
            .map_err(crate::identity::flatten)
    }

    /// The space with this id, unless it or its organization is being deleted.
    pub fn space(&self, id: &SpaceId) -> Result<Option<(Organization, Space)>, Error> {
        self.store.read(|reader| {
            let space = reader.get::<Space>(id)?.filter(|space| !space.deleting);
            let Some(space) = space else { return Ok(None) };
            let organization = reader.get::<Organization>(&space.organization)?;
            Ok(organization
                .filter(|organization| !organization.deleting)
                .map(|organization| (organization, space)))
        })
    }

    /// The space with this id and what the caller may do in it; `None` when there is no such
    /// space, or none that they see.
    pub fn space_access(
        &self,
        grants: &Grants,
        id: &SpaceId,
    ) -> Result<Option<(Organization, Space, SpaceAccess)>, Error> {
        Ok(self.space(id)?.and_then(|(organization, space)| {
            let access = grants.space(&organization, &space);
            access.read.then_some((organization, space, access))
        }))
    }

    /// The space with this name in an organization.
    pub fn space_named(
        &self,
        organization: &OrganizationId,
        name: &str,
    ) -> Result<Option<Space>, Error> {
        let filters = [
            Filter::is(Column::Organization, organization.as_str()),
            Filter::is(Column::Name, name),
            Filter::is(Column::Deleting, false),
        ];
        Ok(self
            .store
            .read(move |reader| reader.find::<Space>(&filters))?)
    }

    /// The oldest space of an organization.
    pub fn first_space(&self, organization: &OrganizationId) -> Result<Option<Space>, Error> {
        let query = ListQuery::filtered(vec![
            Filter::is(Column::Organization, organization.as_str()),
            Filter::is(Column::Deleting, false),
        ])
        .ordered(Order::ascending(Column::CreatedCommit))
        .page(Page::first(1));
        let found = self
            .store
            .read(move |reader| reader.list::<Space>(&query))?;
        Ok(found.rows.into_iter().next())
    }

    /// Spaces that the caller sees.
    pub async fn list_spaces(
        &self,
        grants: &Grants,
        mut query: ListQuery,
    ) -> Result<ListPage<Space>, Error> {
        query.filters.push(Filter::is(Column::Deleting, false));
        query.filters.extend(visible(
            &grants.visible_spaces(),
            Column::Organization,
            Column::Id,
        ));
        Ok(self
            .store
            .read_list(move |reader| reader.list::<Space>(&query))
            .await?)
    }
}

/// The space as the subject of an event.
pub(super) fn subject(space: &Space) -> Subject {
    Subject::new("space", space.id.as_str(), &space.name)
        .within(&space.organization, Some(&space.id))
}

fn taken(error: StoreError, name: &str) -> Error {
    match error {
        StoreError::Duplicate {
            what: Unique::SpaceName,
        } => Error::Taken {
            what: "space name",
            value: name.to_owned(),
        },
        other => other.into(),
    }
}
