"""The app of the API's reference page, word for word: a service in Go from a repository."""

import asyncio
import re

import requests
from app import API, CA, ENV, TOKEN, App, changed, client
from progress import check_progress, names, status
from pydo.aio import Client as AioClient
from refusal import refused
from repository import change, head, report_push
from samples import variable
from steps import Difference, equal, holds, step, wait_for
from visit import Load
from windlass import record, windlass

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


class ReferenceApp(App):
    """It, with what its page says about a cancel."""

    def __init__(self):
        super().__init__(client(), SPEC)

    def first(self):
        """Creates it and looks at each field."""
        made = self.create()
        pending = made["pending_deployment"]
        equal(pending["phase"] in ("PENDING_BUILD", "BUILDING"), True, pending["phase"])
        equal(pending["progress"]["total_steps"], 6, "steps")
        equal(made["region"]["slug"], "ams", "region")
        equal(made["tier_slug"], "basic", "tier")
        holds(made["default_ingress"].startswith("https://sample-golang-"), "an ingress")
        active = self.until(pending["id"], "ACTIVE")
        commit = head("sample-golang")
        equal(active["services"], [{"name": "web", "source_commit_hash": commit}], "services")
        equal(self.get()["active_deployment"]["id"], pending["id"], "the active deployment")
        self.find_host()
        equal(self.ask(), (200, "version one, color \n"), "the answer of the app")
        return active

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
        equal(names(progress), ["build", "deploy"], "steps")
        build, deploy = progress["steps"]
        equal(names(build), ["initialize", "components"], "build")
        equal(names(deploy), ["initialize", "components", "finalize"], "deploy")
        leaf = build["steps"][1]["steps"][0]
        equal(leaf["component_name"], "web", "component of the leaf")
        equal(leaf["message_base"], "Building service", "text of the leaf")
        equal(progress["total_steps"], 6, "total steps")
        equal(progress.get("pending_steps", 0) + progress.get("running_steps", 0), 0, "open steps")

    def cancel(self, deployment):
        canceled = self.apps.cancel_deployment(self.id, deployment)["deployment"]
        self.check_canceled(canceled, deployment)
        again = self.apps.cancel_deployment(self.id, deployment)["deployment"]
        equal(again, canceled, "the answer to a second cancel")
        return canceled

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


def reference(snapshot):
    """The whole chapter."""
    app = ReferenceApp()
    apps = app.apps
    with step("the account and the catalogs"):
        account = app.pydo.account.get()["account"]
        equal(account["email"], ENV["WINDLASS_USER"], "email")
        slugs = [region["slug"] for region in apps.list_regions()["regions"]]
        holds("ams" in slugs, "the region")
        sizes = apps.list_instance_sizes()["instance_sizes"]
        holds(any(size["slug"] == "apps-s-1vcpu-0.5gb" for size in sizes), "the size")

    with step("a spec is validated"):
        proposed = apps.validate_app_spec(body={"spec": SPEC})
        equal(proposed["app_name_available"], True, "name")
        equal(proposed["spec"], SPEC, "spec")
        with refused(400, "bad_request"):
            apps.validate_app_spec(body={"spec": {"name": "X"}})

    with step("the app of the reference page is created, built, served"):
        active = app.first()
        first = active["id"]
        snapshot.note("the first deployment, active", active)
        snapshot.note("the app", app.get())

    with step("what does not exist is not found"):
        for some_app, deployment in [
            (NOBODY, first),
            ("sample", first),
            (app.id, NOBODY),
            (app.id, "sample"),
        ]:
            answer = apps.cancel_deployment(some_app, deployment)
            equal(answer["id"], "not_found", "the refusal")
        with refused(400, "bad_request"):
            apps.cancel_deployment(app.id, first)

    with Load(app.host) as load:
        third = under_load(app, snapshot)
        rollbacks(app, third)
        with step("restart"):
            restarted = apps.restart(app.id, body={"components": []})["deployment"]
            app.until(restarted["id"], "ACTIVE")

        with step("the visitors are still there"):
            load.sample(100)

    with step("no request failed all the while"):
        equal(load.failed, [], "failed requests")

    with step("logs"):
        links = apps.get_logs_active_deployment_aggregate(app.id, type="RUN")
        text = requests.get(links["historic_urls"][0], verify=CA, timeout=60).text
        holds(re.search(r"^web \S+Z .*listens on", text, re.M), f"run logs: {text[:300]}")
        links = apps.get_logs_aggregate(app.id, first, type="BUILD", follow=True)
        holds("live_url" not in links, "nothing more comes of a build that is over")
        text = requests.get(links["historic_urls"][0], verify=CA, timeout=60).text
        holds(text, "build logs")

    with step("a deployment is canceled by the command line of Windlass, which says who and why"):
        deployment = app.push('version = "four"', 'version = "five"')
        windlass("deployment", "cancel", deployment, "--reason", "not today")
        equal(app.deployment(deployment)["phase"], "CANCELED", "phase")
        shown = record(deployment)
        equal(shown["dialect"], "digitalocean", "dialect")
        equal(shown["cancel"]["reason"], "not today", "reason")
        holds(shown["cancel"]["by"] and shown["cancel"]["client"], f"who: {shown['cancel']}")

    with step("lists"):
        listed = apps.list_deployments(app.id, per_page=2)
        equal(len(listed["deployments"]), 2, "deployments of a page")
        holds(listed["links"]["pages"]["next"].startswith(API), "an absolute link")
        listed = [one["spec"]["name"] for one in apps.list()["apps"]]
        equal(listed, ["sample-golang"], "apps")
        found = apps.get("", name="sample-golang")
        equal(found["app"]["id"], app.id, "the app by its name")

    with step("the asynchronous client"):
        asyncio.run(asynchronously(app))

    with step("the app is deleted"):
        app.delete()


def under_load(app, snapshot):
    """Pushes and cancels in each phase. Gives the deployment that serves at the end."""
    with step("a pushed commit is deployed"):
        first = app.get()["active_deployment"]["id"]
        second = app.push('version = "one"', 'version = "two"')
        snapshot.note("a push, deployed", app.until(second, "ACTIVE"))
        wait_for("version two", lambda: "version two" in app.ask()[1])
        equal(app.deployment(first)["phase"], "SUPERSEDED", "the first one")

    with step("cancel while BUILDING"):
        deployment = app.push('version = "two"', 'version = "three"')
        app.until(deployment, "BUILDING")
        snapshot.note("canceled while BUILDING", app.cancel(deployment))
        shown = app.get()
        equal(shown["active_deployment"]["id"], second, "what is active")
        equal(shown.get("in_progress_deployment"), None, "what is in progress")

    with step("cancel while PENDING_BUILD"):
        running = app.push('version = "three"', 'version = "four"')
        waiting = app.apps.create_deployment(app.id, body={"force_build": True})
        waiting = waiting["deployment"]["id"]
        found = app.deployment(waiting)
        equal(found["phase"], "PENDING_BUILD", "phase")
        equal(found["phase_last_updated_at"], ZERO_TIME, "a phase that never changed")
        shown = app.get()
        equal(shown["pending_deployment"]["id"], waiting, "what is pending")
        equal(shown["in_progress_deployment"]["id"], running, "what is in progress")
        snapshot.note("canceled while PENDING_BUILD", app.cancel(waiting))
        app.cancel(running)

    def never_ready():
        def sleeps(spec):
            spec["services"][0]["run_command"] = "sleep 1000"

        answer = app.apps.update(app.id, body={"spec": changed(SPEC, sleeps)})
        return answer["app"]["pending_deployment"]["id"]

    with step("cancel while DEPLOYING"):
        deployment = never_ready()
        app.until_step(
            deployment,
            "waiting for the service",
            lambda found: status(found, "deploy", "components", "web", "wait") == "RUNNING",
        )
        snapshot.note("canceled while DEPLOYING", app.cancel(deployment))
        equal(app.get()["spec"], SPEC, "the spec after a cancel")

    with step("cancel while PENDING_DEPLOY"):
        app.cancel_in("PENDING_DEPLOY", never_ready)

    def green(spec):
        spec["services"][0]["envs"] = [variable("COLOR", "green")]

    with step("an update is deployed"):
        third = app.update(changed(SPEC, green))
        equal(app.get()["spec"], app.spec, "spec")
        app.until(third, "ACTIVE")
        wait_for("the color", lambda: "color green" in app.ask()[1])

    with step("a secret is kept as it was given out"):

        def secret(spec):
            spec["envs"] = [variable("TOKEN", "plain", type="SECRET")]

        updated = app.apps.update(app.id, body={"spec": changed(app.spec, secret)})["app"]
        value = updated["spec"]["envs"][0]["value"]
        holds(value.startswith("EV[1:"), f"an encrypted value: {value}")
        app.until(updated["pending_deployment"]["id"], "ACTIVE")
        again = app.apps.update(app.id, body={"spec": updated["spec"]})["app"]
        equal(again["spec"]["envs"][0]["value"], value, "the encrypted value")
        app.until(again["pending_deployment"]["id"], "ACTIVE")
    return third


def rollbacks(app, earlier):
    """Back to an earlier deployment, taken back once and kept once."""
    apps = app.apps
    with step("rollback pins, revert takes it back"):
        answer = apps.validate_rollback(app.id, body={"deployment_id": earlier})
        equal(answer["valid"], True, f"valid: {answer}")
        back = apps.create_rollback(app.id, body={"deployment_id": earlier, "skip_pin": False})
        back = back["deployment"]
        equal(back["cloned_from"], earlier, "cloned from")
        app.until(back["id"], "ACTIVE")
        equal(app.get()["pinned_deployment"]["id"], back["id"], "the pin")
        with refused(412, "precondition_failed"):
            apps.create_deployment(app.id, body={"force_build": True})
        reverted = apps.revert_rollback(app.id)["deployment"]
        app.until(reverted["id"], "ACTIVE")
        holds(app.get().get("pinned_deployment") is None, "no pin")

    with step("rollback is committed"):
        back = apps.create_rollback(app.id, body={"deployment_id": earlier})["deployment"]
        app.until(back["id"], "ACTIVE")
        apps.commit_rollback(app.id)
        holds(app.get().get("pinned_deployment") is None, "no pin")


async def asynchronously(app):
    """The same answers through the client of asyncio."""
    async with AioClient(token=TOKEN, endpoint=API) as aio:
        found = await aio.apps.get(app.id)
        equal(found["app"]["id"], app.id, "the app")
        made = await aio.apps.create_deployment(app.id, body={"force_build": True})
        deployment = made["deployment"]["id"]
        canceled = await aio.apps.cancel_deployment(app.id, deployment)
        app.check_canceled(canceled["deployment"], deployment)
