//! Tasks: they run, fail, are canceled.

use crate::world::{World, until};

#[test]
fn tasks_end_as_their_program_ends() {
    let world = World::new();
    let app = world.push("hello", 1);
    let platform = &world.platform;
    let good = platform
        .run_task(&app, "./hello task one two")
        .expect("task");
    let bad = platform.run_task(&app, "./hello fail").expect("task");
    let done = platform.wait_task(&good, "SUCCEEDED").expect("success");
    assert_eq!(done["result"]["failure_reason"], serde_json::Value::Null);
    let failed = platform.wait_task(&bad, "FAILED").expect("failure");
    let reason = failed["result"]["failure_reason"]
        .as_str()
        .unwrap_or_default();
    assert!(reason.contains('3'), "{failed}");

    let refused = platform.cancel_task(&good).expect("answer");
    assert_eq!(refused.status, 422, "{}", refused.text);
    let detail = refused.body["errors"][0]["detail"]
        .as_str()
        .unwrap_or_default();
    assert!(detail.contains("SUCCEEDED"), "{detail}");
    until("the line of the task in the log", || {
        let lines = world.server.run(&["logs", "hello"]).expect("logs");
        String::from_utf8_lossy(&lines.stdout).contains("one two")
    });
    world.end();
}

#[test]
fn a_canceled_task_has_failed_and_a_repeated_cancel_changes_nothing() {
    let world = World::new();
    let app = world.push("hello", 1);
    let platform = &world.platform;
    let task = platform
        .run_task(&app, "./hello task-ignore-term")
        .expect("task");
    until("the task to run", || {
        world
            .app_processes()
            .iter()
            .any(|seen| seen.command().contains("orphan"))
    });
    for _ in 0..2 {
        let answer = platform.cancel_task(&task).expect("answer");
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(answer.body["state"], "CANCELING");
    }
    let ended = platform.wait_task(&task, "FAILED").expect("end");
    assert_eq!(ended["result"]["failure_reason"], "task was cancelled");
    assert_eq!(platform.cancel_task(&task).expect("answer").status, 422);
    world.end();
}
