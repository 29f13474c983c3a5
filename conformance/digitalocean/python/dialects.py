"""Apps of two APIs on one Windlass: neither sees those of the other."""

import requests
from app import CA, ENV, App, client
from languages import SITES
from steps import equal, holds, step
from windlass import windlass


def foundry(method, path, body=None):
    """A call of the Cloud Foundry API."""
    return requests.request(
        method,
        f"{ENV['WINDLASS_CF_API']}{path}",
        json=body,
        headers={"Authorization": f"bearer {ENV['WINDLASS_TOKEN']}"},
        verify=CA,
        timeout=60,
    )


def dialects(_):
    """The whole chapter."""
    sites = App(client(), SITES)
    with step("an app of each API"):
        deployment = sites.created()["id"]
        space = foundry("GET", f"/v3/spaces?names={ENV['WINDLASS_SPACE']}").json()
        space = {"data": {"guid": space["resources"][0]["guid"]}}
        made = foundry(
            "POST", "/v3/apps", {"name": "foundry", "relationships": {"space": space}}
        )
        equal(made.status_code, 201, "status")
        guid = made.json()["guid"]

    with step("each list has its own"):
        ours = [app["id"] for app in sites.apps.list()["apps"]]
        theirs = [app["guid"] for app in foundry("GET", "/v3/apps").json()["resources"]]
        equal((ours, theirs), ([sites.id], [guid]), "apps")
        equal(foundry("GET", "/v3/deployments").json()["resources"], [], "deployments over there")
        equal(foundry("GET", f"/v3/apps/{sites.id}").status_code, 404, "ours over there")
        equal(foundry("GET", f"/v3/deployments/{deployment}").status_code, 404, "ours over there")
        equal(sites.apps.get(guid)["id"], "not_found", "theirs here")

    with step("the command line has both"):
        shown = {one["id"]: one["dialect"] for one in windlass("deployments")}
        equal(shown.get(deployment), "digitalocean", "dialect")

    with step("a deletion of one leaves the other"):
        sites.delete()
        equal(foundry("GET", f"/v3/apps/{guid}").status_code, 200, "theirs")
        holds(not sites.apps.list().get("apps"), "ours")
