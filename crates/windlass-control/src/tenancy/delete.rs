//! Deletion of spaces and organizations: durable, and first of all.
//!
//! One commit marks the tenant, frees its names, hosts and roles, and gives every app its own
//! deletion (the part that only the owner of the engine's state can do, handed in as a function).
//! The operation is complete when nothing of those apps runs any more.

use serde_json::json;
use windlass_engine::id::{OperationId, OrganizationId, SpaceId};
use windlass_engine::records::{
    Actor, AppRecord, Dialect, Domain, OperationState, Organization, Role, Route, ServiceBinding,
    ServiceInstance, Space,
};
use windlass_store::{Column, Filter, Page, Tx};

use super::{
    By, Tenancy, live_organization, live_space, organizations, put_event, put_operation, spaces,
};
use crate::error::Error;

/// Most apps of a space or organization that is deleted; more would make one commit too long.
pub const MAX_APPS_PER_DELETION: u64 = Page::MAX_LIMIT as u64;
/// Rows of one kind that a deletion removes at a time.
const BATCH: u32 = Page::MAX_LIMIT;

/// Deletes one app inside the commit: ends its releases, tasks and builds, frees its name.
pub type DeleteApp = Box<dyn FnMut(&mut Tx<'_>, &AppRecord, &By) -> Result<(), Error> + Send>;

/// What a deletion did in its commit.
#[derive(Debug, Clone)]
pub struct Deletion {
    /// The operation that is complete when nothing runs any more.
    pub operation: OperationId,
    /// The apps whose instances, tasks and builds must end.
    pub apps: Vec<AppRecord>,
}

impl Tenancy {
    /// Deletes a space with everything in it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] with apps of another dialect or too many apps.
    pub async fn delete_space(
        &self,
        actor: &Actor,
        dialect: Dialect,
        id: &SpaceId,
        delete_app: DeleteApp,
    ) -> Result<Deletion, Error> {
        let (by, id) = (self.by(actor), id.clone());
        self.store
            .write(move |tx| {
                let space = live_space(tx, &id)?;
                let apps = live_apps(tx, Column::Space, id.as_str(), dialect)?;
                remove_space(tx, space, &by)?;
                end_apps(tx, "space.delete", id.as_str(), apps, delete_app, &by)
            })
            .await
            .map_err(crate::identity::flatten)
    }

    /// Deletes an organization with all its spaces, private domains and roles.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] with apps of another dialect or too many apps.
    pub async fn delete_organization(
        &self,
        actor: &Actor,
        dialect: Dialect,
        id: &OrganizationId,
        delete_app: DeleteApp,
    ) -> Result<Deletion, Error> {
        let (by, id) = (self.by(actor), id.clone());
        self.store
            .write(move |tx| {
                let mut organization = live_organization(tx, &id)?;
                let apps = live_apps(tx, Column::Organization, id.as_str(), dialect)?;
                let here = || vec![Filter::is(Column::Organization, id.as_str())];
                let mut live = here();
                live.push(Filter::is(Column::Deleting, false));
                for space in tx.all::<Space>(live)? {
                    remove_space(tx, space, &by)?;
                }
                delete_all::<Role>(tx, &here())?;
                delete_all::<Domain>(tx, &here())?;
                let shared = vec![Filter::is(Column::SharedWith, id.as_str())];
                for mut domain in tx.all::<Domain>(shared)? {
                    domain.shared_with.retain(|other| *other != id);
                    tx.put(&domain)?;
                }
                organization.deleting = true;
                organization.stamps.updated_at = by.at;
                tx.put::<Organization>(&organization)?;
                let subject = organizations::subject(&organization);
                put_event(
                    tx,
                    &by,
                    "audit.organization.delete-request",
                    subject,
                    json!({}),
                )?;
                end_apps(
                    tx,
                    "organization.delete",
                    id.as_str(),
                    apps,
                    delete_app,
                    &by,
                )
            })
            .await
            .map_err(crate::identity::flatten)
    }
}

/// The apps that live there; a refusal when some belong to another dialect.
fn live_apps(
    tx: &Tx<'_>,
    place: Column,
    id: &str,
    dialect: Dialect,
) -> Result<Vec<AppRecord>, Error> {
    let filters = vec![Filter::is(place, id), Filter::is(Column::Deleted, false)];
    if tx.count::<AppRecord>(&filters)? > MAX_APPS_PER_DELETION {
        return Err(Error::Conflict(format!(
            "more than {MAX_APPS_PER_DELETION} apps; delete some of them first"
        )));
    }
    let apps = tx.all::<AppRecord>(filters)?;
    let foreign: Vec<String> = apps
        .iter()
        .filter(|app| app.dialect != dialect)
        .map(|app| format!("{} ({})", app.name, app.dialect.as_str()))
        .collect();
    if foreign.is_empty() {
        return Ok(apps);
    }
    Err(Error::Conflict(format!(
        "it holds apps of another API; delete them there first: {}",
        foreign.join(", ")
    )))
}

fn remove_space(tx: &mut Tx<'_>, mut space: Space, by: &By) -> Result<(), Error> {
    let here = [Filter::is(Column::Space, space.id.as_str())];
    delete_all::<Route>(tx, &here)?;
    delete_all::<Role>(tx, &here)?;
    for instance in tx.all::<ServiceInstance>(here.to_vec())? {
        let bound = [Filter::is(Column::ServiceInstance, instance.id.as_str())];
        delete_all::<ServiceBinding>(tx, &bound)?;
        tx.delete::<ServiceInstance>(&instance.id)?;
    }
    space.deleting = true;
    space.stamps.updated_at = by.at;
    tx.put(&space)?;
    put_event(
        tx,
        by,
        "audit.space.delete-request",
        spaces::subject(&space),
        json!({}),
    )?;
    Ok(())
}

fn delete_all<T: windlass_store::Row>(tx: &mut Tx<'_>, filters: &[Filter]) -> Result<(), Error> {
    while tx.delete_where::<T>(filters.to_vec(), BATCH)? == u64::from(BATCH) {}
    Ok(())
}

fn end_apps(
    tx: &mut Tx<'_>,
    kind: &str,
    subject: &str,
    apps: Vec<AppRecord>,
    mut delete_app: DeleteApp,
    by: &By,
) -> Result<Deletion, Error> {
    for app in &apps {
        delete_app(tx, app, by)?;
    }
    let state = if apps.is_empty() {
        OperationState::Complete
    } else {
        OperationState::Processing
    };
    let operation = put_operation(tx, by, kind, subject, state)?;
    Ok(Deletion { operation, apps })
}
