"""One session of doctl: what a user of it does with an app. One line a step; exit status 1 on any
difference, also of what doctl prints from what RECORDING says that it printed. With RECORD=1 what it
printed and the exchanges are written to RECORDING, normalised.
"""

import copy
import json
import os
import signal
import subprocess
import urllib.request

from normal import Normal
from recorder import Recorder
from steps import equal, holds, run, step, wait_for

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
JOB = {
    "name": "migrate",
    "github": {"repo": "digitalocean/sample-jobs", "branch": "main"},
    "run_command": "./job hang migration",
    "instance_size_slug": "apps-s-1vcpu-0.5gb",
    "instance_count": 1,
    "termination": {"grace_period_seconds": 1},
    "kind": "PRE_DEPLOY",
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

    def run(self, name, *arguments, exit_status=0, keep=True):
        """Runs a command; gives what it printed, which is kept if every machine prints the same."""
        done = subprocess.run(
            self.arguments(*arguments), capture_output=True, text=True, timeout=WAIT_LIMIT_S
        )
        equal(done.returncode, exit_status, f"exit status ({done.stdout}{done.stderr})")
        self.note(name, arguments, done.returncode, done.stdout if keep else "")
        return done.stdout

    def json(self, name, *arguments):
        return json.loads(self.run(name, *arguments, "--output", "json"))

    def note(self, name, arguments, status, printed, methods=None):
        exchanges = self.recorder.take()
        if methods:
            exchanges = [one for one in exchanges if one["method"] in methods]
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

    def compare(self):
        """What doctl was told, how it ended and what it printed is as it was recorded."""
        with open(ENV["RECORDING"], encoding="utf-8") as file:
            recorded = json.load(file)
        equal([s["step"] for s in self.steps], [s["step"] for s in recorded], "steps")
        for found, wanted in zip(self.steps, recorded):
            for name in ("arguments", "exit", "printed"):
                equal(plain(found[name]), plain(wanted[name]), f"{name} of {found['step']!r}")

    def spec(self, name, change=None):
        """A spec file; `change` works on the spec."""
        spec = copy.deepcopy(SPEC)
        if change:
            change(spec)
        path = os.path.join(ENV["WINDLASS_SCRATCH"], name)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(spec, file)
        return path

    def cancel_while_waiting(self, name, app, arguments, is_reached):
        """A command that waits is ended by a cancel of its deployment once it is where wanted."""
        before = self.newest(app)["id"]
        waiting = subprocess.Popen(
            self.arguments(*arguments, "--wait"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

        def reached():
            newest = self.newest(app)
            return newest["id"] if newest["id"] != before and is_reached(newest) else None

        deployment = wait_for(name, reached)
        # What was asked until it was there differs with every run; that it was made does not.
        self.note(f"{name}: made", arguments, 0, "", ("POST", "PUT"))
        self.json(f"{name}: seen", "get-deployment", app, deployment)
        canceled = cancel(self, app, deployment)
        equal(canceled["phase"], "CANCELED", "phase")
        holds(canceled["progress"]["error_steps"] >= 1, "an error step")
        waiting.communicate(timeout=WAIT_LIMIT_S)
        equal(waiting.returncode, 1, "exit status of the wait")
        self.note(f"{name}: canceled", ["(by the API)"], waiting.returncode, "", ("POST",))
        shown = self.json(f"{name}: afterwards", "get-deployment", app, deployment)
        equal(shown[0]["phase"], "CANCELED", "phase")

    def newest(self, app):
        listed = subprocess.run(
            self.arguments("list-deployments", app, "--output", "json"),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(listed.stdout)[0]


def plain(value):
    """Columns of a table are as wide as their widest port."""
    return " ".join(value.split()) if isinstance(value, str) else value


def waits_for(component):
    """Whether a deployment waits for the instances, or the end, of a component."""

    def is_reached(deployment):
        deploy = deployment["progress"]["steps"][1]
        for node in deploy["steps"][1]["steps"]:
            if node["name"] == component:
                return node["steps"][1]["status"] == "RUNNING"
        return False

    return is_reached


def cancel(session, app, deployment):
    """Cancels as users of doctl do, who have no command for it: by the API itself."""
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

    with step("propose"):
        proposed = session.json("propose", "propose", "--spec", session.spec("good.json"))
        holds(proposed, "a proposal")

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

        def green(spec):
            spec["services"][0]["envs"] = [
                {"key": "COLOR", "value": "green", "scope": "RUN_TIME"}
            ]

        spec = session.spec("update.json", green)
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
        active = made[0]["id"]

    with step("a cancel during the build ends a wait"):
        session.cancel_while_waiting(
            "during the build",
            app,
            ["create-deployment", app, "--force-rebuild"],
            lambda newest: newest["phase"] == "BUILDING",
        )

    with step("a cancel during a job before the deployment ends a wait"):

        def with_job(spec):
            spec["jobs"] = [JOB]

        session.cancel_while_waiting(
            "during a job",
            app,
            ["update", app, "--spec", session.spec("job.json", with_job)],
            waits_for("migrate"),
        )

    with step("a cancel during the deploy ends a wait"):

        def never_ready(spec):
            spec["services"][0]["run_command"] = "sleep 1000"

        session.cancel_while_waiting(
            "during the deploy",
            app,
            ["update", app, "--spec", session.spec("deaf.json", never_ready)],
            waits_for("web"),
        )
        shown = session.json("get after cancels", "get", app)[0]
        equal(shown["active_deployment"]["id"], active, "what is active")

    with step("logs, logs --follow until interrupted"):
        printed = session.run("logs build", "logs", app, "web", "--type", "build", keep=False)
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
    else:
        with step("what doctl printed is as it was recorded"):
            session.compare()


if __name__ == "__main__":
    run(main)
