//! Components as the wire has them.

use serde::Deserialize;

use super::{AlertSpec, VariableSpec};

/// Where the source of a component comes from: exactly one is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SourceSpec {
    /// Any repository by its clone URL.
    pub git: Option<GitSourceSpec>,
    /// A repository at GitHub.
    pub github: Option<HostedSourceSpec>,
    /// A repository at GitLab.
    pub gitlab: Option<HostedSourceSpec>,
    /// A repository at Bitbucket.
    pub bitbucket: Option<HostedSourceSpec>,
}

/// A repository by its clone URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GitSourceSpec {
    /// The URL.
    pub repo_clone_url: String,
    /// The branch.
    pub branch: String,
}

/// A repository at a host that announces pushes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HostedSourceSpec {
    /// `owner/name`.
    pub repo: String,
    /// The branch.
    pub branch: String,
    /// Whether a push starts a deployment.
    pub deploy_on_push: bool,
}

/// What every component has.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct ComponentBase {
    /// Its name.
    pub name: String,
    /// Where its source comes from.
    #[serde(flatten)]
    pub source: SourceSpec,
    /// Command that builds it.
    pub build_command: String,
    /// Directory of the source that counts.
    pub source_dir: String,
    /// Language.
    pub environment_slug: String,
    /// Its variables.
    pub envs: Vec<VariableSpec>,
}

/// What every component with instances has.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct InstanceBase {
    /// Command that runs it.
    pub run_command: String,
    /// Size of one instance.
    pub instance_size_slug: String,
    /// Number of instances.
    pub instance_count: u32,
    /// Its alert rules.
    pub alerts: Vec<AlertSpec>,
    /// How an instance ends.
    pub termination: TerminationSpec,
}

impl InstanceBase {
    /// Number of instances, with its default.
    pub fn instances(&self) -> u32 {
        self.instance_count.max(1)
    }
}

/// A component with traffic.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct ServiceSpec {
    /// What every component has.
    #[serde(flatten)]
    pub base: ComponentBase,
    /// Its instances.
    #[serde(flatten)]
    pub instances: InstanceBase,
    /// Port that the program listens on.
    pub http_port: u16,
    /// Protocol that the program speaks.
    pub protocol: String,
    /// Deprecated form of ingress rules.
    pub routes: Vec<RouteSpec>,
    /// Whether an instance gets traffic.
    pub health_check: Option<HealthCheckSpec>,
    /// Whether an instance is started again.
    pub liveness_health_check: Option<HealthCheckSpec>,
}

/// Port of a service that names none.
const HTTP_PORT: u16 = 8080;

impl ServiceSpec {
    /// Port that the program listens on, with its default.
    pub fn port(&self) -> u16 {
        if self.http_port == 0 {
            HTTP_PORT
        } else {
            self.http_port
        }
    }
}

/// A component without traffic.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct WorkerSpec {
    /// What every component has.
    #[serde(flatten)]
    pub base: ComponentBase,
    /// Its instances.
    #[serde(flatten)]
    pub instances: InstanceBase,
    /// Whether an instance is started again.
    pub liveness_health_check: Option<HealthCheckSpec>,
}

/// What runs once per deployment.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct JobSpec {
    /// What every component has.
    #[serde(flatten)]
    pub base: ComponentBase,
    /// Its one instance.
    #[serde(flatten)]
    pub instances: InstanceBase,
    /// When it runs.
    pub kind: JobKindWord,
}

/// When a job runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobKindWord {
    /// Not said: after the deployment.
    #[default]
    #[serde(alias = "")]
    Unspecified,
    /// Before the first new instance.
    PreDeploy,
    /// After traffic has moved.
    PostDeploy,
    /// After the deployment failed.
    FailedDeploy,
    /// At times of the clock.
    Scheduled,
}

/// Files that the router serves.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct StaticSiteSpec {
    /// What every component has; its variables are those of its build.
    #[serde(flatten)]
    pub base: ComponentBase,
    /// Directory where the build puts the files; empty = looked for.
    pub output_dir: String,
    /// Document of a directory.
    pub index_document: String,
    /// Document for what is not there, answered with 404.
    pub error_document: String,
    /// Document for what is not there, answered with 200.
    pub catchall_document: String,
    /// Deprecated form of ingress rules.
    pub routes: Vec<RouteSpec>,
}

/// Deprecated form of an ingress rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RouteSpec {
    /// Path prefix.
    pub path: String,
    /// Whether the component sees the prefix.
    pub preserve_path_prefix: bool,
}

/// A health check. Zero = the default of its use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HealthCheckSpec {
    /// Path of a GET; empty = the port is checked.
    pub http_path: String,
    /// Deprecated name of `http_path`.
    pub path: String,
    /// Port to check.
    pub port: u16,
    /// Time before the first check, seconds.
    pub initial_delay_seconds: u32,
    /// Time between checks, seconds.
    pub period_seconds: u32,
    /// Longest single check, seconds.
    pub timeout_seconds: u32,
    /// Good checks in a row that make it healthy.
    pub success_threshold: u32,
    /// Bad checks in a row that make it unhealthy.
    pub failure_threshold: u32,
}

/// How an instance ends. Zero = the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TerminationSpec {
    /// Time without new requests before SIGTERM, seconds.
    pub drain_seconds: u32,
    /// Time between SIGTERM and SIGKILL, seconds.
    pub grace_period_seconds: u32,
}
