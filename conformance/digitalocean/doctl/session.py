"""One session of doctl: what a user of it does with an app. One line a step; exit status 1 on any
difference. With RECORD=1 the exchanges are written to RECORDING, normalised.
"""

import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "python"))
sys.path.insert(0, os.path.dirname(__file__))

from normal import Normal  # noqa: E402
from recorder import Recorder  # noqa: E402
from steps import equal, holds, step, wait_for  # noqa: E402

ENV = os.environ
SPEC = {
    "name": "sample-golang",
    "region": "ams",
    "services": [
        {
            "name": "web",
            "github": {"repo": "digitalocean/sample-golang", "branch": "main"},
            "run_command": "bin/sample-golang",
            "environment_slug": "go",
            "instance_size_slug": "apps-s-1vcpu-0.5gb",
            "instance_count": 1,
            "http_port": 8080,
            "routes": [{"path": "/"}],
        }
    ],
}
WAIT_LIMIT_S = 600


class Session:
    """doctl behind the recorder, and the transcript so far."""

    def __init__(self):
        self.recorder = Recorder(ENV["WINDLASS_DIGITALOCEAN_API"], ENV["WINDLASS_CA_FILE"])
        self.normal = Normal()
        self.steps = []
        self.config = os.path.join(ENV["WINDLASS_SCRATCH"], "doctl.yaml")
        open(self.config, "w", encoding="utf-8").close()
        os.chmod(self.config, 0o600)

    def arguments(self, *arguments):
        return [
            ENV["DOCTL"],
            "--config",
            self.config,
            "--api-url",
            self.recorder.url,
            "--access-token",
            ENV["DIGITALOCEAN_ACCESS_TOKEN"],
            "apps",
            *arguments,
        ]

    def run(self, name, *arguments, exit_status=0):
        """Runs a command; gives what it printed."""
        done = subprocess.run(
            self.arguments(*arguments), capture_output=True, text=True, timeout=WAIT_LIMIT_S
        )
        equal(done.returncode, exit_status, f"exit status ({done.stdout}{done.stderr})")
        self.note(name, arguments, done.returncode, done.stdout)
        return done.stdout

    def json(self, name, *arguments):
        return json.loads(self.run(name, *arguments, "--output", "json"))

    def note(self, name, arguments, status, printed, method=None):
        exchanges = self.recorder.take()
        if method:
            exchanges = [one for one in exchanges if one["method"] == method]
        shown = [a if not a.startswith("/") else os.path.basename(a) for a in arguments]
        self.steps.append(
            {
                "step": name,
                "arguments": self.normal.value(shown),
                "exit": status,
                "printed": self.normal.text(printed) if "json" not in arguments else "",
                "exchanges": self.normal.value(exchanges),
            }
        )

    def spec(self, name, **changes):
        """A spec file."""
        spec = json.loads(json.dumps(SPEC))
        spec["services"][0].update(changes)
        path = os.path.join(ENV["WINDLASS_SCRATCH"], name)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(spec, file)
        return path


def cancel(session, app, deployment):
    """Cancels as users of doctl do, who have no command for it: by the API itself."""
    import urllib.request

    request = urllib.request.Request(
        f"{session.recorder.url}/v2/apps/{app}/deployments/{deployment}/cancel",
        method="POST",
        headers={"Authorization": f"Bearer {ENV['DIGITALOCEAN_ACCESS_TOKEN']}"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["deployment"]


def main():
    session = Session()
    with step("spec validate"):
        printed = session.run("spec validate", "spec", "validate", session.spec("good.json"))
        holds("sample-golang" in printed, printed)

    with step("create --wait"):
        created = session.json(
            "create", "create", "--spec", session.spec("create.json"), "--wait"
        )
        app = created[0]["id"]
        first = created[0]["active_deployment"]["id"]
        equal(created[0]["active_deployment"]["phase"], "ACTIVE", "phase")

    with step("create once more is a conflict, --upsert is not"):
        session.run("create taken", "create", "--spec", session.spec("create.json"), exit_status=1)
        session.json(
            "create upsert", "create", "--upsert", "--spec", session.spec("create.json"), "--wait"
        )

    with step("list, get"):
        equal([a["id"] for a in session.json("list", "list")], [app], "apps")
        equal(session.json("get", "get", app)[0]["spec"]["name"], "sample-golang", "name")
        session.run("get by name", "get", "sample-golang", exit_status=1)
        holds("sample-golang" in session.run("list table", "list"), "a table")

    with step("update --wait"):
        spec = session.spec("update.json", envs=[{"key": "COLOR", "value": "green"}])
        updated = session.json("update", "update", app, "--spec", spec, "--wait")
        second = updated[0]["active_deployment"]["id"]
        holds(second != first, "another deployment")

    with step("list-deployments, get-deployment"):
        listed = session.json("list-deployments", "list-deployments", app)
        equal(listed[0]["id"], second, "the newest")
        shown = session.json("get-deployment", "get-deployment", app, second)
        equal(shown[0]["phase"], "ACTIVE", "phase")

    with step("list-instances, regions, sizes"):
        instances = session.json("list-instances", "list-instances", app)
        equal([i["instance_alias"] for i in instances], ["web-0"], "instances")
        holds(session.json("list-regions", "list-regions"), "regions")
        holds(
            session.json("instance sizes", "tier", "instance-size", "list"),
            "sizes",
        )

    with step("create-deployment --force-rebuild --wait"):
        made = session.json(
            "create-deployment", "create-deployment", app, "--force-rebuild", "--wait"
        )
        equal(made[0]["phase"], "ACTIVE", "phase")

    with step("a canceled deployment ends a wait"):
        waiting = subprocess.Popen(
            session.arguments("create-deployment", app, "--force-rebuild", "--wait"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

        def open_one():
            listed = subprocess.run(
                session.arguments("list-deployments", app, "--output", "json"),
                capture_output=True,
                text=True,
                check=True,
            )
            newest = json.loads(listed.stdout)[0]
            over = newest["phase"] in ("ACTIVE", "SUPERSEDED", "ERROR", "CANCELED")
            return None if over else newest["id"]

        deployment = wait_for("a deployment in progress", open_one)
        # What was asked until it was there differs with every run; that it was made does not.
        session.note("create-deployment to cancel", ["create-deployment", app], 0, "", "POST")
        canceled = cancel(session, app, deployment)
        equal(canceled["phase"], "CANCELED", "phase")
        waiting.communicate(timeout=WAIT_LIMIT_S)
        equal(waiting.returncode, 1, "exit status of the wait")
        session.note("cancel", ["(by the API)"], waiting.returncode, "")

    with step("logs, logs --follow until interrupted"):
        printed = session.run("logs build", "logs", app, "web", "--type", "build")
        holds(printed, "build logs")
        printed = session.run("logs run", "logs", app, "web", "--type", "run")
        holds("listens on" in printed, f"run logs: {printed}")
        following = subprocess.Popen(
            session.arguments("logs", app, "web", "--type", "run", "--follow"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        line = following.stdout.readline()
        holds("listens on" in line, f"the first line: {line}")
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=WAIT_LIMIT_S)
        equal(following.returncode, 0, "exit status of the follower")
        session.note("logs follow", ["logs", app, "web", "--follow"], 0, "")

    with step("restart --wait"):
        restarted = session.json("restart", "restart", app, "--wait")
        equal(restarted[0]["phase"], "ACTIVE", "phase")

    with step("delete"):
        session.run("delete", "delete", app, "--force")
        session.run("get deleted", "get", app, exit_status=1)

    if ENV.get("RECORD"):
        with open(ENV["RECORDING"], "w", encoding="utf-8") as file:
            json.dump(session.steps, file, indent=1)
            file.write("\n")
        print(f"recorded {ENV['RECORDING']}")


if __name__ == "__main__":
    main()
