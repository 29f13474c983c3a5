//! Blue-green: everything new beside the warm base, traffic moves when all of it is there.

use super::gates::job;
use super::world::{World, canary, deployment, web};
use crate::app::ConcurrencyPolicy;
use crate::configuration::{ComponentConfig, ComponentRole, Edit, JobKind};
use crate::input::{IfStopped, Input, Observation};
use crate::plan::Want;
use crate::release::{JobState, Outcome};
use crate::strategy::{Gate, Parts, Sizes, StepScope, Strategy, Weight, compile};
use crate::transition::usage;

const JOBS: [(&str, JobKind); 3] = [
    ("pre", JobKind::PreDeploy),
    ("post", JobKind::PostDeploy),
    ("sorry", JobKind::FailedDeploy),
];

/// An app of two instances that runs `v1`, and jobs of these names.
fn world(jobs: &[(&str, JobKind)]) -> World {
    let mut world = World::stopped(ConcurrencyPolicy::OneRunningNewestPending, 2);
    world.edit(jobs.iter().map(|(name, kind)| job(name, *kind)).collect());
    world.start("v1");
    world.settle();
    world
}

fn ended(world: &mut World, job: &str, succeeded: bool) {
    world.observe(Observation::JobEnded {
        release: "r2".into(),
        component: job.into(),
        succeeded,
    });
}

fn running_jobs(world: &World) -> Vec<(String, Want)> {
    let jobs = world.plan().jobs.into_iter();
    jobs.map(|(_, component, want)| (component.0, want))
        .collect()
}

#[test]
fn the_steps() {
    let web = web();
    let parts = |before, after| Parts {
        routed: [(web.clone(), Sizes { base: 3, goal: 2 })].into(),
        others: [("worker".into(), Sizes { base: 1, goal: 1 })].into(),
        before,
        after,
        ..Parts::default()
    };
    let rows = |strategy: &Strategy, parts: &Parts| {
        compile(strategy, parts)
            .into_iter()
            .filter(|step| step.scope == StepScope::Routed)
            .map(|step| {
                let counts = step.counts[&web];
                (
                    counts.new_instances,
                    counts.base_instances,
                    step.weight,
                    step.gate,
                )
            })
            .collect::<Vec<_>>()
    };
    let (none, all) = (Weight::Share(0), Weight::Share(10_000));
    assert_eq!(
        rows(&Strategy::BlueGreen, &parts(false, false)),
        [(2, 3, none, Gate::Automatic), (2, 3, all, Gate::Automatic)]
    );
    let (pre, post) = (
        Gate::Jobs(JobKind::PreDeploy),
        Gate::Jobs(JobKind::PostDeploy),
    );
    assert_eq!(
        rows(&Strategy::BlueGreen, &parts(true, true)),
        [
            (0, 3, none, pre),
            (2, 3, none, Gate::Automatic),
            (2, 3, all, post)
        ]
    );
    assert_eq!(
        rows(&canary(&[50], 1), &parts(true, true)),
        [
            (0, 3, none, pre),
            (1, 3, Weight::Share(5_000), Gate::Manual),
            (2, 3, Weight::ByInstances, Gate::Automatic),
            (2, 3, all, post)
        ],
        "what a job after may still undo stays"
    );
    let workers_only = Parts {
        routed: [].into(),
        ..parts(false, true)
    };
    let last = compile(&Strategy::BlueGreen, &workers_only).pop().unwrap();
    assert_eq!((last.scope, last.gate), (StepScope::Others, post));
}

#[test]
fn traffic_moves_when_all_are_routable() {
    let mut world = world(&[]);
    world.deploy(2, Strategy::BlueGreen);
    assert_eq!(world.wanted("v2"), 2);
    world.up("v2", 1);
    assert_eq!((world.share("v1"), world.share("v2")), (10_000, 0));
    assert_eq!(world.routable("v1"), 2);
    world.up("v2", 2);
    assert_eq!(world.word(2), "deployed");
    assert_eq!((world.share("v1"), world.share("v2")), (0, 10_000));
    world.settle();
    assert!(!world.runs("v1"), "the base goes when it is deployed");
}

#[test]
fn the_first_deployment_serves_as_soon_as_it_can() {
    let mut world = World::stopped(ConcurrencyPolicy::OneRunningNewestPending, 2);
    let mut command = deployment(1, Strategy::BlueGreen);
    command.if_stopped = IfStopped::Release;
    world.input(&Input::Deploy(command));
    world.up("v1", 1);
    assert_eq!(world.share("v1"), 10_000);
    assert_eq!(world.word(1), "rolling_out");
    world.up("v1", 2);
    assert_eq!(world.word(1), "deployed");
}

#[test]
fn what_serves_for_a_base_that_is_down_goes_only_as_the_base_comes() {
    let mut world = world(&[]);
    world.break_one("v1");
    world.break_one("v1");
    world.deploy(2, Strategy::BlueGreen);
    world.up("v2", 1);
    assert_eq!(world.share("v2"), 10_000, "nothing else serves");
    world.tick(60_000);
    world.up("v1", 1);
    assert_eq!((world.share("v1"), world.share("v2")), (5_000, 5_000));
    world.up("v1", 2);
    assert_eq!((world.share("v1"), world.share("v2")), (10_000, 0));
    world.settle();
    assert_eq!(world.word(2), "deployed");
}

/// The share that a target gets because nothing sound serves must not depend on whether the plan
/// was made before or after that share was noted.
#[test]
fn beside_a_canceled_version_it_serves_what_that_may_not_have() {
    let mut world = world(&[]);
    world.deploy(2, canary(&[50], 1));
    world.up("v2", 1);
    world.break_one("v1");
    world.cancel(2);
    let cap = world.share("v2");
    assert!(cap > 0, "the base is short of an instance");
    world.deploy(3, Strategy::BlueGreen);
    world.up("v3", 1);
    world.break_one("v1");
    assert_eq!(world.routable("v1"), 0);
    let shares = (world.share("v2"), world.share("v3"));
    assert_eq!(shares, (cap, 10_000 - cap));
    world.tick(0);
    assert_eq!(shares, (world.share("v2"), world.share("v3")));
}

#[test]
fn jobs_stand_around_the_move() {
    let mut world = world(&JOBS);
    world.deploy(2, Strategy::BlueGreen);
    assert_eq!(running_jobs(&world), [("pre".to_owned(), Want::Run)]);
    assert_eq!(world.wanted("v2"), 0);
    ended(&mut world, "pre", true);
    world.up("v2", 2);
    assert_eq!(running_jobs(&world), [("post".to_owned(), Want::Run)]);
    assert_eq!(world.word(2), "rolling_out");
    assert_eq!((world.share("v2"), world.routable("v1")), (10_000, 2));
    ended(&mut world, "post", true);
    assert_eq!(world.word(2), "deployed");
    assert_eq!(world.release(2).jobs.len(), 2, "none for failures");
}

#[test]
fn a_cancel_in_each_phase_restores_without_a_start() {
    for phase in ["pre", "health", "post"] {
        let mut world = world(&JOBS);
        world.deploy(2, Strategy::BlueGreen);
        if phase != "pre" {
            ended(&mut world, "pre", true);
            world.up("v2", if phase == "health" { 1 } else { 2 });
        }
        let before: Vec<_> = world.state.instances.keys().copied().collect();
        world.cancel(2);
        assert_eq!(
            (world.share("v1"), world.share("v2")),
            (10_000, 0),
            "{phase}"
        );
        assert_eq!(world.routable("v1"), 2, "{phase}");
        for (job, _) in running_jobs(&world) {
            ended(&mut world, &job, false);
        }
        world.settle();
        assert_eq!(world.word(2), "canceled", "{phase}");
        assert!(!world.runs("v2"), "{phase}");
        let started = world.state.instances.keys().any(|id| !before.contains(id));
        assert!(!started, "{phase}: the base was warm");
        let release = world.release(2);
        let interrupted: Vec<&str> = release
            .jobs
            .iter()
            .filter(|job| job.state == JobState::Interrupted)
            .map(|job| job.component.as_str())
            .collect();
        let lists = release.restore.as_ref().unwrap().not_undone.clone();
        match phase {
            "pre" => assert_eq!(
                (interrupted, lists),
                (vec!["pre"], vec!["job pre was interrupted".to_owned()])
            ),
            "health" => assert_eq!(
                (interrupted, lists),
                (vec![], vec!["job pre had finished".to_owned()])
            ),
            _ => assert_eq!(
                (interrupted, lists),
                (
                    vec!["post"],
                    vec![
                        "job pre had finished".to_owned(),
                        "job post was interrupted".to_owned()
                    ]
                )
            ),
        }
    }
}

#[test]
fn a_job_that_fails_runs_the_one_for_failures() {
    for (phase, word) in [("pre", "failed"), ("post", "failed")] {
        let mut world = world(&JOBS);
        world.deploy(2, Strategy::BlueGreen);
        if phase == "post" {
            ended(&mut world, "pre", true);
            world.up("v2", 2);
        }
        ended(&mut world, phase, false);
        assert_eq!(running_jobs(&world), [("sorry".to_owned(), Want::Run)]);
        ended(&mut world, "sorry", true);
        world.settle();
        assert_eq!(world.word(2), word);
        assert!(matches!(world.outcome(2), Some(Outcome::Failed(_))));
        assert_eq!(world.share("v1"), 10_000);
    }
}

#[test]
fn workers_follow_the_last_gate() {
    let mut world = World::stopped(ConcurrencyPolicy::OneRunningNewestPending, 1);
    world.edit(vec![
        job("post", JobKind::PostDeploy),
        Edit::AddComponent("worker".into(), ComponentConfig::new(ComponentRole::Worker)),
    ]);
    world.scale("worker", 1);
    world.start("v1");
    world.settle();
    let workers = |world: &World, revision: &str| {
        let all = world.state.instances.values();
        all.filter(|it| it.component.as_str() == "worker" && it.revision.as_str() == revision)
            .count()
    };
    world.deploy(2, Strategy::BlueGreen);
    world.settle();
    assert_eq!(running_jobs(&world), [("post".to_owned(), Want::Run)]);
    assert_eq!((workers(&world, "v1"), workers(&world, "v2")), (1, 0));
    ended(&mut world, "post", true);
    assert_eq!(
        world.routable("v1"),
        1,
        "web of the base is warm to the end"
    );
    world.settle();
    assert_eq!(world.word(2), "deployed");
    assert_eq!((workers(&world, "v1"), workers(&world, "v2")), (0, 1));
}

#[test]
fn the_warm_base_counts_for_the_quota() {
    let mut world = world(&[]);
    assert_eq!(usage(&world.state).instances, 2);
    world.ledgers.instances_left = Some(1);
    let command = deployment(2, Strategy::BlueGreen);
    world.refused(&Input::Deploy(command));
    world.ledgers.instances_left = Some(2);
    world.deploy(2, Strategy::BlueGreen);
    assert_eq!(usage(&world.state).instances, 4);
}
