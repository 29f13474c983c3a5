//! What each component of a spec runs: something that was built before, or a build to come.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use windlass_control::commands::deploy::NewBuild;
use windlass_control::error::Error;
use windlass_control::sources::{Provider, SourceError};
use windlass_engine::build::BuildSource;
use windlass_engine::configuration::{ComponentConfig, ComponentRole, Configuration};
use windlass_engine::id::{ArtifactId, BuildId, ComponentName, SecretRef};
use windlass_engine::input::CreateBuildCommand;
use windlass_engine::records::{
    BuildRecord, BuildRecordState, BuildSettings, GitSource, Metadata, SecretValue, Stamps,
};

use super::Ground;
use crate::document::ComponentKind;
use crate::error::{ApiError, ApiResult};
use crate::instance_size;
use crate::server::DoState;
use crate::spec::secret::SealedSpec;
use crate::spec::translate::{Source, SourceHost, Surroundings, Translation, Variable};

/// Memory of a build, MiB.
const BUILD_MEMORY_MB: u64 = 1_024;
/// Disk of a build, MiB.
const BUILD_DISK_MB: u64 = 4_096;

/// Which commits are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sources {
    /// The newest of each branch.
    Newest,
    /// Those that are deployed; of new branches the newest.
    Known,
    /// What is deployed, whatever it was built from: nothing is built.
    Same,
    /// This commit of this branch; of others those that are deployed.
    Pushed {
        /// The repository.
        url: String,
        /// The branch.
        branch: String,
        /// The commit.
        commit: String,
    },
}

/// A spec with everything that its deployment needs.
#[derive(Debug)]
pub(crate) struct Planned {
    /// What the app shall be.
    pub(super) configuration: Configuration,
    /// Instances by component.
    pub(super) scale: BTreeMap<ComponentName, u32>,
    /// The components in the order of the spec.
    pub(super) components: Vec<PlannedComponent>,
    /// Weights of a canary.
    pub(super) canary: Option<Vec<u8>>,
    /// Values that are referred to.
    pub(super) secrets: Vec<SecretValue>,
    /// Hosts of its domains.
    pub(super) hosts: BTreeSet<String>,
    /// Tier of the largest instance.
    pub(super) tier: String,
}

/// One component of it.
#[derive(Debug)]
pub(super) struct PlannedComponent {
    pub(super) name: String,
    pub(super) kind: ComponentKind,
    pub(super) build: Option<BuildId>,
    pub(super) commit: Option<String>,
    /// Unless an earlier build is used again.
    pub(super) new_build: Option<NewBuild>,
}

/// Where the source of a component lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Branch {
    url: String,
    branch: String,
}

/// Plans the deployment of a spec.
///
/// # Errors
/// 400 for what can't be run, 412 when something that should be used again is gone.
pub(crate) async fn plan(
    state: &DoState,
    sealed: &SealedSpec,
    ground: &Ground<'_>,
    sources: &Sources,
    force_build: bool,
) -> ApiResult<Planned> {
    let first = translate(state, sealed, ground, &BTreeMap::new())?;
    let mut branches = BTreeMap::new();
    for component in &first.components {
        branches.insert(
            component.name.to_string(),
            branch(state, &component.source)?,
        );
    }
    let commits = commits(state, &branches, ground, sources).await?;
    let translation = if first.missing_commits.is_empty() {
        first
    } else {
        translate(state, sealed, ground, &commits)?
    };
    let mut configuration = Configuration {
        ingress: translation.ingress.clone(),
        ..Configuration::default()
    };
    let mut scale = BTreeMap::new();
    let mut components = Vec::new();
    let mut secrets = Vec::new();
    for component in &translation.components {
        let name = component.name.to_string();
        let build = BuildSettings {
            env: seal(state, &component.build_variables, &mut secrets)?,
            ..component.build.clone()
        };
        let branch = &branches[&name];
        let commit = commits.get(&name).cloned();
        let chosen = choose(ground, &name, branch, commit, build, sources, force_build)?;
        let config = ComponentConfig {
            artifact: Some(chosen.artifact),
            env: seal(state, &component.run_variables, &mut secrets)?,
            ..component.config.clone()
        };
        scale.insert(component.name.clone(), component.instances);
        components.push(PlannedComponent {
            name,
            kind: kind(config.role),
            ..chosen.component
        });
        configuration
            .components
            .insert(component.name.clone(), config);
    }
    Ok(Planned {
        tier: tier(sealed),
        hosts: translation.full_hosts(),
        canary: translation.canary_weights,
        configuration,
        scale,
        components,
        secrets,
    })
}

/// Translates a spec, for those who only want to know whether that can be done.
///
/// # Errors
/// 400 for what can't be run.
pub(super) fn translate(
    state: &DoState,
    sealed: &SealedSpec,
    ground: &Ground<'_>,
    commits: &BTreeMap<String, String>,
) -> ApiResult<Translation> {
    let surroundings = Surroundings {
        app_id: ground.app.as_str(),
        default_host: ground.full_host,
        scheme: state.urls().scheme(),
        port: state.urls().port(),
        commits,
        private: &BTreeMap::new(),
    };
    sealed
        .translate(&state.vault(ground.app), &surroundings)
        .map_err(|error| ApiError::bad_request(error.to_string()))
}

/// Checks the sources of a translated spec without asking anybody.
///
/// # Errors
/// 400 for addresses that are not accepted.
pub(super) fn check_sources(state: &DoState, translation: &Translation) -> ApiResult<()> {
    for component in &translation.components {
        branch(state, &component.source)?;
    }
    Ok(())
}

fn branch(state: &DoState, source: &Source) -> ApiResult<Branch> {
    let sources = state.control.sources();
    let (url, branch) = match source {
        Source::Git { url, branch } => {
            let checked = sources.check_url(url).map_err(|error| refused(&error))?;
            (checked.to_string(), branch)
        }
        Source::Hosted {
            provider,
            repo,
            branch,
            deploy_on_push: _,
        } => {
            let provider = match provider {
                SourceHost::GitHub => Provider::GitHub,
                SourceHost::GitLab => Provider::GitLab,
                SourceHost::Bitbucket => Provider::Bitbucket,
            };
            let url = sources
                .clone_url(provider, repo)
                .map_err(|error| refused(&error))?;
            (url, branch)
        }
    };
    Ok(Branch {
        url,
        branch: branch.clone(),
    })
}

fn refused(error: &SourceError) -> ApiError {
    ApiError::bad_request(format!("error validating app spec: source: {error}"))
}

/// The wanted commits by component, as far as they can be known now. A branch that can't be looked
/// at is looked at again by the build, whose log says what is wrong.
async fn commits(
    state: &DoState,
    branches: &BTreeMap<String, Branch>,
    ground: &Ground<'_>,
    sources: &Sources,
) -> ApiResult<BTreeMap<String, String>> {
    let mut heads: BTreeMap<&Branch, Option<String>> = BTreeMap::new();
    let mut commits = BTreeMap::new();
    for (name, branch) in branches {
        let deployed = deployed(ground, name, branch);
        let commit = match sources {
            Sources::Same => ground
                .previous
                .get(name)
                .and_then(|previous| previous.commit().map(str::to_owned)),
            Sources::Pushed {
                url,
                branch: pushed,
                commit,
            } if *url == branch.url && *pushed == branch.branch => Some(commit.clone()),
            Sources::Known | Sources::Pushed { .. } if deployed.is_some() => deployed,
            Sources::Newest | Sources::Known | Sources::Pushed { .. } => {
                if !heads.contains_key(branch) {
                    heads.insert(branch, head(state, branch).await?);
                }
                heads[branch].clone()
            }
        };
        if let Some(commit) = commit {
            commits.insert(name.clone(), commit);
        }
    }
    Ok(commits)
}

/// The commit that a component runs, if it comes from this branch.
fn deployed(ground: &Ground<'_>, name: &str, branch: &Branch) -> Option<String> {
    let previous = ground.previous.get(name)?;
    let git = previous.build.git.as_ref()?;
    (git.url == branch.url && git.branch == branch.branch)
        .then(|| git.commit.clone())
        .flatten()
}

async fn head(state: &DoState, branch: &Branch) -> ApiResult<Option<String>> {
    match state
        .control
        .sources()
        .head(&branch.url, &branch.branch)
        .await
    {
        Ok(commit) => Ok(Some(commit)),
        // Nothing that may be different in a moment.
        Err(
            error @ (SourceError::Url(_)
            | SourceError::Address { .. }
            | SourceError::Branch(_)
            | SourceError::NoSshKey),
        ) => Err(refused(&error)),
        Err(error) => {
            tracing::info!(url = branch.url, "a branch was not looked at: {error}");
            Ok(None)
        }
    }
}

struct Chosen {
    artifact: ArtifactId,
    component: PlannedComponent,
}

/// An earlier build where it is the same, else a new one.
fn choose(
    ground: &Ground<'_>,
    name: &str,
    branch: &Branch,
    commit: Option<String>,
    settings: BuildSettings,
    sources: &Sources,
    force_build: bool,
) -> ApiResult<Chosen> {
    let planned = |build: BuildId, commit, new_build| PlannedComponent {
        name: String::new(),
        kind: ComponentKind::Service,
        build: Some(build),
        commit,
        new_build,
    };
    let previous = ground.previous.get(name);
    let reusable = previous.and_then(|previous| {
        let artifact = previous.artifact.clone()?;
        let git = previous.build.git.as_ref()?;
        let same = git.url == branch.url
            && git.branch == branch.branch
            && commit.is_some()
            && git.commit == commit
            && previous.build.settings == settings;
        (*sources == Sources::Same || (same && !force_build))
            .then(|| (artifact, previous.build.id.clone()))
    });
    if let Some((artifact, build)) = reusable {
        return Ok(Chosen {
            artifact,
            component: planned(build, commit, None),
        });
    }
    if *sources == Sources::Same {
        return Err(ApiError::precondition_failed(format!(
            "what {name} ran is not kept any more"
        )));
    }
    let (build, artifact) = (new_id::<BuildId>(), new_id::<ArtifactId>());
    let git = GitSource {
        url: branch.url.clone(),
        branch: branch.branch.clone(),
        commit: commit.clone(),
    };
    let record = BuildRecord {
        id: build.clone(),
        app: ground.app.clone(),
        package: None,
        git: Some(git.clone()),
        component: Some(ComponentName::from(name)),
        settings,
        state: BuildRecordState::Staging,
        memory_mb: BUILD_MEMORY_MB,
        disk_mb: BUILD_DISK_MB,
        buildpacks: Vec::new(),
        created_by: None,
        detail: None,
        hosts: Vec::new(),
        canceled: None,
        began_at: None,
        withdrawn: false,
        metadata: Metadata::default(),
        stamps: Stamps::default(),
    };
    let command = CreateBuildCommand {
        build: build.clone(),
        source: BuildSource::Git {
            url: git.url,
            branch: git.branch,
            commit: git.commit,
        },
        artifact: artifact.clone(),
        memory_mb: BUILD_MEMORY_MB,
        disk_mb: BUILD_DISK_MB,
        // What releases wait for ends with them: one may have a build per component.
        for_releases: true,
        gives_way: false,
        on_built: None,
    };
    Ok(Chosen {
        artifact,
        component: planned(build, commit, Some(NewBuild { command, record })),
    })
}

fn new_id<T: From<String>>() -> T {
    T::from(Uuid::new_v4().to_string())
}

/// References to the values of variables; what is not stored yet is added to `secrets`.
fn seal(
    state: &DoState,
    variables: &BTreeMap<String, Variable>,
    secrets: &mut Vec<SecretValue>,
) -> Result<BTreeMap<String, SecretRef>, Error> {
    let plain = variables
        .iter()
        .map(|(name, variable)| (name.clone(), variable.value.clone()))
        .collect();
    let sealed = state.control.seal_values(&plain)?;
    let references = sealed
        .iter()
        .map(|(name, value)| (name.clone(), value.reference.clone()))
        .collect();
    secrets.extend(sealed.into_values());
    Ok(references)
}

fn kind(role: ComponentRole) -> ComponentKind {
    match role {
        ComponentRole::Routed | ComponentRole::OnDemand | ComponentRole::Template => {
            ComponentKind::Service
        }
        ComponentRole::Worker => ComponentKind::Worker,
        ComponentRole::Static => ComponentKind::StaticSite,
        ComponentRole::Job(kind) => ComponentKind::Job(kind),
    }
}

/// The highest tier of all sizes.
fn tier(sealed: &SealedSpec) -> String {
    let slugs = sealed
        .app()
        .components()
        .filter_map(|placed| placed.component.instances())
        .filter_map(|instances| instance_size::find(&instances.instance_size_slug))
        .map(|size| size.tier_slug);
    slugs.max().unwrap_or("basic").to_owned()
}
