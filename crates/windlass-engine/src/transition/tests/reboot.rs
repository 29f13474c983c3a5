//! Reboot: everything of before is absent, clocks begin anew.

use super::world::{World, canary, exited, rolling};
use crate::app::ConcurrencyPolicy;
use crate::build::{BuildOutcome, BuildState};
use crate::input::Observation;
use crate::limits::DEADLINE_MS;
use crate::task::{TASK_CANCELED, TASK_UNKNOWN, TaskState};

fn reboot(world: &mut World) {
    world.uptime = 10;
    world.observe(Observation::Rebooted);
}

#[test]
fn a_started_app_comes_back() {
    let mut world = World::running(3);
    reboot(&mut world);
    assert_eq!(world.routable("v1"), 0);
    assert_eq!(world.state.instances.len(), 3, "the same slots");
    world.settle();
    assert_eq!((world.routable("v1"), world.share("v1")), (3, 10_000));
}

#[test]
fn a_stopped_app_does_not() {
    let mut world = World::running(2);
    world.input(&crate::input::Input::Stop);
    reboot(&mut world);
    assert!(world.state.instances.is_empty(), "what was ending is gone");
    assert!(
        !world.observe(Observation::Rebooted),
        "and nothing to commit"
    );
}

#[test]
fn a_release_goes_on_where_it_was() {
    let mut world = World::running(4);
    world.deploy(2, canary(&[50], 4));
    world.settle();
    reboot(&mut world);
    assert_eq!(world.word(2), "paused");
    world.settle();
    assert_eq!((world.word(2), world.share("v2")), ("paused", 5_000));
    assert_eq!(world.balance(2), "3/2");
    world.go_on(2);
    world.settle();
    assert_eq!(world.word(2), "deployed");
}

#[test]
fn a_restoring_one_starts_only_the_base() {
    let mut world = World::running(4);
    world.deploy(2, canary(&[75], 4));
    world.settle();
    world.cancel(2);
    reboot(&mut world);
    assert!(!world.runs("v2"));
    assert_eq!(
        world.word(2),
        "restoring",
        "no outcome is decided by the reboot"
    );
    world.settle();
    assert_eq!((world.word(2), world.routable("v1")), ("canceled", 4));
}

#[test]
fn leaving_versions_do_not_come_back() {
    let mut world = World::running(2);
    world.deploy(2, rolling(1));
    world.up("v2", 1);
    world.drain();
    world.deploy(3, rolling(1));
    reboot(&mut world);
    assert!(!world.runs("v2"));
    world.settle();
    assert_eq!((world.word(3), world.routable("v3")), ("deployed", 2));
}

#[test]
fn tasks_and_builds() {
    let mut world = World::running_with(ConcurrencyPolicy::ParallelBuilds { slots: 1 }, 1);
    for task in ["pending", "running", "canceling"] {
        world.task(task);
    }
    for task in ["running", "canceling"] {
        world.observe(Observation::TaskStarted { task: task.into() });
    }
    world.input(&crate::input::Input::CancelTask(
        crate::input::CancelTaskCommand {
            task: "canceling".into(),
            by: "anna".to_owned(),
            client: None,
            reason: None,
        },
    ));
    world.build("b1", false);
    world.build("b2", false);
    let told = world.told.len();
    reboot(&mut world);
    let ends = world.told[told..].iter().filter(|kind| **kind == "failed");
    assert_eq!(ends.count(), 2, "one end for each task that ran");
    let failed = |reason: &str| TaskState::Failed {
        reason: reason.to_owned(),
    };
    assert_eq!(
        world.task_state("pending"),
        &TaskState::Pending,
        "it was never asked for"
    );
    assert_eq!(world.task_state("running"), &failed(TASK_UNKNOWN));
    assert_eq!(world.task_state("canceling"), &failed(TASK_CANCELED));
    assert_eq!(world.build_state("b1"), &BuildState::Running);
    assert_eq!(
        (world.builds["b1"].run, world.builds["b1"].restarted),
        (2, true)
    );
    assert_eq!(world.build_state("b2"), &BuildState::Queued);
    reboot(&mut world);
    assert!(matches!(
        world.build_state("b1"),
        BuildState::Finished {
            outcome: BuildOutcome::Failed { .. }
        }
    ));
    assert_eq!(world.build_state("b2"), &BuildState::Running);
}

#[test]
fn a_canceled_build_is_over_after_a_reboot() {
    let mut world = World::running_with(ConcurrencyPolicy::ParallelBuilds { slots: 1 }, 1);
    world.build("b1", false);
    world.input(&crate::input::Input::CancelBuild {
        build: "b1".into(),
        by: "anna".to_owned(),
    });
    reboot(&mut world);
    assert_eq!(
        world.build_state("b1"),
        &BuildState::Finished {
            outcome: BuildOutcome::Canceled
        }
    );
}

#[test]
fn deadlines_and_back_offs_keep_what_was_left() {
    let mut world = World::running(1);
    world.uptime = 900_000_000;
    world.deploy(2, rolling(1));
    for _ in 0..4 {
        world.crash("v2");
    }
    let begun = world.uptime;
    let left = |world: &World| world.plan().wake_at.unwrap().since(world.now().uptime);
    assert_eq!(left(&world), 30_000);
    world.tick(10_000);
    // Only commits know the time: what passed since the last one is not counted.
    let last = world.state.last_uptime.0;
    assert!(last >= begun);
    let remaining = world.plan().wake_at.unwrap().0 - last;
    reboot(&mut world);
    assert_eq!(left(&world), remaining);
    world.tick(remaining);
    world.crash("v2");
    world.tick(DEADLINE_MS);
    assert_eq!(world.release(2).outcome().unwrap().as_str(), "failed");
}

#[test]
fn clocks_are_shifted_forward_as_well() {
    let mut world = World::running(1);
    for _ in 0..5 {
        world.crash("v1");
        world.tick(30_000);
    }
    let last = world.state.last_uptime.0;
    let wake = world.plan().wake_at.map(|at| at.0.saturating_sub(last));
    world.uptime += 1_000_000;
    world.observe(Observation::Rebooted);
    assert_eq!(
        world.plan().wake_at.map(|at| at.since(world.now().uptime)),
        wake
    );
}

#[test]
fn a_deleted_app_is_gone_after_a_reboot() {
    let mut world = World::running(2);
    world.deploy(2, rolling(1));
    world.input(&crate::input::Input::Delete {
        by: "anna".to_owned(),
        client: None,
    });
    reboot(&mut world);
    assert!(world.state.instances.is_empty());
    assert_eq!(world.word(2), "canceled");
}

#[test]
fn exits_of_before_say_nothing() {
    let mut world = World::running(1);
    let before = world.state.instances.values().next().unwrap().clone();
    reboot(&mut world);
    assert!(!world.observe(Observation::InstanceExited {
        instance: before.id,
        run: before.run,
        exit: exited(0),
    }));
}
