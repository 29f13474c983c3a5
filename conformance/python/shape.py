"""Recorded answers beside those of now: ids of this run for the recorded ones, and shapes."""

import json
import re

from steps import Difference, equal

ID = re.compile(r"<id-\d+>")


def learn(recorded, found, ids, skip=()):
    """Ids of this run for those of the recording, by their places. A text may have several."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for name, value in recorded.items():
            if name in found and name not in skip:
                learn(value, found[name], ids, skip)
    elif isinstance(recorded, list) and isinstance(found, list):
        for left, right in zip(recorded, found):
            learn(left, right, ids, skip)
    elif isinstance(recorded, str) and ID.fullmatch(recorded) and isinstance(found, str):
        ids.setdefault(recorded, found)


def fill(value, ids):
    """A recorded request with the ids of this run."""
    text = ID.sub(lambda match: ids.get(match.group(0), match.group(0)), json.dumps(value))
    return json.loads(text)


def same_shape(recorded, found, passing=(), path="", takes_null=False):
    """Every recorded member is there and of the same kind; those of `passing` may be missing.
    With `takes_null` what is null on one side may be of any kind on the other."""
    if takes_null and (recorded is None or found is None):
        return
    if isinstance(recorded, dict):
        if not isinstance(found, dict):
            raise Difference(f"{path}: {found!r} is no object")
        for name, value in recorded.items():
            if name in passing and name not in found:
                continue
            if name not in found:
                raise Difference(f"{path}.{name} is missing")
            same_shape(value, found[name], passing, f"{path}.{name}", takes_null)
    elif isinstance(recorded, list):
        if not isinstance(found, list):
            raise Difference(f"{path}: {found!r} is no list")
        if recorded and found:
            same_shape(recorded[0], found[0], passing, f"{path}[0]", takes_null)
    else:
        equal(type(found).__name__, type(recorded).__name__, f"kind of {path}")
