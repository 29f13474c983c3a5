//! What a seed draws before its first step.

use windlass_engine::app::{AppSettings, CancelRestores, ConcurrencyPolicy};
use windlass_engine::configuration::{ComponentConfig, ComponentRole, Edit, JobKind};
use windlass_engine::id::ComponentName;

use crate::random::Random;

/// How a world is made up and how hostile it is.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) policy: ConcurrencyPolicy,
    pub(crate) settings: AppSettings,
    pub(crate) components: Vec<(ComponentName, ComponentConfig, u32)>,
    pub(crate) steps: u64,
    /// Commands in 1,000 steps.
    pub(crate) commands: u64,
    /// Restarts of control, of the router, reboots in 1,000 steps.
    pub(crate) faults: u64,
    /// Observations of 100 that are lost, repeated, late.
    pub(crate) lossy: u64,
    /// Starts of 100 that have some trouble.
    pub(crate) trouble: u64,
    /// Commits of 100 that wait for a sync.
    pub(crate) grouped: u64,
    /// Whether tables reach the router late.
    pub(crate) router_lags: bool,
    pub(crate) memory_mb_quota: Option<u64>,
    pub(crate) instances_quota: Option<u64>,
    pub(crate) tasks_quota: Option<u64>,
    pub(crate) build_slots: u32,
    /// Whether steps get gates that other strategies than today's would compile.
    pub(crate) gates: bool,
    /// Whether the app runs when the steps begin.
    pub(crate) begins_started: bool,
    /// Whether anybody ever deletes the app.
    pub(crate) may_delete: bool,
}

impl Scenario {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let policy = random.pick(&[
            ConcurrencyPolicy::SupersedeNow,
            ConcurrencyPolicy::SupersedeNow,
            ConcurrencyPolicy::OneRunningNewestPending,
            ConcurrencyPolicy::ParallelBuilds { slots: 2 },
        ]);
        let short = random.below(1_000);
        Self {
            policy,
            settings: settings(random),
            components: components(random),
            // Most runs are short: a short run that fails is easy to read.
            steps: 200 + 1_800 * short * short * short / 1_000_000_000,
            commands: random.pick(&[10, 25, 60, 200]),
            faults: random.pick(&[0, 3, 10, 30]),
            lossy: random.pick(&[0, 2, 10]),
            trouble: random.pick(&[0, 10, 30, 60]),
            grouped: random.pick(&[0, 20, 60]),
            router_lags: random.chance(50),
            memory_mb_quota: random.chance(20).then(|| random.span(4, 16)),
            instances_quota: random.chance(20).then(|| random.span(3, 12)),
            tasks_quota: random.chance(20).then(|| random.span(1, 3)),
            build_slots: random.count(1, 3),
            gates: random.chance(15),
            begins_started: random.chance(85),
            may_delete: random.chance(10),
        }
    }

    /// The writes that make the app.
    pub(crate) fn edits(&self) -> Vec<Edit> {
        let mut edits = vec![Edit::Artifact(Some("a0".into()))];
        for (name, config, _) in &self.components {
            edits.push(Edit::AddComponent(name.clone(), config.clone()));
        }
        edits
    }
}

pub(crate) fn settings(random: &mut Random) -> AppSettings {
    AppSettings {
        deadline_ms: random.pick(&[
            Some(900_000),
            Some(900_000),
            Some(20_000),
            Some(2_000),
            None,
        ]),
        drain_limit_ms: random.pick(&[30_000, 1_000, 200]),
        grace_ms: random.pick(&[10_000, 500]),
        keep_base_warm: random.chance(20),
        cancel_restores: if random.chance(85) {
            CancelRestores::Everything
        } else {
            CancelRestores::Artifact
        },
        releases_to_return_to: 0,
        ..AppSettings::default()
    }
}

fn components(random: &mut Random) -> Vec<(ComponentName, ComponentConfig, u32)> {
    let start_timeout_secs = random.pick(&[None, Some(1), Some(10)]);
    let make = |role, memory_mb, overlap| {
        let mut config = ComponentConfig::new(role);
        config.memory_mb = memory_mb;
        config.health.start_timeout_secs = start_timeout_secs;
        config.overlap = overlap;
        config
    };
    let mut list = vec![(
        "web".into(),
        make(ComponentRole::Routed, 1, false),
        random.count(0, 5),
    )];
    if random.chance(30) {
        list.push((
            "api".into(),
            make(ComponentRole::Routed, 1, false),
            random.count(1, 3),
        ));
    }
    if random.chance(60) {
        let overlap = random.chance(30);
        list.push((
            "worker".into(),
            make(ComponentRole::Worker, 1, overlap),
            random.count(0, 3),
        ));
    }
    if random.chance(20) {
        for (name, kind) in [
            ("before", JobKind::PreDeploy),
            ("after", JobKind::PostDeploy),
            ("failed", JobKind::FailedDeploy),
        ] {
            if random.chance(50) {
                list.push((name.into(), make(ComponentRole::Job(kind), 1, false), 0));
            }
        }
    }
    if random.chance(15) {
        list.push(("site".into(), make(ComponentRole::Static, 1, false), 0));
    }
    list
}
