//! Instances: runs, indexes, crashes, stale facts.

use super::world::{World, canary, exited, rolling};
use crate::id::InstanceId;
use crate::input::Observation;
use crate::instance::{ExitReason, InstancePhase, RunExit};

fn first(world: &World) -> (InstanceId, u32) {
    let instance = world.state.instances.values().next().unwrap();
    (instance.id, instance.run)
}

fn running(instance: InstanceId, run: u32, routable: bool) -> Observation {
    Observation::InstanceRunning {
        instance,
        run,
        routable,
    }
}

#[test]
fn stale_facts_change_nothing() {
    let mut world = World::running(1);
    let (id, run) = first(&world);
    world.crash("v1");
    assert_eq!(world.state.instances[&id].run, run + 1);
    let stale = [
        running(id, run, true),
        Observation::InstanceExited {
            instance: id,
            run,
            exit: exited(0),
        },
        running(id, run + 2, true),
        running(InstanceId(99), 1, true),
        Observation::InstanceEmpty {
            instance: id,
            generation: world.state.plan_generation,
        },
        Observation::RouterAcknowledged {
            generation: world.state.plan_generation,
        },
        Observation::TaskStarted { task: "t".into() },
        Observation::TaskExited {
            task: "t".into(),
            exit: exited(0),
        },
        Observation::BuildProgress {
            build: "b".into(),
            idle_ms: 0,
        },
        Observation::BuildEnded {
            build: "b".into(),
            run: 1,
            outcome: None,
        },
        Observation::JobEnded {
            release: "r".into(),
            component: "c".into(),
            succeeded: true,
        },
        Observation::ChecksConcluded {
            release: "r".into(),
            succeeded: true,
        },
        Observation::SafeMeasured {
            release: "r".into(),
            micros: 1,
        },
    ];
    for seen in stale {
        assert!(!world.observe(seen.clone()), "{seen:?}");
    }
    assert_eq!(world.state.instances[&id].phase, InstancePhase::Starting);
}

#[test]
fn what_ends_does_not_come_back() {
    let mut world = World::running(1);
    world.deploy(2, rolling(1));
    let (id, run) = first(&world);
    world.up("v2", 1);
    assert!(world.state.instances[&id].is_ending());
    assert!(!world.observe(running(id, run, true)));
    assert!(world.state.instances[&id].is_ending());
}

#[test]
fn an_acknowledgement_of_the_future_is_not_believed() {
    let mut world = World::running(2);
    world.state.settings.keep_base_warm = true;
    world.deploy(2, canary(&[50], 1));
    world.settle();
    world.cancel(2);
    let generation = crate::id::PlanGeneration(world.state.plan_generation.0 + 1);
    assert!(!world.observe(Observation::RouterAcknowledged { generation }));
    assert!(!world.release(2).restore.as_ref().unwrap().safe);
}

#[test]
fn crashes_restart_at_once_then_back_off_and_are_forgotten() {
    let mut world = World::running(1);
    let (id, _) = first(&world);
    for wait_ms in [0, 0, 0, 30_000, 60_000, 120_000] {
        world.crash("v1");
        let phase = world.state.instances[&id].phase;
        if wait_ms == 0 {
            assert_eq!(phase, InstancePhase::Starting);
        } else {
            assert!(matches!(
                phase,
                InstancePhase::Crashed { retry_at: Some(_) }
            ));
            assert!(!world.tick(wait_ms - 1));
            world.tick(1);
        }
        assert_eq!(world.state.instances[&id].phase, InstancePhase::Starting);
        world.settle();
    }
    world.tick(crate::limits::CRASH_RESET_MS);
    world.crash("v1");
    assert_eq!(world.state.instances[&id].crashes, 1);
    assert_eq!(world.state.instances[&id].phase, InstancePhase::Starting);
}

#[test]
fn after_very_many_crashes_it_stays_down_until_a_user_restarts_it() {
    let mut world = World::running(1);
    let (id, _) = first(&world);
    for _ in 0..=crate::limits::CRASHES_MAX {
        world.crash("v1");
        world.tick(crate::limits::CRASH_BACKOFF_MAX_MS);
    }
    assert_eq!(
        world.state.instances[&id].phase,
        InstancePhase::Crashed { retry_at: None }
    );
    assert!(world.plan().wake_at.is_none());
    assert!(world.plan().instances.is_empty());
    world.input(&crate::input::Input::RestartInstance(id));
    assert_eq!(world.state.instances[&id].phase, InstancePhase::Starting);
}

#[test]
fn a_crash_says_why() {
    let mut world = World::running(1);
    let (instance, run) = first(&world);
    let exit = RunExit::new(ExitReason::OutOfMemory);
    world.observe(Observation::InstanceExited {
        instance,
        run,
        exit: exit.clone(),
    });
    assert_eq!(world.state.instances[&instance].last_exit, Some(exit));
    assert!(world.told.contains(&"crashed"));
}

#[test]
fn indexes_are_contiguous_in_both_versions() {
    let mut world = World::running(4);
    world.deploy(2, canary(&[50], 2));
    world.settle();
    let indexes = |world: &World, revision: &str| {
        let all = world.state.instances.values();
        let mut list: Vec<u32> = all
            .filter(|i| i.revision.as_str() == revision)
            .map(|i| i.index)
            .collect();
        list.sort_unstable();
        list
    };
    assert_eq!(indexes(&world, "v1"), [0, 1, 2]);
    assert_eq!(indexes(&world, "v2"), [0, 1], "index 0 exists in both");
    world.cancel(2);
    world.settle();
    assert_eq!(
        indexes(&world, "v1"),
        [0, 1, 2, 3],
        "the lowest free is filled"
    );
}

#[test]
fn a_settled_world_has_nothing_to_do() {
    let mut world = World::running(3);
    let plan = world.plan();
    assert!(plan.wake_at.is_none());
    assert!(!world.tick(1_000_000));
    assert!(!world.acknowledge());
    assert_eq!(world.plan(), plan, "no flapping");
    assert!(world.state.is_settled());
}

#[test]
fn acknowledgements_that_nothing_waits_for_make_no_commit() {
    let mut world = World::running(1);
    world.deploy(2, rolling(1));
    world.up("v2", 1);
    assert!(!world.acknowledge());
}
