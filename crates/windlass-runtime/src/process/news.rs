//! What a run that changed has to tell.

use super::runs::is_over;
use crate::observation::{Observation, RunPhase, RunStatus};
use crate::spec::RunKind;

/// What is new about a run. A short one may be over before anybody heard that it had started: the
/// start is told all the same, before the end.
pub(super) fn news(before: &RunStatus, status: &RunStatus) -> Vec<Observation> {
    let unheard_start = if is_over(status.phase) {
        started(status)
    } else {
        None
    };
    let all = unheard_start.into_iter().chain(present(status));
    all.filter(|observation| match observation {
        Observation::Started { .. } => before.started_at_ms.is_none(),
        // That it is up and not ready yet is news as well.
        Observation::Routable { routable, .. } => {
            before.routable != *routable || is_just_up(before, status)
        }
        Observation::Exited { .. } | Observation::Lost { .. } => true,
    })
    .collect()
}

/// Whether an instance has become healthy. Nobody waits for anything else to be up.
fn is_just_up(before: &RunStatus, status: &RunStatus) -> bool {
    let was_starting = matches!(before.phase, RunPhase::Launching | RunPhase::Starting);
    was_starting && status.phase == RunPhase::Running && status.kind == RunKind::Instance
}

/// Everything that can be observed of a run in this state.
pub(super) fn present(status: &RunStatus) -> Vec<Observation> {
    if is_over(status.phase) {
        return end_of(status).into_iter().collect();
    }
    let Some(started) = started(status) else {
        return Vec::new();
    };
    match status.phase {
        // Nobody knows yet whether it will be routable: whoever hears that it is not takes it for
        // one that is up.
        RunPhase::Launching | RunPhase::Starting => vec![started],
        RunPhase::Running | RunPhase::Stopping | RunPhase::Ended | RunPhase::Lost => {
            let routable = Observation::Routable {
                run: status.run.clone(),
                routable: status.routable,
            };
            vec![started, routable]
        }
    }
}

fn started(status: &RunStatus) -> Option<Observation> {
    Some(Observation::Started {
        run: status.run.clone(),
        pid: status.pid,
        at_ms: status.started_at_ms?,
    })
}

pub(super) fn end_of(status: &RunStatus) -> Option<Observation> {
    let run = status.run.clone();
    match (status.phase, &status.exit) {
        (RunPhase::Ended, Some(exit)) => Some(Observation::Exited {
            run,
            exit: exit.clone(),
        }),
        (RunPhase::Ended | RunPhase::Lost, _) => Some(Observation::Lost { run }),
        (RunPhase::Launching | RunPhase::Starting | RunPhase::Running | RunPhase::Stopping, _) => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{Exit, ExitReason, PortCheck};

    fn status(phase: RunPhase, started: bool) -> RunStatus {
        RunStatus {
            app: "a".into(),
            run: "r".into(),
            kind: RunKind::Task,
            generation: 1,
            phase,
            routable: false,
            pid: started.then_some(7),
            started_at_ms: started.then_some(1),
            port: None,
            port_check: PortCheck::None,
            log_number: 1,
            exit: (phase == RunPhase::Ended).then_some(Exit {
                code: Some(0),
                signal: None,
                reason: ExitReason::Exited,
                process: None,
                at_ms: 2,
            }),
        }
    }

    fn word(seen: &Observation) -> &'static str {
        match seen {
            Observation::Started { .. } => "started",
            Observation::Routable { .. } => "routable",
            Observation::Exited { .. } => "exited",
            Observation::Lost { .. } => "lost",
        }
    }

    fn words(before: &RunStatus, now: &RunStatus) -> Vec<&'static str> {
        news(before, now).iter().map(word).collect()
    }

    #[test]
    fn what_only_starts_is_not_told_to_be_unroutable() {
        let told = |phase| -> Vec<&str> {
            let status = status(phase, true);
            present(&status).iter().map(word).collect()
        };
        assert_eq!(told(RunPhase::Starting), ["started"]);
        assert_eq!(told(RunPhase::Running), ["started", "routable"]);
    }

    #[test]
    fn an_instance_that_is_up_and_not_ready_is_told() {
        let of_instance = |phase| RunStatus {
            kind: RunKind::Instance,
            ..status(phase, true)
        };
        let starting = of_instance(RunPhase::Starting);
        let running = of_instance(RunPhase::Running);
        assert_eq!(words(&starting, &running), ["routable"]);
        assert!(words(&running, &running).is_empty());
        assert!(words(&running, &of_instance(RunPhase::Stopping)).is_empty());
    }

    #[test]
    fn a_start_is_told_once_and_before_the_end() {
        let launching = status(RunPhase::Launching, false);
        let running = status(RunPhase::Running, true);
        let ended = status(RunPhase::Ended, true);
        assert_eq!(words(&launching, &running), ["started"]);
        assert_eq!(words(&running, &ended), ["exited"]);
        assert_eq!(words(&launching, &ended), ["started", "exited"]);
        let nobody_saw_it = RunStatus {
            pid: None,
            ..running
        };
        assert_eq!(words(&launching, &nobody_saw_it), ["started"]);
        let never_started = status(RunPhase::Ended, false);
        assert_eq!(words(&launching, &never_started), ["exited"]);
    }
}
