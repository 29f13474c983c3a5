//! Cancel: traffic, instances, outcomes, urgency.

use super::world::{World, canary, cancel_of, deployment, rolling};
use crate::app::{ConcurrencyPolicy, RunState};
use crate::input::{IfStopped, Input, Observation};
use crate::instance::InstancePhase;
use crate::rejection::Rejection;
use crate::release::{CancelCause, Outcome, ReleaseState, Urgency};
use crate::strategy::Strategy;

/// A paused canary of 50 % of 4 instances with the base kept warm or not.
pub(super) fn half(warm: bool) -> World {
    let mut world = World::running(4);
    world.state.settings.keep_base_warm = warm;
    world.deploy(2, canary(&[50], 4));
    world.settle();
    assert_eq!(world.word(2), "paused");
    world
}

/// Takes all instances of a version down for good.
pub(super) fn ruin(world: &mut World, revision: &str) {
    while world.routable(revision) > 0 {
        world.crash(revision);
    }
    loop {
        let starting = world
            .state
            .instances
            .values()
            .any(|i| i.revision.as_str() == revision && i.phase == InstancePhase::Starting);
        if !starting {
            return;
        }
        world.crash(revision);
    }
}

#[test]
fn enough_of_the_base_is_one_table_change() {
    let mut world = half(true);
    let generation = world.state.plan_generation.0;
    world.cancel(2);
    assert_eq!(world.state.plan_generation.0, generation + 1);
    assert_eq!((world.share("v1"), world.share("v2")), (10_000, 0));
    assert_eq!(world.word(2), "restoring");
    assert_eq!(world.wanted("v2"), 0);
    world.settle();
    assert_eq!(world.word(2), "canceled");
    assert!(!world.runs("v2"));
    assert_eq!(world.balance(2), "4/0");
}

#[test]
fn a_base_that_is_too_small_takes_over_as_it_grows() {
    // N = 4, the base has r = 3; the target had half.
    let mut world = half(false);
    assert_eq!(world.balance(2), "3/2");
    world.cancel(2);
    assert_eq!(world.share("v2"), 1_250, "5,000 × (1 − 3/4)");
    assert_eq!(world.routable("v2"), 2, "its instances stay until r = N");
    assert_eq!(world.wanted("v1"), 4);
    world.acknowledge();
    assert!(!world.release(2).restore.as_ref().unwrap().safe);
    world.up("v1", 1);
    assert_eq!((world.share("v2"), world.wanted("v2")), (0, 0));
    world.acknowledge();
    let restore = world.release(2).restore.as_ref().unwrap();
    assert!(restore.safe && restore.time_to_safe_us.is_some());
    world.settle();
    assert_eq!(world.word(2), "canceled");
}

#[test]
fn the_share_is_never_raised_again() {
    let mut world = World::running(4);
    world.deploy(2, canary(&[80], 4));
    world.settle();
    // Base 2 of 4.
    world.cancel(2);
    assert_eq!(world.share("v2"), 4_000);
    world.up("v1", 1);
    assert_eq!(world.share("v2"), 2_000);
    world.crash("v1");
    assert_eq!(world.share("v2"), 2_000, "r fell, the share does not rise");
    world.settle();
    assert_eq!((world.share("v2"), world.word(2)), (0, "canceled"));
}

#[test]
fn with_nothing_else_routable_the_target_serves_everything() {
    let mut world = World::running(2);
    world.deploy(2, canary(&[50], 2));
    world.settle();
    ruin(&mut world, "v1");
    world.cancel(2);
    assert_eq!(world.share("v2"), 10_000);
    world.acknowledge();
    assert_eq!(world.word(2), "restoring");
    assert!(!world.release(2).restore.as_ref().unwrap().safe);
    world.tick(30_000);
    world.up("v1", 1);
    assert!(world.share("v2") <= 5_000, "back to no more than it had");
    world.settle();
    assert_eq!(world.word(2), "canceled");
    assert_eq!(world.routable("v1"), 2);
}

#[test]
fn an_acknowledged_zero_stays_zero() {
    let mut world = half(true);
    world.cancel(2);
    world.acknowledge();
    ruin(&mut world, "v1");
    assert_eq!(world.share("v2"), 0, "once safe, always safe");
    assert_eq!(world.wanted("v2"), 0);
}

#[test]
fn a_target_without_a_routable_instance_has_zero_at_once() {
    let mut world = World::running(2);
    world.deploy(2, canary(&[50], 2));
    world.settle();
    world.ready("v2", false);
    world.cancel(2);
    assert_eq!(world.share("v2"), 0);
    assert_eq!(world.wanted("v2"), 0, "and nothing to keep it for");
}

#[test]
fn after_the_outcome_it_is_refused_with_the_outcome_that_won() {
    let mut world = half(true);
    world.cancel(2);
    world.settle();
    let refused = world.refused(&cancel_of(2, Urgency::CapacitySafe));
    let canceled = Outcome::Canceled(CancelCause::User);
    assert!(matches!(
        refused,
        Rejection::NotCancelable { state: ReleaseState::Finalized { outcome } } if outcome == canceled
    ));
    // Later the engine has forgotten it, the records have not.
    world.scale("web", 4);
    world.tick(1);
    assert!(matches!(
        world.refused(&cancel_of(2, Urgency::CapacitySafe)),
        Rejection::UnknownRelease(_)
    ));
}

#[test]
fn cancel_against_finish_has_one_winner() {
    // The original answers 200 and then writes DEPLOYED over it.
    let mut world = World::running(1);
    world.deploy(2, rolling(1));
    world.up("v2", 1);
    assert_eq!(world.word(2), "deployed");
    assert!(matches!(
        world.refused(&cancel_of(2, Urgency::CapacitySafe)),
        Rejection::NotCancelable {
            state: ReleaseState::Finalized {
                outcome: Outcome::Deployed
            }
        }
    ));

    let mut world = World::running(1);
    world.deploy(2, rolling(1));
    let late: Vec<_> = world
        .state
        .instances
        .values()
        .filter(|i| i.revision.0 == "v2")
        .map(|i| (i.id, i.run))
        .collect();
    world.cancel(2);
    for (instance, run) in late {
        world.observe(Observation::InstanceRunning {
            instance,
            run,
            routable: true,
        });
    }
    world.settle();
    assert_eq!(world.word(2), "canceled");
    assert_eq!((world.share("v1"), world.runs("v2")), (10_000, false));
}

#[test]
fn cancel_against_pause_is_not_lost() {
    let mut world = World::running(2);
    world.deploy(2, canary(&[50], 1));
    world.cancel(2);
    world.up("v2", 1);
    world.settle();
    assert_eq!(world.word(2), "canceled");
}

#[test]
fn continue_after_cancel_is_refused_and_cancel_after_continue_wins() {
    let mut world = half(false);
    world.go_on(2);
    world.cancel(2);
    let go_on = Input::ContinueRelease("r2".into());
    assert!(matches!(
        world.refused(&go_on),
        Rejection::NotContinuable {
            state: ReleaseState::Restoring { .. }
        }
    ));
    world.settle();
    assert_eq!(world.word(2), "canceled");
}

#[test]
fn without_a_base_everything_of_it_stops() {
    let mut world = World::stopped(ConcurrencyPolicy::OneRunningNewestPending, 2);
    let mut command = deployment(2, rolling(1));
    command.if_stopped = IfStopped::Release;
    world.input(&Input::Deploy(command));
    assert_eq!(world.state.run, RunState::Started);
    world.up("v2", 1);
    assert_eq!(world.share("v2"), 10_000);
    world.cancel(2);
    assert_eq!(world.share("v2"), 0);
    world.settle();
    assert_eq!(world.word(2), "canceled");
    assert!(world.state.instances.is_empty());
    assert_eq!(
        world.state.run,
        RunState::Stopped,
        "the app is as it was before"
    );
    assert_eq!(world.state.configuration.artifact, Some("a1".into()));
}

#[test]
fn a_train_without_a_base_stops_whole() {
    let mut world = World::stopped(ConcurrencyPolicy::SupersedeNow, 2);
    for number in [2, 3] {
        let mut command = deployment(number, rolling(1));
        command.if_stopped = IfStopped::Release;
        world.input(&Input::Deploy(command));
        let revision = format!("v{number}");
        world.up(&revision, 1);
    }
    assert_eq!(world.word(2), "superseded");
    assert!(world.routable("v2") > 0, "it serves until it is replaced");
    world.cancel(3);
    world.settle();
    assert!(world.state.instances.is_empty());
    assert_eq!(world.state.run, RunState::Stopped);
    assert_eq!(world.state.configuration.artifact, Some("a1".into()));
}

#[test]
fn a_stopped_app_with_a_base_is_stopped_again() {
    let mut world = World::running(2);
    world.input(&Input::Stop);
    world.settle();
    let mut command = deployment(2, rolling(1));
    command.if_stopped = IfStopped::Release;
    world.input(&Input::Deploy(command));
    world.up("v2", 1);
    assert_eq!(world.wanted("v1"), 0, "the base did not run before");
    world.cancel(2);
    world.settle();
    assert_eq!(
        (world.word(2), world.state.run),
        ("canceled", RunState::Stopped)
    );
    assert!(world.state.instances.is_empty());
}

#[test]
fn a_base_that_was_not_healthy_is_not_waited_for() {
    let mut world = World::running(2);
    ruin(&mut world, "v1");
    world.deploy(2, rolling(1));
    world.cancel(2);
    let restore = world.release(2).restore.clone().unwrap();
    assert_eq!(restore.note.as_deref(), Some("base: was not healthy"));
    world.drain();
    world.drain();
    assert_eq!(world.word(2), "canceled");
}

#[test]
fn a_base_that_does_not_come_up_is_waited_for() {
    let mut world = half(false);
    world.cancel(2);
    for _ in 0..10 {
        ruin(&mut world, "v1");
        world.drain();
        assert_eq!(
            world.word(2),
            "restoring",
            "never by a timer that causes an outage"
        );
        assert_eq!(world.share("v2"), 10_000);
        world.tick(16 * 60_000);
    }
    let error = world.release(2).error.clone().unwrap_or_default();
    assert!(error.contains("crashed"), "the reason is told: {error}");
    world.settle();
    assert_eq!(world.word(2), "canceled");
}

#[test]
fn capacity_with_a_share_never_falls_below_what_the_base_needs() {
    for (instances, weight, up) in [(4, 50, 0), (4, 75, 1), (3, 100, 0), (5, 99, 2), (2, 50, 0)] {
        let mut world = World::running(instances);
        world.deploy(2, canary(&[weight], 9));
        world.settle();
        world.up("v1", up);
        let capacity = |world: &World| -> u32 {
            let routes = world.plan().routes;
            let versions = routes.values().flatten();
            versions
                .map(|v| u32::try_from(v.instances.len()).unwrap())
                .sum()
        };
        assert!(capacity(&world) >= instances);
        world.cancel(2);
        loop {
            assert!(capacity(&world) >= instances, "{instances} at {weight} %");
            if world.up("v1", 1) == 0 {
                break;
            }
        }
        world.settle();
        assert_eq!(world.word(2), "canceled");
        assert_eq!(capacity(&world), instances);
    }
}

#[test]
fn a_canceled_rolling_comes_back_from_its_last_moment() {
    let mut world = World::running(3);
    world.deploy(2, rolling(1));
    for _ in 0..2 {
        world.up("v2", 1);
        world.drain();
    }
    assert_eq!(world.balance(2), "1/3");
    world.cancel(2);
    assert_eq!(world.wanted("v1"), 3, "all that is needed starts at once");
    world.settle();
    assert_eq!(
        (world.word(2), world.balance(2).as_str()),
        ("canceled", "3/0")
    );
}

#[test]
fn a_recreate_canceled_in_its_gap_brings_the_base_back() {
    let mut world = World::running(2);
    world.deploy(2, Strategy::Recreate);
    world.drain();
    world.up("v2", 1);
    world.cancel(2);
    assert_eq!(world.share("v2"), 10_000, "nothing else is routable");
    world.settle();
    assert_eq!(
        (world.word(2), world.balance(2).as_str()),
        ("canceled", "2/0")
    );
}

#[test]
fn the_step_that_was_reached_is_kept_for_ever() {
    for continues in 0..3 {
        let mut world = World::running(4);
        world.deploy(2, canary(&[25, 25, 50], 4));
        world.settle();
        for _ in 0..continues {
            world.go_on(2);
            world.settle();
        }
        world.cancel(2);
        assert_eq!(world.release(2).last_step, continues);
        world.settle();
        assert_eq!(
            (world.word(2), world.release(2).last_step),
            ("canceled", continues)
        );
    }
}

#[test]
fn a_cancel_between_two_passes_of_scaling_wins() {
    // In the original the pass judged what it had polled before the cancel.
    let mut world = World::running(3);
    world.deploy(2, rolling(1));
    world.up("v2", 1);
    world.cancel(2);
    let late: Vec<_> = world.state.instances.values().cloned().collect();
    for instance in late {
        world.observe(Observation::InstanceRunning {
            instance: instance.id,
            run: instance.run,
            routable: true,
        });
    }
    assert_eq!((world.word(2), world.wanted("v2")), ("restoring", 0));
    world.settle();
    assert_eq!((world.word(2), world.routable("v1")), ("canceled", 3));
}
