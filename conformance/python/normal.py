"""What differs from run to run in recorded texts, and what stands for it."""

import json
import re

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PLAIN = [
    (re.compile(r"\b[0-9a-f]{40}\b"), "<commit>"),
    (re.compile(r"commit [0-9a-f]{7} pushed"), "commit <short> pushed"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( \+0000 UTC|Z)"), "<time>"),
    (re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d"), "<time>"),
    (re.compile(r"listens on \d+"), "listens on <port>"),
    (re.compile(r"(127\.0\.0\.1|\.localhost):\d+"), r"\1:<port>"),
    (re.compile(r"-[a-z2-7]{5}(?=\.apps\.localhost)"), "-<label>"),
    (re.compile(r"token=[A-Za-z0-9_-]+"), "token=<token>"),
    (re.compile(r'("(?:cpu|memory)_usage_percent": )[0-9.e+-]+'), r"\1<number>"),
    (re.compile(r'("ratelimit[a-z-]*": )"?\d+"?'), r"\1<number>"),
]


class Normal:
    """Ids become `<id-1>`, `<id-2>` … in the order in which they are seen."""

    def __init__(self):
        self.ids = {}

    def text(self, text):
        for pattern, stand_in in PLAIN:
            text = pattern.sub(stand_in, text)
        return UUID.sub(self.id, text)

    def id(self, match):
        known = self.ids.setdefault(match.group(0), f"<id-{len(self.ids) + 1}>")
        return known

    def value(self, value):
        return json.loads(self.text(json.dumps(value)))
