package session;

import static session.Client.answer;
import static session.Steps.equal;
import static session.Steps.holds;
import static session.Steps.refused;
import static session.Steps.step;
import static session.Steps.waitFor;

import java.util.Set;
import org.cloudfoundry.client.v3.ClientV3Exception;
import org.cloudfoundry.client.v3.tasks.CancelTaskRequest;
import org.cloudfoundry.client.v3.tasks.CreateTaskRequest;
import org.cloudfoundry.client.v3.tasks.CreateTaskResponse;
import org.cloudfoundry.client.v3.tasks.GetTaskRequest;
import org.cloudfoundry.client.v3.tasks.ListTasksRequest;
import org.cloudfoundry.client.v3.tasks.Task;
import org.cloudfoundry.client.v3.tasks.TaskState;

/** Tasks of the app. */
record Tasks(Client client, String app) {

    private static final Set<TaskState> ENDS = Set.of(TaskState.SUCCEEDED, TaskState.FAILED);

    void run() {
        step("tasks that succeed and fail", this::succeedAndFail);
        step("a task that ignores SIGTERM is canceled", this::cancel);
    }

    private CreateTaskResponse create(String command) {
        return answer(
                client.cf
                        .tasks()
                        .create(
                                CreateTaskRequest.builder()
                                        .applicationId(app)
                                        .command(command)
                                        .memoryInMb(App.MEMORY_MB)
                                        .diskInMb(64)
                                        .build()));
    }

    private Task until(String id, Set<TaskState> states) {
        GetTaskRequest get = GetTaskRequest.builder().taskId(id).build();
        return waitFor(
                "a task that is one of " + states,
                () -> answer(client.cf.tasks().get(get)),
                now -> states.contains(now.getState()));
    }

    private TaskState cancel(String id) {
        return answer(client.cf.tasks().cancel(CancelTaskRequest.builder().taskId(id).build())).getState();
    }

    private void succeedAndFail() {
        CreateTaskResponse created = create("./hello task one two");
        equal(created.getSequenceId(), 1, "number");
        equal(until(created.getId(), ENDS).getState(), TaskState.SUCCEEDED, "outcome");
        Task failed = until(create("./hello fail").getId(), ENDS);
        equal(failed.getState(), TaskState.FAILED, "outcome");
        holds(failed.getResult().getFailureReason() != null, "a reason");
        var late = refused(ClientV3Exception.class, () -> cancel(created.getId()));
        equal(late.getStatusCode(), 422, "status of a cancel that comes too late");
    }

    private void cancel() {
        String task = create("./hello task-ignore-term").getId();
        until(task, Set.of(TaskState.RUNNING));
        equal(cancel(task), TaskState.CANCELING, "state");
        Task ended = until(task, ENDS);
        equal(ended.getState(), TaskState.FAILED, "outcome");
        equal(ended.getResult().getFailureReason(), "task was cancelled", "reason");
        var list = ListTasksRequest.builder().applicationId(app).state(TaskState.FAILED).build();
        equal(answer(client.cf.tasks().list(list)).getResources().size(), 2, "failed tasks");
    }
}
