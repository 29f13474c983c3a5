"""Rolling and canary deployments: continued, canceled, waited for and not, rolled back."""

import json
import os

import apps
import look
from client import Cf
from steps import equal, holds, step, wait_for
from visit import Load

DOMAIN = os.environ["WINDLASS_APPS_DOMAIN"]
HOST = f"hello.{DOMAIN}"


def strategies(transcript, through):
    """The whole chapter."""
    cf = Cf(transcript, through)
    first = apps.folder("strategies", "first")
    second = apps.folder("strategies", "second")
    third = apps.folder("strategies", "third")
    deaf = apps.folder("strategies", "deaf")

    with step("an app that runs"):
        cf.log_in()
        size = ("-m", "64M", "-k", "128M", "-i", "4")
        cf.run("push", "hello", "-p", first, *size, folder=first)
        look.settled("hello", *["web"] * 4)

    with Load(HOST) as load:
        canary(cf, second, load)
        rolling(cf, third)
        restarts(cf)
        timeout(cf, deaf, load)
        rollback(cf, load)
        no_wait(cf, second)
    with step("no request failed all the while"):
        equal(load.failed, [], "failed requests")
    with step("removal"):
        cf.run("delete", "hello", "-f", "-r")


def canary(cf, source, load):
    with step("a canary waits, and is canceled"):
        cf.run("push", "hello", "-p", source, "--strategy", "canary", folder=source)
        look.settled("hello", *["web"] * 5)
        cf.run("app", "hello")
        versions_soon(load, {"first", "second"})
        cf.run("cancel-deployment", "hello")
        look.safe("hello")
        equal(versions(load), {"first"}, "versions that answer")
        look.ended("hello", "FINALIZED", "CANCELED")
        look.settled("hello", *["web"] * 4)
        cf.run("app", "hello")
        cf.run("cancel-deployment", "hello", status=1)
        cf.run("continue-deployment", "hello", status=1)
    with step("a canary goes on by steps"):
        steps = ("--strategy", "canary", "--instance-steps", "25,50", "--max-in-flight", "2")
        cf.run("push", "hello", "-p", source, *steps, folder=source)
        look.settled("hello", *["web"] * 5)
        cf.run("app", "hello")
        cf.run("continue-deployment", "hello")
        look.settled("hello", *["web"] * 5)
        cf.run("app", "hello")
        cf.run("continue-deployment", "hello")
        look.settled("hello", *["web"] * 4)
        cf.run("app", "hello")
        versions_soon(load, {"second"})


def versions(load):
    """The versions that answer the next requests."""
    return {json.loads(text)["version"] for text in load.sample(20)}


def versions_soon(load, wanted):
    """Waits until just these versions answer."""
    wait_for(f"answers of {wanted}", lambda: versions(load) == wanted)


def rolling(cf, source):
    with step("a rolling deployment with other sizes"):
        more = ("--strategy", "rolling", "--max-in-flight", "2", "-i", "3", "-m", "80M")
        cf.run("push", "hello", "-p", source, *more, folder=source)
        look.settled("hello", *["web"] * 3)
        cf.run("app", "hello")


def timeout(cf, source, load):
    transcript = cf.transcript
    with step("a version that never listens: the client cancels"):
        cf.run(
            "push", "hello", "-p", source, "--strategy", "rolling",
            status=1, folder=source, CF_STARTUP_TIMEOUT="0.1",
        )
        look.ended("hello", "FINALIZED", "CANCELED")
        look.settled("hello", *["web"] * 3)
        cf.run("app", "hello")
        versions_soon(load, {"third"})
    with step("a version that never listens is canceled by another client while one waits"):
        waiting = cf.start("push", "hello", "-p", source, "--strategy", "rolling")
        wait_for(
            "a deployment",
            lambda: look.deployment("hello") == ("ACTIVE", "DEPLOYING"),
        )
        transcript.quietly("cf push hello, not waited for", cf.recorder.take(), source)
        cf.run("cancel-deployment", "hello")
        _, said = waiting.communicate()
        equal(waiting.returncode, 1, "exit status of the client that waited")
        holds("Deployment has been canceled" in said, said)
        transcript.quietly("cf push hello, canceled", cf.recorder.take())
        look.ended("hello", "FINALIZED", "CANCELED")
        look.settled("hello", *["web"] * 3)


def restarts(cf):
    with step("restart and restage with a strategy"):
        cf.run("restart", "hello", "--strategy", "rolling")
        cf.run("restart", "hello", "--strategy", "canary", "--instance-steps", "10,100")
        cf.run("cancel-deployment", "hello")
        look.ended("hello", "FINALIZED", "CANCELED")
        cf.run("restage", "hello", "--strategy", "rolling")
        look.settled("hello", *["web"] * 3)


def rollback(cf, load):
    with step("revisions and rollback"):
        cf.run("revisions", "hello")
        cf.run("revision", "hello", "--version", "1")
        cf.run("rollback", "hello", "--version", "1", "-f")
        versions_soon(load, {"first"})
        cf.run("rollback", "hello", "--version", "77", "-f", status=1)
        look.settled("hello", *["web"] * 3)


def no_wait(cf, source):
    with step("without waiting"):
        # Whether the step is reached by the time it looks is chance.
        arguments = ("push", "hello", "-p", source, "--strategy", "canary", "--no-wait")
        cf.run(*arguments, keep=False, folder=source)
        look.ended("hello", "ACTIVE", "PAUSED")
        cf.run("continue-deployment", "hello", "--no-wait", keep=False)
        look.ended("hello", "FINALIZED", "DEPLOYED")
        look.settled("hello", *["web"] * 3)
        cf.run("restart", "hello", "--strategy", "rolling", "--no-wait")
        look.ended("hello", "FINALIZED", "DEPLOYED")
        look.settled("hello", *["web"] * 3)
