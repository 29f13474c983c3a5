//! Jobs whose app is stopped, and jobs for failures that do not end.

use super::gates::{job, job_ended, jobs, release, with_job_after};
use super::world::{World, deployment, rolling};
use crate::app::{ConcurrencyPolicy, RunState};
use crate::configuration::JobKind;
use crate::input::{IfStopped, Input, Observation};
use crate::limits::DEADLINE_MS;
use crate::plan::Want;
use crate::release::{FailureReason, JobState, Outcome};
use crate::strategy::Strategy;

#[test]
fn a_stop_ends_a_running_job_and_fails_its_release() {
    // Which jobs there are, how many new ones are up when the stop comes, which job runs then.
    let table = [
        (JobKind::PreDeploy, "pre", 0),
        (JobKind::PostDeploy, "post", 2),
    ];
    for (kind, name, up) in table {
        let mut world = release(&[(name, kind), ("sorry", JobKind::FailedDeploy)]);
        world.settle();
        assert_eq!(jobs(&world), [(name.to_owned(), Want::Run)]);
        assert_eq!(world.routable("v2"), up, "{name}");
        world.input(&Input::Stop);
        let failed = Outcome::Failed(FailureReason::Job {
            component: name.into(),
        });
        assert_eq!(world.outcome(2), Some(&failed));
        assert_eq!(
            jobs(&world),
            [(name.to_owned(), Want::Stop)],
            "and none for failures starts in a stopped app"
        );
        let seen = &world.release(2).restore.as_ref().unwrap().not_undone;
        assert_eq!(seen, &[format!("job {name} was interrupted")]);
        world.drain();
        world.drain();
        assert_eq!(world.word(2), "restoring", "the job is not gone yet");
        job_ended(&mut world, name, true);
        assert_eq!(world.release(2).jobs[0].state, JobState::Interrupted);
        assert_eq!(world.word(2), "failed");
        assert!(world.state.instances.is_empty());
        world.start("v9");
        world.settle();
        assert_eq!(world.state.base, Some("v1".into()), "the base is kept");
        assert_eq!((world.routable("v1"), world.share("v1")), (2, 10_000));
        assert!(jobs(&world).is_empty(), "no job runs a second time");
    }
}

#[test]
fn a_start_before_the_stopped_job_is_gone_changes_no_outcome() {
    let mut world = with_job_after();
    world.settle();
    world.input(&Input::Stop);
    world.start("v9");
    assert_eq!(jobs(&world), [("post".to_owned(), Want::Stop)]);
    world.settle();
    assert_eq!(world.word(2), "failed");
    assert_eq!((world.routable("v1"), world.share("v1")), (2, 10_000));
    assert!(!world.runs("v2"));
}

#[test]
fn a_stop_between_jobs_leaves_the_release_standing() {
    let mut world = release(&[("pre", JobKind::PreDeploy), ("post", JobKind::PostDeploy)]);
    job_ended(&mut world, "pre", true);
    world.input(&Input::Stop);
    world.settle();
    assert_eq!(world.word(2), "rolling_out");
    world.start("v9");
    world.settle();
    assert_eq!(jobs(&world), [("post".to_owned(), Want::Run)]);
    job_ended(&mut world, "post", true);
    assert_eq!(world.word(2), "deployed");
}

#[test]
fn a_stop_ends_the_job_for_failures() {
    let mut world = with_job_after();
    world.settle();
    job_ended(&mut world, "post", false);
    assert_eq!(jobs(&world), [("sorry".to_owned(), Want::Run)]);
    world.input(&Input::Stop);
    assert_eq!(jobs(&world), [("sorry".to_owned(), Want::Stop)]);
    world.settle();
    assert_eq!(world.word(2), "failed");
    assert!(world.state.instances.is_empty());
}

#[test]
fn a_job_for_failures_that_hangs_is_ended() {
    for deadline_ms in [Some(60_000), None] {
        let mut world = with_job_after();
        world.state.settings.deadline_ms = deadline_ms;
        world.settle();
        job_ended(&mut world, "post", false);
        world.drain();
        world.drain();
        let bound = deadline_ms.unwrap_or(DEADLINE_MS);
        assert_eq!(
            world.plan().wake_at.unwrap().since(world.now().uptime),
            bound
        );
        world.tick(bound - 1);
        assert_eq!(jobs(&world), [("sorry".to_owned(), Want::Run)]);
        world.tick(1);
        assert_eq!(jobs(&world), [("sorry".to_owned(), Want::Stop)]);
        assert!(world.told.contains(&"job_expired"));
        assert_eq!(world.word(2), "restoring", "until it is gone");
        job_ended(&mut world, "sorry", false);
        assert_eq!(world.release(2).jobs[1].state, JobState::Interrupted);
        assert_eq!(world.word(2), "failed");
    }
}

#[test]
fn the_bound_of_a_job_for_failures_makes_no_outage() {
    let mut world = World::stopped(ConcurrencyPolicy::SupersedeNow, 4);
    world.edit(vec![job("sorry", JobKind::FailedDeploy)]);
    world.start("v1");
    world.settle();
    world.deploy(2, rolling(2));
    world.up("v2", 2);
    world.drain();
    world.tick(DEADLINE_MS);
    assert_eq!(jobs(&world), [("sorry".to_owned(), Want::Run)]);
    let served = (world.share("v2"), world.routable("v2"));
    assert_eq!(
        served,
        (2_500, 2),
        "half of the base carries half of its 5,000"
    );
    world.tick(DEADLINE_MS);
    job_ended(&mut world, "sorry", false);
    assert!(jobs(&world).is_empty());
    assert_eq!(world.word(2), "restoring", "the base is not up yet");
    assert_eq!((world.share("v2"), world.routable("v2")), served);
    world.settle();
    assert_eq!((world.word(2), world.share("v1")), ("failed", 10_000));
}

#[test]
fn an_app_that_is_stopped_again_ends_the_jobs_of_older_releases() {
    let mut world = World::stopped(ConcurrencyPolicy::SupersedeNow, 2);
    world.edit(vec![
        job("pre", JobKind::PreDeploy),
        job("sorry", JobKind::FailedDeploy),
    ]);
    let mut first = deployment(2, Strategy::BlueGreen);
    first.if_stopped = IfStopped::Release;
    world.input(&Input::Deploy(first));
    job_ended(&mut world, "pre", false);
    assert_eq!(jobs(&world), [("sorry".to_owned(), Want::Run)]);
    world.deploy(3, Strategy::BlueGreen);
    world.cancel(3);
    world.observe(Observation::JobEnded {
        release: "r3".into(),
        component: "pre".into(),
        succeeded: false,
    });
    assert_eq!(world.word(3), "canceled");
    assert_eq!(world.state.run, RunState::Stopped, "as it was before");
    assert_eq!(jobs(&world), [("sorry".to_owned(), Want::Stop)]);
    world.settle();
    assert_eq!(world.word(2), "failed");
}
