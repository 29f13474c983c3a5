//! What control is told when it is opened: checked values, no files, no environment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use windlass_engine::app::AppSettings;
use windlass_engine::records::Dialect;
use windlass_runtime::IsolationSet;

use crate::blobs::BlobLimits;
use crate::sites::SiteManners;
use crate::sources::SourceSettings;

/// Settings of the shell. Times and sizes carry their unit in their name.
#[derive(Debug, Clone)]
pub struct ControlSettings {
    /// Where everything of this installation lies.
    pub data_dir: PathBuf,
    /// Default domain of applications.
    pub apps_domain: String,
    /// Public address of the Cloud Foundry API, as applications see it.
    pub cf_api_url: String,
    /// Means of isolation of every run.
    pub isolation: IsolationSet,
    /// User ids for applications, one each; used with the `uid` means.
    pub uid_range: RangeInclusive<u32>,
    /// Ports for instances.
    pub port_range: RangeInclusive<u16>,
    /// Address at which instances listen.
    pub instance_address: IpAddr,
    /// Settings that new apps get.
    pub app_defaults: AppSettings,
    /// Builds that may run at once, all apps together.
    pub build_slots: u32,
    /// Longest staging run, milliseconds.
    pub build_time_limit_ms: u64,
    /// Longest run of a job of a release, milliseconds.
    pub job_time_limit_ms: u64,
    /// How large what is uploaded and built may be.
    pub blob_limits: BlobLimits,
    /// Bytes of one log file of a run.
    pub log_file_bytes: u64,
    /// Log files kept per run.
    pub log_files: u32,
    /// Instances that may be prepared and started at once.
    pub starts_at_once: usize,
    /// How long an answer waits for the router, milliseconds.
    pub acknowledge_wait_ms: u64,
    /// Days that finished releases, tasks, builds and events are kept.
    pub retention_days: u32,
    /// Git sources.
    pub sources: SourceSettings,
    /// Directories in which language runtimes are looked for beside the usual ones.
    pub search_path: Vec<PathBuf>,
    /// Home of the user that runs Windlass.
    pub home: Option<PathBuf>,
    /// How sites meet their visitors, by the dialect of their app.
    pub sites: BTreeMap<Dialect, SiteManners>,
}

impl ControlSettings {
    /// Settings for a data directory, with the defaults of a local installation.
    pub fn local(data_dir: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            data_dir: data_dir.into(),
            apps_domain: "apps.localhost".to_owned(),
            cf_api_url: "https://localhost".to_owned(),
            isolation: IsolationSet::default(),
            uid_range: 200_000..=265_535,
            port_range: 20_000..=29_999,
            instance_address: IpAddr::from([127, 0, 0, 1]),
            app_defaults: AppSettings::default(),
            build_slots: 4,
            build_time_limit_ms: 15 * 60_000,
            job_time_limit_ms: 30 * 60_000,
            blob_limits: BlobLimits::default(),
            log_file_bytes: 4 * 1024 * 1024,
            log_files: 4,
            starts_at_once: cores * 4,
            acknowledge_wait_ms: 100,
            retention_days: 31,
            sources: SourceSettings::default(),
            search_path: Vec::new(),
            home: None,
            sites: BTreeMap::new(),
        }
    }

    /// Directories of runs.
    pub fn runs_dir(&self) -> PathBuf {
        self.data_dir.join("runs")
    }

    /// Directories of logs.
    pub fn logs_dir(&self) -> PathBuf {
        self.data_dir.join("logs")
    }
}
