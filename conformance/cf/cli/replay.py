"""Sends the recorded requests of `cf` again, in order, and compares what comes with what came then:
statuses, the shape of each answer (every member that was there is there, of the same kind), and
what the client can't do without. A question is repeated until the states in the answer are those
of the recording, unless they only pass by.

usage: replay.py CHAPTER...
"""

import base64
import hashlib
import http.client
import io
import json
import os
import ssl
import sys
import time
import zipfile
from urllib.parse import quote, urlsplit

import apps
from needed import missing
from recorder import parsed
from shape import fill, learn, same_shape
from steps import Difference, equal, run, step

ENV = os.environ
TARGET = urlsplit(ENV["WINDLASS_CF_API"])
TLS = ssl.create_default_context(cafile=ENV["WINDLASS_CA_FILE"])
RECORDINGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "recordings")
POLLS = 600
POLL_S = 0.2
BOUNDARY = "-------------------------windlass-replay"
# States on the way to others: nobody can wait for them.
PASSING_BY = {
    "AWAITING_UPLOAD", "CANCELING", "COPYING", "DEPLOYING", "DOWN", "PENDING", "POLLING",
    "PROCESSING", "PROCESSING_UPLOAD", "STAGING", "STARTING", "STOPPING",
}
# Members that are there by chance: what was measured, and what happened before.
BY_CHANCE = {"usage", "time", "cpu", "cpu_entitlement", "mem", "disk", "instance_guid", "host"} | {
    "instance_internal_ip", "mem_quota", "disk_quota", "log_rate_limit", "fds_quota",
    "instance_ports", "details", "links", "data", "batch", "warnings",
}


class Replay:
    """One chapter."""

    def __init__(self, chapter):
        self.chapter = chapter
        self.ids = {}
        # Who asks, and by the name of each their tokens.
        self.home = None
        self.tokens = {}
        self.refreshes = {}
        # The file that was downloaded last.
        self.download = b""

    def exchange(self, recorded, folder, home):
        """Sends a request and compares its answer."""
        self.home = home
        method, path = recorded["method"], self.filled(recorded["path"])
        body, headers = self.body(recorded, folder)
        wanted = essence(path, recorded["answer"])
        for _ in range(POLLS):
            status, answer, location = self.send(method, path, headers, body, recorded["status"])
            is_there = status == recorded["status"] and essence(path, answer) == wanted
            if method != "GET" or wanted is None or is_there:
                break
            time.sleep(POLL_S)
        equal(status, recorded["status"], f"status of {method} {path}: {answer}")
        if method == "GET" and wanted is not None:
            equal(essence(path, answer), wanted, f"states at {path}")
        learn(recorded["answer"], answer, self.ids)
        learn(job(recorded.get("location")), job(location), self.ids)
        same_shape(recorded["answer"], answer, BY_CHANCE, takes_null=True)
        if status < 300:
            equal(missing(method, path, answer), [], f"what is needed of {method} {path}")
        if path.startswith("/oauth/token") and status == 200:
            self.tokens[home] = answer["access_token"]
            self.refreshes[home] = answer.get("refresh_token", "")

    def filled(self, value):
        """A recorded text or value with the ids, the password and the addresses of this run."""
        text = json.dumps(fill(value, self.ids))
        text = text.replace("<password>", ENV["WINDLASS_PASSWORD"])
        refresh = quote(self.refreshes.get(self.home, ""))
        text = text.replace("<refresh>", refresh).replace("<ns>", "0")
        return json.loads(text)

    def body(self, recorded, folder):
        """The content of a request, and its headers."""
        headers = dict(recorded["headers"])
        body = self.filled(recorded["body"])
        if body is None:
            return None, headers
        if recorded["path"] == "/v3/resource_matches":
            body = {"resources": resources(self.source(folder))}
        if isinstance(body, dict) and "parts" in body:
            headers["content-type"] = f"multipart/form-data; boundary={BOUNDARY}"
            return self.form(body["parts"], folder), headers
        if isinstance(body, str):
            return body.encode(), headers
        return json.dumps(body).encode(), headers

    def source(self, folder):
        return apps.folder(self.chapter, folder)

    def form(self, parts, folder):
        """A form with the files of this machine: its program is not the recorded one."""
        written = io.BytesIO()
        for part in parts:
            disposition = f'form-data; name="{part["name"]}"'
            if "file" in part:
                disposition += f'; filename="{part["file"]}"'
            written.write(f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode())
            if "zip" in part:
                written.write(archive(self.source(folder)))
            elif "file" in part:
                written.write(self.download)
            else:
                # Whatever the recorded server knew: all files come with this form.
                written.write(b"[]")
            written.write(b"\r\n")
        written.write(f"--{BOUNDARY}--\r\n".encode())
        return written.getvalue()

    def send(self, method, path, headers, body, status):
        """The status, the answer, and where it says that more is to be seen."""
        headers = dict(headers)
        if path.startswith("/oauth/token"):
            if b"client_credentials" not in (body or b""):
                headers["Authorization"] = "Basic " + base64.b64encode(b"cf:").decode()
        elif status == 401:
            headers["Authorization"] = "bearer of.no.use"
        elif self.home in self.tokens:
            headers["Authorization"] = f"bearer {self.tokens[self.home]}"
        connection = http.client.HTTPSConnection(
            TARGET.hostname, TARGET.port, context=TLS, timeout=120
        )
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        location = answer.getheader("location")
        connection.close()
        found = parsed(content)
        if found == {"binary": "some"}:
            self.download = content
        return answer.status, found, location


def job(location):
    """The job that is named by an address."""
    return location.rsplit("/", 1)[-1] if location else None


def resources(directory):
    """The files of a folder as the client asks for them."""
    found = []
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        with open(path, "rb") as file:
            content = file.read()
        found.append(
            {
                "path": name,
                "mode": format(os.stat(path).st_mode & 0o777, "o"),
                "checksum": {"value": hashlib.sha1(content).hexdigest()},
                "size_in_bytes": len(content),
            }
        )
    return found


def archive(directory):
    """The files of a folder as the client packs them."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(os.listdir(directory)):
            packed.write(os.path.join(directory, name), name)
    return written.getvalue()


def essence(path, answer):
    """What has to be so before the next request makes sense: states, and how many there are.
    None for what only passes by, or has none."""
    if not isinstance(answer, dict) or path.startswith(("/v3/audit_events", "/api/", "/v3/roles")):
        return None
    found = list(states(answer))
    if any(state in PASSING_BY for state in found):
        return None
    # A task that runs may be over next time.
    if "/tasks" in path and "RUNNING" in found:
        return None
    rows = answer.get("resources")
    return (len(rows) if isinstance(rows, list) else None, found)


def states(value):
    """All states in an answer, in order."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "state" and isinstance(inner, str):
                yield inner
            elif name == "status" and isinstance(inner, dict):
                yield f"{inner.get('value')}"
                yield f"{inner.get('reason')}"
            else:
                yield from states(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from states(inner)


def main():
    for chapter in sys.argv[1:]:
        with open(os.path.join(RECORDINGS, f"{chapter}.json"), encoding="utf-8") as file:
            recorded = json.load(file)
        replay = Replay(chapter)
        with step(f"replayed: {chapter}, {len(recorded)} commands"):
            for one in recorded:
                try:
                    for exchange in one["exchanges"]:
                        replay.exchange(exchange, one["folder"], one["home"])
                except Difference as difference:
                    raise Difference(f"{one['command']}: {difference}") from difference


if __name__ == "__main__":
    run(main)
