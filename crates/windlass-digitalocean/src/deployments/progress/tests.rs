//! The tree over a table of states, and what must hold for all of them.

use proptest::prelude::*;

use super::*;

fn part(name: &str, kind: PartKind, build: Leaf, deploy: Leaf, wait: Leaf) -> Part {
    Part {
        name: name.to_owned(),
        kind,
        build,
        deploy,
        wait,
    }
}

fn service(build: Leaf, deploy: Leaf, wait: Leaf) -> Part {
    part("web", PartKind::Service, build, deploy, wait)
}

fn facts(phase: Phase, part: Part) -> Facts {
    Facts {
        phase,
        parts: vec![part],
        canary: vec![],
        ending: None,
        times: Times::default(),
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "times are optional where it is used"
)]
fn at(millis: i64) -> Option<Timestamp> {
    Some(Timestamp(millis))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "endings are optional where it is used"
)]
fn canceled() -> Option<Reason> {
    Some(Reason {
        code: "Canceled",
        message: "canceled by anna".to_owned(),
    })
}

/// Counters as the wire has them: pending, running, success, error, total.
fn counts(value: &Value) -> [u64; 5] {
    [
        "pending_steps",
        "running_steps",
        "success_steps",
        "error_steps",
        "total_steps",
    ]
    .map(|name| value[name].as_u64().unwrap_or(0))
}

/// The public reference page shows exactly this for its one service.
#[test]
fn a_new_deployment_looks_as_on_the_reference_page() {
    let shown = progress(&facts(
        Phase::PendingBuild,
        service(Leaf::Pending, Leaf::Pending, Leaf::Pending),
    ));
    assert_eq!(
        shown,
        json!({
            "pending_steps": 6,
            "total_steps": 6,
            "steps": [
                {
                    "name": "build",
                    "status": "PENDING",
                    "steps": [
                        {"name": "initialize", "status": "PENDING"},
                        {
                            "name": "components",
                            "status": "PENDING",
                            "steps": [{
                                "name": "web",
                                "status": "PENDING",
                                "component_name": "web",
                                "message_base": "Building service",
                            }],
                        },
                    ],
                },
                {
                    "name": "deploy",
                    "status": "PENDING",
                    "steps": [
                        {"name": "initialize", "status": "PENDING"},
                        {
                            "name": "components",
                            "status": "PENDING",
                            "steps": [{
                                "name": "web",
                                "status": "PENDING",
                                "steps": [
                                    {
                                        "name": "deploy",
                                        "status": "PENDING",
                                        "component_name": "web",
                                        "message_base": "Deploying service",
                                    },
                                    {
                                        "name": "wait",
                                        "status": "PENDING",
                                        "component_name": "web",
                                        "message_base": "Waiting for service",
                                    },
                                ],
                                "component_name": "web",
                            }],
                        },
                        {"name": "finalize", "status": "PENDING"},
                    ],
                },
            ],
        })
    );
}

#[test]
fn counters_of_each_phase() {
    let times = |building, built, started, ended| Times {
        building_at: building,
        built_at: built,
        started_at: started,
        ended_at: ended,
    };
    let (pending, running, done) = (Leaf::Pending, Leaf::Running, Leaf::Done);
    let table = [
        (
            Phase::Building,
            service(running.clone(), pending.clone(), pending.clone()),
            None,
            times(at(1), None, None, None),
            [4, 1, 1, 0, 6],
        ),
        (
            Phase::PendingDeploy,
            service(done.clone(), pending.clone(), pending.clone()),
            None,
            times(at(1), at(2), None, None),
            [4, 0, 2, 0, 6],
        ),
        (
            Phase::Deploying,
            service(done.clone(), done.clone(), running.clone()),
            None,
            times(at(1), at(2), at(3), None),
            [1, 1, 4, 0, 6],
        ),
        (
            Phase::Active,
            service(done.clone(), done.clone(), done.clone()),
            None,
            times(at(1), at(2), at(3), at(4)),
            [0, 0, 6, 0, 6],
        ),
        (
            Phase::Superseded,
            service(done.clone(), done.clone(), done.clone()),
            None,
            times(at(1), at(2), at(3), at(4)),
            [0, 0, 6, 0, 6],
        ),
        (
            Phase::Canceled,
            service(pending.clone(), pending.clone(), pending.clone()),
            canceled(),
            times(None, None, None, at(4)),
            [0, 0, 0, 6, 6],
        ),
        (
            Phase::Canceled,
            service(done.clone(), done.clone(), running.clone()),
            canceled(),
            times(at(1), at(2), at(3), at(4)),
            [0, 0, 4, 2, 6],
        ),
        (
            Phase::Canceled,
            service(done.clone(), done.clone(), done.clone()),
            canceled(),
            times(at(1), at(2), at(3), at(4)),
            [0, 0, 5, 1, 6],
        ),
        (
            Phase::Error,
            service(done.clone(), done.clone(), running.clone()),
            canceled(),
            times(at(1), at(2), at(3), at(4)),
            [1, 0, 4, 1, 6],
        ),
        (
            Phase::Error,
            service(
                Leaf::Failed(Reason {
                    code: "BuildJobExitNonZero",
                    message: "no".to_owned(),
                }),
                pending.clone(),
                pending.clone(),
            ),
            canceled(),
            times(at(1), None, None, at(4)),
            [4, 0, 1, 1, 6],
        ),
    ];
    for (phase, part, ending, times, wanted) in table {
        let shown = progress(&Facts {
            ending,
            times,
            ..facts(phase, part.clone())
        });
        assert_eq!(counts(&shown), wanted, "{phase:?} {part:?}");
    }
}

#[test]
fn jobs_stand_around_the_rest_and_one_for_failures_only_when_it_ran() {
    let pending = || Leaf::Pending;
    let job = |name: &str, kind| part(name, PartKind::Job(kind), pending(), pending(), pending());
    let mut all = facts(
        Phase::Deploying,
        service(Leaf::Done, Leaf::Running, Leaf::Pending),
    );
    all.parts.insert(0, job("after", JobKind::PostDeploy));
    all.parts.push(job("before", JobKind::PreDeploy));
    all.parts.push(job("rescue", JobKind::FailedDeploy));
    all.parts.push(part(
        "files",
        PartKind::StaticSite,
        Leaf::Done,
        pending(),
        pending(),
    ));
    let names = |shown: &Value| -> Vec<String> {
        let steps = shown.pointer("/steps/1/steps/1/steps").unwrap();
        let steps = steps.as_array().unwrap().iter();
        steps
            .map(|step| step["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let shown = progress(&all);
    assert_eq!(names(&shown), ["before", "web", "files", "after"]);
    let files = shown.pointer("/steps/1/steps/1/steps/2/steps").unwrap();
    assert_eq!(files.as_array().unwrap().len(), 1);
    all.parts[3].deploy = Leaf::Done;
    assert_eq!(
        names(&progress(&all)),
        ["before", "web", "files", "after", "rescue"]
    );
}

#[test]
fn the_steps_of_a_canary_are_steps_of_the_tree() {
    let mut all = facts(
        Phase::Deploying,
        service(Leaf::Done, Leaf::Done, Leaf::Running),
    );
    all.canary = vec![
        Canary {
            weight: 10,
            leaf: Leaf::Done,
        },
        Canary {
            weight: 50,
            leaf: Leaf::Running,
        },
    ];
    let shown = progress(&all);
    let canary = shown.pointer("/steps/1/steps/2").unwrap();
    assert_eq!(canary["name"], "canary");
    assert_eq!(canary["status"], "RUNNING");
    assert_eq!(canary["steps"][0]["name"], "weight-10");
    assert_eq!(canary["steps"][0]["status"], "SUCCESS");
    assert_eq!(counts(&shown)[4], 8);
}

#[test]
fn times_stand_where_they_belong() {
    let mut all = facts(
        Phase::Canceled,
        service(Leaf::Done, Leaf::Done, Leaf::Running),
    );
    all.ending = canceled();
    all.times = Times {
        building_at: at(1_000),
        built_at: at(2_000),
        started_at: at(3_000),
        ended_at: at(4_000),
    };
    let shown = progress(&all);
    let build = &shown["steps"][0];
    assert_eq!(build["started_at"], "1970-01-01T00:00:01.000000000Z");
    assert_eq!(build["ended_at"], "1970-01-01T00:00:02.000000000Z");
    let deploy = &shown["steps"][1];
    assert_eq!(deploy["started_at"], "1970-01-01T00:00:03.000000000Z");
    assert_eq!(deploy["ended_at"], "1970-01-01T00:00:04.000000000Z");
    let leaf = shown.pointer("/steps/1/steps/1/steps/0/steps/0").unwrap();
    assert_eq!(leaf.get("started_at"), None);
    let reason = shown.pointer("/steps/1/steps/1/steps/0/steps/1/reason");
    assert_eq!(
        reason,
        Some(&json!({"code": "Canceled", "message": "canceled by anna"}))
    );
}

fn leaves() -> impl Strategy<Value = Leaf> {
    let reason = Reason {
        code: "X",
        message: "x".to_owned(),
    };
    prop_oneof![
        Just(Leaf::Pending),
        Just(Leaf::Running),
        Just(Leaf::Done),
        Just(Leaf::DoneBecause(reason.clone())),
        Just(Leaf::Failed(reason)),
    ]
}

fn kinds() -> impl Strategy<Value = PartKind> {
    prop_oneof![
        Just(PartKind::Service),
        Just(PartKind::Worker),
        Just(PartKind::StaticSite),
        Just(PartKind::Job(JobKind::PreDeploy)),
        Just(PartKind::Job(JobKind::PostDeploy)),
        Just(PartKind::Job(JobKind::FailedDeploy)),
    ]
}

fn phases() -> impl Strategy<Value = Phase> {
    prop_oneof![
        Just(Phase::PendingBuild),
        Just(Phase::Building),
        Just(Phase::PendingDeploy),
        Just(Phase::Deploying),
        Just(Phase::Superseded),
        Just(Phase::Error),
        Just(Phase::Canceled),
    ]
}

fn count_leaves(step: &Value) -> u64 {
    match step.get("steps").and_then(Value::as_array) {
        Some(steps) => steps.iter().map(count_leaves).sum(),
        None => u64::from(!matches!(step["name"].as_str(), Some("components"))),
    }
}

proptest! {
    /// Whatever is told of a deployment that does not serve: the counters add up, it is no
    /// success, and if it is over it is a failure.
    #[test]
    fn no_tree_lies(
        phase in phases(),
        parts in prop::collection::vec((kinds(), leaves(), leaves(), leaves()), 0..5),
    ) {
        let over = !phase.is_open();
        let parts = parts
            .into_iter()
            .enumerate()
            .map(|(index, (kind, build, deploy, wait))| {
                part(&format!("c{index}"), kind, build, deploy, wait)
            })
            .collect();
        let shown = progress(&Facts {
            phase,
            parts,
            canary: vec![],
            ending: over.then(|| canceled().unwrap()),
            times: Times { building_at: at(1), started_at: at(2), ended_at: at(3), built_at: None },
        });
        let [pending, running, success, error, total] = counts(&shown);
        prop_assert_eq!(pending + running + success + error, total);
        prop_assert!(success < total);
        prop_assert!(!over || error >= 1);
        prop_assert!(!over || running == 0);
        let steps = shown["steps"].as_array().unwrap();
        prop_assert_eq!(steps.len(), 2);
        prop_assert_eq!(steps.iter().map(count_leaves).sum::<u64>(), total);
        prop_assert!(steps.iter().any(|step| step["status"] != "SUCCESS"));
    }
}
