//! Gates: jobs, as the compiler of steps places them; timers and checks, put there by hand.

use super::world::{World, canary, cancel_of, deployment, rolling};
use crate::app::ConcurrencyPolicy;
use crate::configuration::{ComponentConfig, ComponentRole, Edit, JobKind};
use crate::input::{Input, Observation};
use crate::limits::DEADLINE_MS;
use crate::plan::Want;
use crate::release::{Deadline, FailureReason, JobState, Outcome, Urgency};
use crate::strategy::{Gate, Strategy};
use crate::transition::usage;

/// An app of two instances with jobs, and a rolling release, before anything of it was seen.
pub(super) fn release(jobs: &[(&str, JobKind)]) -> World {
    let mut world = World::stopped(ConcurrencyPolicy::SupersedeNow, 2);
    world.edit(jobs.iter().map(|(name, kind)| job(name, *kind)).collect());
    world.start("v1");
    world.settle();
    world.deploy(2, rolling(2));
    world
}

pub(super) fn job(name: &str, kind: JobKind) -> Edit {
    Edit::AddComponent(name.into(), ComponentConfig::new(ComponentRole::Job(kind)))
}

/// A release with a job after traffic has moved, and one for failures.
pub(super) fn with_job_after() -> World {
    release(&[
        ("post", JobKind::PostDeploy),
        ("sorry", JobKind::FailedDeploy),
    ])
}

/// The warm base and a gate after the last routed step.
fn gated(gate: Gate) -> World {
    let mut world = release(&[]);
    let release = world.state.releases.last_mut().unwrap();
    release.steps[0].gate = gate;
    for counts in release.steps[0].counts.values_mut() {
        counts.base_instances = 2;
    }
    world
}

pub(super) fn job_ended(world: &mut World, component: &str, succeeded: bool) {
    world.observe(Observation::JobEnded {
        release: "r2".into(),
        component: component.into(),
        succeeded,
    });
}

pub(super) fn jobs(world: &World) -> Vec<(String, Want)> {
    let jobs = world.plan().jobs.into_iter();
    jobs.map(|(_, component, want)| (component.0, want))
        .collect()
}

#[test]
fn a_job_before_comes_before_the_first_instance() {
    let mut world = release(&[("pre", JobKind::PreDeploy)]);
    world.tick(1);
    world.drain();
    assert_eq!(world.wanted("v2"), 0);
    assert_eq!(jobs(&world), [("pre".to_owned(), Want::Run)]);
    assert_eq!(world.share("v1"), 10_000);
    job_ended(&mut world, "pre", true);
    assert_eq!(world.wanted("v2"), 2);
    world.settle();
    assert_eq!(world.word(2), "deployed");
    job_ended(&mut world, "pre", false);
    assert_eq!(world.word(2), "deployed", "a late word changes nothing");
}

#[test]
fn a_job_after_has_the_base_warm() {
    let mut world = with_job_after();
    world.settle();
    assert_eq!((world.share("v2"), world.routable("v1")), (10_000, 2));
    assert_eq!(jobs(&world), [("post".to_owned(), Want::Run)]);
    job_ended(&mut world, "post", true);
    assert_eq!(world.word(2), "deployed");
    world.settle();
    assert!(!world.runs("v1"));
}

#[test]
fn a_job_that_fails_restores_and_runs_the_job_for_failures() {
    let mut world = with_job_after();
    world.settle();
    job_ended(&mut world, "post", false);
    let failed = Outcome::Failed(FailureReason::Job {
        component: "post".into(),
    });
    assert_eq!(world.outcome(2), Some(&failed));
    assert_eq!((world.share("v1"), world.share("v2")), (10_000, 0));
    assert_eq!(jobs(&world), [("sorry".to_owned(), Want::Run)]);
    world.drain();
    world.drain();
    assert_eq!(world.word(2), "restoring", "the job still runs");
    job_ended(&mut world, "sorry", true);
    assert_eq!(world.word(2), "failed");
    let not_undone = &world.release(2).restore.as_ref().unwrap().not_undone;
    assert_eq!(not_undone, &["job post had failed"]);
}

#[test]
fn a_cancel_ends_a_running_job_and_lists_it() {
    let mut world = with_job_after();
    world.settle();
    world.cancel(2);
    assert_eq!(
        jobs(&world),
        [("post".to_owned(), Want::Stop)],
        "and none for failures runs"
    );
    world.drain();
    assert_eq!(world.word(2), "restoring");
    job_ended(&mut world, "post", true);
    assert_eq!(world.release(2).jobs[0].state, JobState::Interrupted);
    world.settle();
    assert_eq!(world.word(2), "canceled");
    let not_undone = &world.release(2).restore.as_ref().unwrap().not_undone;
    assert_eq!(not_undone, &["job post was interrupted"]);
}

#[test]
fn a_job_before_that_fails_starts_no_instance() {
    let mut world = release(&[
        ("pre", JobKind::PreDeploy),
        ("sorry", JobKind::FailedDeploy),
    ]);
    job_ended(&mut world, "pre", false);
    assert_eq!(jobs(&world), [("sorry".to_owned(), Want::Run)]);
    assert_eq!((world.word(2), world.wanted("v2")), ("restoring", 0));
    assert_eq!(world.share("v1"), 10_000);
    job_ended(&mut world, "sorry", true);
    assert_eq!(world.word(2), "failed");
    assert!(!world.runs("v2"));
}

#[test]
fn a_recreate_waits_for_its_job_before_it_ends_anything() {
    let mut world = release(&[("pre", JobKind::PreDeploy)]);
    world.cancel(2);
    world.settle();
    world.deploy(3, Strategy::Recreate);
    world.drain();
    assert_eq!((world.routable("v1"), world.share("v1")), (2, 10_000));
    world.observe(Observation::JobEnded {
        release: "r3".into(),
        component: "pre".into(),
        succeeded: true,
    });
    assert_eq!(world.routable("v1"), 0, "now everything old goes first");
    world.settle();
    assert_eq!((world.word(3), world.routable("v3")), ("deployed", 2));
}

#[test]
fn a_cancel_of_a_failing_release_ends_its_job_for_failures() {
    let mut world = with_job_after();
    world.settle();
    job_ended(&mut world, "post", false);
    world.drain();
    world.drain();
    assert_eq!(jobs(&world), [("sorry".to_owned(), Want::Run)]);
    world.cancel(2);
    assert_eq!(jobs(&world), [("sorry".to_owned(), Want::Stop)]);
    assert!(!world.input(&cancel_of(2, Urgency::CapacitySafe)));
    world.settle();
    assert_eq!(world.word(2), "failed", "the outcome stays");
    assert_eq!(world.release(2).jobs[1].state, JobState::Interrupted);
}

#[test]
fn a_job_that_prints_is_progress_and_a_silent_one_is_not() {
    let line = |idle_ms| Observation::JobProgress {
        release: "r2".into(),
        component: "pre".into(),
        idle_ms,
    };
    let mut world = release(&[
        ("pre", JobKind::PreDeploy),
        ("sorry", JobKind::FailedDeploy),
    ]);
    world.uptime += DEADLINE_MS;
    assert!(world.observe(line(1_000)), "a second ago it still printed");
    world.tick(998);
    assert_eq!(world.word(2), "rolling_out");
    world.uptime += DEADLINE_MS;
    assert!(!world.observe(line(DEADLINE_MS)), "that line is known");
    world.tick(0);
    assert_eq!(
        world.outcome(2),
        Some(&Outcome::Failed(FailureReason::Deadline))
    );
    assert_eq!(
        jobs(&world),
        [
            ("pre".to_owned(), Want::Stop),
            ("sorry".to_owned(), Want::Run)
        ]
    );
}

#[test]
fn the_warm_base_of_a_job_is_counted_from_the_creation_on() {
    let mut world = release(&[("post", JobKind::PostDeploy)]);
    assert_eq!(usage(&world.state).instances, 4, "two of each");
    world.cancel(2);
    world.settle();
    assert_eq!(usage(&world.state).instances, 2);
    world.build("b", true);
    let mut command = deployment(3, rolling(1));
    command.awaited_builds = vec!["b".into()];
    world.input(&Input::Deploy(command));
    assert_eq!(world.word(3), "building");
    assert_eq!(usage(&world.state).instances, 4);
}

#[test]
fn a_superseded_release_ends_its_job() {
    let mut world = with_job_after();
    world.settle();
    world.deploy(3, rolling(2));
    assert_eq!(world.word(2), "superseded");
    assert_eq!(jobs(&world), [("post".to_owned(), Want::Stop)]);
    assert!(world.release(2).cleanup_left > 0);
    world.settle();
    assert_eq!(world.release(2).cleanup_left, 0);
    let own = jobs(&world);
    assert_eq!(own, [("post".to_owned(), Want::Run)], "that of the newer");
}

#[test]
fn a_timer_opens_by_itself_and_the_deadline_stands_still() {
    let span_ms = 2 * DEADLINE_MS;
    let mut world = gated(Gate::Timer(span_ms));
    world.settle();
    assert!(matches!(world.release(2).deadline, Deadline::Held { .. }));
    let opens = world.release(2).timer_until.unwrap();
    assert_eq!(world.plan().wake_at, Some(opens));
    world.tick(span_ms - 1);
    assert_eq!(world.word(2), "rolling_out");
    world.tick(1);
    assert_eq!(world.word(2), "deployed");
}

#[test]
fn a_timer_counts_only_while_its_step_stands() {
    let mut world = gated(Gate::Timer(1_000));
    world.settle();
    world.tick(900);
    world.crash("v2");
    assert_eq!(world.release(2).timer_until, None);
    assert!(matches!(
        world.release(2).deadline,
        Deadline::Running { .. }
    ));
    world.tick(500);
    assert_eq!(world.word(2), "rolling_out");
    world.settle();
    world.tick(999);
    assert_eq!(world.word(2), "rolling_out");
    world.tick(1);
    assert_eq!(world.word(2), "deployed");
}

#[test]
fn a_timer_stands_still_while_stopped() {
    let mut world = gated(Gate::Timer(1_000));
    world.settle();
    world.input(&crate::input::Input::Stop);
    world.settle();
    assert!(world.plan().wake_at.is_none());
    world.tick(5_000);
    world.start("v9");
    world.settle();
    assert_eq!(world.word(2), "rolling_out");
    world.tick(1_000);
    assert_eq!(world.word(2), "deployed");
}

#[test]
fn checks_open_or_fail() {
    for succeeded in [true, false] {
        let mut world = gated(Gate::Checks);
        world.settle();
        assert_eq!(world.word(2), "rolling_out");
        world.observe(Observation::ChecksConcluded {
            release: "r2".into(),
            succeeded,
        });
        world.observe(Observation::ChecksConcluded {
            release: "r2".into(),
            succeeded: !succeeded,
        });
        if succeeded {
            assert_eq!(world.word(2), "deployed");
        } else {
            assert_eq!(
                world.outcome(2),
                Some(&Outcome::Failed(FailureReason::Check))
            );
            assert_eq!(world.share("v2"), 0);
        }
    }
}

#[test]
fn a_job_runs_at_most_once() {
    let mut world = with_job_after();
    world.settle();
    world.crash("v2");
    world.settle();
    assert_eq!(world.release(2).jobs.len(), 1);
    world.observe(Observation::Rebooted);
    world.settle();
    assert_eq!(
        world.word(2),
        "restoring",
        "an interrupted job counts as failed"
    );
    assert_eq!(
        world
            .release(2)
            .jobs
            .iter()
            .filter(|j| j.component.0 == "post")
            .count(),
        1
    );
}

#[test]
fn a_manual_gate_is_the_pause_of_a_canary() {
    let mut world = World::running(2);
    world.deploy(2, canary(&[50], 1));
    assert_eq!(world.release(2).steps[0].gate, Gate::Manual);
}
