//! An installation without a socket: requests in, answers out, and a driver that runs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use windlass_control::Control;
use windlass_control::identity::NewUser;
use windlass_control::settings::ControlSettings;
use windlass_control::sources::{AddressRules, Hidden, SourceSettings};
use windlass_control::tenancy::{NewDomain, NewOrganization, NewSpace, is_space_role};
use windlass_control::testing::{self, TestDriver};
use windlass_digitalocean::server::{DoState, Settings, router};
use windlass_engine::id::{AppId, BuildId, OrganizationId, ReleaseId, SpaceId, UserId};
use windlass_engine::records::{Actor, AdminScope, Metadata, Quota, RoleKind};
use windlass_engine::release::ReleaseState;

/// Address that all links of the tests begin with.
pub(crate) const ORIGIN: &str = "https://api.windlass.test";
/// Longest wait for anything; a slow machine may take this long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// Largest answer that a test reads, bytes.
const ANSWER_LIMIT_BYTES: usize = 16 * 1024 * 1024;
/// Requests of an hour, far more than any test sends.
const REQUESTS: u32 = 1_000_000;

pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) router: Router,
    /// What runs nothing and does as the test says.
    pub(crate) driver: Arc<TestDriver>,
    tokens: BTreeMap<String, String>,
    users: BTreeMap<String, UserId>,
    /// Organizations and spaces by the user whom they were made for.
    teams: BTreeMap<String, (OrganizationId, SpaceId)>,
    /// Whose requests those without a name are.
    pub(crate) speaks: &'static str,
    _dir: TempDir,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// Status, slug and text of a refusal.
    pub(crate) fn error(&self) -> (u16, &str, &str) {
        let text = |name: &str| self.body[name].as_str().unwrap_or("?");
        (self.status, text("id"), text("message"))
    }

    /// The id of the app in the answer.
    pub(crate) fn app(&self) -> String {
        text(&self.body["app"]["id"])
    }

    /// The id of the deployment that the answer is about.
    pub(crate) fn deployment(&self) -> String {
        match self.body.get("deployment") {
            Some(deployment) => text(&deployment["id"]),
            None => text(&self.body["app"]["pending_deployment"]["id"]),
        }
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

fn system() -> Actor {
    Actor {
        id: "system".to_owned(),
        kind: "system".to_owned(),
        name: "system".to_owned(),
    }
}

/// The spec of the reference page, from a repository that nobody asks.
pub(crate) fn spec(name: &str) -> Value {
    json!({
        "name": name,
        "services": [{
            "name": "web",
            "github": {"repo": "digitalocean/sample-golang", "branch": "main"},
            "run_command": "bin/sample-golang",
            "environment_slug": "go",
            "instance_size_slug": "apps-s-1vcpu-0.5gb",
            "instance_count": 2,
            "routes": [{"path": "/"}],
        }],
        "region": "ams",
    })
}

impl World {
    /// An installation with the users `admin`, `anna` (one team) and `bert` (another).
    pub(crate) async fn start() -> Self {
        Self::start_with(REQUESTS).await
    }

    /// The same with a limit of requests.
    pub(crate) async fn start_with(requests_per_hour: u32) -> Self {
        Self::start_as(requests_per_hour, None).await
    }

    /// One that believes reports of pushes with this secret.
    pub(crate) async fn start_with_secret(secret: &str) -> Self {
        Self::start_as(REQUESTS, Some(Hidden::new(secret))).await
    }

    async fn start_as(requests_per_hour: u32, webhook_secret: Option<Hidden>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // Nothing listens on this port: branches can't be looked at, and nobody waits for that.
        let nowhere = "http://127.0.0.1:9".to_owned();
        let settings = ControlSettings {
            sources: SourceSettings {
                github_url: nowhere.clone(),
                gitlab_url: nowhere.clone(),
                bitbucket_url: nowhere,
                webhook_secret,
                addresses: AddressRules {
                    allow_loopback: true,
                },
                ..SourceSettings::default()
            },
            ..ControlSettings::local(dir.path())
        };
        let (control, driver) = testing::open_with(settings, |_| {})
            .await
            .expect("control opens");
        let state = DoState::new(
            control.clone(),
            &Settings {
                api_origin: ORIGIN.to_owned(),
                router_origin: "https://127.0.0.1:8444".to_owned(),
                requests_per_hour,
            },
        );
        let mut world = Self {
            control,
            router: router(state),
            driver,
            tokens: BTreeMap::new(),
            users: BTreeMap::new(),
            teams: BTreeMap::new(),
            speaks: "anna",
            _dir: dir,
        };
        world.user("admin", AdminScope::Admin).await;
        let shared = NewDomain::shared("apps.windlass.test");
        let tenancy = world.control.tenancy().clone();
        tenancy
            .create_domain(&system(), shared)
            .await
            .expect("a domain");
        for name in ["anna", "bert"] {
            world.tenant(name).await;
        }
        world
    }

    /// A user with a team of their own.
    async fn tenant(&mut self, name: &str) {
        self.user(name, AdminScope::None).await;
        let tenancy = self.control.tenancy();
        let organization = tenancy
            .create_organization(
                &system(),
                NewOrganization {
                    name: format!("team-{name}"),
                    suspended: false,
                    quota: Quota::default(),
                    metadata: Metadata::default(),
                },
            )
            .await
            .expect("an organization");
        let space = tenancy
            .create_space(
                &system(),
                NewSpace {
                    organization: organization.id.clone(),
                    name: "home".to_owned(),
                    metadata: Metadata::default(),
                },
            )
            .await
            .expect("a space");
        let place = (organization.id, space.id);
        self.teams.insert(name.to_owned(), place);
        self.join(name, name, RoleKind::SpaceDeveloper).await;
    }

    pub(crate) async fn user(&mut self, name: &str, admin: AdminScope) -> UserId {
        let new = NewUser {
            admin,
            ..NewUser::person(name, name)
        };
        let identity = self.control.identity();
        let user = identity.create_user(new).await.expect("a user");
        let token = identity
            .create_token(&user.id, "test", None)
            .await
            .expect("a token");
        self.tokens.insert(name.to_owned(), token.text);
        self.users.insert(name.to_owned(), user.id.clone());
        user.id
    }

    /// A user with one role in the team of `anna`.
    pub(crate) async fn member(&mut self, name: &str, kind: RoleKind) {
        self.user(name, AdminScope::None).await;
        self.join("anna", name, kind).await;
    }

    /// Gives a user one role in the team of another, or in its project.
    async fn join(&self, team: &str, name: &str, kind: RoleKind) {
        let (organization, space) = &self.teams[team];
        let tenancy = self.control.tenancy();
        let user = &self.users[name];
        let of_team = if is_space_role(kind) {
            RoleKind::OrganizationUser
        } else {
            kind
        };
        tenancy
            .create_organization_role(&system(), of_team, user, organization)
            .await
            .expect("a role");
        if is_space_role(kind) {
            tenancy
                .create_space_role(&system(), kind, user, space)
                .await
                .expect("a role");
        }
    }

    /// The id of the project of a user.
    pub(crate) fn project(&self, name: &str) -> String {
        self.teams[name].1.to_string()
    }

    pub(crate) fn token(&self, user: &str) -> &str {
        &self.tokens[user]
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, self.speaks, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, self.speaks, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, self.speaks, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, self.speaks, path, None).await
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        user: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token(user)))
            .header("content-type", "application/json")
            .body(body)
            .expect("a request");
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("never fails");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, ANSWER_LIMIT_BYTES)
            .await
            .expect("a readable answer");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::String(text)),
        }
    }

    /// Creates an app from a spec: its id and that of its deployment.
    pub(crate) async fn create(&self, spec: &Value) -> (String, String) {
        let made = self.post("/v2/apps", &json!({ "spec": spec })).await;
        assert_eq!(made.status, 200, "{:?}", made.body);
        (made.app(), made.deployment())
    }

    /// An app whose first deployment is active: its id and that of its deployment.
    pub(crate) async fn active_app(&self, name: &str) -> (String, String) {
        let (app, deployment) = self.create(&spec(name)).await;
        self.build(&app).await;
        self.until_phase(&app, &deployment, "ACTIVE").await;
        (app, deployment)
    }

    /// Ends all builds of an app that run, well.
    pub(crate) async fn build(&self, app: &str) {
        for build in self.builds(app) {
            testing::end_build(&self.control, &build, true)
                .await
                .expect("the build ends");
        }
    }

    /// Builds of an app that are not over.
    pub(crate) fn builds(&self, app: &str) -> Vec<BuildId> {
        let state = self.control.state(&AppId::from(app)).expect("readable");
        state
            .expect("an app")
            .builds
            .iter()
            .filter(|build| !build.is_finished())
            .map(|build| build.id.clone())
            .collect()
    }

    /// Asks again at each commit until a deployment is in a phase.
    pub(crate) async fn until_phase(&self, app: &str, deployment: &str, phase: &str) -> Value {
        let path = format!("/v2/apps/{app}/deployments/{deployment}");
        self.until(&path, phase, |answer| {
            answer["deployment"]["phase"] == phase
        })
        .await["deployment"]
            .clone()
    }

    /// Waits at each commit until a canary waits at a step.
    pub(crate) async fn until_waiting(&self, app: &str, deployment: &str) {
        let mut hints = self.control.store().hints();
        let waits = || {
            let record = self.control.release(&ReleaseId::from(deployment));
            let state = record.expect("a deployment").release.state;
            matches!(state, ReleaseState::Paused { .. })
        };
        let waiting = async {
            while !waits() {
                hints.next().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "{deployment} of {app} never waits");
    }

    /// Asks again at each commit until the answer is as it should be.
    pub(crate) async fn until(&self, path: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut hints = self.control.store().hints();
        let asked = async {
            loop {
                let answer = self.get(path).await.body;
                if is(&answer) {
                    return answer;
                }
                hints.next().await;
            }
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answer) => answer,
            Err(elapsed) => {
                let last = self.get(path).await.body;
                panic!("never: {what}; {elapsed}; {last:#}")
            }
        }
    }
}
