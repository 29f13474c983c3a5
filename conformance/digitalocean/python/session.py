"""One session of the package `pydo`: what a user of it does with an app.

Reads the variables of `windlass env` and those of `with-sources`. One line a step; exit status 1
on any difference between what the server does and what the API's pages say.
"""

import asyncio
import hashlib
import hmac
import http.client
import json
import os
import re
import subprocess
import threading
from urllib.parse import urlsplit

import requests
from azure.core.exceptions import HttpResponseError
from pydo import Client
from pydo.aio import Client as AioClient

from steps import Difference, equal, holds, refused, step, wait_for

ENV = os.environ
API = ENV["WINDLASS_DIGITALOCEAN_API"]
TOKEN = ENV["DIGITALOCEAN_TOKEN"]
CA = ENV["WINDLASS_CA_FILE"]
ROUTER = urlsplit(ENV["WINDLASS_ROUTER_HTTP"])
COMMIT = re.compile(r"[0-9a-f]{40}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ZERO_TIME = "0001-01-01T00:00:00Z"
NOBODY = "3f5b2f9f-b62f-497e-9980-1bda11e879c3"

SPEC = {
    "name": "sample-golang",
    "services": [
        {
            "name": "web",
            "github": {
                "repo": "digitalocean/sample-golang",
                "branch": "main",
                "deploy_on_push": True,
            },
            "run_command": "bin/sample-golang",
            "environment_slug": "go",
            "instance_size_slug": "apps-s-1vcpu-0.5gb",
            "instance_count": 2,
            "routes": [{"path": "/"}],
        }
    ],
    "region": "ams",
    "disable_edge_cache": True,
    "disable_email_obfuscation": True,
    "enhanced_threat_control_enabled": True,
}


def git(repository, *arguments):
    """Runs git in the work tree of a repository."""
    work = os.path.join(ENV["SOURCES_WORK"], repository)
    done = subprocess.run(
        ["git", "-C", work, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def change(repository, file, before, after):
    """Replaces a text in a file, commits and pushes. Gives the commit."""
    path = os.path.join(ENV["SOURCES_WORK"], repository, file)
    with open(path, encoding="utf-8") as source:
        text = source.read()
    holds(before in text, f"{before!r} in {file}")
    with open(path, "w", encoding="utf-8") as source:
        source.write(text.replace(before, after))
    git(repository, "commit", "--quiet", "--all", "--message", f"{before} to {after}")
    git(repository, "push", "--quiet", "origin", "main")
    return git(repository, "rev-parse", "HEAD")


def report_push(repository, commit):
    """Reports a push as GitHub does. Gives the deployments that it started."""
    body = json.dumps(
        {
            "ref": "refs/heads/main",
            "after": commit,
            "deleted": False,
            "repository": {"full_name": f"digitalocean/{repository}"},
            "head_commit": {
                "id": commit,
                "message": "a push",
                "author": {"name": "anna", "username": "anna"},
            },
            "pusher": {"name": "anna"},
        }
    ).encode()
    digest = hmac.new(ENV["WEBHOOK_SECRET"].encode(), body, hashlib.sha256).hexdigest()
    answer = requests.post(
        f"{API}/webhooks/github",
        data=body,
        headers={
            "Content-Type": "application/json",
            "X-GitHub-Event": "push",
            "X-Hub-Signature-256": f"sha256={digest}",
        },
        verify=CA,
        timeout=60,
    )
    equal(answer.status_code, 200, f"status of the report ({answer.text})")
    return answer.json()["deployments"]


class Load:
    """Asks an app all the time; counts what did not answer."""

    def __init__(self, host):
        self.host = host
        self.failed = []
        self.answered = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.stop.is_set():
            status, text = ask(self.host)
            if status == 200:
                self.answered += 1
            else:
                self.failed.append((status, text))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def ask(host, path="/"):
    """What an app answers at a path: status and text."""
    connection = http.client.HTTPConnection(ROUTER.hostname, ROUTER.port, timeout=60)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def leaves(step_):
    """All steps without steps."""
    for child in step_.get("steps", []):
        if child.get("steps"):
            yield from leaves(child)
        else:
            yield child


def check_progress(deployment):
    """The counters add up and are those of the leaves."""
    progress = deployment["progress"]
    found = list(leaves(progress))
    names = {"PENDING": "pending", "RUNNING": "running", "SUCCESS": "success", "ERROR": "error"}
    for status, name in names.items():
        count = sum(1 for leaf in found if leaf["status"] == status)
        equal(progress.get(f"{name}_steps", 0), count, f"{name}_steps")
    equal(progress["total_steps"], len(found), "total_steps")
    success = progress.get("success_steps", 0) == progress["total_steps"]
    if deployment["phase"] == "ACTIVE":
        holds(success, "all steps of an active deployment succeeded")
    elif deployment["phase"] in ("CANCELED", "ERROR"):
        holds(not success, "a deployment that failed is no success")
        holds(progress.get("error_steps", 0) >= 1, "a deployment that failed has an error")
    return progress


class Session:
    """The client, and what the steps so far have made."""

    def __init__(self):
        self.client = Client(token=TOKEN, endpoint=API, connection_verify=CA)
        self.apps = self.client.apps
        self.app = None
        self.host = None

    def deployment(self, deployment):
        found = self.apps.get_deployment(self.app, deployment)["deployment"]
        check_progress(found)
        return found

    def until(self, deployment, *phases):
        """Waits for one of these phases; any end that is not among them is a difference."""

        def probe():
            found = self.deployment(deployment)
            if found["phase"] in phases:
                return found
            if found["phase"] in ("ACTIVE", "ERROR", "CANCELED", "SUPERSEDED"):
                raise Difference(f"{found['phase']} instead of {phases}: {json.dumps(found)}")
            return None

        return wait_for(f"{deployment} is {phases}", probe)

    def create(self):
        made = self.apps.create(body={"spec": SPEC})["app"]
        equal(made["spec"], SPEC, "the spec")
        self.app = made["id"]
        pending = made["pending_deployment"]
        equal(pending["phase"] in ("PENDING_BUILD", "BUILDING"), True, pending["phase"])
        equal(pending["progress"]["total_steps"], 6, "steps")
        equal(made["region"]["slug"], "ams", "region")
        equal(made["tier_slug"], "basic", "tier")
        holds(made["default_ingress"].startswith("https://sample-golang-"), "an ingress")
        active = self.until(pending["id"], "ACTIVE")
        commit = git("sample-golang", "rev-parse", "HEAD")
        equal(active["services"], [{"name": "web", "source_commit_hash": commit}], "services")
        app = self.apps.get(self.app)["app"]
        equal(app["active_deployment"]["id"], pending["id"], "the active deployment")
        holds(app["live_url"], "a live URL")
        self.host = app["live_domain"]
        equal(ask(self.host), (200, "version one, color \n"), "the answer of the app")
        return pending["id"]

    def push(self, before, after):
        """A push, reported: the deployment that it starts."""
        commit = change("sample-golang", "main.go", before, after)
        started = report_push("sample-golang", commit)
        equal(len(started), 1, "deployments of a push")
        found = self.deployment(started[0])
        equal(
            found["cause"],
            f"commit {commit[:7]} pushed to github/digitalocean/sample-golang",
            "cause",
        )
        equal(found["services"][0]["source_commit_hash"], commit, "commit")
        equal(found["cause_details"]["type"], "DEPLOY_ON_PUSH", "kind")
        equal(found["cause_details"]["git_push"]["commit_sha"], commit, "commit of the push")
        equal(report_push("sample-golang", commit), [], "a push that is known")
        return started[0]

    def check_canceled(self, canceled, deployment):
        """Every field of the reference page."""
        equal(canceled["id"], deployment, "id")
        equal(canceled["spec"]["name"], "sample-golang", "spec")
        equal(canceled["services"][0]["name"], "web", "service")
        holds(COMMIT.fullmatch(canceled["services"][0]["source_commit_hash"]), "commit")
        for name in ("phase_last_updated_at", "created_at", "updated_at"):
            holds(TIME.fullmatch(canceled[name]), f"{name}: {canceled[name]}")
        equal(canceled["phase"], "CANCELED", "phase")
        equal(canceled["tier_slug"], "basic", "tier")
        holds(canceled["cause"], "cause")
        holds(canceled["previous_deployment_id"], "the deployment before")
        progress = check_progress(canceled)
        equal([step_["name"] for step_ in progress["steps"]], ["build", "deploy"], "steps")
        build, deploy = progress["steps"]
        equal([s["name"] for s in build["steps"]], ["initialize", "components"], "build")
        equal(
            [s["name"] for s in deploy["steps"]],
            ["initialize", "components", "finalize"],
            "deploy",
        )
        leaf = build["steps"][1]["steps"][0]
        equal(leaf["component_name"], "web", "component of the leaf")
        equal(leaf["message_base"], "Building service", "text of the leaf")
        equal(progress["total_steps"], 6, "total steps")
        equal(progress.get("pending_steps", 0) + progress.get("running_steps", 0), 0, "open steps")

    def cancel(self, deployment):
        canceled = self.apps.cancel_deployment(self.app, deployment)["deployment"]
        self.check_canceled(canceled, deployment)
        again = self.apps.cancel_deployment(self.app, deployment)["deployment"]
        self.check_canceled(again, deployment)

    def cancel_in(self, phase, start):
        """Cancels a deployment as soon as it is in a phase; a phase may pass unseen, then the
        next deployment is watched."""
        for _ in range(10):
            deployment = start()
            while True:
                found = self.deployment(deployment)
                if found["phase"] == phase:
                    self.cancel(deployment)
                    return deployment
                if found["phase"] in ("ACTIVE", "DEPLOYING", "ERROR"):
                    break
            if found["phase"] == "DEPLOYING":
                self.cancel(deployment)
        raise Difference(f"{phase} was never seen")


def main():
    session = Session()
    apps = session.apps
    with step("the account and the catalogs"):
        account = session.client.account.get()["account"]
        equal(account["email"], ENV["WINDLASS_USER"], "email")
        slugs = [region["slug"] for region in apps.list_regions()["regions"]]
        holds("ams" in slugs, "the region")
        sizes = apps.list_instance_sizes()["instance_sizes"]
        holds(any(size["slug"] == "apps-s-1vcpu-0.5gb" for size in sizes), "the size")

    with step("a spec is validated"):
        proposed = apps.validate_app_spec(body={"spec": SPEC})
        equal(proposed["app_name_available"], True, "name")
        equal(proposed["spec"], SPEC, "spec")
        with refused(HttpResponseError, 400, "bad_request"):
            apps.validate_app_spec(body={"spec": {"name": "X"}})

    with step("the app of the reference page is created, built, served"):
        first = session.create()

    with step("what does not exist is not found"):
        for app, deployment in [
            (NOBODY, first),
            ("sample", first),
            (session.app, NOBODY),
            (session.app, "sample"),
        ]:
            answer = apps.cancel_deployment(app, deployment)
            equal(answer["id"], "not_found", "the refusal")
        with refused(HttpResponseError, 400, "bad_request"):
            apps.cancel_deployment(session.app, first)

    with Load(session.host) as load:
        with step("a pushed commit is deployed"):
            second = session.push('version = "one"', 'version = "two"')
            session.until(second, "ACTIVE")
            wait_for("version two", lambda: "version two" in ask(session.host)[1])
            equal(session.deployment(first)["phase"], "SUPERSEDED", "the first one")

        with step("cancel while BUILDING"):
            deployment = session.push('version = "two"', 'version = "three"')
            session.until(deployment, "BUILDING")
            session.cancel(deployment)
            app = apps.get(session.app)["app"]
            equal(app["active_deployment"]["id"], second, "what is active")
            equal(app.get("in_progress_deployment"), None, "what is in progress")

        with step("cancel while PENDING_BUILD"):
            running = session.push('version = "three"', 'version = "four"')
            waiting = apps.create_deployment(session.app, body={"force_build": True})
            waiting = waiting["deployment"]["id"]
            found = session.deployment(waiting)
            equal(found["phase"], "PENDING_BUILD", "phase")
            equal(found["phase_last_updated_at"], ZERO_TIME, "a phase that never changed")
            app = apps.get(session.app)["app"]
            equal(app["pending_deployment"]["id"], waiting, "what is pending")
            equal(app["in_progress_deployment"]["id"], running, "what is in progress")
            session.cancel(waiting)
            session.cancel(running)

        def never_ready():
            spec = json.loads(json.dumps(SPEC))
            spec["services"][0]["run_command"] = "sleep 1000"
            return apps.update(session.app, body={"spec": spec})["app"]["pending_deployment"]["id"]

        with step("cancel while DEPLOYING"):
            deployment = never_ready()
            session.until(deployment, "DEPLOYING")
            session.cancel(deployment)
            equal(apps.get(session.app)["app"]["spec"], SPEC, "the spec after a cancel")

        with step("cancel while PENDING_DEPLOY"):
            session.cancel_in("PENDING_DEPLOY", never_ready)

        with step("an update is deployed"):
            changed = json.loads(json.dumps(SPEC))
            changed["services"][0]["envs"] = [{"key": "COLOR", "value": "green"}]
            updated = apps.update(session.app, body={"spec": changed})["app"]
            equal(updated["spec"], changed, "spec")
            third = updated["pending_deployment"]["id"]
            session.until(third, "ACTIVE")
            wait_for("the color", lambda: "color green" in ask(session.host)[1])

        with step("a secret is kept as it was given out"):
            secret = json.loads(json.dumps(changed))
            secret["envs"] = [{"key": "TOKEN", "value": "plain", "type": "SECRET"}]
            updated = apps.update(session.app, body={"spec": secret})["app"]
            value = updated["spec"]["envs"][0]["value"]
            holds(value.startswith("EV[1:"), f"an encrypted value: {value}")
            fourth = updated["pending_deployment"]["id"]
            session.until(fourth, "ACTIVE")
            again = apps.update(session.app, body={"spec": updated["spec"]})["app"]
            equal(again["spec"]["envs"][0]["value"], value, "the encrypted value")
            session.until(again["pending_deployment"]["id"], "ACTIVE")

        with step("rollback pins, revert takes it back"):
            answer = apps.validate_rollback(session.app, body={"deployment_id": third})
            equal(answer["valid"], True, f"valid: {answer}")
            back = apps.create_rollback(
                session.app, body={"deployment_id": third, "skip_pin": False}
            )["deployment"]
            equal(back["cloned_from"], third, "cloned from")
            session.until(back["id"], "ACTIVE")
            equal(
                apps.get(session.app)["app"]["pinned_deployment"]["id"], back["id"], "the pin"
            )
            with refused(HttpResponseError, 412, "precondition_failed"):
                apps.create_deployment(session.app, body={"force_build": True})
            reverted = apps.revert_rollback(session.app)["deployment"]
            session.until(reverted["id"], "ACTIVE")
            holds(apps.get(session.app)["app"].get("pinned_deployment") is None, "no pin")

        with step("rollback is committed"):
            back = apps.create_rollback(session.app, body={"deployment_id": third})["deployment"]
            session.until(back["id"], "ACTIVE")
            apps.commit_rollback(session.app)
            holds(apps.get(session.app)["app"].get("pinned_deployment") is None, "no pin")

        with step("restart"):
            restarted = apps.restart(session.app, body={"components": []})["deployment"]
            session.until(restarted["id"], "ACTIVE")

    with step("no request failed all the while"):
        equal(load.failed, [], "failed requests")
        holds(load.answered > 100, f"{load.answered} requests answered")

    with step("logs"):
        links = apps.get_logs_active_deployment_aggregate(session.app, type="RUN")
        text = requests.get(links["historic_urls"][0], verify=CA, timeout=60).text
        holds(re.search(r"^web \S+Z .*listens on", text, re.M), f"run logs: {text[:300]}")
        links = apps.get_logs_aggregate(session.app, second, type="BUILD", follow=True)
        holds("live_url" not in links, "nothing more comes of a build that is over")
        text = requests.get(links["historic_urls"][0], verify=CA, timeout=60).text
        holds(text, "build logs")

    with step("a deployment is canceled by the command line of Windlass"):
        deployment = session.push('version = "four"', 'version = "five"')
        subprocess.run(
            [
                ENV["WINDLASS_BINARY"],
                "deployment",
                "cancel",
                deployment,
                "--data-dir",
                ENV["WINDLASS_DATA_DIR"],
            ],
            check=True,
            capture_output=True,
        )
        equal(session.deployment(deployment)["phase"], "CANCELED", "phase")
        shown = subprocess.run(
            [
                ENV["WINDLASS_BINARY"],
                "deployment",
                "show",
                deployment,
                "--output",
                "json",
                "--data-dir",
                ENV["WINDLASS_DATA_DIR"],
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        equal(json.loads(shown.stdout)["dialect"], "digitalocean", "dialect")

    with step("lists"):
        listed = apps.list_deployments(session.app, per_page=2)
        equal(len(listed["deployments"]), 2, "deployments of a page")
        holds(listed["links"]["pages"]["next"].startswith(API), "an absolute link")
        names = [app["spec"]["name"] for app in apps.list()["apps"]]
        equal(names, ["sample-golang"], "apps")
        found = apps.get("", name="sample-golang")
        equal(found["app"]["id"], session.app, "the app by its name")

    with step("the asynchronous client"):
        asyncio.run(asynchronously(session))

    with step("the app is deleted"):
        equal(apps.delete(session.app), {"id": session.app}, "the answer")
        equal(apps.get(session.app)["id"], "not_found", "the app afterwards")
        wait_for("nothing answers", lambda: ask(session.host)[0] == 404)


async def asynchronously(session):
    """The same answers through the client of asyncio."""
    async with AioClient(token=TOKEN, endpoint=API) as client:
        found = await client.apps.get(session.app)
        equal(found["app"]["id"], session.app, "the app")
        made = await client.apps.create_deployment(session.app, body={"force_build": True})
        deployment = made["deployment"]["id"]
        canceled = await client.apps.cancel_deployment(session.app, deployment)
        session.check_canceled(canceled["deployment"], deployment)


if __name__ == "__main__":
    main()
