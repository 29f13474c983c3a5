//! Whether a history can be: some order of its operations, each at one moment between its begin
//! and its end, that a small model allows. What the model does by itself may come in between.
//!
//! The search is that of Wing and Gong, with the memory of Lowe: a set of operations that are done
//! and the state they led to are looked at once.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

use super::history::Operation;

/// The most operations of one history.
pub const OPERATIONS_MAX: usize = 64;
/// The most pairs of done operations and state that are looked at.
const LOOKS_MAX: usize = 2_000_000;

/// What may be answered in which state.
pub trait Model {
    /// Where the thing stands.
    type State: Clone + Eq + Hash + Debug;
    /// What is asked.
    type Request: Clone + Debug;
    /// What is answered.
    type Reply: Clone + Debug;

    /// The states after this request was answered so in this state; none when that can't be.
    fn answered(
        &self,
        state: &Self::State,
        request: &Self::Request,
        reply: &Self::Reply,
    ) -> Vec<Self::State>;

    /// The states after this request was carried out and nobody saw its answer.
    fn unseen(&self, state: &Self::State, request: &Self::Request) -> Vec<Self::State>;

    /// Whether this answer says in every state that nothing was changed.
    fn is_look(&self, request: &Self::Request, reply: &Self::Reply) -> bool;

    /// What may happen by itself next.
    fn by_itself(&self, state: &Self::State) -> Vec<Self::State>;
}

/// Why a history was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No order of it can be.
    Impossible {
        /// The most operations that an order could explain.
        explained: usize,
        /// The states in which it could not go on, for people.
        stuck: Vec<String>,
    },
    /// It is too long to be judged.
    TooLong,
}

/// Judges a history that began in this state.
///
/// # Errors
/// [`Refusal`].
pub fn check<M: Model>(
    model: &M,
    start: &M::State,
    history: &[Operation<M::Request, M::Reply>],
) -> Result<(), Refusal> {
    if history.len() > OPERATIONS_MAX {
        return Err(Refusal::TooLong);
    }
    let answered = history
        .iter()
        .enumerate()
        .fold(0, |set, (index, operation)| {
            set | (u64::from(operation.reply.is_some()) << index)
        });
    let mut seen = HashSet::new();
    let mut open = vec![(0_u64, start.clone())];
    let mut best = (0, Vec::new());
    while let Some((done, state)) = open.pop() {
        let done = looked(model, history, done, &state);
        if done & answered == answered {
            return Ok(());
        }
        if !seen.insert((done, state.clone())) {
            continue;
        }
        if seen.len() > LOOKS_MAX {
            return Err(Refusal::TooLong);
        }
        let explained = (done & answered).count_ones();
        if explained > best.0 {
            best = (explained, Vec::new());
        }
        if explained == best.0 {
            best.1.push(format!("{state:?}"));
        }
        open.extend(model.by_itself(&state).into_iter().map(|next| (done, next)));
        for (index, operation) in history.iter().enumerate() {
            let bit = 1_u64 << index;
            if done & bit != 0 || !may_be_next(history, done, index) {
                continue;
            }
            let after = match &operation.reply {
                Some(reply) => model.answered(&state, &operation.request, reply),
                None => model.unseen(&state, &operation.request),
            };
            open.extend(after.into_iter().map(|next| (done | bit, next)));
        }
    }
    let (explained, mut stuck) = best;
    stuck.sort();
    stuck.dedup();
    Err(Refusal::Impossible {
        explained: explained as usize,
        stuck,
    })
}

/// Adds looks that may come now. Later it would be no more possible than now, and
/// nothing that waits for it need wait longer.
fn looked<M: Model>(
    model: &M,
    history: &[Operation<M::Request, M::Reply>],
    mut done: u64,
    state: &M::State,
) -> u64 {
    loop {
        let before = done;
        for (index, operation) in history.iter().enumerate() {
            let Some(reply) = &operation.reply else {
                continue;
            };
            if done & (1 << index) == 0
                && model.is_look(&operation.request, reply)
                && may_be_next(history, done, index)
                && !model.answered(state, &operation.request, reply).is_empty()
            {
                done |= 1 << index;
            }
        }
        if done == before {
            return done;
        }
    }
}

/// Whether no operation that is still to come was over before this one began.
fn may_be_next<Q, R>(history: &[Operation<Q, R>], done: u64, index: usize) -> bool {
    let mut others = history.iter().enumerate();
    others.all(|(other, operation)| {
        done & (1 << other) != 0 || other == index || !operation.is_before(&history[index])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lamp that can be lit, and goes out by itself once.
    struct Lamp;

    impl Model for Lamp {
        type State = (bool, bool);
        type Request = &'static str;
        type Reply = bool;

        fn answered(
            &self,
            state: &(bool, bool),
            request: &&'static str,
            lit: &bool,
        ) -> Vec<(bool, bool)> {
            match *request {
                "light" if *lit => vec![(true, state.1)],
                "look" if *lit == state.0 => vec![*state],
                _ => Vec::new(),
            }
        }

        fn unseen(&self, state: &(bool, bool), request: &&'static str) -> Vec<(bool, bool)> {
            match *request {
                "light" => vec![(true, state.1)],
                _ => vec![*state],
            }
        }

        fn is_look(&self, request: &&'static str, _: &bool) -> bool {
            *request == "look"
        }

        fn by_itself(&self, state: &(bool, bool)) -> Vec<(bool, bool)> {
            if state.0 && !state.1 {
                vec![(false, true)]
            } else {
                Vec::new()
            }
        }
    }

    type Lit = Operation<&'static str, bool>;

    fn asked(request: &'static str, reply: Option<bool>, begin_ns: u64, end_ns: u64) -> Lit {
        Operation {
            who: "x",
            request,
            reply,
            begin_ns,
            end_ns,
        }
    }

    fn can_be(history: &[Lit]) -> bool {
        check(&Lamp, &(false, false), history).is_ok()
    }

    #[test]
    fn what_overlaps_may_come_in_either_order() {
        assert!(can_be(&[
            asked("light", Some(true), 0, 10),
            asked("look", Some(false), 5, 8)
        ]));
        assert!(can_be(&[
            asked("light", Some(true), 0, 10),
            asked("look", Some(true), 5, 8)
        ]));
    }

    #[test]
    fn what_is_over_stays_before_what_began_later() {
        assert!(!can_be(&[
            asked("look", Some(true), 0, 4),
            asked("light", Some(true), 5, 8)
        ]));
        // It may have gone out by itself, but not twice.
        assert!(can_be(&[
            asked("light", Some(true), 0, 4),
            asked("look", Some(false), 5, 8)
        ]));
        let twice = [
            asked("light", Some(true), 0, 1),
            asked("look", Some(false), 2, 3),
            asked("light", Some(true), 4, 5),
            asked("look", Some(false), 6, 7),
        ];
        let refused = check(&Lamp, &(false, false), &twice);
        let Err(Refusal::Impossible { explained, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(explained, 3);
        // A light that nobody saw answered explains what was seen, whenever that was.
        assert!(can_be(&[
            asked("light", None, 0, 1),
            asked("look", Some(true), 20, 21)
        ]));
        assert!(can_be(&[
            asked("light", None, 0, 1),
            asked("look", Some(false), 20, 21)
        ]));
        assert!(!can_be(&[
            asked("look", Some(true), 0, 1),
            asked("light", None, 5, 6)
        ]));
    }

    #[test]
    fn a_history_of_many_at_once_is_judged() {
        let many: Vec<Lit> = (0..OPERATIONS_MAX as u64)
            .map(|at| asked("look", Some(at % 2 == 0), 0, 1000 + at))
            .collect();
        let judged = check(&Lamp, &(false, false), &many);
        assert!(
            matches!(judged, Err(Refusal::Impossible { explained: 32, .. })),
            "nobody lit it"
        );
        let mut lit = many;
        lit[0] = asked("light", Some(true), 0, 1000);
        assert!(can_be(&lit));
        let longer = vec![asked("look", Some(false), 0, 1); OPERATIONS_MAX + 1];
        assert_eq!(
            check(&Lamp, &(false, false), &longer),
            Err(Refusal::TooLong)
        );
    }
}
