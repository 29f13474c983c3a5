"""Sessions of the `vercel` CLI and of `@vercel/sdk`: what a user of them does with projects.

usage: session.py CHAPTER...
Reads the variables of `windlass env` and those of `run`. One line a step; exit status 1 on any
difference between what the server does and what the API's pages or the recordings say.
"""

import sys

from cancel import cancel
from everyday import everyday
from rolling import rolling
from sdk import sdk
from steps import run
from transcript import Transcript

CHAPTERS = {
    "everyday": everyday,
    "cancel": cancel,
    "rolling": rolling,
    "sdk": sdk,
}


def main():
    for name in sys.argv[1:]:
        transcript = Transcript(name)
        CHAPTERS[name](transcript)
        transcript.compare()


if __name__ == "__main__":
    run(main)
