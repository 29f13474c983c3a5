//! A driver on a directory of its own, and what the tests ask it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::mpsc;
use windlass_runtime::sweep_leftovers;
use windlass_runtime::{
    Command, Driver, DriverError, EnsureRuns, Exit, HealthCheck, IsolationSet, LaunchSpec, Limits,
    LogLimits, LogPosition, LogReader, Observation, PROTOCOL, Probe, ProcessDriver,
    ProcessDriverSettings, ProcessSpec, ReadinessCheck, RunKind, ShimCommand, StopRun, probe,
};

/// How long a test waits for something that should happen at once.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

pub(crate) const APP: &str = "app";

pub(crate) struct Bench {
    pub dir: TempDir,
    pub driver: ProcessDriver,
    pub observations: mpsc::Receiver<Observation>,
    pub generation: u64,
    /// Dies with the bench like a control process: none of its tasks goes on.
    runtime: Option<tokio::runtime::Runtime>,
}

/// Names a directory with copies of the programs that every user can reach.
pub(crate) const PROGRAMS: &str = "WINDLASS_TEST_PROGRAMS";

pub(crate) fn shim() -> ShimCommand {
    ShimCommand {
        program: program(env!("CARGO_BIN_EXE_windlass-runtime-shim")),
        args: Vec::new(),
    }
}

fn program(built: &str) -> PathBuf {
    let built = PathBuf::from(built);
    match std::env::var_os(PROGRAMS) {
        Some(dir) => Path::new(&dir).join(built.file_name().unwrap()),
        None => built,
    }
}

/// Every set that can be made of the means that this machine has for this user. What can't be is
/// told, also when the tests pass.
pub(crate) fn every_set() -> Vec<IsolationSet> {
    static TOLD: std::sync::Once = std::sync::Once::new();
    TOLD.call_once(|| {
        let machine = machine();
        let all = [
            ("landlock", &machine.landlock),
            ("pidns", &machine.pidns),
            ("cgroup", &machine.cgroup),
            ("uid", &machine.uid),
        ];
        let user = nix::unistd::geteuid();
        for (word, means) in all.into_iter().filter(|(_, means)| !means.is_available) {
            tell(&format!(
                "as user {user}: no set with {word} was run: {}",
                means.note
            ));
        }
    });
    let best = machine().best();
    let is_in = |number: u32, means: u32| number & (1 << means) != 0;
    let all = (0..16).map(|number| IsolationSet {
        landlock: is_in(number, 0),
        pidns: is_in(number, 1),
        cgroup: is_in(number, 2),
        uid: is_in(number, 3),
    });
    all.filter(|set| set.intersect(best) == *set).collect()
}

/// Past the capture of a test's output: what was not run has to be seen.
pub(crate) fn tell(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "windlass-runtime: {line}");
}

pub(crate) fn machine() -> &'static Probe {
    static PROBE: OnceLock<Probe> = OnceLock::new();
    PROBE.get_or_init(|| {
        let probe = probe(&shim()).unwrap();
        println!("{probe}");
        probe
    })
}

/// The sets that every machine has to pass: none, and the best that it has (or the one that the
/// variable names, as far as the machine has it).
pub(crate) fn sets() -> [IsolationSet; 2] {
    let best = machine().best();
    let asked = std::env::var("WINDLASS_TEST_ISOLATION");
    let asked = asked.map_or(best, |asked| IsolationSet::parse(&asked).unwrap());
    [IsolationSet::BARE, best.intersect(asked)]
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::in_dir(tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn in_dir(dir: TempDir) -> Self {
        Self::with_shim(dir, shim()).await
    }

    /// Runs are started by another program than the shim.
    pub(crate) async fn with_shim(dir: TempDir, shim: ShimCommand) -> Self {
        let (sender, observations) = mpsc::channel(64);
        let settings = ProcessDriverSettings {
            data_dir: dir.path().join("data"),
            shim,
        };
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let opened = runtime.spawn(ProcessDriver::open(settings, sender));
        let driver = opened.await.unwrap().unwrap();
        Self {
            dir,
            driver,
            observations,
            generation: 0,
            runtime: Some(runtime),
        }
    }

    /// Ends the driver as the death of control does, and keeps the directory.
    pub(crate) fn end(mut self) -> TempDir {
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    /// As after the death of control.
    pub(crate) async fn reopen(self) -> Self {
        let generation = self.generation;
        let mut bench = Self::in_dir(self.end()).await;
        bench.generation = generation;
        bench
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn spec(&self, run: &str, set: IsolationSet, script: &str) -> LaunchSpec {
        static UIDS: AtomicU32 = AtomicU32::new(70_000);
        let run_dir = self.driver.run_dir(run);
        std::fs::create_dir_all(run_dir.join("work")).unwrap();
        let path = "/usr/local/bin:/usr/bin:/bin".to_owned();
        LaunchSpec {
            protocol: PROTOCOL,
            app: APP.into(),
            run: run.into(),
            kind: RunKind::Instance,
            generation: 1,
            token: format!("{run}-{:?}", Instant::now()),
            log_dir: self.log_dir(run),
            run_dir,
            processes: vec![ProcessSpec {
                name: "web".into(),
                command: Command::Argv(vec!["/bin/sh".into(), "-c".into(), script.into()]),
                env: BTreeMap::from([("PATH".into(), path)]),
                working_dir: PathBuf::new(),
                memory_mb: None,
            }],
            limits: Limits::default(),
            isolation: set,
            uid: set.uid.then(|| UIDS.fetch_add(1, Ordering::Relaxed)),
            uid_exclusive: true,
            readable: Vec::new(),
            writable: Vec::new(),
            port: None,
            health: HealthCheck::process(),
            readiness: ReadinessCheck::always(),
            log: LogLimits {
                bytes_per_file: 1 << 20,
                files: 3,
            },
            source_type: "APP/PROC/WEB".into(),
            instance_index: 3,
            log_number: 1_012,
            grace_ms: 500,
        }
    }

    /// Puts the app of the tests into the files of a run.
    pub(crate) fn add_app(&self, run: &str) {
        let app = self.driver.run_dir(run).join("work/app");
        std::fs::copy(program(env!("CARGO_BIN_EXE_windlass-runtime-app")), app).unwrap();
    }

    pub(crate) fn log_dir(&self, run: &str) -> PathBuf {
        self.data_dir().join("logs").join(APP).join(run)
    }

    pub(crate) async fn start(&mut self, spec: LaunchSpec) {
        self.ensure(vec![spec], Vec::new()).await;
    }

    pub(crate) async fn stop(&mut self, run: &str, grace_ms: u64) {
        self.ensure(
            Vec::new(),
            vec![StopRun {
                run: run.into(),
                grace_ms,
            }],
        )
        .await;
    }

    /// Everything else of the app goes on.
    pub(crate) async fn ensure(&mut self, start: Vec<LaunchSpec>, stop: Vec<StopRun>) {
        self.generation += 1;
        let keep: BTreeSet<String> = self
            .driver
            .observe()
            .await
            .into_iter()
            .map(|status| status.run)
            .collect();
        let desired = EnsureRuns {
            app: APP.into(),
            generation: self.generation,
            start,
            keep,
            stop,
        };
        self.try_ensure(desired).await.unwrap();
    }

    pub(crate) async fn try_ensure(&self, desired: EnsureRuns) -> Result<(), DriverError> {
        let driver = self.driver.clone();
        let runtime = self.runtime.as_ref().unwrap();
        runtime
            .spawn(async move { driver.ensure(desired).await })
            .await
            .unwrap()
    }

    /// Waits for an observation.
    pub(crate) async fn observe<T>(
        &mut self,
        mut wanted: impl FnMut(&Observation) -> Option<T>,
    ) -> T {
        let mut seen = Vec::new();
        let found = tokio::time::timeout(LIMIT, async {
            loop {
                let observation = self.observations.recv().await.unwrap();
                if let Some(found) = wanted(&observation) {
                    return found;
                }
                seen.push(observation);
            }
        });
        let found = found.await;
        found.unwrap_or_else(|_| panic!("not observed in time, but {seen:?}"))
    }

    pub(crate) async fn routable(&mut self, wanted: &str) {
        self.observe(|seen| match seen {
            Observation::Routable {
                run,
                routable: true,
            } if run == wanted => Some(()),
            Observation::Exited { run, exit } if run == wanted => panic!("ended: {exit:?}"),
            _ => None,
        })
        .await;
    }

    pub(crate) async fn exit(&mut self, wanted: &str) -> Exit {
        self.observe(|seen| match seen {
            Observation::Exited { run, exit } if run == wanted => Some(exit.clone()),
            Observation::Lost { run } if run == wanted => panic!("lost"),
            _ => None,
        })
        .await
    }

    /// Texts of the log, by source type.
    pub(crate) fn log(&self, run: &str) -> Vec<(String, String)> {
        let page = LogReader::new(self.log_dir(run)).read_from(LogPosition::default(), 100_000);
        let records = page.unwrap().records.into_iter();
        records
            .map(|record| (record.source_type.clone(), record.text_lossy().into_owned()))
            .collect()
    }

    pub(crate) fn output(&self, run: &str) -> Vec<String> {
        let lines = self.log(run).into_iter();
        lines
            .filter(|(source, _)| source.starts_with("APP"))
            .map(|(_, text)| text)
            .collect()
    }

    /// Waits until the app has printed a line.
    pub(crate) async fn printed(&self, run: &str, line: &str) {
        until(|| self.output(run).iter().any(|printed| printed == line)).await;
    }

    pub(crate) fn state(&self, run: &str) -> serde_json::Value {
        let path = self.driver.run_dir(run).join("state.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    pub(crate) fn shim_pid(&self, run: &str) -> i32 {
        i32::try_from(self.state(run)["shim_pid"].as_i64().unwrap()).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let mut ended = 0_usize;
        // A test that fails must not leave processes behind: the shims of this directory go, and
        // their init processes end what is below them.
        for entry in std::fs::read_dir(self.data_dir().join("runs"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let lock = entry.path().join("lock");
            let Ok(pid) = std::fs::read_to_string(lock)
                .unwrap_or_default()
                .parse::<u32>()
            else {
                continue;
            };
            let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let name = entry.path().into_os_string().into_encoded_bytes();
            if cmdline.windows(name.len()).any(|window| window == name) {
                ended += 1;
                signal(
                    i32::try_from(pid).unwrap(),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
        }
        // The kernel releases their locks a moment later. One that was just ending is never lost.
        let deadline = Instant::now() + Duration::from_secs(2);
        while ended > 0 && Instant::now() < deadline {
            let lost = sweep_leftovers(&self.data_dir()).map_or(0, |swept| swept.lost.len());
            ended = ended.saturating_sub(lost);
        }
    }
}

pub(crate) fn signal(pid: i32, signal: nix::sys::signal::Signal) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
}

/// Waits until something is true.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not become true in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Processes whose arguments contain `mark`, zombies left out.
pub(crate) fn marked(mark: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        cmdline
            .windows(mark.len())
            .any(|window| window == mark.as_bytes())
    })
    .collect()
}

/// A number that no other process of the machine has among its arguments: for `sleep`.
pub(crate) fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("3{:07}.{number:05}", std::process::id())
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

pub(crate) fn owner(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().uid()
}
