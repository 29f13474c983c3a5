//! Tasks: every state against every event.

use super::world::{World, exited, task_of};
use crate::id::TaskId;
use crate::input::{CancelTaskCommand, Input, Observation};
use crate::instance::{ExitReason, RunExit};
use crate::rejection::Rejection;
use crate::task::{TASK_CANCELED, TASK_REFUSED, TASK_UNKNOWN, TaskState};

fn cancel(id: &str) -> Input {
    Input::CancelTask(CancelTaskCommand {
        task: id.into(),
        by: "anna".to_owned(),
        client: Some("cf".to_owned()),
        reason: None,
    })
}

fn started() -> Input {
    Input::Observe(Observation::TaskStarted {
        task: TaskId::from("t"),
    })
}

fn ended(exit: RunExit) -> Input {
    Input::Observe(Observation::TaskExited {
        task: TaskId::from("t"),
        exit,
    })
}

fn failed(reason: &str) -> TaskState {
    TaskState::Failed {
        reason: reason.to_owned(),
    }
}

/// A task in a state.
fn in_state(state: &str) -> World {
    let mut world = World::running(1);
    world.task("t");
    match state {
        "pending" => {}
        "running" => {
            world.input(&started());
        }
        "canceling" => {
            world.input(&started());
            world.input(&cancel("t"));
        }
        other => panic!("{other}"),
    }
    world
}

#[test]
fn every_state_against_every_event() {
    let lost = RunExit::new(ExitReason::Lost);
    let refused = RunExit::new(ExitReason::LaunchFailed);
    let status_3 = "APP/TASK/migrate: Exited with status 3";
    let could_not = "APP/TASK/migrate: Could not be started";
    let table: Vec<(&str, Input, TaskState)> = vec![
        ("pending", started(), TaskState::Running),
        ("pending", ended(exited(0)), TaskState::Succeeded),
        ("pending", ended(refused.clone()), failed(TASK_REFUSED)),
        ("pending", ended(lost.clone()), failed(TASK_UNKNOWN)),
        ("pending", cancel("t"), TaskState::Canceling),
        ("running", started(), TaskState::Running),
        ("running", ended(exited(0)), TaskState::Succeeded),
        ("running", ended(exited(3)), failed(status_3)),
        ("running", ended(refused), failed(could_not)),
        ("running", ended(lost.clone()), failed(TASK_UNKNOWN)),
        ("running", cancel("t"), TaskState::Canceling),
        ("canceling", started(), TaskState::Canceling),
        // In the original a success before the kill still counts.
        ("canceling", ended(exited(0)), failed(TASK_CANCELED)),
        ("canceling", ended(exited(3)), failed(TASK_CANCELED)),
        ("canceling", ended(lost), failed(TASK_CANCELED)),
        ("canceling", cancel("t"), TaskState::Canceling),
    ];
    for (state, input, wanted) in table {
        let mut world = in_state(state);
        world.input(&input);
        assert_eq!(world.task_state("t"), &wanted, "{state} and {input:?}");
    }
}

#[test]
fn a_task_that_is_over_refuses_a_cancel_with_its_state() {
    let mut world = in_state("running");
    world.input(&ended(exited(0)));
    assert!(matches!(
        world.refused(&cancel("t")),
        Rejection::TaskNotCancelable {
            state: TaskState::Succeeded
        }
    ));
    world.tick(1);
    world.scale("web", 1);
    assert!(matches!(
        world.refused(&cancel("t")),
        Rejection::UnknownTask(_)
    ));
    assert!(
        !world.input(&ended(exited(3))),
        "a second end changes nothing"
    );
    assert_eq!(world.task_state("t"), &TaskState::Succeeded);
}

#[test]
fn cancel_against_completion_has_one_winner() {
    // In the original: SUCCEEDED, then CANCELING, then FAILED.
    let mut world = in_state("running");
    world.input(&ended(exited(0)));
    world.refused(&cancel("t"));
    assert_eq!(world.task_state("t"), &TaskState::Succeeded);
}

#[test]
fn a_cancel_before_the_start_was_seen_is_not_lost() {
    // In the original RUNNING is written over it.
    let mut world = in_state("pending");
    world.input(&cancel("t"));
    assert!(!world.input(&started()));
    assert_eq!(world.task_state("t"), &TaskState::Canceling);
    world.settle();
    assert_eq!(world.task_state("t"), &failed(TASK_CANCELED));
}

#[test]
fn a_task_runs_beside_a_stopped_app_and_through_a_stop() {
    let mut world = in_state("running");
    world.input(&Input::Stop);
    world.settle();
    assert_eq!(world.task_state("t"), &TaskState::Running);
    assert_eq!(world.plan().tasks.len(), 1);
}

#[test]
fn a_task_takes_artifact_and_environment_of_its_creation() {
    let mut world = in_state("running");
    world.deploy(2, super::world::rolling(1));
    world.settle();
    assert_eq!(world.tasks["t"].artifact, "a1".into());
}

#[test]
fn the_same_task_twice_is_one() {
    let mut world = in_state("pending");
    assert!(!world.input(&task_of("t")));
}

#[test]
fn a_task_needs_an_artifact() {
    let mut world = World::empty(crate::app::ConcurrencyPolicy::SupersedeNow);
    assert_eq!(world.refused(&task_of("t")), Rejection::NoArtifact);
}
