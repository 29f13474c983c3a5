//! Key-by-key restore.

use super::world::{World, deployment, rolling, web};
use crate::app::CancelRestores;
use crate::configuration::{
    ComponentConfig, ComponentRole, Edit, HealthCheck, HealthKind, Key, Sidecar,
};
use crate::id::SecretRef;
use crate::input::{EditCommand, Input};
use crate::rejection::{InFlightConflict, Rejection};

fn env(name: &str, value: Option<&str>) -> Edit {
    Edit::Env(
        name.to_owned(),
        value.map(|value| SecretRef(value.to_owned())),
    )
}

fn key(name: &str) -> Key {
    Key::Env(name.to_owned())
}

/// Every kind of key, written for the target.
fn every_edit() -> Vec<Edit> {
    let http = HealthCheck::new(HealthKind::Http {
        endpoint: "/up".to_owned(),
    });
    vec![
        env("A", Some("2")),
        env("B", Some("new")),
        env("C", None),
        Edit::Binding("db".into(), Some(SecretRef("secret".to_owned()))),
        Edit::Command(web(), Some("serve".to_owned())),
        Edit::User(web(), Some("vcap".to_owned())),
        Edit::Memory(web(), 64),
        Edit::Disk(web(), 65),
        Edit::LogRate(web(), Some(66)),
        Edit::ComponentArtifact(web(), Some("own".into())),
        Edit::Health(web(), http.clone()),
        Edit::Readiness(web(), http),
        Edit::Sidecar(
            "proxy".to_owned(),
            Some(Sidecar {
                command: "proxy".to_owned(),
                components: [web()].into(),
                memory_mb: None,
                from_user: true,
            }),
        ),
        Edit::AddComponent("worker".into(), ComponentConfig::new(ComponentRole::Worker)),
    ]
}

fn world() -> World {
    let mut world = World::stopped(crate::app::ConcurrencyPolicy::SupersedeNow, 2);
    world.edit(vec![env("A", Some("1")), env("C", Some("1"))]);
    world.start("v1");
    world.settle();
    world
}

#[test]
fn every_key_of_the_target_is_put_back() {
    for before_create in [true, false] {
        let mut world = world();
        let original = world.state.configuration.clone();
        let mut command = deployment(2, rolling(1));
        if before_create {
            // As `cf push` does: the manifest first, then the deployment.
            world.edit(every_edit());
        } else {
            command.edits.extend(every_edit());
        }
        world.input(&Input::Deploy(command));
        assert_ne!(world.state.configuration, original);
        world.cancel(2);
        assert_eq!(
            world.state.configuration, original,
            "in the commit of the cancel itself"
        );
        let restore = world.release(2).restore.clone().unwrap();
        for edit in every_edit() {
            let added = edit
                .component()
                .is_some_and(|name| name.as_str() == "worker")
                && !matches!(edit, Edit::AddComponent(..));
            assert!(
                added || restore.restored.contains(&edit.key()),
                "{}",
                edit.key()
            );
        }
        assert!(restore.restored.contains(&Key::Artifact));
        assert!(restore.not_restored.is_empty());
        world.settle();
        assert_eq!(world.word(2), "canceled");
    }
}

#[test]
fn a_later_write_wins_also_with_an_equal_value() {
    let mut world = world();
    let mut command = deployment(2, rolling(1));
    command.edits.extend([
        env("A", Some("2")),
        env("B", Some("2")),
        env("C", Some("2")),
    ]);
    world.input(&Input::Deploy(command));
    world.edit(vec![
        env("A", Some("2")),
        env("C", None),
        env("D", Some("4")),
        env("E", Some("5")),
    ]);
    world.edit(vec![env("E", None)]);
    world.cancel(2);
    let values = &world.state.configuration.env;
    assert_eq!(values.get("A"), Some(&SecretRef("2".to_owned())));
    assert_eq!(values.get("B"), None, "the target's own goes");
    assert_eq!(values.get("C"), None);
    assert_eq!(values.get("D"), Some(&SecretRef("4".to_owned())));
    let restore = world.release(2).restore.clone().unwrap();
    assert_eq!(restore.restored, [Key::Artifact, key("B")]);
    assert_eq!(
        restore.not_restored,
        [key("A"), key("C"), key("D"), key("E")]
    );
}

#[test]
fn writes_before_a_later_release_of_the_train_belong_to_its_target() {
    let mut world = world();
    world.deploy(2, rolling(1));
    world.edit(vec![env("A", Some("2"))]);
    world.deploy(3, rolling(1));
    world.cancel(3);
    assert_eq!(
        world.state.configuration.env["A"],
        SecretRef("1".to_owned())
    );
}

#[test]
fn a_write_during_a_release_that_is_deployed_stays() {
    let mut world = world();
    let mut command = deployment(2, rolling(1));
    command.target_edits = vec![Edit::Memory(web(), 77), Edit::Disk(web(), 78)];
    world.input(&Input::Deploy(command));
    assert_eq!(world.state.configuration.components[&web()].memory_mb, 1024);
    world.edit(vec![Edit::Memory(web(), 99)]);
    world.settle();
    assert_eq!(world.word(2), "deployed");
    let config = &world.state.configuration.components[&web()];
    assert_eq!((config.memory_mb, config.disk_mb), (99, 78));
    assert!(
        world.state.changes.is_empty(),
        "the change list ends with Deployed"
    );
    world.deploy(3, rolling(1));
    world.cancel(3);
    let config = &world.state.configuration.components[&web()];
    assert_eq!(
        config.memory_mb, 77,
        "the base runs what its release gave it"
    );
}

#[test]
fn options_of_a_canceled_release_are_discarded() {
    let mut world = world();
    let mut command = deployment(2, rolling(1));
    command.target_edits = vec![Edit::Memory(web(), 77)];
    command.target_scale.insert(web(), 5);
    world.input(&Input::Deploy(command));
    world.up("v2", 1);
    world.cancel(2);
    world.settle();
    assert_eq!(world.state.configuration.components[&web()].memory_mb, 1024);
    assert_eq!((world.state.scale_of(&web()), world.routable("v1")), (2, 2));
}

#[test]
fn only_the_artifact_where_the_app_says_so() {
    let mut world = world();
    world.state.settings.cancel_restores = CancelRestores::Artifact;
    world.edit(every_edit());
    let mut edited = world.state.configuration.clone();
    edited.components.get_mut(&web()).unwrap().artifact = None;
    world.deploy(2, rolling(1));
    world.cancel(2);
    assert_eq!(world.state.configuration, edited);
    let restore = world.release(2).restore.clone().unwrap();
    assert_eq!(
        restore.restored,
        [Key::Artifact, Key::ComponentArtifact(web())]
    );
}

#[test]
fn a_removed_component_comes_back_whole() {
    let mut world = world();
    let api = || crate::id::ComponentName::from("api");
    world.edit(vec![Edit::AddComponent(
        api(),
        ComponentConfig::new(ComponentRole::Routed),
    )]);
    world.scale("api", 1);
    world.restart("v1b");
    world.settle();
    let original = world.state.configuration.clone();
    let mut command = deployment(2, rolling(1));
    command.edits.push(Edit::RemoveComponent(web()));
    world.input(&Input::Deploy(command));
    assert_eq!(
        world.routable("v1b"),
        2,
        "it goes when the release is deployed"
    );
    world.cancel(2);
    world.settle();
    assert_eq!(world.state.configuration, original);
    assert_eq!((world.word(2), world.share("v1b")), ("canceled", 10_000));
}

#[test]
fn without_a_base_the_configuration_before_is_put_back() {
    let mut world = World::stopped(crate::app::ConcurrencyPolicy::SupersedeNow, 1);
    let original = world.state.configuration.clone();
    let mut command = deployment(2, rolling(1));
    command.if_stopped = crate::input::IfStopped::Release;
    command.edits.push(env("A", Some("2")));
    world.input(&Input::Deploy(command));
    world.cancel(2);
    assert_eq!(world.state.configuration, original);
}

#[test]
fn what_conflicts_with_a_release_in_flight_is_refused_where_the_dialect_asks() {
    let table = [
        (Edit::Artifact(None), Some(InFlightConflict::AssignArtifact)),
        (
            Edit::Memory(web(), 1),
            Some(InFlightConflict::UpdateComponent),
        ),
        (env("A", None), None),
        (Edit::Memory("worker".into(), 1), None),
    ];
    for (edit, conflict) in table {
        let mut world = world();
        world.edit(vec![Edit::AddComponent(
            "worker".into(),
            ComponentConfig::new(ComponentRole::Worker),
        )]);
        world.restart("v1b");
        world.settle();
        world.deploy(2, rolling(1));
        let input = Input::Edit(EditCommand {
            edits: vec![edit.clone()],
            actor: "anna".to_owned(),
            refuse_during_release: true,
        });
        match conflict {
            Some(what) => assert_eq!(world.refused(&input), Rejection::ReleaseInFlight { what }),
            None => assert!(world.input(&input)),
        }
        world.cancel(2);
        assert!(world.input(&input), "not while it is put back");
    }
}
