"""What the API answered at chosen points, compared with what it answered when this was recorded.

Only ids, times and ports differ from run to run; everything else is compared word for word. With
RECORD=1 the snapshot of a chapter is written anew.
"""

import difflib
import json
import os

from normal import Normal
from steps import Difference

ENV = os.environ
DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "recordings")


class Snapshot:
    """The answers of one chapter."""

    def __init__(self, chapter):
        self.path = os.path.join(DIRECTORY, f"pydo-{chapter}.json")
        self.normal = Normal()
        self.answers = {}

    def note(self, name, answer):
        """Keeps an answer."""
        self.answers[name] = self.normal.value(answer)

    def compare(self):
        """All answers must be those of the recording; a chapter may have kept none."""
        if not self.answers:
            return
        found = json.dumps(self.answers, indent=1) + "\n"
        if ENV.get("RECORD"):
            with open(self.path, "w", encoding="utf-8") as file:
                file.write(found)
            return
        with open(self.path, encoding="utf-8") as file:
            recorded = file.read()
        if found != recorded:
            lines = difflib.unified_diff(
                recorded.splitlines(), found.splitlines(), "recorded", "found", lineterm="", n=12
            )
            raise Difference("another answer than recorded:\n" + "\n".join(lines))
