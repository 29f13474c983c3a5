"""What a session is made of: steps that print one line each, and waiting for a condition."""

import sys
import time
from contextlib import contextmanager

# Nothing here measures time: a slow machine may take this long for anything.
WAIT_LIMIT_S = 600
POLL_S = 0.05


class Difference(Exception):
    """The server did something else than the client and its documentation expect."""


@contextmanager
def step(name):
    """Prints `ok NAME`, or `FAILED NAME` and lets the exception through."""
    try:
        yield
    except BaseException:
        print(f"FAILED {name}", flush=True)
        raise
    print(f"ok     {name}", flush=True)


def equal(got, wanted, what):
    """Both must be the same."""
    if got != wanted:
        raise Difference(f"{what}: {got!r} instead of {wanted!r}")


def holds(condition, what):
    """Must be true."""
    if not condition:
        raise Difference(what)


def wait_for(what, probe):
    """The first true value of `probe`."""
    end = time.monotonic() + WAIT_LIMIT_S
    while time.monotonic() < end:
        value = probe()
        if value:
            return value
        time.sleep(POLL_S)
    raise Difference(f"waited {WAIT_LIMIT_S} s for: {what}")


@contextmanager
def refused(kind, status, slug):
    """The call inside must be refused with exactly this error."""
    try:
        yield
    except kind as refusal:
        equal(refusal.status_code, status, "status of the refusal")
        equal(refusal.response.json()["id"], slug, "the refusal")
        return
    raise Difference(f"not refused: {status} {slug}")
