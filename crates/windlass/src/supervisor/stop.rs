//! The end of the supervisor, with or without that of the instances.

use std::time::Duration;

use nix::sys::signal::Signal;
use windlass_clock::task::Instant;

use super::role::{Role, RoleKind};
use super::{Ended, Supervisor, orphans};
use crate::crash_point::crash_point;
use crate::role_link::ToRole;

/// Time that roles get to end after SIGTERM (the router drains in it).
const END_LIMIT: Duration = Duration::from_secs(40);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Keeps the roles running.
    Running,
    /// Control stops all instances; roles end afterwards.
    StoppingAll { deadline: Instant },
    /// Roles end; instances stay unless they were stopped before.
    Ending { deadline: Instant },
}

impl Supervisor {
    /// SIGINT: everything stops; the desired state stays.
    pub(super) async fn stop_all(&mut self) {
        match self.phase {
            Phase::Running => {
                self.abandon_reload();
                let limit = Duration::from_secs(self.settings.down_limit_s);
                self.phase = Phase::StoppingAll {
                    deadline: Instant::now() + limit,
                };
                self.report.step(&format!(
                    "stopping all instances, at most {} s; interrupt again to kill them",
                    limit.as_secs()
                ));
                self.order_stop().await;
            }
            Phase::StoppingAll { .. } => self.give_up_waiting(),
            Phase::Ending { .. } => {}
        }
    }

    pub(super) async fn order_stop(&mut self) {
        self.role(RoleKind::Control).tell(&ToRole::StopAll).await;
    }

    pub(super) fn end_roles(&mut self, why: &str) {
        if matches!(self.phase, Phase::Ending { .. }) {
            return;
        }
        self.abandon_reload();
        self.report.step(&format!("ending: {why}"));
        self.phase = Phase::Ending {
            deadline: Instant::now() + END_LIMIT,
        };
        crash_point!("supervisor-end-before-signal");
        for role in self.roles.iter_mut().chain(&mut self.leaving) {
            role.signal(Signal::SIGTERM);
        }
        crash_point!("supervisor-end-signaled");
    }

    fn give_up_waiting(&mut self) {
        self.late = true;
        self.all_stopped = true;
        self.report
            .trouble("instances did not stop in time and are killed");
        self.end_roles("what is left is killed");
    }

    pub(super) fn deadline_passed(&mut self) {
        let now = Instant::now();
        match self.phase {
            Phase::StoppingAll { deadline } if now >= deadline => self.give_up_waiting(),
            Phase::Ending { deadline } if now >= deadline => {
                for role in self.roles.iter_mut().chain(&mut self.leaving) {
                    role.signal(Signal::SIGKILL);
                }
                self.phase = Phase::Ending {
                    deadline: now + END_LIMIT,
                };
            }
            Phase::Running => self.reload_deadline_passed(now),
            Phase::StoppingAll { .. } | Phase::Ending { .. } => {}
        }
    }

    /// How it ended, once it has.
    pub(super) fn ended(&mut self) -> Option<Ended> {
        let mut all = self.roles.iter().chain(&self.leaving);
        let nothing_runs = all.all(|role| role.pid().is_none());
        match self.phase {
            Phase::Ending { .. } if nothing_runs => {
                if self.late {
                    orphans::kill_everything();
                }
                let refusal = self.roles.iter_mut().find_map(Role::first_refusal);
                Some(match (self.late, refusal) {
                    (_, Some(reason)) => Ended::Refused(reason),
                    (true, None) => Ended::Late,
                    (false, None) => Ended::Done,
                })
            }
            Phase::Ending { .. } | Phase::StoppingAll { .. } => None,
            Phase::Running => {
                if self.roles.iter().any(Role::refused_at_first_start) {
                    self.end_roles("a role can't start");
                    return self.ended();
                }
                None
            }
        }
    }
}
