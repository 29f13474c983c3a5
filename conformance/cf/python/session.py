"""One session of the package `cloudfoundry-client`: everything a user of it does with an app.

Reads the variables of `windlass env` and HELLO_BINARY. One line a step; exit status 1 on any
difference between what the server does and what the client needs or the API's pages say.
"""

import base64
import io
import json
import os
import re
import uuid
import zipfile
from urllib.parse import urlsplit

import requests
from cloudfoundry_client.client import CloudFoundryClient
from cloudfoundry_client.common_objects import JsonObject
from cloudfoundry_client.errors import InvalidStatusCode
from cloudfoundry_client.v3.apps import AppManager
from cloudfoundry_client.v3.entities import EntityManager, ToManyRelationship, ToOneRelationship
from cloudfoundry_client.v3.packages import PackageType

from refusal import refused
from steps import Difference, equal, holds, run, step, wait_for

ENV = os.environ
API = ENV["WINDLASS_CF_API"]
NAME = f"py-{uuid.uuid4().hex[:8]}"
INSTANCES = 4
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def to_one(guid):
    return ToOneRelationship(guid)


class Session:
    """The client, and what the steps so far have made."""

    def __init__(self):
        self.cf = CloudFoundryClient(API, verify=ENV["WINDLASS_CA_FILE"])
        v3 = self.cf.v3
        # The package has no class of its own for these two; its general one reads their links.
        self.builds = EntityManager(API, self.cf, "/v3/builds")
        self.deployments = EntityManager(API, self.cf, "/v3/deployments")
        self.apps: AppManager = v3.apps
        self.v3 = v3
        self.requests_to_app = requests.Session()

    def at(self, path):
        return f"{API}{path}"

    def post(self, path, body=None):
        return self.cf.post(self.at(path), json=body).json()

    def patch(self, path, body):
        return self.cf.patch(self.at(path), json=body).json()

    def read(self, path, **parameters):
        return self.cf.get(self.at(path), params=parameters or None).json()

    def answers(self, count):
        """How many of `count` requests through the router each version answered."""
        seen = {}
        for _ in range(count):
            answer = self.requests_to_app.get(
                ENV["WINDLASS_ROUTER_HTTP"] + "/", headers={"Host": self.host}, timeout=30
            )
            equal(answer.status_code, 200, "status of the app")
            version = answer.headers["X-Hello-Version"]
            seen[version] = seen.get(version, 0) + 1
        return seen

    # ------------------------------------------------------------ log in, tenants

    def log_in(self):
        with step("log in with user and password"):
            self.cf.init_with_user_credentials(ENV["WINDLASS_USER"], ENV["WINDLASS_PASSWORD"])
            claims = self.cf._access_token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
            holds(claims["exp"] > claims["iat"], "the token ends")
            equal(claims["user_name"], ENV["WINDLASS_USER"], "user of the token")
        with step("log in with the refresh token"):
            other = CloudFoundryClient(API, verify=ENV["WINDLASS_CA_FILE"])
            other.init_with_token(self.cf.refresh_token)
            holds(other.v3.organizations.get_first() is not None, "an organization")
        with step("an invalid token is refreshed and the call repeated"):
            self.cf._access_token = "not.a.token"
            self.cf._session.headers["Authorization"] = "Bearer not.a.token"
            holds(self.v3.organizations.get_first() is not None, "an organization")
            holds(self.cf._access_token != "not.a.token", "a new token")
        with step("a wrong password is refused"):
            other = CloudFoundryClient(API, verify=ENV["WINDLASS_CA_FILE"])
            try:
                other.init_with_user_credentials(ENV["WINDLASS_USER"], "wrong")
            except Exception as refusal:  # the package has a class of its own for each grant
                equal(getattr(refusal, "status_code", None), 401, "status of the refusal")
            else:
                raise Difference("a wrong password was accepted")

    def tenants(self):
        with step("organizations and spaces"):
            names = [row["name"] for row in self.v3.organizations.list()]
            holds(ENV["WINDLASS_ORGANIZATION"] in names, f"organizations: {names}")
            self.org = self.v3.organizations.get_first(names=ENV["WINDLASS_ORGANIZATION"])
            self.space = self.v3.spaces.get_first(
                names=ENV["WINDLASS_SPACE"], organization_guids=self.org["guid"]
            )
            equal(self.space.organization()["guid"], self.org["guid"], "organization of the space")
            included = self.v3.spaces.get_first(guids=self.space["guid"], include="organization")
            equal(included.organization()["name"], self.org["name"], "included organization")
            equal(len(self.v3.organizations) >= 1, True, "number of organizations")
        with step("create, rename, page through and delete a tenant"):
            org = self.v3.organizations.create(f"{NAME}-org", False)
            org = self.v3.organizations.update(org["guid"], f"{NAME}-tenant", None)
            spaces = [self.v3.spaces.create(f"s{n}", org["guid"])["guid"] for n in range(5)]
            listed = self.v3.spaces.list(organization_guids=[org["guid"]], per_page=2)
            equal([row["guid"] for row in listed], spaces, "spaces over three pages")
            equal(self.v3.spaces.update(spaces[0], "other")["name"], "other", "new name")
            self.v3.spaces.remove(spaces[1])
            self.v3.organizations.get_default_domain(org["guid"])
            self.v3.organizations.get_usage_summary(org["guid"])
            equal(self.v3.organizations.get_default_isolation_segment(org["guid"]).guid, None, "segment")
            job = self.v3.organizations.remove(org["guid"])
            self.complete(job)
            with refused(InvalidStatusCode, 404, 10010, "Organization not found"):
                self.v3.organizations.get(org["guid"])
        with step("users and roles"):
            user = self.v3.users.create((f"{NAME}-user", "uaa"))
            roles = {"organization_user": "organization", "space_developer": "space"}
            for kind, place in roles.items():
                guid = self.org["guid"] if place == "organization" else self.space["guid"]
                self.post("/v3/roles", {
                    "type": kind,
                    "relationships": {"user": to_one(user["guid"]), place: to_one(guid)},
                })
            kinds = [row["type"] for row in self.v3.roles.list(user_guids=user["guid"])]
            equal(sorted(kinds), sorted(roles), "roles")
            for row in self.v3.roles.list(user_guids=user["guid"], types="space_developer"):
                self.complete(self.v3.roles.remove(row["guid"]))
            self.complete(self.v3.users.remove(user["guid"]))

    def complete(self, job):
        """Waits for a job, by its address or its guid."""
        guid = job.rsplit("/", 1)[-1]
        done = self.v3.jobs.wait_for_job_completion(guid, step=0.05, step_function=lambda s: s)
        equal(done["state"], "COMPLETE", f"job {guid}")

    # ------------------------------------------------------------ from source to a running app

    def create_app(self):
        with step("create an app"):
            app = self.v3.apps._create({
                "name": NAME,
                "relationships": {"space": to_one(self.space["guid"])},
                "environment_variables": {"COLOUR": "blue"},
                "metadata": {"labels": {"kind": "session"}},
            })
            self.app = app["guid"]
            holds(TIMESTAMP.fullmatch(app["created_at"]), app["created_at"])
            equal(app["state"], "STOPPED", "state")
            equal(app.space()["guid"], self.space["guid"], "space of the app")
            found = self.v3.apps.get_first(names=NAME, space_guids=[self.space["guid"]])
            equal(found["guid"], self.app, "found by name")
            found = self.v3.apps.get_first(label_selector="kind=session", include="space.organization")
            equal(found.space().organization()["guid"], self.org["guid"], "included organization")
        with step("a taken name is refused"):
            with refused(InvalidStatusCode, 422, 10008,
                         f"App with the name '{NAME}' already exists."):
                self.v3.apps._create(
                    {"name": NAME, "relationships": {"space": to_one(self.space["guid"])}})
        with step("environment"):
            self.patch(f"/v3/apps/{self.app}/environment_variables",
                       {"var": {"SHAPE": "round", "COLOUR": None}})
            env = self.v3.apps.get_env(self.app)
            equal(env["environment_variables"], {"SHAPE": "round"}, "environment")
            application = env["application_env_json"]["VCAP_APPLICATION"]
            equal(application["application_name"], NAME, "VCAP_APPLICATION")

    def stage(self, version, configuration=""):
        """Package, upload, build; the droplet's guid."""
        package = self.v3.packages.create(self.app, PackageType.BITS)
        equal(package["state"], "AWAITING_UPLOAD", "state of a new package")
        path = os.path.join(ENV["WINDLASS_SCRATCH"], f"{version}.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            program = zipfile.ZipInfo("hello")
            program.external_attr = 0o100755 << 16
            program.compress_type = zipfile.ZIP_DEFLATED
            with open(ENV["HELLO_BINARY"], "rb") as file:
                archive.writestr(program, file.read())
            archive.writestr("Procfile", "web: ./hello\nworker: ./hello worker\ntask: ./hello task\n")
            archive.writestr("hello.conf", f"VERSION={version}\n{configuration}\n")
        self.v3.packages._upload_bits(package["guid"], path)
        ready = wait_for("the package", lambda: self.settled(self.v3.packages, package, "PROCESSING_UPLOAD"))
        equal(ready["state"], "READY", "state of the package")
        equal(ready["data"]["checksum"]["type"], "sha256", "checksum of the package")
        build = self.builds._create({
            "package": {"guid": package["guid"]},
            "lifecycle": {"type": "buildpack", "data": {"buildpacks": ["binary_buildpack"]}},
        })
        equal(build["state"], "STAGING", "state of a new build")
        staged = wait_for("the build", lambda: self.settled(self.builds, build, "STAGING"))
        equal((staged["state"], staged["error"]), ("STAGED", None), "the build")
        droplet = staged.droplet()
        equal(droplet["state"], "STAGED", "state of the droplet")
        equal(sorted(droplet["process_types"]), ["task", "web", "worker"], "process types")
        listed = self.v3.packages.list_droplets(package["guid"])
        equal([row["guid"] for row in listed], [droplet["guid"]], "droplets of the package")
        return droplet["guid"]

    @staticmethod
    def settled(manager, entity, unsettled):
        now = manager.get(entity["guid"])
        return None if now["state"] == unsettled else now

    def first_version(self):
        with step("package, upload, build, droplet"):
            self.first = self.stage("1")
        with step("current droplet"):
            body = {"data": {"guid": self.first}}
            answer = self.patch(f"/v3/apps/{self.app}/relationships/current_droplet", body)
            equal(answer["data"]["guid"], self.first, "current droplet")
            equal(self.v3.apps.get(self.app, "droplets", "current")["guid"], self.first, "read again")
        with step("scale"):
            web = self.post(f"/v3/apps/{self.app}/processes/web/actions/scale",
                            {"instances": INSTANCES, "memory_in_mb": 64, "disk_in_mb": 128})
            equal((web["instances"], web["memory_in_mb"]), (INSTANCES, 64), "the process")
            equal(self.v3.processes.get(web["guid"])["type"], "web", "type")
            command = self.patch(f"/v3/processes/{web['guid']}",
                                 {"health_check": {"type": "http", "data": {"endpoint": "/health"}}})
            equal(command["health_check"]["data"]["endpoint"], "/health", "endpoint")
        with step("route"):
            domain = self.v3.domains.get_first(names=ENV["WINDLASS_APPS_DOMAIN"])
            route = self.v3.routes.create(self.space["guid"], domain["guid"], host=NAME)
            equal(route["url"], f"{NAME}.{ENV['WINDLASS_APPS_DOMAIN']}", "address")
            self.route, self.host = route["guid"], route["url"]
            self.post(f"/v3/routes/{self.route}/destinations",
                      {"destinations": [{"app": {"guid": self.app}}]})
            of_app = [row["guid"] for row in self.v3.apps.list_routes(self.app)]
            equal(of_app, [self.route], "routes of the app")
        with step("start"):
            started = self.v3.apps.get(self.app).start()
            equal(started["state"], "STARTED", "state")
            wait_for("running instances", self.all_running)
            equal(self.answers(20), {"1": 20}, "answers")

    def all_running(self):
        rows = self.read(f"/v3/apps/{self.app}/processes/web/stats")["resources"]
        return len(rows) == INSTANCES and all(row["state"] == "RUNNING" for row in rows)

    def look_around(self):
        with step("stats"):
            rows = self.read(f"/v3/apps/{self.app}/processes/web/stats")["resources"]
            equal(sorted(row["index"] for row in rows), list(range(INSTANCES)), "indices")
            for row in rows:
                equal((row["type"], row["routable"]), ("web", True), "an instance")
                equal(row["mem_quota"], 64 * 1024 * 1024, "memory quota")
                holds(isinstance(row["usage"]["mem"], int), row["usage"])
        with step("logs"):
            wait_for("lines of every instance", lambda: set(self.log_lines()) >= {
                str(index) for index in range(INSTANCES)})
            newest = self.read(f"/api/v1/read/{self.app}", descending="true", limit="1")
            equal(len(newest["envelopes"]["batch"]), 1, "limit of one line")
        with step("revisions"):
            listed = list(self.v3.apps.list_revisions(self.app))
            equal([row["version"] for row in listed], [1], "revisions")
            equal(listed[0]["droplet"]["guid"], self.first, "droplet of the revision")
            deployed = list(self.v3.apps.list_deployed_revisions(self.app))
            equal([row["guid"] for row in deployed], [listed[0]["guid"]], "deployed revisions")
            self.revision = listed[0]["guid"]

    def log_lines(self):
        """Number of lines by instance; stamps must rise strictly."""
        batch = self.read(f"/api/v1/read/{self.app}", envelope_types="LOG", limit="1000")
        lines, last = {}, 0
        for envelope in batch["envelopes"]["batch"]:
            stamp = int(envelope["timestamp"])
            holds(stamp > last, f"stamps rise: {stamp} after {last}")
            last = stamp
            base64.b64decode(envelope["log"]["payload"], validate=True)
            if envelope["tags"]["source_type"] == "APP/PROC/WEB":
                index = envelope["instance_id"]
                lines[index] = lines.get(index, 0) + 1
        return lines

    # ------------------------------------------------------------ deployments

    def deploy(self, **fields):
        body = {"relationships": {"app": to_one(self.app)}}
        body.update(fields)
        return self.deployments._create(body)

    def status(self, deployment):
        now = self.deployments.get(deployment["guid"])["status"]
        return now["value"], now["reason"]

    def until(self, deployment, value, reason):
        wait_for(f"{value}/{reason}", lambda: self.status(deployment) == (value, reason))

    def canary(self):
        with step("canary: the first step"):
            self.second = self.stage("2")
            steps = [{"instance_weight": 25}, {"instance_weight": 50}]
            canary = self.deploy(droplet={"guid": self.second}, strategy="canary",
                                 options={"canary": {"steps": steps}})
            equal(canary["status"]["canary"]["steps"], {"current": 1, "total": 2}, "steps")
            equal(canary["previous_droplet"]["guid"], self.first, "previous droplet")
            equal(canary["options"]["max_in_flight"], 1, "max_in_flight")
            self.until(canary, "ACTIVE", "PAUSED")
            seen = self.answers(200)
            holds(20 <= seen.get("2", 0) <= 80, f"about a quarter: {seen}")
        with step("canary: found as the client of an app finds it"):
            found = self.deployments.get_first(app_guids=self.app, status_values="ACTIVE",
                                               order_by="-created_at")
            equal(found["guid"], canary["guid"], "the active deployment")
        with step("scaling the app is refused while it deploys"):
            with refused(InvalidStatusCode, 422, 10008,
                         "Cannot scale this process while a deployment is in flight."):
                self.post(f"/v3/apps/{self.app}/processes/web/actions/scale", {"instances": 2})
        with step("canary: continue"):
            paused = self.deployments.get(canary["guid"])
            continued = getattr(paused, "continue")()
            equal(continued["guid"], canary["guid"], "the deployment")
            wait_for("the second pause", lambda: self.second_pause(canary))
            seen = self.answers(200)
            holds(60 <= seen.get("2", 0) <= 140, f"about a half: {seen}")
        with step("canary: cancel"):
            canceling = self.deployments.get(canary["guid"]).cancel()
            equal(canceling["status"]["reason"], "CANCELING", "status")
            # Below the base's capacity the canary keeps a part of its share until that is back.
            wait_for("safety", lambda: self.safe(canary))
            equal(self.answers(100), {"1": 100}, "answers when safe")
            self.until(canary, "FINALIZED", "CANCELED")
            equal(self.v3.apps.get(self.app, "droplets", "current")["guid"], self.first, "droplet")
            wait_for("all instances", self.all_running)
        with step("a finished deployment is neither canceled nor continued"):
            for verb in ("cancel", "continue"):
                with refused(InvalidStatusCode, 422, 10008, f"Cannot {verb} a deployment with "
                             "status: FINALIZED and reason: CANCELED"):
                    self.post(f"/v3/deployments/{canary['guid']}/actions/{verb}")
            links = self.deployments.get(canary["guid"])["links"]
            equal(sorted(links), ["app", "self"], "links of a finished deployment")

    def full_base(self):
        with step("cancel beside a base with all its instances is safe at once"):
            canary = self.deploy(droplet={"guid": self.second}, strategy="canary")
            self.until(canary, "ACTIVE", "PAUSED")
            cancel = self.at(f"/v3/deployments/{canary['guid']}/actions/cancel")
            answer = self.cf.post(cancel, headers={"X-Windlass-Reason": "looks bad"})
            holds("X-Windlass-Time-To-Safe-Ms" in answer.headers, "the time to safe in the answer")
            equal(self.answers(100), {"1": 100}, "answers after the cancel")
            equal(answer.json()["status"]["details"]["cancel_reason"], "looks bad", "reason")
            self.until(canary, "FINALIZED", "CANCELED")

    def safe(self, deployment):
        details = self.deployments.get(deployment["guid"])["status"]["details"]
        return isinstance(details.get("time_to_safe_ms"), int)

    def second_pause(self, deployment):
        status = self.deployments.get(deployment["guid"])["status"]
        return status["reason"] == "PAUSED" and status["canary"]["steps"]["current"] == 2

    def rolling(self):
        with step("rolling"):
            rolling = self.deploy(droplet={"guid": self.second}, strategy="rolling",
                                  options={"max_in_flight": 2})
            self.until(rolling, "FINALIZED", "DEPLOYED")
            equal(self.answers(50), {"2": 50}, "answers")
            wait_for("all instances", self.all_running)
        with step("a version that never becomes healthy is canceled"):
            deaf = self.deploy(droplet={"guid": self.stage("3", "HEALTH=deaf")})
            equal(self.status(deaf), ("ACTIVE", "DEPLOYING"), "status")
            self.deployments.get(deaf["guid"]).cancel()
            self.until(deaf, "FINALIZED", "CANCELED")
            equal(self.answers(20), {"2": 20}, "answers")
        with step("roll back to a revision"):
            back = self.deploy(revision={"guid": self.revision})
            self.until(back, "FINALIZED", "DEPLOYED")
            equal(self.answers(50), {"1": 50}, "answers")
            newest = self.v3.apps.get(self.app, "revisions", order_by="-created_at")["resources"][0]
            holds("Rolled back to revision 1." in newest["description"], newest["description"])
        with step("metadata of a deployment"):
            changed = self.deployments._update(back["guid"], {"metadata": {"labels": {"a": "b"}}})
            equal(changed["metadata"]["labels"], {"a": "b"}, "labels")
            listed = self.deployments.list(app_guids=self.app, label_selector="a=b")
            equal([row["guid"] for row in listed], [back["guid"]], "found by label")

    # ------------------------------------------------------------ tasks

    def task_state(self, task, state):
        def probe():
            now = self.v3.tasks.get(task["guid"])
            return now if now["state"] == state else None
        return wait_for(f"task {state}", probe)

    def tasks(self):
        with step("a task that succeeds"):
            task = self.v3.tasks.create(self.app, "./hello task one two", name="good",
                                        memory_in_mb=64, disk_in_mb=64)
            equal((task["name"], task["sequence_id"]), ("good", 1), "the task")
            done = self.task_state(task, "SUCCEEDED")
            equal(done["result"], {"failure_reason": None}, "result")
            equal(done.app()["guid"], self.app, "app of the task")
        with step("a finished task is not canceled"):
            with refused(InvalidStatusCode, 422, 10008,
                         "Task state is SUCCEEDED and therefore cannot be canceled"):
                self.v3.tasks.cancel(task["guid"])
        with step("a task that fails says why"):
            task = self.v3.tasks.create(self.app, "./hello fail", memory_in_mb=64, disk_in_mb=64)
            reason = self.task_state(task, "FAILED")["result"]["failure_reason"]
            holds("3" in reason, reason)
        with step("a task that ignores SIGTERM is canceled"):
            task = self.v3.tasks.create(self.app, "./hello task-ignore-term", memory_in_mb=64,
                                        disk_in_mb=64)
            self.task_state(task, "RUNNING")
            equal(self.v3.tasks.get(task["guid"]).cancel()["state"], "CANCELING", "state")
            done = self.task_state(task, "FAILED")
            equal(done["result"]["failure_reason"], "task was cancelled", "reason")
        with step("list tasks"):
            listed = self.v3.tasks.list(app_guids=[self.app], states=["FAILED"], per_page=1)
            equal(len([row for row in listed]), 2, "failed tasks")
            equal(self.v3.tasks.get_first(names="good")["sequence_id"], 1, "found by name")

    # ------------------------------------------------------------ the rest

    def the_rest(self):
        with step("audit events"):
            types = {row["type"] for row in self.v3.audit_events.list(target_guids=self.app)}
            for wanted in ("audit.app.create", "audit.app.deployment.create",
                           "audit.app.deployment.cancel", "audit.app.deployment.continue",
                           "audit.app.task.create", "audit.app.task.cancel"):
                holds(wanted in types, f"{wanted} among {sorted(types)}")
        with step("the lists that a client may ask for"):
            for manager in (self.v3.buildpacks, self.v3.domains, self.v3.feature_flags,
                            self.v3.isolation_segments, self.v3.organization_quotas,
                            self.v3.security_groups, self.v3.service_brokers,
                            self.v3.service_credential_bindings, self.v3.service_instances,
                            self.v3.service_offerings, self.v3.service_plans, self.v3.stacks,
                            self.v3.users, self.v3.droplets, self.v3.packages, self.v3.processes):
                for _ in manager.list():
                    pass
        with step("a private domain, shared and not shared"):
            org = self.v3.organizations.create(f"{NAME}-org2", False)
            domain = self.v3.domains.create(f"{NAME}.example.test", False, to_one(self.org["guid"]), ToManyRelationship())
            shared = self.v3.domains.share_domain(domain["guid"], ToManyRelationship(org["guid"]))
            equal(shared.guids, [org["guid"]], "shared with")
            self.v3.domains.unshare_domain(domain["guid"], org["guid"])
            self.complete(self.v3.domains.remove(domain["guid"]))
            self.complete(self.v3.organizations.remove(org["guid"]))
        with step("weights of destinations"):
            other = self.v3.apps._create(
                {"name": f"{NAME}-2", "relationships": {"space": to_one(self.space["guid"])}})
            answer = self.patch_destinations([(self.app, 60), (other["guid"], 40)])
            equal(sorted(row["weight"] for row in answer["destinations"]), [40, 60], "weights")
            self.complete(self.v3.apps.remove(other["guid"]))
        with step("copy a package and a droplet, download the droplet"):
            other = self.v3.apps._create(
                {"name": f"{NAME}-3", "relationships": {"space": to_one(self.space["guid"])}})
            package = self.v3.packages.get_first(app_guids=self.app)
            copy = self.v3.packages.copy(package["guid"], other["guid"])
            ready = wait_for("the copy", lambda: self.settled(self.v3.packages, copy, "COPYING"))
            equal(ready["data"]["checksum"], package["data"]["checksum"], "checksum")
            copy = self.v3.droplets.copy(self.first, other["guid"])
            wait_for("the copy", lambda: self.settled(self.v3.droplets, copy, "COPYING"))
            bits = self.cf.get(self.at(f"/v3/droplets/{self.first}/download")).content
            holds(len(bits) > 1000, f"{len(bits)} bytes")
            self.complete(self.v3.apps.remove(other["guid"]))
        with step("stop, restart, terminate an instance"):
            equal(self.post(f"/v3/apps/{self.app}/actions/stop")["state"], "STOPPED", "state")
            equal(self.v3.apps.restart(self.app)["state"], "STARTED", "state")
            wait_for("all instances", self.all_running)
            answer = self.cf.delete(self.at(f"/v3/apps/{self.app}/processes/web/instances/0"))
            equal(answer.status_code, 204, "status")
            wait_for("all instances", self.all_running)

    def patch_destinations(self, weights):
        rows = [{"app": {"guid": guid}, "weight": weight} for guid, weight in weights]
        return self.patch(f"/v3/routes/{self.route}/destinations", {"destinations": rows})

    def delete(self):
        with step("delete the route and the app"):
            self.complete(self.v3.routes.remove(self.route))
            self.complete(self.v3.apps.remove(self.app))
            with refused(InvalidStatusCode, 404, 10010, "App not found"):
                self.v3.apps.get(self.app)
            equal(self.v3.apps.get_first(names=NAME), None, "found by name")


def main():
    session = Session()
    session.log_in()
    session.tenants()
    session.create_app()
    session.first_version()
    session.look_around()
    session.canary()
    session.full_base()
    session.rolling()
    session.tasks()
    session.the_rest()
    session.delete()


if __name__ == "__main__":
    run(main)
