//! The members of a checked spec, named as the wire names them.
//!
//! As in the Go client, a zero value means "not given"; methods give the defaults. Fields that
//! are refused are not here: a checked spec says nothing in them.

mod component;
mod ingress;

use serde::Deserialize;

pub use component::{
    ComponentBase, GitSourceSpec, HealthCheckSpec, HostedSourceSpec, InstanceBase, JobKindWord,
    JobSpec, RouteSpec, ServiceSpec, SourceSpec, StaticSiteSpec, TerminationSpec, WorkerSpec,
};
pub use ingress::{
    IngressRule, IngressSpec, RedirectSpec, RoutingComponent, RuleMatch, StringMatch,
};

/// A whole app spec.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct AppSpec {
    /// Name of the app.
    pub name: String,
    /// Region that was asked for.
    pub region: String,
    /// Components with traffic.
    pub services: Vec<ServiceSpec>,
    /// Files that the router serves.
    pub static_sites: Vec<StaticSiteSpec>,
    /// Components without traffic.
    pub workers: Vec<WorkerSpec>,
    /// What runs once per deployment.
    pub jobs: Vec<JobSpec>,
    /// Names under which the app answers.
    pub domains: Vec<DomainSpec>,
    /// Variables of all components.
    pub envs: Vec<VariableSpec>,
    /// Alert rules of the app.
    pub alerts: Vec<AlertSpec>,
    /// Rules of what traffic goes where.
    pub ingress: IngressSpec,
    /// Where traffic from the app comes from.
    pub egress: EgressSpec,
    /// Free words; `windlass.…` are ours.
    pub features: Vec<String>,
}

/// One component of whichever kind.
#[derive(Clone, Copy)]
pub enum Component<'a> {
    /// Has traffic.
    Service(&'a ServiceSpec),
    /// Has none.
    Worker(&'a WorkerSpec),
    /// Runs once per deployment.
    Job(&'a JobSpec),
    /// Files that the router serves.
    StaticSite(&'a StaticSiteSpec),
}

impl<'a> Component<'a> {
    /// What every component has.
    pub fn base(self) -> &'a ComponentBase {
        match self {
            Self::Service(service) => &service.base,
            Self::Worker(worker) => &worker.base,
            Self::Job(job) => &job.base,
            Self::StaticSite(site) => &site.base,
        }
    }

    /// Its instances; a static site has none.
    pub fn instances(self) -> Option<&'a InstanceBase> {
        match self {
            Self::Service(service) => Some(&service.instances),
            Self::Worker(worker) => Some(&worker.instances),
            Self::Job(job) => Some(&job.instances),
            Self::StaticSite(_) => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'a str {
        &self.base().name
    }

    /// Whether traffic can be routed to it.
    pub fn is_routable(self) -> bool {
        match self {
            Self::Service(_) | Self::StaticSite(_) => true,
            Self::Worker(_) | Self::Job(_) => false,
        }
    }

    /// Its routes in the deprecated form.
    pub fn routes(self) -> &'a [RouteSpec] {
        match self {
            Self::Service(service) => &service.routes,
            Self::StaticSite(site) => &site.routes,
            Self::Worker(_) | Self::Job(_) => &[],
        }
    }
}

/// A component and where it stands in the spec.
#[derive(Clone, Copy)]
pub struct Placed<'a> {
    /// Member that lists it.
    pub list: &'static str,
    /// Position in that list.
    pub index: usize,
    /// The component.
    pub component: Component<'a>,
}

impl AppSpec {
    /// All components: services, workers, jobs, static sites.
    pub fn components(&self) -> impl Iterator<Item = Placed<'_>> {
        let services = placed("services", self.services.iter().map(Component::Service));
        let workers = placed("workers", self.workers.iter().map(Component::Worker));
        let jobs = placed("jobs", self.jobs.iter().map(Component::Job));
        let sites = placed(
            "static_sites",
            self.static_sites.iter().map(Component::StaticSite),
        );
        services.chain(workers).chain(jobs).chain(sites)
    }

    /// The component of a name.
    pub fn component(&self, name: &str) -> Option<Component<'_>> {
        self.components()
            .map(|placed| placed.component)
            .find(|component| component.name() == name)
    }
}

fn placed<'a>(
    list: &'static str,
    components: impl Iterator<Item = Component<'a>>,
) -> impl Iterator<Item = Placed<'a>> {
    components
        .enumerate()
        .map(move |(index, component)| Placed {
            list,
            index,
            component,
        })
}

/// A name under which the app answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DomainSpec {
    /// The name.
    pub domain: String,
    /// What the name is to the app.
    #[serde(rename = "type")]
    pub kind: DomainType,
    /// Whether all names below it count too.
    pub wildcard: bool,
    /// Lowest TLS version.
    pub minimum_tls_version: String,
}

/// What a domain is to the app.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DomainType {
    /// Not said.
    #[default]
    #[serde(alias = "")]
    Unspecified,
    /// The name that the platform gave.
    Default,
    /// The one that is shown and bound to variables.
    Primary,
    /// Any other.
    Alias,
}

/// An environment variable.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct VariableSpec {
    /// Its key.
    pub key: String,
    /// Its value; of a secret the plain or the sealed one.
    pub value: String,
    /// When it is there.
    pub scope: VariableScope,
    /// Whether it is a secret.
    #[serde(rename = "type")]
    pub kind: VariableType,
}

/// When a variable is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VariableScope {
    /// Not said: both.
    #[default]
    #[serde(alias = "")]
    Unset,
    /// While instances run.
    RunTime,
    /// While the source is built.
    BuildTime,
    /// Both.
    RunAndBuildTime,
}

impl VariableScope {
    /// Whether instances get it.
    pub fn is_run_time(self) -> bool {
        match self {
            Self::Unset | Self::RunTime | Self::RunAndBuildTime => true,
            Self::BuildTime => false,
        }
    }

    /// Whether builds get it.
    pub fn is_build_time(self) -> bool {
        match self {
            Self::Unset | Self::BuildTime | Self::RunAndBuildTime => true,
            Self::RunTime => false,
        }
    }
}

/// Whether a variable is a secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VariableType {
    /// It is not.
    #[default]
    #[serde(alias = "")]
    General,
    /// It is.
    Secret,
}

/// An alert rule.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AlertSpec {
    /// What it watches.
    pub rule: String,
    /// Whether it is off.
    pub disabled: bool,
    /// How the value is compared.
    pub operator: String,
    /// The threshold.
    pub value: f64,
    /// Over which time.
    pub window: String,
}

/// Where traffic from the app comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EgressSpec {
    /// `AUTOASSIGN` or nothing.
    #[serde(rename = "type")]
    pub kind: String,
}
