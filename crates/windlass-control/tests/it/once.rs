//! Requests that are sent again: what was made once is found, not made twice.

use windlass_control::commands::cancel_deployment::Cancel;
use windlass_control::once::{Once, OnceKeys, Request};
use windlass_control::{Error, Extra};
use windlass_engine::id::{AppId, ReleaseId};
use windlass_engine::release::Release;
use windlass_engine::strategy::Strategy;

use crate::world::{World, caller};

fn keys(body: &[u8], id: Option<&str>) -> OnceKeys {
    OnceKeys::of(&Request {
        caller: "anna",
        method: "PUT",
        path: "/apps/1",
        body,
        id,
    })
}

async fn change(world: &World, keys: &OnceKeys, made: &str) -> Result<(), Error> {
    let extra = Extra {
        once: Some(Once {
            keys: keys.clone(),
            made: made.into(),
        }),
        ..Extra::default()
    };
    let app: AppId = world.state().app;
    world
        .control
        .edit_app(&app, vec![], &caller(), false, extra)
        .await
        .map(drop)
}

fn made(world: &World, keys: &OnceKeys) -> Option<String> {
    let found = world.control.made_before(keys).expect("readable");
    found.map(|made| String::from_utf8(made).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_finds_what_was_made_until_the_answer_is_delivered() {
    let world = World::start(1).await;
    let (one, other) = (keys(b"a", None), keys(b"b", None));
    assert_eq!(made(&world, &one), None);
    change(&world, &one, "first").await.expect("is made");
    assert_eq!(made(&world, &one).as_deref(), Some("first"));
    assert_eq!(made(&world, &other), None);
    match change(&world, &one, "second").await {
        Err(Error::Repeated { made }) => assert_eq!(made, b"first"),
        other => panic!("{other:?}"),
    }
    world.control.answer_delivered(&one).await;
    assert_eq!(made(&world, &one), None);
    change(&world, &one, "second").await.expect("is made anew");
    assert_eq!(made(&world, &one).as_deref(), Some("second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_own_id_is_known_also_after_the_answer() {
    let world = World::start(1).await;
    let one = keys(b"a", Some("id-1"));
    change(&world, &one, "first").await.expect("is made");
    world.control.answer_delivered(&one).await;
    assert_eq!(made(&world, &one).as_deref(), Some("first"));
    assert!(matches!(
        change(&world, &one, "second").await,
        Err(Error::Repeated { .. })
    ));
    let two = keys(b"a", Some("id-2"));
    change(&world, &two, "second").await.expect("another id");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_is_known_after_a_restart() {
    let world = World::start(1).await;
    let one = keys(b"a", None);
    change(&world, &one, "first").await.expect("is made");
    let world = world.reopen(|_| {}).await;
    assert_eq!(made(&world, &one).as_deref(), Some("first"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_whose_answer_was_lost_is_found_after_its_outcome() {
    let world = World::start(1).await;
    let strategy = Strategy::Canary {
        weights: vec![50],
        max_in_flight: 1,
    };
    world.deploy("r1", strategy).await;
    let id = ReleaseId::from("r1");
    let one = keys(b"cancel", None);
    let extra = || Extra {
        once: Some(Once {
            keys: one.clone(),
            made: b"r1".to_vec(),
        }),
        ..Extra::default()
    };
    world
        .control
        .cancel_deployment(&id, Cancel::default(), &caller(), extra())
        .await
        .expect("is canceled");
    world
        .until("it is over", |state| {
            state.release(&id).is_none_or(Release::is_finalized)
        })
        .await;
    assert_eq!(made(&world, &one).as_deref(), Some("r1"));
    let again = world
        .control
        .cancel_deployment(&id, Cancel::default(), &caller(), extra())
        .await;
    assert!(matches!(again, Err(Error::Repeated { made }) if made == b"r1"));
}
