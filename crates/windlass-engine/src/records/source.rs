//! Source, artifacts, builds as the dialects show them, numbered revisions, services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::routing::WantedHost;
use super::tenancy::{Metadata, Stamps};
use crate::id::{
    AppId, ArtifactId, BindingId, BuildId, ComponentName, NumberedRevisionId, PackageId, ReleaseId,
    SecretRef, ServiceInstanceId, SpaceId, UserId,
};
use crate::time::Timestamp;

/// Where a package stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageState {
    /// Nothing was uploaded yet.
    AwaitingUpload,
    /// The upload is being checked.
    Processing,
    /// It can be built.
    Ready,
    /// It cannot: why.
    Failed {
        /// Why, for people.
        error: String,
    },
    /// Its blob was collected.
    Expired,
}

/// Uploaded source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its id.
    pub id: PackageId,
    /// Whose source.
    pub app: AppId,
    /// Where it stands.
    pub state: PackageState,
    /// SHA-256 of the blob, hex.
    pub blob: Option<String>,
    /// Size of the blob, bytes.
    pub size_bytes: u64,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Creation and change.
    pub stamps: Stamps,
}

/// Where an artifact stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactState {
    /// Created, nothing uploaded yet.
    AwaitingUpload,
    /// It can run.
    Staged,
    /// It cannot: why.
    Failed {
        /// Why, for people.
        error: String,
    },
    /// Its blob was collected.
    Expired,
}

/// An artifact (Cloud Foundry: droplet).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its id.
    pub id: ArtifactId,
    /// Whose it is.
    pub app: AppId,
    /// The package that it was built from.
    pub package: Option<PackageId>,
    /// The build that made it.
    pub build: Option<BuildId>,
    /// Where it stands.
    pub state: ArtifactState,
    /// SHA-256 of the blob, hex.
    pub blob: Option<String>,
    /// Size of the blob, bytes.
    pub size_bytes: u64,
    /// Start command per process type.
    pub process_types: BTreeMap<String, String>,
    /// Buildpacks that took part: name, version, detect output.
    pub buildpacks: Vec<Value>,
    /// Stack.
    pub stack: Option<String>,
    /// Free text of the lifecycle.
    pub execution_metadata: String,
    /// The commit that it was built from, 40 hex digits; `None` when it was not built from git.
    #[serde(default)]
    pub commit: Option<String>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Creation and change.
    pub stamps: Stamps,
}

/// Where a build stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildRecordState {
    /// Waiting or running.
    Staging,
    /// Made an artifact.
    Staged {
        /// What it made.
        artifact: ArtifactId,
    },
    /// Did not.
    Failed {
        /// Why, for people.
        error: String,
    },
    /// Its source says that there was nothing to build: why.
    Skipped {
        /// Why, for people.
        reason: String,
    },
    /// Was canceled.
    Canceled,
}

/// A git repository as the source of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitSource {
    /// Address that it is cloned from.
    pub url: String,
    /// Branch.
    pub branch: String,
    /// Commit, 40 hex digits. `None` = what the branch points to when the build begins; a build that
    /// got so far has it.
    pub commit: Option<String>,
}

/// How a source is built, as far as a user says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildSettings {
    /// Directory of the source that is built; `None` = all of it.
    pub source_dir: Option<String>,
    /// Command that runs after the dependencies are there.
    pub build_command: Option<String>,
    /// Directory that a static site consists of, below the source directory; `None` = a usual one.
    pub output_dir: Option<String>,
    /// Name of a buildpack, one of its other names counts too; `None` = detect.
    pub environment: Option<String>,
    /// Whether the outcome is files to serve instead of something to run.
    pub static_site: bool,
    /// Set when the outcome is a site in the Build Output layout: files with routes, and functions.
    pub build_output: Option<BuildOutputSettings>,
    /// Variables of the build, as references.
    pub env: BTreeMap<String, SecretRef>,
}

/// Who canceled a build, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildCancel {
    /// Who.
    pub by: String,
    /// With which client.
    pub client: Option<String>,
    /// Why, in words.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// How a site in the Build Output layout is made, beside what all builds have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildOutputSettings {
    /// The output is in the source already.
    pub prebuilt: bool,
    /// Framework that the user named.
    pub framework: Option<String>,
    /// Command that fetches dependencies; `None` = by the lock file, empty = there are none.
    pub install_command: Option<String>,
    /// Command whose success says that nothing is to be built.
    pub ignore_command: Option<String>,
    /// Fields of the project file that came with the order; they win over those of the file.
    pub project: Option<Value>,
}

/// A build as the dialects show it; the engine's `Build` moves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// Its id.
    pub id: BuildId,
    /// Whose.
    pub app: AppId,
    /// From which upload, unless from git.
    pub package: Option<PackageId>,
    /// From which git repository, unless from an upload.
    #[serde(default)]
    pub git: Option<GitSource>,
    /// For which component; `None` = for all. A build for a component has the variables of its
    /// settings only, and a cache of its own.
    #[serde(default)]
    pub component: Option<ComponentName>,
    /// How.
    #[serde(default)]
    pub settings: BuildSettings,
    /// Where it stands.
    pub state: BuildRecordState,
    /// Memory of the staging run, MiB.
    pub memory_mb: u64,
    /// Disk of the staging run, MiB.
    pub disk_mb: u64,
    /// Names of the buildpacks asked for; empty = detect.
    pub buildpacks: Vec<String>,
    /// Who asked.
    pub created_by: Option<UserId>,
    /// What only the dialect needs, verbatim: nobody else reads it.
    #[serde(default)]
    pub detail: Option<Value>,
    /// Hosts that lead to its version from the commit of its success on, unless those of a newer
    /// version do.
    #[serde(default)]
    pub hosts: Vec<WantedHost>,
    /// When it got its slot; `None` = it waits for one, or ended before.
    #[serde(default)]
    pub began_at: Option<Timestamp>,
    /// How it was canceled, from the moment at which it was: what runs of it ends a little later.
    #[serde(default)]
    pub canceled: Option<BuildCancel>,
    /// Whether what it made was taken away again.
    #[serde(default)]
    pub withdrawn: bool,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Creation and change.
    pub stamps: Stamps,
}

/// A process type in a numbered revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct NumberedProcess {
    /// Custom start command; `None` = the artifact's.
    pub command: Option<String>,
}

/// A numbered revision: a dialect's view of configuration over time, with its own counting rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberedRevision {
    /// Its id.
    pub id: NumberedRevisionId,
    /// Whose.
    pub app: AppId,
    /// Number, 1…9999.
    pub number: u32,
    /// Artifact that it runs.
    pub artifact: Option<ArtifactId>,
    /// Process types.
    pub processes: BTreeMap<ComponentName, NumberedProcess>,
    /// Sidecars (engine form as JSON).
    pub sidecars: Vec<Value>,
    /// Environment as references.
    pub env: BTreeMap<String, SecretRef>,
    /// What changed, in words.
    pub description: String,
    /// The release that made it, when one did.
    pub release: Option<ReleaseId>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Creation and change.
    pub stamps: Stamps,
}

/// A user-provided service instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceInstance {
    /// Its id.
    pub id: ServiceInstanceId,
    /// Where it lies.
    pub space: SpaceId,
    /// Name, unique in the space.
    pub name: String,
    /// Credentials (a JSON object) as a reference.
    pub credentials: SecretRef,
    /// Where its logs drain to, if anywhere.
    pub syslog_drain_url: Option<String>,
    /// Route service, if any.
    pub route_service_url: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Creation and change.
    pub stamps: Stamps,
}

/// A binding of a service instance to an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceBinding {
    /// Its id.
    pub id: BindingId,
    /// The app.
    pub app: AppId,
    /// The service instance.
    pub service_instance: ServiceInstanceId,
    /// Name that the app sees, if given.
    pub name: Option<String>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Creation and change.
    pub stamps: Stamps,
}
