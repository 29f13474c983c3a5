//! Processes: what this dialect makes of the components and versions of an app.
//!
//! One process per process type, and one web process per version that runs: the base, the target
//! of a deployment, and versions on their way out.

use windlass_engine::app::{AppState, RunState};
use windlass_engine::configuration::{ComponentConfig, ComponentRole};
use windlass_engine::counts::counts;
use windlass_engine::id::{ArtifactId, ComponentName, RevisionId};
use windlass_engine::instance::Instance;
use windlass_engine::records::Stamps;
use windlass_engine::release::Release;

use crate::guid::{self, WEB};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its guid.
    pub(crate) guid: String,
    /// Its type.
    pub(crate) component: ComponentName,
    /// Its configuration.
    pub(crate) config: ComponentConfig,
    /// Droplet that it runs.
    pub(crate) artifact: Option<ArtifactId>,
    /// Revision whose instances are its own; `None` = nothing was started yet.
    pub(crate) revision: Option<RevisionId>,
    /// Desired instances.
    pub(crate) instances: u32,
    /// Creation and change.
    pub(crate) stamps: Stamps,
}

impl Process {
    /// Whether it is a web process.
    pub(crate) fn is_web(&self) -> bool {
        self.component.as_str() == WEB
    }
}

/// All processes of an app, oldest first. `stamps` are the app's own.
pub(crate) fn processes(state: &AppState, stamps: Stamps) -> Vec<Process> {
    let mut found = web_processes(state, stamps);
    found.extend(
        state
            .configuration
            .components
            .iter()
            .filter(|(name, _)| name.as_str() != WEB)
            .map(|(name, config)| other_process(state, name, config, stamps)),
    );
    found
}

/// The newest web process: what `…/processes/web` means.
pub(crate) fn newest_web(state: &AppState, stamps: Stamps) -> Option<Process> {
    web_processes(state, stamps).pop()
}

/// The process of a type.
pub(crate) fn of_type(state: &AppState, kind: &str, stamps: Stamps) -> Option<Process> {
    if kind == WEB {
        return newest_web(state, stamps);
    }
    let (name, config) = state.configuration.components.get_key_value(kind)?;
    Some(other_process(state, name, config, stamps))
}

fn web_processes(state: &AppState, stamps: Stamps) -> Vec<Process> {
    let web = ComponentName::from(WEB);
    let running: Vec<&Release> = state
        .releases
        .iter()
        .filter(|it| has_process(state, it))
        .collect();
    let counts = counts(state, &web);
    let base_revision = running
        .iter()
        .find_map(|it| it.base.as_ref())
        .or(state.base.as_ref());
    let mut found = Vec::new();
    let is_first = running.iter().all(|release| release.base.is_none()) && state.base.is_none();
    if !is_first || running.is_empty() {
        found.extend(base_process(
            state,
            &web,
            base_revision,
            running.is_empty(),
            stamps,
        ));
    }
    for release in running {
        let is_governing = state.governing().is_some_and(|it| it.id == release.id);
        let instances = if is_governing && !release.is_restoring() {
            counts.target
        } else {
            serving(state, &release.target, &web)
        };
        found.extend(target_process(state, &web, release, instances));
    }
    found
}

/// Whether a release has a web process of its own now: while it moves or is put back, and as
/// long as instances of it serve.
fn has_process(state: &AppState, release: &Release) -> bool {
    let is_base = state.base.as_ref() == Some(&release.target);
    if is_base || !state.revisions.contains_key(&release.target) {
        return false;
    }
    !release.is_finalized() || serving(state, &release.target, &ComponentName::from(WEB)) > 0
}

/// The web process of the base. Outside a deployment it shows the app's present configuration,
/// which is what its next start runs.
fn base_process(
    state: &AppState,
    web: &ComponentName,
    base: Option<&RevisionId>,
    shows_present: bool,
    stamps: Stamps,
) -> Option<Process> {
    let revision = base.and_then(|id| state.revisions.get(id));
    let lineage = revision.and_then(|revision| revision.lineage.as_ref());
    let configuration = match revision {
        Some(revision) if !shows_present => &revision.configuration,
        Some(_) | None => &state.configuration,
    };
    let config = configuration.components.get(web)?;
    let instances = if shows_present || state.run != RunState::Started {
        state.scale_of(web)
    } else {
        counts(state, web).base
    };
    Some(Process {
        guid: lineage.map_or_else(
            || guid::process(&state.app, web),
            guid::deployed_web_process,
        ),
        component: web.clone(),
        config: config.clone(),
        artifact: configuration.artifact_of(web).cloned(),
        revision: base.cloned(),
        instances,
        stamps,
    })
}

/// The web process that a deployment started.
fn target_process(
    state: &AppState,
    web: &ComponentName,
    release: &Release,
    instances: u32,
) -> Option<Process> {
    let configuration = &state.revisions.get(&release.target)?.configuration;
    Some(Process {
        guid: guid::deployed_web_process(&release.id),
        component: web.clone(),
        config: configuration.components.get(web)?.clone(),
        artifact: configuration.artifact_of(web).cloned(),
        revision: Some(release.target.clone()),
        instances,
        stamps: Stamps {
            created_at: release.created_at,
            updated_at: release.updated_at,
            created_commit: release.created_commit,
        },
    })
}

fn other_process(
    state: &AppState,
    name: &ComponentName,
    config: &ComponentConfig,
    stamps: Stamps,
) -> Process {
    Process {
        guid: guid::process(&state.app, name),
        component: name.clone(),
        config: config.clone(),
        artifact: state.configuration.artifact_of(name).cloned(),
        revision: None,
        instances: match config.role {
            ComponentRole::Routed | ComponentRole::Worker => state.scale_of(name),
            ComponentRole::Job(_)
            | ComponentRole::Static
            | ComponentRole::OnDemand
            | ComponentRole::Template => 0,
        },
        stamps,
    }
}

/// Instances of a process that count as its own: not those that are on their way out.
pub(crate) fn instances<'a>(
    state: &'a AppState,
    process: &'a Process,
) -> impl Iterator<Item = &'a Instance> {
    state.instances.values().filter(move |instance| {
        instance.component == process.component
            && !instance.is_ending()
            && (!process.is_web() || process.revision.as_ref() == Some(&instance.revision))
    })
}

fn serving(state: &AppState, revision: &RevisionId, component: &ComponentName) -> u32 {
    u32::try_from(state.serving(revision, component).count()).unwrap_or(u32::MAX)
}
