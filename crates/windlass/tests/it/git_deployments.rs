//! Deployments of Vercel's API from a git repository, over real processes: what is built, the queue
//! of a branch, cancel while the source is fetched and while it is built.

use serde_json::{Value, json};
use windlass_control::testing::{GitServer, Repository};

use crate::gate::Gate;
use crate::vercel::Site;
use crate::world::{until, until_gone, until_some};

/// A Windlass whose GitHub is a git server of the test.
struct Hub {
    site: Site,
    gate: Gate,
    repository: Repository,
    _git: GitServer,
}

impl Hub {
    fn new() -> Self {
        let git = GitServer::start();
        let gate = Gate::before(&git.base_url());
        let github = format!("github_url={}", gate.url());
        let site = Site::with(&["--set", &github, "--set", "allow_loopback_sources=true"]);
        let owner_and_name = "acme/shop";
        let repository = git.repository(owner_and_name);
        Self {
            site,
            gate,
            repository,
            _git: git,
        }
    }

    /// Creates a deployment of a branch; the whole answer.
    fn deploy(&self, branch: &str, more: &Value) -> Value {
        let mut body = json!({
            "name": "shop",
            "gitSource": {"type": "github", "org": "acme", "repo": "shop", "ref": branch},
        });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let path = "/v13/deployments?skipAutoDetectionConfirmation=1";
        self.site.api.post(path, &body).expect("created")
    }

    fn until_state(&self, id: &str, state: &str) -> Value {
        until_some(state, || {
            let found = self.site.deployment(id);
            (found["readyState"] == state).then_some(found)
        })
    }

    fn cancel(&self, id: &str) -> Value {
        let canceled = self.site.patch(&format!("/v12/deployments/{id}/cancel"));
        canceled.ok().expect("canceled")
    }
}

fn id(deployment: &Value) -> String {
    deployment["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_branch_is_built_with_what_its_commit_says() {
    let hub = Hub::new();
    let build = "mkdir out && echo $VERCEL_GIT_COMMIT_REF $VERCEL_GIT_COMMIT_SHA \
                 $VERCEL_GIT_REPO_OWNER > out/index.html && cp ../shared.txt out/";
    let settings = json!({"buildCommand": build, "outputDirectory": "out"});
    hub.repository.write("shared.txt", "shared");
    let commit = hub
        .repository
        .write("web/vercel.json", settings.to_string())
        .push("main");
    let root = json!({"projectSettings": {"rootDirectory": "web"}});
    let made = hub.deploy("main", &root);
    assert_eq!(made["gitSource"]["sha"], commit.as_str());
    let ready = hub.site.until_ready(&id(&made));
    assert_eq!(ready["meta"]["githubCommitSha"], commit.as_str());
    let production = hub.site.production();
    assert_eq!(
        hub.site.visit(&production, "/").1.trim(),
        format!("main {commit} acme")
    );
    assert_eq!(hub.site.visit(&production, "/shared.txt").1, "shared");
    // A domain of the project leads there from the answer on.
    let domain = format!("www-shop.{}", hub.site.world.platform.domain_name);
    let body = json!({ "name": domain });
    let added = hub.site.api.post("/v10/projects/shop/domains", &body);
    added.expect("a domain");
    assert_eq!(hub.site.visit(&domain, "/shared.txt").1, "shared");

    let ignored = json!({"ignoreCommand": "test -f skip", "outputDirectory": "."});
    hub.repository
        .write("web/skip", "")
        .write("web/vercel.json", ignored.to_string())
        .push("main");
    let skipped = hub.deploy("main", &root);
    let skipped = hub.until_state(&id(&skipped), "CANCELED");
    let text = skipped["errorMessage"].as_str().expect("a text");
    assert!(text.contains("Ignored Build Step"), "{text}");
    assert_eq!(
        hub.site.visit(&production, "/").1.trim(),
        format!("main {commit} acme")
    );
    hub.site.world.end();
}

#[test]
fn a_branch_queues_its_newest_and_every_phase_can_be_canceled() {
    let hub = Hub::new();
    let hangs = json!({"buildCommand": "trap '' TERM; (setsid sleep 7788 &) ; sleep 7788"});
    hub.repository
        .write("vercel.json", hangs.to_string())
        .push("slow");
    hub.repository
        .write("vercel.json", "{}")
        .write("index.html", "one")
        .push("main");
    hub.gate.close();
    let fetched = [
        hub.deploy("main", &json!({})),
        hub.deploy("slow", &json!({})),
    ];
    for one in &fetched {
        hub.until_state(&id(one), "INITIALIZING");
    }
    hub.gate.wait_hanging();
    let older = hub.deploy("main", &json!({}));
    assert_eq!(
        hub.until_state(&id(&older), "QUEUED")["canceledAt"],
        Value::Null
    );
    let newer = hub.deploy("main", &json!({}));
    let left_out = hub.until_state(&id(&older), "CANCELED");
    let reason = left_out["readyStateReason"].as_str().expect("a reason");
    assert!(reason.contains(&id(&newer)), "{reason}");

    // While its source is fetched: at once, and what fetches is gone. Its slot is free.
    let fetching = hub.site.world.app_processes();
    assert!(!fetching.is_empty());
    let canceled = hub.cancel(&id(&fetched[0]));
    assert_eq!(canceled["readyState"], "CANCELED");
    hub.until_state(&id(&newer), "INITIALIZING");
    // Queued.
    let queued = hub.deploy("slow", &json!({}));
    assert_eq!(hub.cancel(&id(&queued))["readyState"], "CANCELED");
    hub.gate.open();
    hub.site.until_ready(&id(&newer));
    // While it is built.
    hub.until_state(&id(&fetched[1]), "BUILDING");
    until("the processes of the build", || {
        hub.site.processes("sleep 7788").len() >= 2
    });
    let tree = hub.site.world.app_processes();
    assert_eq!(hub.cancel(&id(&fetched[1]))["readyState"], "CANCELED");
    until_gone(&tree);
    until_gone(&fetching);
    for one in &fetched {
        assert_eq!(hub.site.deployment(&id(one))["readyState"], "CANCELED");
    }
    hub.site.world.end();
}
