//! Windlass with a driver that runs the instances of some apps only in name: so that thousands of
//! apps can be active on one machine while store, engine, APIs, router and the measured app are
//! real. This program is then started as `up`, and starts itself as every role.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{CommandFactory, Parser};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use windlass_control::testing::TestDriver;
use windlass_runtime::{
    BoxFuture, Command, Driver, DriverError, EnsureRuns, Exit, LaunchSpec, Observation, PortCheck,
    ProcessDriver, ProcessDriverSettings, RunKind, RunPhase, RunStatus, Usage,
};

/// The start command of what runs in name only.
pub const COMMAND: &str = "windlass-double";
/// Its runs, one JSON a line: what was started, what was ended. It outlives a killed control, as
/// shims do.
pub const FILE: &str = "double-runs";

/// Ports for what runs in name.
pub const FIRST_PORT: u16 = 10_000;
/// The last of them.
pub const LAST_PORT: u16 = 64_999;
/// Its presence says that all of these are for instances.
const ALL_PORTS: &str = "double-ports";

/// Takes the command line if it is one of Windlass itself.
pub fn role() -> Option<ExitCode> {
    let word = std::env::args().nth(1)?;
    if word == "control" {
        let ended = windlass::roles::control_over(
            |settings, observations| Box::pin(open(settings, observations)),
            take_ports,
        );
        return Some(ended.unwrap_or_else(|error| {
            windlass::output::complain(&error.to_string());
            ExitCode::FAILURE
        }));
    }
    let windlass = windlass::cli::Cli::command();
    windlass.find_subcommand(&word)?;
    Some(windlass::cli::run(windlass::cli::Cli::parse()))
}

/// Lets instances have every port from [`FIRST_PORT`] on: only for a Windlass that starts nothing
/// else than what runs in name, since others of this machine may use these ports.
///
/// # Errors
/// When the file can't be written.
pub fn give_all_ports(data_dir: &Path) -> io::Result<()> {
    std::fs::write(data_dir.join(ALL_PORTS), "")
}

fn take_ports(settings: &mut windlass::settings::Settings) {
    if settings.data_dir.join(ALL_PORTS).exists() {
        settings.instance_port_first = FIRST_PORT;
        settings.instance_port_count = LAST_PORT - FIRST_PORT + 1;
    }
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    run: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<Started>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Started {
    app: String,
    kind: RunKind,
    generation: u64,
    port: Option<u16>,
    log_number: u32,
}

impl Line {
    /// What a driver tells of a run.
    pub fn of(status: &RunStatus) -> Self {
        Self {
            run: status.run.clone(),
            started: Some(Started {
                app: status.app.clone(),
                kind: status.kind,
                generation: status.generation,
                port: status.port,
                log_number: status.log_number,
            }),
        }
    }
}

struct Mixed {
    real: ProcessDriver,
    double: TestDriver,
    apps: Mutex<BTreeSet<String>>,
    file: Mutex<File>,
}

async fn open(
    settings: ProcessDriverSettings,
    observations: mpsc::Sender<Observation>,
) -> io::Result<Arc<dyn Driver>> {
    let path = settings.data_dir.join(FILE);
    let double = TestDriver::telling(observations.clone());
    let apps = adopt(&double, &path)?;
    let file = File::options().create(true).append(true).open(&path)?;
    Ok(Arc::new(Mixed {
        real: ProcessDriver::open(settings, observations).await?,
        double,
        apps: Mutex::new(apps),
        file: Mutex::new(file),
    }))
}

/// Names of the runs that run, by app.
///
/// # Errors
/// When the file can't be read.
pub fn running(path: &Path) -> io::Result<BTreeMap<String, BTreeSet<String>>> {
    let mut apps: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (run, started) in live(path)? {
        apps.entry(started.app).or_default().insert(run);
    }
    Ok(apps)
}

/// What was started and not ended.
fn live(path: &Path) -> io::Result<BTreeMap<String, Started>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let mut running = BTreeMap::new();
    // A torn last line is a start that nobody was told of.
    for line in text
        .lines()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok())
    {
        match line.started {
            Some(started) => running.insert(line.run, started),
            None => running.remove(&line.run),
        };
    }
    Ok(running)
}

/// Makes it know what ran when control died.
fn adopt(double: &TestDriver, path: &Path) -> io::Result<BTreeSet<String>> {
    let mut apps = BTreeSet::new();
    for (run, started) in live(path)? {
        apps.insert(started.app.clone());
        double.adopt(RunStatus {
            app: started.app,
            run,
            kind: started.kind,
            generation: started.generation,
            phase: RunPhase::Running,
            routable: true,
            pid: Some(1),
            started_at_ms: Some(0),
            port: started.port,
            port_check: PortCheck::None,
            log_number: started.log_number,
            exit: None,
        });
    }
    Ok(apps)
}

fn is_double(spec: &LaunchSpec) -> bool {
    spec.processes
        .iter()
        .all(|process| matches!(&process.command, Command::Shell(line) if line == COMMAND))
}

impl Mixed {
    fn is_doubled(&self, app: &str) -> bool {
        let apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.contains(app)
    }

    fn note(&self, lines: &[Line]) -> Result<(), DriverError> {
        let mut text = String::new();
        for line in lines {
            text.push_str(&serde_json::to_string(line).unwrap_or_default());
            text.push('\n');
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes())
            .map_err(|source| DriverError::Io {
                what: FILE.to_owned(),
                source,
            })
    }

    async fn ensure_double(&self, desired: EnsureRuns) -> Result<(), DriverError> {
        let app = desired.app.clone();
        let before: BTreeSet<String> = self.running_of(&app).await;
        self.double.ensure(desired).await?;
        let after = self.running_of(&app).await;
        let mut lines = Vec::new();
        for status in self.double.observe_app(&app).await {
            if after.contains(&status.run) && !before.contains(&status.run) {
                lines.push(Line::of(&status));
            }
        }
        lines.extend(before.difference(&after).map(|run| Line {
            run: run.clone(),
            started: None,
        }));
        self.note(&lines)
    }

    async fn running_of(&self, app: &str) -> BTreeSet<String> {
        let seen = self.double.observe_app(app).await;
        seen.into_iter()
            .filter(|status| status.phase != RunPhase::Ended)
            .map(|status| status.run)
            .collect()
    }
}

impl Driver for Mixed {
    fn ensure(&self, desired: EnsureRuns) -> BoxFuture<'_, Result<(), DriverError>> {
        Box::pin(async move {
            let fresh = !desired.start.is_empty() && desired.start.iter().all(is_double);
            if fresh {
                let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
                apps.insert(desired.app.clone());
            }
            if fresh || self.is_doubled(&desired.app) {
                self.ensure_double(desired).await
            } else {
                self.real.ensure(desired).await
            }
        })
    }

    fn observe(&self) -> BoxFuture<'_, Vec<RunStatus>> {
        Box::pin(async move {
            let mut all = self.real.observe().await;
            all.extend(self.double.observe().await);
            all
        })
    }

    fn observe_app<'a>(&'a self, app: &'a str) -> BoxFuture<'a, Vec<RunStatus>> {
        Box::pin(async move {
            if self.is_doubled(app) {
                self.double.observe_app(app).await
            } else {
                self.real.observe_app(app).await
            }
        })
    }

    fn resync(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.double.resync().await;
            self.real.resync().await;
        })
    }

    fn usage<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Option<Usage>> {
        if self.double.knows(run) {
            self.double.usage(run)
        } else {
            self.real.usage(run)
        }
    }

    fn exit_on_disk<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Option<Exit>> {
        if self.double.knows(run) {
            self.double.exit_on_disk(run)
        } else {
            self.real.exit_on_disk(run)
        }
    }

    fn forget<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Result<(), DriverError>> {
        if self.double.knows(run) {
            self.double.forget(run)
        } else {
            self.real.forget(run)
        }
    }
}
