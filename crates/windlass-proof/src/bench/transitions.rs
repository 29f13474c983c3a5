//! Durable transitions a second, beside the same bytes committed in groups by bare SQLite.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use windlass::demo::Failure;
use windlass_control::commands::apps::NewApp;
use windlass_control::settings::ControlSettings;
use windlass_control::tenancy::{NewOrganization, NewSpace};
use windlass_control::{Control, Extra, testing};
use windlass_engine::app::ConcurrencyPolicy;
use windlass_engine::configuration::{ComponentConfig, ComponentRole};
use windlass_engine::id::{AppId, ComponentName, SpaceId};
use windlass_engine::records::{Actor, Dialect, Metadata, Quota};

use super::figure::{Figure, Target};
use super::stats::median;

const CLIENTS: [usize; 4] = [1, 8, 32, 128];
/// How long one measurement takes.
const SPAN: Duration = Duration::from_secs(1);
/// As many jobs go into one commit of the bare peer at most: as in Windlass's own writer.
const GROUP: usize = 256;

/// Measures in turn: ours, the peer's, ours …
pub(super) fn measure(rounds: usize) -> Result<Vec<Figure>, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let directory = tempfile::tempdir().map_err(failed)?;
    let (ours, document) = runtime.block_on(Ours::open(directory.path()))?;
    let raw = Raw::open(&directory.path().join("raw.db"), &document)?;
    let mut figures = Vec::new();
    for clients in CLIENTS {
        let (mut mine, mut peer) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            mine.push(runtime.block_on(ours.rate(clients))?);
            peer.push(runtime.block_on(raw.rate(clients))?);
        }
        let figure = Figure::new(
            "transitions",
            format!("durable transitions, {clients} clients"),
            "1/s",
            median(&mine),
        )
        .beside("bare group commit", median(&peer));
        if clients == 32 {
            figures.push(figure.clone().wanted(Target::AtLeast(10_000.0)));
            figures.push(figure.wanted(Target::RatioAtLeast(0.5)));
        } else {
            figures.push(figure);
        }
    }
    Ok(figures)
}

struct Ours {
    control: Control,
    apps: Vec<AppId>,
}

impl Ours {
    /// Control over a store in the directory, and the document of one of its apps.
    async fn open(directory: &Path) -> Result<(Self, String), Failure> {
        let (control, _driver) = testing::open_with(ControlSettings::local(directory), |_| {})
            .await
            .map_err(failed)?;
        let actor = Actor {
            id: "u".to_owned(),
            kind: "user".to_owned(),
            name: "bench".to_owned(),
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
            .map_err(failed)?;
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
            .map_err(failed)?;
        let mut apps = Vec::new();
        for number in 0..CLIENTS.into_iter().max().unwrap_or(1) {
            apps.push(app(&control, &space.id, number).await?);
        }
        let row = control
            .store()
            .read(|reader| reader.app_state(&apps[0]))
            .map_err(failed)?;
        let document = row.map(|row| row.document).unwrap_or_default();
        Ok((Self { control, apps }, document))
    }

    /// Each client scales an app of its own up and down as fast as it is answered.
    async fn rate(&self, clients: usize) -> Result<f64, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let mut jobs = tokio::task::JoinSet::new();
        let begun = Instant::now();
        for app in self.apps.iter().take(clients) {
            let app = app.clone();
            let control = self.control.clone();
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            jobs.spawn(async move {
                let web = ComponentName::from("web");
                let mut instances = 1;
                while !stop.load(Ordering::Relaxed) {
                    instances = 3 - instances;
                    control
                        .scale_component(&app, &web, instances, Extra::default())
                        .await
                        .map_err(failed)?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), Failure>(())
            });
        }
        tokio::time::sleep(SPAN).await;
        let rate = per_second(count.load(Ordering::Relaxed), begun.elapsed());
        stop.store(true, Ordering::Relaxed);
        while let Some(done) = jobs.join_next().await {
            done.map_err(failed)??;
        }
        Ok(rate)
    }
}

async fn app(control: &Control, space: &SpaceId, number: usize) -> Result<AppId, Failure> {
    let id = AppId::from(crate::seed::app_id(number).as_str());
    let web = ComponentConfig::new(ComponentRole::Routed);
    let new = NewApp {
        id: id.clone(),
        space: space.clone(),
        name: format!("app-{number}"),
        dialect: Dialect::CloudFoundry,
        policy: ConcurrencyPolicy::SupersedeNow,
        metadata: Metadata::default(),
        document: serde_json::Value::Null,
        components: [(ComponentName::from("web"), (web, 1))].into(),
        env: std::collections::BTreeMap::new(),
        settings: None,
    };
    control
        .create_app(new, Extra::default())
        .await
        .map_err(failed)?;
    Ok(id)
}

/// A writer thread over bare SQLite: a row of the same size replaced, an event row appended.
struct Raw {
    jobs: std::sync::mpsc::Sender<Job>,
}

struct Job {
    app: usize,
    done: oneshot::Sender<()>,
}

impl Raw {
    fn open(path: &Path, document: &str) -> Result<Self, Failure> {
        let database = rusqlite::Connection::open(path).map_err(failed)?;
        database
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 CREATE TABLE states (app INTEGER PRIMARY KEY, revision INTEGER, document TEXT);
                 CREATE TABLE events (number INTEGER PRIMARY KEY, app INTEGER, text TEXT);",
            )
            .map_err(failed)?;
        let document = document.to_owned();
        let (jobs, queue) = std::sync::mpsc::channel::<Job>();
        std::thread::spawn(move || write(database, &document, &queue));
        Ok(Self { jobs })
    }

    async fn rate(&self, clients: usize) -> Result<f64, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let mut clients_of = tokio::task::JoinSet::new();
        let begun = Instant::now();
        for app in 0..clients {
            let jobs = self.jobs.clone();
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            clients_of.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let (done, wait) = oneshot::channel();
                    jobs.send(Job { app, done }).map_err(failed)?;
                    wait.await.map_err(failed)?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), Failure>(())
            });
        }
        tokio::time::sleep(SPAN).await;
        let rate = per_second(count.load(Ordering::Relaxed), begun.elapsed());
        stop.store(true, Ordering::Relaxed);
        while let Some(done) = clients_of.join_next().await {
            done.map_err(failed)??;
        }
        Ok(rate)
    }
}

/// Ends with the last sender. Whoever waits for a job that failed is told so by its channel.
fn write(
    mut database: rusqlite::Connection,
    document: &str,
    queue: &std::sync::mpsc::Receiver<Job>,
) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(job) = queue.try_recv()
        {
            group.push(job);
        }
        if commit(&mut database, document, &group).is_err() {
            return;
        }
        for job in group {
            let _ = job.done.send(());
        }
    }
}

fn commit(
    database: &mut rusqlite::Connection,
    document: &str,
    group: &[Job],
) -> rusqlite::Result<()> {
    let transaction =
        database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for job in group {
        transaction
            .prepare_cached(
                "INSERT INTO states (app, revision, document) VALUES (?1, 1, ?2)
                 ON CONFLICT (app) DO UPDATE SET revision = revision + 1, document = ?2",
            )?
            .execute((job.app, document))?;
        transaction
            .prepare_cached("INSERT INTO events (app, text) VALUES (?1, 'web was scaled to 2')")?
            .execute([job.app])?;
    }
    transaction.commit()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per_second(count: u64, span: Duration) -> f64 {
    count as f64 / span.as_secs_f64()
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Unexpected(format!("transitions: {error}"))
}
