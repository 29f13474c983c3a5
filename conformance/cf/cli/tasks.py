"""Tasks: run, looked at, waited for, terminated."""

import apps
import look
from client import Cf
from steps import step

SMALL = ("-m", "64M", "-k", "64M")


def tasks(transcript, through):
    """The whole chapter."""
    cf = Cf(transcript, through)
    source = apps.folder("tasks", "hello")
    with step("an app for tasks only"):
        cf.log_in()
        cf.run("push", "worker", "-p", source, "--task", *SMALL, folder=source)
        cf.run("tasks", "worker")
    with step("tasks that end"):
        cf.run("run-task", "worker", "--command", "./hello task a b", "--name", "one", *SMALL)
        look.task("worker", 1, "SUCCEEDED")
        cf.run("run-task", "worker")
        look.task("worker", 2, "SUCCEEDED")
        cf.run("run-task", "worker", "--command", "./hello fail", "--name", "three", *SMALL, "--wait", status=1)
        cf.run("run-task", "worker", "--command", "true", "--name", "four", *SMALL, "--wait")
        cf.run("task", "worker", "1")
        cf.run("task", "worker", "3")
    with step("a task that ignores SIGTERM is terminated"):
        cf.run("run-task", "worker", "--command", "./hello task-ignore-term", "--name", "deaf", *SMALL)
        look.task("worker", 5, "RUNNING")
        cf.run("tasks", "worker")
        cf.run("terminate-task", "worker", "5")
        look.task("worker", 5, "FAILED")
        cf.run("task", "worker", "5")
        cf.run("terminate-task", "worker", "5", status=1)
    with step("what is wrong is said"):
        cf.run("run-task", "worker", "--command", "true", "-k", "5G", status=1)
        cf.run("task", "worker", "99", status=1)
        cf.run("terminate-task", "worker", "99", status=1)
        cf.run("run-task", "worker", "--process", "nothing", status=1)
        cf.run("tasks", "nobody", status=1)
    with step("removal"):
        cf.run("delete", "worker", "-f", "-r")
