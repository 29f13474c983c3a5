//! The chapter of Vercel's API: a function that starts with its first visitor, a build that is
//! canceled, a rollback.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::api::{Answer, Api};
use super::census::{self, Seen};
use super::failure::{Failure, wait_for};
use super::load::{Load, Visit};
use super::platform::{Platform, text};
use super::report::Report;
use super::server::Server;
use super::shares;
use super::vercel_cli::VercelCli;

/// Visitors that keep their connection, and those that do not.
const KEEPING: usize = 6;
const PASSING: usize = 2;
/// Pause of a visitor between two requests.
const PAUSE: Duration = Duration::from_millis(20);
/// Name of the project.
const PROJECT: &str = "hello-site";
/// Path of the function.
const PATH: &str = "/api/hello";
/// Why the build is canceled.
const REASON: &str = "a demo of cancel";
/// A build that ignores SIGTERM, with a process that left its session. The number is its mark.
const DEAF_BUILD: &str = "trap '' TERM; (setsid sleep 86391 &); sleep 86391";
const MARK: &str = "86391";

/// A project over this API.
struct Chapter<'a> {
    server: &'a Server,
    report: &'a mut Report,
    api: Api,
    url: String,
    cli: Option<VercelCli>,
    load: Option<Load>,
}

/// Serves, cancels and goes back.
pub(super) fn play(server: &Server, report: &mut Report) -> Result<(), Failure> {
    report.title("Vercel's API: a function on demand");
    if !has_node() {
        report.say("left out: this machine has no Node.js");
        return Ok(());
    }
    let platform = Platform::of(server, None)?;
    let variable = |name: &str| {
        platform
            .env
            .get(name)
            .ok_or_else(|| Failure::Unexpected(format!("windlass env prints no {name}")))
    };
    let url = variable("WINDLASS_VERCEL_API")?.clone();
    let ca_file = Path::new(variable("WINDLASS_CA_FILE")?);
    let api = Api::new(&url, ca_file, Some(variable("VERCEL_TOKEN")?))?;
    let cli = VercelCli::find(&platform.env, &server.home().join("vercel"));
    report.say(&match &cli {
        Some(cli) => format!(
            "Vercel API at {url}, called by the vercel CLI {}",
            cli.version
        ),
        None => format!("Vercel API at {url} (this machine has no vercel CLI: called without it)"),
    });
    let mut chapter = Chapter {
        server,
        report,
        api,
        url,
        cli,
        load: None,
    };
    let first = chapter.deploy(&function("1"), &json!({}))?;
    let shown = chapter.wait_ready(&first)?;
    let host = first_host(&shown)?;
    chapter.report.check(
        "it is ready, and nothing of it runs until somebody comes",
        chapter.functions().is_empty(),
        &format!("{:?}", chapter.functions()),
    );
    chapter.let_in(variable("WINDLASS_ROUTER_HTTP")?, &host)?;
    chapter.all_answers_are_of(
        "version 1 starts with its first visitor and answers all",
        "1",
    )?;
    chapter.a_build_is_canceled()?;
    let second = chapter.deploy(&function("2"), &json!({"target": "production"}))?;
    chapter.wait_ready(&second)?;
    chapter.all_answers_are_of("version 2 takes the host in one step", "2")?;
    chapter.is_rolled_back_to(&first)?;
    chapter.end()
}

fn has_node() -> bool {
    let found = Command::new("node")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

/// Files of a site with one function that says which version it is.
fn function(version: &str) -> Value {
    let source = format!(
        "module.exports = (request, response) => {{\n  \
         response.setHeader('x-hello-version', '{version}');\n  \
         response.end('hello from version {version}\\n');\n}};\n"
    );
    let config = json!({
        "runtime": "nodejs22.x",
        "handler": "index.js",
        "launcherType": "Nodejs",
    });
    let output = ".vercel/output";
    json!([
        {"file": format!("{output}/config.json"), "data": r#"{"version": 3}"#},
        {"file": format!("{output}/functions{PATH}.func/index.js"), "data": source},
        {"file": format!("{output}/functions{PATH}.func/.vc-config.json"), "data": config.to_string()},
    ])
}

fn first_host(shown: &Value) -> Result<String, Failure> {
    let host = shown["alias"][0].as_str().map(str::to_owned);
    host.ok_or_else(|| Failure::Unexpected(format!("no host in {shown}")))
}

impl Chapter<'_> {
    /// Creates a deployment of files; its id.
    fn deploy(&self, files: &Value, more: &Value) -> Result<String, Failure> {
        let mut body = json!({"name": PROJECT, "project": PROJECT, "files": files});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let prebuilt = u8::from(more.get("projectSettings").is_none());
        let path = format!("/v13/deployments?skipAutoDetectionConfirmation=1&prebuilt={prebuilt}");
        text(&self.api.post(&path, &body)?, "id")
    }

    fn deployment(&self, id: &str) -> Result<Value, Failure> {
        self.api.get(&format!("/v13/deployments/{id}"))
    }

    /// Waits until a deployment has its hosts.
    fn wait_ready(&self, id: &str) -> Result<Value, Failure> {
        wait_for(&format!("deployment {id}"), || {
            let found = self.deployment(id)?;
            match found["readyState"].as_str() {
                Some("READY") if found["aliasAssigned"] == true => Ok(Ok(found)),
                Some("ERROR" | "CANCELED") => Err(Failure::Unexpected(found.to_string())),
                _ => Ok(Err(found.to_string())),
            }
        })
    }

    /// Processes of functions.
    fn functions(&self) -> Vec<Seen> {
        let mut found = self.server.census();
        found.retain(|seen| {
            let program = seen.arguments.first();
            program.is_some_and(|program| Path::new(program).ends_with("node"))
        });
        found
    }

    /// Lets visitors in.
    fn let_in(&mut self, router: &str, host: &str) -> Result<(), Failure> {
        self.report
            .say(&format!("visitors come to http://{host}{PATH}"));
        let router = router
            .trim_start_matches("http://")
            .parse()
            .map_err(|error| Failure::Unexpected(format!("address of the router: {error}")))?;
        self.load = Some(Load::start(Visit {
            router,
            host: host.to_owned(),
            path: PATH.to_owned(),
            keeping: KEEPING,
            passing: PASSING,
            pause: PAUSE,
        })?);
        Ok(())
    }

    fn all_answers_are_of(&mut self, statement: &str, version: &str) -> Result<(), Failure> {
        match &self.load {
            Some(load) => shares::check(load, self.report, statement, version, 100),
            None => Ok(()),
        }
    }

    /// A build that never ends is canceled, with all that it started.
    fn a_build_is_canceled(&mut self) -> Result<(), Failure> {
        let deaf = json!({
            "target": "production",
            "projectSettings": {"buildCommand": DEAF_BUILD, "outputDirectory": "."},
        });
        let files = json!([{"file": "index.html", "data": "never seen"}]);
        let id = self.deploy(&files, &deaf)?;
        self.report
            .say("a build that ignores SIGTERM runs, and a process of it left its session");
        let tree = wait_for("the processes of the build", || {
            let found = census::with_words(&[MARK]);
            Ok(if found.len() >= 2 {
                Ok(found)
            } else {
                Err(format!("{found:?}"))
            })
        })?;
        let canceled = self.cancel(&id)?;
        let is_canceled = canceled["id"] == id
            && canceled["readyState"] == "CANCELED"
            && canceled["canceledAt"].is_number();
        self.report.check(
            "its cancel is answered with the deployment, CANCELED",
            is_canceled,
            &canceled.to_string(),
        );
        let left = wait_for("the end of the build's processes", || {
            let left = census::survivors(&tree);
            Ok(if left.is_empty() {
                Ok(left)
            } else {
                Err(format!("{left:?}"))
            })
        });
        self.report.check(
            "nothing of the build is left, wherever it hid",
            left.is_ok(),
            &format!("{left:?}"),
        );
        let record = self.server.json(&["deployment", "show", &id])?;
        self.report.check(
            "the record of it says who and why",
            record["cancel"]["reason"] == REASON && record["cancel"]["by"].is_string(),
            &record.to_string(),
        );
        self.all_answers_are_of("version 1 answers everything all the while", "1")
    }

    fn cancel(&self, id: &str) -> Result<Value, Failure> {
        let path = format!("/v12/deployments/{id}/cancel");
        let header = ("x-windlass-reason", REASON);
        match &self.cli {
            Some(cli) => cli.call(&self.url, "PATCH", &path, header),
            None => self.api.call(Method::PATCH, &path, None, &[header])?.ok(),
        }
    }

    fn is_rolled_back_to(&mut self, first: &str) -> Result<(), Failure> {
        let path = format!("/v9/projects/{PROJECT}/rollback/{first}");
        self.api.post(&path, &json!({}))?;
        // From here on nobody may meet the second version.
        self.all_answers_are_of("a rollback is in force when it is answered", "1")
    }

    fn end(self) -> Result<(), Failure> {
        if let Some(load) = self.load {
            self.report
                .visits("no request to the function failed", load.finish());
        }
        let path = format!("/v9/projects/{PROJECT}");
        let deleted: Answer = self.api.call(Method::DELETE, &path, None, &[])?;
        self.report.check(
            "the project is deleted",
            deleted.status == 204,
            &deleted.text,
        );
        Ok(())
    }
}
