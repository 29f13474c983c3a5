"""An everyday session: a site and a function, from the first link to the removal."""

import os
import threading

from api import deployment
from cli import Cli, folder, paint
from steps import POLL_S, equal, holds, step, wait_for
from visit import ask

SUFFIX = "apps.localhost"
# Commands that have other options in the newest version.
OLD = os.environ["CLIENT_VERSION"].startswith("58.")


def body(host, path="/"):
    """What a host answers with status 200."""
    status, text = ask(host, path)
    equal(status, 200, f"status of {host}{path}: {text}")
    return text


def serves(host, color):
    """A site of that color is there."""
    holds(f"<p>{color}</p>" in body(host), f"{host} is not {color}")


def everyday(transcript):
    """The whole chapter."""
    directory = folder(transcript, "site", "site")
    vercel = Cli(transcript, directory)
    with step("whoami, teams"):
        vercel.run("whoami")
        vercel.run("teams", "ls")

    with step("a directory becomes a project"):
        vercel.run("link", "--yes", "--project", "site")

    with step("the first deployment goes to production"):
        paint(directory, "red")
        red = vercel.run("deploy", "--yes").host()
        serves(red, "red")
        serves(f"site.{SUFFIX}", "red")

    with step("the next one is a preview"):
        paint(directory, "green")
        green = vercel.run("deploy", "--yes").host()
        serves(green, "green")
        serves(f"site.{SUFFIX}", "red")

    with step("an alias"):
        vercel.run("alias", "set", green, f"next.{SUFFIX}")
        serves(f"next.{SUFFIX}", "green")
        vercel.run("alias", "ls")
        vercel.run("alias", "rm", f"next.{SUFFIX}", "--yes")
        equal(ask(f"next.{SUFFIX}")[0], 404, "status without the alias")

    with step("a domain of the project"):
        vercel.run("domains", "add", f"www.{SUFFIX}", "site")
        serves(f"www.{SUFFIX}", "red")

    with step("production moves, and back, and forward again"):
        paint(directory, "blue")
        blue = vercel.run("deploy", "--prod", "--yes").host()
        serves(f"site.{SUFFIX}", "blue")
        vercel.run("rollback", red, "--yes")
        serves(f"site.{SUFFIX}", "red")
        vercel.run("rollback", "status")
        vercel.run("promote", blue, "--yes")
        serves(f"site.{SUFFIX}", "blue")
        vercel.run("promote", "status")

    with step("a deployment that takes no production host until it is promoted"):
        paint(directory, "white")
        white = vercel.run("deploy", "--prod", "--skip-domain", "--yes").host()
        equal(deployment(white)["readySubstate"], "STAGED", "substate")
        serves(f"site.{SUFFIX}", "blue")
        vercel.run("promote", white, "--yes")
        serves(f"site.{SUFFIX}", "white")
        equal(deployment(white)["readySubstate"], "PROMOTED", "substate")

    with step("a preview is built again"):
        again = vercel.run("redeploy", green).host()
        serves(again, "green")

    with step("lists and details"):
        vercel.run("ls")
        vercel.run("inspect", blue)
        vercel.run("inspect", blue, "--logs")
        vercel.run("project", "ls")

    functions(transcript)

    with step("removal"):
        vercel.run("rm", again, "--yes")
        equal(ask(again)[0], 404, "status of what is removed")
        vercel.run("inspect", again, status=1)

    with step("what is wrong is said"):
        vercel.run("inspect", "dpl_0000000000000000000000000000", status=1)
        vercel.run("rollback", "dpl_0000000000000000000000000000", "--yes", status=1)
        vercel.run("whoami", "--token", "nobody", status=1)


def follows(vercel, own, host):
    """The logs of a deployment while it serves."""
    arguments = ("logs", own) if OLD else ("logs", "--deployment", own)
    running = vercel.start(*arguments, "--follow")
    seen = threading.Event()

    def read(stream):
        for line in stream:
            if "greets carl" in line:
                seen.set()

    # Which of the two it takes depends on its version.
    readers = [
        threading.Thread(target=read, args=(stream,), daemon=True)
        for stream in (running.stdout, running.stderr)
    ]
    for reader in readers:
        reader.start()
    try:
        # It shows what comes after it has begun, and does not say when that is.
        wait_for("a new line", lambda: body(host, "/hello/carl") and seen.wait(POLL_S))
    finally:
        running.kill()
        running.wait()
        for reader in readers:
            reader.join()


def functions(transcript):
    """Built elsewhere, with a function that has variables of its project."""
    directory = folder(transcript, "function", "function")
    os.mkdir(os.path.join(directory, ".vercel"))
    os.rename(os.path.join(directory, "output"), os.path.join(directory, ".vercel", "output"))
    vercel = Cli(transcript, directory)
    with step("variables"):
        vercel.run("link", "--yes", "--project", "function")
        vercel.run("env", "add", "GREETING", "production", given="good morning")
        vercel.run("env", "ls")
        vercel.run("env", "pull", ".env.production", "--environment", "production", "--yes")

    with step("a function serves"):
        own = vercel.run("deploy", "--prebuilt", "--prod", "--yes").host()
        host = f"function.{SUFFIX}"
        equal(body(host), "a static page\n", "page")
        wanted = '{"hello":"anna","greeting":"good morning","env":"production"}'
        equal(body(host, "/hello/anna"), wanted, "function")
        equal(ask(host, "/nothing"), (404, "no such page\n"), "page that is missing")
        equal(ask(host, "/old")[0], 308, "redirect")

    with step("what it printed, and what it prints"):
        shown = ("logs", own) if OLD else ("logs", "--deployment", own)
        wait_for("the line", lambda: "greets anna" in vercel.run(*shown, keep=False).all())
        vercel.run(*shown)
        follows(vercel, own, host)

    with step("the same as one archive"):
        vercel.run("deploy", "--prebuilt", "--archive=tgz", "--yes")
