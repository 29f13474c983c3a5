//! Refusals of control, and of the runtime, in the words that a create of a task has for them.

use axum::http::StatusCode;
use windlass_control::Error;
use windlass_engine::rejection::{QuotaKind, Rejection};
use windlass_engine::task::{TASK_REFUSED, Task, TaskState};

use crate::error::ApiError;

/// What a create of a task answers when control refuses.
pub(super) fn of_create(error: Error) -> ApiError {
    match error {
        Error::Rejected(Rejection::QuotaExceeded {
            what: QuotaKind::Memory,
        }) => ApiError::unprocessable("memory_in_mb exceeds organization memory quota"),
        // Ports, users: a later try may have them.
        Error::Unavailable(_) => workers_unavailable(),
        other => other.into(),
    }
}

/// The error of a task that the runtime did not take. Its row stays and says the same.
pub(super) fn of_runtime(task: &Task) -> Option<ApiError> {
    match &task.state {
        TaskState::Failed { reason } if reason == TASK_REFUSED => Some(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            170_019,
            "TaskError",
            format!("Task failed: {TASK_REFUSED}"),
        )),
        TaskState::Failed { .. }
        | TaskState::Pending
        | TaskState::Running
        | TaskState::Canceling
        | TaskState::Succeeded => None,
    }
}

fn workers_unavailable() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        170_020,
        "TaskWorkersUnavailable",
        "Task workers are unavailable.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_runtime_is_told_apart_from_a_full_quota() {
        let short = of_create(Error::Unavailable("no user id is left".to_owned()));
        assert_eq!(
            (short.status.as_u16(), short.entries[0].code),
            (503, 170_020)
        );
        // `cf run-task` looks for this title.
        assert_eq!(short.entries[0].title, "CF-TaskWorkersUnavailable");
        let full = of_create(
            Rejection::QuotaExceeded {
                what: QuotaKind::Memory,
            }
            .into(),
        );
        assert_eq!(
            full.detail(),
            "memory_in_mb exceeds organization memory quota"
        );
        let many = of_create(
            Rejection::QuotaExceeded {
                what: QuotaKind::Tasks,
            }
            .into(),
        );
        assert_eq!(many.detail(), "app_task_limit quota exceeded");
    }
}
