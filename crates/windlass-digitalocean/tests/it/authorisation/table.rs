//! What every endpoint needs of a caller, and what it answers to those who have it.
//!
//! `<name>` in a path, a query or a body is what the request names: a resource of [`Subjects`], or
//! `<n>`, a number that no request had before. From this table alone follows what everybody else
//! is told.
//!
//! [`Subjects`]: super::subjects::Subjects

/// What a caller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: what proves the right of the caller is not a token of this API.
    Nothing,
    /// A good token.
    Token,
    /// A project where they may create apps; 403 for all others.
    Home,
    /// To see the app or project; 404 for all others.
    See,
    /// To see it, and its secrets.
    Secrets,
    /// To see it, and to deploy, cancel, restart.
    Operate,
    /// To see it, and to change it.
    Write,
}

/// One endpoint; one that can name different things has a line for each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Method and path as the router has them.
    pub(crate) call: &'static str,
    /// Path and query of the request.
    pub(crate) at: &'static str,
    /// Its body.
    pub(crate) body: &'static str,
    /// What the caller needs.
    pub(crate) needs: Needs,
    /// What they are answered then.
    pub(crate) good: u16,
    /// Whether something of the subjects is gone or another afterwards.
    pub(crate) spends: bool,
}

impl Line {
    const fn of(needs: Needs, call: &'static str, at: &'static str) -> Self {
        Self {
            call,
            at,
            body: "{}",
            needs,
            good: 200,
            spends: false,
        }
    }

    const fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    const fn good(self, good: u16) -> Self {
        Self { good, ..self }
    }

    const fn spends(self) -> Self {
        Self {
            spends: true,
            ..self
        }
    }

    /// The resources that it names, in their order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for text in [self.at, self.body] {
            for part in text.split('<').skip(1) {
                let name = part.split('>').next().unwrap_or_default();
                if name != "n" && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// The method.
    pub(crate) fn method(&self) -> &'static str {
        self.call.split(' ').next().unwrap_or_default()
    }
}

const fn nothing(call: &'static str, at: &'static str) -> Line {
    Line::of(Needs::Nothing, call, at)
}

const fn token(call: &'static str, at: &'static str) -> Line {
    Line::of(Needs::Token, call, at)
}

const fn see(call: &'static str, at: &'static str) -> Line {
    Line::of(Needs::See, call, at)
}

const fn secrets(call: &'static str, at: &'static str) -> Line {
    Line::of(Needs::Secrets, call, at)
}

const fn operate(call: &'static str, at: &'static str) -> Line {
    Line::of(Needs::Operate, call, at)
}

const fn write(call: &'static str, at: &'static str) -> Line {
    Line::of(Needs::Write, call, at)
}

/// What is not offered here, to those who see the app.
const fn refused(call: &'static str, at: &'static str) -> Line {
    Line::of(Needs::See, call, at).good(501)
}

/// A spec of an app with a name of its own.
macro_rules! spec {
    () => {
        r#"{"name": "a<n>", "services": [{"name": "web", "run_command": "bin/web",
            "github": {"repo": "digitalocean/sample-golang", "branch": "main"}}]}"#
    };
}

/// All of them.
#[rustfmt::skip]
pub(crate) const LINES: &[Line] = &[
    token("GET /v2/account", "/v2/account"),
    token("GET /v2/apps/regions", "/v2/apps/regions"),
    token("GET /v2/apps/tiers", "/v2/apps/tiers"),
    token("GET /v2/apps/tiers/{slug}", "/v2/apps/tiers/basic"),
    token("GET /v2/apps/tiers/instance_sizes", "/v2/apps/tiers/instance_sizes"),
    token("GET /v2/apps/tiers/instance_sizes/{slug}", "/v2/apps/tiers/instance_sizes/basic-xxs"),

    token("GET /v2/apps", "/v2/apps"),
    see("GET /v2/apps/", "/v2/apps/?name=<name>"),
    Line::of(Needs::Home, "POST /v2/apps", "/v2/apps").body(concat!(r#"{"spec": "#, spec!(), "}")).spends(),
    write("POST /v2/apps", "/v2/apps")
        .body(concat!(r#"{"project_id": "<project>", "spec": "#, spec!(), "}")).spends(),
    see("GET /v2/apps/{id}", "/v2/apps/<app>"),
    write("PUT /v2/apps/{id}", "/v2/apps/<app>").body(concat!(r#"{"spec": "#, spec!(), "}")).spends(),
    write("DELETE /v2/apps/{id}", "/v2/apps/<app>").spends(),
    Line::of(Needs::Home, "POST /v2/apps/propose", "/v2/apps/propose")
        .body(concat!(r#"{"spec": "#, spec!(), "}")),
    see("POST /v2/apps/propose", "/v2/apps/propose")
        .body(concat!(r#"{"app_id": "<app>", "spec": "#, spec!(), "}")),

    operate("POST /v2/apps/{id}/deployments", "/v2/apps/<app>/deployments").spends(),
    see("GET /v2/apps/{id}/deployments", "/v2/apps/<app>/deployments"),
    see("GET /v2/apps/{id}/deployments/{deployment}", "/v2/apps/<app>/deployments/<first>"),
    operate("POST /v2/apps/{id}/deployments/{deployment}/cancel", "/v2/apps/<app>/deployments/<canary>/cancel")
        .spends(),
    operate("POST /v2/apps/{id}/deployments/{deployment}/continue", "/v2/apps/<app>/deployments/<canary>/continue")
        .spends(),
    operate("POST /v2/apps/{id}/restart", "/v2/apps/<app>/restart").spends(),
    see("POST /v2/apps/{id}/rollback/validate", "/v2/apps/<app>/rollback/validate")
        .body(r#"{"deployment_id": "<first>"}"#),
    operate("POST /v2/apps/{id}/rollback", "/v2/apps/<app>/rollback")
        .body(r#"{"deployment_id": "<first>"}"#).spends(),
    // It is not pinned: said to those who may commit or revert.
    operate("POST /v2/apps/{id}/rollback/commit", "/v2/apps/<app>/rollback/commit").good(412),
    operate("POST /v2/apps/{id}/rollback/revert", "/v2/apps/<app>/rollback/revert").good(412),

    secrets("GET /v2/apps/{id}/logs", "/v2/apps/<app>/logs"),
    secrets("GET /v2/apps/{id}/components/{component}/logs", "/v2/apps/<app>/components/web/logs"),
    secrets("GET /v2/apps/{id}/deployments/{deployment}/logs", "/v2/apps/<app>/deployments/<first>/logs"),
    secrets("GET /v2/apps/{id}/deployments/{deployment}/components/{component}/logs",
        "/v2/apps/<app>/deployments/<first>/components/web/logs"),
    // Links carry their own proof; without a good one there is nothing behind them.
    nothing("GET /v2/logs/live", "/v2/logs/live?token=none"),
    nothing("GET /v2/logs/historic", "/v2/logs/historic?token=none"),
    // Reports are signed; this installation has no secret that one could be signed with.
    nothing("POST /webhooks/{provider}", "/webhooks/github").good(403),

    see("GET /v2/apps/{id}/instances", "/v2/apps/<app>/instances"),
    see("GET /v2/apps/{id}/health", "/v2/apps/<app>/health"),
    see("GET /v2/apps/{id}/alerts", "/v2/apps/<app>/alerts"),

    token("GET /v2/apps/buildpacks", "/v2/apps/buildpacks").good(501),
    token("POST /v2/apps/detect", "/v2/apps/detect").good(501),
    token("POST /v2/apps/metrics/bandwidth_daily", "/v2/apps/metrics/bandwidth_daily").good(501),
    refused("POST /v2/apps/{id}/alerts/{alert}/destinations",
        "/v2/apps/<app>/alerts/3f5b2f9f-b62f-497e-9980-1bda11e879c3/destinations"),
    refused("GET /v2/apps/{id}/metrics/bandwidth_daily", "/v2/apps/<app>/metrics/bandwidth_daily"),
    refused("GET /v2/apps/{id}/components/{component}/exec", "/v2/apps/<app>/components/web/exec"),
    refused("GET /v2/apps/{id}/deployments/{deployment}/components/{component}/exec",
        "/v2/apps/<app>/deployments/<first>/components/web/exec"),
    refused("GET /v2/apps/{id}/job-invocations", "/v2/apps/<app>/job-invocations"),
    refused("GET /v2/apps/{id}/job-invocations/{invocation}", "/v2/apps/<app>/job-invocations/i"),
    refused("POST /v2/apps/{id}/job-invocations/{invocation}/cancel", "/v2/apps/<app>/job-invocations/i/cancel"),
    refused("GET /v2/apps/{id}/jobs/{job}/invocations/{invocation}/logs",
        "/v2/apps/<app>/jobs/j/invocations/i/logs"),
    refused("GET /v2/apps/{id}/events", "/v2/apps/<app>/events"),
    refused("GET /v2/apps/{id}/events/{event}", "/v2/apps/<app>/events/e"),
    refused("POST /v2/apps/{id}/events/{event}/cancel", "/v2/apps/<app>/events/e/cancel"),
    refused("GET /v2/apps/{id}/events/{event}/logs", "/v2/apps/<app>/events/e/logs"),
    refused("POST /v2/apps/{id}/upgrade_buildpack", "/v2/apps/<app>/upgrade_buildpack"),
    refused("GET /v2/apps/{id}/database_connection_details", "/v2/apps/<app>/database_connection_details"),
    refused("POST /v2/apps/{id}/components/{component}/reset_password",
        "/v2/apps/<app>/components/web/reset_password"),
    refused("POST /v2/apps/{id}/components/{component}/trusted_sources",
        "/v2/apps/<app>/components/web/trusted_sources"),
];
