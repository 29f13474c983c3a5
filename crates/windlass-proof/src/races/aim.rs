//! Where the critical moment is: found by who wins, round by round.
//!
//! Each side starts some time after the common signal. The side that won starts later next time,
//! in steps that grow while one side goes on winning and shrink when the other does. So the
//! starts come to the moment at which either may win, wherever a machine has it, and stay there
//! when it moves.

use std::time::Duration;

/// The smallest and the largest step, microseconds.
const STEP_MIN_US: f64 = 20.0;
const STEP_MAX_US: f64 = 200_000.0;
/// The first step.
const STEP_FIRST_US: f64 = 500.0;
/// What a step grows by while one side goes on winning, and shrinks by when another does.
const GROWS: f64 = 1.5;
const SHRINKS: f64 = 0.6;
/// The latest start, microseconds.
const LAG_MAX_US: f64 = 20_000_000.0;
/// How far around the moment a round may start, microseconds, beside twice the step.
const SPREADS_US: [f64; 4] = [50.0, 50.0, 1_000.0, 5_000.0];

/// Where the sides of a race start.
#[derive(Debug, Clone)]
pub struct Aim {
    lags_us: Vec<f64>,
    step_us: f64,
    last: Option<usize>,
    hits: Vec<u64>,
    is_narrow: bool,
}

impl Aim {
    /// For so many sides.
    pub fn new(sides: usize) -> Self {
        Self {
            lags_us: vec![0.0; sides],
            step_us: STEP_FIRST_US,
            last: None,
            hits: vec![0; sides],
            is_narrow: true,
        }
    }

    /// When each side starts in the next round, after the signal.
    pub fn next(&mut self, chance: &mut Chance) -> Vec<Duration> {
        let both_seen = self.hits.iter().filter(|hits| **hits > 0).count() > 1;
        // Before the moment is found nothing is spread: who wins says where to go.
        let spread = if both_seen {
            chance.below(SPREADS_US.len())
        } else {
            0
        };
        self.is_narrow = SPREADS_US[spread] <= SPREADS_US[0];
        let spread_us = SPREADS_US[spread] + 2.0 * self.step_us;
        let starts: Vec<f64> = self
            .lags_us
            .iter()
            .map(|lag| lag + (chance.part() - 0.5) * spread_us)
            .collect();
        let first = starts.iter().copied().fold(f64::INFINITY, f64::min);
        starts
            .into_iter()
            .map(|start| Duration::from_secs_f64((start - first) / 1e6))
            .collect()
    }

    /// Tells who won.
    pub fn won(&mut self, side: usize) {
        if let Some(hits) = self.hits.get_mut(side) {
            *hits += 1;
        }
        // Far from the moment the winner is known before: that says nothing about where it is.
        if !self.is_narrow {
            return;
        }
        self.step_us *= match self.last {
            Some(last) if last == side => GROWS,
            Some(_) => SHRINKS,
            None => 1.0,
        };
        self.step_us = self.step_us.clamp(STEP_MIN_US, STEP_MAX_US);
        self.last = Some(side);
        if let Some(lag) = self.lags_us.get_mut(side) {
            *lag += self.step_us;
        }
        let first = self.lags_us.iter().copied().fold(f64::INFINITY, f64::min);
        for lag in &mut self.lags_us {
            *lag = (*lag - first).min(LAG_MAX_US);
        }
    }

    /// How often each side won.
    pub fn hits(&self) -> &[u64] {
        &self.hits
    }

    /// How much later than the earliest each side starts now, microseconds.
    pub fn lags_us(&self) -> &[f64] {
        &self.lags_us
    }
}

/// Numbers that look like chance and come again with the same seed.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number (SplitMix64).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = limit.max(1) as u64;
        usize::try_from(self.number() % limit).unwrap_or(0)
    }

    /// From 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
    pub fn part(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first side wins when it starts earlier than the moment, which lies so long after the
    /// start of the second, give or take.
    fn wins(moment_us: f64, noise_us: f64, seed: u64) -> (Vec<u64>, f64) {
        let mut chance = Chance::new(seed);
        let mut aim = Aim::new(2);
        for _ in 0..300 {
            let starts = aim.next(&mut chance);
            let between = (starts[0].as_secs_f64() - starts[1].as_secs_f64()) * 1e6;
            let moment = moment_us + (chance.part() - 0.5) * 2.0 * noise_us;
            aim.won(usize::from(between > moment));
        }
        (aim.hits().to_vec(), aim.lags_us()[0] - aim.lags_us()[1])
    }

    #[test]
    fn the_moment_is_found_wherever_it_is() {
        for moment_us in [-80_000.0, -300.0, 0.0, 700.0, 45_000.0, 900_000.0] {
            for noise_us in [10.0, 2_000.0] {
                for seed in 1..=5 {
                    let (hits, lag_us) = wins(moment_us, noise_us, seed);
                    let what = format!("{moment_us} ± {noise_us}: {hits:?}, {lag_us}");
                    assert!(hits.iter().all(|hits| *hits >= 60), "{what}");
                    assert!(
                        (lag_us - moment_us).abs() < 5_000.0 + 2.0 * noise_us,
                        "{what}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_side_that_always_wins_is_told_by_its_count() {
        let mut chance = Chance::new(1);
        let mut aim = Aim::new(2);
        for _ in 0..100 {
            let starts = aim.next(&mut chance);
            assert!(starts.iter().all(|start| start.as_secs() <= 21));
            aim.won(1);
        }
        assert_eq!(aim.hits(), [0, 100]);
    }

    #[test]
    fn the_same_seed_is_the_same_chance() {
        let (mut one, mut other) = (Chance::new(7), Chance::new(7));
        assert_eq!(one.number(), other.number());
        assert_ne!(one.number(), Chance::new(8).number());
        assert!((0..1000).all(|_| one.part() < 1.0 && other.below(3) < 3));
    }
}
