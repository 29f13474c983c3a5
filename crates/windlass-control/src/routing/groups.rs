//! Groups of the route table: what a plan makes of an app's versions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use windlass_engine::app::{AppState, RunState};
use windlass_engine::configuration::ComponentRole;
use windlass_engine::id::{AppId, ComponentName, InstanceId, RevisionId};
use windlass_engine::limits::SHARE_ALL;
use windlass_engine::plan::{Plan, VersionShare};
use windlass_engine::strategy::Strategy;
use windlass_router::{Change, Group, GroupId, Pins, Split, TargetKind, Upstream, Version};

use super::{WHOLE_APP, ingress};
use crate::control::Control;
use crate::error::Error;
use crate::run_name::RunName;

/// Cookie that pins a client to an instance.
const STICKY_COOKIES: [&str; 1] = ["JSESSIONID"];
/// Header of answers that names the version which gave them, where an app asks for it.
const VERSION_HEADER: &str = "x-windlass-version";
/// Longest hold of a request whose instance is being started, milliseconds.
const ON_DEMAND_HOLD_MS: u32 = 30_000;
/// Requests that one version may hold.
const ON_DEMAND_HOLD_LIMIT: u32 = 100;

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
pub(super) enum Versions<'a> {
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
            header: (state.settings.names_versions).then(|| VERSION_HEADER.to_owned()),
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
    /// The changes that make the table say what a plan says of an app.
    ///
    /// # Errors
    /// [`Error::Internal`] when its ports or files can't be read.
    pub(super) fn group_changes(
        &self,
        state: &AppState,
        plan: &Plan,
        versions: Versions<'_>,
    ) -> Result<Vec<Change>, Error> {
        // What routes nowhere needs no look at its ports.
        let ports = if plan.routes.is_empty() && plan.published.is_empty() {
            BTreeMap::new()
        } else {
            self.ports_by_run(Some(&state.app))?
        };
        self.group_changes_at(state, plan, versions, &ports)
    }

    /// The same with the ports of its runs at hand.
    ///
    /// # Errors
    /// [`Error::Internal`] when its files can't be read.
    pub(super) fn group_changes_at(
        &self,
        state: &AppState,
        plan: &Plan,
        versions: Versions<'_>,
        ports: &BTreeMap<String, u16>,
    ) -> Result<Vec<Change>, Error> {
        let generation = state.plan_generation.0;
        let whole_app = group_of(&state.app, &ComponentName::from(WHOLE_APP));
        if state.run == RunState::Deleted {
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
            let pins = self.pins(state, component)?;
            changes.push(Change::PutGroup {
                group: group_of(&state.app, component),
                value: Group {
                    pins,
                    ..self.group(state, plan, component, versions, ports)?
                },
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
                value: self.group(state, plan, component, &[only], ports)?,
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
                let own = self.routes().groups_below(&format!("{}/", state.app));
                own.into_iter()
                    .filter(|group| group.contains('@') && !live.contains(group))
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
        let upstream = |id: &InstanceId| {
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
                    let manners = self.manners(state)?;
                    root.map(|root| TargetKind::Site {
                        root,
                        upstreams: instances.filter_map(upstream).collect(),
                        hold_ms: ON_DEMAND_HOLD_MS,
                        hold_limit: ON_DEMAND_HOLD_LIMIT,
                        headers: manners.map(|it| it.answers.clone()).unwrap_or_default(),
                        request_headers: manners.map(|it| it.requests.clone()).unwrap_or_default(),
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

    /// How requests for a component name one of its published versions.
    fn pins(
        &self,
        state: &AppState,
        component: &ComponentName,
    ) -> Result<Option<Box<Pins>>, Error> {
        let is_site = state
            .published
            .keys()
            .any(|revision| state.role_in(revision, component) == Some(ComponentRole::OnDemand));
        if !is_site {
            return Ok(None);
        }
        Ok(self
            .manners(state)?
            .and_then(|it| it.pins.clone())
            .map(Box::new))
    }

    /// Ports by run, of one app or of all.
    pub(super) fn ports_by_run(&self, app: Option<&AppId>) -> Result<BTreeMap<String, u16>, Error> {
        self.store().read(|reader| {
            Ok(reader
                .ports(app)?
                .into_iter()
                .map(|port| (port.run, port.port))
                .collect())
        })
    }
}
