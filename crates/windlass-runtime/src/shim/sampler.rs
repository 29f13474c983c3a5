//! Measures what the run uses, and finds what the kernel does not limit by itself.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::checks::{Event, EventSender};
use super::disk;
use crate::cgroup::Groups;
use crate::observation::Usage;
use crate::procfs::{self, Stat};
use crate::spec::{LaunchSpec, Limits};
use crate::state::{TMP_DIR, WORK_DIR};

/// Pause between samples where a memory limit depends on them.
const LIMIT_PAUSE: Duration = Duration::from_millis(100);
/// Pause between samples where the kernel keeps the counters.
const COUNTER_PAUSE: Duration = Duration::from_secs(1);
/// Pause between samples that only serve the display.
const DISPLAY_PAUSE: Duration = Duration::from_secs(5);
/// Shortest pause between two measurements of the disk.
const DISK_PAUSE: Duration = Duration::from_millis(250);
/// Measuring takes at most this part of one core: one in twenty.
const COST_SHARE: u32 = 20;
/// Bytes per MiB.
pub(super) const MIB: u64 = 1024 * 1024;

/// Measures until nobody listens any more.
pub(super) struct Sampler {
    pub(super) limits: Limits,
    pub(super) dirs: Vec<PathBuf>,
    pub(super) groups: Option<Groups>,
    /// Processes with a memory limit of their own: name, host pid, limit in MiB.
    pub(super) limited: Vec<(String, u32, u64)>,
    pub(super) usage: Arc<Mutex<Usage>>,
    pub(super) started: windlass_clock::thread::Instant,
    pub(super) events: EventSender,
    pub(super) init_pid: u32,
}

impl Sampler {
    pub(super) fn dirs_of(spec: &LaunchSpec) -> Vec<PathBuf> {
        [WORK_DIR, TMP_DIR]
            .iter()
            .map(|name| spec.run_dir.join(name))
            .collect()
    }

    pub(super) fn run(self) {
        let mut disk_at = Instant::now();
        let mut disk_bytes = 0;
        let mut last_cpu: Option<(Instant, u64)> = None;
        loop {
            let begin = Instant::now();
            if begin >= disk_at {
                disk_bytes = self
                    .dirs
                    .iter()
                    .map(|dir| disk::size_bytes(dir))
                    .sum::<u64>()
                    + disk::nameless_bytes(&self.pids(), &self.dirs);
                let pause = if self.limits.disk_mb.is_some() {
                    DISK_PAUSE
                } else {
                    DISPLAY_PAUSE
                };
                disk_at = Instant::now() + pause.max(begin.elapsed() * COST_SHARE);
            }
            let (memory_bytes, cpu_us, processes) = self.measure();
            let cpu = last_cpu.map_or(0.0, |(at, before)| {
                share(begin - at, cpu_us.saturating_sub(before))
            });
            last_cpu = Some((begin, cpu_us));
            let uptime_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = Usage {
                cpu,
                memory_bytes,
                disk_bytes,
                uptime_ms,
                processes,
            };
            if let Some(event) = self.exceeded(memory_bytes, disk_bytes)
                && !self.events.send(event)
            {
                return;
            }
            std::thread::sleep(self.pause().max(begin.elapsed() * COST_SHARE));
        }
    }

    fn kernel_limits_memory(&self) -> bool {
        self.groups.as_ref().is_some_and(Groups::limits_memory)
    }

    fn pause(&self) -> Duration {
        let samples_limit = self.limits.memory_mb.is_some() && !self.kernel_limits_memory();
        if samples_limit || !self.limited.is_empty() {
            LIMIT_PAUSE
        } else if self.limits.disk_mb.is_some() {
            DISK_PAUSE
        } else if self.groups.is_some() {
            COUNTER_PAUSE
        } else {
            DISPLAY_PAUSE
        }
    }

    /// Memory in bytes, CPU time so far in microseconds, number of processes.
    fn measure(&self) -> (u64, u64, u64) {
        if let Some(groups) = &self.groups
            && let (Some(memory), Some(cpu)) = (groups.memory_bytes(), groups.cpu_us())
        {
            return (memory, cpu, groups.processes());
        }
        let tree = self.tree();
        let ticks: u64 = tree.iter().map(|stat| stat.cpu_ticks).sum();
        let cpu_us = ticks * (1_000_000 / procfs::ticks_per_second());
        (
            tree_bytes(&tree, self.limits.memory_mb),
            cpu_us,
            tree.len() as u64,
        )
    }

    /// Processes of the run, found in the cheapest way.
    fn pids(&self) -> Vec<u32> {
        if let Some(groups) = &self.groups {
            return groups.pids();
        }
        self.tree().iter().map(|stat| stat.pid).collect()
    }

    fn tree(&self) -> Vec<Stat> {
        let mut tree = procfs::descendants(&BTreeSet::from([std::process::id()]));
        tree.retain(|stat| !stat.is_zombie && stat.pid != self.init_pid);
        tree
    }

    fn exceeded(&self, memory_bytes: u64, disk_bytes: u64) -> Option<Event> {
        if let Some(limit_mb) = self.limits.memory_mb {
            let kills = self.groups.as_ref().map_or(0, Groups::out_of_memory_kills);
            if kills > 0 || (!self.kernel_limits_memory() && memory_bytes > limit_mb * MIB) {
                return Some(Event::OutOfMemory(format!(
                    "out of memory (limit {limit_mb} MiB)"
                )));
            }
        }
        for (name, pid, limit_mb) in &self.limited {
            let mut tree = procfs::descendants(&BTreeSet::from([*pid]));
            tree.extend(procfs::stat(*pid));
            if tree_bytes(&tree, Some(*limit_mb)) > limit_mb * MIB {
                let text = format!("process {name} is out of memory (limit {limit_mb} MiB)");
                return Some(Event::OutOfMemory(text));
            }
        }
        match self.limits.disk_mb {
            Some(limit_mb) if disk_bytes > limit_mb * MIB => Some(Event::OutOfDisk(format!(
                "out of disk (limit {limit_mb} MiB)"
            ))),
            _ => None,
        }
    }
}

/// Memory of several processes. The exact figure is dear: it is asked for only when the cheap one,
/// which counts shared pages several times, is above the limit.
fn tree_bytes(tree: &[Stat], limit_mb: Option<u64>) -> u64 {
    let resident = tree.iter().map(|stat| stat.resident_pages).sum::<u64>() * procfs::page_bytes();
    match limit_mb {
        Some(limit_mb) if resident > limit_mb * MIB => {
            tree.iter().map(procfs::proportional_bytes).sum()
        }
        _ => resident,
    }
}

fn share(wall: Duration, cpu_us: u64) -> f64 {
    // Durations of samples are far below 2^53 microseconds.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let cpu_us = cpu_us as f64;
    let wall_us = wall.as_secs_f64() * 1_000_000.0;
    if wall_us > 0.0 { cpu_us / wall_us } else { 0.0 }
}
