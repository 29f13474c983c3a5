//! Clocks: after a reboot the uptime starts anew, deadlines keep their remaining time.

use super::Work;
use crate::instance::InstancePhase;
use crate::release::Deadline;
use crate::time::Uptime;

impl Work {
    /// Moves every uptime so that what was left at the last input is left now.
    pub(super) fn shift_clocks(&mut self) {
        let from = self.state.last_uptime;
        let to = self.now.uptime;
        let shift = |at: &mut Uptime| {
            *at = if *at >= from {
                to.plus_ms(at.since(from))
            } else {
                to
            };
        };
        for instance in self.state.instances.values_mut() {
            match &mut instance.phase {
                InstancePhase::Running { since, .. } => *since = to,
                InstancePhase::Crashed { retry_at: Some(at) } => shift(at),
                InstancePhase::Draining { until, .. } => shift(until),
                InstancePhase::Crashed { retry_at: None }
                | InstancePhase::Starting
                | InstancePhase::Stopping
                | InstancePhase::Restarting => {}
            }
        }
        for published in self.state.published.values_mut() {
            published.refused_at = None;
        }
        for release in &mut self.state.releases {
            shift_deadline(&mut release.deadline, shift);
            if let Some(at) = &mut release.timer_until {
                shift(at);
            }
            if let Some(restore) = &mut release.restore {
                // Time to safe then counts from the restart: what went before can't be measured.
                restore.since = to;
            }
        }
        for build in &mut self.state.builds {
            shift_deadline(&mut build.deadline, shift);
        }
    }
}

fn shift_deadline(deadline: &mut Deadline, shift: impl Fn(&mut Uptime)) {
    match deadline {
        Deadline::Running { at } => shift(at),
        Deadline::Off | Deadline::Held { .. } => {}
    }
}
