"""What goes wrong, and what the client makes of it: something that a person can act on."""

import base64
import json
import os

import apps
import look
from client import Cf, ORGANIZATION, SPACE
from steps import step

ENV = os.environ
DOMAIN = ENV["WINDLASS_APPS_DOMAIN"]
# Each is one manifest and what is wrong with it.
MANIFESTS = {
    "memory": "applications:\n- name: wrong\n  memory: lots\n",
    "several": "applications:\n- name: wrong\n  disk_quota: 9G\n  instances: -1\n",
    "process": "applications:\n- name: wrong\n  processes:\n  - memory: 64M\n",
    "check": "applications:\n- name: wrong\n  health-check-type: smell\n",
    "domain": "applications:\n- name: wrong\n  routes:\n  - route: a.nowhere.test\n",
    "service": "applications:\n- name: wrong\n  services: [nothing]\n",
    "text": "applications: [",
    "other": "something: else\n",
}
SMALL = ("-m", "64M", "-k", "128M")


def errors(transcript, through):
    """The whole chapter."""
    cf = Cf(transcript, through)
    source = apps.folder("errors", "hello")
    who(cf, transcript, through)
    names(cf, source)
    starts(cf, source)
    staging(cf)
    manifests(cf, source)
    limits(cf, source)


def who(cf, transcript, through):
    with step("nobody, or somebody else"):
        cf.run("api", f"{through.url}/nowhere", status=1)
        cf.run("api", through.url)
        cf.run("apps", status=1)
        cf.run("auth", ENV["WINDLASS_USER"], "wrong", status=1)
        cf.run("auth", "nobody", "wrong", status=1)
        cf.run("auth", "program", "wrong", "--client-credentials", status=1)
        cf.run("auth", ENV["WINDLASS_USER"], ENV["WINDLASS_PASSWORD"])
        cf.run("apps", status=1)
        cf.run("target", "-o", "nowhere", status=1)
        cf.run("target", "-o", ORGANIZATION, "-s", "nowhere", status=1)
        cf.run("target", "-o", ORGANIZATION, "-s", SPACE)
    with step("a token that ended, and one that is not ours"):
        late = Cf(transcript, through, "late")
        late.log_in()
        change_token(late, 1)
        late.run("apps")
        change_token(late, 1, "unknown")
        late.run("apps", status=1)
        forged = Cf(transcript, through, "forged")
        forged.log_in()
        change_token(forged, 9_999_999_999)
        forged.run("apps", status=1)


def change_token(cf, ends, refresh=None):
    """Another end in the token that the client keeps, and another refresh token."""
    path = os.path.join(cf.home, ".cf", "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    head, claims, signature = config["AccessToken"].removeprefix("bearer ").split(".")
    padded = claims + "=" * (-len(claims) % 4)
    changed = json.loads(base64.urlsafe_b64decode(padded)) | {"exp": ends}
    claims = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
    config["AccessToken"] = f"bearer {head}.{claims}.{signature}"
    if refresh:
        config["RefreshToken"] = refresh
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)


def names(cf, source):
    with step("names and routes that are taken, and that do not exist"):
        cf.run("push", "mine", "-p", source, *SMALL, "--no-start", folder=source)
        cf.run("push", "other", "-p", source, *SMALL, "--no-start", folder=source)
        cf.run("rename", "other", "mine", status=1)
        cf.run("create-space", "elsewhere")
        cf.run("target", "-s", "elsewhere")
        cf.run("create-route", DOMAIN, "--hostname", "mine")
        cf.run("push", "mine", "-p", source, *SMALL, "--no-start", status=1, folder=source)
        cf.run("target", "-s", SPACE)
        cf.run("delete-space", "elsewhere", "-f")
        cf.run("app", "nothing", status=1)
        cf.run("map-route", "mine", "nowhere.test", "--hostname", "a", status=1)
        cf.run("cancel-deployment", "mine", status=1)
        cf.run("rollback", "mine", "--version", "7", "-f", status=1)
        cf.run("delete", "mine", "-f", "-r")
        cf.run("delete", "other", "-f", "-r")


def starts(cf, source):
    with step("an app that ends at once"):
        crash = apps.folder("errors", "crash")
        cf.run("push", "crash", "-p", crash, *SMALL, status=1, folder=crash)
        look.logged("crash", "this task fails with status 3")
        cf.run("delete", "crash", "-f", "-r")
    with step("an app that never listens"):
        deaf = apps.folder("errors", "deaf")
        more = (*SMALL, "-t", "180")
        cf.run("push", "deaf", "-p", deaf, *more, status=1, folder=deaf, CF_STARTUP_TIMEOUT="0.1")
        cf.run("delete", "deaf", "-f", "-r")
    with step("an app whose health check fails"):
        never = apps.folder("errors", "never")
        more = (*SMALL, "-u", "http", "--endpoint", "/health", "-t", "3")
        cf.run("push", "never", "-p", never, *more, status=1, folder=never)
        look.logged("never", "did not become healthy")
        cf.run("delete", "never", "-f", "-r")
    with step("a task without a droplet"):
        cf.run("push", "empty", "-p", source, *SMALL, "--no-start", folder=source)
        cf.run("run-task", "empty", "--command", "true", status=1)
        cf.run("delete", "empty", "-f", "-r")


def staging(cf):
    with step("staging that fails"):
        bare = apps.empty("errors", "bare")
        cf.run("push", "bare", "-p", bare, *SMALL, status=1)
        apps.folder("errors", "bare")
        cf.run("push", "bare", "-p", bare, *SMALL, status=1, folder=bare)
        cf.run("push", "bare", "-p", bare, *SMALL, "-b", "cobol_buildpack", status=1, folder=bare)
        cf.run("delete", "bare", "-f", "-r")
        broken = apps.folder("errors", "broken")
        cf.run("push", "broken", "-p", broken, *SMALL, status=1, folder=broken)
        look.logged("broken", "Invalid requirement")
        cf.run("delete", "broken", "-f", "-r")


def manifests(cf, source):
    cf.directory = source
    for name, text in MANIFESTS.items():
        with step(f"a manifest that is wrong: {name}"):
            path = apps.write(cf.home, f"{name}.yml", text)
            cf.run("push", "-f", path, status=1)
    cf.directory = cf.home
    cf.run("delete", "wrong", "-f", "-r", keep=False)


def limits(cf, source):
    with step("more than is allowed"):
        cf.run("push", "large", "-p", source, "-k", "9G", status=1)
        cf.run("push", "small", "-p", source, *SMALL, "--no-start", folder=source)
        cf.run("scale", "small", "-i", "100000", status=1)
        cf.run("delete", "small", "-f", "-r")
