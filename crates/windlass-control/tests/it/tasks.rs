//! Tasks, as the dialects call them.

use windlass_control::{Error, Extra};
use windlass_engine::id::TaskId;
use windlass_engine::input::RunTaskCommand;
use windlass_engine::records::Metadata;
use windlass_engine::rejection::Rejection;
use windlass_engine::task::{TASK_CANCELED, TaskState};

use crate::world::{World, caller};

fn command(id: &str) -> RunTaskCommand {
    RunTaskCommand {
        task: TaskId::from(id),
        sequence: 0,
        name: "migrate".to_owned(),
        command: "true".to_owned(),
        user: None,
        memory_mb: 64,
        disk_mb: 64,
        log_bytes_per_second: None,
        artifact: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_runs_and_is_canceled() {
    let world = World::start(1).await;
    let record = world
        .control
        .run_task(
            &world.app,
            command("t1"),
            Metadata::default(),
            Extra::default(),
        )
        .await
        .expect("a task");
    assert_eq!(
        (record.task.sequence, &record.task.state),
        (1, &TaskState::Running)
    );
    let id = TaskId::from("t1");
    let canceled = world
        .control
        .cancel_task(&id, None, &caller(), Extra::default())
        .await
        .expect("it can be canceled");
    assert_eq!(canceled.task.state, TaskState::Canceling);
    world
        .until("it is over", |state| {
            state
                .tasks
                .iter()
                .all(windlass_engine::task::Task::is_finished)
        })
        .await;
    let over = world.control.task(&id).expect("recorded");
    assert_eq!(
        over.task.state,
        TaskState::Failed {
            reason: TASK_CANCELED.to_owned()
        }
    );
    let again = world
        .control
        .cancel_task(&id, None, &caller(), Extra::default())
        .await;
    assert!(matches!(
        again,
        Err(Error::Rejected(Rejection::TaskNotCancelable { .. }))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_on_disk_wins_over_a_later_cancel() {
    let world = World::start(1).await;
    world
        .control
        .run_task(
            &world.app,
            command("t1"),
            Metadata::default(),
            Extra::default(),
        )
        .await
        .expect("a task");
    world.driver.exit("t.t1", 0);
    let id = TaskId::from("t1");
    let refused = world
        .control
        .cancel_task(&id, None, &caller(), Extra::default())
        .await;
    match refused {
        Err(Error::Rejected(Rejection::TaskNotCancelable { state })) => {
            assert_eq!(state, TaskState::Succeeded);
        }
        other => panic!("the exit was on disk before the cancel: {other:?}"),
    }
}
