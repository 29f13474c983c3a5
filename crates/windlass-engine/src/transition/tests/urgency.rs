//! How hard and how fast a cancel is: urgency, drain, time to safe.

use super::cancel::{half, ruin};
use super::world::{World, cancel_of, rolling};
use crate::id::PlanGeneration;
use crate::input::{Input, Observation};
use crate::instance::InstancePhase;
use crate::release::Urgency;

#[test]
fn now_is_zero_as_soon_as_anything_else_is_routable() {
    let mut world = half(false);
    world.input(&cancel_of(2, Urgency::Now));
    assert_eq!((world.share("v1"), world.share("v2")), (10_000, 0));
    world.settle();
    assert_eq!(world.word(2), "canceled");

    let mut world = half(false);
    ruin(&mut world, "v1");
    world.input(&cancel_of(2, Urgency::Now));
    assert_eq!(world.share("v2"), 10_000, "nothing else is there");
    world.tick(30_000);
    world.up("v1", 1);
    assert_eq!((world.share("v1"), world.share("v2")), (10_000, 0));
}

#[test]
fn accept_outage_is_zero_at_once_and_ends_the_cancel() {
    let mut world = half(false);
    ruin(&mut world, "v1");
    world.input(&cancel_of(2, Urgency::AcceptOutage));
    assert_eq!((world.share("v1"), world.share("v2")), (0, 0));
    world.drain();
    world.drain();
    assert_eq!(world.word(2), "canceled");
    assert!(!world.runs("v2"));
}

#[test]
fn a_repeated_cancel_changes_nothing_and_a_harder_one_hardens() {
    let mut world = half(false);
    world.cancel(2);
    assert!(!world.input(&cancel_of(2, Urgency::CapacitySafe)));
    assert!(world.input(&cancel_of(2, Urgency::Now)));
    assert!(
        !world.input(&cancel_of(2, Urgency::CapacitySafe)),
        "it does not soften"
    );
    assert_eq!(world.share("v2"), 0);
}

#[test]
fn in_flight_requests_finish() {
    let mut world = half(true);
    world.cancel(2);
    let draining = |world: &World| {
        let all = world.state.instances.values();
        all.filter(|i| matches!(i.phase, InstancePhase::Draining { .. }))
            .count()
    };
    assert_eq!(draining(&world), 2, "out of the table, not ended");
    let stale = Observation::InstanceEmpty {
        instance: world
            .state
            .instances
            .values()
            .find(|i| i.is_ending())
            .unwrap()
            .id,
        generation: PlanGeneration(world.state.plan_generation.0 - 1),
    };
    assert!(
        !world.observe(stale),
        "empty in an older table says nothing"
    );
    world.acknowledge();
    assert_eq!(draining(&world), 2);
    world.tick(world.state.settings.drain_limit_ms);
    assert_eq!(draining(&world), 0, "the limit has passed");
    world.settle();
    assert_eq!(world.word(2), "canceled");
}

#[test]
fn time_to_safe_is_that_of_the_first_acknowledged_table_without_it() {
    let mut world = half(true);
    let old = world.state.plan_generation;
    world.cancel(2);
    assert!(!world.observe(Observation::RouterAcknowledged { generation: old }));
    world.uptime += 7;
    world.observe(Observation::SafeMeasured {
        release: "r2".into(),
        micros: 6_543,
    });
    world.acknowledge();
    let restore = world.release(2).restore.clone().unwrap();
    assert!(restore.safe);
    assert_eq!(
        restore.time_to_safe_us,
        Some(6_543),
        "what was measured counts"
    );
    world.observe(Observation::SafeMeasured {
        release: "r2".into(),
        micros: 1,
    });
    assert_eq!(
        world.release(2).restore.as_ref().unwrap().time_to_safe_us,
        Some(6_543)
    );
}

#[test]
fn what_never_had_traffic_is_safe_at_once() {
    let mut world = World::running(2);
    world.deploy(2, rolling(1));
    world.cancel(2);
    let restore = world.release(2).restore.clone().unwrap();
    assert!(restore.safe);
    assert_eq!(restore.time_to_safe_us, Some(0));
}

#[test]
fn a_long_reason_is_shortened_not_refused() {
    let mut world = half(true);
    let Input::CancelRelease(mut command) = cancel_of(2, Urgency::CapacitySafe) else {
        unreachable!()
    };
    command.reason = Some("ä".repeat(400));
    world.input(&Input::CancelRelease(command));
    let reason = world
        .release(2)
        .restore
        .as_ref()
        .unwrap()
        .reason
        .clone()
        .unwrap();
    assert_eq!(reason.len(), crate::limits::REASON_BYTES_MAX);
}
