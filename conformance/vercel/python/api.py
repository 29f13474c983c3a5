"""The API without a client: for what is asked about beside one, and the call as curl sends it."""

import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request

ENV = os.environ
API = ENV["WINDLASS_VERCEL_API"]
TLS = ssl.create_default_context(cafile=ENV["WINDLASS_CA_FILE"])


def call(method, path, body=None, token=ENV["VERCEL_TOKEN"]):
    """Status and answer of a call."""
    request = urllib.request.Request(
        API + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, context=TLS, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())


def deployment(name):
    """A deployment by its id or host."""
    status, found = call("GET", f"/v13/deployments/{name}")
    if status != 200:
        raise LookupError(f"{status}: {found}")
    return found


def curl(method, path, *arguments):
    """Status and answer of a call that curl sends."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--request", method, "--cacert"]
        + [ENV["WINDLASS_CA_FILE"], "--header", f"Authorization: Bearer {ENV['VERCEL_TOKEN']}"]
        + ["--write-out", "\n%{http_code}", *arguments, API + path],
        check=True,
        capture_output=True,
        text=True,
    )
    text, status = done.stdout.rsplit("\n", 1)
    return int(status), json.loads(text)
