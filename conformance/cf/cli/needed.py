"""What the client can't do without in an answer: members that must be there and not null.

Each was taken away from it once, and the command failed, waited for ever or went wrong.
"""

import re

# Paths, and what is needed in their answers; `[]` stands for each element.
NEEDED = [
    (r"GET /$", ["links.login.href", "links.cloud_controller_v3.meta.version"]),
    (r"POST /oauth/token", ["access_token", "token_type"]),
    (r"GET /v3/(organizations|spaces)\?", ["resources[].guid", "resources[].name"]),
    (r"GET /v3/apps\?", ["resources[].guid", "resources[].name", "resources[].state"]),
    (r"GET /v3/jobs/", ["state"]),
    (r"POST /v3/packages", ["guid", "state"]),
    (r"(POST|GET) /v3/builds", ["guid", "state"]),
    (r"POST /v3/deployments$", ["guid"]),
    (r"GET /v3/deployments/", ["status.value", "status.reason", "strategy"]),
    (r"GET /v3/deployments\?", ["resources[].guid"]),
    (r"GET /v3/apps/[^/]+/processes$", ["resources[].guid", "resources[].type"]),
    (r"GET /v3/processes/[^/]+$", ["guid", "type"]),
    (r"GET /v3/processes/[^/]+/stats", ["resources[].state", "resources[].index"]),
    (r"GET /v3/processes/[^/]+/sidecars", ["resources"]),
    (r"GET /v3/apps/[^/]+/tasks\?page", ["resources[].result"]),
    (r"GET /v3/apps/[^/]+/tasks", ["resources[].guid", "resources[].created_at"]),
    (r"(POST|PUT) /v3/.*tasks", ["guid", "sequence_id", "name", "state"]),
    (r"GET /v3/packages\?", ["resources[].guid"]),
    (
        r"GET /v3/processes\?",
        [
            "resources[].relationships.app.data.guid",
            "resources[].type",
            "resources[].process_instances[].state",
        ],
    ),
    (r"GET /v3/(apps/[^/]+/)?routes", ["resources[].guid", "resources[].destinations[].app.guid"]),
    (r"GET /v3/apps/[^/]+/revisions", ["resources[].guid"]),
    (r"GET /api/v1/info", ["version"]),
    (r"GET /v3/", []),
]


def missing(method, path, answer):
    """What is needed in an answer and not there."""
    for pattern, members in NEEDED:
        if re.match(pattern, f"{method} {path}"):
            return [name for name in members if not has(answer, name.split("."))]
    return []


def has(value, names):
    """Whether a member is there, in each element of a list that is on the way."""
    if not names:
        return value is not None
    name, rest = names[0], names[1:]
    if not isinstance(value, dict):
        return False
    if name.endswith("[]"):
        found = value.get(name[:-2])
        return isinstance(found, list) and all(has(one, rest) for one in found)
    return has(value.get(name), rest)
