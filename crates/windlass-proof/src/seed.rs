//! Many apps at once, put into the store of a Windlass that is not running by the same control that
//! runs it: their instances run in name only (see [`crate::double`]).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use windlass::demo::Failure;
use windlass::demo::platform::Platform;
use windlass::demo::server::Server;
use windlass::key_file;
use windlass::layout::Layout;
use windlass_control::Extra;
use windlass_control::commands::apps::NewApp;
use windlass_control::commands::deploy::NewDeployment;
use windlass_control::control::{Control, Parts};
use windlass_control::history::ReleaseDetail;
use windlass_control::secrets::Secrets;
use windlass_control::settings::ControlSettings;
use windlass_control::testing::TestDriver;
use windlass_engine::app::ConcurrencyPolicy;
use windlass_engine::configuration::{ComponentConfig, ComponentRole, Edit};
use windlass_engine::id::{AppId, ArtifactId, ComponentName, ReleaseId, RevisionId};
use windlass_engine::input::{DeployCommand, IfStopped};
use windlass_engine::records::{Artifact, ArtifactState, Dialect, Metadata, Stamps};
use windlass_engine::release::ReleaseState;
use windlass_engine::strategy::Strategy;
use windlass_store::{Hint, OpenOptions, Store};

use crate::double;

/// Apps that are made at the same time.
const AT_ONCE: usize = 64;
/// Ports for the instances of seeded apps, two an app, none of which listens: behind all blocks from
/// which a Windlass on automatic ports takes its own.
const FIRST_PORT: u16 = 32_500;

/// What is put in.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// Number of the first app; names and ids follow from it.
    pub from: usize,
    /// Apps with one instance each, started.
    pub apps: usize,
    /// So many of them, the first ones, have a canary that waits at its step.
    pub active: usize,
}

/// Id of a seeded app, as the API shows it.
pub fn app_id(number: usize) -> String {
    format!("5eed0000-0000-4000-8000-{number:012x}")
}

/// Name of a seeded app.
pub fn app_name(number: usize) -> String {
    format!("crowd-{number}")
}

/// Id of the artifact that a seeded app is started with.
pub fn first_artifact(number: usize) -> String {
    format!("5eed0001-0000-4000-8000-{number:012x}")
}

/// Id of the second artifact of a seeded app.
pub fn second_artifact(number: usize) -> String {
    format!("5eed0002-0000-4000-8000-{number:012x}")
}

/// Puts a crowd in. The server must not run; the platform is the one that it had.
///
/// # Errors
/// When the store refuses something.
pub fn put(server: &Server, platform: &Platform, crowd: Crowd) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::System {
            what: "start a runtime",
            source,
        })?;
    runtime.block_on(async {
        let (control, driver) = open(server).await?;
        let seeder = Arc::new(Seeder {
            control,
            space: platform.space.clone(),
        });
        let (tar, at_once) = (archive()?, Arc::new(Semaphore::new(AT_ONCE)));
        let blob = seeder.control.blobs().put(&tar).map_err(refused)?;
        let (digest, size) = (blob.digest.to_string(), blob.size_bytes);
        let mut jobs: JoinSet<Result<(), Failure>> = JoinSet::new();
        for number in crowd.from..crowd.from + crowd.apps {
            let permit = Arc::clone(&at_once)
                .acquire_owned()
                .await
                .map_err(refused)?;
            let (seeder, digest) = (Arc::clone(&seeder), digest.clone());
            let is_active = number - crowd.from < crowd.active;
            jobs.spawn(async move {
                let _permit = permit;
                seeder.app(number, &digest, size).await?;
                if is_active {
                    seeder.canary(number).await?;
                }
                Ok(())
            });
        }
        while let Some(done) = jobs.join_next().await {
            done.map_err(refused)??;
        }
        let path = server.data_dir().join(double::FILE);
        let mut text = fs::read_to_string(&path).unwrap_or_default();
        for status in windlass_runtime::Driver::observe(driver.as_ref()).await {
            if status.exit.is_none() {
                text.push_str(&serde_json::to_string(&double::Line::of(&status)).map_err(refused)?);
                text.push('\n');
            }
        }
        fs::write(&path, text).map_err(|source| Failure::File {
            what: "write",
            path: path.clone(),
            source,
        })
    })
}

async fn open(server: &Server) -> Result<(Control, Arc<TestDriver>), Failure> {
    let data_dir = server.data_dir();
    let layout = Layout::new(&data_dir);
    let keys = key_file::read(&server.key_file()).map_err(refused)?;
    let secrets = Secrets::new(keys.into_iter().map(|key| (key.id, key.bytes))).map_err(refused)?;
    let (sender, observations) = mpsc::channel(65_536);
    let driver = Arc::new(TestDriver::telling(sender));
    let socket = data_dir.join("seed.sock");
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(refused)?;
    let parts = Parts {
        store: Store::open(layout.database(), OpenOptions::default()).map_err(refused)?,
        secrets,
        boot_id: boot_id.trim().to_owned(),
        driver: driver.clone(),
        observations,
        router_listener: UnixListener::bind(&socket).map_err(refused)?,
        table_path: layout.route_table(),
        issuer: "https://localhost/oauth/token".to_owned(),
    };
    let _ = fs::remove_file(&socket);
    let settings = ControlSettings {
        port_range: FIRST_PORT..=double::LAST_PORT,
        ..ControlSettings::local(&data_dir)
    };
    let control = Control::open(settings, parts).await.map_err(refused)?;
    Ok((control, driver))
}

struct Seeder {
    control: Control,
    space: String,
}

impl Seeder {
    async fn app(&self, number: usize, blob: &str, size_bytes: u64) -> Result<(), Failure> {
        let app = AppId::from(app_id(number).as_str());
        let mut web = ComponentConfig::new(ComponentRole::Routed);
        web.command = Some(double::COMMAND.to_owned());
        let new = NewApp {
            id: app.clone(),
            space: self.space.as_str().into(),
            name: app_name(number),
            dialect: Dialect::CloudFoundry,
            policy: ConcurrencyPolicy::SupersedeNow,
            metadata: Metadata::default(),
            document: serde_json::Value::Null,
            components: BTreeMap::from([(ComponentName::from("web"), (web, 1))]),
            env: BTreeMap::new(),
            settings: None,
        };
        self.control
            .create_app(new, Extra::default())
            .await
            .map_err(refused)?;
        let first = first_artifact(number);
        for id in [&first, &second_artifact(number)] {
            let artifact = Artifact {
                id: ArtifactId::from(id.as_str()),
                app: app.clone(),
                package: None,
                build: None,
                state: ArtifactState::Staged,
                blob: Some(blob.to_owned()),
                size_bytes,
                process_types: BTreeMap::from([("web".to_owned(), double::COMMAND.to_owned())]),
                buildpacks: Vec::new(),
                stack: None,
                execution_metadata: String::new(),
                commit: None,
                metadata: Metadata::default(),
                stamps: Stamps::default(),
            };
            let store = self.control.store();
            store
                .write(move |tx| tx.put(&artifact))
                .await
                .map_err(refused)?;
        }
        let edit = vec![Edit::Artifact(Some(ArtifactId::from(first.as_str())))];
        let caller = windlass_control::commands::Caller {
            name: "crowd".to_owned(),
            client: None,
        };
        self.control
            .edit_app(&app, edit, &caller, true, Extra::default())
            .await
            .map_err(refused)?;
        self.control
            .start_app(&app, Extra::default())
            .await
            .map_err(refused)?;
        self.until(&app, |state| {
            state
                .instances
                .values()
                .any(windlass_engine::instance::Instance::is_routable)
        })
        .await
    }

    async fn canary(&self, number: usize) -> Result<(), Failure> {
        let app = AppId::from(app_id(number).as_str());
        let release = format!("5eed0003-0000-4000-8000-{number:012x}");
        let command = DeployCommand {
            release: ReleaseId::from(release.as_str()),
            revision: RevisionId::new(format!("5eed0004-0000-4000-8000-{number:012x}")),
            edits: vec![Edit::Artifact(Some(ArtifactId::from(
                second_artifact(number).as_str(),
            )))],
            target_edits: Vec::new(),
            target_scale: BTreeMap::new(),
            strategy: Strategy::Canary {
                weights: vec![50],
                max_in_flight: 1,
            },
            if_stopped: IfStopped::DeployAtOnce,
            awaited_builds: Vec::new(),
        };
        let new = NewDeployment {
            app: app.clone(),
            command,
            detail: ReleaseDetail::default(),
            secrets: Vec::new(),
            builds: Vec::new(),
        };
        self.control
            .deploy(new, Extra::default(), |_, _, _| Ok(()))
            .await
            .map_err(refused)?;
        self.until(&app, |state| {
            let mut releases = state.releases.iter();
            releases.any(|release| matches!(release.state, ReleaseState::Paused { .. }))
        })
        .await
    }

    /// Waits until the state of an app is as it should be.
    async fn until(
        &self,
        app: &AppId,
        is: impl Fn(&windlass_engine::app::AppState) -> bool,
    ) -> Result<(), Failure> {
        let mut hints = self.control.store().hints();
        let wait = async {
            loop {
                if let Some(state) = self.control.state(app).map_err(refused)?
                    && is(&state)
                {
                    return Ok(());
                }
                // Of thousands of commits only those of the app are worth a look.
                while let Some(Hint::Touched { apps, .. }) = hints.next().await
                    && !apps.contains(app)
                {}
            }
        };
        tokio::time::timeout(windlass::demo::WAIT_LIMIT, wait)
            .await
            .map_err(refused)?
    }
}

/// An archive with one empty directory: nothing of it is ever executed.
fn archive() -> Result<Vec<u8>, Failure> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o755);
    header.set_size(0);
    tar.append_data(&mut header, "app", std::io::empty())
        .map_err(refused)?;
    tar.into_inner()
        .and_then(flate2::write::GzEncoder::finish)
        .map_err(refused)
}

fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::Unexpected(format!("seeding: {error}"))
}
