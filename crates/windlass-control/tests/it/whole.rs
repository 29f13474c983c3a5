//! Apps that one document describes: blue-green with jobs, builds of their own, files.

use std::collections::BTreeMap;
use std::time::Duration;

use windlass_control::Extra;
use windlass_control::commands::cancel_deployment::Cancel;
use windlass_control::commands::deploy::{NewBuild, NewDeployment};
use windlass_control::commands::deploy_whole::ChangeApp;
use windlass_control::history::{ReleaseDetail, ReleaseRecord};
use windlass_engine::app::AppSettings;
use windlass_engine::build::BuildSource;
use windlass_engine::configuration::{
    ComponentConfig, ComponentRole, Configuration, IngressAction, IngressRule, JobKind, PathChange,
    PathMatch,
};
use windlass_engine::id::{ArtifactId, BuildId, PackageId, ReleaseId, RevisionId};
use windlass_engine::input::{CreateBuildCommand, DeployCommand, IfStopped};
use windlass_engine::records::{
    Artifact, ArtifactState, BuildRecord, BuildRecordState, BuildSettings, Metadata, Package,
    PackageState, Stamps,
};
use windlass_engine::release::{FailureReason, JobState, Outcome, ReleaseState};
use windlass_engine::strategy::Strategy;
use windlass_router::TargetKind;
use windlass_runtime::{PortCheck, RunKind, RunPhase, RunStatus};

use crate::world::{World, caller};

/// Longest wait; far above what it takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at what no commit tells.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The configuration of the world's app with more components, each with an artifact of its own.
fn with(world: &World, components: &[(&str, ComponentRole, &str)]) -> Configuration {
    let mut target = world.state().configuration;
    for (name, role, artifact) in components {
        let config = ComponentConfig {
            artifact: Some(ArtifactId::from(*artifact)),
            command: Some("./run".to_owned()),
            ..ComponentConfig::new(*role)
        };
        target.components.insert((*name).into(), config);
    }
    target
}

fn jobs() -> [(&'static str, ComponentRole, &'static str); 3] {
    [
        ("web", ComponentRole::Routed, "v2"),
        ("migrate", ComponentRole::Job(JobKind::PreDeploy), "v2"),
        ("notify", ComponentRole::Job(JobKind::PostDeploy), "v2"),
    ]
}

async fn deploy(
    world: &World,
    release: &str,
    target: Configuration,
    builds: Vec<NewBuild>,
) -> ReleaseRecord {
    let command = DeployCommand {
        release: ReleaseId::from(release),
        revision: RevisionId::new(format!("{release}-target")),
        edits: Vec::new(),
        target_edits: Vec::new(),
        target_scale: BTreeMap::new(),
        strategy: Strategy::BlueGreen,
        if_stopped: IfStopped::Release,
        awaited_builds: builds.iter().map(|new| new.command.build.clone()).collect(),
    };
    let new = NewDeployment {
        app: world.app.clone(),
        command,
        detail: ReleaseDetail::default(),
        secrets: Vec::new(),
        builds,
    };
    let change: ChangeApp = Box::new(|_, _| Ok(()));
    let done = world
        .control
        .deploy_whole(target, new, change, Extra::default());
    done.await.expect("a deployment").1
}

async fn cancel(world: &World, release: &str) {
    world
        .control
        .cancel_deployment(
            &ReleaseId::from(release),
            Cancel::default(),
            &caller(),
            Extra::default(),
        )
        .await
        .expect("it is canceled");
}

/// Waits until a run runs.
async fn runs(world: &World, run: &str) {
    let is_there = || world.driver.running().iter().any(|one| one == run);
    hinted(world, run, || is_there().then_some(())).await;
}

async fn until_over(world: &World, release: &str) -> Outcome {
    hinted(world, "the outcome", || {
        match world.release(release).release.state {
            ReleaseState::Finalized { outcome } => Some(outcome),
            _ => None,
        }
    })
    .await
}

/// Looks after each commit until something is there.
async fn hinted<T>(world: &World, what: &str, look: impl Fn() -> Option<T>) -> T {
    let mut hints = world.control.store().hints();
    let waits = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            // What the driver does follows a commit a moment later.
            let _ = tokio::time::timeout(LOOK_AGAIN, hints.next()).await;
        }
    };
    if let Ok(found) = tokio::time::timeout(PATIENCE, waits).await {
        return found;
    }
    panic!("never: {what}; the state is {:#?}", world.state())
}

fn outcome_of_jobs(record: &ReleaseRecord) -> Vec<(&str, JobState)> {
    let jobs = record.release.jobs.iter();
    jobs.map(|job| (job.component.as_str(), job.state))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_once_around_the_move() {
    let world = World::start(2).await;
    deploy(&world, "r1", with(&world, &jobs()), Vec::new()).await;
    runs(&world, "j.r1.migrate").await;
    assert_eq!(world.driver.running().len(), 3, "two of the base, the job");
    world.driver.exit("j.r1.migrate", 0);
    runs(&world, "j.r1.notify").await;
    let state = world.state();
    let target = RevisionId::from("r1-target");
    assert_eq!(state.routable(&target, &"web".into()), 2);
    assert_eq!(state.instances.len(), 4, "the base is warm");
    assert_eq!(world.release("r1").shares["web"][&target], 10_000);
    world.driver.exit("j.r1.notify", 0);
    assert_eq!(until_over(&world, "r1").await, Outcome::Deployed);
    let record = world.release("r1");
    assert_eq!(
        outcome_of_jobs(&record),
        [
            ("migrate", JobState::Succeeded),
            ("notify", JobState::Succeeded)
        ]
    );
    assert_eq!(record.target_artifacts["migrate"], ArtifactId::from("v2"));
    world
        .until("the base is gone", |state| state.instances.len() == 2)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_during_a_job_ends_it_and_restores_everything() {
    for (job, finished) in [("migrate", vec![]), ("notify", vec!["migrate"])] {
        let world = World::start(2).await;
        let before = world.state().configuration;
        deploy(&world, "r1", with(&world, &jobs()), Vec::new()).await;
        for done in &finished {
            let run = format!("j.r1.{done}");
            runs(&world, &run).await;
            world.driver.exit(&run, 0);
        }
        let run = format!("j.r1.{job}");
        runs(&world, &run).await;
        cancel(&world, "r1").await;
        assert!(matches!(
            until_over(&world, "r1").await,
            Outcome::Canceled(_)
        ));
        let record = world.release("r1");
        let states = outcome_of_jobs(&record);
        assert_eq!(states.last(), Some(&(job, JobState::Interrupted)));
        let restore = record
            .release
            .restore
            .as_ref()
            .expect("how it was restored");
        assert!(
            restore
                .not_undone
                .contains(&format!("job {job} was interrupted"))
        );
        assert_eq!(world.state().configuration, before);
        assert_eq!(world.driver.running().len(), 2, "{job}: only the base");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_fails_the_deployment() {
    let world = World::start(1).await;
    deploy(&world, "r1", with(&world, &jobs()), Vec::new()).await;
    runs(&world, "j.r1.migrate").await;
    world.driver.exit("j.r1.migrate", 3);
    let component = "migrate".into();
    assert_eq!(
        until_over(&world, "r1").await,
        Outcome::Failed(FailureReason::Job { component })
    );
    assert!(!world.driver.knows("j.r1.notify"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_not_run_again_when_control_dies() {
    let world = World::start(1).await;
    deploy(&world, "r1", with(&world, &jobs()), Vec::new()).await;
    runs(&world, "j.r1.migrate").await;
    let app = world.app.to_string();
    let instances = world.driver.running();
    let world = world
        .reopen(|driver| {
            for run in &instances {
                let is_job = run == "j.r1.migrate";
                driver.adopt(RunStatus {
                    app: app.clone(),
                    run: run.clone(),
                    kind: if is_job {
                        RunKind::Job
                    } else {
                        RunKind::Instance
                    },
                    generation: 0,
                    phase: RunPhase::Running,
                    routable: true,
                    pid: Some(7),
                    started_at_ms: Some(0),
                    port: None,
                    port_check: PortCheck::None,
                    log_number: 1,
                    exit: None,
                });
            }
        })
        .await;
    world.driver.exit("j.r1.migrate", 0);
    runs(&world, "j.r1.notify").await;
    assert!(
        !world.driver.running().contains(&"j.r1.migrate".to_owned()),
        "it was adopted, it ended, it does not run again"
    );
    world.driver.exit("j.r1.notify", 0);
    assert_eq!(until_over(&world, "r1").await, Outcome::Deployed);
}

async fn new_build(world: &World, id: &str) -> NewBuild {
    // The smallest zip file.
    let mut zip = b"PK\x05\x06".to_vec();
    zip.resize(22, 0);
    let blob = world.control.blobs().put(&zip).expect("a blob");
    let package = Package {
        id: PackageId::from("p"),
        app: world.app.clone(),
        state: PackageState::Ready,
        blob: Some(blob.digest.to_string()),
        size_bytes: blob.size_bytes,
        metadata: Metadata::default(),
        stamps: Stamps::default(),
    };
    let put = world.control.store().write(move |tx| tx.put(&package));
    put.await.expect("a package");
    NewBuild {
        command: CreateBuildCommand {
            build: BuildId::from(id),
            source: BuildSource::Package(PackageId::from("p")),
            artifact: ArtifactId::new(format!("of-{id}")),
            memory_mb: 64,
            disk_mb: 64,
            for_releases: true,
            gives_way: false,
            on_built: None,
        },
        record: BuildRecord {
            id: BuildId::from(id),
            app: world.app.clone(),
            package: Some(PackageId::from("p")),
            git: None,
            component: None,
            settings: BuildSettings::default(),
            state: BuildRecordState::Staging,
            memory_mb: 64,
            disk_mb: 64,
            buildpacks: Vec::new(),
            created_by: None,
            detail: None,
            hosts: Vec::new(),
            canceled: None,
            began_at: None,
            withdrawn: false,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        },
    }
}

fn build_state(world: &World, id: &str) -> BuildRecordState {
    let build: Option<BuildRecord> = world
        .control
        .store()
        .read(|reader| reader.get(&BuildId::from(id)))
        .expect("readable");
    build.expect("recorded").state
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_while_it_builds_ends_every_build() {
    let world = World::start(1).await;
    let before = world.state().configuration;
    let components = [
        ("web", ComponentRole::Routed, "of-b1"),
        ("worker", ComponentRole::Worker, "of-b2"),
    ];
    let builds = vec![new_build(&world, "b1").await, new_build(&world, "b2").await];
    deploy(&world, "r1", with(&world, &components), builds).await;
    runs(&world, "b.b1.1").await;
    runs(&world, "b.b2.1").await;
    assert_eq!(world.release("r1").release.state, ReleaseState::Building);
    cancel(&world, "r1").await;
    assert!(matches!(
        until_over(&world, "r1").await,
        Outcome::Canceled(_)
    ));
    for id in ["b1", "b2"] {
        assert_eq!(build_state(&world, id), BuildRecordState::Canceled);
    }
    assert_eq!(world.state().configuration, before);
    assert_eq!(world.driver.running().len(), 1, "only the base");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_restores_and_ends_the_others() {
    let world = World::start(1).await;
    let before = world.state().configuration;
    let components = [
        ("web", ComponentRole::Routed, "of-b1"),
        ("worker", ComponentRole::Worker, "of-b2"),
    ];
    let builds = vec![new_build(&world, "b1").await, new_build(&world, "b2").await];
    deploy(&world, "r1", with(&world, &components), builds).await;
    runs(&world, "b.b1.1").await;
    runs(&world, "b.b2.1").await;
    world.driver.exit("b.b1.1", 1);
    assert_eq!(
        until_over(&world, "r1").await,
        Outcome::Failed(FailureReason::Build)
    );
    assert!(matches!(
        build_state(&world, "b1"),
        BuildRecordState::Failed { .. }
    ));
    assert_eq!(build_state(&world, "b2"), BuildRecordState::Canceled);
    assert_eq!(world.state().configuration, before);
}

fn to(component: &str) -> Vec<IngressRule> {
    vec![IngressRule {
        host: None,
        path: PathMatch::Prefix("/".to_owned()),
        action: IngressAction::Component {
            component: component.into(),
            path: PathChange::Strip,
        },
    }]
}

/// Content of the file `version` that the router serves for `site`.
fn served(world: &World) -> Option<String> {
    let table = world.control.routes().table();
    let group = table.groups.get(&format!("{}/site", world.app))?;
    let [version] = group.versions.as_slice() else {
        return None;
    };
    let TargetKind::Static { root, .. } = &version.target else {
        return None;
    };
    std::fs::read_to_string(root.join("version")).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_there_before_a_table_names_them_and_go_back_with_a_cancel() {
    let world = World::start(1).await;
    let mut first = with(&world, &[("site", ComponentRole::Static, "v1")]);
    first.ingress = to("site");
    deploy(&world, "r1", first, Vec::new()).await;
    assert_eq!(until_over(&world, "r1").await, Outcome::Deployed);
    assert_eq!(served(&world).as_deref(), Some("v1"));

    let components = [
        ("site", ComponentRole::Static, "v2"),
        ("notify", ComponentRole::Job(JobKind::PostDeploy), "v2"),
    ];
    let mut second = with(&world, &components);
    second.ingress = to("web");
    deploy(&world, "r2", second, Vec::new()).await;
    runs(&world, "j.r2.notify").await;
    assert_eq!(served(&world).as_deref(), Some("v2"));
    let rules = |world: &World| {
        let table = world.control.routes().table();
        table.groups[&format!("{}/*", world.app)].ingress.clone()
    };
    let (of_second, generation) = (rules(&world), world.state().plan_generation);
    cancel(&world, "r2").await;
    assert_eq!(served(&world).as_deref(), Some("v1"));
    assert_ne!(rules(&world), of_second);
    let table = world.control.routes().table();
    let at = |name: &str| table.groups[&format!("{}/{name}", world.app)].plan_generation;
    assert_eq!(at("site"), at("*"), "one table takes both back");
    assert!(at("*") > generation.0);
    assert!(matches!(
        until_over(&world, "r2").await,
        Outcome::Canceled(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_of_the_last_deployed_releases_stay() {
    for wanted in [0, 3] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut settings = windlass_control::settings::ControlSettings::local(dir.path());
        settings.app_defaults = AppSettings {
            releases_to_return_to: wanted,
            ..settings.app_defaults
        };
        let world = World::start_with(dir, settings, 0).await;
        // The oldest ones are deployed, newer ones are only built.
        for number in 1..=3 {
            let id = format!("w{number}");
            world.put_artifact(&id).await;
            let target = with(&world, &[("site", ComponentRole::Static, &id)]);
            deploy(&world, &format!("r{number}"), target, Vec::new()).await;
            let outcome = until_over(&world, &format!("r{number}")).await;
            assert_eq!(outcome, Outcome::Deployed);
        }
        for number in 4..=9 {
            world.put_artifact(&format!("w{number}")).await;
        }
        world.control.sweep().await.expect("a sweep");
        let artifact: Option<Artifact> = world
            .control
            .store()
            .read(|reader| reader.get(&ArtifactId::from("w1")))
            .expect("readable");
        let is_staged = artifact.is_some_and(|it| it.state == ArtifactState::Staged);
        assert_eq!(is_staged, wanted > 0, "{wanted}");
    }
}
