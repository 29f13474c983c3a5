//! Rows of the audit trail, written in the commit of what they tell.

use serde_json::Value;
use windlass_engine::id::{AuditEventId, OrganizationId, SpaceId};
use windlass_engine::records::{AuditEvent, Target};
use windlass_store::{Column, ListPage, ListQuery, StoreError, Tx};

use super::{By, Tenancy, visible};
use crate::error::Error;
use crate::identity::Grants;

/// What an event is about, and where that lies.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The thing itself.
    pub target: Target,
    /// Its organization.
    pub organization: Option<OrganizationId>,
    /// Its space.
    pub space: Option<SpaceId>,
}

impl Subject {
    /// Something of this kind.
    pub fn new(kind: &str, id: &str, name: &str) -> Self {
        let target = Target {
            id: id.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        };
        Self {
            target,
            organization: None,
            space: None,
        }
    }

    /// The same, in this organization.
    #[must_use]
    pub fn within(mut self, organization: &OrganizationId, space: Option<&SpaceId>) -> Self {
        self.organization = Some(organization.clone());
        self.space = space.cloned();
        self
    }
}

/// Adds an event. `data` must not hold secrets.
pub fn put_event(
    tx: &mut Tx<'_>,
    by: &By,
    kind: &str,
    subject: Subject,
    data: Value,
) -> Result<(), StoreError> {
    let event = AuditEvent {
        id: AuditEventId::new(uuid::Uuid::new_v4().to_string()),
        kind: kind.to_owned(),
        actor: by.actor.clone(),
        target: subject.target,
        data,
        space: subject.space,
        organization: subject.organization,
        stamps: by.stamps(tx),
    };
    tx.put(&event)
}

impl Tenancy {
    /// Events that the caller may see.
    pub async fn list_events(
        &self,
        grants: &Grants,
        mut query: ListQuery,
    ) -> Result<ListPage<AuditEvent>, Error> {
        query.filters.extend(visible(
            &grants.visible_events(),
            Column::Organization,
            Column::Space,
        ));
        Ok(self
            .store
            .read_list(move |reader| reader.list::<AuditEvent>(&query))
            .await?)
    }

    /// One event, if the caller may see it.
    pub fn event(&self, grants: &Grants, id: &AuditEventId) -> Result<Option<AuditEvent>, Error> {
        let id = id.clone();
        let event = self
            .store
            .read(move |reader| reader.get::<AuditEvent>(&id))?;
        let visibility = grants.visible_events();
        Ok(event.filter(|event| match &event.organization {
            Some(organization) => {
                let space = event.space.clone().unwrap_or_else(|| SpaceId::from(""));
                visibility.has_space(organization, &space)
            }
            None => grants.reads_all(),
        }))
    }
}
