//! What a person does with the Cloud Foundry API, one call a step.

use std::collections::BTreeMap;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use super::api::{Answer, Api};
use super::bits;
use super::failure::{Failure, wait_for};
use super::server::Server;

/// A Windlass with somebody who works in one space of it.
#[derive(Debug)]
pub struct Platform {
    /// The caller's client.
    pub api: Api,
    /// Guid of the space.
    pub space: String,
    /// Guid of the domain.
    pub domain: String,
    /// Name of the domain.
    pub domain_name: String,
    /// What `windlass env` printed.
    pub env: BTreeMap<String, String>,
}

/// An app with a route.
#[derive(Debug, Clone)]
pub struct App {
    /// Guid of the app.
    pub guid: String,
    /// Its name.
    pub name: String,
    /// Host under which the router knows it.
    pub host: String,
}

impl Platform {
    /// Asks a running server for addresses and a token, and finds space and domain.
    ///
    /// # Errors
    /// When something of it is not there.
    pub fn of(server: &Server, user: Option<&str>) -> Result<Self, Failure> {
        let flags: Vec<&str> = user.map(|name| vec!["--user", name]).unwrap_or_default();
        let printed = server.json(&[&["env"], flags.as_slice()].concat())?;
        let env: BTreeMap<String, String> = serde_json::from_value(printed)
            .map_err(|error| Failure::Unexpected(format!("windlass env: {error}")))?;
        let variable = |name: &str| {
            env.get(name)
                .ok_or_else(|| Failure::Unexpected(format!("windlass env prints no {name}")))
        };
        let api = Api::new(
            variable("WINDLASS_CF_API")?,
            Path::new(variable("WINDLASS_CA_FILE")?),
            Some(variable("WINDLASS_TOKEN")?),
        )?;
        let space = variable("WINDLASS_SPACE")?;
        let space = first(&api.get(&format!("/v3/spaces?names={space}"))?, "guid")?;
        let domain_name = variable("WINDLASS_APPS_DOMAIN")?.clone();
        let domain = first(
            &api.get(&format!("/v3/domains?names={domain_name}"))?,
            "guid",
        )?;
        Ok(Self {
            api,
            space,
            domain,
            domain_name,
            env,
        })
    }

    /// Makes an app with a route, stopped and empty.
    ///
    /// # Errors
    /// When a call is refused.
    pub fn create_app(&self, name: &str) -> Result<App, Failure> {
        let space = json!({ "space": { "data": { "guid": self.space } } });
        let app = self
            .api
            .post("/v3/apps", &json!({ "name": name, "relationships": space }))?;
        let guid = text(&app, "guid")?;
        let route = self.api.post(
            "/v3/routes",
            &json!({ "host": name, "relationships": {
                "space": { "data": { "guid": self.space } },
                "domain": { "data": { "guid": self.domain } },
            } }),
        )?;
        self.api.post(
            &format!("/v3/routes/{}/destinations", text(&route, "guid")?),
            &json!({ "destinations": [{ "app": { "guid": guid } }] }),
        )?;
        Ok(App {
            guid,
            name: name.to_owned(),
            host: format!("{name}.{}", self.domain_name),
        })
    }

    /// Uploads an archive as a new package.
    ///
    /// # Errors
    /// When a call is refused, or the package does not become ready.
    pub fn upload(&self, app: &App, archive: &[u8]) -> Result<String, Failure> {
        let package = self.api.post(
            "/v3/packages",
            &json!({ "type": "bits", "relationships": { "app": { "data": { "guid": app.guid } } } }),
        )?;
        let guid = text(&package, "guid")?;
        let (form, kind) = bits::upload_form(archive);
        self.api
            .send(
                Method::POST,
                &format!("/v3/packages/{guid}/upload"),
                form.into(),
                Some(&kind),
                &[],
            )?
            .ok()?;
        wait_for("a package", || {
            let package = self.api.get(&format!("/v3/packages/{guid}"))?;
            match package["state"].as_str() {
                Some("READY") => Ok(Ok(())),
                Some("FAILED" | "EXPIRED") => Err(Failure::Unexpected(package.to_string())),
                _ => Ok(Err(package.to_string())),
            }
        })?;
        Ok(guid)
    }

    /// Begins to build a package; the guid of the build.
    ///
    /// # Errors
    /// When the call is refused.
    pub fn build(&self, package: &str) -> Result<String, Failure> {
        let build = self.api.post(
            "/v3/builds",
            &json!({
                "package": { "guid": package },
                "lifecycle": { "type": "buildpack", "data": { "buildpacks": ["binary_buildpack"] } },
            }),
        )?;
        text(&build, "guid")
    }

    /// Waits for the droplet of a build.
    ///
    /// # Errors
    /// When the build fails.
    pub fn droplet_of(&self, build: &str) -> Result<String, Failure> {
        wait_for("a build", || {
            let build = self.api.get(&format!("/v3/builds/{build}"))?;
            match build["state"].as_str() {
                Some("STAGED") => Ok(Ok(text(&build["droplet"], "guid")?)),
                Some("FAILED") => Err(Failure::Unexpected(build.to_string())),
                _ => Ok(Err(build.to_string())),
            }
        })
    }

    /// Uploads and builds an archive; the guid of the droplet.
    ///
    /// # Errors
    /// When something of it fails.
    pub fn stage(&self, app: &App, archive: &[u8]) -> Result<String, Failure> {
        let package = self.upload(app, archive)?;
        self.droplet_of(&self.build(&package)?)
    }

    /// Makes a droplet the app's current one.
    ///
    /// # Errors
    /// When the call is refused.
    pub fn set_droplet(&self, app: &App, droplet: &str) -> Result<(), Failure> {
        let path = format!("/v3/apps/{}/relationships/current_droplet", app.guid);
        let body = json!({ "data": { "guid": droplet } });
        self.api.patch(&path, &body).map(|_| ())
    }

    /// Sets count and memory of the web process.
    ///
    /// # Errors
    /// When the call is refused.
    pub fn scale(&self, app: &App, instances: u32) -> Result<(), Failure> {
        let path = format!("/v3/apps/{}/processes/web/actions/scale", app.guid);
        let body = json!({ "instances": instances, "memory_in_mb": 64, "disk_in_mb": 128 });
        self.api.post(&path, &body).map(|_| ())
    }

    /// Starts the app and waits until all instances of web run.
    ///
    /// # Errors
    /// When the call is refused or an instance does not come up.
    pub fn start(&self, app: &App) -> Result<(), Failure> {
        self.api.post(
            &format!("/v3/apps/{}/actions/start", app.guid),
            &Value::Null,
        )?;
        self.wait_running(app)
    }

    /// Waits until every wanted instance of web is RUNNING.
    ///
    /// # Errors
    /// When that does not come.
    pub fn wait_running(&self, app: &App) -> Result<(), Failure> {
        wait_for("all instances to run", || {
            let states = self.instance_states(app)?;
            let all = !states.is_empty() && states.iter().all(|state| state == "RUNNING");
            Ok(if all { Ok(()) } else { Err(states.join(" ")) })
        })
    }

    /// The states of the instances of web, by index.
    ///
    /// # Errors
    /// When the call is refused.
    pub fn instance_states(&self, app: &App) -> Result<Vec<String>, Failure> {
        let stats = self.stats(app)?;
        stats.iter().map(|row| text(row, "state")).collect()
    }

    /// The instances of web, by index.
    ///
    /// # Errors
    /// When the call is refused.
    pub fn stats(&self, app: &App) -> Result<Vec<Value>, Failure> {
        let path = format!("/v3/apps/{}/processes/web/stats", app.guid);
        let mut stats = self.api.get(&path)?;
        match stats["resources"].take() {
            Value::Array(rows) => Ok(rows),
            other => Err(Failure::field("resources", &other)),
        }
    }

    /// Pushes a first version: app, route, droplet, count, start.
    ///
    /// # Errors
    /// When something of it fails.
    pub fn push(&self, name: &str, archive: &[u8], instances: u32) -> Result<App, Failure> {
        let app = self.create_app(name)?;
        let droplet = self.stage(&app, archive)?;
        self.set_droplet(&app, &droplet)?;
        self.scale(&app, instances)?;
        self.start(&app)?;
        Ok(app)
    }

    /// Creates a deployment; its guid.
    ///
    /// # Errors
    /// When the call is refused.
    pub fn deploy(&self, app: &App, droplet: &str, more: Value) -> Result<String, Failure> {
        let mut body = json!({
            "droplet": { "guid": droplet },
            "relationships": { "app": { "data": { "guid": app.guid } } },
        });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        text(&self.api.post("/v3/deployments", &body)?, "guid")
    }

    /// A canary with these weights.
    ///
    /// # Errors
    /// When the call is refused.
    pub fn canary(&self, app: &App, droplet: &str, weights: &[u32]) -> Result<String, Failure> {
        let steps: Vec<Value> = weights
            .iter()
            .map(|weight| json!({ "instance_weight": weight }))
            .collect();
        let options = json!({
            "strategy": "canary",
            "options": { "max_in_flight": 4, "canary": { "steps": steps } },
        });
        self.deploy(app, droplet, options)
    }

    /// A deployment as it is now.
    ///
    /// # Errors
    /// When the call is refused.
    pub fn deployment(&self, guid: &str) -> Result<Value, Failure> {
        self.api.get(&format!("/v3/deployments/{guid}"))
    }

    /// Waits until a deployment has a reason (`PAUSED`, `DEPLOYED`, `CANCELED` …).
    ///
    /// # Errors
    /// When it is finalized with another one, or that does not come.
    pub fn wait_deployment(&self, guid: &str, reason: &str) -> Result<Value, Failure> {
        wait_for(&format!("deployment {reason}"), || {
            let deployment = self.deployment(guid)?;
            let status = &deployment["status"];
            if status["reason"] == reason {
                return Ok(Ok(deployment));
            }
            if status["value"] == "FINALIZED" {
                return Err(Failure::Unexpected(format!("not {reason}: {status}")));
            }
            Ok(Err(status.to_string()))
        })
    }

    /// Waits until a canary is paused at a step, counted from 1.
    ///
    /// # Errors
    /// When that does not come.
    pub fn wait_paused(&self, guid: &str, step: u64) -> Result<Value, Failure> {
        wait_for(&format!("pause at step {step}"), || {
            let deployment = self.wait_deployment(guid, "PAUSED")?;
            let current = deployment["status"]["canary"]["steps"]["current"].as_u64();
            Ok(if current == Some(step) {
                Ok(deployment)
            } else {
                Err(deployment["status"].to_string())
            })
        })
    }

    /// Cancels a deployment with a reason; any status is an answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn cancel(&self, guid: &str, reason: &str) -> Result<Answer, Failure> {
        self.cancel_with(guid, &[("x-windlass-reason", reason)])
    }

    /// Cancels a deployment with headers; any status is an answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn cancel_with(&self, guid: &str, headers: &[(&str, &str)]) -> Result<Answer, Failure> {
        let path = format!("/v3/deployments/{guid}/actions/cancel");
        self.api.call(Method::POST, &path, None, headers)
    }

    /// Continues a deployment; any status is an answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn resume(&self, guid: &str) -> Result<Answer, Failure> {
        let path = format!("/v3/deployments/{guid}/actions/continue");
        self.api.call(Method::POST, &path, None, &[])
    }

    /// Starts a task; its guid.
    ///
    /// # Errors
    /// When the call is refused.
    pub fn run_task(&self, app: &App, command: &str) -> Result<String, Failure> {
        let path = format!("/v3/apps/{}/tasks", app.guid);
        let body = json!({ "command": command, "memory_in_mb": 64, "disk_in_mb": 64 });
        text(&self.api.post(&path, &body)?, "guid")
    }

    /// A task as it is now.
    ///
    /// # Errors
    /// When the call is refused.
    pub fn task(&self, guid: &str) -> Result<Value, Failure> {
        self.api.get(&format!("/v3/tasks/{guid}"))
    }

    /// Cancels a task; any status is an answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn cancel_task(&self, guid: &str) -> Result<Answer, Failure> {
        let path = format!("/v3/tasks/{guid}/actions/cancel");
        self.api.call(Method::POST, &path, None, &[])
    }

    /// Waits until a task is in a state.
    ///
    /// # Errors
    /// When it ends in another one, or that does not come.
    pub fn wait_task(&self, guid: &str, state: &str) -> Result<Value, Failure> {
        wait_for(&format!("task {state}"), || {
            let task = self.task(guid)?;
            match task["state"].as_str() {
                Some(now) if now == state => Ok(Ok(task)),
                Some("SUCCEEDED" | "FAILED") => Err(Failure::Unexpected(task.to_string())),
                _ => Ok(Err(task.to_string())),
            }
        })
    }
}

/// A text field of an answer.
///
/// # Errors
/// When it is not there.
pub fn text(value: &Value, field: &str) -> Result<String, Failure> {
    value[field]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Failure::field(field, value))
}

/// A text field of the first resource of a list.
///
/// # Errors
/// When it is not there.
pub fn first(list: &Value, field: &str) -> Result<String, Failure> {
    text(&list["resources"][0], field)
}
