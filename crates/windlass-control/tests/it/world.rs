//! A control over a temporary directory, with one app.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use windlass_control::commands::Caller;
use windlass_control::commands::apps::NewApp;
use windlass_control::commands::deploy::NewDeployment;
use windlass_control::history::{ReleaseDetail, ReleaseRecord};
use windlass_control::settings::ControlSettings;
use windlass_control::tenancy::{NewOrganization, NewSpace};
use windlass_control::testing::{self, TestDriver};
use windlass_control::{Control, Extra};
use windlass_engine::app::{AppState, ConcurrencyPolicy};
use windlass_engine::configuration::{ComponentConfig, ComponentRole, Edit};
use windlass_engine::id::{AppId, ArtifactId, ComponentName, ReleaseId, RevisionId};
use windlass_engine::input::{DeployCommand, IfStopped};
use windlass_engine::records::{Actor, Artifact, ArtifactState, Dialect, Metadata, Quota, Stamps};
use windlass_engine::strategy::Strategy;

/// Longest wait for a condition; far above what it takes.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) driver: Arc<TestDriver>,
    pub(crate) app: AppId,
    pub(crate) dir: TempDir,
}

pub(crate) fn caller() -> Caller {
    Caller {
        name: "anna".to_owned(),
        client: Some("test".to_owned()),
    }
}

impl World {
    /// An app with a staged artifact `v1`, two instances, started.
    pub(crate) async fn start(instances: u32) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let settings = ControlSettings::local(dir.path());
        Self::start_with(dir, settings, instances).await
    }

    /// The same with other settings for the directory.
    pub(crate) async fn start_with(
        dir: TempDir,
        settings: ControlSettings,
        instances: u32,
    ) -> Self {
        let (control, driver) = testing::open_with(settings, |_| {})
            .await
            .expect("control opens");
        let actor = Actor {
            id: "u".to_owned(),
            kind: "user".to_owned(),
            name: "anna".to_owned(),
        };
        let organization = control
            .tenancy()
            .create_organization(
                &actor,
                NewOrganization {
                    name: "main".to_owned(),
                    suspended: false,
                    quota: Quota::default(),
                    metadata: Metadata::default(),
                },
            )
            .await
            .expect("an organization");
        let space = control
            .tenancy()
            .create_space(
                &actor,
                NewSpace {
                    organization: organization.id,
                    name: "dev".to_owned(),
                    metadata: Metadata::default(),
                },
            )
            .await
            .expect("a space");
        let app = AppId::from("11111111-1111-4111-8111-111111111111");
        let web = ComponentConfig::new(ComponentRole::Routed);
        let new = NewApp {
            id: app.clone(),
            space: space.id,
            name: "shop".to_owned(),
            dialect: Dialect::CloudFoundry,
            policy: ConcurrencyPolicy::SupersedeNow,
            metadata: Metadata::default(),
            document: serde_json::Value::Null,
            components: BTreeMap::from([(ComponentName::from("web"), (web, instances))]),
            env: BTreeMap::from([("COLOUR".to_owned(), "blue".to_owned())]),
            settings: None,
        };
        control
            .create_app(new, Extra::default())
            .await
            .expect("an app");
        let world = Self {
            control,
            driver,
            app,
            dir,
        };
        world.put_artifact("v1").await;
        world.put_artifact("v2").await;
        let edit = vec![Edit::Artifact(Some(ArtifactId::from("v1")))];
        world
            .control
            .edit_app(&world.app, edit, &caller(), true, Extra::default())
            .await
            .expect("the artifact is set");
        world
            .control
            .start_app(&world.app, Extra::default())
            .await
            .expect("the app starts");
        world
            .until("all instances are routable", |state| {
                state.instances.values().filter(|i| i.is_routable()).count() == instances as usize
            })
            .await;
        world
    }

    /// Opens control anew over the same directory, as after a crash of control.
    pub(crate) async fn reopen(self, prepare: impl FnOnce(&TestDriver)) -> Self {
        let settings = self.control.settings().clone();
        let Self { app, dir, .. } = self;
        let (control, driver) = testing::open_with(settings, prepare)
            .await
            .expect("control opens");
        Self {
            control,
            driver,
            app,
            dir,
        }
    }

    pub(crate) async fn put_artifact(&self, id: &str) {
        let source = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(source.path().join("app")).expect("a directory");
        std::fs::write(source.path().join("app/version"), id).expect("a file");
        let tar = tar_gz(source.path());
        let blob = self.control.blobs().put(&tar).expect("a blob");
        let artifact = Artifact {
            id: ArtifactId::from(id),
            app: self.app.clone(),
            package: None,
            build: None,
            state: ArtifactState::Staged,
            blob: Some(blob.digest.to_string()),
            size_bytes: blob.size_bytes,
            process_types: BTreeMap::from([("web".to_owned(), "./serve".to_owned())]),
            buildpacks: Vec::new(),
            stack: None,
            execution_metadata: String::new(),
            commit: None,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        };
        self.control
            .store()
            .write(move |tx| tx.put(&artifact))
            .await
            .expect("the artifact is stored");
    }

    /// Deploys artifact `v2`.
    pub(crate) async fn deploy(&self, release: &str, strategy: Strategy) -> ReleaseRecord {
        let command = DeployCommand {
            release: ReleaseId::from(release),
            revision: RevisionId::new(format!("{release}-target")),
            edits: vec![Edit::Artifact(Some(ArtifactId::from("v2")))],
            target_edits: Vec::new(),
            target_scale: BTreeMap::new(),
            strategy,
            if_stopped: IfStopped::DeployAtOnce,
            awaited_builds: Vec::new(),
        };
        let new = NewDeployment {
            app: self.app.clone(),
            command,
            detail: ReleaseDetail::default(),
            secrets: Vec::new(),
            builds: Vec::new(),
        };
        self.control
            .deploy(new, Extra::default(), |_, _, _| Ok(()))
            .await
            .expect("a release")
    }

    pub(crate) fn state(&self) -> AppState {
        self.control
            .state(&self.app)
            .expect("readable")
            .expect("there")
    }

    pub(crate) fn release(&self, id: &str) -> ReleaseRecord {
        self.control
            .release(&ReleaseId::from(id))
            .expect("recorded")
    }

    /// Waits until the state of the app is as it should be.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&AppState) -> bool) -> AppState {
        let mut hints = self.control.store().hints();
        let wait = async {
            loop {
                let state = self.state();
                if is(&state) {
                    return state;
                }
                hints.next().await;
            }
        };
        if let Ok(state) = tokio::time::timeout(PATIENCE, wait).await {
            return state;
        }
        panic!("never: {what}; the state is {:#?}", self.state());
    }
}

fn tar_gz(source: &std::path::Path) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    tar.append_dir_all(".", source).expect("packs");
    tar.into_inner()
        .and_then(flate2::write::GzEncoder::finish)
        .expect("packs")
}
