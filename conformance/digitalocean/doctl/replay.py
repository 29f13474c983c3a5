"""Sends the recorded requests of doctl again and compares what comes with what came then:
statuses, and the shape of each answer (every member that was there is there, of the same kind).
A question about a deployment is repeated until that is as far as it was in the recording.
"""

import http.client
import json
import os
import re
import ssl
import time
from urllib.parse import urlsplit

from steps import Difference, equal, run, step

ENV = os.environ
TARGET = urlsplit(ENV["WINDLASS_DIGITALOCEAN_API"])
TLS = ssl.create_default_context(cafile=ENV["WINDLASS_CA_FILE"])
ID = re.compile(r"<id-\d+>")
PHASES = ("PENDING_BUILD", "BUILDING", "PENDING_DEPLOY", "DEPLOYING")
OVER = ("ACTIVE", "ERROR", "CANCELED", "SUPERSEDED")
POLLS = 3000
POLL_S = 0.2
# Members that are there only in some phases, or only by chance.
PASSING = {
    "reason",
    "started_at",
    "ended_at",
    "pending_steps",
    "running_steps",
    "success_steps",
    "error_steps",
    "in_progress_deployment",
    "active_deployment",
    "pending_deployment",
    "previous_deployment_id",
    "source_commit_hash",
    "cpu_usage_percent",
    "memory_usage_percent",
    "live_url",
    "live_url_base",
    "live_domain",
    "last_deployment_active_at",
}


def send(method, path, headers, body):
    connection = http.client.HTTPSConnection(
        TARGET.hostname, TARGET.port, context=TLS, timeout=120
    )
    content = None if body is None else json.dumps(body)
    headers = dict(headers, Authorization=f"Bearer {ENV['DIGITALOCEAN_ACCESS_TOKEN']}")
    connection.request(method, path, content, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    try:
        return answer.status, json.loads(text) if text else None
    except ValueError:
        return answer.status, text.decode("utf-8", "replace")


def learn(recorded, found, ids):
    """Ids of this run for those of the recording, by their places."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for name, value in recorded.items():
            if name in found and name != "request_id":
                learn(value, found[name], ids)
    elif isinstance(recorded, list) and isinstance(found, list):
        for left, right in zip(recorded, found):
            learn(left, right, ids)
    elif isinstance(recorded, str) and ID.fullmatch(recorded) and isinstance(found, str):
        ids.setdefault(recorded, found)


def fill(value, ids):
    """A recorded request with the ids of this run."""
    text = ID.sub(lambda match: ids.get(match.group(0), match.group(0)), json.dumps(value))
    return json.loads(text)


def same_shape(recorded, found, path=""):
    """Every recorded member is there and of the same kind."""
    if isinstance(recorded, dict):
        if not isinstance(found, dict):
            raise Difference(f"{path}: {found!r} is no object")
        for name, value in recorded.items():
            if name in PASSING and name not in found:
                continue
            if name not in found:
                raise Difference(f"{path}.{name} is missing")
            same_shape(value, found[name], f"{path}.{name}")
    elif isinstance(recorded, list):
        if not isinstance(found, list):
            raise Difference(f"{path}: {found!r} is no list")
        if recorded and found:
            same_shape(recorded[0], found[0], f"{path}[0]")
    else:
        equal(type(found).__name__, type(recorded).__name__, f"kind of {path}")


def phase(answer):
    if isinstance(answer, dict) and isinstance(answer.get("deployment"), dict):
        return answer["deployment"].get("phase")
    return None


def how_far(answer):
    """The place of the phase of a deployment among all; of anything else the last."""
    found = phase(answer)
    return PHASES.index(found) if found in PHASES else len(PHASES)


def replay(exchange, ids):
    path = fill(exchange["path"], ids)
    body = fill(exchange["body"], ids)
    for _ in range(POLLS):
        status, answer = send(exchange["method"], path, exchange["headers"], body)
        equal(status, exchange["status"], f"status of {exchange['method']} {path}: {answer}")
        if exchange["method"] != "GET" or how_far(answer) >= how_far(exchange["answer"]):
            break
        time.sleep(POLL_S)
    learn(exchange["answer"], answer, ids)
    same_shape(exchange["answer"], answer)
    if exchange["method"] == "GET" and phase(exchange["answer"]) in OVER:
        equal(phase(answer), phase(exchange["answer"]), f"phase at {path}")


def main():
    with open(ENV["RECORDING"], encoding="utf-8") as file:
        steps = json.load(file)
    ids = {}
    for recorded in steps:
        with step(f"replayed: {recorded['step']}"):
            for exchange in recorded["exchanges"]:
                replay(exchange, ids)


if __name__ == "__main__":
    run(main)
