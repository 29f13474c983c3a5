//! The state of an app as a document: what is written can be read, also what was written before.

use proptest::prelude::*;
use windlass_engine::app::{AppSettings, AppState, ConcurrencyPolicy, RunState};
use windlass_engine::build::BuildState;
use windlass_engine::configuration::{
    ComponentConfig, ComponentRole, Configuration, Edit, HealthCheck, HealthKind, IngressAction,
    IngressRule, JobKind, Key, PathChange, PathMatch, Sidecar, StaticDocuments,
};
use windlass_engine::id::{AppId, CommitNumber, ComponentName, SecretRef};
use windlass_engine::input::{EditCommand, Input};
use windlass_engine::plan::plan;
use windlass_engine::release::ReleaseState;
use windlass_engine::task::TaskState;
use windlass_engine::time::{Now, Timestamp, Uptime};
use windlass_engine::transition::{Ledgers, transition};

use crate::check::World;

/// A document as the first version wrote it. It is never written anew: a change that can't read
/// it needs a migration.
const VERSION_1: &str = include_str!("../../fixtures/app_state_v1.json");

fn survives(state: &AppState) {
    let text = serde_json::to_string(state);
    assert!(text.is_ok(), "it can't be written: {text:?}");
    let read = serde_json::from_str::<AppState>(&text.unwrap_or_default());
    assert_eq!(read.as_ref().ok(), Some(state), "{read:?}");
}

fn component() -> impl Strategy<Value = ComponentName> {
    prop_oneof!["web", "worker", "ü \"quoted\""].prop_map(ComponentName::new)
}

fn role() -> impl Strategy<Value = ComponentRole> {
    prop_oneof![
        Just(ComponentRole::Routed),
        Just(ComponentRole::Worker),
        Just(ComponentRole::Job(JobKind::PreDeploy)),
        Just(ComponentRole::Static),
        Just(ComponentRole::Template),
    ]
}

fn check() -> impl Strategy<Value = HealthCheck> {
    let kind = prop_oneof![
        Just(HealthKind::Process),
        Just(HealthKind::Port),
        ".{0,8}".prop_map(|endpoint| HealthKind::Http { endpoint }),
    ];
    (kind, any::<Option<u64>>()).prop_map(|(kind, secs)| HealthCheck {
        start_timeout_secs: secs,
        ..HealthCheck::new(kind)
    })
}

fn edit() -> impl Strategy<Value = Edit> {
    let text = || ".{0,8}".prop_map(String::from);
    let secret = || proptest::option::of(text().prop_map(SecretRef));
    prop_oneof![
        proptest::option::of(text()).prop_map(|id| Edit::Artifact(id.map(Into::into))),
        (text(), secret()).prop_map(|(name, value)| Edit::Env(name, value)),
        (text(), secret()).prop_map(|(id, value)| Edit::Binding(id.into(), value)),
        (component(), role())
            .prop_map(|(name, role)| Edit::AddComponent(name, ComponentConfig::new(role))),
        component().prop_map(Edit::RemoveComponent),
        (component(), proptest::option::of(text()))
            .prop_map(|(name, id)| Edit::ComponentArtifact(name, id.map(Into::into))),
        (component(), proptest::option::of(text())).prop_map(|(n, v)| Edit::Command(n, v)),
        (component(), proptest::option::of(text())).prop_map(|(n, v)| Edit::User(n, v)),
        (component(), any::<u64>()).prop_map(|(n, v)| Edit::Memory(n, v)),
        (component(), any::<u64>()).prop_map(|(n, v)| Edit::Disk(n, v)),
        (component(), any::<Option<u64>>()).prop_map(|(n, v)| Edit::LogRate(n, v)),
        (component(), check()).prop_map(|(n, v)| Edit::Health(n, v)),
        (component(), check()).prop_map(|(n, v)| Edit::Readiness(n, v)),
        (component(), text(), secret()).prop_map(|(n, name, v)| Edit::ComponentEnv(n, name, v)),
        (component(), any::<Option<u64>>()).prop_map(|(n, v)| Edit::DrainLimit(n, v)),
        (component(), any::<Option<u64>>()).prop_map(|(n, v)| Edit::Grace(n, v)),
        (component(), proptest::option::of(text())).prop_map(|(n, index)| {
            let documents = StaticDocuments {
                index,
                ..StaticDocuments::default()
            };
            Edit::Documents(n, documents)
        }),
        (component(), text()).prop_map(|(component, prefix)| Edit::Ingress(vec![IngressRule {
            host: None,
            path: PathMatch::Prefix(prefix),
            action: IngressAction::Component {
                component,
                path: PathChange::Strip,
            },
        }])),
        (text(), component(), any::<bool>()).prop_map(|(name, beside, from_user)| {
            let sidecar = Sidecar {
                command: name.clone(),
                components: [beside].into(),
                memory_mb: None,
                from_user,
            };
            Edit::Sidecar(name, Some(sidecar))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Wherever a life goes, its document says it all.
    #[test]
    fn every_state_survives_its_document(
        world in proptest::sample::select(World::ALL.to_vec()),
        walk in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut node = world.root();
        survives(&node.state);
        for choice in walk {
            let actions = world.actions(&node);
            if actions.is_empty() {
                break;
            }
            if let Ok(Some(next)) = node.step(*choice.get(&actions)) {
                survives(&next.state);
                node = next;
            }
        }
    }

    /// Any writes of any keys.
    #[test]
    fn every_configuration_survives_its_document(
        edits in proptest::collection::vec(edit(), 0..20),
        commits in 1u64..9,
    ) {
        let mut state =
            AppState::new(AppId::from("app"), ConcurrencyPolicy::SupersedeNow, AppSettings::default());
        for (number, edit) in edits.into_iter().enumerate() {
            let now = Now {
                wall: Timestamp(1),
                uptime: Uptime(1),
                commit: CommitNumber(number as u64 / commits),
            };
            let command = EditCommand {
                edits: vec![edit],
                actor: "anna".to_owned(),
                refuse_during_release: false,
            };
            // A write to a component that is not there is refused.
            if let Ok(made) = transition(&state, &Input::Edit(command), now, &Ledgers::default()) {
                state = made.state;
            }
        }
        survives(&state);
    }

    /// Whatever two configurations are, one can be made of the other.
    #[test]
    fn the_writes_between_two_configurations_make_one_of_the_other(
        old in proptest::collection::vec(edit(), 0..20),
        new in proptest::collection::vec(edit(), 0..20),
    ) {
        let made = |edits: Vec<Edit>| {
            let mut configuration = Configuration::default();
            for edit in edits {
                configuration.apply(&edit);
            }
            configuration
        };
        let (mut old, new) = (made(old), made(new));
        for edit in old.edits_to(&new) {
            old.apply(&edit);
        }
        prop_assert_eq!(&old, &new);
        prop_assert_eq!(old.edits_to(&new), Vec::new());
    }
}

#[test]
fn the_first_version_can_be_read() {
    let state: AppState = serde_json::from_str(VERSION_1).unwrap();
    assert_eq!(state.document_version, 1);
    assert_eq!(state.run, RunState::Started);
    let release = state.release(&"r2".into()).unwrap();
    assert!(matches!(release.state, ReleaseState::Restoring { .. }));
    let restore = release.restore.as_ref().unwrap();
    assert!(restore.restored.contains(&Key::Artifact));
    assert_eq!(restore.not_restored, [Key::Env("LATER".to_owned())]);
    assert_eq!(state.changes.len(), 17);
    assert_eq!(
        state.task(&"t1".into()).unwrap().state,
        TaskState::Canceling
    );
    assert_eq!(state.builds[0].state, BuildState::Running);
    assert!(plan(&state, Now::default()).is_balanced());
    survives(&state);
    // It goes on from there.
    let cancel = Input::CancelRelease(windlass_engine::input::CancelCommand {
        release: "r2".into(),
        by: "anna".to_owned(),
        client: None,
        reason: None,
        urgency: windlass_engine::release::Urgency::Now,
    });
    let now = Now {
        uptime: state.last_uptime,
        ..Now::default()
    };
    assert!(
        transition(&state, &cancel, now, &Ledgers::default())
            .unwrap()
            .changed
    );
}
