"""Rolling releases: visitors move to a new deployment by stages, and back."""

import os

from api import call, deployment
from cli import Cli, folder, paint
from steps import equal, holds, step
from visit import Load, ask
from windlass import record, windlass

HOST = "rolling.apps.localhost"
# Visitors of which shares are read: the share of a stage is within five standard deviations.
VISITORS = 1000
TOLERANCE_PERCENT = {10: 5, 50: 8}
# The command that shows a release, which has another name in the newest version.
SHOW = "fetch" if os.environ["CLIENT_VERSION"].startswith("58.") else "inspect"


def sees(color):
    """The visitors that get a color."""
    found = set()
    for number in range(VISITORS):
        status, text = ask(HOST, headers={"User-Agent": f"visitor {number}"})
        equal(status, 200, text)
        if f"<p>{color}</p>" in text:
            found.add(number)
    return found


def has_share(visitors, percent):
    """They are about that part of all."""
    found = 100 * len(visitors) / VISITORS
    is_close = abs(found - percent) <= TOLERANCE_PERCENT[percent]
    holds(is_close, f"{found} % instead of {percent} %")


def release():
    """The newest release of the project."""
    status, found = call("GET", "/v1/projects/rolling/rolling-release")
    equal(status, 200, "status")
    return found["rollingRelease"]


def rolling(transcript):
    """The whole chapter."""
    directory = folder(transcript, "rolling", "site")
    vercel = Cli(transcript, directory)

    def deploy(color):
        paint(directory, color)
        return vercel.run("deploy", "--prod", "--yes").host()

    with step("production, and stages that wait to be approved"):
        vercel.run("link", "--yes", "--project", "rolling", keep=False)
        red = deployment(deploy("red"))["id"]
        stages = ("--stage=10", "--stage=50")
        kind = "--advancement-type=manual-approval"
        vercel.run("rolling-release", "configure", "--enable", kind, *stages)

    with Load(HOST) as load:
        with step("a tenth of the visitors gets the new deployment"):
            green = deployment(deploy("green"))["id"]
            equal(deployment(green)["readySubstate"], "ROLLING", "substate")
            tenth = sees("green")
            has_share(tenth, 10)
            vercel.run("rolling-release", SHOW)

        with step("half of them, and nobody moves back"):
            arguments = ("--dpl", green, "--currentStageIndex", "0")
            vercel.run("rolling-release", "approve", *arguments)
            half = sees("green")
            has_share(half, 50)
            holds(tenth <= half, f"moved back: {tenth - half}")
            vercel.run("rolling-release", "approve", *arguments, status=1)

        with step("an abort is in force when it is answered"):
            vercel.run("rolling-release", "abort", "--dpl", red)
            equal(sees("green"), set(), "visitors of what was aborted")
            equal((release()["state"], release()["activeStage"]), ("ABORTED", None), "release")
            equal(deployment(green)["readySubstate"], "STAGED", "substate")
            equal(deployment(red)["readySubstate"], "PROMOTED", "substate")

        with step("another one is completed"):
            blue = deployment(deploy("blue"))["id"]
            vercel.run("rolling-release", "complete", "--dpl", blue)
            equal(len(sees("blue")), VISITORS, "visitors of what was completed")
            equal(release()["state"], "COMPLETE", "state")
            equal(deployment(blue)["readySubstate"], "PROMOTED", "substate")

        with step("a promotion rolls as well, and `windlass` cancels it"):
            vercel.run("promote", green, "--yes")
            found = release()
            equal(found["canaryDeployment"]["id"], green, "canary")
            windlass("deployment", "cancel", found["id"], "--reason", "no green again")
            equal(len(sees("blue")), VISITORS, "visitors of what serves")
            equal(release()["state"], "ABORTED", "state")
            equal(record(found["id"])["cancel"]["reason"], "no green again", "reason")

        with step("without stages a deployment takes all at once"):
            vercel.run("rolling-release", "configure", "--disable")
            white = deployment(deploy("white"))["id"]
            equal(deployment(white)["readySubstate"], "PROMOTED", "substate")
            equal(len(sees("white")), VISITORS, "visitors")

    with step("no request failed all the while"):
        equal(load.failed, [], "failed requests")
