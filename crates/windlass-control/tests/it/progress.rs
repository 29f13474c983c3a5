//! What a job prints keeps its release from its deadline; silence does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use windlass_control::run_name::RunName;
use windlass_control::{ControlSettings, Extra};
use windlass_engine::configuration::{
    ComponentConfig, ComponentRole, Edit, HealthCheck, HealthKind, JobKind,
};
use windlass_engine::id::{ComponentName, ReleaseId};
use windlass_engine::release::{Deadline, FailureReason, Outcome, Release};
use windlass_engine::strategy::Strategy;
use windlass_runtime::{LogAppender, LogLimits, LogStream};

use crate::world::{World, caller};

/// Deadline of the app, milliseconds: far above the pause between two lines.
const DEADLINE_MS: u64 = 2_000;
const LINE_PAUSE: Duration = Duration::from_millis(20);

fn ends_at(release: &Release) -> Option<u64> {
    match release.deadline {
        Deadline::Running { at } => Some(at.0),
        Deadline::Off | Deadline::Held { .. } => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_prints_outlives_the_deadline_of_a_silent_one() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut settings = ControlSettings::local(dir.path());
    settings.app_defaults.deadline_ms = Some(DEADLINE_MS);
    let world = World::start_with(dir, settings, 1).await;
    let migrate = ComponentName::from("migrate");
    let mut job = ComponentConfig::new(ComponentRole::Job(JobKind::PreDeploy));
    job.command = Some("./migrate".to_owned());
    let check = HealthCheck {
        start_timeout_secs: Some(1),
        ..HealthCheck::new(HealthKind::Port)
    };
    let edits = vec![
        Edit::AddComponent(migrate.clone(), job),
        Edit::Health("web".into(), check),
    ];
    world
        .control
        .edit_app(&world.app, edits, &caller(), true, Extra::default())
        .await
        .expect("it has a job");
    world
        .deploy("r1", Strategy::Rolling { max_in_flight: 1 })
        .await;
    let id = ReleaseId::from("r1");
    let run = RunName::Job {
        release: id.clone(),
        component: migrate,
    };
    let prints = Arc::new(AtomicBool::new(true));
    let writer = {
        let prints = Arc::clone(&prints);
        let log = world.control.app_logs_dir(&world.app).join(run.to_string());
        std::thread::spawn(move || {
            let limits = LogLimits {
                bytes_per_file: 64 * 1024,
                files: 2,
            };
            let log = LogAppender::open(log, limits, 0).expect("a log");
            while prints.load(Ordering::Relaxed) {
                log.line(LogStream::Out, "APP/JOB", 0, "migrating")
                    .expect("a line");
                std::thread::sleep(LINE_PAUSE);
            }
        })
    };
    let first = ends_at(world.state().release(&id).expect("in flight"));
    world
        .until("the deadline has moved", |state| {
            let release = state.release(&id).expect("in flight");
            assert!(release.outcome().is_none(), "it prints: {release:?}");
            ends_at(release) > first
        })
        .await;
    prints.store(false, Ordering::Relaxed);
    writer.join().expect("it wrote");
    let state = world
        .until("the silent one ends", |state| {
            state.release(&id).is_some_and(|r| r.outcome().is_some())
        })
        .await;
    assert_eq!(
        state.release(&id).and_then(Release::outcome),
        Some(&Outcome::Failed(FailureReason::Deadline))
    );
}
