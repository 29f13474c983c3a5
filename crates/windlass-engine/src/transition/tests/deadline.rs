//! The progress deadline.

use super::world::{World, canary, rolling};
use crate::configuration::{Edit, HealthCheck, HealthKind};
use crate::limits::DEADLINE_MS;
use crate::release::{FailureReason, Outcome};

const FAILED: Outcome = Outcome::Failed(FailureReason::Deadline);

#[test]
fn no_progress_for_the_deadline_fails_and_restores() {
    let mut world = World::running(3);
    world.deploy(2, rolling(1));
    world.tick(DEADLINE_MS - 1);
    assert_eq!(world.word(2), "rolling_out");
    assert!(
        world
            .plan()
            .wake_at
            .is_some_and(|at| at > world.now().uptime)
    );
    world.tick(1);
    assert_eq!(world.outcome(2), Some(&FAILED));
    let restore = world.release(2).restore.clone().unwrap();
    assert_eq!(restore.by, "engine");
    assert_eq!(world.state.configuration.artifact, Some("a1".into()));
    world.settle();
    assert_eq!(
        (world.word(2), world.balance(2).as_str()),
        ("failed", "3/0")
    );
}

#[test]
fn one_more_instance_is_progress_and_the_same_ones_again_are_not() {
    let mut world = World::running(3);
    world.deploy(2, rolling(1));
    world.tick(DEADLINE_MS - 1);
    world.up("v2", 1);
    world.tick(DEADLINE_MS - 1);
    assert_eq!(world.word(2), "rolling_out");
    // Crash and return: as many as before, so no progress.
    world.crash("v2");
    world.up("v2", 1);
    world.tick(1);
    assert_eq!(world.outcome(2), Some(&FAILED));
}

#[test]
fn a_flapping_version_ends_in_time() {
    let mut world = World::running(2);
    world.deploy(2, rolling(1));
    for _ in 0..100 {
        if world.word(2) != "rolling_out" {
            break;
        }
        world.break_one("v2");
        world.tick(60_000);
    }
    world.settle();
    assert_eq!(world.word(2), "failed");
}

#[test]
fn it_stands_still_while_paused_and_starts_anew_with_a_step() {
    let mut world = World::running(3);
    world.deploy(2, canary(&[34, 67], 1));
    world.settle();
    world.tick(10 * DEADLINE_MS);
    assert_eq!(world.word(2), "paused");
    world.go_on(2);
    world.tick(DEADLINE_MS - 1);
    assert_eq!(world.word(2), "rolling_out");
    world.tick(1);
    assert_eq!(world.outcome(2), Some(&FAILED));
}

#[test]
fn it_stands_still_while_stopped() {
    let mut world = World::running(2);
    world.deploy(2, rolling(1));
    world.tick(DEADLINE_MS - 1_000);
    world.input(&crate::input::Input::Stop);
    world.settle();
    world.tick(DEADLINE_MS);
    assert_eq!(world.word(2), "rolling_out");
    world.start("v9");
    world.tick(999);
    assert_eq!(world.word(2), "rolling_out");
    world.tick(1);
    assert_eq!(world.outcome(2), Some(&FAILED));
}

#[test]
fn there_is_none_while_restoring() {
    let mut world = World::running(2);
    world.deploy(2, canary(&[100], 2));
    world.settle();
    world.cancel(2);
    world.tick(10 * DEADLINE_MS);
    assert_eq!((world.word(2), world.share("v2")), ("restoring", 10_000));
    world.settle();
    assert_eq!(world.word(2), "canceled");
}

#[test]
fn it_can_be_off() {
    let mut world = World::running(2);
    world.state.settings.deadline_ms = None;
    world.deploy(2, rolling(1));
    world.tick(100 * DEADLINE_MS);
    assert_eq!(world.word(2), "rolling_out");
}

#[test]
fn it_is_at_least_the_health_checks_own() {
    let table = [(None, 60_000), (Some(5), 10_000), (Some(180), 180_000)];
    for (timeout, wanted) in table {
        let mut world = World::running(1);
        world.state.settings.deadline_ms = Some(10_000);
        let mut check = HealthCheck::new(HealthKind::Port);
        check.start_timeout_secs = timeout;
        world.edit(vec![Edit::Health("web".into(), check)]);
        world.deploy(2, rolling(1));
        world.tick(wanted - 1);
        assert_eq!(world.word(2), "rolling_out", "{timeout:?}");
        world.tick(1);
        assert_eq!(world.outcome(2), Some(&FAILED), "{timeout:?}");
    }
}
