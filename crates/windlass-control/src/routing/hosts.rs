//! Hosts of the route table: what routes and hosts of apps make of it.

use std::collections::BTreeMap;
use std::time::Duration;

use windlass_engine::id::{CommitNumber, ComponentName};
use windlass_engine::records::{AppHost, Route};
use windlass_router::{AnswerHeader, Change, Destination, HostRoutes, Position, RouteRule};
use windlass_store::{Column, Filter, ListQuery, Page, Reader, Row, StoreError};

use super::{WHOLE_APP, group_of, group_of_version};
use crate::control::Control;
use crate::error::Error;

/// Pause before hosts that could not be published are tried again, milliseconds.
const HOST_RETRY_MS: u64 = 500;

impl Control {
    /// Publishes the rules of one host, as the routes say now.
    ///
    /// # Errors
    /// [`Error::Internal`] when the table file can't be written.
    pub fn publish_host(&self, full_host: &str, commit: CommitNumber) -> Result<Position, Error> {
        let rules = self.host_rules(full_host)?;
        let change = if rules.is_empty() {
            Change::RemoveHost {
                host: full_host.to_owned(),
                commit: commit.0,
            }
        } else {
            let value = HostRoutes {
                commit: commit.0,
                rules,
            };
            Change::PutHost {
                host: full_host.to_owned(),
                value,
            }
        };
        self.routes().publish(vec![change]).map_err(Error::internal)
    }

    /// The same for what is durable already: a failure is only reported, and tried again until
    /// it succeeds. `None` = not yet.
    pub(crate) fn publish_host_in_time(
        &self,
        full_host: &str,
        commit: CommitNumber,
    ) -> Option<Position> {
        match self.publish_host(full_host, commit) {
            Ok(position) => Some(position),
            Err(error) => {
                tracing::error!(host = full_host, "routes not published: {error}");
                self.note_unpublished_host(full_host);
                None
            }
        }
    }

    fn note_unpublished_host(&self, full_host: &str) {
        let mut pending = self.pending();
        pending.unpublished_hosts.insert(full_host.to_owned());
        if !std::mem::replace(&mut pending.is_retrying_hosts, true) {
            tokio::spawn(self.clone().retry_hosts());
        }
    }

    /// Publishes hosts again until all are in the table.
    async fn retry_hosts(self) {
        while !self.is_closed() {
            tokio::time::sleep(Duration::from_millis(HOST_RETRY_MS)).await;
            self.publish_missed_hosts();
            let mut pending = self.pending();
            if pending.unpublished_hosts.is_empty() {
                pending.is_retrying_hosts = false;
                return;
            }
        }
    }

    /// The same for hosts. Those that fail again stay noted.
    pub(crate) fn publish_missed_hosts(&self) {
        let hosts = std::mem::take(&mut self.pending().unpublished_hosts);
        if hosts.is_empty() {
            return;
        }
        let commit = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.last_commit()?))
            .unwrap_or_default();
        for host in hosts {
            let _ = self.publish_host_in_time(&host, commit);
        }
    }

    fn host_rules(&self, full_host: &str) -> Result<Vec<RouteRule>, Error> {
        let filter = || vec![Filter::is(Column::FullHost, full_host)];
        let (routes, hosts) = self.store().read(|reader| {
            Ok::<_, Error>((
                reader.all::<Route>(filter())?,
                reader.all::<AppHost>(filter())?,
            ))
        })?;
        let of_routes = routes.iter().filter_map(|route| self.rule(route));
        Ok(of_routes.chain(hosts.iter().map(rule_of_host)).collect())
    }

    /// All hosts with their rules.
    ///
    /// # Errors
    /// [`Error::Internal`] when they can't be read.
    pub(super) fn all_hosts(&self) -> Result<BTreeMap<String, HostRoutes>, Error> {
        let (routes, hosts, commit) = self.store().read(|reader| {
            let routes = every::<Route>(reader)?;
            Ok::<_, Error>((routes, every::<AppHost>(reader)?, reader.last_commit()?))
        })?;
        let of_routes = routes
            .iter()
            .filter_map(|route| Some((&route.full_host, self.rule(route)?)));
        let of_hosts = hosts
            .iter()
            .map(|host| (&host.full_host, rule_of_host(host)));
        let mut all: BTreeMap<String, HostRoutes> = BTreeMap::new();
        for (full_host, rule) in of_routes.chain(of_hosts) {
            let host = all.entry(full_host.clone()).or_default();
            host.commit = commit.0;
            host.rules.push(rule);
        }
        Ok(all)
    }
}

impl Control {
    /// The rule of a route. One that leads to a version says what its host answers without it.
    fn rule(&self, route: &Route) -> Option<RouteRule> {
        let pinned = route.destinations.iter().find(|to| to.revision.is_some());
        // Of an app that is gone the routes are, too, in a moment.
        let app = pinned.and_then(|to| self.app_record(&to.app).ok());
        let manners = app.and_then(|app| self.manners_of(app.dialect));
        rule(
            route,
            manners.map(|it| it.absent.clone()).unwrap_or_default(),
        )
    }
}

/// Every row, however many there are: what is missing here is cut off.
fn every<T: Row>(reader: &Reader<'_>) -> Result<Vec<T>, StoreError> {
    let mut rows = Vec::new();
    loop {
        let query = ListQuery::filtered(Vec::new()).page(Page {
            offset: rows.len() as u64,
            limit: Page::MAX_LIMIT,
        });
        let page = reader.list::<T>(&query)?.rows;
        let is_last = page.len() < Page::MAX_LIMIT as usize;
        rows.extend(page);
        if is_last {
            return Ok(rows);
        }
    }
}

/// A host of an app leads to all of it.
fn rule_of_host(host: &AppHost) -> RouteRule {
    RouteRule {
        route_id: host.id.to_string(),
        path_prefix: String::new(),
        method: None,
        headers: Vec::new(),
        destinations: vec![Destination {
            group: group_of(&host.app, &ComponentName::from(WHOLE_APP)),
            weight: 1,
        }],
        absent: Vec::new(),
    }
}

fn rule(route: &Route, absent: Vec<AnswerHeader>) -> Option<RouteRule> {
    let destinations: Vec<Destination> = route
        .destinations
        .iter()
        .map(|destination| Destination {
            group: match &destination.revision {
                Some(revision) => {
                    group_of_version(&destination.app, &destination.component, revision)
                }
                None => group_of(&destination.app, &destination.component),
            },
            weight: destination.weight.map_or(1, u32::from),
        })
        .collect();
    (!destinations.is_empty()).then(|| RouteRule {
        route_id: route.id.to_string(),
        path_prefix: route.path.clone(),
        method: None,
        headers: Vec::new(),
        destinations,
        absent,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::testing;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_host_that_could_not_be_published_is_tried_again() {
        const PATIENCE: Duration = Duration::from_mins(1);
        let dir = tempfile::tempdir().unwrap();
        let (control, _driver) = testing::open(dir.path()).await.unwrap();
        // A host of which the store knows nothing any more.
        let host = "shop.example.test".to_owned();
        let value = HostRoutes::default();
        let change = Change::PutHost {
            host: host.clone(),
            value,
        };
        control.routes().publish(vec![change]).unwrap();
        // As after a write of the table file that failed.
        control.note_unpublished_host(&host);
        let deadline = Instant::now() + PATIENCE;
        let is_due = || {
            let pending = control.pending();
            pending.is_retrying_hosts || !pending.unpublished_hosts.is_empty()
        };
        while control.routes().table().hosts.contains_key(&host) || is_due() {
            assert!(Instant::now() < deadline, "never published");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
