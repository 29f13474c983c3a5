//! Rolling and recreate, pass by pass; canary steps. `old/new` are wanted instances.

use super::world::{World, canary, deployment, rolling};
use crate::id::ReleaseId;
use crate::input::Input;
use crate::rejection::Rejection;
use crate::release::{Outcome, ReleaseState};
use crate::strategy::Strategy;

/// Lets one batch of target instances come up and the old ones leave; gives `old/new` before each
/// pass and at the end.
fn passes(world: &mut World, number: u32, batch: usize) -> Vec<String> {
    let target = format!("v{number}");
    let mut seen = vec![world.balance(number)];
    while world.up(&target, batch) > 0 {
        seen.push(world.balance(number));
        world.drain();
    }
    seen
}

#[test]
fn rolling_moves_instance_by_instance() {
    let table: &[(u32, u32, usize, &[&str])] = &[
        (3, 1, 1, &["3/1", "2/2", "1/3", "0/3"]),
        (3, 2, 2, &["3/2", "1/3", "0/3"]),
        (3, 2, 1, &["3/2", "2/3", "1/3", "0/3"]),
        (3, 3, 3, &["3/3", "0/3"]),
        (3, 9, 9, &["3/3", "0/3"]),
        (5, 2, 2, &["5/2", "3/4", "1/5", "0/5"]),
        (1, 1, 1, &["1/1", "0/1"]),
        (4, 3, 1, &["4/3", "3/4", "2/4", "1/4", "0/4"]),
    ];
    for (instances, max_in_flight, batch, wanted) in table {
        let mut world = World::running(*instances);
        world.deploy(2, rolling(*max_in_flight));
        let seen = passes(&mut world, 2, *batch);
        assert_eq!(
            seen, *wanted,
            "{instances} instances, {max_in_flight} in flight"
        );
        assert_eq!(world.word(2), "deployed");
        assert!(!world.runs("v1"), "the base has left");
        assert!(world.state.is_settled());
    }
}

#[test]
fn never_more_than_goal_plus_in_flight() {
    for max_in_flight in 1..5 {
        let mut world = World::running(4);
        world.deploy(2, rolling(max_in_flight));
        loop {
            let running = world
                .state
                .instances
                .values()
                .filter(|i| !i.is_ending())
                .count();
            assert!(running <= 4 + max_in_flight as usize);
            if world.up("v2", 1) == 0 {
                break;
            }
            world.drain();
        }
    }
}

#[test]
fn fewer_instances_cut_no_old_one_before_its_replacement() {
    // The original cuts the old process to the new count on its first pass.
    let mut world = World::running(5);
    let mut command = deployment(2, rolling(1));
    command.target_scale.insert("web".into(), 2);
    world.input(&Input::Deploy(command));
    assert_eq!(passes(&mut world, 2, 1), ["5/1", "4/2", "0/2"]);
    assert_eq!(world.word(2), "deployed");
    assert_eq!(world.state.scale_of(&"web".into()), 2);
}

#[test]
fn more_instances_keep_the_base_until_its_places_are_taken() {
    let mut world = World::running(2);
    let mut command = deployment(2, rolling(2));
    command.target_scale.insert("web".into(), 5);
    world.input(&Input::Deploy(command));
    assert_eq!(
        passes(&mut world, 2, 1),
        ["2/2", "2/3", "2/4", "2/5", "1/5", "0/5"]
    );
}

#[test]
fn zero_instances_are_deployed_on_the_first_pass() {
    let mut world = World::running(2);
    let mut command = deployment(2, rolling(1));
    command.target_scale.insert("web".into(), 0);
    world.input(&Input::Deploy(command));
    assert_eq!(world.word(2), "deployed");
    world.settle();
    assert!(world.state.instances.is_empty());
}

#[test]
fn no_more_new_ones_while_one_is_crashed_and_the_base_returns() {
    let mut world = World::running(3);
    world.deploy(2, rolling(1));
    world.up("v2", 1);
    world.up("v2", 1);
    assert_eq!(world.balance(2), "1/3");
    // Three crashes are answered at once, the fourth waits.
    world.break_one("v2");
    assert_eq!(world.routable("v2"), 1);
    assert_eq!(world.balance(2), "2/3", "the base is raised again");
    world.up("v2", 1);
    assert_eq!(world.balance(2), "1/3");
    assert_eq!(world.routable("v2"), 2, "the healthy one counts");
    assert_eq!(world.word(2), "rolling_out");
    let error = world.release(2).error.clone().unwrap_or_default();
    assert!(error.contains("crashed: Exited with status 1"), "{error}");
    world.settle();
    assert!(world.plan().wake_at.is_some(), "the back-off wakes");
    world.tick(30_000);
    world.settle();
    assert_eq!(world.word(2), "deployed");
}

#[test]
fn recreate_ends_everything_old_first() {
    let mut world = World::running(3);
    world.deploy(2, Strategy::Recreate);
    assert_eq!(world.balance(2), "0/0");
    assert_eq!(world.share("v2"), 0);
    world.drain();
    assert!(!world.runs("v1"));
    assert_eq!(world.balance(2), "0/3");
    world.up("v2", 3);
    assert_eq!(world.word(2), "deployed");
    assert_eq!(world.share("v2"), 10_000);
}

#[test]
fn canary_steps_pause_with_the_counts_of_the_table() {
    // Base, weights, wanted old and new at each pause.
    let table: &[(u32, &[u8], &[&str])] = &[
        (10, &[20, 40], &["9/2", "7/4"]),
        (10, &[80], &["3/8"]),
        (5, &[20, 40], &["5/1", "4/2"]),
        (
            10,
            &[1, 25, 50, 99, 100],
            &["10/1", "8/3", "6/5", "1/10", "0/10"],
        ),
        (3, &[1], &["3/1"]),
        (
            1,
            &[1, 20, 40, 80, 100],
            &["1/1", "1/1", "1/1", "1/1", "0/1"],
        ),
        (3, &[], &["3/1"]),
    ];
    for (instances, weights, wanted) in table {
        let mut world = World::running(*instances);
        world.deploy(2, canary(weights, 2));
        for (step, balance) in wanted.iter().enumerate() {
            assert_ne!(world.word(2), "deployed");
            world.settle();
            assert_eq!(
                world.word(2),
                "paused",
                "{instances} with {weights:?}, step {step}"
            );
            assert_eq!(
                world.balance(2),
                *balance,
                "{instances} with {weights:?}, step {step}"
            );
            world.go_on(2);
        }
        world.settle();
        assert_eq!(
            world.word(2),
            "deployed",
            "a last step of 100 needs its continue too"
        );
        assert_eq!(world.balance(2), format!("0/{instances}"));
    }
}

#[test]
fn canary_steps_of_other_sizes_count_from_the_smaller_one() {
    // A lower count of the target: old ones stay until they are replaced.
    let mut world = World::running(100);
    let mut command = deployment(2, canary(&[25, 100], 100));
    command.target_scale.insert("web".into(), 10);
    world.input(&Input::Deploy(command));
    world.settle();
    assert_eq!(world.balance(2), "97/3");
    world.go_on(2);
    world.settle();
    assert_eq!(world.balance(2), "90/10");
    world.go_on(2);
    world.settle();
    assert_eq!(world.balance(2), "0/10");

    // A higher one is reached only after the last continue.
    let mut world = World::running(10);
    let mut command = deployment(2, canary(&[25, 100], 100));
    command.target_scale.insert("web".into(), 100);
    world.input(&Input::Deploy(command));
    world.settle();
    assert_eq!(world.balance(2), "8/3");
    world.go_on(2);
    world.settle();
    assert_eq!(world.balance(2), "0/10");
    world.go_on(2);
    world.settle();
    assert_eq!(world.balance(2), "0/100");
}

#[test]
fn each_step_is_reached_max_in_flight_at_a_time() {
    let mut world = World::running(10);
    world.deploy(2, canary(&[80], 3));
    assert_eq!(world.balance(2), "10/3");
    world.up("v2", 3);
    assert_eq!(world.balance(2), "8/6");
    world.up("v2", 3);
    assert_eq!(world.balance(2), "5/8");
    world.up("v2", 3);
    assert_eq!(
        (world.word(2), world.balance(2).as_str()),
        ("paused", "3/8")
    );
}

#[test]
fn continue_is_refused_outside_a_pause() {
    let mut world = World::running(2);
    world.deploy(2, canary(&[50], 1));
    let go_on = Input::ContinueRelease(ReleaseId::from("r2"));
    assert!(matches!(
        world.refused(&go_on),
        Rejection::NotContinuable {
            state: ReleaseState::RollingOut { step: 0 }
        }
    ));
    world.settle();
    world.input(&go_on);
    assert!(matches!(
        world.refused(&go_on),
        Rejection::NotContinuable { .. }
    ));
    world.up("v2", 1);
    assert!(matches!(
        world.refused(&go_on),
        Rejection::NotContinuable {
            state: ReleaseState::Finalized {
                outcome: Outcome::Deployed
            }
        }
    ));
}

#[test]
fn a_paused_canary_that_crashes_gives_its_places_back() {
    let mut world = World::running(4);
    world.deploy(2, canary(&[50], 4));
    world.settle();
    assert_eq!(world.balance(2), "3/2");
    for _ in 0..7 {
        world.crash("v2");
    }
    assert_eq!(world.routable("v2"), 0);
    assert_eq!(world.word(2), "paused");
    world.up("v1", 4);
    assert_eq!(world.routable("v1"), 4);
}

#[test]
fn web_must_still_be_routable_when_the_last_worker_is_there() {
    use crate::configuration::{ComponentConfig, ComponentRole, Edit};
    let mut world = World::running(1);
    world.edit(vec![Edit::AddComponent(
        "worker".into(),
        ComponentConfig::new(ComponentRole::Worker),
    )]);
    world.scale("worker", 1);
    world.deploy(2, rolling(1));
    let web: Vec<_> = world
        .state
        .instances
        .values()
        .filter(|i| i.revision.0 == "v2")
        .cloned()
        .collect();
    world.up("v2", 1);
    world.drain();
    for _ in 0..4 {
        let web = &world.state.instances[&web[0].id];
        let seen = crate::input::Observation::InstanceExited {
            instance: web.id,
            run: web.run,
            exit: super::world::exited(1),
        };
        world.observe(seen);
    }
    world.settle();
    assert_eq!(
        world.word(2),
        "rolling_out",
        "the worker runs, web does not"
    );
    assert_eq!(world.routable("v1"), 1, "the base serves again");
    world.tick(30_000);
    world.settle();
    assert_eq!(world.word(2), "deployed");
}
