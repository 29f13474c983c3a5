"""Apps in Python and Node.js and static sites, built offline; and what lies beside them."""

import hashlib
import os
import uuid

import requests
from app import CA, ENV, App, changed, client
from progress import at, names
from samples import variable, web
from steps import Difference, equal, holds, step, wait_for

SECRET = f"secret-{uuid.uuid4().hex}"
PYTHON = {"name": "sample-python", "services": [web(health_check={"http_path": "/"})]}
NODE = {
    "name": "sample-nodejs",
    "services": [
        {
            "name": "web",
            "github": {"repo": "digitalocean/sample-nodejs", "branch": "main"},
            "environment_slug": "node-js",
            "routes": [{"path": "/"}],
        }
    ],
}


def site(name, path, **more):
    return {
        "name": name,
        "github": {"repo": "digitalocean/sample-html", "branch": "main"},
        "environment_slug": "html",
        "routes": [{"path": path}],
        **more,
    }


SITES = {
    "name": "sample-html",
    "static_sites": [
        site(
            "site",
            "/",
            source_dir="site",
            index_document="home.html",
            error_document="error.html",
        ),
        site("single", "/single", source_dir="single-page", catchall_document="index.html"),
    ],
}


def languages(snapshot):
    """The whole chapter."""
    pydo = client()
    python, node, sites = (App(pydo, spec) for spec in (PYTHON, NODE, SITES))
    with step("three apps are created"):
        pending = [(app, app.create()["pending_deployment"]["id"]) for app in (python, node, sites)]

    with step("they are built and served"):
        for app, deployment in pending:
            snapshot.note(app.spec["name"], app.until(deployment, "ACTIVE"))
            app.find_host()

    with step("Python: requirements.txt from vendored wheels"):
        equal(python.ask("/"), (200, "version one, color "), "the app")
        equal(python.ask("/greeting"), (200, "hello from a vendored wheel"), "its dependency")

    with step("Node.js: package-lock.json and the script build"):
        equal(node.ask("/"), (200, "made by the build"), "the app")
        equal(node.ask("/greeting"), (200, "hello from a vendored package"), "its dependency")
        holds("the page is made" in build_logs(node), "build logs")

    with step("static sites: index, error and catch-all documents"):
        equal(sites.ask("/"), (200, "<p>home</p>\n"), "the index")
        equal(sites.ask("/about/"), (200, "<p>about</p>\n"), "the index of a directory")
        equal(sites.ask("/nowhere"), (404, "<p>nothing here</p>\n"), "the error document")
        equal(sites.ask("/single/any/where"), (200, "<p>one page for all</p>\n"), "the catch-all")
        active = sites.get()["active_deployment"]
        equal(names(at(active, "deploy", "components", "site")), ["deploy"], "steps of a site")

    with step("a secret reaches the app and nothing else"):
        secret_is_kept(python)

    with step("logs are followed"):
        logs_are_followed(python)

    with step("each is in the list and is deleted"):
        listed = {app["spec"]["name"] for app in pydo.apps.list()["apps"]}
        equal(listed, {"sample-python", "sample-nodejs", "sample-html"}, "apps")
        for app in (python, node, sites):
            app.delete()
        equal(pydo.apps.list().get("apps", []), [], "apps afterwards")


def build_logs(app):
    active = app.get()["active_deployment"]["id"]
    links = app.apps.get_logs(app.id, active, "web", type="BUILD")
    return requests.get(links["historic_urls"][0], verify=CA, timeout=60).text


def secret_is_kept(app):
    """Encrypted for everybody but the app itself."""

    def change(spec):
        spec["services"][0]["envs"] = [variable("SECRET", SECRET, type="SECRET")]

    spec = changed(PYTHON, change)
    deployment = app.update(spec)
    app.until(deployment, "ACTIVE")
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    wait_for("the secret", lambda: app.ask("/secret")[1] == digest)

    def shown():
        return app.get()["spec"]["services"][0]["envs"][0]["value"]

    sealed = shown()
    holds(sealed.startswith("EV[1:") and sealed.endswith("]"), f"an encrypted value: {sealed}")
    # The plain spec again, and the encrypted one: the same value, hence the same text.
    app.until(app.update(spec), "ACTIVE")
    equal(shown(), sealed, "the value after the plain spec came again")
    app.until(app.update(app.get()["spec"]), "ACTIVE")
    equal(shown(), sealed, "the value after the encrypted spec came again")
    equal(app.ask("/secret")[1], digest, "the secret of the app")
    # Neither in a log nor in any other file of Windlass.
    for directory, _, files in os.walk(ENV["WINDLASS_SCRATCH"]):
        for name in files:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and contains(path, SECRET.encode()):
                raise Difference(f"the secret is in {path}")


def contains(path, text):
    try:
        with open(path, "rb") as file:
            return text in file.read()
    except OSError:
        # Gone meanwhile.
        return False


def logs_are_followed(app):
    """The live link goes on with what the app prints."""
    links = app.apps.get_logs_active_deployment(app.id, "web", type="RUN", follow=True)
    with requests.get(links["live_url"], verify=CA, timeout=60, stream=True) as live:
        lines = live.iter_lines(decode_unicode=True)
        holds(any("listens on" in line for line in lines), "what was printed before")
        app.ask("/say/hello")
        holds(any(line.endswith("said hello") for line in lines), "what is printed now")
