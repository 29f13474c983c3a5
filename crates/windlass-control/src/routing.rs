//! The route table as control sees it: groups from plans, hosts from routes.

mod files;
mod ingress;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;
use windlass_engine::app::AppState;
use windlass_engine::configuration::ComponentRole;
use windlass_engine::id::{AppId, CommitNumber, ComponentName, PlanGeneration, RevisionId};
use windlass_engine::input::{Input, Observation};
use windlass_engine::limits::SHARE_ALL;
use windlass_engine::plan::{Plan, VersionShare, plan};
use windlass_engine::records::{AppHost, Route};
use windlass_engine::strategy::Strategy;
use windlass_router::{
    Acknowledgement, Change, Destination, Group, GroupId, HostRoutes, Position, RouteRule, Split,
    Table, TargetKind, Upstream, Version,
};
use windlass_store::{Column, Filter, ListQuery, Page, Reader, Row, StoreError};

use crate::clock;
use crate::commit::{Committed, read_state};
use crate::control::Control;
use crate::error::Error;
use crate::run_name::RunName;

/// Cookie that pins a client to an instance.
const STICKY_COOKIES: [&str; 1] = ["JSESSIONID"];
/// How long a background wait for the router goes on before it looks again, seconds.
const ACKNOWLEDGE_ROUND_SECS: u64 = 30;
/// Pause before hosts that could not be published are tried again, milliseconds.
const HOST_RETRY_MS: u64 = 500;

/// Longest hold of a request whose instance is being started, milliseconds.
const ON_DEMAND_HOLD_MS: u32 = 30_000;
/// Requests that one version may hold.
const ON_DEMAND_HOLD_LIMIT: u32 = 100;

/// In place of a component: a route leads to the app as a whole, whose ingress rules say which
/// component answers.
pub const WHOLE_APP: &str = "*";

/// Name of the group of a routed component.
pub(crate) fn group_of(app: &AppId, component: &ComponentName) -> GroupId {
    format!("{app}/{component}")
}

/// Name of the group of a published version of a component.
pub(crate) fn group_of_version(
    app: &AppId,
    component: &ComponentName,
    revision: &RevisionId,
) -> GroupId {
    format!("{}@{revision}", group_of(app, component))
}

/// The version on demand that a group stands for or has among its versions, as named by a router.
pub(crate) fn component_of(group: &str) -> Option<(AppId, ComponentName)> {
    let (app, rest) = group.split_once('/')?;
    let component = rest
        .split_once('@')
        .map_or(rest, |(component, _)| component);
    Some((AppId::from(app), ComponentName::from(component)))
}

/// Published versions whose groups are to be published.
#[derive(Debug, Clone, Copy)]
enum Versions<'a> {
    /// All, and none beside them.
    All,
    /// Those that a commit changed.
    Changed(&'a [(RevisionId, ComponentName)]),
}

/// What shares divide: by stages visitors move, each once, else every request is by itself.
fn split(state: &AppState) -> Split {
    match state.governing() {
        Some(release) if matches!(release.strategy, Strategy::Stages(_)) => Split::Visitors {
            rollout: release.id.to_string(),
            header: None,
        },
        Some(_) | None => Split::Requests,
    }
}

/// Whether an app has rules of its own about its paths, or had them a moment ago.
fn has_ingress(state: &AppState) -> bool {
    let revisions = state.revisions.values();
    revisions
        .map(|revision| &revision.configuration)
        .chain([&state.configuration])
        .any(|configuration| !configuration.ingress.is_empty())
}

impl Control {
    /// Publishes the groups of a state that was just committed. The command itself does this,
    /// before any driver call.
    ///
    /// # Errors
    /// [`Error::Internal`] when the table file can't be written; then nothing was sent.
    pub(crate) fn publish(&self, committed: &Committed) -> Result<Position, Error> {
        let versions = Versions::Changed(&committed.published_changed);
        let changes = self.group_changes(&committed.state, &committed.plan, versions)?;
        self.routes().publish(changes).map_err(Error::internal)
    }

    /// The same for all that a state says, whatever was published before.
    fn publish_all_of(&self, state: &AppState, plan: &Plan) -> Result<Position, Error> {
        let changes = self.group_changes(state, plan, Versions::All)?;
        self.routes().publish(changes).map_err(Error::internal)
    }

    fn group_changes(
        &self,
        state: &AppState,
        plan: &Plan,
        versions: Versions<'_>,
    ) -> Result<Vec<Change>, Error> {
        let ports = self.ports_of(&state.app)?;
        let generation = state.plan_generation.0;
        let whole_app = group_of(&state.app, &ComponentName::from(WHOLE_APP));
        if state.run == windlass_engine::app::RunState::Deleted {
            let groups = plan.routes.keys();
            return Ok(groups
                .map(|component| group_of(&state.app, component))
                .chain([whole_app])
                .chain(self.gone_versions(state, plan, versions))
                .map(|group| Change::RemoveGroup {
                    group,
                    plan_generation: generation,
                })
                .collect());
        }
        let mut changes = Vec::with_capacity(plan.routes.len() + 1);
        for (component, versions) in &plan.routes {
            changes.push(Change::PutGroup {
                group: group_of(&state.app, component),
                value: self.group(state, plan, component, versions, &ports)?,
            });
        }
        let live: Vec<_> = match versions {
            Versions::All => plan.published.keys().collect(),
            Versions::Changed(changed) => {
                let live = |key: &&(RevisionId, ComponentName)| plan.published.contains_key(*key);
                changed.iter().filter(live).collect()
            }
        };
        for (revision, component) in live {
            let only = VersionShare {
                revision: revision.clone(),
                share: SHARE_ALL,
                instances: Vec::new(),
            };
            changes.push(Change::PutGroup {
                group: group_of_version(&state.app, component, revision),
                value: self.group(state, plan, component, &[only], &ports)?,
            });
        }
        let gone = self.gone_versions(state, plan, versions);
        changes.extend(gone.into_iter().map(|group| Change::RemoveGroup {
            group,
            plan_generation: generation,
        }));
        if has_ingress(state) {
            changes.push(Change::PutGroup {
                group: whole_app,
                value: Group {
                    app_id: state.app.to_string(),
                    plan_generation: generation,
                    is_whole_app: true,
                    ingress: ingress::rules(&state.app, &plan.ingress),
                    ..Group::default()
                },
            });
        }
        Ok(changes)
    }

    /// Groups of versions that are not published any more.
    fn gone_versions(&self, state: &AppState, plan: &Plan, versions: Versions<'_>) -> Vec<GroupId> {
        let name = |(revision, component): &(RevisionId, ComponentName)| {
            group_of_version(&state.app, component, revision)
        };
        match versions {
            Versions::Changed(changed) => changed
                .iter()
                .filter(|key| !plan.published.contains_key(*key))
                .map(name)
                .collect(),
            Versions::All => {
                let live: BTreeSet<GroupId> = plan.published.keys().map(name).collect();
                let own = format!("{}/", state.app);
                let groups = self.routes().table().groups.into_keys();
                groups
                    .filter(|group| group.starts_with(&own) && group.contains('@'))
                    .filter(|group| !live.contains(group))
                    .collect()
            }
        }
    }

    fn group(
        &self,
        state: &AppState,
        plan: &Plan,
        component: &ComponentName,
        versions: &[VersionShare],
        ports: &BTreeMap<String, u16>,
    ) -> Result<Group, Error> {
        let address = self.settings().instance_address;
        let upstream = |id: &windlass_engine::id::InstanceId| {
            let instance = state.instances.get(id)?;
            let name = RunName::Instance {
                app: state.app.clone(),
                instance: *id,
                run: instance.run,
            }
            .to_string();
            let port = *ports.get(&name)?;
            Some(Upstream {
                id: name,
                address: SocketAddr::new(address, port),
                index: instance.index,
                public_id: crate::launch::instance_guid(&state.app, *id, instance.run),
            })
        };
        let mut targets = Vec::with_capacity(versions.len());
        for version in versions {
            let target = match state.role_in(&version.revision, component) {
                Some(ComponentRole::Static) => {
                    self.static_target(state, &version.revision, component)?
                }
                Some(ComponentRole::OnDemand) => {
                    let key = (version.revision.clone(), component.clone());
                    let instances = plan.published.get(&key).into_iter().flatten();
                    let root = self.files_of(state, &version.revision, component)?;
                    root.map(|root| TargetKind::Site {
                        root,
                        upstreams: instances.filter_map(upstream).collect(),
                        hold_ms: ON_DEMAND_HOLD_MS,
                        hold_limit: ON_DEMAND_HOLD_LIMIT,
                        headers: Vec::new(),
                    })
                }
                Some(
                    ComponentRole::Routed
                    | ComponentRole::Worker
                    | ComponentRole::Job(_)
                    | ComponentRole::Template,
                )
                | None => Some(TargetKind::Instances {
                    upstreams: version.instances.iter().filter_map(upstream).collect(),
                }),
            };
            // Without its files a version can't answer; what else there is does.
            targets.extend(target.map(|target| Version {
                id: version.revision.to_string(),
                share: version.share,
                target,
            }));
        }
        let revisions = state.revisions.keys();
        let drain_limit_ms = revisions
            .map(|revision| state.drain_limit_ms(revision, component))
            .max()
            .unwrap_or(state.settings.drain_limit_ms);
        Ok(Group {
            app_id: state.app.to_string(),
            plan_generation: state.plan_generation.0,
            versions: targets,
            drain_limit_ms,
            sticky_cookies: if state.settings.sessions_roam {
                Vec::new()
            } else {
                STICKY_COOKIES.map(str::to_owned).to_vec()
            },
            split: split(state),
            ..Group::default()
        })
    }

    fn ports_of(&self, app: &AppId) -> Result<BTreeMap<String, u16>, Error> {
        self.store().read(|reader| {
            Ok(reader
                .ports(Some(app))?
                .into_iter()
                .map(|port| (port.run, port.port))
                .collect())
        })
    }

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

    /// Notes that the routes of an app are not in force; its worker publishes them before it does
    /// anything else.
    pub(crate) fn note_unpublished(&self, app: &AppId, error: &Error) {
        tracing::error!(app.id = %app, "routes not published: {error}");
        self.pending().unpublished_apps.insert(app.clone());
    }

    /// Publishes what could not be published when it was committed.
    ///
    /// # Errors
    /// [`Error::Internal`] when it still can't be.
    pub(crate) fn publish_missed(&self, state: &AppState, plan: &Plan) -> Result<(), Error> {
        if !self.pending().unpublished_apps.remove(&state.app) {
            return Ok(());
        }
        match self.publish_all_of(state, plan) {
            Ok(position) => {
                self.follow_acknowledgement(state, position, None);
                Ok(())
            }
            Err(error) => {
                self.note_unpublished(&state.app, &error);
                Err(error)
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
        let of_routes = routes.iter().filter_map(rule);
        Ok(of_routes.chain(hosts.iter().map(rule_of_host)).collect())
    }

    /// Replaces the whole table by what apps and routes say: the first thing after a start.
    pub(crate) fn publish_everything(&self, states: &[AppState]) -> Result<Position, Error> {
        let mut table = Table::default();
        for state in states {
            let plan = plan(state, clock::now(CommitNumber(0)));
            for change in self.group_changes(state, &plan, Versions::All)? {
                if let Change::PutGroup { group, value } = change {
                    table.groups.insert(group, value);
                }
            }
        }
        let (routes, hosts, commit) = self.store().read(|reader| {
            let routes = every::<Route>(reader)?;
            Ok::<_, Error>((routes, every::<AppHost>(reader)?, reader.last_commit()?))
        })?;
        let of_routes = routes
            .iter()
            .filter_map(|route| Some((&route.full_host, rule(route)?)));
        let of_hosts = hosts
            .iter()
            .map(|host| (&host.full_host, rule_of_host(host)));
        for (full_host, rule) in of_routes.chain(of_hosts) {
            let host = table.hosts.entry(full_host.clone()).or_default();
            host.commit = commit.0;
            host.rules.push(rule);
        }
        self.routes().replace(table).map_err(Error::internal)
    }

    /// Waits until every router uses a table, at most as long as an answer may take. `None` =
    /// not yet.
    pub(crate) async fn await_acknowledged(&self, position: Position) -> bool {
        let wait = Duration::from_millis(self.settings().acknowledge_wait_ms);
        matches!(
            self.routes().wait_acknowledged(position, wait).await,
            Acknowledgement::Acknowledged { .. }
        )
    }

    /// Follows a published table until routers use it, and then tells the engine, if a release
    /// waits for that to be safe. `since` is the moment of the cancel's commit, if this follows a
    /// cancel directly.
    pub(crate) fn follow_acknowledgement(
        &self,
        state: &AppState,
        position: Position,
        since: Option<Instant>,
    ) {
        let waiting: Vec<_> = state
            .releases
            .iter()
            .filter(|release| {
                release
                    .restore
                    .as_ref()
                    .is_some_and(|restore| !restore.safe && restore.zero_generation.is_some())
            })
            .map(|release| release.id.clone())
            .collect();
        if waiting.is_empty() {
            return;
        }
        let control = self.clone();
        let app = state.app.clone();
        let generation = state.plan_generation;
        tokio::spawn(async move {
            let wait = Duration::from_secs(ACKNOWLEDGE_ROUND_SECS);
            while let Acknowledgement::NotYet { missing } =
                control.routes().wait_acknowledged(position, wait).await
            {
                tracing::warn!(app.id = %app, ?missing, "the router has not switched yet");
            }
            let micros =
                since.map(|since| u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX));
            for release in waiting {
                if let Some(micros) = micros {
                    let seen = Observation::SafeMeasured { release, micros };
                    control.observe(&app, seen).await;
                }
            }
            control.acknowledged(&app, generation).await;
        });
    }

    pub(crate) async fn acknowledged(&self, app: &AppId, generation: PlanGeneration) {
        self.observe(app, Observation::RouterAcknowledged { generation })
            .await;
    }

    /// Commits an observation. A failure is logged; the fact is seen again at the next look.
    pub(crate) async fn observe(&self, app: &AppId, observation: Observation) {
        match self.commit(app, Input::Observe(observation)).await {
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => {
                tracing::warn!(app.id = %app, "an observation was not committed: {error}");
            }
        }
    }

    /// States of all apps, for the first publication.
    pub(crate) fn all_states(&self) -> Result<Vec<AppState>, Error> {
        const PAGE: u32 = 500;
        let mut states = Vec::new();
        let mut after: Option<AppId> = None;
        loop {
            let apps: Vec<AppId> = self
                .store()
                .read(|reader| Ok::<_, Error>(reader.apps_with_state(after.as_ref(), PAGE)?))?;
            let Some(last) = apps.last().cloned() else {
                return Ok(states);
            };
            for app in &apps {
                if let Some(state) = self.state(app)? {
                    states.push(state);
                }
            }
            after = Some(last);
        }
    }

    /// State of an app.
    ///
    /// # Errors
    /// [`Error::Internal`] when it can't be read.
    pub fn state(&self, app: &AppId) -> Result<Option<AppState>, Error> {
        self.store().read(|reader| {
            Ok::<_, Error>(match reader.app_state(app)? {
                Some(row) => Some(read_state(&row)?),
                None => None,
            })
        })
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
    }
}

fn rule(route: &Route) -> Option<RouteRule> {
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
