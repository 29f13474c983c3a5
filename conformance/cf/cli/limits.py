"""What is too large or too much: code, and what code takes. The server of this chapter holds little
(`run-cli` says how little)."""

import os

import apps
import look
from client import Cf
from steps import equal, step
from visit import ask

DOMAIN = os.environ["WINDLASS_APPS_DOMAIN"]
WRITES = "head -c 60000000 /dev/zero >large; sleep 1000"


def limits(transcript, through):
    """The whole chapter."""
    cf = Cf(transcript, through)
    cf.log_in()
    code(cf)
    disk(cf, apps.folder("limits", "hello"))


def code(cf):
    with step("a package that is too large"):
        large = apps.folder("limits", "large")
        cf.run("push", "large", "-p", large, "--no-start", status=1, folder=large)
        cf.run("packages", "large")
    with step("more packages than the server has room for"):
        for name in ("one", "two"):
            source = apps.folder("limits", name)
            cf.run("create-package", "large", "-p", source, folder=source)
        source = apps.folder("limits", "three")
        cf.run("create-package", "large", "-p", source, status=1, folder=source)
        cf.run("delete", "large", "-f", "-r")


def disk(cf, source):
    with step("an app and a task that write more than their disk"):
        cf.run("push", "hello", "-p", source, "-m", "64M", "-k", "24M", folder=source)
        look.settled("hello", "web")
        ask(f"hello.{DOMAIN}", "/disk?mb=32")
        crash = look.told("hello", "audit.app.process.crash")
        equal(crash["data"]["exit_description"], "Disk quota exceeded", "reason")
        sizes = ("-m", "64M", "-k", "24M")
        cf.run("run-task", "hello", "--command", WRITES, "--name", "one", *sizes)
        look.task("hello", 1, "FAILED")
        cf.run("task", "hello", "1")
        cf.run("delete", "hello", "-f", "-r")
