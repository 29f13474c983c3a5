//! Weights and shares, in 1/10,000.

use super::world::{World, canary, deployment, rolling};
use crate::input::Input;

#[test]
fn a_step_in_force_has_exactly_its_weight() {
    for weight in 1..=99u8 {
        let mut world = World::running(3);
        world.deploy(2, canary(&[weight], 3));
        world.settle();
        assert_eq!(world.word(2), "paused");
        assert_eq!(world.share("v2"), u16::from(weight) * 100);
        assert_eq!(world.share("v1"), 10_000 - u16::from(weight) * 100);
    }
}

#[test]
fn a_whole_step_has_everything() {
    let mut world = World::running(3);
    world.deploy(2, canary(&[100], 3));
    world.settle();
    assert_eq!((world.word(2), world.share("v2")), ("paused", 10_000));
}

#[test]
fn without_steps_one_joins_n() {
    for instances in 1..9u16 {
        let mut world = World::running(u32::from(instances));
        world.deploy(2, canary(&[], 1));
        world.settle();
        assert_eq!(world.share("v2"), 10_000 / (instances + 1));
    }
}

#[test]
fn a_half_scaled_step_has_half_its_share() {
    let mut world = World::running(10);
    world.deploy(2, canary(&[40], 1));
    for ready in 0..=4u16 {
        assert_eq!(world.share("v2"), ready * 1_000, "{ready} of 4 ready");
        world.up("v2", 1);
        world.drain();
    }
    assert_eq!(world.word(2), "paused");
}

#[test]
fn a_crashed_canary_has_none() {
    let mut world = World::running(3);
    world.deploy(2, canary(&[30], 1));
    world.settle();
    assert_eq!(world.share("v2"), 3_000);
    world.crash("v2");
    assert_eq!((world.share("v1"), world.share("v2")), (10_000, 0));
    world.settle();
    assert_eq!(world.share("v2"), 3_000, "healthy again, in force again");
}

#[test]
fn an_unready_canary_has_none() {
    let mut world = World::running(3);
    world.deploy(2, canary(&[30], 1));
    world.settle();
    world.ready("v2", false);
    assert_eq!(world.share("v2"), 0);
    world.ready("v2", true);
    assert_eq!(world.share("v2"), 3_000);
}

#[test]
fn continue_never_lowers_the_share_and_rises_only_with_ready_instances() {
    for (instances, weights) in [
        (10, vec![20u8, 40, 60]),
        (4, vec![50, 75]),
        (2, vec![10, 90]),
        (3, vec![33, 34]),
    ] {
        let mut world = World::running(instances);
        world.deploy(2, canary(&weights, 1));
        world.settle();
        for next in weights
            .iter()
            .skip(1)
            .map(|w| u16::from(*w) * 100)
            .chain([10_000])
        {
            let before = world.share("v2");
            world.go_on(2);
            assert!(world.share("v2") >= before, "{instances} with {weights:?}");
            let mut last = world.share("v2");
            while world.up("v2", 1) > 0 {
                assert!(world.share("v2") >= last && world.share("v2") <= next);
                last = world.share("v2");
                world.drain();
                assert!(world.share("v2") >= last && world.share("v2") <= next);
                last = world.share("v2");
            }
            assert_eq!(last, next);
        }
        assert_eq!(world.word(2), "deployed");
    }
}

#[test]
fn rolling_shares_follow_routable_instances() {
    let mut world = World::running(4);
    world.deploy(2, rolling(1));
    let mut seen = vec![world.share("v2")];
    while world.up("v2", 1) > 0 {
        seen.push(world.share("v2"));
        world.drain();
    }
    assert_eq!(seen, [0, 2_500, 5_000, 7_500, 10_000]);
}

#[test]
fn a_warm_base_keeps_its_instances_and_the_shares_stay_exact() {
    let mut world = World::running(4);
    world.state.settings.keep_base_warm = true;
    world.deploy(2, canary(&[25], 4));
    world.settle();
    assert_eq!(
        (world.balance(2).as_str(), world.share("v2")),
        ("4/1", 2_500)
    );
    world.go_on(2);
    world.up("v2", 1);
    assert_eq!(
        (world.balance(2).as_str(), world.share("v2")),
        ("4/4", 5_000)
    );
    world.settle();
    assert_eq!(
        (world.word(2), world.balance(2).as_str()),
        ("deployed", "0/4")
    );
}

#[test]
fn the_target_serves_everything_while_nothing_else_can() {
    let mut world = World::running(2);
    world.deploy(2, canary(&[10], 1));
    world.settle();
    world.ready("v1", false);
    assert_eq!((world.share("v1"), world.share("v2")), (0, 10_000));
    world.ready("v1", true);
    assert_eq!((world.share("v1"), world.share("v2")), (9_000, 1_000));
}

#[test]
fn each_routed_component_has_its_own_share() {
    use crate::configuration::{ComponentConfig, ComponentRole, Edit};
    let mut world = World::stopped(crate::app::ConcurrencyPolicy::SupersedeNow, 3);
    world.edit(vec![Edit::AddComponent(
        "api".into(),
        ComponentConfig::new(ComponentRole::Routed),
    )]);
    world.scale("api", 1);
    world.start("v1");
    world.settle();
    world.input(&Input::Deploy(deployment(2, canary(&[], 1))));
    world.settle();
    let plan = world.plan();
    assert_eq!(plan.share_of(&"web".into(), &"v2".into()), 2_500);
    assert_eq!(plan.share_of(&"api".into(), &"v2".into()), 5_000);
}

#[test]
fn old_versions_share_by_routable_instances_and_the_base_stays_longest() {
    // V2 is half-way when V3 takes over: its instances leave first, the base last.
    let mut world = World::running(4);
    world.deploy(2, rolling(1));
    for _ in 0..2 {
        world.up("v2", 1);
        world.drain();
    }
    assert_eq!(world.routable("v1") + world.routable("v2"), 4);
    world.deploy(3, rolling(1));
    world.drain();
    let mut seen = Vec::new();
    loop {
        seen.push((
            world.routable("v1"),
            world.routable("v2"),
            world.routable("v3"),
        ));
        if world.up("v3", 1) == 0 {
            break;
        }
        world.drain();
    }
    assert_eq!(
        seen,
        [(2, 2, 0), (2, 1, 1), (2, 0, 2), (1, 0, 3), (0, 0, 4)]
    );
    assert_eq!(world.word(3), "deployed");
}
