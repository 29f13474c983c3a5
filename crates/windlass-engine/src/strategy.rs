//! Strategies, compiled to steps when a release is created. One executor moves all of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::configuration::JobKind;
use crate::id::ComponentName;
use crate::limits::SHARE_ALL;

/// How a release proceeds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// New instances replace old ones, `max_in_flight` at a time.
    Rolling {
        /// Instances on their way at once.
        max_in_flight: u32,
    },
    /// Weighted steps that a user continues, then rolling.
    Canary {
        /// Weights of the steps, whole percent; empty = one step of one instance.
        weights: Vec<u8>,
        /// Instances on their way at once.
        max_in_flight: u32,
    },
    /// Everything old stops, then everything new starts.
    Recreate,
    /// Everything new starts beside the old; traffic moves when all of it is routable.
    BlueGreen,
    /// All traffic at once, to a version that needs nothing to be started.
    Instant,
    /// Rising shares of the traffic, each until its gate opens; the last one is all of it.
    Stages(Vec<Stage>),
}

/// One stage of a release by stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stage {
    /// Share of the target, whole percent.
    pub percent: u8,
    /// What ends it.
    pub gate: StageGate,
}

/// What ends a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageGate {
    /// Nothing more: the last stage is over when it is reached.
    Automatic,
    /// A user continues.
    Manual,
    /// Time passes, milliseconds.
    Timer(u64),
    /// Time passes, milliseconds, in which the share rises evenly from that of the stage before,
    /// one percent after the other.
    Shift(u64),
}

impl From<StageGate> for Gate {
    fn from(gate: StageGate) -> Self {
        match gate {
            StageGate::Automatic => Self::Automatic,
            StageGate::Manual => Self::Manual,
            StageGate::Timer(span_ms) | StageGate::Shift(span_ms) => Self::Timer(span_ms),
        }
    }
}

/// The steps of stages, in order: the index of its stage beside each.
pub fn steps_of_stages(stages: &[Stage]) -> Vec<(usize, Stage)> {
    let mut steps = Vec::with_capacity(stages.len());
    let mut before = 0_u8;
    for (index, stage) in stages.iter().enumerate() {
        match stage.gate {
            StageGate::Shift(span_ms) if stage.percent > before => {
                let parts = u64::from(stage.percent - before);
                steps.extend((before + 1..=stage.percent).map(|percent| {
                    let is_last = percent == stage.percent;
                    let rest_ms = if is_last { span_ms % parts } else { 0 };
                    let gate = StageGate::Timer(span_ms / parts + rest_ms);
                    (index, Stage { percent, gate })
                }));
            }
            StageGate::Shift(_)
            | StageGate::Automatic
            | StageGate::Manual
            | StageGate::Timer(_) => steps.push((index, *stage)),
        }
        before = stage.percent;
    }
    steps
}

impl Strategy {
    /// The word of the record.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Rolling { .. } => "rolling",
            Self::Canary { .. } => "canary",
            Self::Recreate => "recreate",
            Self::BlueGreen => "blue_green",
            Self::Instant => "instant",
            Self::Stages(_) => "stages",
        }
    }

    /// Instances on their way at once.
    pub fn max_in_flight(&self) -> u32 {
        match self {
            Self::Rolling { max_in_flight } | Self::Canary { max_in_flight, .. } => {
                (*max_in_flight).max(1)
            }
            Self::Recreate | Self::BlueGreen | Self::Instant | Self::Stages(_) => u32::MAX,
        }
    }
}

/// One step of a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// Which components it moves.
    pub scope: StepScope,
    /// Instance counts per component.
    pub counts: BTreeMap<ComponentName, StepCounts>,
    /// Share of the target when the step is reached.
    pub weight: Weight,
    /// What ends it, once it is reached.
    pub gate: Gate,
    /// Whether everything old goes before anything new comes.
    pub old_first: bool,
}

/// Which components a step moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepScope {
    /// Those with traffic.
    Routed,
    /// All others, instance by instance.
    Others,
}

/// Instance counts of one component in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StepCounts {
    /// Instances of the target.
    pub new_instances: u32,
    /// Instances that stay of the base, at least.
    pub base_instances: u32,
    /// Instances of both together while the step is under way.
    pub total: u32,
}

/// Share of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// What its part of the routable instances is.
    ByInstances,
    /// What its part of all instances of the step is: one that joins N gets 1/(N+1).
    ByStepTotal,
    /// A fixed share of all traffic, in 1/10,000, reached as its instances become ready.
    Share(u16),
}

/// What ends a step that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Nothing more.
    Automatic,
    /// A user continues.
    Manual,
    /// Time passes, milliseconds.
    Timer(u64),
    /// Jobs of this kind end well.
    Jobs(JobKind),
    /// Checks conclude well.
    Checks,
}

/// What a compiler of steps knows of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Instances of the base (N).
    pub base: u32,
    /// Instances of the target at the end (G).
    pub goal: u32,
}

/// What a compiler of steps knows of a release.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// Components with traffic.
    pub routed: BTreeMap<ComponentName, Sizes>,
    /// Components without.
    pub others: BTreeMap<ComponentName, Sizes>,
    /// Whether all instances of the base stay until the release is deployed, so that a cancel
    /// needs none anew.
    pub keep_base_warm: bool,
    /// Whether the target has jobs that run before its instances.
    pub before: bool,
    /// Whether it has jobs that run after traffic has moved.
    pub after: bool,
    /// Whether checks have to conclude well before anything of it moves.
    pub checks: bool,
}

impl Parts {
    /// Whether every instance of the base stays to the end.
    fn is_warm(&self, strategy: &Strategy) -> bool {
        match strategy {
            Strategy::Recreate => false,
            Strategy::BlueGreen | Strategy::Instant | Strategy::Stages(_) => true,
            // A job that runs after traffic has moved may still end badly.
            Strategy::Rolling { .. } | Strategy::Canary { .. } => self.keep_base_warm || self.after,
        }
    }
}

/// Compiles a strategy.
///
/// Jobs before come first, all instances of the base still serving; jobs after come when traffic
/// has moved. Components without traffic follow at last.
pub fn compile(strategy: &Strategy, parts: &Parts) -> Vec<Step> {
    let mut steps = Vec::new();
    if parts.checks {
        steps.push(Step {
            gate: Gate::Checks,
            ..whole_step(&parts.routed, |sizes| (0, sizes.base), Weight::Share(0))
        });
    }
    if parts.before {
        steps.push(Step {
            gate: Gate::Jobs(JobKind::PreDeploy),
            ..whole_step(&parts.routed, |sizes| (0, sizes.base), Weight::Share(0))
        });
    }
    match strategy {
        Strategy::Canary { weights, .. } if weights.is_empty() => {
            steps.push(canary_step(&parts.routed, None));
        }
        Strategy::Canary { weights, .. } => {
            let canaries = weights.iter();
            steps.extend(canaries.map(|weight| canary_step(&parts.routed, Some(*weight))));
        }
        // Traffic moves when everything is there, not before.
        Strategy::BlueGreen => steps.push(whole_step(
            &parts.routed,
            |sizes| (sizes.goal, sizes.base),
            Weight::Share(0),
        )),
        Strategy::Stages(stages) => {
            let stages = steps_of_stages(stages).into_iter();
            steps.extend(stages.map(|(_, stage)| stage_step(&parts.routed, stage)));
        }
        Strategy::Rolling { .. } | Strategy::Recreate | Strategy::Instant => {}
    }
    let goal = |sizes: Sizes| (sizes.goal, 0);
    match strategy {
        Strategy::Stages(stages) if stages.last().is_some_and(|last| last.percent >= 100) => {}
        Strategy::BlueGreen | Strategy::Instant | Strategy::Stages(_) => {
            steps.push(whole_step(&parts.routed, goal, Weight::Share(SHARE_ALL)));
        }
        Strategy::Rolling { .. } | Strategy::Canary { .. } | Strategy::Recreate => {
            steps.push(Step {
                old_first: *strategy == Strategy::Recreate,
                ..whole_step(&parts.routed, goal, Weight::ByInstances)
            });
            if parts.after {
                steps.push(whole_step(&parts.routed, goal, Weight::Share(SHARE_ALL)));
            }
        }
    }
    if parts.is_warm(strategy) {
        for step in &mut steps {
            for (name, counts) in &mut step.counts {
                let base = parts.routed.get(name).map_or(0, |sizes| sizes.base);
                counts.base_instances = base;
            }
        }
    }
    let last_routed = steps.len().saturating_sub(1);
    if !parts.others.is_empty() {
        steps.push(Step {
            scope: StepScope::Others,
            ..whole_step(&parts.others, goal, Weight::ByInstances)
        });
    }
    // Where nothing has traffic, "after" is when the rest is there.
    let after = if parts.routed.is_empty() {
        steps.len().saturating_sub(1)
    } else {
        last_routed
    };
    if parts.after
        && let Some(step) = steps.get_mut(after)
    {
        step.gate = Gate::Jobs(JobKind::PostDeploy);
    }
    steps
}

/// A step that asks the same of every component.
fn whole_step(
    components: &BTreeMap<ComponentName, Sizes>,
    counts: impl Fn(Sizes) -> (u32, u32),
    weight: Weight,
) -> Step {
    Step {
        scope: StepScope::Routed,
        counts: components
            .iter()
            .map(|(name, sizes)| {
                let (new_instances, base_instances) = counts(*sizes);
                let counts = StepCounts {
                    new_instances,
                    base_instances,
                    total: new_instances.saturating_add(base_instances),
                };
                (name.clone(), counts)
            })
            .collect(),
        weight,
        gate: Gate::Automatic,
        old_first: false,
    }
}

/// All of the target beside all of the base, with a share.
fn stage_step(routed: &BTreeMap<ComponentName, Sizes>, stage: Stage) -> Step {
    let share = u16::from(stage.percent.min(100)) * (SHARE_ALL / 100);
    Step {
        gate: stage.gate.into(),
        ..whole_step(
            routed,
            |sizes| (sizes.goal, sizes.base),
            Weight::Share(share),
        )
    }
}

fn canary_step(routed: &BTreeMap<ComponentName, Sizes>, weight: Option<u8>) -> Step {
    Step {
        scope: StepScope::Routed,
        counts: routed
            .iter()
            .map(|(name, sizes)| (name.clone(), canary_counts(*sizes, weight)))
            .collect(),
        weight: match weight {
            Some(percent) => Weight::Share(u16::from(percent.min(100)) * (SHARE_ALL / 100)),
            None => Weight::ByStepTotal,
        },
        gate: Gate::Manual,
        old_first: false,
    }
}

/// Instance counts of a canary step of `weight` percent; without a weight one instance joins.
///
/// A higher goal than the base is reached only after the last step.
pub fn canary_counts(sizes: Sizes, weight: Option<u8>) -> StepCounts {
    let Some(weight) = weight else {
        return StepCounts {
            new_instances: 1,
            base_instances: sizes.base,
            total: sizes.base.saturating_add(1),
        };
    };
    let base = sizes.base.min(sizes.goal);
    // Rounds half away from zero.
    let rounded = (u64::from(base) * u64::from(weight) + 50) / 100;
    let new_instances = u32::try_from(rounded).unwrap_or(u32::MAX).max(1);
    let base_instances = if weight >= 100 {
        0
    } else {
        base.saturating_add(1).saturating_sub(new_instances)
    };
    StepCounts {
        new_instances,
        base_instances,
        total: new_instances + base_instances,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canary_steps_follow_the_table() {
        type Row = (u32, u32, &'static [u8], &'static [u32], &'static [u32]);
        let table: &[Row] = &[
            (10, 10, &[20, 40], &[2, 4], &[9, 7]),
            (10, 10, &[80], &[8], &[3]),
            (5, 5, &[20, 40], &[1, 2], &[5, 4]),
            (
                10,
                10,
                &[1, 25, 50, 99, 100],
                &[1, 3, 5, 10, 10],
                &[10, 8, 6, 1, 0],
            ),
            (3, 3, &[1], &[1], &[3]),
            (
                1,
                1,
                &[1, 20, 40, 80, 100],
                &[1, 1, 1, 1, 1],
                &[1, 1, 1, 1, 0],
            ),
            (
                100,
                10,
                &[1, 25, 50, 99, 100],
                &[1, 3, 5, 10, 10],
                &[10, 8, 6, 1, 0],
            ),
            (
                10,
                100,
                &[1, 25, 50, 99, 100],
                &[1, 3, 5, 10, 10],
                &[10, 8, 6, 1, 0],
            ),
        ];
        for (base, goal, weights, new, old) in table {
            for (index, weight) in weights.iter().enumerate() {
                let counts = canary_counts(
                    Sizes {
                        base: *base,
                        goal: *goal,
                    },
                    Some(*weight),
                );
                assert_eq!(
                    (counts.new_instances, counts.base_instances),
                    (new[index], old[index]),
                    "base {base}, goal {goal}, weight {weight}"
                );
            }
        }
    }

    #[test]
    fn canary_without_weights_adds_one_instance() {
        let counts = canary_counts(Sizes { base: 3, goal: 3 }, None);
        assert_eq!(
            (counts.new_instances, counts.base_instances, counts.total),
            (1, 3, 4)
        );
    }

    #[test]
    fn canary_share_without_weights_is_one_of_all() {
        let routed = BTreeMap::from([("web".into(), Sizes { base: 3, goal: 3 })]);
        let strategy = Strategy::Canary {
            weights: vec![],
            max_in_flight: 1,
        };
        let parts = Parts {
            routed,
            ..Parts::default()
        };
        let steps = compile(&strategy, &parts);
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0].weight, Weight::ByStepTotal);
        assert_eq!(steps[0].gate, Gate::Manual);
        assert_eq!(steps[1].gate, Gate::Automatic);
    }

    #[test]
    fn a_shift_rises_by_percents_and_takes_as_long_as_it_says() {
        let stage = |percent, gate| Stage { percent, gate };
        let stages = [
            stage(2, StageGate::Manual),
            stage(5, StageGate::Shift(1_000)),
            stage(100, StageGate::Automatic),
        ];
        let steps = steps_of_stages(&stages);
        let timer = StageGate::Timer;
        assert_eq!(
            steps,
            [
                (0, stages[0]),
                (1, stage(3, timer(333))),
                (1, stage(4, timer(333))),
                (1, stage(5, timer(334))),
                (2, stages[2]),
            ]
        );
        let from_nothing = steps_of_stages(&[stage(1, StageGate::Shift(7)), stages[2]]);
        assert_eq!(from_nothing[0], (0, stage(1, timer(7))));
        let parts = Parts::default();
        assert_eq!(compile(&Strategy::Stages(stages.to_vec()), &parts).len(), 5);
    }

    #[test]
    fn warm_base_keeps_every_instance() {
        let routed = BTreeMap::from([("web".into(), Sizes { base: 4, goal: 4 })]);
        let parts = Parts {
            routed,
            keep_base_warm: true,
            ..Parts::default()
        };
        let steps = compile(&Strategy::Rolling { max_in_flight: 2 }, &parts);
        assert_eq!(
            steps[0].counts[&ComponentName::from("web")].base_instances,
            4
        );
    }
}
