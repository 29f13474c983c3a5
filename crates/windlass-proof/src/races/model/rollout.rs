//! A site whose visitors move from a current version to a new one by stages.

use crate::races::linearize::Model;

/// Where the newest rolling release stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Both versions have visitors.
    Active,
    /// The new one has all.
    Complete,
    /// All went back.
    Aborted,
}

/// Which version is the production deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// The one that ran before.
    Old,
    /// The one that is rolled out.
    New,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// The new version is promoted.
    Promote,
    /// Back to the old one.
    Rollback,
    /// The rolling release is aborted.
    Abort,
    /// How the rolling release stands.
    Read,
    /// Who serves.
    ReadProduction,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Accepted.
    Done,
    /// Refused.
    Refused,
    /// It stands so.
    Is(Stage),
    /// This one serves.
    Serves(Version),
    /// Something that no state explains.
    Strange(String),
}

/// The site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    stage: Stage,
    serves: Version,
}

impl State {
    /// A rolling release has begun.
    pub fn active() -> Self {
        Self {
            stage: Stage::Active,
            serves: Version::Old,
        }
    }
}

/// How sites move.
#[derive(Debug, Clone, Copy)]
pub struct Rollouts;

impl Model for Rollouts {
    type State = State;
    type Request = Request;
    type Reply = Reply;

    fn answered(&self, state: &State, request: &Request, reply: &Reply) -> Vec<State> {
        let complete = State {
            stage: Stage::Complete,
            serves: Version::New,
        };
        let aborted = State {
            stage: Stage::Aborted,
            serves: Version::Old,
        };
        let only_if = |holds: bool| if holds { vec![*state] } else { Vec::new() };
        match (request, reply) {
            (Request::Promote, Reply::Done) => match (state.stage, state.serves) {
                (Stage::Active, _) => vec![complete],
                // Nothing is rolled out any more, so this begins another rolling release.
                (Stage::Complete | Stage::Aborted, Version::Old) => vec![State::active()],
                (Stage::Complete | Stage::Aborted, Version::New) => Vec::new(),
            },
            (Request::Rollback, Reply::Done) => match (state.stage, state.serves) {
                (Stage::Active, _) => vec![aborted],
                // An instant release back; the rolling release stays what it was.
                (Stage::Complete | Stage::Aborted, Version::New) => vec![State {
                    serves: Version::Old,
                    ..*state
                }],
                // Told again while it goes back.
                (Stage::Aborted, Version::Old) => vec![*state],
                (Stage::Complete, Version::Old) => Vec::new(),
            },
            (Request::Abort, Reply::Done) => match state.stage {
                Stage::Active => vec![aborted],
                Stage::Complete | Stage::Aborted => Vec::new(),
            },
            // Only for what another one has ended.
            (Request::Promote | Request::Rollback | Request::Abort, Reply::Refused) => {
                only_if(state.stage != Stage::Active)
            }
            (Request::Read, Reply::Is(stage)) => only_if(state.stage == *stage),
            (Request::ReadProduction, Reply::Serves(version)) => only_if(state.serves == *version),
            (
                Request::Promote
                | Request::Rollback
                | Request::Abort
                | Request::Read
                | Request::ReadProduction,
                _,
            ) => Vec::new(),
        }
    }

    fn unseen(&self, state: &State, request: &Request) -> Vec<State> {
        let changed = match request {
            Request::Promote | Request::Rollback | Request::Abort => {
                self.answered(state, request, &Reply::Done)
            }
            Request::Read | Request::ReadProduction => Vec::new(),
        };
        if changed.is_empty() {
            vec![*state]
        } else {
            changed
        }
    }

    fn is_look(&self, request: &Request, reply: &Reply) -> bool {
        matches!(request, Request::Read | Request::ReadProduction) || *reply == Reply::Refused
    }

    /// Its stages wait for an approval.
    fn by_itself(&self, _: &State) -> Vec<State> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::races::history::Operation;
    use crate::races::linearize::check;

    /// All requests at once, then the reads one after the other.
    fn can_be(requests: &[(Request, Reply)], reads: &[(Request, Reply)]) -> bool {
        let asked = |(request, reply): &(Request, Reply), begin_ns, end_ns| Operation {
            who: "x",
            request: *request,
            reply: Some(reply.clone()),
            begin_ns,
            end_ns,
        };
        let mut history: Vec<_> = requests.iter().map(|it| asked(it, 0, 9)).collect();
        history.extend(
            (1..)
                .zip(reads)
                .map(|(at, it)| asked(it, at * 10, at * 10 + 5)),
        );
        check(&Rollouts, &State::active(), &history).is_ok()
    }

    fn ends(stage: Stage, version: Version) -> Vec<(Request, Reply)> {
        vec![
            (Request::Read, Reply::Is(stage)),
            (Request::ReadProduction, Reply::Serves(version)),
        ]
    }

    #[test]
    fn one_of_them_wins() {
        let (promote, rollback, abort) = (Request::Promote, Request::Rollback, Request::Abort);
        let (done, refused) = (Reply::Done, Reply::Refused);
        let aborted = ends(Stage::Aborted, Version::Old);
        let complete = ends(Stage::Complete, Version::New);
        let promoted = [
            (promote, done.clone()),
            (rollback, refused.clone()),
            (abort, refused.clone()),
        ];
        assert!(can_be(&promoted, &complete));
        assert!(!can_be(&promoted, &aborted), "a promotion that is lost");
        let back = [
            (promote, refused.clone()),
            (rollback, done.clone()),
            (abort, refused.clone()),
        ];
        assert!(can_be(&back, &aborted));
        assert!(!can_be(&back, &complete), "a rollback that is lost");
        // Forward, then back at once.
        let both = [
            (promote, done.clone()),
            (rollback, done.clone()),
            (abort, refused.clone()),
        ];
        assert!(can_be(&both, &ends(Stage::Complete, Version::Old)));
        assert!(!can_be(&both, &complete), "the rollback is lost");
        // Back, then forward by another rolling release.
        assert!(can_be(&both, &ends(Stage::Active, Version::Old)));
        let nobody = [
            (promote, refused.clone()),
            (rollback, refused.clone()),
            (abort, refused),
        ];
        assert!(
            !can_be(&nobody, &ends(Stage::Active, Version::Old)),
            "nobody was in the way"
        );
        let two = [(promote, done.clone()), (abort, done)];
        assert!(!can_be(&two, &complete), "an abort that is lost");
        assert!(!can_be(&two, &aborted), "a promotion after it begins anew");
        assert!(can_be(&two, &ends(Stage::Active, Version::Old)));
    }

    #[test]
    fn nothing_moves_by_itself() {
        for (stage, version) in [
            (Stage::Complete, Version::New),
            (Stage::Aborted, Version::Old),
            (Stage::Active, Version::New),
        ] {
            assert!(!can_be(&[], &ends(stage, version)), "{stage:?} {version:?}");
        }
        assert!(!can_be(
            &[(Request::Abort, Reply::Strange("500".to_owned()))],
            &[]
        ));
    }
}
