//! The model check, bounded: `cargo model` searches the same worlds whole.

use crate::check::{Found, World, search};

/// States of each world that are looked at here.
const STATES_MAX: usize = 1_000;

#[test]
fn every_world_holds() {
    for world in World::ALL {
        match search(world, STATES_MAX) {
            Found::Clean {
                states,
                transitions,
            } => {
                assert!(
                    states > 100 && transitions > 100,
                    "{} is too small",
                    world.name()
                );
            }
            Found::Violation {
                text,
                trace,
                states,
            } => {
                panic!(
                    "{} ({states} states): {text}, after {trace:#?}",
                    world.name()
                );
            }
        }
    }
}
