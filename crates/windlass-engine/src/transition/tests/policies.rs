//! The three concurrency policies.

use super::world::{World, canary, deployment, rolling};
use crate::app::ConcurrencyPolicy;
use crate::build::{BuildOutcome, BuildState};
use crate::id::RevisionId;
use crate::input::{IfStopped, Input};

const ONE: ConcurrencyPolicy = ConcurrencyPolicy::OneRunningNewestPending;

/// Policy, states of three releases created one after the other, at once and at the end.
#[test]
fn three_releases_in_a_row() {
    let table = [
        (
            ConcurrencyPolicy::SupersedeNow,
            ["superseded", "superseded", "rolling_out"],
            ["superseded", "superseded", "deployed"],
        ),
        (
            ONE,
            ["rolling_out", "superseded", "pending"],
            ["deployed", "superseded", "deployed"],
        ),
        (
            ConcurrencyPolicy::ParallelBuilds { slots: 1 },
            ["superseded", "superseded", "rolling_out"],
            ["superseded", "superseded", "deployed"],
        ),
    ];
    for (policy, at_once, at_the_end) in table {
        let mut world = World::running_with(policy, 2);
        for number in 2..5 {
            world.deploy(number, rolling(1));
        }
        assert_eq!([2, 3, 4].map(|n| world.word(n)), at_once, "{policy:?}");
        world.settle();
        assert_eq!([2, 3, 4].map(|n| world.word(n)), at_the_end, "{policy:?}");
        assert_eq!(world.routable("v4"), 2);
    }
}

#[test]
fn a_pending_release_begins_from_what_was_deployed() {
    let mut world = World::running_with(ONE, 2);
    world.deploy(2, rolling(1));
    world.deploy(3, rolling(1));
    world.up("v2", 1);
    world.drain();
    world.up("v2", 1);
    assert_eq!((world.word(2), world.word(3)), ("deployed", "rolling_out"));
    assert_eq!(world.release(3).base, Some(RevisionId::from("v2")));
    world.cancel(3);
    world.settle();
    assert_eq!(world.routable("v2"), 2);
    assert_eq!(world.state.configuration.artifact, Some("a2".into()));
}

#[test]
fn a_pending_release_begins_at_once_beside_a_canceled_one() {
    let mut world = World::running_with(ONE, 3);
    world.deploy(2, canary(&[50], 3));
    world.settle();
    world.deploy(3, rolling(3));
    world.cancel(2);
    assert_eq!((world.word(2), world.word(3)), ("restoring", "rolling_out"));
    assert_eq!(world.release(3).base, Some(RevisionId::from("v1")));
    assert_eq!(
        world.state.configuration.artifact,
        Some("a3".into()),
        "what is seen is what the newest open one will run"
    );
    world.settle();
    assert_eq!((world.word(2), world.word(3)), ("canceled", "deployed"));
    assert_eq!(world.routable("v3"), 3);
}

#[test]
fn a_canceled_pending_one_moved_nothing() {
    let mut world = World::running_with(ONE, 2);
    world.deploy(2, canary(&[50], 2));
    world.settle();
    world.deploy(3, rolling(1));
    let shares = (world.share("v1"), world.share("v2"));
    world.cancel(3);
    assert_eq!((world.word(2), world.word(3)), ("paused", "canceled"));
    assert_eq!((world.share("v1"), world.share("v2")), shares);
    assert_eq!(world.state.configuration.artifact, Some("a2".into()));
    world.go_on(2);
    world.settle();
    assert_eq!(world.word(2), "deployed");
}

#[test]
fn a_canceled_train_of_pending_ones_restores_the_base() {
    let mut world = World::running_with(ONE, 2);
    world.deploy(2, rolling(1));
    world.deploy(3, rolling(1));
    world.cancel(2);
    world.cancel(3);
    world.settle();
    assert_eq!((world.word(2), world.word(3)), ("canceled", "canceled"));
    assert_eq!(world.state.configuration.artifact, Some("a1".into()));
    assert_eq!((world.share("v1"), world.routable("v1")), (10_000, 2));
}

fn deploy_with_build(world: &mut World, number: u32, build: &str) {
    let mut command = deployment(number, rolling(1));
    command.if_stopped = IfStopped::Release;
    command.awaited_builds = vec![build.into()];
    world.input(&Input::Deploy(command));
}

#[test]
fn a_release_waits_for_its_build_and_a_pending_one_learns_of_its_failure() {
    let mut world = World::running_with(ONE, 2);
    world.build("b2", true);
    deploy_with_build(&mut world, 2, "b2");
    assert_eq!(world.word(2), "building");
    world.build("b3", true);
    deploy_with_build(&mut world, 3, "b3");
    assert_eq!(world.word(3), "pending");
    let failed = BuildOutcome::Failed {
        id: "x".to_owned(),
        text: "no".to_owned(),
    };
    world.build_ended("b3", Some(failed));
    assert_eq!(world.word(3), "failed");
    world.build_ended("b2", Some(BuildOutcome::Built));
    assert_eq!(world.word(2), "rolling_out");
    world.settle();
    assert_eq!(world.word(2), "deployed");
    assert_eq!(world.routable("v2"), 2);
}

#[test]
fn a_build_that_fails_its_release_restores_the_configuration() {
    let mut world = World::running_with(ONE, 2);
    world.build("b2", true);
    deploy_with_build(&mut world, 2, "b2");
    let failed = BuildOutcome::Failed {
        id: "x".to_owned(),
        text: "no".to_owned(),
    };
    world.build_ended("b2", Some(failed));
    assert_eq!(world.word(2), "failed");
    assert_eq!((world.share("v1"), world.routable("v1")), (10_000, 2));
    assert_eq!(world.state.configuration.artifact, Some("a1".into()));
}

#[test]
fn a_release_canceled_while_it_builds_ends_its_build() {
    let mut world = World::running_with(ONE, 2);
    world.build("b2", true);
    deploy_with_build(&mut world, 2, "b2");
    world.cancel(2);
    assert_eq!(world.word(2), "restoring", "its build still runs");
    assert!(matches!(
        world.build_state("b2"),
        BuildState::Canceling { .. }
    ));
    world.settle();
    assert_eq!(world.word(2), "canceled");
    assert!(world.state.is_settled());
}

#[test]
fn a_building_release_does_not_take_capacity_from_a_canceled_one() {
    let mut world = World::running_with(ONE, 4);
    world.deploy(2, canary(&[50], 4));
    world.settle();
    world.build("b3", true);
    world.cancel(2);
    deploy_with_build(&mut world, 3, "b3");
    assert_eq!((world.word(2), world.word(3)), ("restoring", "building"));
    assert_eq!(world.routable("v2"), 2, "nothing else carries its part yet");
    world.settle();
    assert_eq!((world.word(2), world.routable("v1")), ("canceled", 4));
    world.build_ended("b3", Some(BuildOutcome::Built));
    world.settle();
    assert_eq!((world.word(3), world.routable("v3")), ("deployed", 4));
}

#[test]
fn restart_while_a_release_builds_does_not_run_what_is_not_built() {
    let mut world = World::running_with(ONE, 2);
    world.build("b2", true);
    deploy_with_build(&mut world, 2, "b2");
    world.restart("v9");
    world.settle();
    assert_eq!(world.state.base, Some(RevisionId::from("v1")));
    assert_eq!(world.routable("v1"), 2);
}
