//! What every endpoint needs of a caller, and what it answers to those who have it.
//!
//! `<name>` in a path, a query or a body is what the request names: a resource of [`Subjects`], or
//! `<n>`, a number that no request had before. From this table alone follows what everybody else
//! is told, see [`expected`](super::expected).
//!
//! [`Subjects`]: super::subjects::Subjects

/// What a caller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// A good token.
    Token,
    /// To be in the team; 403 for all others.
    Team,
    /// To be in the team; 404 for all others, as for what the team has.
    TeamShown,
    /// To be in the team with the right to change projects; 403 for all others.
    TeamWrite,
    /// To see the project; 404 for all others.
    See,
    /// To see the project, and values of variables.
    Secrets,
    /// To see the project, and to deploy, cancel, promote.
    Operate,
    /// To see the project, and to change it.
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
    /// What is answered where it names something that is not there, if that is not 404 (403 for a
    /// team).
    pub(crate) missing: Option<(&'static str, u16)>,
    /// Whether `teamId` narrows it.
    pub(crate) scoped: bool,
    /// Whether the good answer is a stream that goes on.
    pub(crate) endless: bool,
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
            missing: None,
            scoped: !matches!(needs, Needs::Token | Needs::TeamShown),
            endless: false,
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

    const fn missing(self, name: &'static str, status: u16) -> Self {
        Self {
            missing: Some((name, status)),
            ..self
        }
    }

    const fn any_team(self) -> Self {
        Self {
            scoped: false,
            ..self
        }
    }

    const fn endless(self) -> Self {
        Self {
            endless: true,
            ..self
        }
    }

    /// What the answer is when `name` is not there, or not for the caller.
    pub(crate) fn status_without(&self, name: &str) -> u16 {
        match (self.missing, name) {
            (Some((known, status)), _) if known == name => status,
            (_, "team") if self.needs != Needs::TeamShown => 403,
            _ => 404,
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

const fn token(call: &'static str, at: &'static str) -> Line {
    Line::of(Needs::Token, call, at)
}

const fn team(call: &'static str, at: &'static str) -> Line {
    Line::of(Needs::Team, call, at)
}

const fn team_write(call: &'static str, at: &'static str) -> Line {
    Line::of(Needs::TeamWrite, call, at)
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

const CANARY: &str = r#"{"canaryDeploymentId": "<canary>"}"#;

/// All of them.
#[rustfmt::skip]
pub(crate) const LINES: &[Line] = &[
    token("GET /user", "/v2/user"),
    token("GET /teams", "/v2/teams"),
    Line::of(Needs::TeamShown, "GET /teams/{team}", "/v2/teams/<team>"),
    token("POST /user/tokens", "/v3/user/tokens").body(r#"{"name": "t<n>"}"#),
    token("GET /user/tokens", "/v6/user/tokens"),
    token("GET /user/tokens/{token}", "/v5/user/tokens/<token>"),
    token("DELETE /user/tokens/{token}", "/v3/user/tokens/<token>"),

    team("GET /projects", "/v9/projects?teamId=<team>"),
    team_write("POST /projects", "/v11/projects?teamId=<team>").body(r#"{"name": "p<n>"}"#),
    see("GET /projects/{project}", "/v9/projects/<project>"),
    write("PATCH /projects/{project}", "/v9/projects/<project>").body(r#"{"publicSource": false}"#),
    write("DELETE /projects/{project}", "/v9/projects/<project>").good(204).spends(),
    see("GET /projects/{project}/production-deployment", "/projects/<project>/production-deployment"),
    see("GET /projects/{project}/custom-environments", "/v9/projects/<project>/custom-environments"),
    see("GET /projects/{project}/domains", "/v9/projects/<project>/domains"),
    write("POST /projects/{project}/domains", "/v10/projects/<project>/domains")
        .body(r#"{"name": "d<n>.apps.windlass.test"}"#),
    write("POST /projects/{project}/alias", "/projects/<project>/alias")
        .body(r#"{"domain": "e<n>.apps.windlass.test", "target": "PRODUCTION"}"#),
    see("GET /projects/{project}/domains/{domain}", "/v9/projects/<project>/domains/<domain>"),
    write("PATCH /projects/{project}/domains/{domain}", "/v9/projects/<project>/domains/<domain>"),
    write("DELETE /projects/{project}/domains/{domain}", "/v9/projects/<project>/domains/<domain>").spends(),
    see("POST /projects/{project}/domains/{domain}/verify", "/v9/projects/<project>/domains/<domain>/verify"),
    write("POST /projects/{project}/link", "/v9/projects/<project>/link")
        .body(r#"{"type": "github", "repo": "acme/shop"}"#),
    write("DELETE /projects/{project}/link", "/v9/projects/<project>/link"),

    see("GET /projects/{project}/env", "/v10/projects/<project>/env?decrypt=true"),
    write("POST /projects/{project}/env", "/v10/projects/<project>/env").good(201)
        .body(r#"{"key": "K<n>", "value": "v", "type": "encrypted", "target": ["production"]}"#),
    see("GET /projects/{project}/env/{variable}", "/v1/projects/<project>/env/<variable>"),
    write("PATCH /projects/{project}/env/{variable}", "/v9/projects/<project>/env/<variable>")
        .body(r#"{"comment": "c<n>"}"#),
    write("DELETE /projects/{project}/env/{variable}", "/v9/projects/<project>/env/<variable>").spends(),
    secrets("GET /env/pull/{project}/{target}", "/v3/env/pull/<project>/production"),
    secrets("GET /env/pull/{project}/{target}/{branch}", "/v3/env/pull/<project>/preview/main"),

    // The digest of the request's header is that of this body.
    team_write("POST /files", "/v2/files?teamId=<team>"),

    operate("POST /deployments", "/v13/deployments")
        .body(r#"{"project": "<project>", "files": [{"file": "index.html", "data": "<n>"}]}"#).spends(),
    operate("POST /deployments", "/v13/deployments").body(r#"{"name": "x", "deploymentId": "<base>"}"#).spends(),
    // Looked at with the rights, before anybody is told which files the team has.
    operate("POST /deployments", "/v13/deployments?missing").good(400)
        .body(r#"{"project": "<project>", "files": [{"file": "a", "sha": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"}]}"#),
    team("GET /deployments", "/v6/deployments?teamId=<team>"),
    // A list of what is not there is empty.
    token("GET /deployments", "/v6/deployments?projectId=<project>").missing("project", 200),
    see("GET /deployments/{deployment}", "/v13/deployments/<base>"),
    see("GET /deployments/{deployment}", "/v13/deployments/<host>"),
    write("DELETE /deployments/{deployment}", "/v13/deployments/<building>").spends(),
    operate("PATCH /deployments/{deployment}/cancel", "/v12/deployments/<building>/cancel").spends(),
    see("GET /deployments/{deployment}/events", "/v3/now/deployments/<base>/events"),
    see("GET /deployments/{deployment}/builds", "/v11/deployments/<base>/builds"),

    see("GET /deployments/{deployment}/aliases", "/v2/deployments/<base>/aliases"),
    operate("POST /deployments/{deployment}/aliases", "/v2/deployments/<base>/aliases")
        .body(r#"{"alias": "a<n>"}"#),
    team("GET /aliases", "/v4/aliases?teamId=<team>"),
    see("GET /aliases", "/v4/aliases?projectId=<project>"),
    see("GET /aliases/{alias}", "/v4/aliases/<alias>").any_team(),
    operate("DELETE /aliases/{alias}", "/v2/aliases/<alias>").any_team().spends(),
    team("GET /domains/{domain}", "/v4/domains/x.apps.windlass.test?teamId=<team>"),

    see("GET /deployments/{deployment}/checks", "/v1/deployments/<building>/checks"),
    operate("POST /deployments/{deployment}/checks", "/v1/deployments/<building>/checks")
        .body(r#"{"name": "smoke", "blocking": false}"#),
    see("GET /deployments/{deployment}/checks/{check}", "/v1/deployments/<building>/checks/<check>"),
    operate("PATCH /deployments/{deployment}/checks/{check}", "/v1/deployments/<building>/checks/<check>")
        .body(r#"{"status": "running"}"#),
    operate("POST /deployments/{deployment}/checks/{check}/rerequest",
        "/v1/deployments/<building>/checks/<check>/rerequest"),
    see("GET /deployments/{deployment}/check-runs", "/v2/deployments/<building>/check-runs"),
    see("GET /deployments/{deployment}/check-runs/{check}", "/v2/deployments/<building>/check-runs/<check>"),

    operate("POST /projects/{project}/promote/{deployment}", "/v10/projects/<project>/promote/<canary>")
        .good(201).spends(),
    see("GET /projects/{project}/promote/aliases", "/v1/projects/<project>/promote/aliases"),
    operate("POST /projects/{project}/rollback/{deployment}", "/v9/projects/<project>/rollback/<base>")
        .good(201).spends(),
    see("GET /projects/{project}/rollback/aliases", "/v1/projects/<project>/rollback/aliases"),

    see("GET /projects/{project}/rolling-release", "/v1/projects/<project>/rolling-release"),
    see("GET /projects/{project}/rolling-release/billing", "/v1/projects/<project>/rolling-release/billing"),
    see("GET /projects/{project}/rolling-release/config", "/v1/projects/<project>/rolling-release/config"),
    write("PATCH /projects/{project}/rolling-release/config", "/v1/projects/<project>/rolling-release/config")
        .body(r#"{"canaryResponseHeader": false}"#),
    write("DELETE /projects/{project}/rolling-release/config", "/v1/projects/<project>/rolling-release/config")
        .spends(),
    operate("POST /projects/{project}/rolling-release/start", "/v1/projects/<project>/rolling-release/start")
        .body(CANARY),
    // Another canary than the active one is told of that one, whether it exists or not.
    operate("POST /projects/{project}/rolling-release/approve-stage",
        "/v1/projects/<project>/rolling-release/approve-stage")
        .body(r#"{"canaryDeploymentId": "<canary>", "nextStageIndex": 1}"#).missing("canary", 409).spends(),
    operate("POST /projects/{project}/rolling-release/complete",
        "/v1/projects/<project>/rolling-release/complete").body(CANARY).missing("canary", 409).spends(),
    operate("POST /projects/{project}/rolling-release/abort",
        "/v1/projects/<project>/rolling-release/abort").body(CANARY).missing("canary", 409).spends(),

    see("GET /projects/{project}/deployments/{deployment}/runtime-logs",
        "/v1/projects/<project>/deployments/<base>/runtime-logs").endless(),
    see("GET /api/logs/request-logs", "/api/logs/request-logs?projectId=<project>"),
    see("POST /observability/events", "/v1/observability/events")
        .body(r#"{"event": "vercel.log", "scope": {"ownerId": "x", "projectIds": ["<project>"]},
                  "timeRange": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}}"#),
];
