"""The progress tree of a deployment."""

from steps import equal, holds


def leaves(step):
    """All steps without steps."""
    for child in step.get("steps", []):
        if child.get("steps"):
            yield from leaves(child)
        else:
            yield child


def at(deployment, *names):
    """The step at a path of names; None if there is none."""
    step = deployment["progress"]
    for name in names:
        step = next((s for s in step.get("steps", []) if s["name"] == name), None)
        if step is None:
            return None
    return step


def status(deployment, *names):
    """Where the step at a path of names stands; None if there is none."""
    step = at(deployment, *names)
    return step and step["status"]


def names(step):
    """Names of the steps of a step."""
    return [child["name"] for child in step.get("steps", [])]


def check_progress(deployment):
    """The counters add up and are those of the leaves."""
    progress = deployment["progress"]
    found = list(leaves(progress))
    words = {"PENDING": "pending", "RUNNING": "running", "SUCCESS": "success", "ERROR": "error"}
    for word, name in words.items():
        count = sum(1 for leaf in found if leaf["status"] == word)
        equal(progress.get(f"{name}_steps", 0), count, f"{name}_steps")
    equal(progress["total_steps"], len(found), "total_steps")
    success = progress.get("success_steps", 0) == progress["total_steps"]
    if deployment["phase"] == "ACTIVE":
        holds(success, "all steps of an active deployment succeeded")
    elif deployment["phase"] in ("CANCELED", "ERROR"):
        holds(not success, "a deployment that failed is no success")
        holds(progress.get("error_steps", 0) >= 1, "a deployment that failed has an error")
    return progress
