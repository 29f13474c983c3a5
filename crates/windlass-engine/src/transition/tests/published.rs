//! Published versions: builds that publish and release, releases between versions that are there,
//! what is taken away again.

use std::collections::BTreeMap;

use super::world::{World, cancel_of, version_of};
use crate::app::AppSettings;
use crate::build::{AwaitedChecks, BuildOutcome, BuildState};
use crate::input::{DeployCommand, IfStopped, Input, Observation};
use crate::rejection::Rejection;
use crate::release::{CancelCause, FailureReason, Outcome, Urgency};
use crate::strategy::{Stage, StageGate, Strategy};

const MINUTE_MS: u64 = 60_000;
const INSTANT: Option<Strategy> = Some(Strategy::Instant);

fn stages(stages: &[(u8, StageGate)]) -> Strategy {
    let stage = |(percent, gate): &(u8, StageGate)| Stage {
        percent: *percent,
        gate: *gate,
    };
    Strategy::Stages(stages.iter().map(stage).collect())
}

/// Ten percent, then half, each until a user goes on.
fn by_hand() -> Strategy {
    let manual = StageGate::Manual;
    stages(&[(10, manual), (50, manual), (100, StageGate::Automatic)])
}

/// Releases version `to` of those that are there, as `rN`.
fn release(number: u32, to: u32, strategy: Strategy) -> Input {
    Input::Deploy(DeployCommand {
        release: format!("r{number}").into(),
        revision: format!("v{to}").into(),
        edits: Vec::new(),
        target_edits: Vec::new(),
        target_scale: BTreeMap::new(),
        strategy,
        if_stopped: IfStopped::Release,
        awaited_builds: Vec::new(),
    })
}

fn withdraw(number: u32) -> Input {
    Input::Withdraw {
        revision: format!("v{number}").into(),
        by: "anna".to_owned(),
        client: None,
    }
}

fn published(world: &World) -> Vec<String> {
    let plan = world.plan();
    plan.published
        .keys()
        .map(|(version, _)| version.0.clone())
        .collect()
}

/// Shares of the app's own host, as `version: share`.
fn serves(world: &World) -> Vec<(String, u16)> {
    let routes = world.plan().routes;
    let versions = routes.values().flatten();
    versions
        .map(|version| (version.revision.0.clone(), version.share))
        .collect()
}

fn all(version: &str) -> Vec<(String, u16)> {
    vec![(version.to_owned(), 10_000)]
}

/// Versions 1 and 2 are there, the app runs 1.
fn two() -> World {
    let mut world = World::publishing(2);
    world.version(1, INSTANT);
    world.built(1);
    world.version(2, None);
    world.built(2);
    world
}

#[test]
fn a_build_publishes_and_releases_in_its_own_commit() {
    let mut world = World::publishing(1);
    world.version(1, INSTANT);
    assert!(published(&world).is_empty() && serves(&world).is_empty());
    let before = world.state.row_revision.0;
    world.built(1);
    assert_eq!(world.state.row_revision.0, before + 1);
    assert_eq!(published(&world), ["v1"]);
    assert_eq!((world.word(1), serves(&world)), ("deployed", all("v1")));
    let revision = &world.state.revisions["v1"];
    assert_eq!(revision.configuration.artifact, Some("a1".into()));
    assert_eq!(world.state.configuration, revision.configuration);
    assert!(world.state.instances.is_empty(), "nothing is started");
}

#[test]
fn a_version_without_a_release_moves_nothing() {
    let mut world = two();
    assert_eq!(published(&world), ["v1", "v2"]);
    assert_eq!(serves(&world), all("v1"));
    world.tick(1);
    assert_eq!(published(&world), ["v1", "v2"], "versions are kept");
}

#[test]
fn a_build_that_does_not_succeed_publishes_nothing() {
    for outcome in [
        BuildOutcome::Failed {
            id: "x".to_owned(),
            text: "no".to_owned(),
        },
        BuildOutcome::Canceled,
    ] {
        let mut world = World::publishing(1);
        world.version(1, INSTANT);
        world.build_ended("b1", Some(outcome));
        assert!(published(&world).is_empty() && serves(&world).is_empty());
    }
}

#[test]
fn a_canceled_build_publishes_nothing_whatever_its_run_says() {
    let mut world = two();
    world.version(3, INSTANT);
    world.input(&Input::CancelBuild {
        build: "b3".into(),
        by: "anna".to_owned(),
    });
    world.built(3);
    let canceled = BuildState::Finished {
        outcome: BuildOutcome::Canceled,
    };
    assert_eq!(world.build_state("b3"), &canceled);
    assert_eq!(published(&world), ["v1", "v2"]);
    assert_eq!(serves(&world), all("v1"));
}

#[test]
fn an_older_build_that_ends_late_takes_nothing() {
    let mut world = World::publishing(2);
    world.version(1, INSTANT);
    world.version(2, INSTANT);
    world.built(2);
    world.built(1);
    assert_eq!(published(&world), ["v1", "v2"]);
    assert_eq!(serves(&world), all("v2"));
    assert!(!world.releases.contains_key("r1"), "no release was opened");
    // A user may still choose it.
    world.input(&release(3, 1, Strategy::Instant));
    assert_eq!((world.word(3), serves(&world)), ("deployed", all("v1")));
}

#[test]
fn an_older_build_takes_nothing_from_a_release_that_moves() {
    let mut world = two();
    world.version(3, INSTANT);
    world.version(4, Some(by_hand()));
    world.built(4);
    assert_eq!(world.word(4), "paused");
    world.built(3);
    assert_eq!(world.word(4), "paused");
    assert!(!world.releases.contains_key("r3"));
}

#[test]
fn an_older_build_may_take_what_a_canceled_release_gave_back() {
    let mut world = two();
    world.version(3, INSTANT);
    world.version(4, Some(by_hand()));
    world.built(4);
    world.cancel(4);
    world.built(3);
    assert_eq!((world.word(3), serves(&world)), ("deployed", all("v3")));
}

#[test]
fn an_app_that_stays_with_a_choice_is_not_moved_by_builds() {
    let mut world = two();
    world.input(&Input::Configure(AppSettings {
        releases_built: false,
        ..world.state.settings
    }));
    world.version(3, INSTANT);
    world.built(3);
    assert_eq!(published(&world), ["v1", "v2", "v3"]);
    assert_eq!(serves(&world), all("v1"));
    assert!(world.told.contains(&"held"));
}

#[test]
fn the_first_version_needs_no_stages() {
    let mut world = World::publishing(1);
    world.version(1, Some(by_hand()));
    world.built(1);
    assert_eq!((world.word(1), serves(&world)), ("deployed", all("v1")));
}

#[test]
fn stages_go_on_by_hand() {
    let mut world = two();
    world.input(&release(2, 2, by_hand()));
    let mut seen = vec![world.share_of("site", "v2")];
    while world.word(2) == "paused" {
        world.go_on(2);
        seen.push(world.share_of("site", "v2"));
    }
    assert_eq!(seen, [1_000, 5_000, 10_000]);
    assert_eq!((world.word(2), serves(&world)), ("deployed", all("v2")));
    assert_eq!(
        published(&world),
        ["v1", "v2"],
        "the old one keeps its host"
    );
}

#[test]
fn stages_go_on_by_the_clock() {
    let mut world = two();
    let timer = StageGate::Timer(5 * MINUTE_MS);
    let strategy = stages(&[(25, timer), (100, StageGate::Automatic)]);
    world.input(&release(2, 2, strategy));
    assert_eq!(world.share_of("site", "v2"), 2_500);
    world.tick(5 * MINUTE_MS - 1);
    assert_eq!(world.share_of("site", "v2"), 2_500);
    let refused = world.refused(&Input::ContinueRelease("r2".into()));
    assert!(matches!(refused, Rejection::NotContinuable { .. }));
    world.tick(1);
    assert_eq!((world.word(2), serves(&world)), ("deployed", all("v2")));
}

#[test]
fn stages_may_end_below_all() {
    let mut world = two();
    world.input(&release(2, 2, stages(&[(50, StageGate::Manual)])));
    assert_eq!(world.share_of("site", "v2"), 5_000);
    world.go_on(2);
    assert_eq!((world.word(2), serves(&world)), ("deployed", all("v2")));
}

#[test]
fn a_cancel_at_any_stage_takes_everything_back_at_once() {
    for passed in 0..2 {
        let mut world = two();
        world.input(&release(2, 2, by_hand()));
        for _ in 0..passed {
            world.go_on(2);
        }
        world.demand("v2");
        world.settle();
        world.cancel(2);
        assert_eq!(serves(&world), all("v1"));
        let canceled = Outcome::Canceled(CancelCause::User);
        assert_eq!(world.outcome(2), Some(&canceled));
        assert_eq!(world.word(2), "canceled", "nothing has to be ended for it");
        assert!(world.runs("v2"), "its own host goes on");
        assert_eq!(published(&world), ["v1", "v2"]);
        let restore = world.release(2).restore.as_ref().unwrap();
        assert_eq!(restore.zero_generation, Some(world.state.plan_generation));
        assert_eq!(
            restore.note, None,
            "the base needs no instance to be healthy"
        );
        let base = &world.state.revisions["v1"].configuration;
        assert_eq!(&world.state.configuration, base);
    }
}

/// It is over in the commit of its cancel, and its time to safe is known later.
#[test]
fn a_release_that_is_over_is_remembered_until_it_is_known_to_be_safe() {
    let mut world = two();
    world.input(&release(2, 2, by_hand()));
    world.cancel(2);
    assert_eq!(world.word(2), "canceled");
    world.observe(Observation::SafeMeasured {
        release: "r2".into(),
        micros: 1_200,
    });
    let generation = world.state.plan_generation;
    world.observe(Observation::RouterAcknowledged { generation });
    let restore = world.release(2).restore.as_ref().unwrap();
    assert_eq!((restore.safe, restore.time_to_safe_us), (true, Some(1_200)));
    world.input(&release(3, 2, by_hand()));
    let known = world.state.release(&"r2".into());
    assert_eq!(known, None, "it was told");
}

#[test]
fn a_user_completes_stages_at_once() {
    let mut world = two();
    let timer = StageGate::Timer(MINUTE_MS);
    let end = StageGate::Automatic;
    for (number, target, strategy) in [
        (2, 2, by_hand()),
        (3, 1, stages(&[(10, timer), (20, timer), (100, end)])),
    ] {
        world.input(&release(number, target, strategy));
        world.input(&Input::CompleteRelease(format!("r{number}").into()));
        assert_eq!(world.word(number), "deployed");
        assert_eq!(serves(&world), all(&format!("v{target}")));
    }
    let refused = world.refused(&Input::CompleteRelease("r3".into()));
    assert!(matches!(refused, Rejection::NotContinuable { .. }));
}

#[test]
fn stages_go_one_after_the_other_and_the_newest_waits() {
    let mut world = two();
    world.input(&release(2, 2, by_hand()));
    for number in [3, 4] {
        world.version(number, Some(by_hand()));
        world.built(number);
    }
    let words = |world: &World| [2, 3, 4].map(|number| world.word(number));
    assert_eq!(words(&world), ["paused", "superseded", "pending"]);
    world.input(&Input::CompleteRelease("r2".into()));
    assert_eq!(words(&world), ["deployed", "superseded", "paused"]);
    let shares = [("v2".to_owned(), 9_000), ("v4".to_owned(), 1_000)];
    assert_eq!(serves(&world), shares);
    world.cancel(4);
    assert_eq!(serves(&world), all("v2"), "what was deployed meanwhile");
}

#[test]
fn what_is_instant_takes_over_from_stages() {
    let mut world = two();
    world.input(&release(2, 2, by_hand()));
    world.version(3, Some(by_hand()));
    world.built(3);
    world.input(&release(4, 1, Strategy::Instant));
    let words = [2, 3, 4].map(|number| world.word(number));
    assert_eq!(words, ["superseded", "superseded", "deployed"]);
    assert_eq!(serves(&world), all("v1"));
}

#[test]
fn checks_hold_a_release_back_until_they_conclude() {
    for (succeeded, during_build, word) in [
        (true, false, "deployed"),
        (true, true, "deployed"),
        (false, false, "failed"),
        (false, true, "failed"),
    ] {
        let mut world = two();
        world.version(3, INSTANT);
        world.input(&Input::AwaitChecks { build: "b3".into() });
        let concluded = Observation::ChecksConcluded {
            release: "r3".into(),
            succeeded,
        };
        if during_build {
            world.observe(concluded.clone());
        }
        world.built(3);
        if !during_build {
            assert_eq!((world.word(3), serves(&world)), ("rolling_out", all("v1")));
            let refused = world.refused(&Input::CompleteRelease("r3".into()));
            assert!(matches!(refused, Rejection::NotContinuable { .. }));
            world.observe(concluded);
        }
        assert_eq!(world.word(3), word);
        let version = if succeeded { "v3" } else { "v1" };
        assert_eq!(serves(&world), all(version));
        if !succeeded {
            let reason = Outcome::Failed(FailureReason::Check);
            assert_eq!(world.outcome(3), Some(&reason));
        }
        assert!(published(&world).contains(&"v3".to_owned()));
    }
}

#[test]
fn a_release_that_waits_for_checks_can_be_canceled() {
    let mut world = two();
    world.version(3, INSTANT);
    let mut command = version_of(4, INSTANT);
    if let Some(release) = command.on_built.as_mut().and_then(|it| it.release.as_mut()) {
        release.checks = AwaitedChecks::Awaited;
    }
    world.input(&Input::CreateBuild(command));
    world.built(4);
    world.input(&cancel_of(4, Urgency::CapacitySafe));
    assert_eq!((world.word(4), serves(&world)), ("canceled", all("v1")));
    let time_to_safe = world.release(4).restore.as_ref().unwrap().time_to_safe_us;
    assert_eq!(time_to_safe, Some(0));
    world.observe(Observation::ChecksConcluded {
        release: "r4".into(),
        succeeded: true,
    });
    assert_eq!(serves(&world), all("v1"), "one outcome");
}

#[test]
fn a_version_is_taken_away_with_what_moves_to_it() {
    let mut world = two();
    world.input(&release(2, 2, by_hand()));
    world.demand("v2");
    world.settle();
    let refused = world.refused(&withdraw(1));
    assert!(matches!(refused, Rejection::ReleaseInFlight { .. }));
    world.input(&withdraw(2));
    assert_eq!(serves(&world), all("v1"));
    assert_eq!(published(&world), ["v1"]);
    world.settle();
    assert_eq!(world.word(2), "canceled");
    assert!(!world.runs("v2"));
    world.version(3, None);
    assert!(!world.state.revisions.contains_key("v2"), "it is forgotten");
    let again = world.refused(&withdraw(2));
    assert!(matches!(again, Rejection::UnknownRevision(_)));
    let unknown = world.refused(&Input::Publish {
        revision: "v2".into(),
    });
    assert!(matches!(unknown, Rejection::UnknownRevision(_)));
}

#[test]
fn what_the_app_runs_may_be_taken_away() {
    let mut world = two();
    world.input(&withdraw(1));
    assert!(serves(&world).is_empty());
    assert_eq!(published(&world), ["v2"]);
    world.version(3, Some(by_hand()));
    world.built(3);
    assert_eq!((world.word(3), serves(&world)), ("deployed", all("v3")));
}

#[test]
fn what_the_app_runs_can_be_published_by_itself() {
    let mut world = World::running(1);
    let publish = Input::Publish {
        revision: "v1".into(),
    };
    assert!(world.input(&publish));
    assert!(!world.input(&publish), "a repeat changes nothing");
    assert!(world.state.published.contains_key("v1"));
}

#[test]
fn too_many_versions_are_refused_before_they_are_built() {
    let mut world = two();
    let one = world.state.published["v1"].clone();
    for number in 3..=crate::limits::PUBLISHED_MAX {
        let id = format!("v{number}").into();
        world.state.published.insert(id, one.clone());
    }
    let refused = world.refused(&Input::CreateBuild(version_of(900, None)));
    assert!(matches!(refused, Rejection::LimitExceeded { .. }));
}

#[test]
fn a_deleted_app_takes_everything_with_it() {
    let mut world = two();
    world.demand("v1");
    world.settle();
    world.input(&release(2, 2, by_hand()));
    world.version(3, INSTANT);
    world.input(&Input::Delete {
        by: "anna".to_owned(),
        client: None,
    });
    assert!(published(&world).is_empty() && serves(&world).is_empty());
    world.built(3);
    assert!(published(&world).is_empty());
    world.settle();
    assert!(world.state.instances.is_empty());
    assert_eq!(world.word(2), "canceled");
}

#[test]
fn a_stop_takes_every_host_away_until_the_start() {
    let mut world = two();
    world.demand("v2");
    world.settle();
    world.input(&Input::Stop);
    assert!(published(&world).is_empty() && serves(&world).is_empty());
    world.settle();
    assert!(world.state.instances.is_empty());
    world.start("v9");
    assert_eq!(published(&world), ["v1", "v2"]);
    assert_eq!(serves(&world), all("v1"));
}

#[test]
fn a_reboot_keeps_versions_stages_and_builds() {
    let mut world = two();
    world.demand("v2");
    world.settle();
    let timer = StageGate::Timer(MINUTE_MS);
    let strategy = stages(&[(25, timer), (100, StageGate::Automatic)]);
    world.input(&release(2, 2, strategy));
    world.version(3, None);
    world.uptime = 5;
    world.observe(Observation::Rebooted);
    assert!(world.state.instances.is_empty(), "nobody waits for it");
    assert_eq!(published(&world), ["v1", "v2"]);
    assert_eq!(world.share_of("site", "v2"), 2_500);
    assert_eq!(world.builds["b3"].run, 2);
    world.tick(MINUTE_MS);
    assert_eq!((world.word(2), serves(&world)), ("deployed", all("v2")));
    world.built(3);
    assert_eq!(published(&world), ["v1", "v2", "v3"]);
}
