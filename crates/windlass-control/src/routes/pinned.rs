//! Hosts that lead to one published version, and are moved to another.

use windlass_engine::app::AppState;
use windlass_engine::event::Subject as EventSubject;
use windlass_engine::id::{AppId, BuildId, CommitNumber, DestinationId, RevisionId, RouteId};
use windlass_engine::records::{
    Actor, AppRecord, BuildRecord, Destination, Domain, Protocol, Route, RouteOptions, Stamps,
    WantedHost,
};
use windlass_store::{Column, Filter, NewEvent, StoreError, Tx, Unique, WriteError};

use super::{NewRoute, RouteError, RouteRefusal, check_address, now_by, place, rules};
use crate::clock;
use crate::commit::{Committed, read_state};
use crate::control::{Control, Extra, put_audit};
use crate::error::Error;

/// A host that was put.
#[derive(Debug, Clone)]
pub struct MovedHost {
    /// The route as it is now.
    pub route: Route,
    /// What it was before, if it was there.
    pub before: Option<Route>,
}

impl Control {
    /// Makes a host lead to a version of an app, or to what the app runs (`None`), wherever in
    /// the same space it led before. It is in force when this returns.
    ///
    /// # Errors
    /// [`RouteRefusal`]; [`Error::NotFound`] without the app, the domain or the version.
    pub async fn put_host(
        &self,
        actor: &Actor,
        app: &AppId,
        host: WantedHost,
        revision: Option<RevisionId>,
        extra: Extra,
    ) -> Result<MovedHost, RouteError> {
        let (control, app) = (self.clone(), app.clone());
        let by = now_by(actor);
        let (moved, commit) = self
            .store()
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                put_audit(tx, extra.audit)?;
                let record = crate::commands::apps::live_app(tx, &app)?;
                if let Some(revision) = &revision
                    && !state_of(tx, &app)?.published.contains_key(revision)
                {
                    return Err(Error::NotFound { what: "version" }.into());
                }
                let before = route_of(tx, &record, &host)?;
                let route = put(tx, &record, &host, revision.as_ref(), before.clone())?;
                let (_, space) = place(tx, &record.space)?;
                let earlier = before.as_ref().map_or(&[][..], |it| &it.destinations);
                super::put_mapping_events(tx, &by, &space, &route, earlier)?;
                Ok::<_, RouteError>((MovedHost { route, before }, tx.commit_number()))
            })
            .await
            .map_err(WriteError::flatten)?;
        if let Some(position) = self.publish_host_in_time(&moved.route.full_host, commit) {
            self.await_acknowledged(position).await;
        }
        Ok(moved)
    }

    /// Makes a host that nobody has lead to what an app runs. It is in force when this returns.
    ///
    /// # Errors
    /// [`RouteRefusal`]; [`Error::NotFound`] without the app or the domain.
    pub async fn add_host(
        &self,
        actor: &Actor,
        app: &AppId,
        host: WantedHost,
        extra: Extra,
    ) -> Result<Route, RouteError> {
        let (control, app) = (self.clone(), app.clone());
        let by = now_by(actor);
        let (route, commit) = self
            .store()
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                put_audit(tx, extra.audit)?;
                let record = crate::commands::apps::live_app(tx, &app)?;
                let route = put_new_host(tx, &record, &host, None)?;
                let (_, space) = place(tx, &record.space)?;
                super::put_mapping_events(tx, &by, &space, &route, &[])?;
                Ok::<_, RouteError>((route, tx.commit_number()))
            })
            .await
            .map_err(WriteError::flatten)?;
        if let Some(position) = self.publish_host_in_time(&route.full_host, commit) {
            self.await_acknowledged(position).await;
        }
        Ok(route)
    }
}

/// Creates a host that nobody has.
pub(crate) fn put_new_host(
    tx: &mut Tx<'_>,
    app: &AppRecord,
    host: &WantedHost,
    revision: Option<&RevisionId>,
) -> Result<Route, RouteError> {
    if route_of(tx, app, host)?.is_some() {
        return Err(RouteRefusal::Taken.into());
    }
    put(tx, app, host, revision, None)
}

/// Gives a version that was just built the hosts that its build asked for, in the same commit. A
/// host that leads to a newer version, or to what an app runs, stays. Gives the hosts to publish.
pub(crate) fn put_built_hosts(
    tx: &mut Tx<'_>,
    id: &BuildId,
    committed: &Committed,
) -> Result<Vec<String>, Error> {
    let state = &committed.state;
    let made = state.published.iter();
    let version = made
        .filter(|(_, published)| published.build.as_ref() == Some(id))
        .map(|(revision, published)| (revision.clone(), published.commit))
        .next();
    let record: Option<BuildRecord> = tx.get(id)?;
    let (Some((revision, commit)), Some(mut record)) = (version, record) else {
        return Ok(Vec::new());
    };
    let Some(app) = tx.get::<AppRecord>(&state.app)? else {
        return Ok(Vec::new());
    };
    // Once: a repeat of the same fact moves nothing again.
    let wanted = std::mem::take(&mut record.hosts);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    tx.put(&record)?;
    let mut hosts = Vec::new();
    for host in &wanted {
        match give(tx, &app, host, &revision, commit) {
            Ok(Some(route)) => hosts.push(route.full_host),
            Ok(None) => tell(tx, &app, id, host, "it leads to a newer version")?,
            Err(RouteError::Refused(refusal)) => tell(tx, &app, id, host, &refusal.to_string())?,
            Err(RouteError::Other(Error::NotFound { what })) => {
                tell(tx, &app, id, host, &format!("its {what} is gone"))?;
            }
            Err(RouteError::Other(error)) => return Err(error),
        }
    }
    Ok(hosts)
}

/// `None` = it stays as it is.
fn give(
    tx: &mut Tx<'_>,
    app: &AppRecord,
    host: &WantedHost,
    revision: &RevisionId,
    commit: CommitNumber,
) -> Result<Option<Route>, RouteError> {
    let before = route_of(tx, app, host)?;
    for destination in before.iter().flat_map(|route| &route.destinations) {
        let Some(other) = &destination.revision else {
            return Ok(None);
        };
        let state = state_of(tx, &destination.app)?;
        let newer = state.published.get(other);
        if newer.is_some_and(|published| published.commit > commit) {
            return Ok(None);
        }
    }
    put(tx, app, host, Some(revision), before).map(Some)
}

/// The route of a host as it is now.
fn route_of(tx: &Tx<'_>, app: &AppRecord, host: &WantedHost) -> Result<Option<Route>, RouteError> {
    let filters = [
        Filter::is(Column::Domain, host.domain.as_str()),
        Filter::is(Column::Host, host.label.as_str()),
        Filter::is(Column::Path, ""),
    ];
    let route = tx.find::<Route>(&filters)?;
    match route {
        Some(route) if route.space != app.space => Err(RouteRefusal::Taken.into()),
        route => Ok(route),
    }
}

fn put(
    tx: &mut Tx<'_>,
    app: &AppRecord,
    host: &WantedHost,
    revision: Option<&RevisionId>,
    before: Option<Route>,
) -> Result<Route, RouteError> {
    let (organization, space) = place(tx, &app.space)?;
    let domain = tx
        .get::<Domain>(&host.domain)?
        .ok_or(Error::NotFound { what: "domain" })?;
    rules::check_new(&organization, &domain, &host.label, "")?;
    let full_host = rules::full_host(&host.label, &domain.name);
    let wall = clock::wall();
    let new = NewRoute {
        space: space.id.clone(),
        domain: domain.id.clone(),
        host: host.label.clone(),
        path: String::new(),
        options: RouteOptions::default(),
        metadata: host.metadata.clone(),
    };
    check_address(tx, &space, &domain, &full_host, &new)?;
    let destination = Destination {
        id: DestinationId::new(uuid::Uuid::new_v4().to_string()),
        app: app.id.clone(),
        component: host.component.clone(),
        revision: revision.cloned(),
        weight: None,
        port: None,
        protocol: Protocol::Http1,
    };
    let mut route = before.unwrap_or_else(|| Route {
        id: RouteId::new(uuid::Uuid::new_v4().to_string()),
        space: new.space,
        domain: new.domain,
        host: new.host,
        path: new.path,
        full_host,
        destinations: Vec::new(),
        options: new.options,
        metadata: new.metadata.clone(),
        stamps: Stamps {
            created_at: wall,
            updated_at: wall,
            created_commit: tx.commit_number(),
        },
    });
    route.destinations = vec![destination];
    route.metadata = new.metadata;
    route.stamps.updated_at = wall;
    tx.put(&route).map_err(|error| match error {
        StoreError::Duplicate {
            what: Unique::RouteAddress,
        } => RouteError::Refused(RouteRefusal::Taken),
        other => other.into(),
    })?;
    Ok(route)
}

fn state_of(tx: &mut Tx<'_>, app: &AppId) -> Result<AppState, Error> {
    let row = tx.app_state(app)?.ok_or(Error::NotFound { what: "app" })?;
    Ok(read_state(&row)?)
}

/// The event that says why a host stays as it is.
fn tell(
    tx: &mut Tx<'_>,
    app: &AppRecord,
    id: &BuildId,
    host: &WantedHost,
    why: &str,
) -> Result<(), Error> {
    let subject = EventSubject::Build(id.clone());
    tx.append_event(&NewEvent {
        app: Some(app.id.clone()),
        organization: Some(app.organization.clone()),
        subject_kind: subject.kind().to_owned(),
        subject: subject.id().to_owned(),
        at: clock::wall(),
        kind: "host_not_given".to_owned(),
        text: format!("host {} stays as it is: {why}", host.label),
        data: serde_json::json!({"domain": host.domain, "label": host.label}),
    })?;
    Ok(())
}
