//! The members of a checked spec, named as the wire names them.
//!
//! As in the Go client, a zero value means "not given"; methods give the defaults. Fields that
//! are refused are not here: a checked spec says nothing in them.

mod component;
mod ingress;

use serde::Deserialize;

pub use component::{
    GitSourceSpec, HealthCheckSpec, HostedSourceSpec, JobKindWord, JobSpec, RouteSpec, ServiceSpec,
    SourceSpec, StaticSiteSpec, TerminationSpec, WorkerSpec,
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
