"""`@vercel/sdk`: its calls, whose answers it checks against its own models."""

import json
import os
import subprocess

from steps import Difference

ENV = os.environ
SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "node")


def node(script, *arguments):
    """Runs one of the scripts. Gives what it printed at the end, which is JSON."""
    done = subprocess.run(
        [ENV["CLIENT_NODE"], os.path.join(SCRIPTS, f"{script}.mjs"), *arguments],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise Difference(f"{script}: {done.stdout}{done.stderr}")
    *lines, last = done.stdout.splitlines()
    for line in lines:
        print(line, flush=True)
    return json.loads(last)


def sdk(_):
    """The whole chapter."""
    node("session")
