//! An app with a deployment and, where one takes over, a second.

use crate::races::linearize::Model;

/// What clients call the status of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    /// It moves.
    Deploying,
    /// It waits for a continue.
    Paused,
    /// It is being put back.
    Canceling,
    /// Over: it stays.
    Deployed,
    /// Over: it was put back.
    Canceled,
    /// Over: a newer one took over.
    Superseded,
}

impl Word {
    const ALL: [Self; 6] = [
        Self::Deploying,
        Self::Paused,
        Self::Canceling,
        Self::Deployed,
        Self::Canceled,
        Self::Superseded,
    ];

    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploying => "DEPLOYING",
            Self::Paused => "PAUSED",
            Self::Canceling => "CANCELING",
            Self::Deployed => "DEPLOYED",
            Self::Canceled => "CANCELED",
            Self::Superseded => "SUPERSEDED",
        }
    }

    /// What a word of the wire means.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == word)
    }

    /// Whether it stays so for ever.
    pub fn is_over(self) -> bool {
        match self {
            Self::Deploying | Self::Paused | Self::Canceling => false,
            Self::Deployed | Self::Canceled | Self::Superseded => true,
        }
    }
}

/// One of the two deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Which {
    /// The one that the race is about.
    First,
    /// The one that takes over.
    Second,
}

/// Whose rules for a cancel of something that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// Refused, with the outcome.
    CloudFoundry,
    /// Answered as before when the outcome was a cancel.
    DigitalOcean,
    /// Refused from the first cancel on: what is canceled shows as canceled at once.
    Vercel,
    /// `windlass deployment cancel`: as in Cloud Foundry.
    CommandLine,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// A deployment is created.
    Create(Which),
    /// The first one is canceled, with a number that says by whom.
    Cancel {
        /// By whom.
        by: u8,
        /// With which client.
        client: Client,
    },
    /// The first one is continued.
    Continue,
    /// The app gets so many instances.
    Scale(u32),
    /// The app is stopped.
    Stop,
    /// How a deployment stands.
    Read(Which),
    /// Who canceled the first one, as its record says.
    ReadCanceler,
    /// How many instances the app is to have.
    ReadInstances,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Accepted or read: the deployment stands so.
    Is(Word),
    /// Accepted, without a word.
    Done,
    /// Refused; with the word that stands in the way, where the answer names one.
    Refused(Option<Word>),
    /// Nobody or this one canceled it.
    Canceler(Option<u8>),
    /// So many.
    Instances(u32),
    /// Something that no state explains.
    Strange(String),
}

/// Where a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Behind so many pauses, on the way to the next or to the end.
    Moving(u8),
    /// At the pause behind so many others.
    Paused(u8),
    /// A cancel was accepted.
    Canceling,
    /// Over.
    Deployed,
    /// Over.
    Canceled,
    /// Over.
    Superseded,
}

impl Stage {
    fn word(self) -> Word {
        match self {
            Self::Moving(_) => Word::Deploying,
            Self::Paused(_) => Word::Paused,
            Self::Canceling => Word::Canceling,
            Self::Deployed => Word::Deployed,
            Self::Canceled => Word::Canceled,
            Self::Superseded => Word::Superseded,
        }
    }

    fn is_in_flight(self) -> bool {
        matches!(self, Self::Moving(_) | Self::Paused(_))
    }
}

/// The app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    first: Option<Stage>,
    second: Option<Stage>,
    canceler: Option<u8>,
    stopped: bool,
    instances: u32,
}

impl State {
    /// Nothing is deployed; so many instances run.
    pub fn new(instances: u32) -> Self {
        Self {
            first: None,
            second: None,
            canceler: None,
            stopped: false,
            instances,
        }
    }

    fn of(&self, which: Which) -> Option<Stage> {
        match which {
            Which::First => self.first,
            Which::Second => self.second,
        }
    }

    fn with(self, which: Which, stage: Stage) -> Self {
        match which {
            Which::First => Self {
                first: Some(stage),
                ..self
            },
            Which::Second => Self {
                second: Some(stage),
                ..self
            },
        }
    }
}

/// How the first deployment goes.
#[derive(Debug, Clone, Copy)]
pub struct Deployments {
    /// Pauses that it has. The second has none.
    pub pauses: u8,
}

impl Deployments {
    fn moves(self, which: Which, stage: Stage, stopped: bool) -> Option<Stage> {
        let pauses = match which {
            Which::First => self.pauses,
            Which::Second => 0,
        };
        match stage {
            Stage::Moving(_) if stopped => None,
            Stage::Moving(behind) if behind < pauses => Some(Stage::Paused(behind)),
            Stage::Moving(_) => Some(Stage::Deployed),
            Stage::Canceling => Some(Stage::Canceled),
            Stage::Paused(_) | Stage::Deployed | Stage::Canceled | Stage::Superseded => None,
        }
    }

    /// A change was accepted with this answer. What follows from it at once may be part of it.
    fn accepted(self, changed: State, which: Which, reply: &Reply) -> Vec<State> {
        let Reply::Is(word) = reply else {
            return if *reply == Reply::Done {
                vec![changed]
            } else {
                Vec::new()
            };
        };
        let mut stage = changed.of(which);
        while let Some(now) = stage {
            if now.word() == *word {
                return vec![changed.with(which, now)];
            }
            stage = self.moves(which, now, changed.stopped);
        }
        Vec::new()
    }

    fn canceled(self, state: &State, by: u8, client: Client, reply: &Reply) -> Vec<State> {
        let Some(stage) = state.first else {
            return Vec::new();
        };
        let refused = || match reply {
            Reply::Refused(Some(word)) if *word == stage.word() => vec![*state],
            // These clients get no word that a program could read.
            Reply::Refused(None) if client != Client::CloudFoundry => vec![*state],
            _ => Vec::new(),
        };
        match (stage, client) {
            (Stage::Moving(_) | Stage::Paused(_), _) => {
                let changed = State {
                    first: Some(Stage::Canceling),
                    canceler: Some(by),
                    ..*state
                };
                self.accepted(changed, Which::First, reply)
            }
            (Stage::Canceling, Client::Vercel) => refused(),
            (Stage::Canceling, _) | (Stage::Canceled, Client::DigitalOcean) => {
                self.accepted(*state, Which::First, reply)
            }
            (Stage::Deployed | Stage::Canceled | Stage::Superseded, _) => refused(),
        }
    }

    fn continued(self, state: &State, reply: &Reply) -> Vec<State> {
        match (state.first, reply) {
            (Some(Stage::Paused(behind)), _) => {
                let changed = state.with(Which::First, Stage::Moving(behind + 1));
                self.accepted(changed, Which::First, reply)
            }
            (Some(stage), Reply::Refused(Some(word))) if *word == stage.word() => vec![*state],
            _ => Vec::new(),
        }
    }

    fn created(self, state: &State, which: Which, reply: &Reply) -> Vec<State> {
        if state.of(which).is_some() {
            return Vec::new();
        }
        let mut changed = *state;
        if which == Which::Second && state.first.is_some_and(Stage::is_in_flight) {
            changed.first = Some(Stage::Superseded);
        }
        self.accepted(changed.with(which, Stage::Moving(0)), which, reply)
    }
}

impl Model for Deployments {
    type State = State;
    type Request = Request;
    type Reply = Reply;

    fn answered(&self, state: &State, request: &Request, reply: &Reply) -> Vec<State> {
        let only_if = |holds: bool| if holds { vec![*state] } else { Vec::new() };
        match (*request, reply) {
            (Request::Create(which), _) => self.created(state, which, reply),
            (Request::Cancel { by, client }, _) => self.canceled(state, by, client, reply),
            (Request::Continue, _) => self.continued(state, reply),
            (Request::Scale(instances), Reply::Done | Reply::Refused(_)) => {
                let in_flight = [state.first, state.second]
                    .into_iter()
                    .flatten()
                    .any(Stage::is_in_flight);
                match reply {
                    Reply::Done if !in_flight => vec![State {
                        instances,
                        ..*state
                    }],
                    Reply::Refused(_) if in_flight => vec![*state],
                    _ => Vec::new(),
                }
            }
            (Request::Stop, Reply::Done) => vec![State {
                stopped: true,
                ..*state
            }],
            (Request::Read(which), Reply::Is(word)) => {
                only_if(state.of(which).is_some_and(|stage| stage.word() == *word))
            }
            (Request::ReadCanceler, Reply::Canceler(by)) => only_if(state.canceler == *by),
            (Request::ReadInstances, Reply::Instances(count)) => only_if(state.instances == *count),
            (
                Request::Scale(_)
                | Request::Stop
                | Request::Read(_)
                | Request::ReadCanceler
                | Request::ReadInstances,
                _,
            ) => Vec::new(),
        }
    }

    fn unseen(&self, state: &State, request: &Request) -> Vec<State> {
        let changed = match *request {
            Request::Create(_) | Request::Cancel { .. } | Request::Scale(_) | Request::Stop => {
                self.answered(state, request, &Reply::Done)
            }
            Request::Continue => self.answered(state, request, &Reply::Done),
            Request::Read(_) | Request::ReadCanceler | Request::ReadInstances => Vec::new(),
        };
        if changed.is_empty() {
            vec![*state]
        } else {
            changed
        }
    }

    fn is_look(&self, request: &Request, reply: &Reply) -> bool {
        match request {
            Request::Read(_) | Request::ReadCanceler | Request::ReadInstances => true,
            Request::Create(_)
            | Request::Cancel { .. }
            | Request::Continue
            | Request::Scale(_)
            | Request::Stop => matches!(reply, Reply::Refused(_)),
        }
    }

    fn by_itself(&self, state: &State) -> Vec<State> {
        [Which::First, Which::Second]
            .into_iter()
            .filter_map(|which| {
                let next = self.moves(which, state.of(which)?, state.stopped)?;
                Some(state.with(which, next))
            })
            .collect()
    }
}

#[cfg(test)]
#[path = "deployment_tests.rs"]
mod tests;
