//! Routes: hosts and paths below domains that lead to apps.
//!
//! A route's address is unique in the installation, and all routes of one host lie in one space:
//! nobody can take a path of somebody else's host. A change is in force in the router before the
//! command answers, or a moment later when a router is away.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use windlass_engine::id::{
    AppId, ComponentName, DestinationId, DomainId, OperationId, RouteId, SpaceId,
};
use windlass_engine::records::{
    Actor, AppHost, AppRecord, Destination, Domain, Metadata, OperationState, Organization,
    Protocol, Route, RouteOptions, Space,
};
use windlass_store::{Column, Filter, ListPage, ListQuery, StoreError, Tx, Unique, WriteError};

use crate::clock;
use crate::commands::deploy_whole::OwnHost;
use crate::control::Control;
use crate::error::Error;
use crate::identity::Visibility;
use crate::tenancy::{By, Subject, put_event, put_operation};

mod domain;
pub mod pinned;
mod rules;

pub use rules::{NewDestination, RouteRefusal, with_inserted, with_replaced};

pub use crate::routing::WHOLE_APP;

/// Most destinations of a route.
pub const MAX_DESTINATIONS: usize = 100;

/// Most routes that one request deletes.
const MAX_DELETED_AT_ONCE: u32 = 5_000;

/// A route to be.
#[derive(Debug, Clone)]
pub struct NewRoute {
    /// Where it shall lie.
    pub space: SpaceId,
    /// Below which domain.
    pub domain: DomainId,
    /// Host label in lower case, empty, or `*`.
    pub host: String,
    /// Path, empty or starting with `/`.
    pub path: String,
    /// Options.
    pub options: RouteOptions,
    /// Labels and annotations.
    pub metadata: Metadata,
}

/// Why a route command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// A rule of routes forbids it.
    #[error(transparent)]
    Refused(#[from] RouteRefusal),
    /// Any other reason.
    #[error(transparent)]
    Other(#[from] Error),
}

impl From<StoreError> for RouteError {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

/// What a change of destinations does to those that there are.
pub type ChangeDestinations =
    Box<dyn FnOnce(&[Destination]) -> Result<Vec<Destination>, RouteRefusal> + Send>;

impl Control {
    /// Creates a route.
    ///
    /// # Errors
    /// [`RouteRefusal`]; [`Error::NotFound`] without the space or domain.
    pub async fn create_route(&self, actor: &Actor, new: NewRoute) -> Result<Route, RouteError> {
        let by = now_by(actor);
        self.change(move |tx| {
            let (organization, space) = place(tx, &new.space)?;
            let domain = tx
                .get::<Domain>(&new.domain)?
                .ok_or(Error::NotFound { what: "domain" })?;
            rules::check_new(&organization, &domain, &new.host, &new.path)?;
            let full_host = rules::full_host(&new.host, &domain.name);
            check_address(tx, &space, &domain, &full_host, &new)?;
            let route = Route {
                id: RouteId::new(uuid::Uuid::new_v4().to_string()),
                space: new.space,
                domain: new.domain,
                host: new.host,
                path: new.path,
                full_host,
                destinations: Vec::new(),
                options: new.options,
                metadata: new.metadata,
                stamps: by.stamps(tx),
            };
            tx.put(&route).map_err(|error| match error {
                StoreError::Duplicate {
                    what: Unique::RouteAddress,
                } => RouteError::Refused(RouteRefusal::Taken),
                other => other.into(),
            })?;
            let request = json!({"request": {"host": route.host, "path": route.path}});
            put_event(
                tx,
                &by,
                "audit.route.create",
                subject(&route, &space),
                request,
            )?;
            Ok(route)
        })
        .await
    }

    /// Changes options and metadata of a route. `None` keeps them.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn update_route(
        &self,
        actor: &Actor,
        id: &RouteId,
        options: Option<RouteOptions>,
        metadata: Option<Metadata>,
    ) -> Result<Route, RouteError> {
        let (by, id) = (now_by(actor), id.clone());
        self.change(move |tx| {
            let mut route = live_route(tx, &id)?;
            if let Some(options) = options {
                route.options = options;
            }
            if let Some(metadata) = metadata {
                route.metadata = metadata;
            }
            route.stamps.updated_at = by.at;
            tx.put(&route)?;
            let (_, space) = place(tx, &route.space)?;
            put_event(
                tx,
                &by,
                "audit.route.update",
                subject(&route, &space),
                json!({}),
            )?;
            Ok(route)
        })
        .await
    }

    /// Changes the destinations of a route by a rule that is judged inside the commit.
    ///
    /// # Errors
    /// [`RouteRefusal`]; [`Error::NotFound`].
    pub async fn change_destinations(
        &self,
        actor: &Actor,
        id: &RouteId,
        change: ChangeDestinations,
    ) -> Result<Route, RouteError> {
        let (by, id) = (now_by(actor), id.clone());
        self.change(move |tx| {
            let mut route = live_route(tx, &id)?;
            let (_, space) = place(tx, &route.space)?;
            let before = std::mem::take(&mut route.destinations);
            route.destinations = change(&before)?;
            for destination in &route.destinations {
                check_app(tx, destination, &route.space)?;
            }
            // What leads where it did before has not changed.
            if route.destinations != before {
                route.stamps.updated_at = by.at;
                tx.put(&route)?;
                put_mapping_events(tx, &by, &space, &route, &before)?;
            }
            Ok(route)
        })
        .await
    }

    /// Deletes a route.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_route(
        &self,
        actor: &Actor,
        id: &RouteId,
    ) -> Result<OperationId, RouteError> {
        let (by, id) = (now_by(actor), id.clone());
        let (operation, host) = self
            .write_route(move |tx| {
                let route = live_route(tx, &id)?;
                let (_, space) = place(tx, &route.space)?;
                delete(tx, &by, &space, &route)?;
                let done = OperationState::Complete;
                let operation = put_operation(tx, &by, "route.delete", id.as_str(), done)?;
                Ok((operation, route.full_host))
            })
            .await?;
        self.put_in_force(&BTreeSet::from([host])).await?;
        Ok(operation)
    }

    /// Deletes the routes of a space that lead nowhere.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_unmapped_routes(
        &self,
        actor: &Actor,
        space: &SpaceId,
    ) -> Result<OperationId, RouteError> {
        let (by, id) = (now_by(actor), space.clone());
        let (operation, hosts) = self
            .write_route(move |tx| {
                let (_, space) = place(tx, &id)?;
                let mut query = ListQuery::filtered(vec![Filter::is(Column::Space, id.as_str())]);
                query.page.limit = MAX_DELETED_AT_ONCE;
                let mut hosts = BTreeSet::new();
                for route in tx.list::<Route>(&query)?.rows {
                    if route.destinations.is_empty() {
                        delete(tx, &by, &space, &route)?;
                        hosts.insert(route.full_host);
                    }
                }
                let done = OperationState::Complete;
                let kind = "space.delete_unmapped_routes";
                Ok((put_operation(tx, &by, kind, id.as_str(), done)?, hosts))
            })
            .await?;
        self.put_in_force(&hosts).await?;
        Ok(operation)
    }

    /// One route.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn route(&self, id: &RouteId) -> Result<Option<Route>, Error> {
        Ok(self.store().read(|reader| reader.get::<Route>(id))?)
    }

    /// The route with exactly this address.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn route_at(
        &self,
        domain: &DomainId,
        host: &str,
        path: &str,
    ) -> Result<Option<Route>, Error> {
        let filters = [
            Filter::is(Column::Domain, domain.as_str()),
            Filter::is(Column::Host, host),
            Filter::is(Column::Path, path),
        ];
        Ok(self.store().read(|reader| reader.find::<Route>(&filters))?)
    }

    /// Routes that the caller sees.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn list_routes(
        &self,
        visibility: &Visibility,
        mut query: ListQuery,
    ) -> Result<ListPage<Route>, Error> {
        let visible = crate::tenancy::visible(visibility, Column::Organization, Column::Space);
        query.filters.extend(visible);
        Ok(self
            .store()
            .read_list(move |reader| reader.list::<Route>(&query))
            .await?)
    }

    /// Changes one route and puts its host in force.
    async fn change<F>(&self, change: F) -> Result<Route, RouteError>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<Route, RouteError> + Send + 'static,
    {
        let route = self.write_route(change).await?;
        self.put_in_force(&BTreeSet::from([route.full_host.clone()]))
            .await?;
        Ok(route)
    }

    async fn write_route<T, F>(&self, change: F) -> Result<T, RouteError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, RouteError> + Send + 'static,
    {
        self.store()
            .write(change)
            .await
            .map_err(WriteError::flatten)
    }

    /// Publishes hosts as their routes say now, and waits a moment for the routers.
    async fn put_in_force(&self, hosts: &BTreeSet<String>) -> Result<(), Error> {
        let mut last = None;
        for host in hosts {
            let commit = self
                .store()
                .read(|reader| Ok::<_, Error>(reader.last_commit()?))?;
            // The commit stands: what can't be put in force now is tried again.
            last = self.publish_host_in_time(host, commit).or(last);
        }
        if let Some(position) = last {
            self.await_acknowledged(position).await;
        }
        Ok(())
    }
}

/// The whole name of the host that an app gets of its own.
pub(crate) fn own_host(
    organization: &Organization,
    domain: &Domain,
    label: &str,
) -> Result<String, RouteRefusal> {
    rules::check_new(organization, domain, label, "")?;
    Ok(rules::full_host(label, &domain.name))
}

/// Creates the route of an app's own host inside the commit that creates the app. Gives the host.
pub(crate) fn put_own_route(
    tx: &mut Tx<'_>,
    app: &AppRecord,
    host: &OwnHost,
    component: ComponentName,
) -> Result<String, RouteError> {
    let (organization, space) = place(tx, &app.space)?;
    let domain = tx
        .get::<Domain>(&host.domain)?
        .ok_or(Error::NotFound { what: "domain" })?;
    rules::check_new(&organization, &domain, &host.label, "")?;
    let full_host = rules::full_host(&host.label, &domain.name);
    let new = NewRoute {
        space: space.id.clone(),
        domain: domain.id.clone(),
        host: host.label.clone(),
        path: String::new(),
        options: RouteOptions::default(),
        metadata: Metadata::default(),
    };
    check_address(tx, &space, &domain, &full_host, &new)?;
    let route = Route {
        id: RouteId::new(uuid::Uuid::new_v4().to_string()),
        space: new.space,
        domain: new.domain,
        host: new.host,
        path: new.path,
        full_host: full_host.clone(),
        destinations: vec![Destination {
            id: DestinationId::new(uuid::Uuid::new_v4().to_string()),
            app: app.id.clone(),
            component,
            revision: None,
            weight: None,
            port: None,
            protocol: Protocol::Http1,
        }],
        options: new.options,
        metadata: new.metadata,
        stamps: app.stamps,
    };
    tx.put(&route).map_err(|error| match error {
        StoreError::Duplicate {
            what: Unique::RouteAddress,
        } => RouteError::Refused(RouteRefusal::Taken),
        other => other.into(),
    })?;
    Ok(full_host)
}

/// Creates the route of an app's own host inside the commit that creates the app, with the first
/// of these hosts that nobody has. Gives the host.
pub(crate) fn put_first_free_route(
    tx: &mut Tx<'_>,
    app: &AppRecord,
    hosts: &[OwnHost],
    component: &ComponentName,
) -> Result<String, Error> {
    for host in hosts {
        let domain = tx
            .get::<Domain>(&host.domain)?
            .ok_or(Error::NotFound { what: "domain" })?;
        let full_host = rules::full_host(&host.label, &domain.name);
        let is_host = Filter::is(Column::FullHost, full_host.as_str());
        let is_domain = Filter::is(Column::Name, full_host.as_str());
        let is_taken = tx.find::<Route>(std::slice::from_ref(&is_host))?.is_some()
            || tx.find::<AppHost>(&[is_host])?.is_some()
            || tx.find::<Domain>(&[is_domain])?.is_some();
        if is_taken {
            continue;
        }
        return put_own_route(tx, app, host, component.clone()).map_err(|error| match error {
            RouteError::Refused(refusal) => Error::Conflict(refusal.to_string()),
            RouteError::Other(error) => error,
        });
    }
    Err(Error::Taken {
        what: "host",
        value: hosts.first().map_or("", |host| &host.label).to_owned(),
    })
}

fn now_by(actor: &Actor) -> By {
    By {
        actor: actor.clone(),
        at: clock::wall(),
    }
}

fn live_route(tx: &Tx<'_>, id: &RouteId) -> Result<Route, Error> {
    tx.get::<Route>(id)?
        .ok_or(Error::NotFound { what: "route" })
}

fn place(tx: &Tx<'_>, id: &SpaceId) -> Result<(Organization, Space), Error> {
    let space = crate::tenancy::live_space(tx, id)?;
    Ok((
        crate::tenancy::live_organization(tx, &space.organization)?,
        space,
    ))
}

/// Refuses addresses that belong to others.
fn check_address(
    tx: &Tx<'_>,
    space: &Space,
    domain: &Domain,
    full_host: &str,
    new: &NewRoute,
) -> Result<(), RouteError> {
    let is_domain = tx
        .find::<Domain>(&[Filter::is(Column::Name, full_host)])?
        .is_some();
    if is_domain && !new.host.is_empty() {
        return Err(RouteRefusal::ConflictsWithDomain {
            domain: full_host.to_owned(),
        }
        .into());
    }
    let of_app = [Filter::is(Column::FullHost, full_host)];
    if tx.find::<AppHost>(&of_app)?.is_some() {
        return Err(RouteRefusal::HostOfApp.into());
    }
    let elsewhere = [
        Filter::is(Column::FullHost, full_host),
        Filter::NotIn(Column::Space, vec![space.id.as_str().into()]),
    ];
    if let Some(other) = tx.find::<Route>(&elsewhere)? {
        let refusal = if other.path == new.path && other.domain == domain.id {
            RouteRefusal::Taken
        } else {
            RouteRefusal::HostInOtherSpace
        };
        return Err(refusal.into());
    }
    Ok(())
}

/// A destination is an app that lives in the route's space.
fn check_app(tx: &Tx<'_>, destination: &Destination, space: &SpaceId) -> Result<(), RouteError> {
    let app = tx
        .get::<AppRecord>(&destination.app)?
        .filter(|app| !app.deleted);
    match app {
        Some(app) if app.space == *space => Ok(()),
        Some(_) => Err(RouteRefusal::AppElsewhere.into()),
        None => Err(RouteRefusal::NoSuchApp {
            app: destination.app.clone(),
        }
        .into()),
    }
}

fn delete(tx: &mut Tx<'_>, by: &By, space: &Space, route: &Route) -> Result<(), RouteError> {
    tx.delete::<Route>(&route.id)?;
    let kind = "audit.route.delete-request";
    put_event(
        tx,
        by,
        kind,
        subject(route, space),
        json!({"request": {"recursive": true}}),
    )?;
    Ok(())
}

/// One event for each app that the route begins or ceases to lead to.
fn put_mapping_events(
    tx: &mut Tx<'_>,
    by: &By,
    space: &Space,
    route: &Route,
    before: &[Destination],
) -> Result<(), RouteError> {
    let is_in = |list: &[Destination], id: &DestinationId| list.iter().any(|it| it.id == *id);
    let gone = before
        .iter()
        .filter(|it| !is_in(&route.destinations, &it.id));
    let added = route
        .destinations
        .iter()
        .filter(|it| !is_in(before, &it.id));
    let changes: Vec<(&str, &Destination)> = gone
        .map(|it| ("audit.app.unmap-route", it))
        .chain(added.map(|it| ("audit.app.map-route", it)))
        .collect();
    for (kind, destination) in changes {
        let name = tx
            .get::<AppRecord>(&destination.app)?
            .map_or_else(String::new, |app| app.name);
        let subject = Subject::new("app", destination.app.as_str(), &name)
            .within(&space.organization, Some(&space.id));
        put_event(tx, by, kind, subject, mapping(route, destination))?;
    }
    Ok(())
}

fn mapping(route: &Route, destination: &Destination) -> Value {
    json!({
        "route_guid": route.id,
        "destination_guid": destination.id,
        "process_type": destination.component,
        "weight": destination.weight,
        "protocol": match destination.protocol {
            Protocol::Http1 => "http1",
            Protocol::Http2 => "http2",
        },
    })
}

fn subject(route: &Route, space: &Space) -> Subject {
    let name = format!("{}{}", route.full_host, route.path);
    Subject::new("route", route.id.as_str(), &name).within(&space.organization, Some(&space.id))
}

/// Apps that a list of destinations leads to.
pub fn apps_of(destinations: &[Destination]) -> BTreeSet<AppId> {
    destinations
        .iter()
        .map(|destination| destination.app.clone())
        .collect()
}
