//! What the runs of all seeds went through.

use std::collections::BTreeMap;
use std::fmt;

#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) seeds: u64,
    pub(crate) steps: u64,
    pub(crate) inputs: u64,
    pub(crate) commits: u64,
    pub(crate) rejections: u64,
    pub(crate) events: u64,
    pub(crate) crashes: u64,
    pub(crate) starts: u64,
    pub(crate) control_restarts: u64,
    pub(crate) lost_commits: u64,
    pub(crate) router_restarts: u64,
    pub(crate) reboots: u64,
    pub(crate) lost_observations: u64,
    pub(crate) outcomes: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn outcome(&mut self, word: impl Into<String>) {
        *self.outcomes.entry(word.into()).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.inputs += other.inputs;
        self.commits += other.commits;
        self.rejections += other.rejections;
        self.events += other.events;
        self.crashes += other.crashes;
        self.starts += other.starts;
        self.control_restarts += other.control_restarts;
        self.lost_commits += other.lost_commits;
        self.router_restarts += other.router_restarts;
        self.reboots += other.reboots;
        self.lost_observations += other.lost_observations;
        for (word, count) in &other.outcomes {
            *self.outcomes.entry(word.clone()).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("seeds", self.seeds),
            ("steps", self.steps),
            ("inputs folded", self.inputs),
            ("commits", self.commits),
            ("refusals", self.rejections),
            ("events seen", self.events),
            ("processes started", self.starts),
            ("processes crashed", self.crashes),
            ("observations lost", self.lost_observations),
            ("control restarts", self.control_restarts),
            ("commits lost before their sync", self.lost_commits),
            ("router restarts", self.router_restarts),
            ("reboots", self.reboots),
        ];
        for (name, count) in rows {
            writeln!(f, "{name:<34}{count:>12}")?;
        }
        for (word, count) in &self.outcomes {
            writeln!(f, "  {word:<32}{count:>12}")?;
        }
        Ok(())
    }
}
