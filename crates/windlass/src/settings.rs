//! Settings: text from four sources, checked once at start.
//!
//! A setting comes from a flag, else the environment (`WINDLASS_<NAME>`), else `windlass.toml` in
//! the data directory, else its default. [`Settings`] is the checked form; nothing else in the
//! program reads flags, environment or file.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use windlass_control::sources::Hidden;

use crate::layout::Layout;

pub mod options;
pub mod sources;

use options::Name;
use sources::{Resolved, Source};

/// Exit status for settings that can't be used, a missing key and a newer database. The supervisor
/// takes it as final: starting the same program again can't help.
pub const EXIT_CONFIGURATION: u8 = 78;

/// Why settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The settings file can't be read.
    #[error("failed to read {path}: {source}; make it readable or remove it")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The settings file is not TOML.
    #[error("{path} is not valid TOML: {text}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        text: String,
    },
    /// A key of the file is no setting.
    #[error("{path}: unknown setting `{key}`; `windlass check-config` lists all settings")]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A value is outside its limit.
    #[error("setting `{name}` ({source_text}) is `{value}`: {rule}")]
    Value {
        /// Which setting.
        name: &'static str,
        /// Where the value comes from.
        source_text: String,
        /// The value.
        value: String,
        /// What is allowed.
        rule: String,
    },
    /// There is no place for the data.
    #[error("no home directory is known; pass --data-dir DIR")]
    NoHome,
}

/// Addresses of the listening sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// Cloud Foundry API (TLS).
    pub cf: SocketAddr,
    /// DigitalOcean API (TLS).
    pub digitalocean: SocketAddr,
    /// Vercel API (TLS).
    pub vercel: SocketAddr,
    /// Router without TLS.
    pub router_http: SocketAddr,
    /// Router with TLS.
    pub router_https: SocketAddr,
    /// Counters in Prometheus' text form.
    pub metrics: SocketAddr,
}

/// Names under which clients reach the APIs, of those whose address was given by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenNames {
    /// Of the Cloud Foundry API.
    pub cf: Option<String>,
    /// Of the DigitalOcean API.
    pub digitalocean: Option<String>,
    /// Of the Vercel API.
    pub vercel: Option<String>,
}

/// How ports are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ports {
    /// Those of the `listen_*` settings.
    Fixed,
    /// Free ones, the same again at the next start where possible.
    Auto,
}

/// What a cancel restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelRestores {
    /// The whole configuration of the base.
    Everything,
    /// The artifact only.
    Artifact,
}

/// Where source in git repositories comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Git {
    /// Base address of repositories that are named as GitHub's.
    pub github_url: String,
    /// The same for GitLab.
    pub gitlab_url: String,
    /// The same for Bitbucket.
    pub bitbucket_url: String,
    /// Whether repositories may be on this machine.
    pub allow_loopback: bool,
    /// Time between looks at a branch, seconds; 0 = never.
    pub poll_interval_s: u64,
    /// What signs reports of pushes.
    pub webhook_secret: Option<Hidden>,
    /// Certificates that git trusts in the place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Private key for ssh.
    pub ssh_key_file: Option<PathBuf>,
    /// Keys of the hosts that ssh may talk to.
    pub ssh_known_hosts_file: Option<PathBuf>,
    /// Longest fetch, seconds.
    pub timeout_s: u64,
    /// Largest source, MiB.
    pub max_mb: u64,
}

/// The checked settings of one Windlass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where everything lies.
    pub data_dir: PathBuf,
    /// Key that encrypts secrets; outside of the data directory.
    pub key_file: PathBuf,
    /// Domain below which apps get their hosts.
    pub domain: String,
    /// URL under which clients reach the Cloud Foundry API; `None` = from its address.
    pub cf_url: Option<String>,
    /// URL under which clients reach the DigitalOcean API; `None` = from its address.
    pub digitalocean_url: Option<String>,
    /// Requests that one token may send to the DigitalOcean API in an hour.
    pub digitalocean_requests_per_hour: u32,
    /// URL under which clients reach the Vercel API; `None` = from its address.
    pub vercel_url: Option<String>,
    /// Requests that one token may send to the Vercel API in an hour.
    pub vercel_requests_per_hour: u32,
    /// Listening sockets.
    pub listen: Listen,
    /// Names of the APIs.
    pub listen_names: ListenNames,
    /// Fixed or free ports.
    pub ports: Ports,
    /// First port for instances.
    pub instance_port_first: u16,
    /// Number of ports for instances.
    pub instance_port_count: u16,
    /// Means of isolation: `best`, `bare` or names with commas.
    pub isolation: String,
    /// First user id of the range for apps (as root).
    pub uid_first: u32,
    /// Number of user ids of that range.
    pub uid_count: u32,
    /// Whether every strategy keeps the whole base until the end.
    pub keep_base_warm: bool,
    /// What a cancel restores.
    pub cancel_restores: CancelRestores,
    /// Time without progress after which a release ends, seconds of running time; 0 = never.
    pub release_deadline_s: u64,
    /// Longest drain of an instance, milliseconds.
    pub drain_limit_ms: u64,
    /// Log bytes kept of each run, MiB.
    pub run_log_mb: u64,
    /// Days that records of what is over are kept.
    pub retention_days: u32,
    /// Longest staging, seconds.
    pub staging_timeout_s: u64,
    /// Stagings at the same time.
    pub staging_slots: u64,
    /// Largest package or droplet, MiB.
    pub upload_max_mb: u64,
    /// All packages and droplets together, MiB.
    pub storage_max_mb: u64,
    /// Git sources.
    pub git: Git,
    /// Longest wait for all instances to stop at `down`, seconds.
    pub down_limit_s: u64,
    /// What the roles log (tracing's filter language).
    pub log: String,
}

impl Settings {
    /// Paths below the data directory.
    pub fn layout(&self) -> Layout {
        Layout::new(&self.data_dir)
    }

    /// Checks resolved values.
    pub fn check(resolved: &Resolved) -> Result<Self, SettingsError> {
        let (cf, cf_name) = resolved.listen(Name::ListenCf)?;
        let (digitalocean, digitalocean_name) = resolved.listen(Name::ListenDigitalOcean)?;
        let (vercel, vercel_name) = resolved.listen(Name::ListenVercel)?;
        let listen = Listen {
            cf,
            digitalocean,
            vercel,
            router_http: resolved.address(Name::ListenRouterHttp)?,
            router_https: resolved.address(Name::ListenRouterHttps)?,
            metrics: resolved.address(Name::ListenMetrics)?,
        };
        let data_dir = resolved.data_dir().to_path_buf();
        let key_file = resolved.path(Name::KeyFile)?;
        if key_file.starts_with(&data_dir) {
            return Err(resolved.refuse(
                Name::KeyFile,
                "must lie outside of the data directory, so that a copy of the data does not hold \
                 the key to it",
            ));
        }
        let ports = [Name::InstancePortFirst, Name::InstancePortCount];
        if ports
            .into_iter()
            .map(|name| resolved.number(name))
            .sum::<Result<u64, _>>()?
            > 65_536
        {
            return Err(resolved.refuse(
                Name::InstancePortCount,
                "goes beyond port 65535; take a lower instance_port_first or fewer ports",
            ));
        }
        Ok(Self {
            key_file,
            domain: resolved.domain(Name::Domain)?,
            cf_url: resolved.url(Name::CfUrl)?,
            digitalocean_url: resolved.url(Name::DigitalOceanUrl)?,
            digitalocean_requests_per_hour: narrow(
                resolved.number(Name::DigitalOceanRequestsPerHour)?,
            ),
            vercel_url: resolved.url(Name::VercelUrl)?,
            vercel_requests_per_hour: narrow(resolved.number(Name::VercelRequestsPerHour)?),
            listen,
            listen_names: ListenNames {
                cf: cf_name,
                digitalocean: digitalocean_name,
                vercel: vercel_name,
            },
            ports: match resolved.word(Name::Ports)? {
                "auto" => Ports::Auto,
                _ => Ports::Fixed,
            },
            instance_port_first: narrow_port(resolved.number(Name::InstancePortFirst)?),
            instance_port_count: narrow_port(resolved.number(Name::InstancePortCount)?),
            isolation: resolved.isolation(Name::Isolation)?,
            uid_first: narrow(resolved.number(Name::UidFirst)?),
            uid_count: narrow(resolved.number(Name::UidCount)?),
            keep_base_warm: resolved.word(Name::KeepBaseWarm)? == "true",
            cancel_restores: match resolved.word(Name::CancelRestores)? {
                "artifact" => CancelRestores::Artifact,
                _ => CancelRestores::Everything,
            },
            release_deadline_s: resolved.number(Name::ReleaseDeadlineS)?,
            drain_limit_ms: resolved.number(Name::DrainLimitMs)?,
            run_log_mb: resolved.number(Name::RunLogMb)?,
            retention_days: narrow(resolved.number(Name::RetentionDays)?),
            staging_timeout_s: resolved.number(Name::StagingTimeoutS)?,
            staging_slots: resolved.number(Name::StagingSlots)?,
            upload_max_mb: resolved.number(Name::UploadMaxMb)?,
            storage_max_mb: resolved.number(Name::StorageMaxMb)?,
            git: Git {
                github_url: resolved.base_url(Name::GithubUrl)?,
                gitlab_url: resolved.base_url(Name::GitlabUrl)?,
                bitbucket_url: resolved.base_url(Name::BitbucketUrl)?,
                allow_loopback: resolved.word(Name::AllowLoopbackSources)? == "true",
                poll_interval_s: resolved.number(Name::GitPollIntervalS)?,
                webhook_secret: resolved.secret(Name::WebhookSecret)?,
                ca_file: resolved.optional_path(Name::GitCaFile),
                ssh_key_file: resolved.optional_path(Name::GitSshKeyFile),
                ssh_known_hosts_file: resolved.optional_path(Name::GitSshKnownHostsFile),
                timeout_s: resolved.number(Name::GitTimeoutS)?,
                max_mb: resolved.number(Name::GitMaxMb)?,
            },
            down_limit_s: resolved.number(Name::DownLimitS)?,
            log: resolved.free_text(Name::Log)?,
            data_dir,
        })
    }

    /// What addresses off loopback expose, one sentence each. Empty when all are on loopback.
    pub fn exposures(&self) -> Vec<String> {
        let sockets = [
            (
                self.listen.cf,
                "the Cloud Foundry API: whoever has a password or token can run programs here",
            ),
            (
                self.listen.digitalocean,
                "the DigitalOcean API: whoever has a token can run programs here",
            ),
            (
                self.listen.vercel,
                "the Vercel API: whoever has a token can run programs here",
            ),
            (self.listen.router_http, "every app, unencrypted"),
            (
                self.listen.router_https,
                "every app, with a certificate of the local authority",
            ),
            (
                self.listen.metrics,
                "the counters of every app, without a login",
            ),
        ];
        sockets
            .into_iter()
            .filter(|(address, _)| !address.ip().is_loopback())
            .map(|(address, what)| format!("{address} is not on loopback and exposes {what}"))
            .collect()
    }
}

/// Number whose limit in the option table fits 32 bits.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Port number whose limit in the option table fits 16 bits.
fn narrow_port(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Where a value came from, for messages.
pub(crate) fn source_text(source: Source, name: Name) -> String {
    match source {
        Source::Flag if name.has_flag() => {
            format!("flag --{}", name.info().name.replace('_', "-"))
        }
        Source::Flag => format!("flag --set {}", name.info().name),
        Source::Environment => format!("environment variable {}", name.environment()),
        Source::File => "windlass.toml".to_owned(),
        Source::Default => "default".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use sources::resolve;

    fn settings(pairs: &[(Name, &str)]) -> Result<Settings, SettingsError> {
        let dir = tempfile::tempdir().expect("temp dir");
        let flags: BTreeMap<Name, String> = pairs
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let home = [("HOME".to_owned(), "/home/someone".to_owned())].into();
        Settings::check(&resolve(Some(dir.path()), &flags, &home)?)
    }

    #[test]
    fn defaults_are_accepted() {
        let settings = settings(&[]).expect("defaults");
        assert_eq!(settings.domain, "apps.localhost");
        assert_eq!(
            settings.key_file,
            PathBuf::from("/home/someone/.config/windlass/key")
        );
        assert!(settings.exposures().is_empty());
    }

    #[test]
    fn values_outside_their_limit_name_the_setting_and_the_rule() {
        for (name, value) in [
            (Name::ListenCf, "localhost"),
            (Name::ListenCf, "api.example.test"),
            (Name::ListenCf, "under_score.localhost:443"),
            (Name::ListenMetrics, "api.localhost:443"),
            (Name::Domain, "under_score.example"),
            (Name::Domain, "localhost"),
            (Name::Ports, "some"),
            (Name::Isolation, "jail"),
            (Name::Isolation, "bare,cgroup"),
            (Name::DrainLimitMs, "-1"),
            (Name::DrainLimitMs, "99999999999"),
            (Name::KeepBaseWarm, "yes"),
            (Name::GithubUrl, "github.com"),
            (Name::GitlabUrl, "ssh://git@gitlab.com"),
            (Name::BitbucketUrl, "https://me:secret@bitbucket.org"),
            (Name::AllowLoopbackSources, "yes"),
            (Name::GitTimeoutS, "0"),
            (Name::KeyFile, ""),
        ] {
            let error = settings(&[(name, value)]).expect_err(value).to_string();
            assert!(error.contains(name.info().name), "{error}");
        }
    }

    #[test]
    fn a_key_inside_the_data_directory_is_refused() {
        let dir = tempfile::tempdir().expect("temp dir");
        let inside = dir.path().join("key").display().to_string();
        let flags = [(Name::KeyFile, inside)].into();
        let resolved = resolve(Some(dir.path()), &flags, &BTreeMap::new()).expect("resolves");
        assert!(Settings::check(&resolved).is_err());
    }

    #[test]
    fn an_api_can_be_given_by_name() {
        let settings = settings(&[(Name::ListenCf, "API.cf.localhost:443")]).expect("settings");
        assert_eq!(settings.listen.cf.to_string(), "127.0.0.1:443");
        assert_eq!(
            settings.listen_names.cf.as_deref(),
            Some("api.cf.localhost")
        );
        assert_eq!(settings.listen_names.vercel, None);
    }

    #[test]
    fn an_address_off_loopback_says_what_it_exposes() {
        let settings = settings(&[(Name::ListenRouterHttp, "0.0.0.0:80")]).expect("settings");
        let exposures = settings.exposures();
        assert_eq!(exposures.len(), 1);
        assert!(exposures[0].contains("0.0.0.0:80"));
    }
}
