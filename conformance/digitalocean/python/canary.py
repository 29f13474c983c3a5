"""A canary: weighted steps that wait to be continued."""

from app import App, changed, client
from azure.core.rest import HttpRequest
from progress import at, names, status
from samples import variable, web
from steps import equal, holds, step, wait_for
from visit import Load
from windlass import record, windlass

SPEC = {
    "name": "sample-canary",
    "services": [web()],
}
# Answers of which a share is read. Each worker of the router deals out whole percents exactly over
# 100 answers; at both ends of a sample a worker may be off by one.
SAMPLE = 200
TOLERANCE_PERCENT = 2


def canary_of(color):
    """The spec with two steps and another color."""

    def change(spec):
        spec["features"] = ["windlass.canary=10,50"]
        spec["services"][0]["envs"] = [variable("COLOR", color)]

    return changed(SPEC, change)


def pauses_at(app, deployment, weight):
    """Waits until the canary waits at a step."""
    leaf = f"weight-{weight}"
    app.until_step(
        deployment,
        f"a pause at {weight} %",
        lambda found: status(found, "deploy", "canary", leaf) == "RUNNING"
        and record(deployment)["state"] == "paused",
    )
    # What was looked at may be from before the pause, of which only the record has told.
    return app.deployment(deployment)


def has_share(load, color, percent):
    """The answers of a color are its share of all. Only the load asks: it sees all answers."""
    texts = load.sample(SAMPLE)
    found = 100 * texts[f"version one, color {color}"] / texts.total()
    is_close = abs(found - percent) <= (TOLERANCE_PERCENT if 0 < percent < 100 else 0)
    holds(is_close, f"{percent} % of the answers are of {color!r}: {texts}")


def go_on(app, deployment):
    """The call of Windlass that continues; through the client, as any call it has no name for."""
    path = f"/v2/apps/{app.id}/deployments/{deployment}/continue"
    answer = app.pydo.send_request(HttpRequest("POST", path))
    equal(answer.status_code, 200, f"status ({answer.text()})")
    equal(answer.json()["deployment"]["id"], deployment, "the deployment")


def canary(snapshot):
    """The whole chapter."""
    app = App(client(), SPEC)
    with step("an app without a canary"):
        first = app.created()["id"]

    with Load(app.host) as load:
        with step("a canary waits at 10 %"):
            deployment = app.update(canary_of("green"))
            found = pauses_at(app, deployment, 10)
            equal(names(at(found, "deploy", "canary")), ["weight-10", "weight-50"], "steps")
            snapshot.note("at 10 %", found)
            has_share(load, "green", 10)

        with step("the documented call moves it to 50 %"):
            go_on(app, deployment)
            snapshot.note("at 50 %", pauses_at(app, deployment, 50))
            has_share(load, "green", 50)

        with step("`windlass deployment continue` moves it to its end"):
            windlass("deployment", "continue", deployment)
            snapshot.note("active", app.until(deployment, "ACTIVE"))
            has_share(load, "green", 100)
            equal(app.deployment(first)["phase"], "SUPERSEDED", "the first one")

        with step("a canary is canceled while it waits"):
            blue = app.update(canary_of("blue"))
            pauses_at(app, blue, 10)
            canceled = app.apps.cancel_deployment(
                app.id, blue, headers={"X-Windlass-Reason": "blue is no color"}
            )["deployment"]
            snapshot.note("canceled at 10 %", canceled)
            has_share(load, "blue", 0)
            has_share(load, "green", 100)
            equal(app.get()["active_deployment"]["id"], deployment, "what is active")
            equal(app.get()["spec"], canary_of("green"), "the spec after a cancel")
            shown = wait_for("its record", lambda: ended(blue))
            equal(shown["cancel"]["reason"], "blue is no color", "reason")
            holds("pydo" in shown["cancel"]["client"], f"client: {shown['cancel']}")

        with step("a deployment of pydo is canceled by the command line"):
            blue = app.update(canary_of("blue"))
            pauses_at(app, blue, 10)
            windlass("deployment", "cancel", blue, "--reason", "still none")
            equal(app.deployment(blue)["phase"], "CANCELED", "phase")
            shown = wait_for("its record", lambda: ended(blue))
            equal(shown["cancel"]["reason"], "still none", "reason")
            holds(shown["cancel"]["by"], "who")
            holds("pydo" not in shown["cancel"]["client"], f"client: {shown['cancel']}")
            has_share(load, "green", 100)

    with step("no request failed all the while"):
        equal(load.failed, [], "failed requests")

    with step("the app is deleted"):
        app.delete()


def ended(deployment):
    found = record(deployment)
    is_safe = isinstance(found["time_to_safe_ms"], (int, float))
    return found if is_safe and found["outcome"] == "canceled" else None
