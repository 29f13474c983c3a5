"""The `cf` CLI."""

import os
import shlex
import subprocess

from recorder import Recorder
from steps import WAIT_LIMIT_S, equal

ENV = os.environ
ORGANIZATION = ENV["WINDLASS_ORGANIZATION"]
SPACE = ENV["WINDLASS_SPACE"]


def recorder():
    """In front of the API, with its certificate: the client is to see TLS as ever."""
    ca = os.path.join(ENV["WINDLASS_DATA_DIR"], "ca")
    certificate = (os.path.join(ca, "api.pem"), os.path.join(ca, "api.key"))
    return Recorder(
        ENV["WINDLASS_CF_API"], ENV["WINDLASS_CA_FILE"], certificate, stands_in=True
    )


class Done:
    """A command that ended."""

    def __init__(self, out, err):
        self.out = out
        self.err = err

    def all(self):
        """Everything that it printed."""
        return self.out + self.err


class Cf:
    """The client with a home of its own, behind the recorder."""

    def __init__(self, transcript, through, name="home"):
        self.transcript = transcript
        self.recorder = through
        self.name = name
        self.home = os.path.join(ENV["WINDLASS_SCRATCH"], transcript.chapter, name)
        os.makedirs(self.home)
        self.directory = self.home

    def environment(self, **more):
        """No colours, no plugins of the user, nothing of a proxy."""
        kept = ("PATH", "TMPDIR", "SSL_CERT_FILE")
        return {name: ENV[name] for name in kept if name in ENV} | {
            "CF_HOME": self.home,
            "HOME": self.home,
            "CF_COLOR": "false",
            "LANG": "en_US.UTF-8",
            "TZ": "UTC",
        } | more

    def log_in(self):
        """As the first user, in the first space."""
        self.run("api", self.recorder.url)
        self.run("auth", ENV["WINDLASS_USER"], ENV["WINDLASS_PASSWORD"])
        self.run("target", "-o", ORGANIZATION, "-s", SPACE)

    def start(self, *arguments, stdin=subprocess.DEVNULL, **environment):
        """Starts a command."""
        return subprocess.Popen(
            [ENV["CF_CLI"], *arguments],
            cwd=self.directory,
            env=self.environment(**environment),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, status=0, keep=True, folder=None, typed="", **environment):
        """Runs a command to its end. What it printed and what it asked is kept; of a command that
        uploads `folder` says from where. `keep` is false if what it prints differs by chance."""
        running = self.start(*arguments, stdin=subprocess.PIPE, **environment)
        out, err = running.communicate(typed, timeout=WAIT_LIMIT_S)
        shown = shlex.join(("cf", *arguments))
        equal(running.returncode, status, f"exit status of {shown}: {out}\n{err}")
        if keep:
            self.transcript.note(shown, running.returncode, out, err)
        self.transcript.quietly(shown, self.recorder.take(), folder, self.name)
        return Done(out, err)
