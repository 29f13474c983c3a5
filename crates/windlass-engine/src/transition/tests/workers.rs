//! Components without traffic: after the last web gate, instance by instance.

use super::world::{World, canary, exited, rolling};
use crate::app::ConcurrencyPolicy;
use crate::configuration::{ComponentConfig, ComponentRole, Edit};
use crate::input::Observation;
use crate::instance::InstancePhase;

fn with_workers(count: u32, overlap: bool) -> World {
    let mut world = World::stopped(ConcurrencyPolicy::SupersedeNow, 2);
    let mut config = ComponentConfig::new(ComponentRole::Worker);
    config.overlap = overlap;
    world.edit(vec![Edit::AddComponent("worker".into(), config)]);
    world.scale("worker", count);
    world.start("v1");
    world.settle();
    assert_eq!(world.wanted_of("v1", "worker"), count);
    world
}

fn present(world: &World) -> usize {
    let all = world.state.instances.values();
    all.filter(|i| i.component.as_str() == "worker").count()
}

fn step(world: &mut World) {
    world.drain();
    let starting = world
        .state
        .instances
        .values()
        .any(|i| i.phase == InstancePhase::Starting);
    if starting {
        world.up("v2", 1);
        world.up("v1", 1);
    }
}

#[test]
fn workers_wait_for_the_last_gate_of_web() {
    let mut world = with_workers(2, false);
    world.deploy(2, canary(&[50], 2));
    world.settle();
    assert_eq!(world.word(2), "paused");
    assert_eq!(
        (
            world.wanted_of("v1", "worker"),
            world.wanted_of("v2", "worker")
        ),
        (2, 0)
    );
    world.go_on(2);
    world.settle();
    assert_eq!(world.word(2), "deployed");
    assert_eq!(
        (
            world.wanted_of("v1", "worker"),
            world.wanted_of("v2", "worker")
        ),
        (0, 2)
    );
}

#[test]
fn old_goes_before_new_unless_they_may_overlap() {
    for overlap in [false, true] {
        let mut world = with_workers(3, overlap);
        world.deploy(2, rolling(1));
        let mut most = 0;
        let mut fewest = usize::MAX;
        for _ in 0..60 {
            most = most.max(present(&world));
            fewest = fewest.min(present(&world));
            step(&mut world);
        }
        assert_eq!(world.word(2), "deployed", "{:?}", world.state.instances);
        assert!(fewest >= 2, "one at a time");
        assert_eq!(most > 3, overlap, "at most {most} at once");
        assert!(most <= 4);
    }
}

#[test]
fn workers_return_on_cancel_old_before_new() {
    for stop_after in 0..30 {
        let mut world = with_workers(2, false);
        world.deploy(2, rolling(1));
        for _ in 0..stop_after {
            step(&mut world);
        }
        if world.word(2) == "deployed" {
            continue;
        }
        world.cancel(2);
        for _ in 0..40 {
            assert!(present(&world) <= 2, "no overlap on the way back");
            step(&mut world);
        }
        assert_eq!(world.word(2), "canceled");
        assert_eq!(
            (
                world.wanted_of("v1", "worker"),
                world.wanted_of("v2", "worker")
            ),
            (2, 0)
        );
    }
}

#[test]
fn a_worker_that_crashes_is_not_answered_by_an_old_one_beside_it() {
    let mut world = with_workers(2, false);
    world.deploy(2, rolling(1));
    for _ in 0..60 {
        step(&mut world);
        let ready = world.state.routable(&"v2".into(), &"worker".into());
        if ready == 1 && world.word(2) == "rolling_out" {
            while world.break_one("v2") {}
            assert!(present(&world) <= 2);
            return;
        }
    }
    panic!("the release never had one worker ready");
}

/// The worker of a version crashes until its restart has to wait.
fn break_worker(world: &mut World, revision: &str) {
    loop {
        let worker = world.state.instances.values().find(|i| {
            i.revision.as_str() == revision && i.component.as_str() == "worker" && !i.is_crashed()
        });
        let Some((instance, run)) = worker.map(|i| (i.id, i.run)) else {
            return;
        };
        world.observe(Observation::InstanceExited {
            instance,
            run,
            exit: exited(1),
        });
    }
}

#[test]
fn a_cancel_does_not_wait_for_a_worker_that_did_not_run_before() {
    let mut world = with_workers(1, false);
    break_worker(&mut world, "v1");
    world.deploy(2, canary(&[50], 1));
    world.up("v2", 1);
    world.cancel(2);
    let restore = world.release(2).restore.clone().unwrap();
    assert_eq!(restore.note.as_deref(), Some("base: worker did not run"));
    world.drain();
    world.drain();
    assert_eq!(world.word(2), "canceled");
    assert_eq!(
        (world.share("v1"), world.wanted_of("v1", "worker")),
        (10_000, 1)
    );
}

#[test]
fn a_cancel_waits_for_a_worker_that_ran_before() {
    let mut world = with_workers(1, false);
    world.deploy(2, canary(&[50], 1));
    world.up("v2", 1);
    break_worker(&mut world, "v1");
    world.cancel(2);
    world.drain();
    world.drain();
    assert_eq!(world.word(2), "restoring");
    assert_eq!(world.share("v2"), 0, "its traffic is safe all the same");
    world.tick(16 * 60_000);
    world.settle();
    assert_eq!(world.word(2), "canceled");
}

#[test]
fn a_worker_that_the_target_does_not_have_goes_and_comes_back() {
    let mut world = with_workers(1, false);
    let mut command = super::world::deployment(2, rolling(1));
    command.edits.push(Edit::RemoveComponent("worker".into()));
    world.input(&crate::input::Input::Deploy(command.clone()));
    assert_eq!(world.wanted_of("v1", "worker"), 1);
    world.settle();
    assert_eq!(
        (world.word(2), world.wanted_of("v1", "worker")),
        ("deployed", 0)
    );

    let mut world = with_workers(1, false);
    world.input(&crate::input::Input::Deploy(command));
    world.up("v2", 1);
    world.cancel(2);
    world.settle();
    assert_eq!(
        (world.word(2), world.wanted_of("v1", "worker")),
        ("canceled", 1)
    );
}

#[test]
fn a_component_that_the_base_does_not_have_starts_only_in_the_target() {
    let mut world = World::running(2);
    for (name, role) in [
        ("worker", ComponentRole::Worker),
        ("api", ComponentRole::Routed),
    ] {
        world.edit(vec![Edit::AddComponent(
            name.into(),
            ComponentConfig::new(role),
        )]);
        world.scale(name, 2);
    }
    world.deploy(2, rolling(1));
    for component in ["worker", "api"] {
        assert_eq!(world.wanted_of("v1", component), 0);
    }
    world.settle();
    assert_eq!(world.word(2), "deployed");
    for component in ["worker", "api"] {
        assert_eq!(world.wanted_of("v2", component), 2);
    }
}

#[test]
fn scale_of_a_worker_is_allowed_during_a_release() {
    let mut world = with_workers(1, false);
    world.deploy(2, canary(&[50], 1));
    world.settle();
    world.scale("worker", 3);
    world.settle();
    assert_eq!(world.wanted_of("v1", "worker"), 3);
    world.go_on(2);
    world.settle();
    assert_eq!(
        (world.word(2), world.wanted_of("v2", "worker")),
        ("deployed", 3)
    );
}
