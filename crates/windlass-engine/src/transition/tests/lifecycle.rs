//! Stop, start, restart, scale, delete: at rest and during a release.

use super::world::{World, canary, cancel_of, deployment, rolling, task_of, web};
use crate::app::RunState;
use crate::id::RevisionId;
use crate::input::{Input, ScaleCommand, StartCommand};
use crate::instance::InstancePhase;
use crate::rejection::{InFlightConflict, Rejection};
use crate::release::{CancelCause, Deadline, Outcome, Urgency};
use crate::task::TaskState;

fn scale_of(component: &str, instances: u32) -> Input {
    Input::Scale(ScaleCommand {
        component: component.into(),
        instances,
    })
}

#[test]
fn start_needs_an_artifact_and_makes_the_base() {
    let mut world = World::empty(crate::app::ConcurrencyPolicy::SupersedeNow);
    let start = Input::Start(StartCommand {
        revision: "v1".into(),
    });
    assert_eq!(world.refused(&start), Rejection::NoArtifact);
    let world = World::running(2);
    assert_eq!(world.state.base, Some(RevisionId::from("v1")));
    assert_eq!((world.routable("v1"), world.share("v1")), (2, 10_000));
}

#[test]
fn start_keeps_the_revision_of_an_unchanged_configuration() {
    let mut world = World::running(1);
    world.input(&Input::Stop);
    world.settle();
    assert!(world.state.instances.is_empty());
    world.start("v5");
    assert_eq!(world.state.base, Some(RevisionId::from("v1")));
    assert!(!world.input(&Input::Start(StartCommand {
        revision: "v6".into()
    })));
    world.restart("v7");
    assert_eq!(world.state.base, Some(RevisionId::from("v7")));
    world.settle();
    assert_eq!((world.routable("v7"), world.runs("v1")), (1, false));
}

#[test]
fn stop_stands_a_release_still_and_start_brings_both_back() {
    let mut world = World::running(4);
    world.deploy(2, canary(&[50], 4));
    world.settle();
    world.input(&Input::Stop);
    assert_eq!(world.share("v1") + world.share("v2"), 0);
    world.settle();
    assert!(world.state.instances.is_empty());
    assert_eq!(world.word(2), "paused");
    world.tick(24 * 3_600_000);
    assert_eq!(world.word(2), "paused", "time does not count");
    world.start("v9");
    assert_eq!(
        world.state.base,
        Some(RevisionId::from("v1")),
        "the base is unchanged"
    );
    world.settle();
    assert_eq!((world.word(2), world.share("v2")), ("paused", 5_000));
    assert_eq!(world.balance(2), "3/2");
}

#[test]
fn a_stopped_rolling_goes_on_after_start() {
    let mut world = World::running(2);
    world.deploy(2, rolling(1));
    world.up("v2", 1);
    world.input(&Input::Stop);
    world.settle();
    assert!(matches!(world.release(2).deadline, Deadline::Held { .. }));
    assert!(world.plan().wake_at.is_none(), "nothing waits for time");
    world.start("v9");
    world.settle();
    assert_eq!((world.word(2), world.routable("v2")), ("deployed", 2));
}

#[test]
fn a_cancel_of_a_stopped_app_ends_at_once() {
    let mut world = World::running(2);
    world.deploy(2, canary(&[50], 1));
    world.settle();
    world.input(&Input::Stop);
    world.settle();
    world.cancel(2);
    assert_eq!(world.word(2), "canceled");
    world.start("v9");
    world.settle();
    assert_eq!(world.routable("v1"), 2);
    assert_eq!(world.state.base, Some(RevisionId::from("v1")));
}

#[test]
fn a_stop_while_restoring_ends_the_cancel_when_nothing_runs() {
    let mut world = World::running(2);
    world.deploy(2, canary(&[100], 2));
    world.settle();
    world.cancel(2);
    world.input(&Input::Stop);
    world.settle();
    assert_eq!(world.word(2), "canceled");
    assert_eq!(world.state.run, RunState::Stopped);
}

#[test]
fn restart_during_a_release_is_in_place_one_at_a_time_each() {
    let mut world = World::running(3);
    world.deploy(2, canary(&[67], 3));
    world.settle();
    let (before, count) = (world.balance(2), world.state.instances.len());
    assert_eq!(before, "2/2");
    let runs: u32 = world.state.instances.values().map(|i| i.run).sum();
    world.restart("v9");
    assert_eq!(world.state.base, Some(RevisionId::from("v1")));
    for _ in 0..20 {
        for revision in ["v1", "v2"] {
            let down = world.wanted(revision) - world.routable(revision);
            let spare = world.wanted(revision).saturating_sub(2);
            assert!(down <= 1 + spare, "one of {revision} at a time");
        }
        world.drain();
        world.up("v1", 1);
        world.up("v2", 1);
    }
    world.settle();
    assert_eq!(world.balance(2), before);
    assert_eq!(world.state.instances.len(), count);
    assert!(world.state.instances.values().map(|i| i.run).sum::<u32>() > runs);
    assert_eq!(world.word(2), "paused");
    assert!(world.state.restarts.is_empty());
}

#[test]
fn an_instance_is_restarted_in_its_place() {
    let mut world = World::running(2);
    let id = *world.state.instances.keys().next().unwrap();
    world.input(&Input::RestartInstance(id));
    assert_eq!(
        world.state.instances.len(),
        2,
        "no other one takes its place"
    );
    assert!(matches!(
        world.state.instances[&id].phase,
        InstancePhase::Draining { restart: true, .. }
    ));
    world.settle();
    let instance = &world.state.instances[&id];
    assert_eq!((instance.run, instance.is_routable()), (2, true));
    assert_eq!(
        world.refused(&Input::RestartInstance(crate::id::InstanceId(99))),
        Rejection::UnknownInstance
    );
}

#[test]
fn scale_takes_the_highest_and_fills_the_lowest() {
    let mut world = World::running(3);
    world.crash("v1");
    world.scale("web", 2);
    let indexes = |world: &World| -> Vec<u32> {
        let all = world.state.instances.values();
        all.filter(|i| !i.is_ending()).map(|i| i.index).collect()
    };
    assert_eq!(indexes(&world), [0, 1], "also when a lower one is down");
    world.scale("web", 4);
    let mut all = indexes(&world);
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);
    world.settle();
    assert_eq!(world.routable("v1"), 4);
}

#[test]
fn scale_of_web_is_refused_while_rolling_and_sets_n_while_canceling() {
    let mut world = World::running(3);
    world.deploy(2, canary(&[34], 1));
    world.settle();
    let conflict = Rejection::ReleaseInFlight {
        what: InFlightConflict::Scale,
    };
    assert_eq!(world.refused(&scale_of("web", 5)), conflict);
    world.state.settings.keep_base_warm = false;
    world.ready("v1", false);
    world.cancel(2);
    world.scale("web", 5);
    assert_eq!(world.word(2), "restoring");
    assert_eq!(world.wanted("v1"), 5);
    world.ready("v1", true);
    assert_eq!(world.word(2), "restoring", "N is 5 now");
    world.settle();
    assert_eq!((world.word(2), world.routable("v1")), ("canceled", 5));
    assert_eq!(world.state.scale_of(&web()), 5);
}

#[test]
fn a_scale_while_canceling_is_the_n_of_a_newer_release_too() {
    let mut world = World::running(3);
    world.deploy(2, canary(&[34], 1));
    world.settle();
    world.ready("v1", false);
    world.cancel(2);
    world.scale("web", 5);
    world.deploy(3, rolling(1));
    assert_eq!(world.release(3).base_count(&web()), 5);
    assert_eq!(world.release(3).target_scale[&web()], 5);
}

#[test]
fn scale_has_limits() {
    let mut world = World::running(1);
    assert!(matches!(
        world.refused(&scale_of("web", crate::limits::INSTANCES_MAX + 1)),
        Rejection::LimitExceeded {
            what: "instances",
            ..
        }
    ));
    assert!(matches!(
        world.refused(&scale_of("nope", 1)),
        Rejection::UnknownComponent(_)
    ));
}

#[test]
fn delete_is_durable_and_first() {
    let mut world = World::running(3);
    world.task("t");
    world.build("b", false);
    world.deploy(2, canary(&[34], 1));
    world.settle();
    let delete = Input::Delete {
        by: "anna".to_owned(),
        client: None,
    };
    world.input(&delete);
    assert_eq!(world.state.run, RunState::Deleted);
    assert_eq!(world.share("v1") + world.share("v2"), 0);
    assert_eq!(world.task_state("t"), &TaskState::Canceling);
    let deleted = Outcome::Canceled(CancelCause::Deleted);
    assert_eq!(world.outcome(2), Some(&deleted));
    for refused in [delete, task_of("t2"), Input::Stop, scale_of("web", 1)] {
        assert_eq!(world.refused(&refused), Rejection::AppDeleted);
    }
    world.settle();
    assert_eq!(world.word(2), "canceled");
    assert!(world.state.instances.is_empty());
    assert!(matches!(world.task_state("t"), TaskState::Failed { .. }));
    world.tick(1);
    assert!(world.state.is_settled());
    assert!(world.plan().wake_at.is_none());
}

#[test]
fn delete_keeps_an_outcome_that_is_fixed() {
    let mut world = World::running(2);
    world.deploy(2, canary(&[100], 2));
    world.settle();
    world.input(&cancel_of(2, Urgency::CapacitySafe));
    assert_eq!(world.word(2), "restoring");
    world.input(&Input::Delete {
        by: "anna".to_owned(),
        client: None,
    });
    world.settle();
    assert_eq!(
        world.outcome(2),
        Some(&Outcome::Canceled(CancelCause::User))
    );
    assert_eq!(world.word(2), "canceled");
    assert!(world.state.instances.is_empty());
}

#[test]
fn delete_of_a_pending_train_ends_all_of_it() {
    let mut world = World::running_with(crate::app::ConcurrencyPolicy::OneRunningNewestPending, 2);
    world.deploy(2, rolling(1));
    world.deploy(3, rolling(1));
    world.input(&Input::Delete {
        by: "anna".to_owned(),
        client: None,
    });
    world.settle();
    for number in [2, 3] {
        assert_eq!(
            world.outcome(number),
            Some(&Outcome::Canceled(CancelCause::Deleted))
        );
        assert_eq!(world.word(number), "canceled");
    }
}

#[test]
fn a_deployment_of_a_stopped_app_is_deployed_at_once() {
    for strategy in [rolling(1), canary(&[10], 1)] {
        let mut world = World::stopped(crate::app::ConcurrencyPolicy::SupersedeNow, 2);
        let mut command = deployment(2, strategy);
        command.target_scale.insert(web(), 3);
        world.input(&Input::Deploy(command));
        assert_eq!(
            (world.word(2), world.state.run),
            ("deployed", RunState::Started)
        );
        world.settle();
        assert_eq!(world.routable("v2"), 3);
        assert_eq!(world.state.base, Some(RevisionId::from("v2")));
    }
}
