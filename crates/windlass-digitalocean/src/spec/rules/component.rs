//! Rules inside one component.

use super::{alerts, variables};
use crate::instance_size::{self, INSTANCE_SIZES};
use crate::spec::error::{SpecError, quoted};
use crate::spec::language;
use crate::spec::path::Path;
use crate::spec::schema::NO_SCHEDULE;
use crate::spec::wire::{
    Component, ComponentBase, HealthCheckSpec, JobKindWord, JobSpec, ServiceSpec, StaticSiteSpec,
    WorkerSpec,
};

const NO_HTTP2: &str = "instances are asked in HTTP/1.1 only: remove it or give HTTP";

const NO_WORKER_PORT: &str =
    "a worker is checked on the port that its variable PORT names: remove it";

pub(super) fn check(component: Component<'_>, path: &Path<'_>) -> Result<(), SpecError> {
    let base = component.base();
    source(base, path)?;
    language::buildpack(&base.environment_slug)
        .map_err(|why| SpecError::new(&path.member("environment_slug"), why))?;
    variables(&base.envs, path)?;
    if let Some(instances) = component.instances() {
        size(&instances.instance_size_slug, path)?;
    }
    alerts::of_component(component, path)?;
    match component {
        Component::Service(spec) => service(spec, path),
        Component::Job(spec) => job(spec, path),
        Component::StaticSite(spec) => static_site(spec, path),
        Component::Worker(spec) => worker(spec, path),
    }
}

fn source(base: &ComponentBase, path: &Path<'_>) -> Result<(), SpecError> {
    let source = &base.source;
    let given: Vec<&str> = [
        ("git", source.git.is_some()),
        ("github", source.github.is_some()),
        ("gitlab", source.gitlab.is_some()),
        ("bitbucket", source.bitbucket.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_given)| is_given.then_some(name))
    .collect();
    match given.as_slice() {
        [_] => Ok(()),
        [] => {
            let why = format!(
                "{} has no source: give one of git, github, gitlab or bitbucket",
                quoted(&base.name)
            );
            Err(SpecError::new(path, why))
        }
        [first, second, ..] => {
            let why = format!("only one source is possible, {first} is there already");
            Err(SpecError::new(&path.member(second), why))
        }
    }
}

fn size(slug: &str, path: &Path<'_>) -> Result<(), SpecError> {
    if instance_size::find(slug).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = INSTANCE_SIZES.iter().map(|size| size.slug).collect();
    let why = format!("{} must be one of {}", quoted(slug), known.join(", "));
    Err(SpecError::new(&path.member("instance_size_slug"), why))
}

fn service(spec: &ServiceSpec, path: &Path<'_>) -> Result<(), SpecError> {
    if spec.protocol == "HTTP2" {
        return Err(SpecError::new(&path.member("protocol"), NO_HTTP2));
    }
    let checks = [
        ("health_check", &spec.health_check),
        ("liveness_health_check", &spec.liveness_health_check),
    ];
    for (name, check) in checks {
        if let Some(check) = check {
            health_check(check, spec.port(), &path.member(name))?;
        }
    }
    Ok(())
}

/// A service has one port, and it is the one that is checked.
fn health_check(check: &HealthCheckSpec, port: u16, path: &Path<'_>) -> Result<(), SpecError> {
    if check.port != 0 && check.port != port {
        let why = format!(
            "health check port \"{}\" not found in internal_ports: give http_port, {port}",
            check.port
        );
        return Err(SpecError::new(&path.member("port"), why));
    }
    let has_both = !check.path.is_empty() && !check.http_path.is_empty();
    if has_both && check.path != check.http_path {
        let why = "is the old name of http_path: give only one of them";
        return Err(SpecError::new(&path.member("path"), why));
    }
    Ok(())
}

/// No port belongs to a worker but the one that its environment names.
fn worker(spec: &WorkerSpec, path: &Path<'_>) -> Result<(), SpecError> {
    match &spec.liveness_health_check {
        Some(check) if check.port != 0 => {
            let check = path.member("liveness_health_check");
            Err(SpecError::new(&check.member("port"), NO_WORKER_PORT))
        }
        Some(_) | None => Ok(()),
    }
}

fn job(spec: &JobSpec, path: &Path<'_>) -> Result<(), SpecError> {
    if spec.kind == JobKindWord::Scheduled {
        return Err(SpecError::new(&path.member("kind"), NO_SCHEDULE));
    }
    if spec.instances.instances() > 1 {
        let why = "a job runs once: remove it or give 1";
        return Err(SpecError::new(&path.member("instance_count"), why));
    }
    Ok(())
}

fn static_site(spec: &StaticSiteSpec, path: &Path<'_>) -> Result<(), SpecError> {
    if !spec.error_document.is_empty() && !spec.catchall_document.is_empty() {
        let why = "only one of error_document and catchall_document is possible";
        return Err(SpecError::new(&path.member("catchall_document"), why));
    }
    Ok(())
}
