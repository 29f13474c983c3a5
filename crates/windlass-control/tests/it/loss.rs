//! What a crash, a lost hint or a shortage must not break.

use std::collections::BTreeMap;
use std::time::Duration;

use windlass_control::Extra;
use windlass_control::commands::cancel_deployment::Cancel;
use windlass_control::settings::ControlSettings;
use windlass_engine::build::BuildSource;
use windlass_engine::id::{
    ArtifactId, BuildId, DestinationId, OperationId, PackageId, ReleaseId, RouteId, SecretRef,
    TaskId,
};
use windlass_engine::input::{CreateBuildCommand, RunTaskCommand};
use windlass_engine::records::{
    Artifact, ArtifactState, BuildRecord, BuildRecordState, BuildSettings, Destination, Domain,
    Metadata, Operation, OperationState, Protocol, Route, SecretValue, Stamps,
};
use windlass_engine::release::ReleaseState;
use windlass_engine::strategy::Strategy;
use windlass_engine::task::{TASK_UNKNOWN, TaskState};
use windlass_engine::time::Timestamp;
use windlass_runtime::{Exit, ExitReason, PortCheck, RunKind, RunPhase, RunStatus};

use crate::world::{World, caller};

/// Longest wait for a condition that no commit tells.
const PATIENCE: Duration = Duration::from_mins(1);

async fn until(what: &str, is: impl Fn() -> bool) {
    let wait = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, wait).await.is_ok(),
        "never: {what}"
    );
}

fn ended(world: &World, run: &str, kind: RunKind, reason: ExitReason) -> RunStatus {
    RunStatus {
        app: world.app.to_string(),
        run: run.to_owned(),
        kind,
        generation: 1,
        phase: RunPhase::Ended,
        routable: false,
        pid: Some(1),
        started_at_ms: Some(1),
        port: None,
        port_check: PortCheck::None,
        log_number: 1,
        exit: Some(Exit {
            code: None,
            signal: Some(15),
            reason,
            process: None,
            at_ms: 2,
        }),
    }
}

/// The commit that frees the last slot is durable, control dies, and with it the hint.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_waits_for_a_slot_goes_on_after_a_crash() {
    let world = World::start(1).await;
    let slots = world.control.settings().build_slots;
    world
        .control
        .store()
        .write(move |tx| {
            for number in 0..slots {
                tx.take_build_slot("builds", &format!("other-{number}"), slots)?;
            }
            Ok::<_, windlass_store::StoreError>(())
        })
        .await
        .expect("all slots are taken");
    let command = CreateBuildCommand {
        build: BuildId::from("b1"),
        source: BuildSource::Package(PackageId::from("gone")),
        artifact: ArtifactId::from("a1"),
        memory_mb: 64,
        disk_mb: 64,
        for_releases: false,
        gives_way: false,
        on_built: None,
    };
    let record = BuildRecord {
        id: BuildId::from("b1"),
        app: world.app.clone(),
        package: None,
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
    };
    // Nothing else may happen to the app: any commit would look at the build as well.
    world
        .control
        .stop_app(&world.app, Extra::default())
        .await
        .expect("it stops");
    world
        .until("nothing runs", |state| state.instances.is_empty())
        .await;
    world
        .control
        .create_build(command, record, Extra::default())
        .await
        .expect("a build");
    world
        .control
        .store()
        .write(move |tx| {
            for number in 0..slots {
                tx.free_build_slot(&format!("other-{number}"))?;
            }
            Ok::<_, windlass_store::StoreError>(())
        })
        .await
        .expect("all slots are free");
    let world = world.reopen(|_| {}).await;
    // It has no package, so it fails as soon as it has a slot.
    until("the build has had its turn", || {
        let build: Option<BuildRecord> = world
            .control
            .store()
            .read(|reader| reader.get(&BuildId::from("b1")))
            .expect("readable");
        build.is_some_and(|build| matches!(build.state, BuildRecordState::Failed { .. }))
    })
    .await;
}

/// The last exit of a deleted app is durable, control dies before it completes the job.
#[tokio::test(flavor = "multi_thread")]
async fn the_job_of_a_deleted_app_completes_after_a_crash() {
    let world = World::start(1).await;
    world
        .control
        .delete_app(&world.app, &caller(), Extra::default())
        .await
        .expect("it is deleted");
    world
        .until("nothing runs", |state| state.instances.is_empty())
        .await;
    let id = OperationId::from("lost");
    let open = Operation {
        id: id.clone(),
        kind: "app.delete".to_owned(),
        subject: world.app.to_string(),
        state: OperationState::Processing,
        stamps: Stamps::default(),
    };
    world
        .control
        .store()
        .write(move |tx| tx.put(&open))
        .await
        .expect("a job that nobody has completed");
    let world = world.reopen(|_| {}).await;
    let job = world.control.operation(&id).await.expect("readable");
    assert_eq!(job.expect("there").state, OperationState::Complete);
}

/// The task's process has run, `down` ends it, and nobody took in that it had started.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_down_has_ended_never_runs_twice() {
    let world = World::start(1).await;
    world.control.stop_everything().await.expect("it stops");
    let command = RunTaskCommand {
        task: TaskId::from("t1"),
        sequence: 0,
        name: "migrate".to_owned(),
        command: "true".to_owned(),
        user: None,
        memory_mb: 64,
        disk_mb: 64,
        log_bytes_per_second: None,
        artifact: None,
    };
    let task = world
        .control
        .run_task(&world.app, command, Metadata::default(), Extra::default())
        .await
        .expect("a task");
    assert_eq!(task.task.state, TaskState::Pending);
    let status = ended(&world, "t.t1", RunKind::Task, ExitReason::Stopped);
    let world = world.reopen(|driver| driver.adopt(status)).await;
    let task = world.control.task(&TaskId::from("t1")).expect("recorded");
    assert_eq!(
        task.task.state,
        TaskState::Failed {
            reason: TASK_UNKNOWN.to_owned()
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_an_unknown_app_are_ended_and_forgotten() {
    let world = World::start(1).await;
    let run = "i.99999999-9999-4999-8999-999999999999.1.1";
    let stranger = RunStatus {
        app: "99999999-9999-4999-8999-999999999999".to_owned(),
        phase: RunPhase::Running,
        exit: None,
        ..ended(&world, run, RunKind::Instance, ExitReason::Stopped)
    };
    let world = world.reopen(|driver| driver.adopt(stranger)).await;
    until("the driver has forgotten it", || !world.driver.knows(run)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reboot_only_so_many_start_at_once() {
    let limit = ControlSettings::local("/").starts_at_once;
    let instances = limit + 3;
    let world = World::start(u32::try_from(instances).expect("few")).await;
    world.control.stop_everything().await.expect("it stops");
    let world = world.reopen(|driver| driver.set_healthy(false)).await;
    until("as many start as may", || {
        world.driver.running().len() >= limit
    })
    .await;
    let all_at_first = world.driver.running();
    for up in 1..=3 {
        assert_eq!(
            world.driver.running().len(),
            limit + up - 1,
            "the others wait"
        );
        world.driver.set_routable(&all_at_first[up - 1], true);
        until("the next one starts", || {
            world.driver.running().len() >= limit + up
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_is_accepted_when_no_port_is_left() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let settings = ControlSettings {
        port_range: 20_000..=20_003,
        ..ControlSettings::local(dir.path())
    };
    let world = World::start_with(dir, settings, 2).await;
    let old = world.driver.running();
    world.driver.set_healthy(false);
    world
        .deploy("r1", Strategy::Rolling { max_in_flight: 1 })
        .await;
    until("the first one starts", || world.driver.running().len() == 3).await;
    let new = world
        .driver
        .running()
        .into_iter()
        .find(|run| !old.contains(run))
        .expect("there");
    world.driver.set_routable(&new, true);
    world
        .until("an old one is gone and another new one starts", |state| {
            let of_base = state.instances.values();
            let base = of_base.filter(|i| state.base.as_ref() == Some(&i.revision));
            base.count() == 1 && state.instances.len() == 3
        })
        .await;
    let canceled = world
        .control
        .cancel_deployment(
            &ReleaseId::from("r1"),
            Cancel::default(),
            &caller(),
            Extra::default(),
        )
        .await
        .expect("a cancel is never refused for want of a port");
    assert!(matches!(
        canceled.record.release.state,
        ReleaseState::Restoring { .. }
    ));
}

/// More routes than one list holds: a start of control must not cut any of them off.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_publishes_every_route() {
    let world = World::start(1).await;
    let (record, _) = world.control.app(&world.app).expect("there");
    let (app, space) = (world.app.clone(), record.space);
    let routes = u64::from(windlass_store::Page::MAX_LIMIT) + 1;
    world
        .control
        .store()
        .write(move |tx| {
            tx.put(&Domain {
                id: "d".into(),
                name: "example.test".to_owned(),
                internal: false,
                organization: None,
                shared_with: Vec::new(),
                metadata: Metadata::default(),
                stamps: Stamps::default(),
            })?;
            for number in 0..routes {
                let host = format!("h{number}");
                tx.put(&Route {
                    id: RouteId::new(host.clone()),
                    space: space.clone(),
                    domain: "d".into(),
                    full_host: format!("{host}.example.test"),
                    host,
                    path: String::new(),
                    destinations: vec![Destination {
                        id: DestinationId::new(number.to_string()),
                        app: app.clone(),
                        component: "web".into(),
                        revision: None,
                        weight: None,
                        port: None,
                        protocol: Protocol::Http1,
                    }],
                    options: BTreeMap::new(),
                    metadata: Metadata::default(),
                    stamps: Stamps::default(),
                })?;
            }
            Ok::<_, windlass_store::StoreError>(())
        })
        .await
        .expect("routes");
    let world = world.reopen(|_| {}).await;
    let table = world.control.routes().table();
    assert_eq!(table.hosts.len() as u64, routes);
}

/// A value that was replaced is removed once it is old, one that is in use never.
#[tokio::test(flavor = "multi_thread")]
async fn secret_values_go_when_nothing_refers_to_them() {
    let world = World::start(1).await;
    let used = world.state().configuration.env["COLOUR"].clone();
    let stale = SecretRef("test:stale".to_owned());
    let values = [used.clone(), stale.clone()].map(|reference| SecretValue {
        reference,
        ciphertext: "x".to_owned(),
        created_at: Timestamp(0),
    });
    world
        .control
        .store()
        .write(move |tx| values.iter().try_for_each(|value| tx.put(value)))
        .await
        .expect("old values");
    world.control.sweep().await.expect("sweeps");
    let known = |reference: &SecretRef| {
        let value: Result<Option<SecretValue>, windlass_store::StoreError> =
            world.control.store().read(|reader| reader.get(reference));
        value.expect("readable").is_some()
    };
    assert!(known(&used) && !known(&stale));
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_that_nobody_needs_expire() {
    let world = World::start(1).await;
    for number in 3..=9 {
        world.put_artifact(&format!("v{number}")).await;
    }
    world.control.sweep().await.expect("sweeps");
    let state = |id: &str| {
        let artifact: Result<Option<Artifact>, windlass_store::StoreError> = world
            .control
            .store()
            .read(|reader| reader.get(&ArtifactId::from(id)));
        artifact.expect("readable").expect("there").state
    };
    let expired = (1..=9).filter(|n| state(&format!("v{n}")) == ArtifactState::Expired);
    assert_eq!(expired.count(), 3, "five stay beside the one in use");
    assert_eq!(state("v1"), ArtifactState::Staged);
}
