//! The table of all settings: name, unit, default, limit, example. It drives the file, the
//! environment, the flags and `windlass check-config`.

mod limit;

pub use limit::Limit;
use serde::Serialize;

/// Names of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// `key_file`.
    KeyFile,
    /// `domain`.
    Domain,
    /// `cf_url`.
    CfUrl,
    /// `listen_cf`.
    ListenCf,
    /// `digitalocean_url`.
    DigitalOceanUrl,
    /// `digitalocean_requests_per_hour`.
    DigitalOceanRequestsPerHour,
    /// `listen_digitalocean`.
    ListenDigitalOcean,
    /// `vercel_url`.
    VercelUrl,
    /// `vercel_requests_per_hour`.
    VercelRequestsPerHour,
    /// `listen_vercel`.
    ListenVercel,
    /// `listen_router_http`.
    ListenRouterHttp,
    /// `listen_router_https`.
    ListenRouterHttps,
    /// `listen_metrics`.
    ListenMetrics,
    /// `ports`.
    Ports,
    /// `instance_port_first`.
    InstancePortFirst,
    /// `instance_port_count`.
    InstancePortCount,
    /// `isolation`.
    Isolation,
    /// `uid_first`.
    UidFirst,
    /// `uid_count`.
    UidCount,
    /// `keep_base_warm`.
    KeepBaseWarm,
    /// `cancel_restores`.
    CancelRestores,
    /// `release_deadline_s`.
    ReleaseDeadlineS,
    /// `drain_limit_ms`.
    DrainLimitMs,
    /// `run_log_mb`.
    RunLogMb,
    /// `retention_days`.
    RetentionDays,
    /// `staging_timeout_s`.
    StagingTimeoutS,
    /// `staging_slots`.
    StagingSlots,
    /// `upload_max_mb`.
    UploadMaxMb,
    /// `storage_max_mb`.
    StorageMaxMb,
    /// `github_url`.
    GithubUrl,
    /// `gitlab_url`.
    GitlabUrl,
    /// `bitbucket_url`.
    BitbucketUrl,
    /// `allow_loopback_sources`.
    AllowLoopbackSources,
    /// `git_poll_interval_s`.
    GitPollIntervalS,
    /// `webhook_secret`.
    WebhookSecret,
    /// `git_ca_file`.
    GitCaFile,
    /// `git_ssh_key_file`.
    GitSshKeyFile,
    /// `git_ssh_known_hosts_file`.
    GitSshKnownHostsFile,
    /// `git_timeout_s`.
    GitTimeoutS,
    /// `git_max_mb`.
    GitMaxMb,
    /// `down_limit_s`.
    DownLimitS,
    /// `log`.
    Log,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// Key in the file; the variable is `WINDLASS_<NAME>`, the flag `--<name>` with
    /// hyphens where it has one, else `--set <name>=…`.
    pub name: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// Unit, empty without one.
    pub unit: &'static str,
    /// Default value; `~` stands for the home directory.
    pub default: &'static str,
    /// What is allowed.
    pub limit: Limit,
    /// An example.
    pub example: &'static str,
}

/// A row as `check-config` prints it.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Key in the file.
    pub name: &'static str,
    /// Value in force.
    pub value: String,
    /// Where it comes from.
    pub source: String,
    /// What it is for.
    pub meaning: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Default value.
    pub default: &'static str,
    /// What is allowed.
    pub limit: String,
    /// An example.
    pub example: &'static str,
}

impl Name {
    /// All settings in the order of the documentation.
    pub const ALL: [Self; 42] = [
        Self::KeyFile,
        Self::Domain,
        Self::CfUrl,
        Self::ListenCf,
        Self::DigitalOceanUrl,
        Self::DigitalOceanRequestsPerHour,
        Self::ListenDigitalOcean,
        Self::VercelUrl,
        Self::VercelRequestsPerHour,
        Self::ListenVercel,
        Self::ListenRouterHttp,
        Self::ListenRouterHttps,
        Self::ListenMetrics,
        Self::Ports,
        Self::InstancePortFirst,
        Self::InstancePortCount,
        Self::Isolation,
        Self::UidFirst,
        Self::UidCount,
        Self::KeepBaseWarm,
        Self::CancelRestores,
        Self::ReleaseDeadlineS,
        Self::DrainLimitMs,
        Self::RunLogMb,
        Self::RetentionDays,
        Self::StagingTimeoutS,
        Self::StagingSlots,
        Self::UploadMaxMb,
        Self::StorageMaxMb,
        Self::GithubUrl,
        Self::GitlabUrl,
        Self::BitbucketUrl,
        Self::AllowLoopbackSources,
        Self::GitPollIntervalS,
        Self::WebhookSecret,
        Self::GitCaFile,
        Self::GitSshKeyFile,
        Self::GitSshKnownHostsFile,
        Self::GitTimeoutS,
        Self::GitMaxMb,
        Self::DownLimitS,
        Self::Log,
    ];

    /// Whether it has a flag of its own beside `--set`.
    pub fn has_flag(self) -> bool {
        matches!(
            self,
            Self::KeyFile
                | Self::Ports
                | Self::ListenCf
                | Self::ListenRouterHttp
                | Self::ListenRouterHttps
                | Self::ListenMetrics
                | Self::Domain
                | Self::Isolation
        )
    }

    /// The variable of this setting.
    pub fn environment(self) -> String {
        format!("WINDLASS_{}", self.info().name.to_uppercase())
    }

    /// The row of this setting.
    pub fn info(self) -> Info {
        let row = |name, meaning, unit, default, limit, example| Info {
            name,
            meaning,
            unit,
            default,
            limit,
            example,
        };
        match self {
            Self::KeyFile => row(
                "key_file",
                "key that encrypts secrets; made at first start, keep a copy elsewhere",
                "",
                "~/.config/windlass/key",
                Limit::Path,
                "/etc/windlass/key",
            ),
            Self::Domain => row(
                "domain",
                "domain below which apps get their hosts",
                "",
                "apps.localhost",
                Limit::Domain,
                "apps.example.com",
            ),
            Self::CfUrl => row(
                "cf_url",
                "URL under which clients reach the Cloud Foundry API (empty: from its address)",
                "",
                "",
                Limit::Url,
                "https://api.example.com",
            ),
            Self::ListenCf => row(
                "listen_cf",
                "address of the Cloud Foundry API (TLS)",
                "",
                "127.0.0.1:8443",
                Limit::Listen,
                "0.0.0.0:443",
            ),
            Self::DigitalOceanUrl => row(
                "digitalocean_url",
                "URL under which clients reach the DigitalOcean API (empty: from its address)",
                "",
                "",
                Limit::Url,
                "https://apps.example.com",
            ),
            Self::DigitalOceanRequestsPerHour => row(
                "digitalocean_requests_per_hour",
                "requests that one token may send to the DigitalOcean API in an hour",
                "requests",
                "100000",
                Limit::Number {
                    min: 1,
                    max: 100_000_000,
                },
                "5000",
            ),
            Self::ListenDigitalOcean => row(
                "listen_digitalocean",
                "address of the DigitalOcean API (TLS)",
                "",
                "127.0.0.1:8445",
                Limit::Listen,
                "0.0.0.0:443",
            ),
            Self::VercelUrl => row(
                "vercel_url",
                "URL under which clients reach the Vercel API (empty: from its address)",
                "",
                "",
                Limit::Url,
                "https://sites.example.com",
            ),
            Self::VercelRequestsPerHour => row(
                "vercel_requests_per_hour",
                "requests that one token may send to the Vercel API in an hour",
                "requests",
                "100000",
                Limit::Number {
                    min: 1,
                    max: 100_000_000,
                },
                "50000",
            ),
            Self::ListenVercel => row(
                "listen_vercel",
                "address of the Vercel API (TLS)",
                "",
                "127.0.0.1:8446",
                Limit::Listen,
                "0.0.0.0:443",
            ),
            Self::ListenRouterHttp => row(
                "listen_router_http",
                "address of the router without TLS",
                "",
                "127.0.0.1:8080",
                Limit::Address,
                "0.0.0.0:80",
            ),
            Self::ListenRouterHttps => row(
                "listen_router_https",
                "address of the router with TLS",
                "",
                "127.0.0.1:8444",
                Limit::Address,
                "0.0.0.0:443",
            ),
            Self::ListenMetrics => row(
                "listen_metrics",
                "address of the counters in Prometheus' text form",
                "",
                "127.0.0.1:9464",
                Limit::Address,
                "127.0.0.1:9100",
            ),
            Self::Ports => row(
                "ports",
                "auto takes free ports instead of those of the listen settings",
                "",
                "fixed",
                Limit::Words(&["fixed", "auto"]),
                "auto",
            ),
            Self::InstancePortFirst => row(
                "instance_port_first",
                "first port for instances; with automatic ports a free block is taken instead",
                "port",
                "20000",
                Limit::Number {
                    min: 1024,
                    max: 65_000,
                },
                "40000",
            ),
            Self::InstancePortCount => row(
                "instance_port_count",
                "how many ports instances may use, one rests for a minute after its use; a free block has 399",
                "ports",
                "10000",
                Limit::Number {
                    min: 10,
                    max: 60_000,
                },
                "2000",
            ),
            Self::Isolation => row(
                "isolation",
                "means that keep apps apart; best = all that this machine has",
                "",
                "best",
                Limit::Isolation,
                "landlock,cgroup",
            ),
            Self::UidFirst => row(
                "uid_first",
                "first user id for apps when Windlass runs as root",
                "user id",
                "200000",
                Limit::Number {
                    min: 1_000,
                    max: 2_000_000_000,
                },
                "300000",
            ),
            Self::UidCount => row(
                "uid_count",
                "how many user ids apps may use",
                "user ids",
                "20000",
                Limit::Number {
                    min: 16,
                    max: 1_000_000,
                },
                "5000",
            ),
            Self::KeepBaseWarm => row(
                "keep_base_warm",
                "keep every instance of the base until the deployment has ended",
                "",
                "false",
                Limit::Words(&["true", "false"]),
                "true",
            ),
            Self::CancelRestores => row(
                "cancel_restores",
                "what a cancel puts back: the whole configuration or the artifact only",
                "",
                "everything",
                Limit::Words(&["everything", "artifact"]),
                "artifact",
            ),
            Self::ReleaseDeadlineS => row(
                "release_deadline_s",
                "time without progress after which a deployment is ended and restored (0: never)",
                "seconds",
                "900",
                Limit::Number {
                    min: 0,
                    max: 604_800,
                },
                "1800",
            ),
            Self::DrainLimitMs => row(
                "drain_limit_ms",
                "longest wait for requests in flight before an instance is stopped",
                "milliseconds",
                "30000",
                Limit::Number {
                    min: 0,
                    max: 3_600_000,
                },
                "10000",
            ),
            Self::RunLogMb => row(
                "run_log_mb",
                "log kept of each run (an instance from start to end, a task, a build)",
                "MiB",
                "16",
                Limit::Number {
                    min: 1,
                    max: 1_048_576,
                },
                "64",
            ),
            Self::RetentionDays => row(
                "retention_days",
                "age at which records of what is over go (deployments, tasks, builds, events)",
                "days",
                "31",
                Limit::Number { min: 1, max: 3_650 },
                "30",
            ),
            Self::StagingTimeoutS => row(
                "staging_timeout_s",
                "longest build",
                "seconds",
                "900",
                Limit::Number {
                    min: 1,
                    max: 86_400,
                },
                "1800",
            ),
            Self::StagingSlots => row(
                "staging_slots",
                "builds at the same time; others wait",
                "builds",
                "2",
                Limit::Number { min: 1, max: 256 },
                "4",
            ),
            Self::UploadMaxMb => row(
                "upload_max_mb",
                "largest package or droplet",
                "MiB",
                "1024",
                Limit::Number {
                    min: 1,
                    max: 65_536,
                },
                "2048",
            ),
            Self::StorageMaxMb => row(
                "storage_max_mb",
                "all packages and droplets together",
                "MiB",
                "20480",
                Limit::Number {
                    min: 1,
                    max: 67_108_864,
                },
                "102400",
            ),
            Self::GithubUrl => row(
                "github_url",
                "base address of repositories that are named as GitHub's",
                "",
                "https://github.com",
                Limit::BaseUrl,
                "https://github.example.com",
            ),
            Self::GitlabUrl => row(
                "gitlab_url",
                "base address of repositories that are named as GitLab's",
                "",
                "https://gitlab.com",
                Limit::BaseUrl,
                "https://gitlab.example.com/mirror",
            ),
            Self::BitbucketUrl => row(
                "bitbucket_url",
                "base address of repositories that are named as Bitbucket's",
                "",
                "https://bitbucket.org",
                Limit::BaseUrl,
                "https://bitbucket.example.com",
            ),
            Self::AllowLoopbackSources => row(
                "allow_loopback_sources",
                "whether git repositories may be on this machine itself",
                "",
                "false",
                Limit::Words(&["true", "false"]),
                "true",
            ),
            Self::GitPollIntervalS => row(
                "git_poll_interval_s",
                "time between looks at a branch that is deployed on push (0: only reports count)",
                "seconds",
                "60",
                Limit::Number {
                    min: 0,
                    max: 86_400,
                },
                "300",
            ),
            Self::WebhookSecret => row(
                "webhook_secret",
                "secret with which GitHub, GitLab and Bitbucket sign reports of pushes (empty: none \
                 are accepted)",
                "",
                "",
                Limit::Secret,
                "long-random-text",
            ),
            Self::GitCaFile => row(
                "git_ca_file",
                "certificates of the authorities that git trusts, readable by everybody (empty: \
                 those of the system)",
                "",
                "",
                Limit::OptionalPath,
                "/etc/windlass/git_ca.pem",
            ),
            Self::GitSshKeyFile => row(
                "git_ssh_key_file",
                "private key for repositories that are reached by ssh (empty: none are)",
                "",
                "",
                Limit::OptionalPath,
                "/etc/windlass/git_ssh_key",
            ),
            Self::GitSshKnownHostsFile => row(
                "git_ssh_known_hosts_file",
                "keys of the hosts that ssh may talk to (empty: those of the system)",
                "",
                "",
                Limit::OptionalPath,
                "/etc/windlass/git_known_hosts",
            ),
            Self::GitTimeoutS => row(
                "git_timeout_s",
                "longest fetch of a git repository",
                "seconds",
                "300",
                Limit::Number {
                    min: 1,
                    max: 86_400,
                },
                "60",
            ),
            Self::GitMaxMb => row(
                "git_max_mb",
                "largest source from git, fetched or unpacked",
                "MiB",
                "2048",
                Limit::Number {
                    min: 1,
                    max: 65_536,
                },
                "500",
            ),
            Self::DownLimitS => row(
                "down_limit_s",
                "longest wait for all instances to stop at `windlass down`",
                "seconds",
                "90",
                Limit::Number { min: 1, max: 3_600 },
                "30",
            ),
            Self::Log => row(
                "log",
                "what the roles write to standard error (tracing filter)",
                "",
                "warn",
                Limit::Text,
                "info,windlass_router=debug",
            ),
        }
    }
}
