"""Components of specs whose sources lie in `sources`."""

SIZE = {"instance_size_slug": "apps-s-1vcpu-0.5gb", "instance_count": 1}


def web(**more):
    """The service in Python, which serves the app."""
    return {
        "name": "web",
        "github": {"repo": "digitalocean/sample-python", "branch": "main"},
        "environment_slug": "python",
        "run_command": "python server.py",
        **SIZE,
        "routes": [{"path": "/"}],
        **more,
    }


def job(name, kind, what):
    """A job of shell; its word in what it prints is its name."""
    return {
        "name": name,
        "github": {"repo": "digitalocean/sample-jobs", "branch": "main"},
        "run_command": f"./job {what}",
        **SIZE,
        "termination": {"grace_period_seconds": 1},
        "kind": kind,
    }


def variable(key, value, **more):
    """A variable that no build sees: a change of it builds nothing."""
    return {"key": key, "value": value, "scope": "RUN_TIME", **more}
