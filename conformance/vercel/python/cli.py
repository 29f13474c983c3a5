"""The `vercel` CLI."""

import os
import re
import shlex
import shutil
import subprocess

from steps import Difference, WAIT_LIMIT_S, equal

ENV = os.environ
SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sources")
CLIENT = [ENV["CLIENT_NODE"], ENV["CLIENT_CLI"]]
API = ["--api", ENV["WINDLASS_VERCEL_API"]]
DEPLOYMENT = re.compile(r"https://(\S+?-[a-z0-9]{9}-main\.apps\.localhost)")


def environment():
    """Of the client: a home of its own, no reports about its use, no news about versions."""
    home = os.path.join(ENV["WINDLASS_SCRATCH"], "home")
    os.makedirs(home, exist_ok=True)
    more = {
        "HOME": home,
        "NO_COLOR": "1",
        "NO_UPDATE_NOTIFIER": "1",
        "VERCEL_TELEMETRY_DISABLED": "1",
        "XDG_CONFIG_HOME": home,
        "XDG_DATA_HOME": home,
        "XDG_CACHE_HOME": home,
    }
    # What CI systems and the like set changes what the client prints.
    kept = ("PATH", "TMPDIR", "LANG", "VERCEL_TOKEN", "NODE_EXTRA_CA_CERTS")
    return {name: ENV[name] for name in kept if name in ENV} | more


class Done:
    """A command that ended."""

    def __init__(self, out, err):
        self.out = out
        self.err = err

    def all(self):
        """Everything that it printed."""
        return self.out + self.err

    def host(self):
        """The host of the deployment that it printed."""
        found = DEPLOYMENT.search(self.all())
        if not found:
            raise Difference(f"no deployment in {self.out!r} {self.err!r}")
        return found.group(1)


class Cli:
    """The client in a directory."""

    def __init__(self, transcript, directory):
        self.transcript = transcript
        self.directory = directory

    def run(self, *arguments, status=0, given=None, keep=True):
        """Runs a command to its end. What it prints is kept for the comparison."""
        running = self.start(*arguments)
        out, err = running.communicate(given, timeout=WAIT_LIMIT_S)
        return self.ended(arguments, running.returncode, out, err, status, keep)

    def start(self, *arguments):
        """Starts a command."""
        return subprocess.Popen(
            [*CLIENT, *arguments, *API],
            cwd=self.directory,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self, arguments, found, out, err, status, keep=True):
        """A command that was started has ended."""
        equal(found, status, f"status of vercel {shlex.join(arguments)}: {out}\n{err}")
        if keep:
            self.transcript.note(f"vercel {shlex.join(arguments)}", found, out, err)
        return Done(out, err)


def folder(transcript, name, source):
    """A directory of its own with the files of a source."""
    directory = os.path.join(ENV["WINDLASS_SCRATCH"], "folders", name)
    shutil.copytree(os.path.join(SOURCES, source), directory)
    transcript.place(directory, f"<{name}>")
    return directory


def paint(directory, color):
    """Gives a site another color."""
    path = os.path.join(directory, "index.html")
    with open(os.path.join(SOURCES, "site", "index.html"), encoding="utf-8") as file:
        text = file.read().replace("COLOR", color)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
