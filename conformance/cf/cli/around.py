"""What is around apps: other ways to log in, to bring code and to set things; switches, services."""

import json
import os

import apps
import look
from client import Cf, ORGANIZATION, SPACE
from steps import equal, holds, step
from visit import ask

ENV = os.environ
DOMAIN = ENV["WINDLASS_APPS_DOMAIN"]
SMALL = ("-m", "64M", "-k", "128M")
MANIFEST = f"""\
applications:
- name: ready
  instances: 2
  memory: 64M
  disk_quota: 128M
  buildpacks: [binary_buildpack]
  timeout: 60
  readiness-health-check-type: http
  readiness-health-check-http-endpoint: /health
  readiness-health-check-interval: 5
  routes:
  - route: ready.{DOMAIN}
    options:
      loadbalancing: round-robin
"""
UNREADY = """\
applications:
- name: unready
  memory: 64M
  disk_quota: 128M
  health-check-type: process
  readiness-health-check-type: http
  readiness-health-check-http-endpoint: /health
"""
BOUND = """\
applications:
- name: hello
  services: [store]
"""


def around(transcript, through):
    """The whole chapter."""
    cf = Cf(transcript, through)
    source = apps.folder("around", "first")
    log_in(cf, transcript, through)
    push(cf, source)
    code(cf, apps.folder("around", "second"))
    services(cf, apps.folder("around", "third"))
    routes(cf)
    switches(cf)
    tenants(cf)
    with step("removal"):
        for name in ("hello", "ready", "copy"):
            cf.run("delete", name, "-f", "-r")


def log_in(cf, transcript, through):
    with step("log in with one command"):
        who = ("-u", ENV["WINDLASS_USER"], "-p", ENV["WINDLASS_PASSWORD"])
        cf.run("login", "-a", through.url, *who, "-o", ORGANIZATION, "-s", SPACE)
        cf.run("auth", ENV["WINDLASS_USER"], ENV["WINDLASS_PASSWORD"], "--origin", "uaa")
        cf.run("target", "-o", ORGANIZATION, "-s", SPACE)
    with step("somebody with one role only"):
        cf.run("create-user", "eve", "secret of eve")
        cf.run("set-space-role", "eve", ORGANIZATION, SPACE, "SpaceAuditor")
        eve = Cf(transcript, through, "eve")
        eve.run("api", through.url)
        eve.run("auth", "eve", "secret of eve")
        eve.run("target", "-o", ORGANIZATION, "-s", SPACE)
        eve.run("apps")
        eve.run("create-app", "own", status=1)
        eve.run("create-space", "own", status=1)
        cf.run("unset-space-role", "eve", ORGANIZATION, SPACE, "SpaceAuditor")
        eve.run("apps")
        eve.run("target", "-s", SPACE, status=1)
        cf.run("delete-user", "eve", "-f")


def push(cf, source):
    with step("push with a command, a buildpack and sizes"):
        more = ("-c", "./hello", "-b", "binary_buildpack", "-i", "2", "-t", "60")
        cf.run("push", "hello", "-p", source, *SMALL, *more, folder=source)
        look.settled("hello", "web", "web")
        cf.run("app", "hello")
    with step("push a manifest with a readiness check"):
        path = apps.write(cf.home, "ready.yml", MANIFEST)
        cf.directory = source
        cf.run("push", "-f", path, folder=source)
        cf.directory = cf.home
        look.settled("ready", "web", "web")
        cf.run("app", "ready")
        cf.run("get-readiness-health-check", "ready")
        cf.run("get-health-check", "ready")
    with step("an app that runs and is never ready"):
        never = apps.folder("around", "never")
        path = apps.write(cf.home, "unready.yml", UNREADY)
        cf.run("push", "-f", path, "-p", never, folder=never)
        look.unready("unready")
        cf.run("app", "unready")
        equal(ask(f"unready.{DOMAIN}")[0], 503, "status of an app that is not ready")
        cf.run("delete", "unready", "-f", "-r")


def code(cf, source):
    with step("an app, code that comes from another, droplets by hand"):
        cf.run("create-app", "copy")
        cf.run("copy-source", "hello", "copy", "--no-restart")
        cf.run("packages", "copy")
        cf.run("copy-source", "hello", "copy")
        cf.run("delete", "copy", "-f", "-r")
    with step("a droplet of an older version is set, and one that lies in a file is pushed"):
        kept = os.path.join(cf.home, "first.tgz")
        cf.run("download-droplet", "hello", "-p", kept)
        first = look.droplet("hello")
        cf.run("push", "hello", "-p", source, "--no-start", folder=source)
        cf.run("start", "hello")
        look.settled("hello", "web", "web")
        equal(version(), "second", "version")
        cf.run("set-droplet", "hello", first)
        cf.run("restart", "hello")
        equal(version(), "first", "version")
        cf.run("set-droplet", "hello", "00000000-0000-0000-0000-000000000000", status=1)
        droplet = ("--droplet", kept, *SMALL, "--no-route")
        cf.run("push", "copy", *droplet)
        look.settled("copy", "web")
        cf.run("droplets", "copy")


def version():
    """Which one answers: the command has waited for it."""
    return json.loads(ask(f"hello.{DOMAIN}")[1])["version"]


def services(cf, source):
    with step("a cancel takes back the services that the push has bound"):
        cf.run("create-user-provided-service", "store", "-p", '{"uri":"a"}', "-t", "sql, big")
        cf.run("update-user-provided-service", "store", "-p", '{"uri":"b"}')
        path = apps.write(cf.home, "bound.yml", BOUND)
        arguments = ("push", "hello", "-f", path, "-p", source, "--strategy", "canary")
        cf.run(*arguments, folder=source)
        cf.run("services")
        holds('"uri": "b"' in cf.run("env", "hello", keep=False).out, "credentials")
        cf.run("cancel-deployment", "hello")
        look.ended("hello", "FINALIZED", "CANCELED")
        cf.run("services")
        cf.run("env", "hello")
        cf.run("rename-service", "store", "shop")
        cf.run("purge-service-instance", "shop", "-f")
        cf.run("services")


def routes(cf):
    with step("options of routes, domains of several organizations"):
        cf.run("create-route", DOMAIN, "--hostname", "even", "--path", "a")
        at = (DOMAIN, "--hostname", "even", "--path", "a")
        cf.run("update-route", *at, "--option", "loadbalancing=least-connection")
        cf.run("route", *at)
        cf.run("update-route", *at, "--remove-option", "loadbalancing")
        cf.run("update-route", *at, "--option", "loadbalancing=dice", status=1)
        cf.run("map-route", "hello", *at)
        cf.run("update-destination", "hello", *at, "--app-protocol", "http2")
        cf.run("routes")
        cf.run("delete-route", *at, "-f")
        cf.run("delete-route", *at, "-f")
        cf.run("create-org", "other")
        cf.run("create-private-domain", ORGANIZATION, "own.example.test")
        cf.run("share-private-domain", "other", "own.example.test")
        cf.run("unshare-private-domain", "other", "own.example.test", typed="y\n")
        cf.run("create-private-domain", "other", "own.example.test")
        cf.run("delete-private-domain", "own.example.test", "-f")


def switches(cf):
    with step("switches"):
        cf.run("disable-feature-flag", "task_creation")
        cf.run("feature-flag", "task_creation")
        cf.run("enable-feature-flag", "task_creation")
        cf.run("enable-feature-flag", "diego_docker", status=1)
        cf.run("feature-flag", "nothing", status=1)
        cf.run("ssh-enabled", "hello")
        cf.run("disable-ssh", "hello")
        cf.run("enable-ssh", "hello")
        cf.run("disallow-space-ssh", SPACE)
        cf.run("space-ssh-allowed", SPACE)
        cf.run("allow-space-ssh", SPACE)
        for kind in ("process", "http", "port"):
            cf.run("set-health-check", "hello", kind, "--invocation-timeout", "2")
        cf.run("get-health-check", "hello")


def tenants(cf):
    with step("names and roles of organizations"):
        cf.run("rename-org", "other", "others")
        cf.run("create-user", "bob", "secret of bob")
        cf.run("set-org-role", "bob", "others", "BillingManager")
        cf.run("set-org-role", "bob", "others", "OrgAuditor")
        cf.run("set-org-role", "bob", "others", "King", status=1)
        cf.run("org-users", "others", "-a")
        cf.run("org-quota", "others")
        cf.run("set-label", "org", "others", "a=b")
        cf.run("labels", "org", "others")
        cf.run("delete-user", "bob", "-f")
        cf.run("delete-org", "others", "-f")
    with step("nothing to reset, nothing to upgrade"):
        cf.run("reset-space-isolation-segment", SPACE)
        cf.run("reset-org-default-isolation-segment", ORGANIZATION)
        cf.run("running-security-groups")
        cf.run("staging-security-groups")
        cf.run("staging-environment-variable-group")
        cf.run("service-access")
        cf.run("purge-service-offering", "db", "-f")
