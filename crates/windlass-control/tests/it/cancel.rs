//! Deploy, continue, cancel, as the dialects call them.

use windlass_control::Error;
use windlass_control::Extra;
use windlass_control::commands::cancel_deployment::Cancel;
use windlass_engine::id::ReleaseId;
use windlass_engine::rejection::Rejection;
use windlass_engine::release::{Outcome, ReleaseState};
use windlass_engine::strategy::Strategy;
use windlass_store::EventQuery;

use crate::world::{World, caller};

fn canary() -> Strategy {
    Strategy::Canary {
        weights: vec![25, 50],
        max_in_flight: 1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_canary_is_canceled_at_once_and_whole() {
    let world = World::start(4).await;
    world.deploy("r1", canary()).await;
    world
        .until("the canary pauses", |state| {
            state
                .in_flight()
                .is_some_and(|r| matches!(r.state, ReleaseState::Paused { .. }))
        })
        .await;
    let record = world.release("r1");
    let shares = &record.shares["web"];
    assert_eq!(shares[&record.release.target], 2_500);
    let id = ReleaseId::from("r1");
    let canceled = world
        .control
        .cancel_deployment(&id, Cancel::default(), &caller(), Extra::default())
        .await
        .expect("the cancel is accepted");
    assert!(matches!(
        canceled.record.release.state,
        ReleaseState::Restoring { .. }
    ));
    assert!(
        canceled.time_to_safe_us.is_some(),
        "no router is missing, so it is safe at once"
    );
    world
        .until("it is over", |state| {
            state
                .releases
                .iter()
                .all(windlass_engine::release::Release::is_finalized)
        })
        .await;
    let over = world.release("r1");
    let ReleaseState::Finalized { outcome } = &over.release.state else {
        panic!("{over:?}")
    };
    assert!(matches!(outcome, Outcome::Canceled(_)));
    let state = world.state();
    assert_eq!(state.configuration.artifact, Some("v1".into()));
    assert_eq!(
        world.driver.running().len(),
        4,
        "nothing of the canary runs"
    );
    let again = world
        .control
        .cancel_deployment(&id, Cancel::default(), &caller(), Extra::default())
        .await;
    match again {
        Err(Error::Rejected(Rejection::NotCancelable {
            state: ReleaseState::Finalized { .. },
        })) => {}
        other => panic!("a second outcome must be refused with the first: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_continued_canary_is_deployed() {
    let world = World::start(4).await;
    let caller = caller();
    world.deploy("r1", canary()).await;
    for step in 0..2 {
        world
            .until("it pauses", |state| {
                state
                    .in_flight()
                    .is_some_and(|r| r.state == ReleaseState::Paused { step })
            })
            .await;
        world
            .control
            .continue_deployment(
                &ReleaseId::from("r1"),
                Some("looks good".to_owned()),
                &caller,
                Extra::default(),
            )
            .await
            .expect("a paused release can be continued");
    }
    world
        .until("it is deployed", |state| {
            state
                .base
                .as_ref()
                .is_some_and(|base| base.as_str() == "r1-target")
                && state.instances.len() == 4
        })
        .await;
    let record = world.release("r1");
    assert_eq!(record.release.outcome(), Some(&Outcome::Deployed));
    let trail = world
        .control
        .store()
        .read(|reader| {
            let query = EventQuery {
                subject: Some("r1".to_owned()),
                ..EventQuery::after(None, 100)
            };
            reader.events(&query)
        })
        .expect("events");
    let orders: Vec<_> = trail
        .iter()
        .filter(|row| row.event.kind == "continuing")
        .collect();
    assert_eq!(orders.len(), 2, "{trail:?}");
    assert_eq!(orders[0].event.data["by"], caller.name);
    assert_eq!(orders[0].event.data["reason"], "looks good");
    let refused = world
        .control
        .continue_deployment(&ReleaseId::from("r1"), None, &caller, Extra::default())
        .await;
    assert!(matches!(
        refused,
        Err(Error::Rejected(Rejection::NotContinuable { .. }))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_control_goes_on_where_the_old_one_was() {
    let world = World::start(2).await;
    world.driver.set_healthy(false);
    world
        .deploy("r1", Strategy::Rolling { max_in_flight: 1 })
        .await;
    let state = world
        .until("the target has an instance", |state| {
            state.instances.len() == 3
        })
        .await;
    assert_eq!(state.in_flight().map(|r| r.id.clone()), Some("r1".into()));
    let id = ReleaseId::from("r1");
    world
        .control
        .cancel_deployment(&id, Cancel::default(), &caller(), Extra::default())
        .await
        .expect("accepted");
    world
        .until("nothing of it is left", |state| state.instances.len() == 2)
        .await;
    world
        .until("it is over", |state| {
            state
                .releases
                .iter()
                .all(windlass_engine::release::Release::is_finalized)
        })
        .await;
    assert!(world.dir.path().exists());
}
