//! A task: it runs, and ends by itself or canceled.

use crate::races::linearize::Model;

/// Where a task stands, in the words of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Wanted.
    Pending,
    /// Runs.
    Running,
    /// A cancel was accepted.
    Canceling,
    /// Over, well.
    Succeeded,
    /// Over, because it was canceled.
    Canceled,
    /// Over for another reason.
    Failed,
}

impl Stage {
    /// What the words of the wire mean: state and reason of the failure.
    pub fn of(state: &str, reason: Option<&str>) -> Option<Self> {
        Some(match (state, reason) {
            ("PENDING", _) => Self::Pending,
            ("RUNNING", _) => Self::Running,
            ("CANCELING", _) => Self::Canceling,
            ("SUCCEEDED", _) => Self::Succeeded,
            ("FAILED", Some("task was cancelled")) => Self::Canceled,
            ("FAILED", _) => Self::Failed,
            _ => return None,
        })
    }

    /// Whether it stays so for ever.
    pub fn is_over(self) -> bool {
        match self {
            Self::Pending | Self::Running | Self::Canceling => false,
            Self::Succeeded | Self::Canceled | Self::Failed => true,
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// It is to run.
    Run,
    /// It is canceled.
    Cancel,
    /// How it stands.
    Read,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Accepted or read: it stands so.
    Is(Stage),
    /// Refused, because it stands so. A failure is named without its reason.
    Refused(Stage),
    /// Something that no state explains.
    Strange(String),
}

/// How tasks go that succeed when nobody cancels them.
#[derive(Debug, Clone, Copy)]
pub struct Tasks;

impl Model for Tasks {
    /// `None` before it was asked for.
    type State = Option<Stage>;
    type Request = Request;
    type Reply = Reply;

    fn answered(
        &self,
        state: &Option<Stage>,
        request: &Request,
        reply: &Reply,
    ) -> Vec<Option<Stage>> {
        let only_if = |holds: bool| if holds { vec![*state] } else { Vec::new() };
        match (request, state, reply) {
            // The answer waits for the task to run, so it may show anything that it became.
            (Request::Run, None, Reply::Is(_)) => vec![Some(Stage::Pending)],
            (Request::Cancel, Some(now), Reply::Is(Stage::Canceling)) => match now {
                Stage::Pending | Stage::Running | Stage::Canceling => vec![Some(Stage::Canceling)],
                Stage::Succeeded | Stage::Canceled | Stage::Failed => Vec::new(),
            },
            (Request::Cancel, Some(now), Reply::Refused(named)) => {
                let is_failed = |stage| matches!(stage, Stage::Canceled | Stage::Failed);
                let same = now == named || is_failed(*now) && is_failed(*named);
                only_if(now.is_over() && same)
            }
            (Request::Read, Some(now), Reply::Is(stage)) => only_if(now == stage),
            (Request::Run | Request::Cancel | Request::Read, _, _) => Vec::new(),
        }
    }

    fn unseen(&self, state: &Option<Stage>, request: &Request) -> Vec<Option<Stage>> {
        let changed = match request {
            Request::Run => self.answered(state, request, &Reply::Is(Stage::Pending)),
            Request::Cancel => self.answered(state, request, &Reply::Is(Stage::Canceling)),
            Request::Read => Vec::new(),
        };
        if changed.is_empty() {
            vec![*state]
        } else {
            changed
        }
    }

    fn is_look(&self, request: &Request, reply: &Reply) -> bool {
        *request == Request::Read || matches!(reply, Reply::Refused(_))
    }

    fn by_itself(&self, state: &Option<Stage>) -> Vec<Option<Stage>> {
        match state {
            Some(Stage::Pending) => vec![Some(Stage::Running), Some(Stage::Succeeded)],
            Some(Stage::Running) => vec![Some(Stage::Succeeded)],
            Some(Stage::Canceling) => vec![Some(Stage::Canceled)],
            Some(Stage::Succeeded | Stage::Canceled | Stage::Failed) | None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::races::history::Operation;
    use crate::races::linearize::check;

    fn can_be(steps: &[(Request, Reply)]) -> bool {
        let history: Vec<_> = (0..)
            .zip(steps)
            .map(|(at, (request, reply))| Operation {
                who: "x",
                request: *request,
                reply: Some(reply.clone()),
                begin_ns: at * 10,
                end_ns: at * 10 + 5,
            })
            .collect();
        check(&Tasks, &None, &history).is_ok()
    }

    const RUN: (Request, Reply) = (Request::Run, Reply::Is(Stage::Running));
    const CANCEL: (Request, Reply) = (Request::Cancel, Reply::Is(Stage::Canceling));

    fn read(stage: Stage) -> (Request, Reply) {
        (Request::Read, Reply::Is(stage))
    }

    fn refused(stage: Stage) -> (Request, Reply) {
        (Request::Cancel, Reply::Refused(stage))
    }

    #[test]
    fn what_may_be() {
        for steps in [
            vec![RUN, read(Stage::Succeeded), refused(Stage::Succeeded)],
            vec![
                RUN,
                CANCEL,
                read(Stage::Canceling),
                CANCEL,
                read(Stage::Canceled),
            ],
            vec![RUN, CANCEL, read(Stage::Canceled), refused(Stage::Failed)],
            vec![RUN, read(Stage::Pending), CANCEL, read(Stage::Canceled)],
        ] {
            assert!(can_be(&steps), "{steps:?}");
        }
    }

    #[test]
    fn what_must_be_refused() {
        for (what, steps) in [
            (
                "success after an accepted cancel",
                vec![RUN, CANCEL, read(Stage::Succeeded)],
            ),
            (
                "running after an accepted cancel",
                vec![RUN, CANCEL, read(Stage::Running)],
            ),
            (
                "another failure after a cancel",
                vec![RUN, CANCEL, read(Stage::Failed)],
            ),
            ("canceled by nobody", vec![RUN, read(Stage::Canceled)]),
            ("canceling by nobody", vec![RUN, read(Stage::Canceling)]),
            (
                "a cancel that is accepted after the end",
                vec![RUN, read(Stage::Succeeded), CANCEL],
            ),
            (
                "two outcomes",
                vec![RUN, read(Stage::Succeeded), read(Stage::Canceled)],
            ),
            (
                "a refusal while it runs",
                vec![RUN, refused(Stage::Running)],
            ),
            (
                "a refusal that names another end",
                vec![RUN, CANCEL, refused(Stage::Succeeded)],
            ),
            (
                "a second start",
                vec![RUN, read(Stage::Succeeded), read(Stage::Running)],
            ),
        ] {
            assert!(!can_be(&steps), "{what}: {steps:?}");
        }
    }
}
