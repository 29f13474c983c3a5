"""What the API says beside the client, which is asked until something is so."""

import base64
import json
import os
import ssl
import urllib.request

from steps import wait_for

ENV = os.environ
TLS = ssl.create_default_context(cafile=ENV["WINDLASS_CA_FILE"])


def get(path):
    """An answer of the API."""
    request = urllib.request.Request(
        f"{ENV['WINDLASS_CF_API']}{path}",
        headers={"Authorization": f"Bearer {ENV['WINDLASS_TOKEN']}"},
    )
    with urllib.request.urlopen(request, context=TLS, timeout=60) as answer:
        return json.load(answer)


def app(name):
    """The guid of an app."""
    return get(f"/v3/apps?names={name}")["resources"][0]["guid"]


def droplet(name):
    """The guid of the current droplet of an app."""
    return get(f"/v3/apps/{app(name)}/droplets/current")["guid"]


def told(name, kind):
    """Waits until an event of this kind is in the audit trail of an app; the first."""
    path = f"/v3/audit_events?target_guids={app(name)}&types={kind}"
    return wait_for(f"{kind} of {name}", lambda: get(path)["resources"])[0]


def states(name):
    """Process types of an app with the states of their instances."""
    found = []
    for process in get(f"/v3/apps/{app(name)}/processes")["resources"]:
        stats = get(f"/v3/processes/{process['guid']}/stats")["resources"]
        for one in stats:
            known = one["state"] != "RUNNING" or (one["routable"] and one["usage"])
            found.append((process["type"], one["state"] if known else "not seen yet"))
    return found


def settled(name, *wanted):
    """Waits until these instances run and no others: each its process type."""
    expected = [(kind, "RUNNING") for kind in wanted]
    wait_for(f"{name} runs {wanted}", lambda: states(name) == expected)


def unready(name):
    """Waits until the only instance of an app runs, is measured and gets no traffic."""
    web = get(f"/v3/apps/{app(name)}/processes/web")["guid"]

    def is_so():
        one = get(f"/v3/processes/{web}/stats")["resources"][0]
        return one["state"] == "RUNNING" and one["routable"] is False and one["usage"]

    wait_for(f"{name} runs and is not ready", is_so)


def deployment(name):
    """Value and reason of the newest deployment of an app."""
    path = f"/v3/deployments?app_guids={app(name)}&order_by=-created_at&per_page=1"
    status = get(path)["resources"][0]["status"]
    return status["value"], status["reason"]


def ended(name, *wanted):
    """Waits until the newest deployment of an app is there."""
    wait_for(f"the deployment of {name} is {wanted}", lambda: deployment(name) == wanted)


def safe(name):
    """Waits until the API says that the newest deployment of an app, which was canceled, has no
    traffic any more: an answer to a cancel does not wait long for a router that is slow."""
    path = f"/v3/deployments?app_guids={app(name)}&order_by=-created_at&per_page=1"

    def known():
        return "time_to_safe_ms" in get(path)["resources"][0]["status"]["details"]

    wait_for(f"{name} is safe from its canceled version", known)


def task(name, sequence, *wanted):
    """Waits until a task is in one of these states."""
    path = f"/v3/apps/{app(name)}/tasks?sequence_ids={sequence}"
    wait_for(
        f"task {sequence} of {name} is {wanted}",
        lambda: get(path)["resources"][0]["state"] in wanted,
    )


def logged(name, text):
    """Waits until a line can be read in the log of an app."""
    path = f"/api/v1/read/{app(name)}?descending=true&limit=1000"

    def found():
        for one in get(path)["envelopes"]["batch"]:
            if text in base64.b64decode(one["log"]["payload"]).decode():
                return True
        return False

    wait_for(f"{text!r} in the log of {name}", found)
