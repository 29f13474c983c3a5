//! What control makes of runs: their numbers in the log, their crashes in the audit trail.

use std::collections::BTreeSet;

use windlass_control::{Extra, testing};
use windlass_engine::records::AuditEvent;
use windlass_engine::release::ReleaseState;
use windlass_engine::strategy::Strategy;
use windlass_runtime::{Driver as _, Observation};

use crate::world::World;

fn crashes(world: &World) -> Vec<AuditEvent> {
    let all = world
        .control
        .store()
        .read(|reader| reader.all::<AuditEvent>(Vec::new()))
        .expect("readable");
    let crashes = all
        .into_iter()
        .filter(|event| event.kind == "audit.app.process.crash");
    crashes.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_an_app_that_run_at_the_same_time_have_different_log_numbers() {
    let world = World::start(4).await;
    let canary = Strategy::Canary {
        weights: vec![50],
        max_in_flight: 2,
    };
    world.deploy("r1", canary).await;
    world
        .until("the canary pauses", |state| {
            state
                .in_flight()
                .is_some_and(|r| matches!(r.state, ReleaseState::Paused { .. }))
        })
        .await;
    let runs = world.driver.observe_app(world.app.as_str()).await;
    let numbers: BTreeSet<u32> = runs.iter().map(|run| run.log_number).collect();
    assert!(runs.len() > 4, "both versions run: {runs:?}");
    assert_eq!(numbers.len(), runs.len(), "{runs:?}");
    assert!(!numbers.contains(&0), "0 is the platform's: {runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_one_row_of_the_audit_trail_with_its_reason() {
    let world = World::start(2).await;
    let run = world.driver.running().remove(0);
    world.driver.exit(&run, 7);
    world
        .until("it runs again", |state| {
            let all = state.instances.values();
            all.clone().any(|i| i.crashes == 1) && all.filter(|i| i.is_routable()).count() == 2
        })
        .await;
    world.driver.resync().await;
    let rows = crashes(&world);
    let [row] = &rows[..] else {
        panic!("one row: {rows:?}")
    };
    assert_eq!(
        (
            row.actor.id.as_str(),
            row.actor.kind.as_str(),
            row.actor.name.as_str()
        ),
        (world.app.as_str(), "process", "web")
    );
    assert_eq!(
        (row.target.id.as_str(), row.target.name.as_str()),
        (world.app.as_str(), "shop")
    );
    assert_eq!(row.data["exit_description"], "Exited with status 7");
    assert_eq!(
        (&row.data["reason"], row.data["index"].is_u64()),
        (&"CRASHED".into(), true)
    );

    // What is stopped on purpose does not crash.
    world
        .control
        .stop_app(&world.app, Extra::default())
        .await
        .expect("stopped");
    world
        .until("all are gone", |state| state.instances.is_empty())
        .await;
    assert_eq!(crashes(&world).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_before_the_newest_look_changes_nothing() {
    let world = World::start(2).await;
    let state = || world.control.state(&world.app).expect("readable");
    let before = state();
    for run in world.driver.running() {
        let routable = false;
        testing::take_in(&world.control, Observation::Routable { run, routable }).await;
    }
    assert_eq!(state(), before);
}
