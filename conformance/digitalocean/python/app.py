"""An app of the session, seen through the client."""

import copy
import json
import os

from progress import check_progress
from pydo import Client
from steps import Difference, equal, holds, wait_for
from visit import ask

ENV = os.environ
API = ENV["WINDLASS_DIGITALOCEAN_API"]
TOKEN = ENV["DIGITALOCEAN_TOKEN"]
CA = ENV["WINDLASS_CA_FILE"]
OVER = ("ACTIVE", "ERROR", "CANCELED", "SUPERSEDED")


def client():
    """The client as its pages show it."""
    return Client(token=TOKEN, endpoint=API, connection_verify=CA)


def changed(spec, change):
    """A copy of a spec; `change` works on it."""
    new = copy.deepcopy(spec)
    change(new)
    return new


class App:
    """One app. `spec` is the one that it was given last."""

    def __init__(self, pydo, spec):
        self.pydo = pydo
        self.apps = pydo.apps
        self.spec = spec
        self.id = None
        self.host = None

    def create(self):
        """Creates it; its first deployment need not be over."""
        made = self.apps.create(body={"spec": self.spec})["app"]
        equal(made["spec"], self.spec, "the spec")
        self.id = made["id"]
        return made

    def created(self):
        """Creates it and waits until it serves. Gives the deployment."""
        pending = self.create()["pending_deployment"]["id"]
        active = self.until(pending, "ACTIVE")
        self.find_host()
        return active

    def find_host(self):
        app = self.get()
        holds(app["live_url"], "a live URL")
        self.host = app["live_domain"]

    def get(self):
        return self.apps.get(self.id)["app"]

    def ask(self, path="/"):
        return ask(self.host, path)

    def update(self, spec):
        """Gives it another spec. Gives the id of the deployment."""
        answer = self.apps.update(self.id, body={"spec": spec})["app"]
        self.spec = spec
        return answer["pending_deployment"]["id"]

    def deployment(self, deployment):
        found = self.apps.get_deployment(self.id, deployment)["deployment"]
        check_progress(found)
        return found

    def until(self, deployment, *phases):
        """Waits for one of these phases; any end that is not among them is a difference."""

        def probe():
            found = self.deployment(deployment)
            if found["phase"] in phases:
                return found
            if found["phase"] in OVER:
                raise Difference(f"{found['phase']} instead of {phases}: {json.dumps(found)}")
            return None

        return wait_for(f"{deployment} is {phases}", probe)

    def until_step(self, deployment, what, is_reached):
        """Waits until the tree of an open deployment is as wanted."""

        def probe():
            found = self.deployment(deployment)
            if is_reached(found):
                return found
            if found["phase"] in OVER:
                raise Difference(f"{found['phase']} without {what}: {json.dumps(found)}")
            return None

        return wait_for(what, probe)

    def delete(self):
        equal(self.apps.delete(self.id), {"id": self.id}, "the answer")
        equal(self.apps.get(self.id)["id"], "not_found", "the app afterwards")
        wait_for("nothing answers", lambda: self.ask()[0] == 404)
