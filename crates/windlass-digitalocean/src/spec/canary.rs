//! Weighted steps, asked for in the free list `features`: `windlass.canary=10,50`.

use super::error::quoted;
use super::wire::AppSpec;

/// Starts the feature.
pub(super) const FEATURE: &str = "windlass.canary=";
/// Most steps before all traffic moves.
const STEPS_MAX: usize = 20;
/// Largest weight of a step: all traffic is the end, not a step.
const WEIGHT_MAX: u8 = 99;

/// Weights in whole percent; each larger than the one before.
pub(super) fn weights(text: &str) -> Result<Vec<u8>, String> {
    let want = || {
        format!(
            "{} must be 1 to {STEPS_MAX} whole percents from 1 to {WEIGHT_MAX}, each larger than \
             the one before, joined by commas",
            quoted(text)
        )
    };
    let weights: Vec<u8> = text
        .split(',')
        .map(|weight| weight.parse::<u8>().ok().filter(|_| is_plain(weight)))
        .collect::<Option<_>>()
        .ok_or_else(want)?;
    let is_rising = weights.windows(2).all(|pair| pair[0] < pair[1]);
    let is_inside = weights
        .iter()
        .all(|weight| (1..=WEIGHT_MAX).contains(weight));
    if is_rising && is_inside && weights.len() <= STEPS_MAX {
        Ok(weights)
    } else {
        Err(want())
    }
}

/// Without a sign or zeros in front.
fn is_plain(weight: &str) -> bool {
    weight.starts_with(|first: char| ('1'..='9').contains(&first))
}

impl AppSpec {
    /// Weights of the steps of a canary, whole percent; `None` = no canary was asked for.
    pub fn canary_weights(&self) -> Option<Vec<u8>> {
        self.features
            .iter()
            .find_map(|feature| feature.strip_prefix(FEATURE))
            .and_then(|text| weights(text).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_rise_between_1_and_99() {
        assert_eq!(weights("10,50"), Ok(vec![10, 50]));
        assert_eq!(weights("99"), Ok(vec![99]));
        for text in [
            "", "0", "100", "300", "-1", "+1", "01", "10,", ",10", "10,10", "50,10", "10 ,50", "a",
            "1.5",
        ] {
            let error = weights(text).unwrap_err();
            assert!(error.starts_with(&format!("\"{text}\" must be")), "{error}");
        }
        let many: Vec<String> = (1..=21).map(|weight: u8| weight.to_string()).collect();
        assert!(weights(&many.join(",")).is_err());
        assert!(weights(&many[..20].join(",")).is_ok());
    }
}
