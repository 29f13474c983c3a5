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
}

impl Strategy {
    /// The word of the record.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Rolling { .. } => "rolling",
            Self::Canary { .. } => "canary",
            Self::Recreate => "recreate",
        }
    }

    /// Instances on their way at once.
    pub fn max_in_flight(&self) -> u32 {
        match self {
            Self::Rolling { max_in_flight } | Self::Canary { max_in_flight, .. } => {
                (*max_in_flight).max(1)
            }
            Self::Recreate => u32::MAX,
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

/// Compiles a strategy.
///
/// `routed` and `others` name the components with their sizes; with `keep_base_warm` all
/// instances of the base stay until the release is deployed, so that a cancel needs none anew.
pub fn compile(
    strategy: &Strategy,
    routed: &BTreeMap<ComponentName, Sizes>,
    others: &BTreeMap<ComponentName, Sizes>,
    keep_base_warm: bool,
) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Strategy::Canary { weights, .. } = strategy {
        if weights.is_empty() {
            steps.push(canary_step(routed, None));
        }
        steps.extend(
            weights
                .iter()
                .map(|weight| canary_step(routed, Some(*weight))),
        );
    }
    steps.push(Step {
        scope: StepScope::Routed,
        counts: routed
            .iter()
            .map(|(name, sizes)| {
                let counts = StepCounts {
                    new_instances: sizes.goal,
                    base_instances: 0,
                    total: sizes.goal,
                };
                (name.clone(), counts)
            })
            .collect(),
        weight: Weight::ByInstances,
        gate: Gate::Automatic,
        old_first: matches!(strategy, Strategy::Recreate),
    });
    if !others.is_empty() {
        steps.push(Step {
            scope: StepScope::Others,
            counts: others
                .iter()
                .map(|(name, sizes)| {
                    let counts = StepCounts {
                        new_instances: sizes.goal,
                        base_instances: 0,
                        total: sizes.goal,
                    };
                    (name.clone(), counts)
                })
                .collect(),
            weight: Weight::ByInstances,
            gate: Gate::Automatic,
            old_first: false,
        });
    }
    if keep_base_warm && !matches!(strategy, Strategy::Recreate) {
        for step in steps
            .iter_mut()
            .filter(|step| step.scope == StepScope::Routed)
        {
            for (name, counts) in &mut step.counts {
                counts.base_instances = routed.get(name).map_or(0, |sizes| sizes.base);
            }
        }
    }
    steps
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
        let steps = compile(&strategy, &routed, &BTreeMap::new(), false);
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0].weight, Weight::ByStepTotal);
        assert_eq!(steps[0].gate, Gate::Manual);
        assert_eq!(steps[1].gate, Gate::Automatic);
    }

    #[test]
    fn warm_base_keeps_every_instance() {
        let routed = BTreeMap::from([("web".into(), Sizes { base: 4, goal: 4 })]);
        let steps = compile(
            &Strategy::Rolling { max_in_flight: 2 },
            &routed,
            &BTreeMap::new(),
            true,
        );
        assert_eq!(
            steps[0].counts[&ComponentName::from("web")].base_instances,
            4
        );
    }
}
