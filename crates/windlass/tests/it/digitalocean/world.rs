//! A Windlass whose GitHub is a git server of the test, and a client of its API.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use windlass::demo::api::{Answer, Api};
use windlass::demo::census::{self, Seen};
use windlass::demo::load::Load;
use windlass::demo::wait_for;
use windlass_control::testing::{GitServer, Repository};

use crate::gate::Gate;
use crate::world::{World, example, none_failed, until, until_answered};

/// Instances of the service.
pub(super) const INSTANCES: usize = 2;
/// Command of a job or build that never ends by itself: it ignores SIGTERM and starts two programs
/// that leave its session and its parent.
pub(super) const HANGS: &str = "./hello task-ignore-term";

/// The world with its sources.
pub(super) struct Site {
    pub(super) world: World,
    pub(super) api: Api,
    /// Before the git server; open until a test closes it.
    pub(super) gate: Gate,
    pub(super) git: GitServer,
}

/// An app whose version 1 serves.
pub(super) struct Shop {
    pub(super) id: String,
    /// The spec that version 1 was made of.
    pub(super) spec: Value,
    /// Its deployment.
    pub(super) base: String,
    /// Processes of version 1.
    pub(super) instances: Vec<Seen>,
    pub(super) repository: Repository,
    /// For the questions of the other worlds.
    pub(super) app: windlass::demo::platform::App,
}

impl Site {
    pub(super) fn new() -> Self {
        Self::with(&[])
    }

    /// With more flags of `windlass up`.
    pub(super) fn with(flags: &[&str]) -> Self {
        Self::of(GitServer::start(), flags)
    }

    /// With this git server as its GitHub.
    pub(super) fn of(git: GitServer, flags: &[&str]) -> Self {
        let gate = Gate::before(&git.base_url());
        let github = format!("github_url={}", gate.url());
        let own = [
            "--set",
            &github,
            "--set",
            "allow_loopback_sources=true",
            "--set",
            "git_poll_interval_s=0",
        ];
        let world = World::with(&[&own, flags].concat());
        let api = api(&world);
        Self {
            world,
            api,
            gate,
            git,
        }
    }

    /// Takes up a Windlass that was started again.
    pub(super) fn renew(&mut self) {
        self.world.renew();
        self.api = api(&self.world);
    }

    /// A repository with the example in it, pushed to `main`.
    pub(super) fn repository(&self, name: &str, files: &[(&str, &str)]) -> Repository {
        let repository = self.git.repository(name);
        for file in ["hello", "Procfile"] {
            let to = repository.work().join(file);
            std::fs::copy(example().join(file), to).expect("copied");
        }
        push(&repository, files);
        repository
    }

    pub(super) fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.api.call(method, path, body, &[]).expect("answer")
    }

    pub(super) fn get(&self, path: &str) -> Value {
        self.api.get(path).expect("answer")
    }

    /// Creates an app; its id and that of its deployment.
    pub(super) fn create(&self, spec: &Value) -> (String, String) {
        let body = json!({ "spec": spec });
        let made = self.api.post("/v2/apps", &body).expect("created");
        ids(&made)
    }

    /// Gives an app another spec and takes the newest sources; the id of the deployment.
    pub(super) fn update(&self, app: &str, spec: &Value) -> String {
        let body = json!({ "spec": spec, "update_all_source_versions": true });
        let path = format!("/v2/apps/{app}");
        let answer = self.call(Method::PUT, &path, Some(&body));
        ids(&answer.ok().expect("updated")).1
    }

    pub(super) fn app(&self, app: &str) -> Value {
        self.get(&format!("/v2/apps/{app}"))["app"].clone()
    }

    pub(super) fn deployment(&self, app: &str, deployment: &str) -> Value {
        self.get(&format!("/v2/apps/{app}/deployments/{deployment}"))["deployment"].clone()
    }

    pub(super) fn cancel(&self, app: &str, deployment: &str) -> Answer {
        let path = format!("/v2/apps/{app}/deployments/{deployment}/cancel");
        self.call(Method::POST, &path, None)
    }

    /// Waits until a deployment is in a phase; another final one fails the test.
    pub(super) fn wait_phase(&self, app: &str, deployment: &str, phase: &str) -> Value {
        wait_for(&format!("phase {phase}"), || {
            let found = self.deployment(app, deployment);
            let now = found["phase"].as_str().unwrap_or_default().to_owned();
            if now == phase {
                return Ok(Ok(found));
            }
            let last = ["ACTIVE", "ERROR", "CANCELED", "SUPERSEDED"];
            assert!(!last.contains(&now.as_str()), "not {phase}: {found:#}");
            Ok(Err(now))
        })
        .expect("came")
    }

    /// Version 1 of a shop, serving.
    pub(super) fn shop(&self) -> Shop {
        let repository = self.repository("acme/shop", &[("hello.conf", "VERSION=1\n")]);
        let spec = spec("shop");
        let (id, base) = self.create(&spec);
        self.wait_phase(&id, &base, "ACTIVE");
        let shown = self.app(&id);
        let address = shown["default_ingress"].as_str().expect("an address");
        let address: http::Uri = address.parse().expect("a URL");
        let app = windlass::demo::platform::App {
            guid: id.clone(),
            name: "shop".to_owned(),
            host: address.host().expect("a host").to_owned(),
        };
        until("version 1", || self.world.ask(&app, "/").1 == "1");
        let instances = self.world.app_processes();
        assert!(instances.len() >= INSTANCES, "{instances:?}");
        Shop {
            id,
            spec,
            base,
            instances,
            repository,
            app,
        }
    }

    /// Programs that left the session and the parent of what started them.
    pub(super) fn two_hidden(&self) -> Vec<Seen> {
        wait_for("two hidden programs", || {
            let all = self.world.app_processes();
            let is_hidden =
                |seen: &&Seen| seen.arguments.last().is_some_and(|word| word == "orphan");
            let found: Vec<Seen> = all.iter().filter(is_hidden).cloned().collect();
            if found.len() == 2 {
                return Ok(Ok(found));
            }
            let commands: Vec<String> = all.iter().map(Seen::command).collect();
            let deployments = self.world.server.json(&["deployments"])?;
            Ok(Err(format!("{commands:?}, {deployments}")))
        })
        .expect("came")
    }

    /// What runs beside version 1.
    pub(super) fn beside(&self, shop: &Shop) -> Vec<Seen> {
        let mut found = self.world.app_processes();
        found.retain(|seen| !shop.instances.contains(seen));
        found
    }

    /// What stands after a cancel: version 1 alone serves, with the same processes, and the app
    /// shows it and its spec. `beside` ran for the canceled deployment.
    pub(super) fn stands(&self, shop: &Shop, canceled: &str, load: &Load, beside: &[Seen]) {
        load.section();
        until_answered(load, 100);
        let counts = load.counts();
        assert_eq!(counts.percent("1"), 100, "{counts:?}");
        self.is_shown(shop, canceled);
        until("the cleanup", || {
            self.world.record(canceled)["cleanup"] == "done"
        });
        assert_eq!(census::survivors(beside), [], "left over");
        let kept = census::survivors(&shop.instances);
        assert_eq!(kept, shop.instances, "version 1 was started again");
    }

    /// The app and the canceled deployment as clients see them.
    pub(super) fn is_shown(&self, shop: &Shop, canceled: &str) {
        let ended = self.deployment(&shop.id, canceled);
        is_canceled(&ended);
        let app = self.app(&shop.id);
        assert_eq!(app["active_deployment"]["id"], json!(shop.base), "{app:#}");
        assert_eq!(app.get("in_progress_deployment"), None, "{app:#}");
        assert_eq!(app.get("pending_deployment"), None, "{app:#}");
        assert_eq!(app["spec"], shop.spec, "{app:#}");
        // What was asked for stays readable.
        assert_ne!(ended["spec"], shop.spec, "{ended:#}");
    }

    pub(super) fn visitors(&self, shop: &Shop) -> Load {
        let load = self.world.visitors(&shop.app);
        until_answered(&load, 20);
        load
    }

    /// Ends the visit: nothing failed; then everything stops.
    pub(super) fn end(self, load: Load) {
        none_failed(load);
        self.world.end();
    }
}

fn api(world: &World) -> Api {
    let env = &world.platform.env;
    Api::new(
        &env["WINDLASS_DIGITALOCEAN_API"],
        Path::new(&env["WINDLASS_CA_FILE"]),
        Some(&env["DIGITALOCEAN_TOKEN"]),
    )
    .expect("client")
}

fn ids(made: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    let app = &made["app"];
    (text(&app["id"]), text(&app["pending_deployment"]["id"]))
}

/// Writes files into a repository and pushes them to `main`; the commit.
pub(super) fn push(repository: &Repository, files: &[(&str, &str)]) -> String {
    for (name, content) in files {
        repository.write(name, content);
    }
    repository.push("main")
}

/// One service of two instances from the repository `acme/shop`.
pub(super) fn spec(name: &str) -> Value {
    json!({ "name": name, "services": [service("acme/shop")] })
}

pub(super) fn service(repository: &str) -> Value {
    json!({
        "name": "web",
        "github": { "repo": repository, "branch": "main" },
        "run_command": "./hello",
        "instance_count": INSTANCES,
        "instance_size_slug": "apps-s-1vcpu-0.5gb",
        "health_check": { "period_seconds": 1 },
        "termination": { "drain_seconds": 1, "grace_period_seconds": 1 },
    })
}

/// A job from the same repository.
pub(super) fn job(name: &str, kind: &str, command: &str) -> Value {
    json!({
        "name": name,
        "kind": kind,
        "github": { "repo": "acme/shop", "branch": "main" },
        "run_command": command,
        "termination": { "grace_period_seconds": 1 },
    })
}

/// As the reference says: waiting clients end, the counts add up.
pub(super) fn is_canceled(deployment: &Value) {
    assert_eq!(deployment["phase"], "CANCELED", "{deployment:#}");
    let progress = &deployment["progress"];
    let count = |name: &str| progress[name].as_u64().unwrap_or(0);
    assert!(count("error_steps") >= 1, "{progress:#}");
    assert_eq!(count("pending_steps") + count("running_steps"), 0);
    let sum = count("error_steps") + count("success_steps");
    assert_eq!(sum, count("total_steps"), "{progress:#}");
}

/// The status of a leaf of the progress tree, by the names that lead to it.
pub(super) fn leaf<'a>(deployment: &'a Value, path: &[&str]) -> &'a str {
    let mut steps = &deployment["progress"]["steps"];
    let mut status = "";
    for name in path {
        let found = steps
            .as_array()
            .and_then(|steps| steps.iter().find(|step| step["name"] == *name));
        let Some(step) = found else { return "" };
        status = step["status"].as_str().unwrap_or_default();
        steps = &step["steps"];
    }
    status
}
