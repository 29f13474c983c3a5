//! Vercel's API over real processes: sites, functions on demand, cancel of a build.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use windlass::demo::api::{Answer, Api};
use windlass::demo::census::Seen;

mod queue;
mod rolling;

use crate::world::{World, ask, until, until_gone, until_some};

/// A Windlass and a client of its Vercel API.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) api: Api,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// With more flags of `windlass up`.
    pub(crate) fn with(flags: &[&str]) -> Self {
        Self::of(World::with(flags))
    }

    fn of(world: World) -> Self {
        let env = &world.platform.env;
        let api = Api::new(
            &env["WINDLASS_VERCEL_API"],
            Path::new(&env["WINDLASS_CA_FILE"]),
            Some(&env["VERCEL_TOKEN"]),
        );
        Self {
            api: api.expect("client"),
            world,
        }
    }

    /// Creates a deployment of files; its id.
    pub(crate) fn deploy(&self, query: &str, files: &[(&str, &str)], more: &Value) -> String {
        self.deploy_to("shop", query, files, more)
    }

    /// Creates a deployment of a project; its id.
    fn deploy_to(
        &self,
        project: &str,
        query: &str,
        files: &[(&str, &str)],
        more: &Value,
    ) -> String {
        let files: Vec<Value> = files
            .iter()
            .map(|(name, content)| json!({"file": name, "data": content}))
            .collect();
        let mut body = json!({"name": project, "files": files, "source": "cli"});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let path = format!("/v13/deployments?skipAutoDetectionConfirmation=1{query}");
        let made = self.api.post(&path, &body).expect("created");
        made["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) fn deployment(&self, id: &str) -> Value {
        let path = format!("/v13/deployments/{id}");
        self.api.get(&path).expect("the deployment")
    }

    /// Waits until a deployment has its aliases.
    pub(crate) fn until_ready(&self, id: &str) -> Value {
        until_some("a deployment with its aliases", || {
            let found = self.deployment(id);
            let state = found["readyState"].as_str().unwrap_or_default();
            assert!(!["ERROR", "CANCELED"].contains(&state), "{found:#}");
            (found["aliasAssigned"] == true).then_some(found)
        })
    }

    pub(crate) fn patch(&self, path: &str) -> Answer {
        let done = self.api.call(Method::PATCH, path, None, &[]);
        done.expect("an answer")
    }

    /// What a host answers.
    pub(crate) fn visit(&self, host: &str, path: &str) -> (u16, String) {
        let router = &self.world.platform.env["WINDLASS_ROUTER_HTTP"];
        let router = router.trim_start_matches("http://").parse();
        let (status, _, body) = ask(router.expect("an address"), host, path);
        (status, body)
    }

    pub(crate) fn production(&self) -> String {
        format!("shop.{}", self.world.platform.domain_name)
    }

    /// Processes of builds and functions.
    pub(crate) fn processes(&self, word: &str) -> Vec<Seen> {
        let mut found = self.world.app_processes();
        found.retain(|seen| seen.command().contains(word));
        found
    }
}

#[test]
fn a_site_serves_and_a_rollback_is_in_force_with_its_answer() {
    let site = Site::new();
    let production = json!({"target": "production"});
    let one = site.deploy(
        "",
        &[("index.html", "one"), ("a/b.txt", "text")],
        &json!({}),
    );
    let first = site.until_ready(&one);
    let own = first["url"].as_str().expect("a host").to_owned();
    for host in [&own, &site.production()] {
        assert_eq!(site.visit(host, "/"), (200, "one".to_owned()), "{host}");
        assert_eq!(site.visit(host, "/a/b.txt"), (200, "text".to_owned()));
        assert_eq!(site.visit(host, "/nothing").0, 404);
    }
    let two = site.deploy("", &[("index.html", "two")], &production);
    site.until_ready(&two);
    assert_eq!(site.visit(&site.production(), "/").1, "two");
    assert_eq!(site.visit(&own, "/").1, "one");
    let path = format!("/v9/projects/shop/rollback/{one}");
    site.api.post(&path, &json!({})).expect("rolled back");
    assert_eq!(site.visit(&site.production(), "/").1, "one");
    // Nothing of a site without functions ever runs.
    assert_eq!(site.world.app_processes(), []);
    site.world.end();
}

#[test]
fn a_function_starts_with_the_first_request_that_needs_it() {
    let site = Site::new();
    let handler = "module.exports = (req, res) => res.status(200).send(`hello ${req.query.name}`);";
    let config = r#"{"runtime": "nodejs20.x", "handler": "index.js", "launcherType": "Nodejs",
        "shouldAddHelpers": true}"#;
    let id = site.deploy(
        "&prebuilt=1",
        &[
            (".vercel/output/config.json", r#"{"version": 3}"#),
            (".vercel/output/static/index.html", "static"),
            (".vercel/output/functions/api/hello.func/index.js", handler),
            (
                ".vercel/output/functions/api/hello.func/.vc-config.json",
                config,
            ),
        ],
        &json!({}),
    );
    site.until_ready(&id);
    assert_eq!(site.visit(&site.production(), "/").1, "static");
    assert_eq!(site.world.app_processes(), []);
    let answer = site.visit(&site.production(), "/api/hello?name=anna");
    assert_eq!(answer, (200, "hello anna".to_owned()));
    assert!(!site.world.app_processes().is_empty());
    site.world.end();
}

#[test]
fn a_deployment_shows_what_it_consists_of() {
    let site = Site::new();
    let function = ".vercel/output/functions/api/hello.func";
    let config = r#"{"runtime": "nodejs20.x", "handler": "index.js", "launcherType": "Nodejs",
        "memory": 256, "maxDuration": 7}"#;
    let id = site.deploy(
        "&prebuilt=1",
        &[
            (
                ".vercel/output/config.json",
                r#"{"version": 3, "routes": [{"src": "/a", "dest": "/index.html"}]}"#,
            ),
            (
                ".vercel/output/flags.json",
                r#"{"definitions": {"new-cart": {"description": "d"}}}"#,
            ),
            (".vercel/output/static/index.html", "static"),
            (&format!("{function}/index.js"), "module.exports = () => 1"),
            (&format!("{function}/.vc-config.json"), config),
        ],
        &json!({}),
    );
    let shown = site.until_ready(&id);
    assert_eq!(shown["routes"][0]["dest"], "/index.html");
    assert_eq!(shown["lambdas"][0]["output"][0]["path"], "api/hello");
    assert_eq!(
        shown["flags"]["definitions"]["new-cart"]["description"],
        "d"
    );
    let at = |name: &str| shown[name].as_i64().expect(name);
    assert!(at("createdAt") <= at("buildingAt") && at("buildingAt") <= at("ready"));
    let builds = site.api.get(&format!("/v11/deployments/{id}/builds"));
    let output = builds.expect("the builds")["builds"][0]["output"].clone();
    assert_eq!(output[0]["lambda"]["memorySize"], 256, "{output:#}");
    assert_eq!(output[0]["lambda"]["timeout"], 7);
    assert_eq!(
        (&output[1]["path"], &output[1]["size"]),
        (&json!("index.html"), &json!(6))
    );
    assert_eq!(site.world.app_processes(), []);
    site.world.end();
}

#[test]
fn a_canceled_build_ends_with_its_whole_tree_and_moves_nothing() {
    let site = Site::new();
    let one = site.deploy("", &[("index.html", "one")], &json!({}));
    site.until_ready(&one);
    let hangs = json!({
        "target": "production",
        "projectSettings": {
            "buildCommand": "trap '' TERM; (setsid sleep 7777 &) ; sleep 7777",
            "outputDirectory": ".",
        },
    });
    let two = site.deploy("", &[("index.html", "two")], &hangs);
    until("the processes of the build", || {
        site.processes("sleep 7777").len() >= 2
    });
    let tree = site.world.app_processes();
    let canceled = site.patch(&format!("/v12/deployments/{two}/cancel"));
    let canceled = canceled.ok().expect("canceled");
    assert_eq!(canceled["readyState"], "CANCELED");
    until_gone(&tree);
    assert_eq!(site.visit(&site.production(), "/").1, "one");
    assert_eq!(site.deployment(&two)["canceledAt"], canceled["canceledAt"]);
    let again = site.patch(&format!("/v12/deployments/{two}/cancel?again=1"));
    assert_eq!(again.status, 400);
    let shown = site.world.record(&two);
    assert_eq!(shown["cancel"]["by"], "admin", "{shown:#}");
    assert!(shown["cancel"]["client"].is_string());
    site.world.end();
}
