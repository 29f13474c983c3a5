"""Sends the recorded requests of doctl again and compares what comes with what came then:
statuses, and the shape of each answer (every member that was there is there, of the same kind).
A question about a deployment is repeated until that is as far as it was in the recording.
"""

import http.client
import json
import os
import ssl
import time
from urllib.parse import urlsplit

from shape import fill, learn, same_shape
from steps import equal, run, step

ENV = os.environ
TARGET = urlsplit(ENV["WINDLASS_DIGITALOCEAN_API"])
TLS = ssl.create_default_context(cafile=ENV["WINDLASS_CA_FILE"])
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
    learn(exchange["answer"], answer, ids, skip=("request_id",))
    same_shape(exchange["answer"], answer, PASSING)
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
