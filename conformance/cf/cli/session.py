"""Sessions of the `cf` CLI: what a user of it does.

usage: session.py CHAPTER...
Reads the variables of `windlass env`, CF_CLI and HELLO_BINARY. One line a step; exit status 1 on
any difference, also of what the client prints from what the recordings say that it printed.
"""

import sys

from around import around
from client import recorder
from errors import errors
from everyday import everyday
from limits import limits
from refused import refused
from steps import run
from strategies import strategies
from tasks import tasks
from transcript import Transcript

CHAPTERS = {
    "everyday": everyday,
    "strategies": strategies,
    "tasks": tasks,
    "around": around,
    "errors": errors,
    "refused": refused,
    "limits": limits,
}


def main():
    for name in sys.argv[1:]:
        transcript = Transcript(name)
        CHAPTERS[name](transcript, recorder())
        transcript.finish()


if __name__ == "__main__":
    run(main)
