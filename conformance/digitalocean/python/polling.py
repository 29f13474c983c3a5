"""A push that nobody reports is found by looking at the branch."""

from app import App, changed, client
from repository import change, head
from samples import web
from steps import equal, step, wait_for

SPEC = {
    "name": "sample-polling",
    "services": [web()],
}


def deploys_on_push(spec):
    spec["services"][0]["github"]["deploy_on_push"] = True


def polling(snapshot):
    """The whole chapter."""
    app = App(client(), changed(SPEC, deploys_on_push))
    with step("an app that is deployed on push"):
        first = app.created()
        equal(first["services"][0]["source_commit_hash"], head("sample-python"), "commit")

    with step("a push is found without a report"):
        commit = change("sample-python", "server.py", 'VERSION = "one"', 'VERSION = "two"')

        def newer():
            newest = app.apps.list_deployments(app.id)["deployments"][0]
            return None if newest["id"] == first["id"] else newest["id"]

        second = wait_for("another deployment", newer)
        active = app.until(second, "ACTIVE")
        cause = f"commit {commit[:7]} pushed to github/digitalocean/sample-python"
        equal(active["cause"], cause, "cause")
        equal(active["services"][0]["source_commit_hash"], commit, "commit")
        equal(active["cause_details"]["type"], "DEPLOY_ON_PUSH", "kind")
        equal(active["cause_details"]["git_push"]["commit_sha"], commit, "commit of the push")
        equal(active["previous_deployment_id"], first["id"], "the deployment before")
        wait_for("version two", lambda: app.ask()[1] == "version two, color ")
        snapshot.note("a push, found and deployed", active)

    with step("it is deployed once"):
        equal(app.apps.list_deployments(app.id)["meta"]["total"], 2, "deployments")

    with step("the app is deleted"):
        app.delete()
