//! Static components and ingress rules: no instances, the same table.

use super::world::{World, canary, rolling};
use crate::app::ConcurrencyPolicy;
use crate::configuration::{
    ComponentConfig, ComponentRole, Edit, IngressAction, IngressRule, JobKind, PathChange,
    PathMatch,
};
use crate::id::ComponentName;
use crate::input::{IfStopped, Input, Observation};
use crate::strategy::Strategy;

fn add(name: &str, role: ComponentRole) -> Edit {
    Edit::AddComponent(name.into(), ComponentConfig::new(role))
}

fn to(component: &str) -> Edit {
    Edit::Ingress(vec![IngressRule {
        host: None,
        path: PathMatch::Prefix("/".to_owned()),
        action: IngressAction::Component {
            component: component.into(),
            path: PathChange::Strip,
        },
    }])
}

/// `web` in two instances and the static `site`, both running as `v1`.
fn world() -> World {
    let mut world = World::stopped(ConcurrencyPolicy::OneRunningNewestPending, 2);
    world.edit(vec![add("site", ComponentRole::Static), to("web")]);
    world.start("v1");
    world.settle();
    world
}

fn shares(world: &World, component: &str) -> Vec<(String, u16)> {
    let routes = world.plan().routes;
    routes
        .get(&ComponentName::from(component))
        .into_iter()
        .flatten()
        .map(|version| (version.revision.0.clone(), version.share))
        .collect()
}

fn leads_to(world: &World) -> Option<String> {
    world.plan().ingress.first().map(|rule| match &rule.action {
        IngressAction::Component { component, .. } => component.0.clone(),
        IngressAction::Redirect(_) => String::new(),
    })
}

fn only(revision: &str) -> Vec<(String, u16)> {
    vec![(revision.to_owned(), 10_000)]
}

fn deploy(world: &mut World, strategy: Strategy, edits: Vec<Edit>) {
    let mut command = super::world::deployment(2, strategy);
    command.edits.extend(edits);
    command.if_stopped = IfStopped::Release;
    world.input(&Input::Deploy(command));
}

#[test]
fn files_and_rules_move_with_the_instances() {
    let mut world = world();
    assert_eq!(shares(&world, "site"), only("v1"));
    deploy(&mut world, Strategy::BlueGreen, vec![to("site")]);
    world.up("v2", 1);
    assert_eq!(
        (shares(&world, "site"), leads_to(&world)),
        (only("v1"), Some("web".to_owned()))
    );
    world.up("v2", 2);
    assert_eq!(world.word(2), "deployed");
    assert_eq!(
        (shares(&world, "site"), leads_to(&world)),
        (only("v2"), Some("site".to_owned()))
    );
    world.settle();
    assert_eq!(shares(&world, "site"), only("v2"));
}

#[test]
fn a_cancel_takes_them_back_in_the_same_generation() {
    let mut world = world();
    world.edit(vec![super::gates::job("post", JobKind::PostDeploy)]);
    deploy(&mut world, Strategy::BlueGreen, vec![to("site")]);
    world.up("v2", 2);
    assert_eq!(
        (shares(&world, "site"), leads_to(&world)),
        (only("v2"), Some("site".to_owned()))
    );
    world.cancel(2);
    assert_eq!(
        (shares(&world, "site"), leads_to(&world)),
        (only("v1"), Some("web".to_owned()))
    );
    assert_eq!(shares(&world, "web"), only("v1"));
    let zero = world.release(2).restore.as_ref().unwrap().zero_generation;
    assert_eq!(zero, Some(world.state.plan_generation));
    world.observe(Observation::JobEnded {
        release: "r2".into(),
        component: "post".into(),
        succeeded: false,
    });
    world.settle();
    assert_eq!(world.word(2), "canceled");
    assert_eq!(world.state.configuration.ingress, world.plan().ingress);
}

#[test]
fn files_take_part_in_a_canary() {
    let mut world = world();
    deploy(&mut world, canary(&[20], 1), vec![]);
    world.settle();
    let some = vec![("v1".to_owned(), 8_000), ("v2".to_owned(), 2_000)];
    assert_eq!(shares(&world, "site"), some);
    world.go_on(2);
    world.settle();
    assert_eq!(world.word(2), "deployed");
    assert_eq!(shares(&world, "site"), only("v2"));
}

#[test]
fn an_app_of_files_only_is_deployed_at_once() {
    for strategy in [Strategy::BlueGreen, rolling(1)] {
        let mut world = World::empty(ConcurrencyPolicy::OneRunningNewestPending);
        world.edit(vec![add("site", ComponentRole::Static)]);
        deploy(&mut world, strategy, vec![]);
        assert_eq!(world.word(2), "deployed");
        assert_eq!(shares(&world, "site"), only("v2"));
    }
}

#[test]
fn instances_become_files_without_a_gap() {
    let mut world = world();
    let files = vec![
        Edit::RemoveComponent("web".into()),
        add("web", ComponentRole::Static),
        super::gates::job("post", JobKind::PostDeploy),
    ];
    deploy(&mut world, Strategy::BlueGreen, files);
    assert_eq!(shares(&world, "web"), only("v2"));
    assert_eq!(world.routable("v1"), 2, "the base is warm");
    world.cancel(2);
    assert_eq!(shares(&world, "web"), only("v1"));
    assert_eq!(world.word(2), "restoring", "its job");
}

#[test]
fn files_become_instances_without_a_gap() {
    let mut world = world();
    let instances = vec![
        Edit::RemoveComponent("site".into()),
        add("site", ComponentRole::Routed),
    ];
    let mut command = super::world::deployment(2, Strategy::BlueGreen);
    command.edits.extend(instances);
    command.target_scale.insert("site".into(), 1);
    world.input(&Input::Deploy(command));
    assert_eq!(shares(&world, "site"), only("v1"));
    world.cancel(2);
    world.settle();
    assert_eq!(world.word(2), "canceled");
    assert_eq!(shares(&world, "site"), only("v1"));
    let mut again = super::world::deployment(3, Strategy::BlueGreen);
    again.edits.extend([
        Edit::RemoveComponent("site".into()),
        add("site", ComponentRole::Routed),
    ]);
    again.target_scale.insert("site".into(), 1);
    world.input(&Input::Deploy(again));
    world.settle();
    assert_eq!(world.word(3), "deployed");
    assert_eq!(shares(&world, "site"), only("v3"));
}
