//! Quota: counted in the commit of the command, with what a release needs on top.

use super::gates::{job, job_ended, release};
use super::world::{World, canary, deployment, rolling, task_of, web};
use crate::app::ConcurrencyPolicy;
use crate::configuration::{ComponentConfig, ComponentRole, Edit, JobKind};
use crate::input::{Input, ScaleCommand};
use crate::rejection::{QuotaKind, Rejection};
use crate::strategy::Strategy;
use crate::transition::{Usage, usage};

fn limited(instances: u64) -> World {
    let mut world = World::running(3);
    world.ledgers.instances_left = Some(instances);
    world
}

#[test]
fn what_counts() {
    let mut world = World::running(3);
    let of = |world: &World| usage(&world.state);
    assert_eq!(
        of(&world),
        Usage {
            memory_mb: 3 * 1024,
            instances: 3,
            tasks: 0
        }
    );
    world.task("t");
    assert_eq!(
        of(&world),
        Usage {
            memory_mb: 3 * 1024 + 64,
            instances: 3,
            tasks: 1
        }
    );
    world.input(&Input::Stop);
    assert_eq!(of(&world).instances, 0);
    world.start("v9");
    world.deploy(2, rolling(2));
    assert_eq!(of(&world).instances, 5, "the surge counts");
    world.cancel(2);
    assert_eq!(of(&world).instances, 3);
}

#[test]
fn surge_by_strategy() {
    let table = [
        (rolling(1), 4),
        (rolling(3), 6),
        (rolling(9), 6),
        (canary(&[50], 2), 5),
        (canary(&[1, 99], 2), 6),
        (Strategy::Recreate, 3),
    ];
    for (strategy, wanted) in table {
        let mut world = World::running(3);
        world.deploy(2, strategy.clone());
        assert_eq!(usage(&world.state).instances, wanted, "{strategy:?}");
    }
    let mut world = World::running(3);
    world.state.settings.keep_base_warm = true;
    world.deploy(2, rolling(1));
    assert_eq!(usage(&world.state).instances, 6, "a warm base counts whole");
}

#[test]
fn what_exceeds_is_refused_and_changes_nothing() {
    let refused = Rejection::QuotaExceeded {
        what: QuotaKind::Instances,
    };
    let mut world = limited(0);
    let before = world.state.clone();
    let scale = Input::Scale(ScaleCommand {
        component: web(),
        instances: 4,
    });
    assert_eq!(world.refused(&scale), refused);
    assert_eq!(
        world.refused(&Input::Deploy(deployment(2, rolling(1)))),
        refused
    );
    assert_eq!(world.state, before);
    let mut world = limited(1);
    world.deploy(2, rolling(1));
    world.settle();
    assert_eq!(world.word(2), "deployed");
}

#[test]
fn memory_counts_the_larger_version() {
    let mut world = World::running(2);
    let mut command = deployment(2, rolling(1));
    command.target_edits = vec![Edit::Memory(web(), 2048)];
    // 2 × 1024 now; 3 × 2048 at most.
    world.ledgers.memory_mb_left = Some(4095);
    let refused = world.refused(&Input::Deploy(command.clone()));
    assert_eq!(
        refused,
        Rejection::QuotaExceeded {
            what: QuotaKind::Memory
        }
    );
    world.ledgers.memory_mb_left = Some(4096);
    world.input(&Input::Deploy(command));
}

#[test]
fn tasks_count_while_pending_or_running() {
    let mut world = World::running(1);
    world.ledgers.tasks_left = Some(0);
    let refused = world.refused(&task_of("t"));
    assert_eq!(
        refused,
        Rejection::QuotaExceeded {
            what: QuotaKind::Tasks
        }
    );
}

#[test]
fn a_cancel_may_exceed_it() {
    let mut world = World::running(3);
    world.deploy(2, canary(&[100], 3));
    world.settle();
    world.ledgers.instances_left = Some(0);
    world.ledgers.memory_mb_left = Some(0);
    world.cancel(2);
    world.settle();
    assert_eq!((world.word(2), world.routable("v1")), ("canceled", 3));
}

#[test]
fn a_waiting_release_is_counted_when_it_is_admitted() {
    let mut world = World::running_with(ConcurrencyPolicy::OneRunningNewestPending, 2);
    world.deploy(2, rolling(1));
    let mut command = deployment(3, rolling(1));
    command.target_scale.insert(web(), 9);
    world.ledgers.instances_left = Some(6);
    let refused = world.refused(&Input::Deploy(command.clone()));
    assert_eq!(
        refused,
        Rejection::QuotaExceeded {
            what: QuotaKind::Instances
        }
    );
    world.ledgers.instances_left = Some(7);
    world.input(&Input::Deploy(command));
    assert_eq!(usage(&world.state).instances, 10);
}

#[test]
fn a_worker_that_is_scaled_during_a_release_counts_with_the_most_of_both() {
    // Found by seeds 2734 and 3221.
    for (begun, scaled) in [(3, 1), (1, 3)] {
        let mut world = World::stopped(ConcurrencyPolicy::SupersedeNow, 1);
        let clock = ComponentConfig::new(ComponentRole::Worker);
        world.edit(vec![Edit::AddComponent("clock".into(), clock)]);
        world.scale("clock", begun);
        world.start("v1");
        world.settle();
        world.deploy(2, canary(&[100], 1));
        world.settle();
        world.scale("clock", scaled);
        assert_eq!(usage(&world.state).instances, 2 + 3, "{begun} {scaled}");
        world.go_on(2);
        world.settle();
        assert_eq!(usage(&world.state).instances, u64::from(1 + scaled));
    }
}

/// What is reserved for a canary is what its steps let run when each begins with the instances of
/// the one before. After a stop and a start in a pause they are not up yet, and a user may go on.
#[test]
fn a_canary_continued_before_it_is_up_again_keeps_to_what_was_counted() {
    let table: [(&[u8], u32, usize); 5] = [
        (&[40, 50, 99], 2, 1),
        (&[40, 50, 99], 2, 2),
        (&[40, 50, 99], 1, 2),
        (&[1, 50], 3, 1),
        (&[50, 100], 2, 1),
    ];
    for (weights, in_flight, pauses) in table {
        for up in 0..=3 {
            let mut world = World::running(3);
            world.deploy(2, canary(weights, in_flight));
            world.settle();
            for _ in 1..pauses {
                world.go_on(2);
                world.settle();
            }
            world.input(&Input::Stop);
            world.settle();
            world.start("v9");
            world.up("v1", 3);
            world.up("v2", up);
            world.go_on(2);
            let counted = usage(&world.state).instances;
            for _ in 0..10 {
                let serving = u64::from(world.wanted("v1") + world.wanted("v2"));
                assert!(
                    serving <= counted,
                    "{weights:?} by {in_flight}, pause {pauses}, {up} up: {serving} of {counted}"
                );
                if world.up("v2", 1) == 0 {
                    break;
                }
                world.drain();
            }
            world.settle();
            let word = world.word(2);
            assert!(
                word == "paused" || word == "deployed",
                "{weights:?} by {in_flight}, pause {pauses}, {up} up: {word}"
            );
        }
    }
}

/// A job and its memory, MiB.
type JobOfSize = (&'static str, JobKind, u64);

/// Two instances of 1024 MiB, and jobs of other sizes.
fn with_jobs(jobs: &[JobOfSize]) -> World {
    let mut world = World::running(2);
    let edits = jobs.iter().flat_map(|(name, kind, memory_mb)| {
        [job(name, *kind), Edit::Memory((*name).into(), *memory_mb)]
    });
    world.edit(edits.collect());
    world
}

#[test]
fn jobs_count_with_their_release_beside_what_runs_then() {
    // Blue-green: 2048 MiB at rest, 4096 at most.
    let table: [(&[JobOfSize], u64); 5] = [
        (&[("pre", JobKind::PreDeploy, 2048)], 4096),
        (&[("pre", JobKind::PreDeploy, 3000)], 4096 + 952),
        (&[("post", JobKind::PostDeploy, 100)], 4096 + 100),
        (
            &[
                ("post", JobKind::PostDeploy, 100),
                ("other", JobKind::PostDeploy, 50),
                ("pre", JobKind::PreDeploy, 2100),
            ],
            4096 + 150,
        ),
        (&[("sorry", JobKind::FailedDeploy, 2049)], 4096 + 1),
    ];
    for (jobs, wanted) in table {
        let mut world = with_jobs(jobs);
        assert_eq!(usage(&world.state).memory_mb, 2048, "at rest none runs");
        world.deploy(2, Strategy::BlueGreen);
        assert_eq!(usage(&world.state).memory_mb, wanted, "{jobs:?}");
        let mut world = with_jobs(jobs);
        world.ledgers.memory_mb_left = Some(wanted - 2048 - 1);
        let refused = world.refused(&Input::Deploy(deployment(2, Strategy::BlueGreen)));
        let what = QuotaKind::Memory;
        assert_eq!(refused, Rejection::QuotaExceeded { what });
        world.ledgers.memory_mb_left = Some(wanted - 2048);
        world.deploy(2, Strategy::BlueGreen);
    }
}

#[test]
fn a_job_counts_until_it_is_gone() {
    let mut world = release(&[
        ("pre", JobKind::PreDeploy),
        ("sorry", JobKind::FailedDeploy),
    ]);
    let at_rest = 2 * 1024;
    let of_job = ComponentConfig::new(ComponentRole::Job(JobKind::PreDeploy)).memory_mb;
    job_ended(&mut world, "pre", false);
    assert_eq!(
        usage(&world.state).memory_mb,
        at_rest + of_job,
        "the one for failures"
    );
    job_ended(&mut world, "sorry", true);
    assert_eq!(usage(&world.state).memory_mb, at_rest);
    let mut world = release(&[("pre", JobKind::PreDeploy)]);
    world.cancel(2);
    assert_eq!(
        usage(&world.state).memory_mb,
        at_rest + of_job,
        "it still ends"
    );
    job_ended(&mut world, "pre", false);
    assert_eq!(usage(&world.state).memory_mb, at_rest);
}
