"""What the client printed, and what it asked, command by command.

Printed text is compared with the recording: only ids, times, ports and what was measured of
instances may differ. What depends on how long something took is left out: progress of uploads, how
often a command says that it still waits, how much of the log of a build was read before its end,
and, after a command that waited, which instances were up when it looked.
"""

import difflib
import json
import os
import re

from steps import Difference

ENV = os.environ
DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "recordings")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
PLAIN = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+0000)"), "<time>"),
    (re.compile(rf"{DAY},? \d\d {MONTH} \d\d:\d\d:\d\d UTC \d{{4}}"), "<time>"),
    (re.compile(rf"{DAY}, \d\d {MONTH} \d{{4}} \d\d:\d\d:\d\d UTC"), "<time>"),
    (re.compile(r"(127\.0\.0\.1|localhost):\d+"), r"\1:<port>"),
    (re.compile(r"port \d+ does not"), "port <port> does not"),
    (re.compile(r"\d+ of \d+ bytes"), "<used> of <limit> bytes"),
    (re.compile(r"\bwl_[0-9a-f]{64}\b"), "<password>"),
    (re.compile(r"bearer [\w.-]{40,}"), "bearer <token>"),
    (re.compile(r"(-)[0-9a-f]{8}(?=\.apps\.localhost)"), r"\1<label>"),
    (re.compile(r"(?<=task name:  )\s*[0-9a-f]{8}$", re.MULTILINE), " <name>"),
    (re.compile(r"^(\d+ +)[0-9a-f]{8}(?= +(?:RUNNING|SUCCEEDED|FAILED))", re.MULTILINE), r"\1<name>"),
    (re.compile(r"^(name: +)[0-9a-f]{8}$", re.MULTILINE), r"\1<name>"),
    (re.compile(r"\b[\d.]+% +[\d.]+[BKMGT]+ of"), "<cpu>  <used> of"),
    (re.compile(r"\b[\d.]+[BKMGT]+ of"), "<used> of"),
    (re.compile(r"\b[\d.]+[BKMGT]+/s of (\S+)( +[\d.]+%)?"), r"<rate> of \1"),
]
# A command that waited, and then shows the app: which instances were up by then is chance.
WAITS = re.compile(r"^cf (push|copy-source|start|restart|restage|rollback|scale|continue-deployment) ")
INSTANCE = re.compile(r"#\d+ .*|state +since .*|There are no running instances of this process\.")
INSTANCES = re.compile(r"^(instances: +)\d+/(\d+)$")
PROGRESS = re.compile(r".*\d+\.\d\d%.*|Instances starting\.\.\.")
STAGES = ("Staging app and tracing logs...", "Staging package for")


class Transcript:
    """The commands of one chapter."""

    def __init__(self, chapter):
        self.chapter = chapter
        self.ids = {}
        self.places = [(os.path.join(ENV["WINDLASS_SCRATCH"], chapter), "<scratch>")]
        self.parts = []
        self.steps = []
        self.step = ""

    def note(self, command, status, out, err):
        """Keeps a command and what it printed."""
        waited = bool(WAITS.match(command))
        shown = self.normal(command)
        lines = [f"$ {shown}", f"  status {status}"]
        lines += [f"  out | {line}" for line in self.lines(out, waited)]
        lines += [f"  err | {line}" for line in self.lines(err, waited)]
        self.parts.append("\n".join(lines) + "\n")

    def quietly(self, command, exchanges, folder=None, home="home"):
        """Keeps what a command asked: for the replay, which sends it again, as whoever is logged
        in at this home."""
        self.steps.append(
            {
                "command": self.normal(command),
                "folder": os.path.basename(folder) if folder else None,
                "home": home,
                "exchanges": first_and_last(json.loads(self.ids_only(json.dumps(exchanges)))),
            }
        )

    def lines(self, text, waited):
        """The lines that every run prints."""
        kept, is_staging = [], False
        for line in self.normal(text).splitlines():
            if is_staging and line.startswith("   "):
                continue
            is_staging = line.strip().startswith(STAGES)
            line = line.rstrip()
            if not line or PROGRESS.fullmatch(line.strip()):
                continue
            if waited and INSTANCE.fullmatch(line.strip()):
                continue
            if waited:
                line = INSTANCES.sub(r"\1<n>/\2", line)
            line = re.sub(r" {2,}", "  ", line.replace("\t", "  "))
            # Why instances do not start is said at each look.
            if not (kept and kept[-1] == line and line.startswith("Error starting")):
                kept.append(line)
        return kept

    def normal(self, text):
        for directory, name in self.places:
            text = text.replace(directory, name)
        for pattern, stand_in in PLAIN:
            text = pattern.sub(stand_in, text)
        return UUID.sub("<guid>", text)

    def ids_only(self, text):
        """Of exchanges: ids by number, for a replay has to know one from the other."""
        for directory, name in self.places:
            text = text.replace(directory, name)
        text = text.replace(ENV["WINDLASS_PASSWORD"], "<password>")
        text = re.sub(r"(127\.0\.0\.1|localhost):\d+", r"\1:<port>", text)
        text = re.sub(r"(?<=refresh_token=)(?!unknown)[^&\"]+", "<refresh>", text)
        text = re.sub(r"boundary=\w+", "boundary=<boundary>", text)
        text = re.sub(r"start_time=-?\d+", "start_time=<ns>", text)
        text = re.sub(r"eyJ[\w-]{10,}\.[\w-]+\.[\w-]+", "<jwt>", text)
        return UUID.sub(self.id, text)

    def id(self, match):
        return self.ids.setdefault(match.group(0), f"<id-{len(self.ids) + 1}>")

    def path(self, kind):
        return os.path.join(DIRECTORY, f"{self.chapter}.{kind}")

    def finish(self):
        """What was printed must be as recorded. RECORD=1 records it."""
        found = "\n".join(self.parts)
        if ENV.get("RECORD"):
            with open(self.path("txt"), "w", encoding="utf-8") as file:
                file.write(found)
            with open(self.path("json"), "w", encoding="utf-8") as file:
                write_steps(self.steps, file)
            print(f"recorded {self.path('txt')}")
            return
        with open(self.path("txt"), encoding="utf-8") as file:
            recorded = file.read()
        if found != recorded:
            lines = difflib.unified_diff(
                recorded.splitlines(), found.splitlines(), "recorded", "found", lineterm="", n=6
            )
            raise Difference("cf printed something else:\n" + "\n".join(lines))


def first_and_last(exchanges):
    """Of a question that was repeated the first and the last is kept: how often is chance."""
    places = {}
    for number, one in enumerate(exchanges):
        if one["method"] == "GET":
            first, _ = places.get(one["path"], (number, number))
            places[one["path"]] = (first, number)
    return [
        one
        for number, one in enumerate(exchanges)
        if one["method"] != "GET" or number in places[one["path"]]
    ]


def write_steps(steps, file):
    """JSON with an exchange a line, for people who compare two recordings."""
    file.write("[")
    for number, step in enumerate(steps):
        file.write(",\n" if number else "\n")
        head = json.dumps({name: step[name] for name in ("command", "folder", "home")})
        lines = ",\n".join(f"  {json.dumps(one)}" for one in step["exchanges"])
        file.write(f'{head[:-1]}, "exchanges": [\n{lines}\n]}}')
    file.write("\n]\n")
