//! Samples of what visitors were answered, and the shares in them.

use std::time::{Duration, Instant};

use super::failure::{Failure, wait_for};
use super::load::Load;
use super::report::Report;

/// Answers of which the shares of a step are read.
const SAMPLE: u64 = 400;
/// How far a share may be off in such a sample, in percent of all answers.
const TOLERANCE: u64 = 3;
/// How often the shares are shown while a sample is taken.
const SHOW: Duration = Duration::from_millis(500);

/// Takes a sample, shows it as it grows, and compares the share of a version.
pub(super) fn check(
    load: &Load,
    report: &mut Report,
    name: &str,
    version: &str,
    percent: u64,
) -> Result<(), Failure> {
    load.section();
    sample(load, report)?;
    let counts = load.counts();
    report.shares(&counts);
    report.check(
        name,
        counts.percent(version).abs_diff(percent) <= TOLERANCE,
        &format!("{:?}", counts.by_version),
    );
    Ok(())
}

/// Waits for enough answers in the section and shows the shares meanwhile.
pub(super) fn sample(load: &Load, report: &Report) -> Result<(), Failure> {
    let mut shown = Instant::now();
    wait_for("answers", || {
        let counts = load.counts();
        if counts.total() >= SAMPLE {
            return Ok(Ok(()));
        }
        if shown.elapsed() >= SHOW && counts.total() > 0 {
            shown = Instant::now();
            report.shares(&counts);
        }
        Ok(Err(format!("{} answers", counts.total())))
    })
}
