//! Rules about `transition` itself, and the state as a document.

use super::world::{World, canary, deployment, rolling};
use crate::app::{AppState, ConcurrencyPolicy};
use crate::id::PlanGeneration;
use crate::input::{EditCommand, Input};
use crate::limits;
use crate::rejection::Rejection;

#[test]
fn the_generation_is_that_of_the_plan_and_the_revision_that_of_the_row() {
    let mut world = World::running(1);
    let (generation, row) = (world.state.plan_generation, world.state.row_revision);
    world.edit(vec![crate::configuration::Edit::Env("A".to_owned(), None)]);
    assert_eq!(
        world.state.plan_generation, generation,
        "no driver has anything to do"
    );
    assert_eq!(world.state.row_revision.0, row.0 + 1);
    world.scale("web", 2);
    assert_eq!(
        world.state.plan_generation,
        PlanGeneration(generation.0 + 1)
    );
}

#[test]
fn time_alone_changes_nothing() {
    let mut world = World::running(2);
    world.deploy(2, canary(&[50], 1));
    world.settle();
    let before = world.state.clone();
    for _ in 0..10 {
        assert!(!world.tick(3_600_000));
    }
    assert_eq!(world.state, before);
}

#[test]
fn wake_at_is_there_whenever_something_waits_for_time() {
    let mut world = World::running(1);
    assert!(world.plan().wake_at.is_none());
    world.deploy(2, rolling(1));
    assert!(world.plan().wake_at.is_some(), "the deadline");
    world.up("v2", 1);
    assert!(world.plan().wake_at.is_some(), "the drain of the base");
    world.settle();
    for _ in 0..4 {
        world.crash("v2");
    }
    assert!(world.plan().wake_at.is_some(), "the back-off");
}

#[test]
fn limits_are_named() {
    let mut world = World::running(1);
    let mut command = deployment(2, canary(&[1; limits::STEPS_MAX + 1], 1));
    let refused = world.refused(&Input::Deploy(command.clone()));
    assert!(matches!(
        refused,
        Rejection::LimitExceeded { what: "steps", .. }
    ));
    command.strategy = rolling(1);
    command
        .target_scale
        .insert("web".into(), limits::INSTANCES_MAX + 1);
    let refused = world.refused(&Input::Deploy(command));
    assert!(matches!(
        refused,
        Rejection::LimitExceeded {
            what: "instances",
            ..
        }
    ));
}

#[test]
fn an_edit_that_is_refused_changes_nothing() {
    use crate::configuration::Edit;
    let mut world = World::running(1);
    let before = world.state.clone();
    let input = Input::Edit(EditCommand {
        edits: vec![Edit::Artifact(None), Edit::Memory("nope".into(), 1)],
        actor: "anna".to_owned(),
        refuse_during_release: false,
    });
    assert!(matches!(
        world.refused(&input),
        Rejection::UnknownComponent(_)
    ));
    assert_eq!(world.state, before);
}

#[test]
fn a_deploy_needs_something_to_run() {
    let mut world = World::empty(ConcurrencyPolicy::SupersedeNow);
    let mut command = deployment(2, rolling(1));
    command.edits.clear();
    assert_eq!(
        world.refused(&Input::Deploy(command)),
        Rejection::NoArtifact
    );
}

#[test]
fn forgetting_what_is_over_is_no_change() {
    let mut world = World::running(1);
    world.deploy(2, rolling(1));
    world.settle();
    assert_eq!(world.word(2), "deployed");
    assert!(!world.tick(1));
    assert!(!world.acknowledge());
    world.scale("web", 2);
    assert!(world.state.releases.is_empty(), "the records know it");
    assert_eq!(world.state.revisions.len(), 1);
}

#[test]
fn a_state_survives_its_document() {
    let mut world = World::running(3);
    world.task("t");
    world.build("b", true);
    world.deploy(2, canary(&[50], 1));
    world.settle();
    world.cancel(2);
    let text = serde_json::to_string(&world.state).unwrap();
    let read: AppState = serde_json::from_str(&text).unwrap();
    assert_eq!(read, world.state);
}
