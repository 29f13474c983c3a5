"""Sessions of the package `pydo`: what a user of it does with apps.

usage: session.py CHAPTER...
Reads the variables of `windlass env` and those of `with-sources`. One line a step; exit status 1
on any difference between what the server does and what the API's pages or the recordings say.
"""

import sys

from canary import canary
from dialects import dialects
from jobs import jobs
from languages import languages
from polling import polling
from reference import reference
from snapshot import Snapshot
from steps import run

CHAPTERS = {
    "reference": reference,
    "jobs": jobs,
    "canary": canary,
    "polling": polling,
    "languages": languages,
    "dialects": dialects,
}


def main():
    for name in sys.argv[1:]:
        snapshot = Snapshot(name)
        CHAPTERS[name](snapshot)
        snapshot.compare()


if __name__ == "__main__":
    run(main)
