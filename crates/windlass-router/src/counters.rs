//! Counters per version and of the whole router, and their Prometheus text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::table::Position;

/// Upper bounds of the latency histogram, in microseconds.
const LATENCY_BOUNDS_US: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000, 60_000_000,
];

/// Counters of one version; each worker writes to a part of its own.
#[derive(Debug)]
pub(crate) struct VersionCounters {
    shards: Box<[Shard]>,
    /// Requests that wait for an instance of it.
    pub(crate) held: AtomicU32,
}

/// One worker's part, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Shard {
    /// Responses by hundreds of their status, 1xx to 5xx.
    classes: [AtomicU64; 5],
    latency: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_sum_us: AtomicU64,
    pub(crate) in_flight: AtomicI64,
    pub(crate) upgraded: AtomicI64,
    pub(crate) failed_attempts: AtomicU64,
    pub(crate) cut_by_drain: AtomicU64,
    pub(crate) client_gone: AtomicU64,
}

impl VersionCounters {
    pub(crate) fn new(workers: usize) -> Self {
        let shards = (0..workers.max(1)).map(|_| Shard::default()).collect();
        Self {
            shards,
            held: AtomicU32::new(0),
        }
    }

    /// The part of a worker.
    pub(crate) fn shard(&self, worker: usize) -> &Shard {
        &self.shards[worker % self.shards.len()]
    }

    fn sum(&self, read: impl Fn(&Shard) -> u64) -> u64 {
        self.shards.iter().map(read).sum()
    }

    fn gauge(&self, read: impl Fn(&Shard) -> i64) -> i64 {
        self.shards.iter().map(read).sum()
    }
}

impl Shard {
    /// Counts a response that has ended.
    pub(crate) fn responded(&self, status: u16, latency: Duration) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < latency_us);
        self.latency[bucket].fetch_add(1, Ordering::Relaxed);
        self.latency_sum_us.fetch_add(latency_us, Ordering::Relaxed);
    }
}

/// A group and one of its versions.
type VersionKey = (Arc<str>, Arc<str>);
/// Name, help and place of a metric.
type Metric<T> = (&'static str, &'static str, fn(&Shard) -> &T);

/// Versions that are kept before any is forgotten.
const FIRST_VERSIONS_LIMIT: usize = 256;

/// Counters by version. Those of versions that no table and no request holds any more are forgotten
/// when somebody reads the counters, and before they are as many as all others.
#[derive(Debug, Default)]
struct Versions {
    known: BTreeMap<VersionKey, Arc<VersionCounters>>,
    /// How many were in use when some were forgotten last.
    in_use: usize,
}

impl Versions {
    fn forget_unused(&mut self) {
        self.known
            .retain(|_, counters| Arc::strong_count(counters) > 1);
        self.in_use = self.known.len();
    }
}

/// Counters of the whole router, and those of all versions that are known.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    versions: Mutex<Versions>,
    position: Mutex<Position>,
    pub(crate) connections: AtomicI64,
    pub(crate) log_lines_dropped: AtomicU64,
    pub(crate) held: AtomicI64,
    answers: Mutex<BTreeMap<&'static str, u64>>,
}

impl Registry {
    /// The counters of a version; the same ones as long as it is known.
    pub(crate) fn version(
        &self,
        group: &Arc<str>,
        version: &Arc<str>,
        workers: usize,
    ) -> Arc<VersionCounters> {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if versions.known.len() >= FIRST_VERSIONS_LIMIT.max(versions.in_use * 2) {
            versions.forget_unused();
        }
        let key = (Arc::clone(group), Arc::clone(version));
        Arc::clone(
            versions
                .known
                .entry(key)
                .or_insert_with(|| Arc::new(VersionCounters::new(workers))),
        )
    }

    /// Notes the table in force.
    pub(crate) fn set_position(&self, position: Position) {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }

    /// Counts an answer that the router gave itself. Rare, so a lock is fine.
    pub(crate) fn answered(&self, code: &'static str) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(code).or_default() += 1;
    }

    /// Everything, in the text format of Prometheus.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        self.render_router(&mut text);
        self.render_versions(&mut text);
        text
    }

    fn render_router(&self, text: &mut String) {
        let position = *self.position.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |value: i64| value.to_string();
        let lines = [
            (
                "table_epoch",
                "gauge",
                "Epoch of the table in force.",
                position.epoch.to_string(),
            ),
            (
                "table_generation",
                "gauge",
                "Generation of the table in force.",
                position.generation.to_string(),
            ),
            (
                "connections",
                "gauge",
                "Open client connections.",
                number(self.connections.load(Ordering::Relaxed)),
            ),
            (
                "held_requests",
                "gauge",
                "Requests that wait for an instance.",
                number(self.held.load(Ordering::Relaxed)),
            ),
            (
                "access_log_dropped_lines_total",
                "counter",
                "Access log lines that could not be written in time.",
                self.log_lines_dropped.load(Ordering::Relaxed).to_string(),
            ),
        ];
        for (name, kind, help, value) in lines {
            header(text, name, kind, help);
            line(text, &format!("windlass_router_{name} {value}"));
        }
        header(
            text,
            "answers_total",
            "counter",
            "Answers that the router gave itself.",
        );
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        for (code, count) in answers.iter() {
            line(
                text,
                &format!("windlass_router_answers_total{{code=\"{code}\"}} {count}"),
            );
        }
    }

    fn render_versions(&self, text: &mut String) {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.forget_unused();
        let labelled: Vec<(String, &VersionCounters)> = versions
            .known
            .iter()
            .map(|((group, version), counters)| {
                let labels = format!("group=\"{}\",version=\"{}\"", label(group), label(version));
                (labels, counters.as_ref())
            })
            .collect();
        header(
            text,
            "requests_total",
            "counter",
            "Responses by version and class of status.",
        );
        for (labels, counters) in &labelled {
            for class in 0..5 {
                let count = counters.sum(|shard| shard.classes[class].load(Ordering::Relaxed));
                let class = class + 1;
                line(
                    text,
                    &format!(
                        "windlass_router_requests_total{{{labels},class=\"{class}xx\"}} {count}"
                    ),
                );
            }
        }
        let gauges: [Metric<AtomicI64>; 2] = [
            ("requests_in_flight", "Requests in flight.", |shard| {
                &shard.in_flight
            }),
            (
                "upgraded_connections",
                "Open upgraded connections.",
                |shard| &shard.upgraded,
            ),
        ];
        for (name, help, field) in gauges {
            header(text, name, "gauge", help);
            for (labels, counters) in &labelled {
                let value = counters.gauge(|shard| field(shard).load(Ordering::Relaxed));
                line(text, &format!("windlass_router_{name}{{{labels}}} {value}"));
            }
        }
        let counts: [Metric<AtomicU64>; 3] = [
            (
                "failed_attempts_total",
                "Attempts at an instance that failed.",
                |shard| &shard.failed_attempts,
            ),
            (
                "cut_by_drain_total",
                "Exchanges cut when their instance ended.",
                |shard| &shard.cut_by_drain,
            ),
            (
                "client_gone_total",
                "Exchanges that the client left.",
                |shard| &shard.client_gone,
            ),
        ];
        for (name, help, field) in counts {
            header(text, name, "counter", help);
            for (labels, counters) in &labelled {
                let value = counters.sum(|shard| field(shard).load(Ordering::Relaxed));
                line(text, &format!("windlass_router_{name}{{{labels}}} {value}"));
            }
        }
        let name = "request_duration_seconds";
        header(
            text,
            name,
            "histogram",
            "Time from the request to the end of its response.",
        );
        for (labels, counters) in &labelled {
            render_latency(text, labels, counters);
        }
    }
}

fn render_latency(text: &mut String, labels: &str, counters: &VersionCounters) {
    let name = "windlass_router_request_duration_seconds";
    let mut below = 0;
    for bucket in 0..=LATENCY_BOUNDS_US.len() {
        below += counters.sum(|shard| shard.latency[bucket].load(Ordering::Relaxed));
        let bound = LATENCY_BOUNDS_US
            .get(bucket)
            .map_or_else(|| "+Inf".to_owned(), |bound| seconds(*bound));
        line(
            text,
            &format!("{name}_bucket{{{labels},le=\"{bound}\"}} {below}"),
        );
    }
    let sum = counters.sum(|shard| shard.latency_sum_us.load(Ordering::Relaxed));
    line(text, &format!("{name}_sum{{{labels}}} {}", seconds(sum)));
    line(text, &format!("{name}_count{{{labels}}} {below}"));
}

fn header(text: &mut String, name: &str, kind: &str, help: &str) {
    line(text, &format!("# HELP windlass_router_{name} {help}"));
    line(text, &format!("# TYPE windlass_router_{name} {kind}"));
}

fn line(text: &mut String, content: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{content}");
}

fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn label(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_sums_the_workers_and_accumulates_the_histogram() {
        let registry = Registry::default();
        let counters = registry.version(&"g".into(), &"v\"1".into(), 2);
        counters.shard(0).responded(200, Duration::from_micros(700));
        counters.shard(1).responded(204, Duration::from_micros(400));
        counters.shard(1).responded(503, Duration::from_mins(10));
        registry.answered("unknown_route");
        let text = registry.render();
        let labels = r#"group="g",version="v\"1""#;
        for expected in [
            format!("windlass_router_requests_total{{{labels},class=\"2xx\"}} 2"),
            format!("windlass_router_requests_total{{{labels},class=\"5xx\"}} 1"),
            format!("windlass_router_request_duration_seconds_bucket{{{labels},le=\"0.0005\"}} 1"),
            format!("windlass_router_request_duration_seconds_bucket{{{labels},le=\"0.001\"}} 2"),
            format!("windlass_router_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 3"),
            format!("windlass_router_request_duration_seconds_sum{{{labels}}} 600.0011"),
            "windlass_router_answers_total{code=\"unknown_route\"} 1".to_owned(),
        ] {
            assert!(
                text.lines().any(|line| line == expected),
                "{expected} is not in\n{text}"
            );
        }
    }

    #[test]
    fn versions_that_nobody_holds_are_forgotten() {
        let registry = Registry::default();
        let kept = registry.version(&"g".into(), &"kept".into(), 1);
        registry.version(&"g".into(), &"lost-1".into(), 1);
        let text = registry.render();
        assert!(text.contains("kept") && !text.contains("lost-1"));
        // Also when nobody ever looks.
        for n in 0..FIRST_VERSIONS_LIMIT * 4 {
            registry.version(&"g".into(), &format!("lost-{n}").into(), 1);
            assert!(registry.versions.lock().unwrap().known.len() <= FIRST_VERSIONS_LIMIT);
        }
        assert!(registry.render().contains("kept"));
        drop(kept);
    }
}
