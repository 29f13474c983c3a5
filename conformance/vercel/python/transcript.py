"""What the CLI printed, command by command, compared with what it printed when this was recorded.

Only ids, times and ports differ from run to run. Times decide how often a waiting command shows
that it still waits, and how wide columns are: such lines go, and spaces in a row count as two.
"""

import difflib
import os
import re

from steps import Difference

ENV = os.environ
DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "recordings")
DURATION = r"\d+(?:\.\d+)?(?:ms|s|m)"
# Lines of the log of a build: how many of them a client has read when it notices the end depends on
# time. `inspect --logs` shows all of them, with their times in front.
LOG = re.compile(
    r"-----> .*|the build waits|is being stopped|process staging exited .*"
    r"|The deployment was canceled.*"
)
# Lines that say that a command waits, and for what.
WAITS = re.compile(r"(Queued|Building|Initializing|Completing|Downloading|Removing)…?|Adding domain .*|Uploading \[.*")
PLAIN = [
    (re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"), ""),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d{4} \d\d:\d\d:\d\d GMT\S* \([^)]*\)"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d to \d\d:\d\d:\d\d \(UTC[^)]*\)"), "<times>"),
    (re.compile(r"\b\d\d:\d\d:\d\d\.\d{2,3}\b"), "<time>"),
    (re.compile(rf"\[{DURATION}( ago)?\]"), r"[<span>\1]"),
    (re.compile(rf"\bin {DURATION}\b"), "in <span>"),
    (re.compile(rf"(?<=  ){DURATION}( ago)?(?=  |$)", re.MULTILINE), r"<span>\1"),
    (re.compile(r"\b1\d{12}\b"), "<ms>"),
    (re.compile(r"(127\.0\.0\.1|\.localhost):\d+"), r"\1:<port>"),
    (re.compile(r"(?<=-)(?=[a-z0-9]*\d)[a-z0-9]{9}(?=-main\.apps\.localhost)"), "<label>"),
    (re.compile(r"(?<=-)[a-z0-9]{9}(?=-main\.apps\.localhost)"), "<label>"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\(Node\.js \d+\.\d+\.\d+\)"), "(Node.js <version>)"),
]
ID = re.compile(r"\b(dpl|prj|team|bld|ali)_[0-9A-Za-z]+")


def timed(line):
    """Whether a line is there or not depends on time."""
    return LOG.fullmatch(line) or WAITS.fullmatch(line)


class Transcript:
    """The commands of one chapter."""

    def __init__(self, chapter):
        self.path = os.path.join(DIRECTORY, f"{ENV['CLIENT_VERSION']}-{chapter}.txt")
        self.ids = {}
        self.places = []
        self.parts = []

    def place(self, directory, name):
        """What stands for a directory."""
        self.places.append((directory, name))

    def note(self, command, status, out, err):
        """Keeps a command and what it printed."""
        lines = [f"$ {self.normal(command)}", f"  status {status}"]
        lines += [f"  out | {line}" for line in self.lines(out)]
        lines += [f"  err | {line}" for line in self.lines(err)]
        self.parts.append("\n".join(lines) + "\n")

    def lines(self, text):
        shown = [line.rstrip() for line in self.normal(text).splitlines()]
        return [line for line in shown if line and not timed(line.strip())]

    def normal(self, text):
        for directory, name in self.places:
            text = text.replace(directory, name)
        for pattern, stand_in in PLAIN:
            text = pattern.sub(stand_in, text)
        text = ID.sub(self.id, text)
        return re.sub(r" {2,}|\t+", "  ", text)

    def id(self, match):
        return self.ids.setdefault(match.group(0), f"<{match.group(1)}-{len(self.ids) + 1}>")

    def compare(self):
        """All of it must be as recorded; a chapter may have kept nothing."""
        if not self.parts:
            return
        found = "\n".join(self.parts)
        if ENV.get("RECORD"):
            with open(self.path, "w", encoding="utf-8") as file:
                file.write(found)
            return
        with open(self.path, encoding="utf-8") as file:
            recorded = file.read()
        if found != recorded:
            lines = difflib.unified_diff(
                recorded.splitlines(), found.splitlines(), "recorded", "found", lineterm="", n=6
            )
            raise Difference("the client printed something else:\n" + "\n".join(lines))
