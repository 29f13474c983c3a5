//! Instances on demand: started by a request, ended when idle.

use super::world::{World, exited};
use crate::input::{Input, Observation};
use crate::instance::InstancePhase;
use crate::limits::{CRASH_BACKOFF_MS, IDLE_LIMIT_MS, REFUSAL_PERIOD_MS};
use crate::time::Uptime;

/// Versions 1 and 2 are there, the app runs 1.
fn world() -> World {
    let mut world = World::publishing(2);
    for number in [1, 2] {
        world.version(number, None);
        world.built(number);
    }
    world
}

fn idle(world: &mut World, since: u64) -> bool {
    let instance = *world.state.instances.keys().next().unwrap();
    world.observe(Observation::Idle {
        instance,
        since: Uptime(since),
    })
}

fn routable(world: &World, version: &str) -> usize {
    let key = (version.into(), "site".into());
    world.plan().published[&key].len()
}

#[test]
fn a_request_starts_one_instance_of_its_version() {
    let mut world = world();
    assert!(world.demand("v2"));
    assert!(!world.demand("v2"), "one is on its way");
    assert_eq!(routable(&world, "v2"), 0);
    world.settle();
    assert_eq!((routable(&world, "v2"), routable(&world, "v1")), (1, 0));
    assert!(!world.demand("v2"), "one is there");
    assert_eq!(world.wanted_of("v2", "site"), 1);
    world.tick(1);
    assert!(world.runs("v2"));
}

#[test]
fn what_is_not_there_is_not_started() {
    let mut world = world();
    assert!(!world.demand("v7"));
    let nothing = Observation::Demanded {
        revision: "v1".into(),
        component: "other".into(),
    };
    assert!(!world.observe(nothing));
    world.input(&Input::Stop);
    assert!(!world.demand("v1"));
}

#[test]
fn an_idle_instance_is_drained_and_ended() {
    let mut world = world();
    world.demand("v1");
    world.settle();
    let up = world.uptime;
    world.uptime += IDLE_LIMIT_MS - 1;
    assert!(!idle(&mut world, up - 500), "it counts from when it was up");
    world.uptime += 1;
    assert!(!idle(&mut world, up + 1), "it had a request since");
    assert!(idle(&mut world, up));
    assert_eq!(routable(&world, "v1"), 0);
    assert!(world.runs("v1"), "it finishes what began meanwhile");
    // The next request has one of its own.
    assert!(world.demand("v1"));
    world.settle();
    assert_eq!(
        (routable(&world, "v1"), world.state.instances.len()),
        (1, 1)
    );
}

#[test]
fn a_crash_is_answered_as_usual_but_not_for_ever() {
    let mut world = world();
    world.demand("v1");
    world.settle();
    for _ in 0..3 {
        world.crash("v1");
        assert_eq!(world.wanted_of("v1", "site"), 1, "started again at once");
    }
    world.crash("v1");
    let crashed = |world: &World| {
        let mut instances = world.state.instances.values();
        instances.any(|it| matches!(it.phase, InstancePhase::Crashed { .. }))
    };
    assert!(crashed(&world));
    assert!(!world.demand("v1"), "the wait counts for requests too");
    world.tick(CRASH_BACKOFF_MS);
    assert!(world.state.instances.is_empty(), "nobody waits for it");
    assert!(world.demand("v1"));
    world.settle();
    assert_eq!(routable(&world, "v1"), 1);
}

#[test]
fn a_version_that_is_taken_away_ends_its_instance() {
    let mut world = world();
    world.demand("v1");
    world.settle();
    world.input(&Input::Withdraw {
        revision: "v1".into(),
        by: "anna".to_owned(),
        client: None,
    });
    assert!(!world.demand("v1"));
    world.settle();
    assert!(world.state.instances.is_empty());
}

#[test]
fn the_quota_holds_for_what_is_on_demand() {
    let mut world = world();
    world.ledgers.instances_left = Some(0);
    let told = |world: &World| {
        let told = world.told.iter();
        told.filter(|kind| **kind == "not_started").count()
    };
    let start = told(&world);
    assert!(world.demand("v1"), "it is said once");
    for _ in 0..100 {
        assert!(!world.demand("v1"), "no commit for each request");
    }
    world.uptime += REFUSAL_PERIOD_MS - 1;
    assert!(!world.demand("v1"));
    world.uptime += 1;
    assert!(world.demand("v1"), "and again after a while");
    assert_eq!(told(&world) - start, 2);
    assert!(world.state.instances.is_empty());
    world.ledgers.instances_left = Some(1);
    assert!(world.demand("v1"));
    let published = world.state.published.values();
    assert!(published.into_iter().all(|it| it.refused_at.is_none()));
    assert_eq!(crate::transition::usage(&world.state).instances, 1);
}

#[test]
fn a_late_word_of_an_ended_run_changes_nothing() {
    let mut world = world();
    world.demand("v1");
    let instance = *world.state.instances.keys().next().unwrap();
    world.crash("v1");
    let late = Observation::InstanceExited {
        instance,
        run: 1,
        exit: exited(1),
    };
    assert!(!world.observe(late));
    assert!(!idle(&mut world, 0), "it does not run yet");
}
