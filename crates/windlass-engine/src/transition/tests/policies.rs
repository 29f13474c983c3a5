//! The three concurrency policies.

use super::world::{World, canary, deployment, rolling};
use crate::app::ConcurrencyPolicy;
use crate::build::{BuildOutcome, BuildState};
use crate::id::RevisionId;
use crate::input::{IfStopped, Input};
use crate::rejection::Rejection;

const ONE: ConcurrencyPolicy = ConcurrencyPolicy::OneRunningNewestPending;
const PARALLEL: ConcurrencyPolicy = ConcurrencyPolicy::ParallelBuilds { slots: 2 };

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

#[test]
fn what_waits_for_its_build_lets_what_moves_go_on() {
    // Superseded already at its creation, the moving one would have left a gap for as long as the
    // build takes.
    for policy in [ConcurrencyPolicy::SupersedeNow, PARALLEL] {
        let mut world = World::running_with(policy, 4);
        world.deploy(2, rolling(1));
        world.up("v2", 1);
        world.drain();
        world.up("v2", 1);
        world.build("b3", true);
        deploy_with_build(&mut world, 3, "b3");
        assert_eq!((world.word(2), world.word(3)), ("rolling_out", "building"));
        assert_eq!((world.routable("v1"), world.routable("v2")), (2, 2));
        world.build_ended("b3", Some(BuildOutcome::Built));
        assert_eq!(
            (world.word(2), world.word(3)),
            ("superseded", "rolling_out")
        );
        assert_eq!((world.routable("v1"), world.routable("v2")), (2, 2));
        assert_eq!(world.release(3).base, Some(RevisionId::from("v1")));
        world.settle();
        assert_eq!((world.word(3), world.routable("v3")), ("deployed", 4));
    }
}

#[test]
fn what_is_deployed_meanwhile_is_the_base_of_what_waits() {
    for policy in [ConcurrencyPolicy::SupersedeNow, PARALLEL] {
        let mut world = World::running_with(policy, 2);
        world.deploy(2, rolling(2));
        world.build("b3", true);
        deploy_with_build(&mut world, 3, "b3");
        world.settle();
        assert_eq!((world.word(2), world.word(3)), ("deployed", "building"));
        world.cancel(3);
        world.settle();
        assert_eq!((world.word(3), world.routable("v2")), ("canceled", 2));
        assert_eq!(world.state.configuration.artifact, Some("a2".into()));
    }
}

#[test]
fn a_newer_one_that_waits_takes_the_place_of_an_older_one_that_waits() {
    let mut world = World::running(2);
    world.build("b2", true);
    world.build("b3", true);
    deploy_with_build(&mut world, 2, "b2");
    deploy_with_build(&mut world, 3, "b3");
    assert_eq!((world.word(2), world.word(3)), ("superseded", "building"));
    assert!(matches!(
        world.build_state("b2"),
        BuildState::Canceling { .. }
    ));
}

#[test]
fn an_older_build_that_finishes_late_never_wins() {
    // Once while the newer one moves, once after it was deployed.
    for settled in [false, true] {
        let mut world = World::running_with(PARALLEL, 2);
        for (number, build) in [(2, "b2"), (3, "b3")] {
            world.build(build, false);
            deploy_with_build(&mut world, number, build);
        }
        assert_eq!((world.word(2), world.word(3)), ("building", "building"));
        world.build_ended("b3", Some(BuildOutcome::Built));
        if settled {
            world.settle();
        }
        world.build_ended("b2", Some(BuildOutcome::Built));
        assert_eq!(world.word(2), "superseded");
        let built = BuildState::Finished {
            outcome: BuildOutcome::Built,
        };
        assert_eq!(world.builds["b2"].state, built, "its artifact is there");
        world.settle();
        assert_eq!((world.word(3), world.routable("v3")), ("deployed", 2));
        assert!(!world.runs("v2"));
        assert_eq!(world.state.configuration.artifact, Some("a3".into()));
    }
}

#[test]
fn builds_side_by_side_take_over_in_their_order() {
    let mut world = World::running_with(PARALLEL, 2);
    for (number, build) in [(2, "b2"), (3, "b3")] {
        world.build(build, false);
        deploy_with_build(&mut world, number, build);
    }
    assert_eq!(world.plan().builds.len(), 2, "both run");
    world.build_ended("b2", Some(BuildOutcome::Built));
    world.up("v2", 1);
    world.build_ended("b3", Some(BuildOutcome::Built));
    assert_eq!(
        (world.word(2), world.word(3)),
        ("superseded", "rolling_out")
    );
    assert_eq!(world.release(3).base, Some(RevisionId::from("v1")));
    world.cancel(3);
    world.settle();
    assert_eq!((world.word(3), world.routable("v1")), ("canceled", 2));
    assert_eq!(world.state.configuration.artifact, Some("a1".into()));
}

#[test]
fn only_builds_that_may_still_succeed_are_waited_for() {
    let mut world = World::running_with(ONE, 2);
    let waits = |build: &str| {
        let mut command = deployment(2, rolling(1));
        command.awaited_builds = vec![build.into()];
        Input::Deploy(command)
    };
    let refused = |world: &mut World, build: &str| {
        assert_eq!(
            world.refused(&waits(build)),
            Rejection::NotAwaitable(build.into())
        );
        assert_eq!(world.state.configuration.artifact, Some("a1".into()));
    };
    refused(&mut world, "never");
    world.build("b1", false);
    let failed = BuildOutcome::Failed {
        id: "x".to_owned(),
        text: "no".to_owned(),
    };
    world.build_ended("b1", Some(failed));
    refused(&mut world, "b1");
    world.build("b2", false);
    world.input(&Input::CancelBuild {
        build: "b2".into(),
        by: "anna".to_owned(),
    });
    refused(&mut world, "b2");
    world.build("b3", false);
    world.build_ended("b3", Some(BuildOutcome::Built));
    world.input(&waits("b3"));
    assert_eq!(world.word(2), "rolling_out", "its artifact is there");
}

#[test]
fn a_scale_while_it_waits_is_the_goal_of_a_release() {
    // Found by seed 20956: with its old goal of 0 it was deployed at once, and nothing served.
    let mut world = World::running_with(ONE, 0);
    world.build("b2", true);
    deploy_with_build(&mut world, 2, "b2");
    world.scale("web", 3);
    world.settle();
    assert_eq!(world.routable("v1"), 3);
    world.build_ended("b2", Some(BuildOutcome::Built));
    assert_eq!((world.word(2), world.routable("v1")), ("rolling_out", 3));
    world.settle();
    assert_eq!((world.word(2), world.routable("v2")), ("deployed", 3));
}

#[test]
fn an_app_that_is_started_while_a_release_waits_is_the_base_of_the_next() {
    // Found by seed 5248: the next release took the app for a stopped one, and nothing served.
    let mut world = World::running(2);
    world.input(&Input::Stop);
    world.settle();
    world.build("b2", true);
    deploy_with_build(&mut world, 2, "b2");
    world.start("v9");
    world.settle();
    assert_eq!((world.word(2), world.routable("v1")), ("building", 2));
    world.deploy(3, rolling(1));
    assert_eq!((world.word(2), world.routable("v1")), ("superseded", 2));
    world.cancel(3);
    world.settle();
    assert_eq!((world.word(3), world.routable("v1")), ("canceled", 2));
    assert_eq!(world.state.configuration.artifact, Some("a1".into()));
}

#[test]
fn without_a_base_what_was_before_the_first_that_waits_is_put_back() {
    let mut world = World::stopped(ONE, 1);
    for (number, build) in [(2, "b2"), (3, "b3")] {
        world.build(build, true);
        deploy_with_build(&mut world, number, build);
    }
    world.cancel(2);
    world.cancel(3);
    world.settle();
    assert_eq!((world.word(2), world.word(3)), ("canceled", "canceled"));
    assert_eq!(world.state.configuration.artifact, Some("a1".into()));
}
