//! The order in which versions are picked, so that shares are kept exactly.
//!
//! A schedule is a finished sequence that repeats. Its period divides 100 for
//! whole percents, so every window of 100 picks holds exactly each version's
//! percents. Within the period it is the fair sequence of Tijdeman ("The
//! chairman assignment problem", 1980): at no moment is a version a whole pick
//! ahead of or behind its share.

/// A schedule never has more slots; finer weights are rounded to such parts.
const SLOT_LIMIT: u64 = 10_000;

/// A repeating sequence of numbers of candidates.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    slots: Box<[u16]>,
    starts: Box<[u32]>,
}

impl Schedule {
    /// A sequence in which candidate `i` has `weights[i]` parts, with a start
    /// for each of `workers`. `None` when no weight is above 0.
    pub(crate) fn new(weights: &[u64], workers: usize) -> Option<Self> {
        let weights = reduced(weights)?;
        let slots = fair_sequence(&weights);
        let starts = fair_starts(&weights, &slots, workers.max(1));
        Some(Self { slots, starts })
    }

    /// Where a worker begins, so that not all of them pick the same version at
    /// the same moment.
    pub(crate) fn start(&self, worker: usize) -> usize {
        self.starts[worker % self.starts.len()] as usize
    }

    /// The candidate at a place; places count on without end.
    pub(crate) fn at(&self, place: usize) -> usize {
        usize::from(self.slots[place % self.slots.len()])
    }

    /// The place after `place`.
    pub(crate) fn next(&self, place: usize) -> usize {
        (place + 1) % self.slots.len()
    }
}

/// Smallest weights in the same ratio, rounded when they are too fine.
fn reduced(weights: &[u64]) -> Option<Vec<i64>> {
    let weights = &weights[..weights.len().min(usize::from(u16::MAX))];
    let mut weights: Vec<u64> = weights
        .iter()
        .map(|weight| (*weight).min(u64::from(u32::MAX)))
        .collect();
    let mut total: u64 = weights.iter().sum();
    let divisor = weights
        .iter()
        .copied()
        .filter(|weight| *weight > 0)
        .reduce(gcd)?;
    for weight in &mut weights {
        *weight /= divisor;
    }
    total /= divisor;
    if total > SLOT_LIMIT {
        for weight in &mut weights {
            if *weight > 0 {
                *weight = (*weight * SLOT_LIMIT / total).max(1);
            }
        }
    }
    // All are at most u32::MAX.
    Some(weights.into_iter().map(u64::cast_signed).collect())
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Among the candidates that may be picked without getting ahead too far, the
/// one whose next pick is due first.
fn fair_sequence(weights: &[i64]) -> Box<[u16]> {
    let total: i64 = weights.iter().sum();
    let candidates = weights.iter().filter(|weight| **weight > 0).count();
    let mut picked = vec![0_i64; weights.len()];
    let spread = 2 * i64::try_from(candidates.max(2) - 1).unwrap_or(i64::MAX);
    (1..=total)
        .map(|place| {
            let mut best: Option<(usize, i64, i64)> = None;
            for (candidate, weight) in weights.iter().copied().enumerate() {
                let behind = weight * place - total * picked[candidate];
                if weight == 0 || spread * behind < total {
                    continue;
                }
                let slack = (spread - 1) * total - spread * behind;
                let sooner = best.is_none_or(|(_, other_slack, other_weight)| {
                    i128::from(slack) * i128::from(other_weight)
                        < i128::from(other_slack) * i128::from(weight)
                });
                if sooner {
                    best = Some((candidate, slack, weight));
                }
            }
            let candidate = best.map_or(0, |(candidate, _, _)| candidate);
            picked[candidate] += 1;
            u16::try_from(candidate).unwrap_or(u16::MAX)
        })
        .collect()
}

/// Places from which on no candidate is ever more than one pick away from its
/// share, as evenly spread as they lie. Place 0 always is one.
fn fair_starts(weights: &[i64], slots: &[u16], workers: usize) -> Box<[u32]> {
    let total: i64 = weights.iter().sum();
    let mut now = vec![0_i64; weights.len()];
    let mut low = now.clone();
    let mut high = now.clone();
    for slot in slots {
        step(&mut now, weights, total, *slot);
        for candidate in 0..weights.len() {
            low[candidate] = low[candidate].min(now[candidate]);
            high[candidate] = high[candidate].max(now[candidate]);
        }
    }
    let mut fair = Vec::new();
    now.fill(0);
    for (place, slot) in slots.iter().enumerate() {
        let within = (0..weights.len()).all(|candidate| {
            high[candidate] - now[candidate] <= total && now[candidate] - low[candidate] <= total
        });
        if within {
            fair.push(u32::try_from(place).unwrap_or(0));
        }
        step(&mut now, weights, total, *slot);
    }
    (0..workers)
        .map(|worker| fair[worker * fair.len() / workers])
        .collect()
}

/// How far each candidate is ahead, in parts of a pick, after one more slot.
fn step(ahead: &mut [i64], weights: &[i64], total: i64, slot: u16) {
    for (candidate, weight) in weights.iter().enumerate() {
        ahead[candidate] -= weight;
    }
    ahead[usize::from(slot)] += total;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whole percents of up to five versions.
    fn percents() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(0_u64..=100, 0..4).prop_map(|mut cuts| {
            cuts.push(0);
            cuts.push(100);
            cuts.sort_unstable();
            cuts.windows(2)
                .map(|pair| (pair[1] - pair[0]) * 100)
                .collect()
        })
    }

    fn counts(schedule: &Schedule, from: usize, picks: usize, candidates: usize) -> Vec<u64> {
        let mut counts = vec![0; candidates];
        for place in from..from + picks {
            counts[schedule.at(place)] += 1;
        }
        counts
    }

    proptest! {
        #[test]
        fn whole_percents_are_exact_in_every_window_of_100(
            shares in percents(), from in 0_usize..1_000,
        ) {
            let schedule = Schedule::new(&shares, 4).unwrap();
            let counts = counts(&schedule, from, 100, shares.len());
            let wanted: Vec<u64> = shares.iter().map(|share| share / 100).collect();
            prop_assert_eq!(counts, wanted);
        }

        #[test]
        fn no_share_is_ever_off_by_more_than_one_pick(
            shares in prop::collection::vec(0_u64..=2_500, 1..=4), worker in 0_usize..4,
        ) {
            let total: u64 = shares.iter().sum();
            prop_assume!(total > 0);
            let schedule = Schedule::new(&shares, 4).unwrap();
            let mut picked = vec![0_u64; shares.len()];
            let mut place = schedule.start(worker);
            for picks in 1..=2 * total {
                picked[schedule.at(place)] += 1;
                place = schedule.next(place);
                for (count, share) in picked.iter().zip(&shares) {
                    prop_assert!((count * total).abs_diff(share * picks) <= total);
                }
            }
        }

        #[test]
        fn weights_of_any_size_give_a_bounded_schedule_without_losing_anybody(
            weights in prop::collection::vec(0_u64..=u64::from(u32::MAX), 1..=8),
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let schedule = Schedule::new(&weights, 2).unwrap();
            let slots = schedule.slots.len();
            prop_assert!(slots as u64 <= SLOT_LIMIT + weights.len() as u64);
            let counts = counts(&schedule, 0, slots, weights.len());
            for (count, weight) in counts.iter().zip(&weights) {
                prop_assert_eq!(*count > 0, *weight > 0);
            }
        }
    }

    #[test]
    fn nothing_to_pick_has_no_schedule() {
        assert_eq!(Schedule::new(&[], 1), None);
        assert_eq!(Schedule::new(&[0, 0], 1), None);
    }

    #[test]
    fn workers_start_at_different_places() {
        let schedule = Schedule::new(&[7_500, 2_500], 2).unwrap();
        assert_ne!(schedule.start(0), schedule.start(1));
    }
}
