"""A program that logs in with a secret of its own. Nothing of it is in the transcript: the secret is
another one each time, and a replay has no such client."""

from client import Cf, ORGANIZATION, SPACE
from steps import WAIT_LIMIT_S, equal, holds, step
from windlass import windlass

NAME = "robot"


def robot(transcript, through):
    with step("a program logs in with client credentials"):
        made = windlass("user", "create", NAME, "--client", "--org", ORGANIZATION, "--space", SPACE)
        cf = Cf(transcript, through, NAME)
        quietly(cf, "api", through.url)
        quietly(cf, "auth", NAME, "wrong", "--client-credentials", status=1)
        quietly(cf, "auth", NAME, made["password"], "--client-credentials")
        shown = quietly(cf, "target", "-o", ORGANIZATION, "-s", SPACE)
        holds(any(line.split() == ["user:", NAME] for line in shown.splitlines()), shown)
        quietly(cf, "apps")
        windlass("user", "delete", NAME)
        # What they asked is for no replay.
        through.take()


def quietly(cf, *arguments, status=0):
    """Runs a command; gives what it printed."""
    running = cf.start(*arguments)
    out, err = running.communicate(timeout=WAIT_LIMIT_S)
    equal(running.returncode, status, f"exit status of cf {arguments[0]}: {out}\n{err}")
    return out
