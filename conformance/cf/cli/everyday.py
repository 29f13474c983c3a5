"""An app from nothing to its removal: source, scale, settings, routes, logs, and what is around."""

import os
import re
import threading

import apps
import look
from client import Cf, ORGANIZATION, SPACE
from robot import robot
from steps import POLL_S, equal, holds, step, wait_for
from visit import ask

DOMAIN = os.environ["WINDLASS_APPS_DOMAIN"]
MANIFEST = f"""\
applications:
- name: first
  memory: 64M
  disk_quota: 128M
  health-check-type: http
  health-check-http-endpoint: /health
  env:
    COLOUR: ((colour))
  routes:
  - route: first.{DOMAIN}
  - route: first.{DOMAIN}/docs
    options:
      loadbalancing: least-connection
  metadata:
    labels:
      team: blue
  processes:
  - type: worker
    instances: 1
    memory: 32M
  sidecars:
  - name: beside
    process_types: [web]
    command: sleep 100000
    memory: 8M
- name: second
  memory: 64M
  no-route: true
  command: ./hello worker
  health-check-type: process
"""


PAGE = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../../docs/compatibility/cloud-foundry.md"
)


def everyday(transcript, through):
    """The whole chapter."""
    cf = Cf(transcript, through)
    documented(cf)
    source = apps.folder("everyday", "hello")
    log_in(cf)
    push(cf, source)
    scale(cf)
    settings(cf)
    routes(cf)
    logs(cf)
    copies(cf, source)
    manifest(cf, source)
    services(cf)
    lists(cf)
    tenants(cf)
    with step("removal"):
        cf.run("delete", "hello", "-f", "-r")
        cf.run("delete", "hello", "-f")
        cf.run("apps")
        cf.run("logout")
    robot(transcript, through)


def documented(cf):
    with step("every command of the client is on the page about compatibility"):
        shown = cf.run("help", "-a", keep=False).out
        commands = re.findall(r"^   ([a-z][a-z-]+) +[A-Z]", shown, re.MULTILINE)
        holds(len(commands) > 150, f"{len(commands)} commands")
        with open(PAGE, encoding="utf-8") as file:
            page = file.read()
        missing = [name for name in commands if f"`{name}`" not in page]
        equal(missing, [], "commands that are not on the page")


def log_in(cf):
    with step("log in"):
        cf.run("apps", status=1)
        cf.log_in()
        cf.run("target")
        cf.run("orgs")
        cf.run("spaces")
        cf.run("org", ORGANIZATION)
        cf.run("space", SPACE)


def push(cf, source):
    with step("push"):
        cf.run("push", "hello", "-p", source, "-m", "64M", "-k", "128M", folder=source)
        look.settled("hello", "web")
        cf.run("app", "hello")
        cf.run("apps")
        equal(ask(f"hello.{DOMAIN}")[0], 200, "status of the app")


def scale(cf):
    with step("scale"):
        cf.run("scale", "hello", "-i", "2")
        cf.run("scale", "hello", "--process", "worker", "-i", "1", "-m", "32M", "-f")
        look.settled("hello", "web", "web", "worker")
        cf.run("scale", "hello")
    with step("stop, start, restart"):
        cf.run("stop", "hello")
        cf.run("stop", "hello")
        cf.run("start", "hello")
        cf.run("start", "hello")
        cf.run("restart", "hello")
        cf.run("restart-app-instance", "hello", "0")
        look.settled("hello", "web", "web", "worker")


def settings(cf):
    with step("variables"):
        cf.run("set-env", "hello", "COLOUR", "red")
        cf.run("set-env", "hello", "SHAPE", "round")
        cf.run("unset-env", "hello", "SHAPE")
        cf.run("unset-env", "hello", "SHAPE")
        cf.run("env", "hello")
        cf.run("restage", "hello")
        look.settled("hello", "web", "web", "worker")
        equal(ask(f"hello.{DOMAIN}", "/env?name=COLOUR")[1], "COLOUR=red\n", "variable in the app")
    with step("health checks"):
        cf.run("set-health-check", "hello", "http", "--endpoint", "/health")
        cf.run("get-health-check", "hello")
        cf.run("set-health-check", "hello", "port")
        cf.run("get-readiness-health-check", "hello")
    with step("labels"):
        cf.run("set-label", "app", "hello", "env=test", "tier=one")
        cf.run("labels", "app", "hello")
        cf.run("unset-label", "app", "hello", "tier")
        cf.run("set-label", "space", SPACE, "a=b")
        cf.run("labels", "space", SPACE)
    with step("rename"):
        cf.run("rename", "hello", "other")
        cf.run("rename", "other", "hello")


def routes(cf):
    with step("routes"):
        cf.run("create-route", DOMAIN, "--hostname", "spare")
        cf.run("check-route", DOMAIN, "--hostname", "spare")
        cf.run("check-route", DOMAIN, "--hostname", "nobody")
        cf.run("map-route", "hello", DOMAIN, "--hostname", "spare")
        cf.run("map-route", "hello", DOMAIN, "--hostname", "spare")
        options = ("--option", "loadbalancing=least-connection")
        cf.run("map-route", "hello", DOMAIN, "--hostname", "spare", "--path", "docs", *options)
        cf.run("route", DOMAIN, "--hostname", "spare", "--path", "docs")
        equal(ask(f"spare.{DOMAIN}")[0], 200, "status at the new route")
        cf.run("routes")
        cf.run("unmap-route", "hello", DOMAIN, "--hostname", "spare")
        cf.run("delete-route", DOMAIN, "--hostname", "spare", "-f")
        cf.run("unmap-route", "hello", DOMAIN, "--hostname", "spare", "--path", "docs")
        cf.run("delete-orphaned-routes", "-f")
        cf.run("routes", "--org-level")
    with step("domains"):
        cf.run("create-private-domain", ORGANIZATION, "private.example.test")
        cf.run("create-shared-domain", "shared.example.test")
        cf.run("domains")
        cf.run("delete-private-domain", "private.example.test", "-f")
        cf.run("delete-shared-domain", "shared.example.test", "-f")


def logs(cf):
    with step("logs, looked back at and followed"):
        ask(f"hello.{DOMAIN}", "/log?n=3")
        look.logged("hello", "line 3 of 3")
        recent = cf.run("logs", "hello", "--recent", keep=False).out
        holds("OUT line 3 of 3" in recent, recent)
        holds("[STG/0] OUT" in recent, recent)
        follow(cf)
    with step("events"):
        shown = cf.run("events", "hello", keep=False).out
        for wanted in ("audit.app.create", "audit.app.process.scale", "audit.app.stop"):
            holds(wanted in shown, shown)


def follow(cf):
    """It shows what comes after it has begun, and does not say when that is."""
    running = cf.start("logs", "hello")
    seen = threading.Event()

    def read():
        for line in running.stdout:
            if "line 7 of 7" in line:
                seen.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        wait_for(
            "a line that came later",
            lambda: ask(f"hello.{DOMAIN}", "/log?n=7") and seen.wait(POLL_S),
        )
    finally:
        running.kill()
        running.wait()
        reader.join()
        cf.recorder.take()


def copies(cf, source):
    with step("packages and droplets"):
        cf.run("create-package", "hello", "-p", source, folder=source)
        cf.run("packages", "hello")
        cf.run("stage-package", "hello")
        cf.run("droplets", "hello")
        kept = os.path.join(cf.home, "droplet.tgz")
        cf.run("download-droplet", "hello", "-p", kept)
        holds(os.path.getsize(kept) > 1000, "a droplet")
    with step("a manifest of what is there"):
        path = os.path.join(cf.home, "made.yml")
        cf.run("create-app-manifest", "hello", "-p", path)
        cf.run("apply-manifest", "-f", path)


def manifest(cf, source):
    with step("a manifest with two apps, processes, sidecars, routes"):
        path = apps.write(cf.home, "two.yml", MANIFEST)
        cf.directory = source
        cf.run("push", "-f", path, status=1)
        cf.run("push", "-f", path, "--var", "colour=green", "-m", "1G", status=1)
        cf.run("push", "-f", path, "--var", "colour=green", folder=source)
        look.settled("first", "web", "worker")
        look.settled("second", "web")
        cf.run("app", "first")
        cf.run("env", "first")
        cf.run("labels", "app", "first")
        cf.run("apps")
        cf.run("apply-manifest", "-f", path, "--var", "colour=green")
        cf.directory = cf.home
        cf.run("delete", "first", "-f", "-r")
        cf.run("delete", "second", "-f", "-r")
    with step("push without a start, without a route, with a random one"):
        cf.run("push", "later", "-p", source, "-m", "64M", "--no-start", folder=source)
        cf.run("app", "later")
        cf.run("start", "later")
        cf.run("delete", "later", "-f", "-r")
        cf.run("push", "hidden", "-p", source, "-m", "64M", "--no-route", folder=source)
        cf.run("delete", "hidden", "-f")
        cf.run("push", "any", "-p", source, "-m", "64M", "--random-route", folder=source)
        cf.run("delete", "any", "-f", "-r")


def services(cf):
    with step("user-provided services"):
        cf.run("marketplace")
        cf.run("services")
        cf.run("create-user-provided-service", "store", "-p", '{"uri":"postgres://u:p@h/d"}')
        cf.run("bind-service", "hello", "store")
        cf.run("bind-service", "hello", "store")
        cf.run("services")
        cf.run("service", "store")
        cf.run("env", "hello")
        cf.run("unbind-service", "hello", "store")
        cf.run("delete-service", "store", "-f")


def lists(cf):
    with step("what there is"):
        for command in ("buildpacks", "stacks", "feature-flags", "org-quotas", "space-quotas"):
            cf.run(command)
        cf.run("stack", "cflinuxfs4")
        cf.run("feature-flag", "task_creation")
        cf.run("security-groups")
        cf.run("isolation-segments")
        cf.run("service-brokers")
        cf.run("running-environment-variable-group")
        cf.run("oauth-token", keep=False)
        cf.run("curl", "/v3/apps?names=hello", keep=False)


def tenants(cf):
    with step("organizations, spaces, users, roles"):
        cf.run("create-org", "acme")
        cf.run("create-org", "acme")
        cf.run("create-space", "stage", "-o", "acme")
        cf.run("create-space", "stage", "-o", "acme")
        cf.run("create-user", "bob", "secret of bob")
        cf.run("create-user", "bob", "secret of bob")
        cf.run("set-org-role", "bob", "acme", "OrgManager")
        cf.run("set-space-role", "bob", "acme", "stage", "SpaceDeveloper")
        cf.run("set-space-role", "bob", "acme", "stage", "SpaceDeveloper")
        cf.run("org-users", "acme")
        cf.run("space-users", "acme", "stage")
        cf.run("unset-space-role", "bob", "acme", "stage", "SpaceDeveloper")
        cf.run("unset-org-role", "bob", "acme", "OrgManager")
        cf.run("delete-user", "bob", "-f")
        cf.run("target", "-o", "acme")
        cf.run("rename-space", "stage", "prod")
        cf.run("delete-space", "prod", "-f")
        cf.run("delete-org", "acme", "-f")
        cf.run("delete-org", "acme", "-f")
        cf.run("target", "-o", ORGANIZATION, "-s", SPACE)
