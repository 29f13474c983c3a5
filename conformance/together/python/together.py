"""Deployments of three APIs in flight on one Windlass at once, each canceled by the client of its
own API, and one by the command line: the records say the same things of all.

Reads the variables of `windlass env`, of `with-sources` and of `run`. One line a step.
"""

import json
import os
from contextlib import ExitStack

from api import call
from api import deployment as vercel_deployment
from app import App
from app import client as pydo_client
from canary import SPEC, canary_of, pauses_at
from cli import Cli, folder, paint
from session import Session as Foundry
from steps import equal, holds, run, step, wait_for
from visit import Load
from windlass import record, windlass

ENV = os.environ
SITE = "rolling.apps.localhost"


class Untold:
    """Where nothing that the CLI prints is compared."""

    def place(self, *_):
        """A directory."""

    def note(self, *_):
        """A command."""


def foundry():
    """An app of the Cloud Foundry API with two versions."""
    session = Foundry()
    session.cf.init_with_user_credentials(ENV["WINDLASS_USER"], ENV["WINDLASS_PASSWORD"])
    session.org = session.v3.organizations.get_first(names=ENV["WINDLASS_ORGANIZATION"])
    session.space = session.v3.spaces.get_first(names=ENV["WINDLASS_SPACE"])
    session.create_app()
    session.first_version()
    return session, session.stage("2")


def site():
    """A project of Vercel's API whose next deployment rolls."""
    transcript = Untold()
    directory = folder(transcript, "rolling", "site")
    vercel = Cli(transcript, directory)
    vercel.run("link", "--yes", "--project", "rolling")
    paint(directory, "red")
    red = vercel.run("deploy", "--prod", "--yes").host()
    kind = "--advancement-type=manual-approval"
    vercel.run("rolling-release", "configure", "--enable", kind, "--stage=10", "--stage=50")
    return vercel, directory, vercel_deployment(red)["id"]


def release():
    """The newest rolling release."""
    status, found = call("GET", "/v1/projects/rolling/rolling-release")
    equal(status, 200, json.dumps(found))
    return found["rollingRelease"]


def ended(id):
    """The record of a deployment, once it is canceled and safe."""

    def probe():
        found = record(id)
        is_safe = isinstance(found["time_to_safe_ms"], (int, float))
        return found if is_safe and found["outcome"] == "canceled" else None

    return wait_for(f"the record of {id}", probe)


def main():
    with step("an app of each API"):
        cf, second = foundry()
        do = App(pydo_client(), SPEC)
        do.created()
        vercel, directory, red = site()

    loads = [Load(cf.host), Load(do.host), Load(SITE)]
    with ExitStack() as stack:
        for load in loads:
            stack.enter_context(load)
        with step("a canary, a deployment by steps and a rolling release at once"):
            canary = cf.deploy(
                droplet={"guid": second},
                strategy="canary",
                options={"canary": {"steps": [{"instance_weight": 25}, {"instance_weight": 50}]}},
            )
            blue = do.update(canary_of("blue"))
            paint(directory, "green")
            green = vercel_deployment(vercel.run("deploy", "--prod", "--yes").host())["id"]
            cf.until(canary, "ACTIVE", "PAUSED")
            pauses_at(do, blue, 10)
            rollout = release()["id"]
            listed = {one["id"]: one["dialect"] for one in windlass("deployments")}
            of = {id: listed.get(id) for id in (canary["guid"], blue, rollout)}
            equal(list(of.values()), ["cloud-foundry", "digitalocean", "vercel"], "in flight")

        with step("each is canceled by the client of its own API"):
            canary.cancel()
            do.apps.cancel_deployment(do.id, blue)
            vercel.run("rolling-release", "abort", "--dpl", red)
            cf.until(canary, "FINALIZED", "CANCELED")
            equal(do.deployment(blue)["phase"], "CANCELED", "the deployment by steps")
            equal(release()["state"], "ABORTED", "the rolling release")

        with step("and one by the command line"):
            vercel.run("rolling-release", "start", "--dpl", green, "--yes")
            again = release()["id"]
            holds(again != rollout, "another release")
            windlass("deployment", "cancel", again, "--reason", "not green")
            equal(release()["state"], "ABORTED", "the rolling release")

        with step("the records say the same things of all"):
            records = [ended(id) for id in (canary["guid"], blue, rollout, again)]
            for found in records:
                equal(set(found), set(records[0]), "members of a record")
                equal(set(found["cancel"]), set(records[0]["cancel"]), "members of a cancel")
                holds(found["cancel"]["by"] and found["cancel"]["client"], found["cancel"])
            clients = [found["cancel"]["client"] for found in records]
            holds("pydo" in clients[1] and "vercel" in clients[2], f"clients: {clients}")
            equal(records[3]["cancel"]["reason"], "not green", "reason")
    with step("no request failed, whichever the API"):
        equal([load.failed for load in loads], [[], [], []], "failed requests")


if __name__ == "__main__":
    run(main)
