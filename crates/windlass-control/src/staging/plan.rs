//! What one staging run is told: a file in its directory, without secrets.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use windlass_engine::records::BuildOutputSettings;

use crate::sources::FetchPlan;

/// The directories and files of one run, below `<run_dir>/work`, the only place that the run may
/// write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkDirectories {
    /// The root; also the working directory of an instance.
    pub work: PathBuf,
    /// The application: the build directory, later `HOME`.
    pub app: PathBuf,
    /// What a buildpack keeps from staging to staging.
    pub cache: PathBuf,
    /// What buildpacks supply, one directory each by index.
    pub deps: PathBuf,
    /// Scripts sourced before a process starts.
    pub profile: PathBuf,
    /// `TMPDIR`.
    pub tmp: PathBuf,
    /// The application's environment as one file a variable, while staging.
    pub env: PathBuf,
    /// Copies of the buildpacks: the server's own directory is out of reach for a run.
    pub buildpacks: PathBuf,
    /// [`StagingPlan`] as JSON.
    pub plan_file: PathBuf,
    /// [`super::StagingResult`] as JSON.
    pub result_file: PathBuf,
    /// The fetched repository, while it is fetched.
    pub repository: PathBuf,
}

impl WorkDirectories {
    /// Of the run (or instance) with this directory.
    pub fn new(run_dir: &Path) -> Self {
        let work = run_dir.join("work");
        Self {
            app: work.join("app"),
            cache: work.join("cache"),
            deps: work.join("deps"),
            profile: work.join("profile.d"),
            tmp: work.join("tmp"),
            env: work.join("env"),
            buildpacks: work.join("buildpacks"),
            plan_file: work.join("plan.json"),
            result_file: work.join("result").join("result.json"),
            repository: work.join("source.git"),
            work,
        }
    }
}

/// The plan of one staging run. Version 1; a field more is no new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagingPlan {
    /// Always 1.
    pub version: u32,
    /// The run's directory; see [`WorkDirectories`].
    pub run_dir: PathBuf,
    /// Whether the buildpacks were named or the first that detects is taken.
    pub selection: Selection,
    /// The buildpacks, in order.
    pub buildpacks: Vec<PlannedBuildpack>,
    /// Names of the user's variables; their values come with the environment.
    pub env_names: Vec<String>,
    /// What is to be fetched first; `None` = the application lies there already.
    #[serde(default)]
    pub fetch: Option<FetchPlan>,
    /// A command of the user that runs after the buildpacks have built.
    #[serde(default)]
    pub build_command: Option<String>,
    /// Set when the outcome is files to serve.
    #[serde(default)]
    pub site: Option<SitePlan>,
    /// Set when the outcome is a site in the Build Output layout; no buildpack takes part then.
    #[serde(default)]
    pub build_output: Option<BuildOutputPlan>,
}

/// What a build of a site in the Build Output layout is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BuildOutputPlan {
    /// Directory of the source that is built; `None` = all of it.
    pub root: Option<String>,
    /// Directory with the files, below the root; `None` = the usual one, empty = all of it.
    pub output_dir: Option<String>,
    /// What else the user says.
    pub settings: BuildOutputSettings,
}

/// What a build of a static site takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SitePlan {
    /// The directory with the files, below the application; `None` = a usual one, else all.
    pub output_dir: Option<String>,
}

/// How buildpacks are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The first whose `bin/detect` says yes.
    Detect,
    /// All of them; the last is the final one.
    Named,
}

/// One buildpack of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedBuildpack {
    /// As the user (or the server) calls it.
    pub name: String,
    /// The directory that holds `bin/`.
    pub directory: PathBuf,
}

impl StagingPlan {
    /// The directories of the run.
    pub fn directories(&self) -> WorkDirectories {
        WorkDirectories::new(&self.run_dir)
    }
}
