"""Commands for what there is not: each says so, and changes nothing."""

import apps
from client import Cf, ORGANIZATION, SPACE
from steps import step

VARIABLES = '{"A":"b"}'
# Commands by what they are about. All end with status 1.
COMMANDS = {
    "quotas": [
        ("create-org-quota", "q", "-m", "1G"),
        ("update-org-quota", ORGANIZATION, "-m", "1G"),
        ("delete-org-quota", ORGANIZATION, "-f"),
        ("set-org-quota", ORGANIZATION, "q"),
        ("create-space-quota", "q", "-m", "1G"),
        ("space-quota", "q"),
        ("update-space-quota", "q", "-m", "1G"),
        ("set-space-quota", SPACE, "q"),
    ],
    "buildpacks and stacks": [
        ("create-buildpack", "own", ".", "1"),
        ("update-buildpack", "go_buildpack", "--disable"),
        ("delete-buildpack", "go_buildpack", "-f"),
        ("set-label", "buildpack", "go_buildpack", "a=b"),
        ("set-label", "stack", "cflinuxfs4", "a=b"),
        ("push", "image", "--docker-image", "nginx"),
        ("push", "image", "--lifecycle", "cnb", "-b", "docker://x"),
    ],
    "networks and segments": [
        ("network-policies",),
        ("add-network-policy", "a", "b"),
        ("router-groups",),
        ("create-security-group", "g", "rules.json"),
        ("security-group", "g"),
        ("bind-security-group", "g", ORGANIZATION),
        ("bind-running-security-group", "g"),
        ("create-isolation-segment", "s"),
        ("enable-org-isolation", ORGANIZATION, "s"),
        ("set-space-isolation-segment", SPACE, "s"),
    ],
    "environment variable groups and SSH": [
        ("set-running-environment-variable-group", VARIABLES),
        ("set-staging-environment-variable-group", VARIABLES),
        ("ssh", "nothing"),
        ("ssh-code",),
    ],
    "services of brokers": [
        ("create-service", "db", "small", "mine"),
        ("create-service-broker", "b", "u", "p", "https://broker.example.test"),
        ("update-service-broker", "b", "u", "p", "https://broker.example.test"),
        ("enable-service-access", "db"),
        ("update-service", "store", "-p", "large"),
        ("create-service-key", "store", "key"),
        ("service-key", "store", "key"),
        ("share-service", "store", "-s", "other"),
        ("create-user-provided-service", "drain", "-l", "syslog://example.test"),
        ("create-user-provided-service", "front", "-r", "https://example.test"),
    ],
    "routes of several spaces": [
        ("share-route", "apps.localhost", "--hostname", "r", "-s", "other"),
        ("unshare-route", "apps.localhost", "--hostname", "r", "-s", "other"),
        ("move-route", "apps.localhost", "--hostname", "r", "-s", "other"),
        ("bind-route-service", "apps.localhost", "--hostname", "r", "store"),
        ("create-route", "apps.localhost", "--port", "1024"),
    ],
    "unknown calls": [("curl", "/v3/nothing", "--fail")],
}


def refused(transcript, through):
    """The whole chapter."""
    cf = Cf(transcript, through)
    with step("what some of them are about"):
        cf.log_in()
        cf.run("create-user-provided-service", "store", "-p", VARIABLES)
        cf.run("create-space", "other")
        cf.run("create-route", "apps.localhost", "--hostname", "r")
        apps.write(cf.home, "rules.json", "[]")
    for about, commands in COMMANDS.items():
        with step(f"not there: {about}"):
            for arguments in commands:
                status = 22 if arguments[0] == "curl" else 1
                cf.run(*arguments, status=status)
