"""Jobs are gates of a deployment: before it, after it, and after a failure of it."""

import asyncio
import os
import uuid

import requests
from app import API, CA, TOKEN, App, changed, client
from progress import at, names, status
from pydo.aio import Client as AioClient
from samples import job, variable, web
from steps import equal, holds, step, wait_for
from visit import Load
from windlass import record

SPEC = {
    "name": "sample-jobs",
    "services": [web()],
    "jobs": [
        job("migrate", "PRE_DEPLOY", "succeed migration"),
        job("notify", "POST_DEPLOY", "succeed notice"),
        job("alarm", "FAILED_DEPLOY", "succeed alarm"),
    ],
}
MIGRATE, NOTIFY, ALARM = range(3)


def running(word):
    """Processes that have a word among their arguments."""
    found = []
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    arguments = file.read().split(b"\0")
            except OSError:
                continue
            if word.encode() in arguments:
                found.append(int(pid))
    return found


def deploy_logs(app, deployment):
    """What the jobs of a deployment printed."""
    links = app.apps.get_logs_aggregate(app.id, deployment, type="DEPLOY")
    return requests.get(links["historic_urls"][0], verify=CA, timeout=60).text


def hangs(word):
    """A spec whose job before the deployment does not end by itself."""

    def change(spec):
        spec["jobs"][MIGRATE]["run_command"] = f"./job hang {word}"

    return changed(SPEC, change)


def jobs(snapshot):
    """The whole chapter."""
    app = App(client(), SPEC)
    with step("jobs before and after a deployment run to their ends"):
        active = app.created()
        snapshot.note("active", active)
        equal(names(at(active, "deploy", "components")), ["migrate", "web", "notify"], "order")
        lines = deploy_logs(app, active["id"])
        for word in ("migration", "notice"):
            holds(f"{word} begins" in lines and f"{word} ends" in lines, f"logs: {lines}")
        holds("alarm" not in lines, "no job for a failure ran")

    with Load(app.host) as load:
        with step("cancel during a job before the deployment"):
            canceled = cancel_during_job(app, sync_cancel)
            snapshot.note("canceled during PRE_DEPLOY", canceled)
            equal(app.get()["active_deployment"]["id"], active["id"], "what is active")
            equal(app.get()["spec"], SPEC, "the spec after a cancel")

        with step("the same by the asynchronous client"):
            cancel_during_job(app, aio_cancel)

        with step("a job that fails ends the deployment, a job for failures runs to its end"):

            def fails(spec):
                spec["jobs"][NOTIFY]["run_command"] = "./job fail notice"
                spec["services"][0]["envs"] = [variable("COLOR", "red")]

            deployment = app.update(changed(SPEC, fails))
            app.until(deployment, "ERROR")
            path = ("deploy", "components", "alarm", "wait")
            wait_for(
                "the end of the job for failures",
                lambda: status(app.deployment(deployment), *path) == "SUCCESS",
            )
            failed = app.deployment(deployment)
            snapshot.note("failed by POST_DEPLOY", failed)
            lines = deploy_logs(app, deployment)
            for line in ("migration ends", "notice ends", "alarm begins", "alarm ends"):
                holds(line in lines, f"{line!r} in the logs: {lines}")
            equal(app.get()["active_deployment"]["id"], active["id"], "what is active")
            equal(app.ask()[1], "version one, color ", "who serves")

        with step("the next deployment succeeds"):
            app.until(app.update(SPEC), "ACTIVE")

        with step("the visitors are still there"):
            load.sample(100)

    with step("no request failed all the while"):
        equal(load.failed, [], "failed requests")

    with step("the app is deleted"):
        app.delete()


def cancel_during_job(app, cancel):
    """A job that would not end is canceled with its deployment. Gives the answer."""
    word = f"word-{uuid.uuid4()}"
    deployment = app.update(hangs(word))
    app.until_step(
        deployment,
        "the running job",
        lambda found: status(found, "deploy", "components", "migrate", "wait") == "RUNNING",
    )
    wait_for("the job and what left its session", lambda: len(running(word)) >= 3)
    canceled = cancel(app, deployment)
    equal(canceled["phase"], "CANCELED", "phase")
    wait = at(canceled, "deploy", "components", "migrate", "wait")
    equal((wait["status"], wait["reason"]["code"]), ("ERROR", "Canceled"), "the job's step")
    holds(canceled["progress"]["error_steps"] >= 1, "an error step")
    wait_for("nothing of the job runs", lambda: not running(word))
    found = wait_for("the record", lambda: done(deployment))
    equal(found["not_undone"], ["job migrate was interrupted"], "what can't be undone")
    holds(isinstance(found["time_to_safe_ms"], (int, float)), "time to safe")
    return canceled


def done(deployment):
    found = record(deployment)
    return found if found["cleanup"] == "done" and found["outcome"] == "canceled" else None


def sync_cancel(app, deployment):
    return app.apps.cancel_deployment(app.id, deployment)["deployment"]


def aio_cancel(app, deployment):
    async def call():
        async with AioClient(token=TOKEN, endpoint=API) as aio:
            return await aio.apps.cancel_deployment(app.id, deployment)

    return asyncio.run(call())["deployment"]
