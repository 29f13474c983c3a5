//! Builds that wait, over Vercel's API: it lets whoever deploys say how a source is built.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use windlass::demo::Failure;
use windlass::demo::api::{Answer, Api};
use windlass::demo::platform::{Platform, text};

/// A client of Vercel's API.
#[derive(Debug)]
pub(super) struct Site {
    api: Api,
}

impl Site {
    /// Of a running Windlass.
    pub(super) fn of(platform: &Platform) -> Result<Self, Failure> {
        let variable = |name: &str| {
            let found = platform.env.get(name);
            found.ok_or_else(|| Failure::Unexpected(format!("windlass env prints no {name}")))
        };
        let api = Api::new(
            variable("WINDLASS_VERCEL_API")?,
            Path::new(variable("WINDLASS_CA_FILE")?),
            Some(variable("VERCEL_TOKEN")?),
        )?;
        Ok(Self { api })
    }

    /// Deploys a page that this command builds; the id.
    pub(super) fn deploy(&self, project: &str, command: &str) -> Result<String, Failure> {
        let body = json!({
            "name": project,
            "project": project,
            "files": [{"file": "index.html", "data": "built"}],
            "projectSettings": {"buildCommand": command, "outputDirectory": "."},
        });
        let path = "/v13/deployments?skipAutoDetectionConfirmation=1&forceNew=1";
        text(&self.api.post(path, &body)?, "id")
    }

    /// Deploys a page that needs no build; any status is an answer.
    pub(super) fn try_deploy(&self, project: &str) -> Result<Answer, Failure> {
        let body = json!({
            "name": project,
            "project": project,
            "files": [{"file": "index.html", "data": "page"}],
        });
        let path = "/v13/deployments?skipAutoDetectionConfirmation=1&forceNew=1";
        self.api.call(Method::POST, path, Some(&body), &[])
    }

    /// A deployment as it is now.
    pub(super) fn deployment(&self, id: &str) -> Result<Value, Failure> {
        self.api.get(&format!("/v13/deployments/{id}"))
    }

    /// Cancels a deployment; any status is an answer.
    pub(super) fn cancel(&self, id: &str, reason: &str) -> Result<Answer, Failure> {
        let path = format!("/v12/deployments/{id}/cancel");
        let headers = [("x-windlass-reason", reason)];
        self.api.call(Method::PATCH, &path, None, &headers)
    }
}
