//! How one component is built and run.

use std::collections::BTreeMap;

use windlass_engine::configuration::{ComponentConfig, ComponentRole, JobKind, StaticDocuments};
use windlass_engine::records::BuildSettings;

use super::{Source, SourceHost, Variable, health};
use crate::instance_size;
use crate::spec::binding::Filler;
use crate::spec::error::SpecError;
use crate::spec::language;
use crate::spec::path::Path;
use crate::spec::secret::Vault;
use crate::spec::wire::{
    AppSpec, Component, HostedSourceSpec, InstanceBase, JobKindWord, VariableSpec, VariableType,
};

/// Disk of one instance, MiB: what the platform gives to all sizes.
const DISK_MB: u64 = 4096;
/// Time for open requests of an instance that leaves, seconds.
const DRAIN_SECS: u32 = 15;
/// Time between SIGTERM and SIGKILL, seconds.
const GRACE_SECS: u32 = 120;

const LOST: &str = "can't be decrypted any more: send the plain value again";

pub(super) fn config(component: Component<'_>) -> ComponentConfig {
    let mut config = ComponentConfig::new(role(component));
    config.disk_mb = DISK_MB;
    if let Some(instances) = component.instances() {
        run(instances, &mut config);
    }
    match component {
        Component::Service(spec) => {
            let seconds = given(spec.instances.termination.drain_seconds, DRAIN_SECS);
            config.drain_limit_ms = Some(ms(seconds));
            config.readiness = health::readiness(spec.health_check.as_ref());
            let liveness = spec.liveness_health_check.as_ref();
            config.health = health::of_service(liveness, spec.health_check.as_ref());
        }
        Component::Worker(spec) => {
            config.health = health::of_worker(spec.liveness_health_check.as_ref());
            // Old and new run at once on the platform too.
            config.overlap = true;
        }
        Component::Job(_) => {}
        Component::StaticSite(spec) => {
            config.documents = StaticDocuments {
                index: text(&spec.index_document),
                error: text(&spec.error_document),
                catch_all: text(&spec.catchall_document),
            };
        }
    }
    config
}

fn run(instances: &InstanceBase, config: &mut ComponentConfig) {
    config.command = text(&instances.run_command);
    if let Some(size) = instance_size::find(&instances.instance_size_slug) {
        config.memory_mb = size.memory_mb;
    }
    let seconds = given(instances.termination.grace_period_seconds, GRACE_SECS);
    config.grace_ms = Some(ms(seconds));
}

fn role(component: Component<'_>) -> ComponentRole {
    match component {
        Component::Service(_) => ComponentRole::Routed,
        Component::Worker(_) => ComponentRole::Worker,
        Component::StaticSite(_) => ComponentRole::Static,
        Component::Job(spec) => ComponentRole::Job(match spec.kind {
            JobKindWord::PreDeploy => JobKind::PreDeploy,
            // A scheduled one is refused before it comes here.
            JobKindWord::Unspecified | JobKindWord::PostDeploy | JobKindWord::Scheduled => {
                JobKind::PostDeploy
            }
            JobKindWord::FailedDeploy => JobKind::FailedDeploy,
        }),
    }
}

/// Number of instances: 1 for a job, 0 for a static site.
pub(super) fn instances(component: Component<'_>) -> u32 {
    component.instances().map_or(0, InstanceBase::instances)
}

pub(super) fn source(component: Component<'_>, path: &Path<'_>) -> Result<Source, SpecError> {
    let source = &component.base().source;
    let hosted = |provider, spec: &HostedSourceSpec| Source::Hosted {
        provider,
        repo: spec.repo.clone(),
        branch: spec.branch.clone(),
        deploy_on_push: spec.deploy_on_push,
    };
    let git = source.git.as_ref().map(|git| Source::Git {
        url: git.repo_clone_url.clone(),
        branch: git.branch.clone(),
    });
    let github = source.github.as_ref();
    let gitlab = source.gitlab.as_ref();
    let bitbucket = source.bitbucket.as_ref();
    git.or_else(|| github.map(|spec| hosted(SourceHost::GitHub, spec)))
        .or_else(|| gitlab.map(|spec| hosted(SourceHost::GitLab, spec)))
        .or_else(|| bitbucket.map(|spec| hosted(SourceHost::Bitbucket, spec)))
        .ok_or_else(|| SpecError::new(path, "has no source"))
}

pub(super) fn build(component: Component<'_>) -> BuildSettings {
    let base = component.base();
    let output_dir = match component {
        Component::StaticSite(spec) => directory(&spec.output_dir),
        Component::Service(_) | Component::Worker(_) | Component::Job(_) => None,
    };
    let environment = language::buildpack(&base.environment_slug).ok().flatten();
    BuildSettings {
        source_dir: directory(&base.source_dir),
        build_command: text(&base.build_command),
        output_dir,
        environment: environment.map(str::to_owned),
        static_site: matches!(component, Component::StaticSite(_)),
        build_output: None,
        env: BTreeMap::new(),
    }
}

/// A directory without slashes around it; `None` = the whole source.
fn directory(path: &str) -> Option<String> {
    let parts = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    let parts: Vec<&str> = parts.collect();
    text(&parts.join("/"))
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn given(value: u32, default: u32) -> u32 {
    if value == 0 { default } else { value }
}

fn ms(secs: u32) -> u64 {
    u64::from(secs) * 1000
}

/// All variables with opened secrets, references not yet filled in.
pub(super) struct Plain<'a> {
    of_app: Vec<PlainVariable<'a>>,
    of_components: BTreeMap<&'a str, Vec<PlainVariable<'a>>>,
}

struct PlainVariable<'a> {
    spec: &'a VariableSpec,
    value: String,
}

/// Variables of instances and of builds.
type Filled = (BTreeMap<String, Variable>, BTreeMap<String, Variable>);

impl<'a> Plain<'a> {
    pub(super) fn of(app: &'a AppSpec, vault: &Vault) -> Result<Self, SpecError> {
        let of_app = open(&app.envs, &Path::ROOT, vault)?;
        let mut of_components = BTreeMap::new();
        for placed in app.components() {
            let list = Path::ROOT.member(placed.list);
            let base = placed.component.base();
            let opened = open(&base.envs, &list.index(placed.index), vault)?;
            of_components.insert(base.name.as_str(), opened);
        }
        Ok(Self {
            of_app,
            of_components,
        })
    }

    /// The variables of a component by key; its own win over the app's.
    pub(super) fn variables(&self, component: &str) -> BTreeMap<String, String> {
        let own = self.of_components.get(component).into_iter().flatten();
        self.of_app
            .iter()
            .chain(own)
            .map(|variable| (variable.spec.key.clone(), variable.value.clone()))
            .collect()
    }

    /// The variables that the instances and the build of a component get.
    pub(super) fn fill(
        &self,
        component: Component<'_>,
        path: &Path<'_>,
        filler: &mut Filler<'_>,
    ) -> Result<Filled, SpecError> {
        let name = component.name();
        let own = self.of_components.get(name).map(Vec::as_slice);
        let mut run = BTreeMap::new();
        let mut build = BTreeMap::new();
        let levels = [
            (self.of_app.as_slice(), &Path::ROOT),
            (own.unwrap_or_default(), path),
        ];
        for (variables, owner) in levels {
            let list = owner.member("envs");
            for (index, variable) in variables.iter().enumerate() {
                let spec = variable.spec;
                let value = filler
                    .fill(name, &variable.value)
                    .map_err(|why| SpecError::new(&list.index(index).member("value"), why))?;
                let value = Variable {
                    value,
                    is_secret: spec.kind == VariableType::Secret,
                };
                if spec.scope.is_build_time() {
                    build.insert(spec.key.clone(), value.clone());
                }
                if spec.scope.is_run_time() && component.instances().is_some() {
                    run.insert(spec.key.clone(), value);
                }
            }
        }
        Ok((run, build))
    }
}

fn open<'a>(
    envs: &'a [VariableSpec],
    owner: &Path<'_>,
    vault: &Vault,
) -> Result<Vec<PlainVariable<'a>>, SpecError> {
    let list = owner.member("envs");
    let mut opened = Vec::new();
    for (index, spec) in envs.iter().enumerate() {
        let value = if spec.kind == VariableType::Secret && !spec.value.is_empty() {
            vault
                .open(&spec.value)
                .ok_or_else(|| SpecError::new(&list.index(index).member("value"), LOST))?
        } else {
            spec.value.clone()
        };
        opened.push(PlainVariable { spec, value });
    }
    Ok(opened)
}
