//! Breadth-first search, and "it ends" on the graph that it leaves.

use std::collections::{HashMap, VecDeque};

use super::fingerprint::fingerprint;
use super::node::Action;
use super::properties;
use super::worlds::World;

/// No step of the fair drain: the state is at rest.
const AT_REST: u32 = u32::MAX;
/// The search ended before this state was looked at.
const UNKNOWN: u32 = u32::MAX - 1;

/// What a search found.
#[derive(Debug)]
pub(crate) enum Found {
    /// Everything holds in every state that was looked at.
    Clean { states: usize, transitions: u64 },
    /// Something does not hold.
    Violation {
        text: String,
        trace: Vec<String>,
        states: usize,
    },
}

struct Seen {
    parent: u32,
    action: Option<Action>,
    drained: u32,
}

/// Searches a world, up to `limit` states.
pub(crate) fn search(world: World, limit: usize) -> Found {
    let root = world.root();
    let mut known = HashMap::from([(fingerprint(&root), 0u32)]);
    let mut seen = vec![Seen {
        parent: 0,
        action: None,
        drained: UNKNOWN,
    }];
    let mut queue = VecDeque::from([(0u32, root)]);
    let mut transitions = 0;
    while let Some((number, node)) = queue.pop_front() {
        let violation = |seen: &[Seen], last: Option<Action>, text: String| Found::Violation {
            text,
            trace: trace(seen, number, last),
            states: seen.len(),
        };
        let arrivals = node.arrivals();
        if arrivals.is_empty() {
            seen[number as usize].drained = AT_REST;
            if let Err(text) = properties::at_rest(&node) {
                return violation(&seen, None, text);
            }
        }
        for action in world.actions(&node) {
            let Ok(Some(next)) = node.step(action) else {
                continue;
            };
            transitions += 1;
            if let Err(text) = properties::step(world, &node, action, &next) {
                return violation(&seen, Some(action), text);
            }
            let print = fingerprint(&next);
            let index = match known.get(&print) {
                Some(index) => *index,
                None if seen.len() >= limit => continue,
                None => {
                    let Ok(index) = u32::try_from(seen.len()) else {
                        continue;
                    };
                    if let Err(text) = properties::idempotent(&node, action, &next) {
                        return violation(&seen, Some(action), text);
                    }
                    known.insert(print, index);
                    seen.push(Seen {
                        parent: number,
                        action: Some(action),
                        drained: UNKNOWN,
                    });
                    queue.push_back((index, next));
                    index
                }
            };
            // The first thing that arrives is the next step of the fair drain.
            if seen[number as usize].drained == UNKNOWN && arrivals.contains(&action) {
                seen[number as usize].drained = index;
            }
        }
    }
    if let Some(endless) = endless(&seen) {
        return Found::Violation {
            text: "it does not end".to_owned(),
            trace: trace(&seen, endless, None),
            states: seen.len(),
        };
    }
    Found::Clean {
        states: seen.len(),
        transitions,
    }
}

/// A state from which the fair drain never comes to rest. Each state has one next step of it, so
/// following them either rests or runs in a circle.
fn endless(seen: &[Seen]) -> Option<u32> {
    let mut ends = vec![false; seen.len()];
    let mut round = vec![0u32; seen.len()];
    for start in 0..seen.len() {
        let mark = u32::try_from(start).ok()? + 1;
        let mut path = Vec::new();
        let mut at = start;
        while !ends[at] {
            if round[at] == mark {
                return u32::try_from(at).ok();
            }
            round[at] = mark;
            path.push(at);
            match seen[at].drained {
                AT_REST | UNKNOWN => break,
                next => at = next as usize,
            }
        }
        for index in path {
            ends[index] = true;
        }
    }
    None
}

fn trace(seen: &[Seen], number: u32, last: Option<Action>) -> Vec<String> {
    let mut actions: Vec<Action> = last.into_iter().collect();
    let mut at = number;
    while let Some(action) = seen[at as usize].action {
        actions.push(action);
        at = seen[at as usize].parent;
    }
    actions.reverse();
    actions.iter().map(|action| format!("{action:?}")).collect()
}
