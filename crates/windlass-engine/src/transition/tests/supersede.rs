//! Trains, superseding, a cancel beside a newer release.

use super::world::{World, canary, cancel_of, deployment, rolling};
use crate::configuration::{ComponentConfig, ComponentRole, Edit};
use crate::id::RevisionId;
use crate::input::Input;
use crate::rejection::Rejection;
use crate::release::{Outcome, Urgency};

#[test]
fn a_train_goes_back_to_its_first_base() {
    // The original's pointer would name V2's artifact while V1 runs.
    for paused in [false, true] {
        let mut world = World::running(3);
        let strategy = if paused { canary(&[40], 1) } else { rolling(1) };
        world.deploy(2, strategy);
        world.up("v2", 1);
        world.drain();
        world.deploy(3, rolling(1));
        let release = world.release(3);
        assert_eq!(release.base, Some(RevisionId::from("v1")));
        assert_eq!(release.base_count(&"web".into()), 3);
        world.up("v3", 1);
        world.drain();
        world.cancel(3);
        assert_eq!(world.state.configuration.artifact, Some("a1".into()));
        world.settle();
        assert_eq!(world.word(2), "superseded");
        assert_eq!(world.word(3), "canceled");
        assert_eq!(world.routable("v1"), 3);
        assert!(!world.runs("v2") && !world.runs("v3"));
        assert!(world.state.is_settled());
    }
}

#[test]
fn a_train_keeps_the_count_of_its_first_release() {
    let mut world = World::running(3);
    let mut command = deployment(2, rolling(1));
    command.target_scale.insert("web".into(), 7);
    world.input(&Input::Deploy(command));
    world.up("v2", 1);
    world.deploy(3, rolling(1));
    world.settle();
    assert_eq!((world.word(3), world.routable("v3")), ("deployed", 3));
}

#[test]
fn every_state_is_superseded_in_its_way() {
    let table: &[(&str, bool)] = &[
        ("rolling_out", false),
        ("rolling_out", true),
        ("paused", true),
    ];
    for (state, canary_first) in table {
        let mut world = World::running(2);
        let strategy = if *canary_first {
            canary(&[50], 1)
        } else {
            rolling(1)
        };
        world.deploy(2, strategy);
        if *state == "paused" {
            world.settle();
        }
        assert_eq!(world.word(2), *state);
        world.deploy(3, rolling(1));
        assert_eq!(
            world.outcome(2),
            Some(&Outcome::Superseded {
                while_paused: *canary_first
            })
        );
        assert!(matches!(
            world.refused(&cancel_of(2, Urgency::CapacitySafe)),
            Rejection::NotCancelable { .. }
        ));
        world.settle();
        assert_eq!(world.word(3), "deployed");
        assert!(!world.runs("v1") && !world.runs("v2"));
    }
}

#[test]
fn a_canceled_release_ends_canceled_beside_a_newer_one() {
    let mut world = World::running(3);
    world.deploy(2, canary(&[50], 3));
    world.settle();
    world.cancel(2);
    assert_eq!(world.word(2), "restoring");
    world.deploy(3, rolling(1));
    assert_eq!(
        (world.word(2), world.word(3)),
        ("restoring", "rolling_out"),
        "two are active"
    );
    assert_eq!(world.release(3).base, Some(RevisionId::from("v1")));
    let note = world.release(2).restore.as_ref().unwrap().note.clone();
    assert_eq!(note.as_deref(), Some("superseded by r3"));
    world.settle();
    assert_eq!((world.word(2), world.word(3)), ("canceled", "deployed"));
    assert!(
        !world.runs("v1") && !world.runs("v2"),
        "{:?}",
        world.state.instances
    );
    assert_eq!(world.routable("v3"), 3);
}

#[test]
fn deployed_beside_a_canceled_one_does_not_bring_the_old_base_back() {
    let mut world = World::running(2);
    world.deploy(2, canary(&[50], 2));
    world.settle();
    world.cancel(2);
    world.deploy(3, rolling(2));
    // V3 comes up while the drains of V2 still go on.
    while world.up("v3", 2) > 0 {}
    assert_eq!(world.word(3), "deployed");
    assert_eq!(world.word(2), "restoring");
    assert_eq!(world.wanted("v1"), 0);
    world.settle();
    assert_eq!((world.word(2), world.routable("v3")), ("canceled", 2));
    assert!(!world.runs("v1"));
}

#[test]
fn a_canceled_one_never_gains_beside_a_newer_one() {
    let mut world = World::running(10);
    world.deploy(2, canary(&[10], 10));
    world.settle();
    while world.routable("v1") > 2 {
        world.crash("v1");
        world.crash("v1");
        world.crash("v1");
        world.crash("v1");
    }
    world.cancel(2);
    let mut last = world.share("v2");
    assert!(last <= 1_000 && last > 0);
    world.deploy(3, canary(&[50], 1));
    while world.up("v3", 1) > 0 {
        assert!(world.share("v2") <= last);
        last = world.share("v2");
    }
    world.tick(60_000);
    world.settle();
    assert_eq!((world.word(2), world.word(3)), ("canceled", "paused"));
}

#[test]
fn both_canceled_end_canceled_and_the_first_base_is_back() {
    let mut world = World::running(3);
    world.deploy(2, canary(&[70], 3));
    world.settle();
    world.cancel(2);
    world.deploy(3, rolling(1));
    world.up("v3", 1);
    world.cancel(3);
    world.settle();
    assert_eq!((world.word(2), world.word(3)), ("canceled", "canceled"));
    assert_eq!(world.routable("v1"), 3);
    assert!(!world.runs("v2") && !world.runs("v3"));
    assert_eq!(world.state.configuration.artifact, Some("a1".into()));
}

#[test]
fn a_quick_new_release_after_a_cancel_works() {
    // Cancel and at once a new deployment broke apps in the original.
    let mut world = World::running(3);
    world.deploy(2, rolling(1));
    world.up("v2", 1);
    world.cancel(2);
    world.restart("v9");
    world.deploy(3, rolling(1));
    world.settle();
    assert_eq!((world.word(2), world.word(3)), ("canceled", "deployed"));
    assert_eq!(world.routable("v3"), 3);
}

#[test]
fn a_canceled_rollback_can_be_repeated() {
    let mut world = World::running(2);
    world.deploy(2, rolling(1));
    world.settle();
    let back = |number: u32| {
        let mut command = deployment(number, rolling(1));
        command.edits = deployment(1, rolling(1)).edits;
        Input::Deploy(command)
    };
    world.input(&back(3));
    world.up("v3", 1);
    world.cancel(3);
    world.settle();
    assert_eq!(world.state.configuration.artifact, Some("a2".into()));
    world.input(&back(4));
    world.settle();
    assert_eq!((world.word(3), world.word(4)), ("canceled", "deployed"));
    assert_eq!(world.state.configuration.artifact, Some("a1".into()));
}

#[test]
fn a_deployment_of_a_stopped_app_supersedes_an_active_one() {
    // In the original the older one stays active for ever.
    let mut world = World::running(2);
    world.deploy(2, canary(&[50], 1));
    world.settle();
    world.input(&Input::Stop);
    world.settle();
    world.deploy(3, canary(&[50], 1));
    assert_eq!((world.word(2), world.word(3)), ("superseded", "deployed"));
    world.settle();
    assert_eq!(world.routable("v3"), 2);
    assert!(!world.runs("v1") && !world.runs("v2"));
}

#[test]
fn a_stuck_version_leaves_the_train() {
    let mut world = World::running(2);
    world.deploy(2, rolling(1));
    world.break_one("v2");
    world.deploy(3, rolling(1));
    assert_eq!(world.wanted("v2"), 0, "what does not serve goes at once");
    world.settle();
    assert_eq!((world.word(3), world.routable("v3")), ("deployed", 2));
}

#[test]
fn the_same_deploy_twice_is_one() {
    let mut world = World::running(2);
    world.deploy(2, rolling(1));
    assert!(!world.input(&Input::Deploy(deployment(2, rolling(1)))));
    assert_eq!(world.state.releases.len(), 1);
}

#[test]
fn a_version_serves_in_place_of_a_base_that_lacks_its_component() {
    // Found by seed 6430: the step of a canary cut what it did not count as the base.
    let admin = |world: &World, revision: &str| {
        let revision = RevisionId::from(revision);
        world.state.routable(&revision, &"admin".into())
    };
    let mut world = World::running(0);
    world.edit(vec![Edit::AddComponent(
        "admin".into(),
        ComponentConfig::new(ComponentRole::Routed),
    )]);
    world.scale("admin", 4);
    world.deploy(2, rolling(3));
    world.up("v2", 2);
    world.deploy(3, canary(&[25], 2));
    world.drain();
    assert_eq!(
        (admin(&world, "v2"), world.share_of("admin", "v2")),
        (2, 10_000)
    );
    world.settle();
    assert_eq!(world.word(3), "paused");
    assert_eq!((admin(&world, "v2"), admin(&world, "v3")), (2, 1));
    let shares = ["v2", "v3"].map(|version| world.share_of("admin", version));
    assert_eq!(shares, [7_500, 2_500]);
    world.go_on(3);
    world.settle();
    assert_eq!((world.word(3), admin(&world, "v3")), ("deployed", 4));
    assert!(!world.runs("v2"));
}

#[test]
fn two_creates_at_once_have_an_order() {
    let mut world = World::running(2);
    let before = world.state.clone();
    for (first, second) in [(2, 3), (3, 2)] {
        world.state = before.clone();
        world.releases.clear();
        world.deploy(first, rolling(1));
        world.deploy(second, rolling(1));
        assert_eq!(world.word(first), "superseded");
        assert_eq!(world.word(second), "rolling_out");
        assert_eq!(world.release(second).base, Some("v1".into()));
        let artifact = format!("a{second}");
        assert_eq!(world.state.configuration.artifact, Some(artifact.into()));
    }
}
