//! One measured figure with what it is held against.

use serde::Serialize;

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// The value is at most this.
    AtMost(f64),
    /// The value is at least this.
    AtLeast(f64),
    /// The value is at most this many times the peer's.
    RatioAtMost(f64),
    /// The value is at least this many times the peer's.
    RatioAtLeast(f64),
    /// The value is at most this much above the peer's.
    AtMostAbove(f64),
}

/// A measured figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    bench: &'static str,
    measure: String,
    unit: &'static str,
    value: f64,
    peer: Option<String>,
    peer_value: Option<f64>,
    ratio: Option<f64>,
    target: Option<String>,
    met: Option<bool>,
}

impl Figure {
    /// A figure without peer and target.
    pub fn new(
        bench: &'static str,
        measure: impl Into<String>,
        unit: &'static str,
        value: f64,
    ) -> Self {
        Self {
            bench,
            measure: measure.into(),
            unit,
            value,
            peer: None,
            peer_value: None,
            ratio: None,
            target: None,
            met: None,
        }
    }

    /// What the same took of somebody else, in the same run.
    #[must_use]
    pub fn beside(mut self, peer: impl Into<String>, value: f64) -> Self {
        self.peer = Some(peer.into());
        self.peer_value = Some(value);
        self.ratio = (value > 0.0).then(|| self.value / value);
        self
    }

    /// What it should be.
    #[must_use]
    pub fn wanted(mut self, target: Target) -> Self {
        let unit = self.unit;
        let peer = self.peer.as_deref().unwrap_or("the peer");
        let (text, met) = match target {
            Target::AtMost(limit) => (format!("<= {limit} {unit}"), Some(self.value <= limit)),
            Target::AtLeast(limit) => (format!(">= {limit} {unit}"), Some(self.value >= limit)),
            Target::RatioAtMost(limit) => (
                format!("<= {limit} x {peer}"),
                self.ratio.map(|ratio| ratio <= limit),
            ),
            Target::RatioAtLeast(limit) => (
                format!(">= {limit} x {peer}"),
                self.ratio.map(|ratio| ratio >= limit),
            ),
            Target::AtMostAbove(limit) => (
                format!("<= {peer} + {limit} {unit}"),
                self.peer_value.map(|peer| self.value <= peer + limit),
            ),
        };
        self.target = Some(text);
        self.met = met;
        self
    }

    /// For people.
    pub fn line(&self) -> String {
        use std::fmt::Write;
        let mut line = format!(
            "  {:<58} {:>12} {}",
            self.measure,
            rounded(self.value),
            self.unit
        );
        if let (Some(peer), Some(value)) = (&self.peer, self.peer_value) {
            let _ = write!(line, "; {peer}: {}", rounded(value));
        }
        if let Some(ratio) = self.ratio {
            let _ = write!(line, " (x {ratio:.2})");
        }
        if let (Some(target), Some(met)) = (&self.target, self.met) {
            let word = if met { "met" } else { "MISSED" };
            let _ = write!(line, "; target {target}: {word}");
        }
        line
    }
}

/// Three digits that mean something.
fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_or_missed_by_value_ratio_or_difference() {
        let figure = || Figure::new("b", "m", "ms", 3.0).beside("raw", 2.0);
        let met = |target| figure().wanted(target).met;
        assert_eq!(met(Target::AtMost(3.0)), Some(true));
        assert_eq!(met(Target::AtMost(2.9)), Some(false));
        assert_eq!(met(Target::AtLeast(3.1)), Some(false));
        assert_eq!(met(Target::RatioAtMost(1.5)), Some(true));
        assert_eq!(met(Target::RatioAtMost(1.4)), Some(false));
        assert_eq!(met(Target::RatioAtLeast(1.6)), Some(false));
        assert_eq!(met(Target::AtMostAbove(1.0)), Some(true));
        assert_eq!(met(Target::AtMostAbove(0.9)), Some(false));
        let alone = Figure::new("b", "m", "ms", 3.0).wanted(Target::RatioAtMost(1.0));
        assert_eq!(alone.met, None);
    }
}
