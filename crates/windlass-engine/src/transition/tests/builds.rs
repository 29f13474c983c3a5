//! Builds: slots, branches, sharing, loss.

use super::world::{World, deployment, rolling};
use crate::app::ConcurrencyPolicy;
use crate::build::{BuildOutcome, BuildSource, BuildState};
use crate::input::{CreateBuildCommand, Input, Observation};
use crate::limits::DEADLINE_MS;
use crate::rejection::Rejection;
use crate::release::Deadline;

fn slots(slots: u32) -> World {
    World::running_with(ConcurrencyPolicy::ParallelBuilds { slots }, 1)
}

fn git(world: &mut World, id: &str, branch: &str) {
    of_branch(world, id, branch, true);
}

fn of_branch(world: &mut World, id: &str, branch: &str, gives_way: bool) {
    let mut command =
        CreateBuildCommand::of_package(id.into(), "p".into(), format!("{id}-artifact").into());
    command.source = BuildSource::Git {
        url: "https://git.example/app".to_owned(),
        branch: branch.to_owned(),
        commit: None,
    };
    command.gives_way = gives_way;
    world.input(&Input::CreateBuild(command));
}

fn cancel(world: &mut World, id: &str) {
    world.input(&Input::CancelBuild {
        build: id.into(),
        by: "anna".to_owned(),
    });
}

fn is(world: &World, id: &str, state: &BuildState) -> bool {
    world.build_state(id) == state
}

fn finished(outcome: BuildOutcome) -> BuildState {
    BuildState::Finished { outcome }
}

#[test]
fn the_oldest_queued_build_takes_a_free_slot() {
    let mut world = slots(2);
    for id in ["b1", "b2", "b3", "b4"] {
        world.build(id, false);
    }
    assert!(is(&world, "b2", &BuildState::Running) && is(&world, "b3", &BuildState::Queued));
    world.build_ended("b1", Some(BuildOutcome::Built));
    assert!(is(&world, "b3", &BuildState::Running) && is(&world, "b4", &BuildState::Queued));
}

#[test]
fn each_canceled_build_has_one_end() {
    let mut world = slots(1);
    for id in ["running", "queued"] {
        world.build(id, false);
    }
    let ends = |world: &World| {
        let told = world.told.iter();
        told.filter(|kind| **kind == "canceled").count()
    };
    cancel(&mut world, "queued");
    assert_eq!(ends(&world), 1, "what never ran is over at once");
    cancel(&mut world, "running");
    assert_eq!(ends(&world), 1, "its tree is still there");
    world.build_ended("running", Some(BuildOutcome::Built));
    assert_eq!(ends(&world), 2);
    assert!(is(&world, "running", &finished(BuildOutcome::Canceled)));
}

#[test]
fn slots_of_other_apps_count() {
    let mut world = slots(3);
    world.ledgers.build_slots_left = Some(1);
    world.build("b1", false);
    world.ledgers.build_slots_left = Some(0);
    world.build("b2", false);
    assert!(is(&world, "b1", &BuildState::Running) && is(&world, "b2", &BuildState::Queued));
    world.ledgers.build_slots_left = Some(1);
    world.tick(1);
    assert!(is(&world, "b2", &BuildState::Running));
}

#[test]
fn of_a_branch_the_newest_queued_build_wins() {
    let mut world = slots(1);
    git(&mut world, "b1", "main");
    git(&mut world, "b2", "main");
    git(&mut world, "b3", "other");
    git(&mut world, "b4", "main");
    assert!(
        is(&world, "b1", &BuildState::Running),
        "a running one goes on"
    );
    assert!(is(&world, "b2", &finished(BuildOutcome::Superseded)));
    assert!(is(&world, "b3", &BuildState::Queued) && is(&world, "b4", &BuildState::Queued));
    world.build("b5", false);
    world.build("b6", false);
    assert!(
        is(&world, "b5", &BuildState::Queued),
        "uploads are never canceled by the server"
    );
    of_branch(&mut world, "b7", "main", false);
    git(&mut world, "b8", "main");
    assert!(is(&world, "b4", &finished(BuildOutcome::Superseded)));
    assert!(
        is(&world, "b7", &BuildState::Queued),
        "somebody wanted this commit, not the newest one"
    );
}

#[test]
fn a_canceled_build_frees_the_slot_of_its_app_at_once() {
    let mut world = slots(1);
    world.build("b1", false);
    world.build("b2", false);
    cancel(&mut world, "b1");
    assert!(is(&world, "b2", &BuildState::Running));
    // Its success comes too late.
    world.build_ended("b1", Some(BuildOutcome::Built));
    assert!(is(&world, "b1", &finished(BuildOutcome::Canceled)));
    cancel(&mut world, "b2");
    let again = Input::CancelBuild {
        build: "b2".into(),
        by: "anna".to_owned(),
    };
    assert!(!world.input(&again), "a repeat changes nothing");
}

#[test]
fn a_canceled_build_frees_the_slot_of_the_machine_when_its_tree_is_gone() {
    let mut world = slots(1);
    world.ledgers.build_slots_left = Some(1);
    world.build("b1", false);
    world.ledgers.build_slots_left = Some(0);
    world.build("b2", false);
    cancel(&mut world, "b1");
    assert!(is(&world, "b2", &BuildState::Queued));
    world.build_ended("b1", None);
    assert!(is(&world, "b1", &finished(BuildOutcome::Canceled)));
    world.ledgers.build_slots_left = Some(1);
    world.tick(1);
    assert!(is(&world, "b2", &BuildState::Running));
}

#[test]
fn what_is_over_is_not_canceled() {
    let mut world = slots(1);
    world.build("b1", false);
    world.build_ended("b1", Some(BuildOutcome::Built));
    let input = Input::CancelBuild {
        build: "b1".into(),
        by: "anna".to_owned(),
    };
    let refused = world.refused(&input);
    assert!(matches!(refused, Rejection::BuildNotCancelable { .. }));
}

#[test]
fn what_ends_for_another_reason_is_not_canceled() {
    let mut world = slots(1);
    world.build("b1", false);
    world.tick(DEADLINE_MS + 1);
    let BuildState::Canceling { outcome } = world.build_state("b1").clone() else {
        panic!("{:?}", world.build_state("b1"));
    };
    assert!(matches!(outcome, BuildOutcome::Failed { .. }));
    // Accepted, it would have to end canceled; but its outcome is fixed.
    let input = Input::CancelBuild {
        build: "b1".into(),
        by: "anna".to_owned(),
    };
    let refused = world.refused(&input);
    let state = BuildState::Canceling { outcome };
    assert_eq!(refused, Rejection::BuildNotCancelable { state });
}

#[test]
fn a_queued_build_is_canceled_at_once() {
    let mut world = slots(1);
    world.build("b1", false);
    world.build("b2", false);
    cancel(&mut world, "b2");
    assert!(is(&world, "b2", &finished(BuildOutcome::Canceled)));
    let unknown = Input::CancelBuild {
        build: "nope".into(),
        by: "anna".to_owned(),
    };
    assert!(matches!(
        world.refused(&unknown),
        Rejection::UnknownBuild(_)
    ));
}

#[test]
fn a_lost_build_starts_again_once() {
    let mut world = slots(1);
    world.build("b1", false);
    world.build_ended("b1", None);
    assert!(is(&world, "b1", &BuildState::Running));
    assert_eq!(world.builds["b1"].run, 2);
    let late = Observation::BuildEnded {
        build: "b1".into(),
        run: 1,
        outcome: Some(BuildOutcome::Built),
    };
    assert!(!world.observe(late), "the first run says nothing any more");
    world.build_ended("b1", None);
    assert!(matches!(
        world.build_state("b1"),
        BuildState::Finished {
            outcome: BuildOutcome::Failed { .. }
        }
    ));
}

#[test]
fn a_build_ends_with_the_last_release_that_waits_for_it() {
    let mut world = World::running_with(ConcurrencyPolicy::OneRunningNewestPending, 1);
    world.build("shared", true);
    for number in [2, 3] {
        let mut command = deployment(number, rolling(1));
        command.awaited_builds = vec!["shared".into()];
        world.input(&Input::Deploy(command));
    }
    assert_eq!((world.word(2), world.word(3)), ("building", "pending"));
    world.cancel(2);
    assert!(
        is(&world, "shared", &BuildState::Running),
        "the other one waits for it"
    );
    assert_eq!((world.word(2), world.word(3)), ("canceled", "building"));
    world.cancel(3);
    assert!(matches!(
        world.build_state("shared"),
        BuildState::Canceling { .. }
    ));
    world.settle();
    assert_eq!(world.word(3), "canceled");
}

#[test]
fn a_build_of_a_user_outlives_the_releases() {
    let mut world = World::running_with(ConcurrencyPolicy::OneRunningNewestPending, 1);
    world.build("own", false);
    let mut command = deployment(2, rolling(1));
    command.awaited_builds = vec!["own".into()];
    world.input(&Input::Deploy(command));
    world.cancel(2);
    assert_eq!(world.word(2), "canceled");
    assert!(is(&world, "own", &BuildState::Running));
}

#[test]
fn a_build_without_output_for_its_deadline_fails() {
    let mut world = slots(1);
    world.build("b1", false);
    world.tick(DEADLINE_MS - 1);
    world.observe(Observation::BuildProgress {
        build: "b1".into(),
        idle_ms: 0,
    });
    world.tick(DEADLINE_MS - 1);
    assert!(is(&world, "b1", &BuildState::Running), "output is progress");
    assert!(world.plan().wake_at.is_some());
    world.tick(1);
    assert!(matches!(
        world.build_state("b1"),
        BuildState::Canceling { .. }
    ));
    world.settle();
    assert!(matches!(
        world.build_state("b1"),
        BuildState::Finished { outcome: BuildOutcome::Failed { id, .. } } if id == "StagingTimeExpired"
    ));
}

#[test]
fn every_line_of_output_is_not_a_commit() {
    let mut world = slots(1);
    world.build("b1", false);
    world.uptime += 4_999;
    assert!(!world.observe(Observation::BuildProgress {
        build: "b1".into(),
        idle_ms: 0
    }));
    world.uptime += 1;
    assert!(world.observe(Observation::BuildProgress {
        build: "b1".into(),
        idle_ms: 0
    }));
    assert!(matches!(
        world.builds["b1"].deadline,
        Deadline::Running { .. }
    ));
}

#[test]
fn the_same_build_twice_is_one() {
    let mut world = slots(1);
    world.build("b1", false);
    let again = CreateBuildCommand::of_package("b1".into(), "p".into(), "b1-artifact".into());
    assert!(!world.input(&Input::CreateBuild(again)));
}
