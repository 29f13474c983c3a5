//! Instances of a process and what they use, as the wire has them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windlass_engine::app::AppState;
use windlass_engine::id::InstanceId;
use windlass_engine::instance::{Instance, InstancePhase, RunExit};
use windlass_engine::time::{Now, Uptime};

use super::model::{self, Process};
use crate::time::rfc3339;

/// Bytes of a mebibyte.
const MIB: u64 = 1_048_576;

/// File descriptors of an instance that nothing else limits.
const FILE_DESCRIPTORS: u64 = 16_384;

/// What an instance was seen to use.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Usage {
    /// Processors in use, 1.0 = one of them.
    pub(crate) cpu: f64,
    /// Memory, bytes.
    pub(crate) memory_bytes: u64,
    /// Disk, bytes.
    pub(crate) disk_bytes: u64,
}

/// Where an instance is reached, and what it uses.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Seen {
    /// Port that it listens on.
    pub(crate) port: Option<u16>,
    /// What it uses, once that was measured.
    pub(crate) usage: Option<Usage>,
}

/// What is known beside the state of the engine.
pub(crate) struct Surroundings<'a> {
    /// What was seen of instances.
    pub(crate) seen: &'a BTreeMap<InstanceId, Seen>,
    /// Address of the machine.
    pub(crate) host: &'a str,
    /// Guid of an instance, as the instance itself knows it.
    pub(crate) instance_guid: &'a dyn Fn(&Instance) -> String,
    /// The clocks.
    pub(crate) now: Now,
}

/// Words of an instance's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Not there.
    Down,
    /// Wanted, not healthy yet.
    Starting,
    /// Healthy; may be routable or not.
    Running {
        /// Whether it gets traffic.
        routable: bool,
    },
    /// Ended by itself.
    Crashed,
    /// Being ended.
    Stopping,
}

impl State {
    /// The word of the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Down => "DOWN",
            Self::Starting => "STARTING",
            Self::Running { .. } => "RUNNING",
            Self::Crashed => "CRASHED",
            Self::Stopping => "STOPPING",
        }
    }
}

/// The state of an instance in the words of the wire.
pub(crate) fn state(phase: &InstancePhase) -> State {
    match phase {
        InstancePhase::Starting | InstancePhase::Restarting => State::Starting,
        InstancePhase::Running { routable, .. } => State::Running {
            routable: *routable,
        },
        InstancePhase::Crashed { .. } => State::Crashed,
        InstancePhase::Draining { .. } | InstancePhase::Stopping => State::Stopping,
    }
}

/// `GET …/stats`: one entry per desired index, whether there is an instance or not.
pub(crate) fn stats(app: &AppState, process: &Process, surroundings: &Surroundings<'_>) -> Value {
    let resources: Vec<Value> = slots(app, process)
        .into_iter()
        .map(|(index, instance)| match instance {
            Some(instance) => {
                let seen = surroundings
                    .seen
                    .get(&instance.id)
                    .copied()
                    .unwrap_or_default();
                present(process, instance, seen, surroundings)
            }
            None => absent(process, index),
        })
        .collect();
    json!({ "resources": resources })
}

/// Instances of a process as `process_instances` shows them.
pub(crate) fn short(app: &AppState, process: &Process, now: Now) -> Vec<Value> {
    slots(app, process)
        .into_iter()
        .map(|(index, instance)| match instance {
            Some(instance) => json!({
                "index": index,
                "state": state(&instance.phase).as_str(),
                "since": now.wall.0.saturating_sub(instance.since_wall.0).max(0) / 1_000,
            }),
            None => json!({"index": index, "state": State::Down.as_str(), "since": 0}),
        })
        .collect()
}

/// Every desired index with the instance that stands for it, if there is one. Indexes beyond the
/// desired count, which a scale down has not ended yet, are not shown.
fn slots<'a>(app: &'a AppState, process: &'a Process) -> Vec<(u32, Option<&'a Instance>)> {
    let mut by_index: BTreeMap<u32, &Instance> = BTreeMap::new();
    for instance in model::instances(app, process) {
        let newest = by_index.entry(instance.index).or_insert(instance);
        // Of two workers with one index (old and new version) the one that serves is shown.
        if instance.is_routable() || (!newest.is_routable() && instance.id > newest.id) {
            *newest = instance;
        }
    }
    (0..process.instances)
        .map(|index| (index, by_index.get(&index).copied()))
        .collect()
}

fn present(
    process: &Process,
    instance: &Instance,
    seen: Seen,
    surroundings: &Surroundings<'_>,
) -> Value {
    let Surroundings { host, now, .. } = surroundings;
    let shown = state(&instance.phase);
    let routable = match shown {
        State::Running { routable } => Some(routable),
        State::Down | State::Starting | State::Crashed | State::Stopping => None,
    };
    let ports = seen.port.map_or_else(Vec::new, |port| {
        vec![json!({
            "external": port,
            "internal": port,
            "external_tls_proxy_port": null,
            "internal_tls_proxy_port": null,
        })]
    });
    json!({
        "type": process.component,
        "index": instance.index,
        "instance_guid": (surroundings.instance_guid)(instance),
        "state": shown.as_str(),
        "routable": routable,
        "host": host,
        "instance_internal_ip": host,
        "uptime": uptime_secs(&instance.phase, now.uptime),
        "mem_quota": process.config.memory_mb.saturating_mul(MIB),
        "disk_quota": process.config.disk_mb.saturating_mul(MIB),
        "log_rate_limit": crate::tasks::view::log_rate(process.config.log_bytes_per_second),
        "fds_quota": FILE_DESCRIPTORS,
        "isolation_segment": null,
        "details": details(instance.last_exit.as_ref(), shown),
        "instance_ports": ports,
        "usage": usage(seen.usage, *now),
    })
}

fn absent(process: &Process, index: u32) -> Value {
    json!({
        "type": process.component,
        "index": index,
        "state": State::Down.as_str(),
        "routable": null,
        "uptime": 0,
        "isolation_segment": null,
        "details": null,
    })
}

fn usage(usage: Option<Usage>, now: Now) -> Value {
    match usage {
        None => json!({}),
        Some(usage) => json!({
            "time": rfc3339(now.wall),
            "cpu": usage.cpu,
            "cpu_entitlement": usage.cpu,
            "mem": usage.memory_bytes,
            "disk": usage.disk_bytes,
        }),
    }
}

/// Why an instance does not run, in words; clients print it while they wait.
fn details(last_exit: Option<&RunExit>, state: State) -> Option<String> {
    match state {
        State::Crashed | State::Starting => last_exit.map(RunExit::describe),
        State::Down | State::Running { .. } | State::Stopping => None,
    }
}

fn uptime_secs(phase: &InstancePhase, now: Uptime) -> u64 {
    match phase {
        InstancePhase::Running { since, .. } => now.since(*since) / 1_000,
        InstancePhase::Starting
        | InstancePhase::Restarting
        | InstancePhase::Crashed { .. }
        | InstancePhase::Draining { .. }
        | InstancePhase::Stopping => 0,
    }
}
