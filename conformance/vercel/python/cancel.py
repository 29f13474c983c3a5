"""Cancel, while `vercel deploy` waits for a build that never ends: by the CLI, by curl, by the SDK."""

import json
import os

from api import call, curl, deployment
from cli import DEPLOYMENT, Cli, folder, paint
from sdk import node
from steps import equal, holds, step, wait_for
from visit import Load, ask
from windlass import record

SUFFIX = "apps.localhost"
# A word that only processes of such a build have in their command line.
MARK = b"windlass-slow-build"


def processes():
    """Processes of builds that never end."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if MARK in file.read():
                    found.append(pid)
        except OSError:
            # It ended.
            continue
    return found


def by_cli(vercel, id):
    reason = ("-H", "X-Windlass-Reason: wrong color")
    done = vercel.run("api", f"/v12/deployments/{id}/cancel", "-X", "PATCH", *reason, keep=False)
    equal(json.loads(done.out)["readyState"], "CANCELED", "answer")


def by_curl(_, id):
    status, answer = curl(
        "PATCH", f"/v12/deployments/{id}/cancel", "--header", "X-Windlass-Reason: wrong branch"
    )
    equal((status, answer["readyState"]), (200, "CANCELED"), "answer")


def by_sdk(_, id):
    equal(node("cancel", id), {"readyState": "CANCELED", "status": "CANCELED"}, "answer")


WAYS = {"vercel api": by_cli, "curl": by_curl, "@vercel/sdk": by_sdk}


def canceled_while_it_waits(vercel, way, ask_for):
    """One round: a build that hangs, a cancel, a client that notices."""
    arguments = ("deploy", "--prod", "--yes")
    waiting = vercel.start(*arguments)
    wait_for("the processes of the build", processes)
    status, listed = call("GET", "/v6/deployments?app=slow&limit=1")
    equal(status, 200, "status")
    id = listed["deployments"][0]["uid"]
    equal(deployment(id)["readyState"], "BUILDING", "state")
    ask_for(vercel, id)
    out, err = waiting.communicate(timeout=600)
    vercel.ended(arguments, waiting.returncode, out, err, status=1)
    holds("The deployment has been canceled." in err, err)
    found = deployment(id)
    equal(found["readyState"], "CANCELED", "state")
    holds(found["canceledAt"] >= found["createdAt"], f"canceledAt: {found['canceledAt']}")
    equal((found["aliasAssigned"], found["alias"]), (False, []), "aliases")
    wait_for("the end of all processes", lambda: not processes())
    equal(call("PATCH", f"/v12/deployments/{id}/cancel?late={way[0]}")[0], 400, "a late cancel")
    equal(deployment(id)["canceledAt"], found["canceledAt"], "canceledAt")
    holds(ask(found["url"])[0] in (404, 503), "its host serves")
    return id


def cancel(transcript):
    """The whole chapter."""
    directory = folder(transcript, "base", "site")
    base = Cli(transcript, directory)
    with step("a production that stays"):
        paint(directory, "red")
        base.run("link", "--yes", "--project", "slow", keep=False)
        red = base.run("deploy", "--yes", keep=False).host()

    slow = Cli(transcript, folder(transcript, "slow", "slow"))
    slow.run("link", "--yes", "--project", "slow", keep=False)
    records = {}
    with Load(f"slow.{SUFFIX}") as load:
        for way, ask_for in WAYS.items():
            with step(f"canceled by {way} while `vercel deploy` waits"):
                id = canceled_while_it_waits(slow, way, ask_for)
                shown = record(id)
                records[way] = (shown["cancel"]["by"], shown["cancel"]["reason"])
                holds(shown["cancel"]["client"], f"client: {shown}")
    with step("who and why, whichever the way"):
        wanted = {"vercel api": "wrong color", "curl": "wrong branch", "@vercel/sdk": None}
        equal(records, {way: ("admin", reason) for way, reason in wanted.items()}, "records")
    with step("production served all the while"):
        equal(load.failed, [], "failed requests")
        equal(len(load.texts), 1, "versions")

    with step("what is over can't be canceled, and says what ends it instead"):
        id = deployment(red)["id"]
        status, refusal = call("PATCH", f"/v12/deployments/{id}/cancel")
        equal((status, refusal["error"]["code"]), (400, "bad_request"), "answer")
        holds("rollback" in refusal["error"]["message"].lower(), refusal)
        done = base.run("api", f"/v12/deployments/{id}/cancel", "-X", "PATCH", status=1)
        holds("READY" in done.out + done.err, done.out)
        equal(call("PATCH", "/v12/deployments/dpl_0000000000000000000000000000/cancel")[0], 404, "")
        equal(call("PATCH", f"/v12/deployments/{id}/cancel", token="wrong")[0], 403, "no token")
        equal(call("PATCH", f"/v12/deployments/{id}/cancel?slug=nobody")[0], 403, "no team of theirs")
    with step("a client that waits for one of the past has it at once"):
        equal(bool(DEPLOYMENT.search(f"https://{red}")), True, "host")
        base.run("inspect", red, "--wait", keep=False)
