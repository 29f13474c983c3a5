//! A deployment on the wire.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use windlass_control::history::ReleaseRecord;
use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery, Order, Page};
use windlass_engine::app::AppState;
use windlass_engine::id::BuildId;
use windlass_engine::records::{BuildRecord, BuildRecordState, Route};

use super::detail::Detail;
use super::find::Found;
use super::output;
use super::state::{Aliases, ReadyState, Traffic, failure_words};
use crate::checks::{self, Check};
use crate::error::ApiResult;
use crate::host;
use crate::place::slug;
use crate::server::{REGION, VercelState};

/// Most hosts that a deployment is shown with.
const MAX_HOSTS: u32 = 200;
/// Most releases of a project that are looked through.
const MAX_RELEASES: u32 = 200;
/// Beginning of the error of a build that had too little memory.
const OUT_OF_MEMORY: &str = "InsufficientResources - Exited with status 137 (out of memory)";
/// Who cancels what nobody has canceled.
const SERVER: &str = "windlass";

/// What is needed to show deployments of one project.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    app: Option<AppState>,
    /// Builds whose source is not there yet.
    fetching: BTreeSet<BuildId>,
    releases: Vec<ReleaseRecord>,
    routes: Vec<Route>,
}

impl Surroundings {
    /// Those of the project of a deployment.
    pub(crate) async fn read(state: &VercelState, found: &Found) -> ApiResult<Self> {
        let app = &found.place.app.id;
        let own = || vec![Filter::is(Column::App, app.as_str())];
        let releases = ListQuery::filtered(own())
            .ordered(Order::descending(Column::CreatedCommit))
            .page(Page::first(MAX_RELEASES));
        let routes = ListQuery::filtered(own())
            .ordered(Order::ascending(Column::CreatedCommit))
            .page(Page::first(MAX_HOSTS));
        let engine = state.control.state(app)?;
        let fetching = match &engine {
            Some(engine) => state.control.fetching_builds(engine).await?,
            None => BTreeSet::new(),
        };
        Ok(Self {
            releases: state
                .control
                .list_releases(&Visibility::All, releases)
                .await?
                .rows,
            routes: state
                .control
                .list_routes(&Visibility::All, routes)
                .await?
                .rows,
            app: engine,
            fetching,
        })
    }

    /// Hosts of the project and of its deployments.
    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Hosts that somebody gave a deployment by hand: neither its own, nor its branch's, nor those of
    /// its project.
    fn given(&self, detail: &Detail) -> Vec<&str> {
        let branch = detail.meta.get("branchAlias");
        let is_given = |route: &&Route| {
            let host = &route.full_host;
            let mut to = route.destinations.iter();
            *host != detail.host
                && Some(host) != branch
                && to.any(|to| to.revision.as_ref() == Some(&detail.revision))
        };
        let given = self.routes.iter().filter(is_given);
        given.map(|route| route.full_host.as_str()).collect()
    }

    /// Hosts that lead to a deployment beside its own: those of its project first, if it has them.
    fn aliases(&self, detail: &Detail) -> Vec<&str> {
        let serves = self
            .app
            .as_ref()
            .is_some_and(|app| app.base.as_ref() == Some(&detail.revision));
        let leads = |route: &&Route| {
            route.full_host != detail.host
                && route.destinations.iter().any(|to| match &to.revision {
                    Some(revision) => *revision == detail.revision,
                    None => serves,
                })
        };
        self.routes
            .iter()
            .filter(leads)
            .map(|route| route.full_host.as_str())
            .collect()
    }
}

/// A deployment with everything that its views need.
pub(crate) struct Shown<'a> {
    found: &'a Found,
    /// Where it stands.
    pub(crate) ready: ReadyState,
    /// Whether its hosts lead to it.
    pub(crate) aliases: Aliases,
    traffic: Traffic,
    hosts: Vec<&'a str>,
    /// Those of them that somebody gave it by hand.
    given: Vec<&'a str>,
    building_at: i64,
    assigned_at: i64,
}

impl<'a> Shown<'a> {
    /// Puts them together.
    pub(crate) fn new(found: &'a Found, around: &'a Surroundings) -> Self {
        let Found { record, detail, .. } = found;
        let ready = ReadyState::of(record, around.app.as_ref(), &around.fetching);
        let own =
            (around.releases.iter()).find(|it| Some(&it.release.id) == detail.release.as_ref());
        Self {
            ready,
            aliases: Aliases::of(ready, detail, &around.releases),
            traffic: Traffic::of(detail, around.app.as_ref(), &around.releases),
            hosts: around.aliases(detail),
            given: around.given(detail),
            building_at: record.began_at.unwrap_or(record.stamps.created_at).0,
            assigned_at: own
                .filter(|it| it.release.is_finalized())
                .map_or(record.stamps.updated_at, |it| it.release.updated_at)
                .0,
            found,
        }
    }

    /// Hosts that lead to it beside its own.
    pub(crate) fn hosts(&self) -> &[&'a str] {
        &self.hosts
    }

    /// How far it has come with the production hosts.
    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Its checks as they stand with it.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let Found { record, detail, .. } = self.found;
        checks::seen(&detail.checks, record, self.ready, self.aliases)
    }

    /// `null`, or why the hosts were kept from it.
    pub(crate) fn alias_error(&self) -> Value {
        match self.aliases {
            Aliases::Refused { code, message } => json!({"code": code, "message": message}),
            Aliases::Awaited | Aliases::Assigned => Value::Null,
        }
    }

    /// What is the same wherever a deployment is shown.
    fn common(&self) -> Map<String, Value> {
        let Found {
            place,
            record,
            detail,
        } = self.found;
        let created = record.stamps.created_at.0;
        let word = self.ready.as_str();
        let mut wire = Map::new();
        let mut put = |name: &str, value: Value| {
            wire.insert(name.to_owned(), value);
        };
        put("name", detail.name.as_str().into());
        put("url", detail.host.as_str().into());
        put("type", "LAMBDAS".into());
        put("source", detail.source.as_str().into());
        put("projectId", place.app.id.as_str().into());
        put("target", json!(detail.target.as_wire()));
        put("readyState", word.into());
        if self.ready == ReadyState::Ready {
            put("readySubstate", self.traffic.as_str().into());
        }
        put("createdAt", created.into());
        put("buildingAt", self.building_at.into());
        match &record.state {
            BuildRecordState::Staged { .. } => {
                put("ready", record.stamps.updated_at.0.into());
                put(
                    "buildContainerFinishedAt",
                    record.stamps.updated_at.0.into(),
                );
            }
            BuildRecordState::Failed { .. } if self.ready == ReadyState::Error => {
                put("buildErrorAt", record.stamps.updated_at.0.into());
                put(
                    "buildContainerFinishedAt",
                    record.stamps.updated_at.0.into(),
                );
            }
            BuildRecordState::Failed { .. }
            | BuildRecordState::Skipped { .. }
            | BuildRecordState::Canceled
            | BuildRecordState::Staging => {}
        }
        if self.ready == ReadyState::Canceled {
            let at = record.canceled.as_ref().map(|cancel| cancel.at);
            put(
                "canceledAt",
                at.unwrap_or(record.stamps.updated_at).0.into(),
            );
        }
        put(
            "creator",
            json!({
                "uid": detail.creator.id,
                "username": host::part(&detail.creator.name),
                "email": detail.creator.name,
            }),
        );
        put("meta", json!(meta(record, detail)));
        put("inspectorUrl", Value::Null);
        put("aliasError", self.alias_error());
        for (name, value) in checks::members(&self.checks(), self.aliases) {
            put(name, value);
        }
        put(
            "isRollbackCandidate",
            (self.traffic == Traffic::Promoted).into(),
        );
        put("prebuilt", detail.prebuilt.into());
        put("autoAssignCustomDomains", detail.auto_assign.into());
        put(
            "config",
            json!({
                "version": 1,
                "functionType": "standard",
                "functionMemoryType": "standard",
                "functionTimeout": null,
                "secureComputePrimaryRegion": null,
                "secureComputeFallbackRegion": null,
            }),
        );
        wire
    }

    /// An item of a list: `uid` and `state` beside the rest.
    pub(crate) fn to_item(&self) -> Value {
        let mut wire = self.common();
        wire.insert("uid".to_owned(), self.found.record.id.as_str().into());
        wire.insert("state".to_owned(), self.ready.as_str().into());
        let created = self.found.record.stamps.created_at.0;
        wire.insert("created".to_owned(), created.into());
        let assigned = self.aliases == Aliases::Assigned;
        wire.insert("aliasAssigned".to_owned(), assigned.into());
        Value::Object(wire)
    }

    /// A deployment by itself.
    pub(crate) fn to_wire(&self) -> Value {
        let Found {
            place,
            record,
            detail,
        } = self.found;
        let mut wire = self.common();
        let assigned = self.aliases == Aliases::Assigned;
        let hosts = self.hosts.iter();
        let automatic: Vec<&&str> = hosts.filter(|host| !self.given.contains(host)).collect();
        let project_file = detail.project_file.as_ref();
        let team = json!({
            "id": place.team_id(),
            "name": place.organization.name,
            "slug": slug(&place.organization),
        });
        let more = json!({
            "id": record.id,
            "version": 2,
            "status": self.ready.as_str(),
            "bootedAt": self.building_at,
            "alias": self.hosts,
            "userAliases": self.given,
            "automaticAliases": automatic,
            "aliasAssigned": assigned,
            "aliasWarning": null,
            "aliasFinal": self.hosts.first(),
            "ownerId": place.team_id(),
            "team": team,
            "project": {
                "id": place.app.id,
                "name": place.app.name,
                "framework": detail.settings.framework,
            },
            "plan": "enterprise",
            "public": detail.settings.public_source == Some(true),
            "regions": [REGION],
            "passiveRegions": [],
            "createdIn": REGION,
            "env": detail.env,
            "build": {"env": detail.build_env},
            "builds": [],
            "lambdas": [],
            "routes": null,
            "functions": project_file.and_then(|file| file.get("functions")),
            "crons": [],
            "nodeVersion": detail.settings.node_version,
            "projectSettings": detail.settings,
            "isInConcurrentBuildsQueue": self.ready == ReadyState::Queued,
            "isInSystemBuildsQueue": false,
            "buildSkipped": matches!(record.state, BuildRecordState::Skipped { .. }),
            "isInstantStatic": false,
        });
        if let Value::Object(more) = more {
            wire.extend(more);
        }
        if assigned {
            wire.insert("aliasAssignedAt".to_owned(), self.assigned_at.into());
        }
        if let (Some(repository), Some(git)) = (&detail.git, &record.git)
            && let Some(source) = repository.to_wire(git)
        {
            wire.insert("gitSource".to_owned(), source);
        }
        for (name, value) in why(record, self.ready) {
            wire.insert(name.to_owned(), value);
        }
        Value::Object(wire)
    }
}

/// Its free pairs, and what is known of its commit.
pub(crate) fn meta(record: &BuildRecord, detail: &Detail) -> BTreeMap<String, String> {
    let mut meta = detail.meta.clone();
    if let (Some(repository), Some(git)) = (&detail.git, &record.git) {
        meta.extend(repository.meta(git));
    }
    meta
}

/// Why it was canceled, in words; `None` = nobody says.
pub(super) fn cancel_reason(record: &BuildRecord) -> Option<String> {
    if let BuildRecordState::Skipped { reason } = &record.state {
        return Some(reason.clone());
    }
    let cancel = record.canceled.as_ref()?;
    Some(match &cancel.reason {
        Some(reason) => format!("canceled by {}: {reason}", cancel.by),
        None => format!("canceled by {}", cancel.by),
    })
}

/// Why it did not come to be.
fn why(record: &BuildRecord, ready: ReadyState) -> Vec<(&'static str, Value)> {
    match (ready, &record.state) {
        (ReadyState::Error, BuildRecordState::Failed { error }) => {
            let mut why = vec![
                ("errorCode", "BUILD_FAILED".into()),
                ("errorMessage", failure_words(error).into()),
                ("errorStep", "buildStep".into()),
            ];
            if error.starts_with(OUT_OF_MEMORY) {
                why.push(("oomReport", "out-of-memory".into()));
            }
            why
        }
        (ReadyState::Canceled, _) => {
            let Some(text) = cancel_reason(record) else {
                return Vec::new();
            };
            let mut why = vec![("readyStateReason", text.as_str().into())];
            // What nobody has asked for is explained where clients look for errors.
            if record
                .canceled
                .as_ref()
                .is_none_or(|cancel| cancel.by == SERVER)
            {
                why.push(("errorMessage", text.into()));
            }
            why
        }
        (
            ReadyState::Queued
            | ReadyState::Initializing
            | ReadyState::Building
            | ReadyState::Ready
            | ReadyState::Error,
            _,
        ) => Vec::new(),
    }
}

/// Reads what surrounds a deployment and shows it by itself.
pub(crate) async fn deployment(state: &VercelState, found: &Found) -> ApiResult<Value> {
    let around = Surroundings::read(state, found).await?;
    let mut wire = Shown::new(found, &around).to_wire();
    if let Some(site) = output::site(state, found, false).await? {
        for (name, value) in output::members(&found.record, &site) {
            wire[name] = value;
        }
    }
    Ok(wire)
}

#[cfg(test)]
mod tests {
    use windlass_engine::instance::{ExitReason, RunExit};

    use super::*;

    #[test]
    fn the_error_of_a_build_without_memory_is_known() {
        let exit = RunExit {
            reason: ExitReason::OutOfMemory,
            code: Some(137),
            signal: None,
            detail: None,
        };
        let error = format!("InsufficientResources - {}", exit.describe());
        assert!(error.starts_with(OUT_OF_MEMORY), "{error}");
    }
}
