//! Deletion of spaces and organizations: durable, and first of all.
//!
//! One commit marks the tenant, frees its names, hosts and roles, and ends every app in it. The
//! operation is complete when nothing of those apps runs any more; that is looked up when it is
//! asked for, so no crash can leave it open.

use std::collections::BTreeSet;

use serde_json::json;
use windlass_engine::app::{AppState, RunState};
use windlass_engine::id::{OperationId, OrganizationId, SpaceId};
use windlass_engine::records::{
    AppRecord, Dialect, Domain, Operation, OperationState, Organization, Role, Route,
    ServiceBinding, ServiceInstance, Space,
};
use windlass_store::{Column, Filter, Page, Tx};

use super::{
    By, complete_operation, live_organization, live_space, organizations, put_event, put_operation,
    spaces,
};
use crate::commands::Caller;
use crate::commands::delete_app::{APP_DELETE, end_app};
use crate::commit::{Committed, write};
use crate::control::Control;
use crate::error::Error;
use crate::principal::Principal;

/// Most apps of a space or organization that is deleted; more would make one commit too long.
pub const MAX_APPS_PER_DELETION: u64 = 1000;
/// Rows of one kind that a deletion removes at a time.
const BATCH: u32 = Page::MAX_LIMIT;
const SPACE_DELETE: &str = "space.delete";
const ORGANIZATION_DELETE: &str = "organization.delete";

/// What a deletion has changed outside of the database's own rows.
struct Ended {
    operation: OperationId,
    apps: Vec<Committed>,
    hosts: BTreeSet<String>,
}

impl Control {
    /// Deletes a space with everything in it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] with apps of another dialect or too many apps.
    pub async fn delete_space(
        &self,
        principal: &Principal,
        dialect: Dialect,
        id: &SpaceId,
    ) -> Result<OperationId, Error> {
        let (id, by) = (id.clone(), self.tenancy().by(&principal.actor()));
        let caller = Caller::from(principal);
        let ended = write(self.store(), move |tx| {
            let space = live_space(tx, &id)?;
            let mut ended = Marks::default();
            let apps = live_apps(tx, Column::Space, id.as_str(), dialect)?;
            ended.end_apps(tx, &apps, &caller)?;
            ended.remove_space(tx, space, &by)?;
            ended.finish(tx, SPACE_DELETE, id.as_str(), &by)
        })
        .await?;
        self.after_deletion(ended).await
    }

    /// Deletes an organization with all its spaces, private domains and roles.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] with apps of another dialect or too many apps.
    pub async fn delete_organization(
        &self,
        principal: &Principal,
        dialect: Dialect,
        id: &OrganizationId,
    ) -> Result<OperationId, Error> {
        let (id, by) = (id.clone(), self.tenancy().by(&principal.actor()));
        let caller = Caller::from(principal);
        let ended = write(self.store(), move |tx| {
            let mut organization = live_organization(tx, &id)?;
            let mut ended = Marks::default();
            let apps = live_apps(tx, Column::Organization, id.as_str(), dialect)?;
            ended.end_apps(tx, &apps, &caller)?;
            let here = [Filter::is(Column::Organization, id.as_str())];
            let live = Filter::is(Column::Deleting, false);
            for space in tx.all::<Space>(vec![here[0].clone(), live])? {
                ended.remove_space(tx, space, &by)?;
            }
            delete_all::<Role>(tx, &here)?;
            for domain in tx.all::<Domain>(here.to_vec())? {
                // Another tenant may have routes below a domain that was shared with it.
                ended.remove_routes(tx, &[Filter::is(Column::Domain, domain.id.as_str())])?;
                tx.delete::<Domain>(&domain.id)?;
            }
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
            ended.finish(tx, ORGANIZATION_DELETE, id.as_str(), &by)
        })
        .await?;
        self.after_deletion(ended).await
    }

    /// An operation as it is now: the deletion of a tenant is complete as soon as nothing of its
    /// apps runs any more.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn operation(&self, id: &OperationId) -> Result<Option<Operation>, Error> {
        let Some(operation) = self.tenancy().operation(id)? else {
            return Ok(None);
        };
        if operation.state != OperationState::Processing {
            return Ok(Some(operation));
        }
        let place = match operation.kind.as_str() {
            SPACE_DELETE => Column::Space,
            ORGANIZATION_DELETE => Column::Organization,
            APP_DELETE => {
                // The last exit may have been taken in just before a crash, or never have come.
                self.settle_operation(&operation.subject.as_str().into())
                    .await?;
                return self.tenancy().operation(id);
            }
            _ => return Ok(Some(operation)),
        };
        if !self.is_ended(place, operation.subject.clone()).await? {
            return Ok(Some(operation));
        }
        let (id, at) = (id.clone(), (self.tenancy().wall)());
        write(self.store(), move |tx| {
            complete_operation(tx, &id, Vec::new(), at)?;
            Ok(tx.get::<Operation>(&id)?)
        })
        .await
    }

    /// Whether nothing of the deleted apps of a tenant runs any more.
    async fn is_ended(&self, place: Column, id: String) -> Result<bool, Error> {
        let control = self.clone();
        let apps: Vec<AppRecord> = self
            .store()
            .read_list(move |reader| {
                reader.all(vec![
                    Filter::is(place, id.as_str()),
                    Filter::is(Column::Deleted, true),
                ])
            })
            .await
            .map_err(|error: windlass_store::StoreError| Error::from(error))?;
        for app in apps {
            if control
                .state(&app.id)?
                .is_some_and(|state| !is_over(&state))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn after_deletion(&self, ended: Ended) -> Result<OperationId, Error> {
        let commit = ended.apps.iter().map(|app| app.commit).max();
        for app in &ended.apps {
            self.act(app);
            self.settle_operation(&app.state.app).await?;
        }
        let commit = match commit {
            Some(commit) => commit,
            None => self
                .store()
                .read(|reader| Ok::<_, Error>(reader.last_commit()?))?,
        };
        for host in &ended.hosts {
            let _ = self.publish_host_in_time(host, commit);
        }
        Ok(ended.operation)
    }
}

/// What the commit of a deletion has changed so far.
#[derive(Default)]
struct Marks {
    apps: Vec<Committed>,
    hosts: BTreeSet<String>,
}

impl Marks {
    fn end_apps(
        &mut self,
        tx: &mut Tx<'_>,
        apps: &[AppRecord],
        caller: &Caller,
    ) -> Result<(), Error> {
        for app in apps {
            let (committed, hosts) = end_app(tx, &app.id, caller)?;
            self.apps.push(committed);
            self.hosts.extend(hosts);
        }
        Ok(())
    }

    fn remove_space(&mut self, tx: &mut Tx<'_>, mut space: Space, by: &By) -> Result<(), Error> {
        let here = [Filter::is(Column::Space, space.id.as_str())];
        self.remove_routes(tx, &here)?;
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

    fn remove_routes(&mut self, tx: &mut Tx<'_>, filters: &[Filter]) -> Result<(), Error> {
        loop {
            let routes = tx.all::<Route>(filters.to_vec())?;
            if routes.is_empty() {
                return Ok(());
            }
            for route in routes {
                tx.delete::<Route>(&route.id)?;
                self.hosts.insert(route.full_host);
            }
        }
    }

    fn finish(self, tx: &mut Tx<'_>, kind: &str, subject: &str, by: &By) -> Result<Ended, Error> {
        let state = if self.apps.is_empty() {
            OperationState::Complete
        } else {
            OperationState::Processing
        };
        let operation = put_operation(tx, by, kind, subject, state)?;
        Ok(Ended {
            operation,
            apps: self.apps,
            hosts: self.hosts,
        })
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

fn delete_all<T: windlass_store::Row>(tx: &mut Tx<'_>, filters: &[Filter]) -> Result<(), Error> {
    while tx.delete_where::<T>(filters.to_vec(), BATCH)? == u64::from(BATCH) {}
    Ok(())
}

fn is_over(state: &AppState) -> bool {
    state.run == RunState::Deleted
        && state.instances.is_empty()
        && state
            .tasks
            .iter()
            .all(windlass_engine::task::Task::is_finished)
        && state
            .builds
            .iter()
            .all(windlass_engine::build::Build::is_finished)
}
