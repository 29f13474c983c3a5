//! Organizations.

use serde_json::json;
use windlass_engine::id::OrganizationId;
use windlass_engine::records::{
    Actor, Domain, Metadata, Organization, Quota, Route, ServiceInstance, Space,
};
use windlass_store::{Column, Filter, ListPage, ListQuery, StoreError, Unique, Usage};

use super::{Subject, Tenancy, check_name, live_organization, put_event};
use crate::error::Error;
use crate::identity::Grants;

/// An organization to be.
#[derive(Debug, Clone, Default)]
pub struct NewOrganization {
    /// Unique name.
    pub name: String,
    /// Whether writes by its members are refused.
    pub suspended: bool,
    /// Its limits.
    pub quota: Quota,
    /// Labels and annotations.
    pub metadata: Metadata,
}

/// Changes of an organization; `None` = stays.
#[derive(Debug, Clone, Default)]
pub struct OrganizationPatch {
    /// New name.
    pub name: Option<String>,
    /// New suspension.
    pub suspended: Option<bool>,
    /// New limits.
    pub quota: Option<Quota>,
    /// New labels and annotations (whole).
    pub metadata: Option<Metadata>,
}

/// What an organization has and uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrganizationCounts {
    /// What counts against its quota.
    pub usage: Usage,
    /// Routes in its spaces.
    pub routes: u64,
    /// Service instances in its spaces.
    pub service_instances: u64,
    /// Its private domains.
    pub domains: u64,
}

impl Tenancy {
    /// Creates an organization.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name, [`Error::Taken`] for a name in use.
    pub async fn create_organization(
        &self,
        actor: &Actor,
        new: NewOrganization,
    ) -> Result<Organization, Error> {
        check_name("name", &new.name)?;
        let by = self.by(actor);
        self.store
            .write(move |tx| {
                let organization = Organization {
                    id: OrganizationId::new(uuid::Uuid::new_v4().to_string()),
                    name: new.name.clone(),
                    suspended: new.suspended,
                    deleting: false,
                    quota: new.quota,
                    metadata: new.metadata.clone(),
                    stamps: by.stamps(tx),
                };
                tx.put(&organization)
                    .map_err(|error| taken(error, &organization.name))?;
                let data = json!({ "request": { "name": organization.name } });
                put_event(
                    tx,
                    &by,
                    "audit.organization.create",
                    subject(&organization),
                    data,
                )?;
                Ok(organization)
            })
            .await
            .map_err(crate::identity::flatten)
    }

    /// Changes an organization.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::Taken`].
    pub async fn update_organization(
        &self,
        actor: &Actor,
        id: &OrganizationId,
        patch: OrganizationPatch,
    ) -> Result<Organization, Error> {
        if let Some(name) = &patch.name {
            check_name("name", name)?;
        }
        let (id, by) = (id.clone(), self.by(actor));
        self.store
            .write(move |tx| {
                let mut organization = live_organization(tx, &id)?;
                let data =
                    json!({ "request": { "name": patch.name, "suspended": patch.suspended } });
                if let Some(name) = patch.name {
                    organization.name = name;
                }
                if let Some(suspended) = patch.suspended {
                    organization.suspended = suspended;
                }
                if let Some(quota) = patch.quota {
                    organization.quota = quota;
                }
                if let Some(metadata) = patch.metadata {
                    organization.metadata = metadata;
                }
                organization.stamps.updated_at = by.at;
                tx.put(&organization)
                    .map_err(|error| taken(error, &organization.name))?;
                put_event(
                    tx,
                    &by,
                    "audit.organization.update",
                    subject(&organization),
                    data,
                )?;
                Ok(organization)
            })
            .await
            .map_err(crate::identity::flatten)
    }

    /// The organization with this id, unless it is being deleted.
    pub fn organization(&self, id: &OrganizationId) -> Result<Option<Organization>, Error> {
        let id = id.clone();
        let found = self
            .store
            .read(move |reader| reader.get::<Organization>(&id))?;
        Ok(found.filter(|organization| !organization.deleting))
    }

    /// The organization with this name.
    pub fn organization_named(&self, name: &str) -> Result<Option<Organization>, Error> {
        let filters = [
            Filter::is(Column::Name, name),
            Filter::is(Column::Deleting, false),
        ];
        Ok(self
            .store
            .read(move |reader| reader.find::<Organization>(&filters))?)
    }

    /// Organizations that the caller sees.
    pub async fn list_organizations(
        &self,
        grants: &Grants,
        mut query: ListQuery,
    ) -> Result<ListPage<Organization>, Error> {
        query.filters.push(Filter::is(Column::Deleting, false));
        if let Some(ids) = grants.visible_organizations() {
            query.filters.push(Filter::one_of(
                Column::Id,
                ids.iter().map(OrganizationId::as_str),
            ));
        }
        Ok(self
            .store
            .read_list(move |reader| reader.list::<Organization>(&query))
            .await?)
    }

    /// What the apps and tasks of an organization use now.
    pub fn usage(&self, id: &OrganizationId) -> Result<Usage, Error> {
        Ok(self.store.read(|reader| reader.organization_usage(id))?)
    }

    /// What an organization has and uses now.
    pub async fn organization_counts(
        &self,
        id: &OrganizationId,
    ) -> Result<OrganizationCounts, Error> {
        let id = id.clone();
        self.store
            .read_list(move |reader| {
                let here = || Filter::is(Column::Organization, id.as_str());
                let spaces = reader.all::<Space>(vec![here()])?;
                let in_spaces =
                    Filter::one_of(Column::Space, spaces.iter().map(|space| space.id.as_str()));
                Ok(OrganizationCounts {
                    usage: reader.organization_usage(&id)?,
                    routes: reader.count::<Route>(std::slice::from_ref(&in_spaces))?,
                    service_instances: reader.count::<ServiceInstance>(&[in_spaces])?,
                    domains: reader.count::<Domain>(&[here()])?,
                })
            })
            .await
    }
}

/// The organization as the subject of an event.
pub(super) fn subject(organization: &Organization) -> Subject {
    Subject::new("organization", organization.id.as_str(), &organization.name)
        .within(&organization.id, None)
}

fn taken(error: StoreError, name: &str) -> Error {
    match error {
        StoreError::Duplicate {
            what: Unique::OrganizationName,
        } => Error::Taken {
            what: "organization name",
            value: name.to_owned(),
        },
        other => other.into(),
    }
}
