use std::collections::{BTreeMap, BTreeSet};

use windlass_control::history::ReleaseDetail;
use windlass_engine::configuration::Key;
use windlass_engine::id::{
    ArtifactId, CommitNumber, ComponentName, NumberedRevisionId, ReleaseId, RevisionId,
};
use windlass_engine::records::Metadata;
use windlass_engine::release::{CancelCause, Deadline, FailureReason, ReleaseState, Urgency};
use windlass_engine::strategy::{Parts, Sizes, compile};
use windlass_engine::time::{Timestamp, Uptime};

use super::*;

fn release(strategy: Strategy) -> Release {
    let routed = BTreeMap::from([(ComponentName::from("web"), Sizes { base: 4, goal: 4 })]);
    let parts = Parts {
        routed,
        ..Parts::default()
    };
    let steps = compile(&strategy, &parts);
    Release {
        id: ReleaseId::from("r"),
        strategy,
        target: RevisionId::from("t"),
        base: Some(RevisionId::from("b")),
        base_scale: BTreeMap::new(),
        base_was_routable: true,
        base_down: BTreeSet::new(),
        was_started: true,
        target_scale: BTreeMap::new(),
        steps,
        last_step: 0,
        awaited_builds: Vec::new(),
        state: ReleaseState::RollingOut { step: 0 },
        wanted: BTreeMap::from([(ComponentName::from("web"), 1)]),
        best_routable: BTreeMap::new(),
        jobs: Vec::new(),
        deadline: Deadline::Off,
        timer_until: None,
        restore: None,
        error: None,
        checks: None,
        awaits_checks: false,
        created_at: Timestamp(1_000),
        updated_at: Timestamp(2_000),
        status_changed_at: Timestamp(3_000),
        last_healthy_at: Timestamp(4_000),
        created_commit: CommitNumber(7),
        cleanup_left: 0,
        had_share: true,
        served: BTreeSet::new(),
        relieved: false,
        configuration_before: None,
        target_edits: Vec::new(),
    }
}

fn canary() -> Release {
    release(Strategy::Canary {
        weights: vec![25, 50],
        max_in_flight: 1,
    })
}

fn restore() -> Restore {
    Restore {
        by: "ann".to_owned(),
        client: None,
        reason: Some("bad numbers".to_owned()),
        at: Timestamp(5_000),
        since: Uptime(5),
        urgency: Urgency::CapacitySafe,
        share_at_commit: BTreeMap::new(),
        share_cap: BTreeMap::new(),
        zero_generation: None,
        safe: true,
        time_to_safe_us: Some(1_001),
        restored: vec![Key::Artifact],
        not_restored: ["COLOR", "SHAPE"]
            .map(|name| Key::Env(name.to_owned()))
            .to_vec(),
        not_undone: vec!["task 1".to_owned()],
        note: None,
    }
}

fn record(release: &Release) -> ReleaseRecord {
    let options = Options {
        max_in_flight: Some(1),
        canary_weights: Some(vec![25, 50]),
        web_instances: Some(4),
        ..Options::default()
    };
    ReleaseRecord {
        app: AppId::from("a"),
        release: release.clone(),
        base_artifact: Some(ArtifactId::from("d1")),
        target_artifacts: BTreeMap::new(),
        target_artifact: Some(ArtifactId::from("d2")),
        shares: BTreeMap::new(),
        instances: BTreeMap::new(),
        waits_for: None,
        marks: windlass_control::history::Marks::default(),
        detail: ReleaseDetail {
            metadata: Metadata::default(),
            options: serde_json::to_value(options).unwrap(),
            numbered_revision: Some((NumberedRevisionId::from("n"), 3)),
            has_new_processes: true,
            is_rollback: false,
            hosts: BTreeSet::new(),
        },
    }
}

fn show(record: &ReleaseRecord, shows_revision: bool) -> Value {
    deployment(&Urls::new("https://api"), record, shows_revision)
}

#[test]
fn a_paused_canary() {
    let mut release = canary();
    release.state = ReleaseState::Paused { step: 0 };
    assert_eq!(
        show(&record(&release), true),
        json!({
            "guid": "r",
            "created_at": "1970-01-01T00:00:01Z",
            "updated_at": "1970-01-01T00:00:02Z",
            "status": {
                "value": "ACTIVE",
                "reason": "PAUSED",
                "details": {
                    "last_successful_healthcheck": "1970-01-01T00:00:04Z",
                    "last_status_change": "1970-01-01T00:00:03Z"
                },
                "canary": {"steps": {"current": 1, "total": 2}}
            },
            "strategy": "canary",
            "options": {
                "max_in_flight": 1,
                "web_instances": 4,
                "canary": {"steps": [{"instance_weight": 25}, {"instance_weight": 50}]}
            },
            "droplet": {"guid": "d2"},
            "previous_droplet": {"guid": "d1"},
            "new_processes": [
                {"guid": deployed_web_process(&ReleaseId::from("r")), "type": "web"}
            ],
            "revision": {"guid": "n", "version": 3},
            "relationships": {"app": {"data": {"guid": "a"}}},
            "metadata": {"labels": {}, "annotations": {}},
            "links": {
                "self": {"href": "https://api/v3/deployments/r"},
                "app": {"href": "https://api/v3/apps/a"},
                "cancel": {
                    "href": "https://api/v3/deployments/r/actions/cancel", "method": "POST"
                },
                "continue": {
                    "href": "https://api/v3/deployments/r/actions/continue", "method": "POST"
                }
            }
        })
    );
}

#[test]
fn a_rolling_deployment_has_no_canary_and_only_given_options() {
    let plain = ReleaseRecord {
        base_artifact: None,
        detail: ReleaseDetail::default(),
        ..record(&release(Strategy::Rolling { max_in_flight: 1 }))
    };
    let shown = show(&plain, true);
    assert_eq!(shown["options"], json!({"max_in_flight": 1}));
    assert_eq!(shown["status"].get("canary"), None);
    assert_eq!(shown["strategy"], "rolling");
    assert_eq!(shown["previous_droplet"], json!({"guid": null}));
    assert_eq!(shown["revision"], Value::Null);
    assert_eq!(shown["links"].get("continue"), None);
}

#[test]
fn revision_is_hidden_while_the_feature_is_off() {
    assert_eq!(show(&record(&canary()), false)["revision"], Value::Null);
}

#[test]
fn a_deployment_of_a_stopped_app_has_no_new_process() {
    let mut record = record(&canary());
    record.detail.has_new_processes = false;
    assert_eq!(show(&record, true)["new_processes"], json!([]));
}

#[test]
fn a_cancel_is_explained() {
    let mut release = canary();
    release.state = ReleaseState::Restoring {
        outcome: Outcome::Canceled(CancelCause::User),
    };
    release.restore = Some(restore());
    let waiting = ReleaseRecord {
        waits_for: Some("1 of 2 instances of the base of web".to_owned()),
        ..record(&release)
    };
    let shown = show(&waiting, true);
    assert_eq!(
        shown["status"]["details"],
        json!({
            "last_successful_healthcheck": "1970-01-01T00:00:04Z",
            "last_status_change": "1970-01-01T00:00:03Z",
            "canceled_by": "ann",
            "cancel_reason": "bad numbers",
            "time_to_safe_ms": 2,
            "not_restored": "env.COLOR, env.SHAPE",
            "not_undone": "task 1",
            "waits_for": "1 of 2 instances of the base of web"
        })
    );
    assert_eq!(shown["status"]["reason"], "CANCELING");
    assert!(shown["links"].get("cancel").is_some());
}

#[test]
fn a_failed_deployment_says_why() {
    let mut release = canary();
    release.state = ReleaseState::Finalized {
        outcome: Outcome::Failed(FailureReason::Deadline),
    };
    release.restore = Some(Restore {
        reason: None,
        by: "engine".to_owned(),
        ..restore()
    });
    let details = show(&record(&release), true)["status"]["details"].clone();
    let text = "The deployment made no progress within its deadline";
    assert_eq!(details["error"], text);
    assert_eq!(details["cancel_reason"], text);
    assert_eq!(details["canceled_by"], "engine");
}

#[test]
fn an_error_fits_the_columns_of_clients() {
    let mut release = canary();
    release.error = Some("é".repeat(1_000));
    let shown = show(&record(&release), true);
    let error = shown["status"]["details"]["error"].as_str().unwrap();
    assert_eq!(error.chars().count(), 255);
}

#[test]
fn the_step_counts_from_one_and_stays_at_the_last() {
    let mut release = canary();
    let mut current = |state: ReleaseState, last_step: usize| {
        release.state = state;
        release.last_step = last_step;
        show(&record(&release), true)["status"]["canary"]["steps"]["current"].clone()
    };
    let over = |outcome: Outcome| ReleaseState::Finalized { outcome };
    let canceled = || over(Outcome::Canceled(CancelCause::User));
    assert_eq!(current(ReleaseState::RollingOut { step: 0 }, 0), 1);
    assert_eq!(current(ReleaseState::Paused { step: 1 }, 1), 2);
    assert_eq!(current(ReleaseState::RollingOut { step: 2 }, 2), 2);
    assert_eq!(current(over(Outcome::Deployed), 0), 2);
    assert_eq!(current(canceled(), 0), 1);
    assert_eq!(current(canceled(), 1), 2);
    assert_eq!(current(canceled(), 2), 2);
}

/// Lists are filtered by words that control keeps in its rows: they are the same as those shown.
#[test]
fn the_words_of_rows_are_the_words_that_are_shown() {
    use windlass_control::history::release_words;

    let mut release = canary();
    let outcome = |outcome: Outcome| ReleaseState::Finalized { outcome };
    for state in [
        ReleaseState::Pending,
        ReleaseState::Building,
        ReleaseState::RollingOut { step: 0 },
        ReleaseState::RollingOut { step: 2 },
        ReleaseState::Paused { step: 1 },
        ReleaseState::Restoring {
            outcome: Outcome::Canceled(CancelCause::User),
        },
        outcome(Outcome::Deployed),
        outcome(Outcome::Canceled(CancelCause::Deleted)),
        outcome(Outcome::Failed(FailureReason::Check)),
        outcome(Outcome::Superseded { while_paused: true }),
        outcome(Outcome::Superseded {
            while_paused: false,
        }),
    ] {
        release.state = state;
        let words = words::of(&release);
        let shown = (words.state.as_str(), words.value, words.reason);
        assert_eq!(release_words(&release), shown, "{:?}", release.state);
    }
}
