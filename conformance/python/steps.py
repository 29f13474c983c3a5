"""What a session is made of: steps that print one line each, and waiting for a condition.
All sessions find this module by the PYTHONPATH of `with-windlass`.
"""

import os
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
def refused(kind, check):
    """The call inside must be refused with an exception of this kind, which `check` looks at."""
    try:
        yield
    except kind as refusal:
        check(refusal)
        return
    raise Difference("not refused")


def run(main):
    """Runs a session. A difference ends it with status 1 and the reason; with SESSION_TRACE set
    also with the place."""
    try:
        main()
    except Exception as exception:
        if os.environ.get("SESSION_TRACE"):
            raise
        print(f"session: {type(exception).__name__}: {exception}", file=sys.stderr)
        sys.exit(1)
