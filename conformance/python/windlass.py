"""The command line of Windlass beside the client."""

import json
import os
import subprocess

ENV = os.environ


def windlass(*arguments):
    """Runs a command of it. Gives what it printed, which is JSON."""
    done = subprocess.run(
        [
            ENV["WINDLASS_BINARY"],
            *arguments,
            "--output",
            "json",
            "--data-dir",
            ENV["WINDLASS_DATA_DIR"],
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def record(deployment):
    """The whole record of a deployment."""
    return windlass("deployment", "show", deployment)
