//! The chapter of the DigitalOcean API: an app from a git repository on this machine.

use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::api::{Answer, Api};
use super::failure::{Failure, wait_for};
use super::load::{Load, Visit};
use super::platform::{Platform, text};
use super::pydo::Pydo;
use super::report::Report;
use super::repository::{self, BRANCH, Repository};
use super::server::Server;
use super::shares;

/// Visitors that keep their connection, and those that do not.
const KEEPING: usize = 6;
const PASSING: usize = 2;
/// Pause of a visitor between two requests.
const PAUSE: Duration = Duration::from_millis(20);
/// What the second version is given of the traffic before it is canceled, percent.
const WEIGHT: u64 = 25;
/// Why it is canceled.
const REASON: &str = "a demo of cancel";
/// Header with the time to safe.
const TIME_TO_SAFE: &str = "x-windlass-time-to-safe-ms";

/// An app over this API.
struct Chapter<'a> {
    server: &'a Server,
    report: &'a mut Report,
    client: Client,
    app: String,
}

/// Who asks: pydo for what changes something, where the machine has it, else we ourselves.
struct Client {
    api: Api,
    pydo: Option<Pydo>,
}

impl Client {
    fn create(&self, body: &Value) -> Result<Answer, Failure> {
        match &self.pydo {
            Some(pydo) => pydo.call("create", &[], Some(body), &[]),
            None => self.api.call(Method::POST, "/v2/apps", Some(body), &[]),
        }
    }

    fn update(&self, app: &str, body: &Value) -> Result<Answer, Failure> {
        let path = format!("/v2/apps/{app}");
        match &self.pydo {
            Some(pydo) => pydo.call("update", &[app], Some(body), &[]),
            None => self.api.call(Method::PUT, &path, Some(body), &[]),
        }
    }

    fn cancel(&self, app: &str, deployment: &str) -> Result<Answer, Failure> {
        let headers = [("x-windlass-reason", REASON)];
        let path = format!("/v2/apps/{app}/deployments/{deployment}/cancel");
        match &self.pydo {
            Some(pydo) => pydo.call("cancel_deployment", &[app, deployment], None, &headers),
            None => self.api.call(Method::POST, &path, None, &headers),
        }
    }

    fn delete(&self, app: &str) -> Result<Answer, Failure> {
        let path = format!("/v2/apps/{app}");
        match &self.pydo {
            Some(pydo) => pydo.call("delete", &[app], None, &[]),
            None => self.api.call(Method::DELETE, &path, None, &[]),
        }
    }
}

/// Deploys two versions of the example and cancels the second in the middle.
pub(super) fn play(server: &Server, files: &Path, report: &mut Report) -> Result<(), Failure> {
    report.title("DigitalOcean's API: the same example, from a git repository");
    if !repository::can_be_made() {
        report.say("left out: this machine has no git");
        return Ok(());
    }
    let platform = Platform::of(server, None)?;
    let variable = |name: &str| {
        platform
            .env
            .get(name)
            .ok_or_else(|| Failure::Unexpected(format!("windlass env prints no {name}")))
    };
    let url = variable("WINDLASS_DIGITALOCEAN_API")?;
    let api = Api::new(
        url,
        Path::new(variable("WINDLASS_CA_FILE")?),
        Some(variable("DIGITALOCEAN_TOKEN")?),
    )?;
    let pydo = Pydo::find(&platform.env);
    report.say(&match &pydo {
        Some(pydo) => format!("DigitalOcean API at {url}, called by pydo {}", pydo.version),
        None => format!("DigitalOcean API at {url} (this machine has no pydo: called without it)"),
    });
    let client = Client { api, pydo };
    let repository = Repository::new(&server.home().join("repository"))?;
    let first = repository.commit(files, ("hello.conf", "VERSION=1\n"))?;
    let spec = json!({
        "name": "hello-git",
        "services": [{
            "name": "web",
            "git": { "repo_clone_url": repository.url(), "branch": BRANCH },
            "instance_size_slug": "apps-s-1vcpu-0.5gb",
            "instance_count": 2,
            "routes": [{ "path": "/" }],
        }],
    });
    let made = client.create(&json!({ "spec": spec }))?.ok()?;
    let mut chapter = Chapter {
        server,
        report,
        client,
        app: text(&made["app"], "id")?,
    };
    let deployment = text(&made["app"]["pending_deployment"], "id")?;
    let active = chapter.wait_phase(&deployment, "ACTIVE")?;
    let commit = &active["services"][0]["source_commit_hash"];
    chapter.report.check(
        "the app is built from the commit and active",
        commit == &first,
        &active.to_string(),
    );
    let load = chapter.let_in(platform.env["WINDLASS_ROUTER_HTTP"].as_str())?;
    shares::check(
        &load,
        chapter.report,
        "version 1 from git answers everything",
        "1",
        100,
    )?;
    repository.commit(files, ("hello.conf", "VERSION=2\n"))?;
    chapter.the_second_is_canceled(&load, &spec)?;
    chapter
        .report
        .visits("no request to the app from git failed", load.finish());
    chapter.delete()
}

impl Chapter<'_> {
    /// A deployment of the newest commit, canceled while it has a part of the traffic.
    fn the_second_is_canceled(&mut self, load: &Load, spec: &Value) -> Result<(), Failure> {
        let mut changed = spec.clone();
        changed["features"] = json!([format!("windlass.canary={WEIGHT}")]);
        let body = json!({ "spec": changed, "update_all_source_versions": true });
        let answer = self.client.update(&self.app, &body)?.ok()?;
        let second = text(&answer["app"]["pending_deployment"], "id")?;
        self.report.say(&format!(
            "version 2 is committed and deployed; it gets {WEIGHT} % first"
        ));
        wait_for("the share of version 2", || {
            load.section();
            shares::sample(load, self.report)?;
            let counts = load.counts();
            Ok(if counts.percent("2").abs_diff(WEIGHT) <= 1 {
                Ok(())
            } else {
                Err(format!("{:?}", counts.by_version))
            })
        })?;
        let answer = self.client.cancel(&self.app, &second)?;
        if answer.header(TIME_TO_SAFE).is_some() {
            // From here on nobody may meet the canceled version.
            load.section();
        }
        let canceled = &answer.body["deployment"];
        self.report.check(
            "its cancel is answered 200 with the deployment, CANCELED, with steps in error",
            answer.status == 200
                && canceled["id"] == second
                && canceled["phase"] == "CANCELED"
                && canceled["progress"]["error_steps"].as_u64() >= Some(1),
            &answer.text,
        );
        let record = self.record(&second)?;
        self.report.time_to_safe(record["time_to_safe_ms"].as_f64());
        self.report.check(
            "the record of it says who, why and how long",
            record["cancel"]["reason"] == REASON && record["cancel"]["by"].is_string(),
            &record.to_string(),
        );
        if answer.header(TIME_TO_SAFE).is_none() {
            load.section();
        }
        shares::sample(load, self.report)?;
        let counts = load.counts();
        self.report.shares(&counts);
        self.report.check(
            "after its cancel version 1 answers everything",
            counts.of("2") == 0 && counts.by_version.len() == 1,
            &format!("{:?}", counts.by_version),
        );
        let shown = self.client.api.get(&format!("/v2/apps/{}", self.app))?;
        self.report.check(
            "the spec of the app is that of version 1 again",
            shown["app"]["spec"] == *spec,
            &shown.to_string(),
        );
        Ok(())
    }

    /// The record of a deployment, once it is canceled and safe.
    fn record(&self, deployment: &str) -> Result<Value, Failure> {
        wait_for("the record of the cancel", || {
            let record = self.server.json(&["deployment", "show", deployment])?;
            let is_whole = record["outcome"] == "canceled" && record["time_to_safe_ms"].is_number();
            Ok(if is_whole {
                Ok(record)
            } else {
                Err(record.to_string())
            })
        })
    }

    /// Waits until a deployment is in a phase.
    fn wait_phase(&self, deployment: &str, phase: &str) -> Result<Value, Failure> {
        let path = format!("/v2/apps/{}/deployments/{deployment}", self.app);
        wait_for(&format!("deployment {phase}"), || {
            let answer = self.client.api.get(&path)?;
            let found = &answer["deployment"];
            match found["phase"].as_str() {
                Some(now) if now == phase => Ok(Ok(found.clone())),
                Some("ERROR" | "CANCELED" | "SUPERSEDED") => {
                    Err(Failure::Unexpected(found.to_string()))
                }
                _ => Ok(Err(found["progress"].to_string())),
            }
        })
    }

    /// Lets visitors in.
    fn let_in(&self, router: &str) -> Result<Load, Failure> {
        let app = self.client.api.get(&format!("/v2/apps/{}", self.app))?;
        let host = text(&app["app"], "live_domain")?;
        self.report.say(&format!("visitors come to http://{host}/"));
        let router = router
            .trim_start_matches("http://")
            .parse()
            .map_err(|error| Failure::Unexpected(format!("address of the router: {error}")))?;
        Load::start(Visit {
            router,
            host,
            path: "/".to_owned(),
            keeping: KEEPING,
            passing: PASSING,
            pause: PAUSE,
        })
    }

    fn delete(self) -> Result<(), Failure> {
        let deleted = self.client.delete(&self.app)?;
        self.report.check(
            "the app is deleted",
            deleted.status == 200 && deleted.body["id"] == self.app,
            &deleted.text,
        );
        Ok(())
    }
}
