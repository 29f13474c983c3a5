//! An installation without a socket: requests in, answers out, and a driver that runs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;
use windlass_control::Control;
use windlass_control::identity::NewUser;
use windlass_control::tenancy::{NewDomain, NewOrganization, NewSpace, is_space_role};
use windlass_control::testing::{self, TestDriver};
use windlass_engine::build::BuildOutcome;
use windlass_engine::id::{BuildId, OrganizationId, SpaceId, UserId};
use windlass_engine::records::{Actor, AdminScope, Metadata, Quota, RoleKind};
use windlass_vercel::server::{Settings, VercelState, router};

/// Longest wait for anything; a slow machine may take this long.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);
/// Largest answer that a test reads, bytes.
const ANSWER_LIMIT_BYTES: usize = 16 * 1024 * 1024;
/// Requests of an hour, far more than any test sends.
const REQUESTS: u32 = 1_000_000;

pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) router: Router,
    _driver: Arc<TestDriver>,
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
    /// Status, code and text of a refusal.
    pub(crate) fn error(&self) -> (u16, &str, &str) {
        let text = |name: &str| self.body["error"][name].as_str().unwrap_or("?");
        (self.status, text("code"), text("message"))
    }
}

fn system() -> Actor {
    Actor {
        id: "system".to_owned(),
        kind: "system".to_owned(),
        name: "system".to_owned(),
    }
}

impl World {
    /// An installation with the users `admin`, `anna` (one team) and `bert` (another).
    pub(crate) async fn start() -> Self {
        Self::start_with(REQUESTS).await
    }

    /// The same with a limit of requests.
    pub(crate) async fn start_with(requests_per_hour: u32) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (control, driver) = testing::open(dir.path()).await.expect("control opens");
        let state = VercelState::new(control.clone(), &Settings { requests_per_hour });
        let mut world = Self {
            control,
            router: router(state),
            _driver: driver,
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
                    name: format!("Team {name}"),
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

    /// Gives a user one role in the team of another, or in the space where its projects lie.
    pub(crate) async fn join(&self, team: &str, name: &str, kind: RoleKind) {
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

    /// The id of one more token of a user.
    pub(crate) async fn spare_token(&self, name: &str) -> String {
        let user = &self.users[name];
        let made = self
            .control
            .identity()
            .create_token(user, "spare", None)
            .await;
        made.expect("a token").token.id.to_string()
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

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, self.speaks, path, Some(body))
            .await
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

    /// Sends a request whose answer is not read to its end.
    pub(crate) async fn send_for_head(&self, request: Request<Body>) -> Answer {
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("never fails");
        let (parts, _) = response.into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: Value::Null,
        }
    }

    /// Creates a deployment of one small file; the rest of the body as it is given.
    pub(crate) async fn deploy(&self, project: &str, more: &Value) -> Answer {
        let mut body = serde_json::json!({
            "name": project,
            "files": [{"file": "index.html", "data": "<p>hello</p>", "encoding": "utf-8"}],
            "source": "cli",
            "version": 2,
            "projectSettings": {"sourceFilesOutsideRootDirectory": true, "rootDirectory": null},
        });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let path = "/v13/deployments?skipAutoDetectionConfirmation=1";
        self.post(path, &body).await
    }

    /// Creates a deployment whose build ends well: its id.
    pub(crate) async fn ready(&self, project: &str, more: &Value) -> String {
        let made = self.deploy(project, more).await;
        assert_eq!(made.status, 200, "{:?}", made.body);
        let id = made.body["id"].as_str().expect("an id").to_owned();
        self.end_build(&id, true).await;
        self.until(&id, "its aliases", |answer| answer["aliasAssigned"] == true)
            .await;
        id
    }

    /// Ends the build of a deployment.
    pub(crate) async fn end_build(&self, id: &str, built: bool) {
        self.until_building(id).await;
        testing::end_build(&self.control, &BuildId::from(id), built)
            .await
            .expect("the build ends");
    }

    /// Ends the build of a deployment in this way.
    pub(crate) async fn end_build_as(&self, id: &str, outcome: BuildOutcome) {
        self.until_building(id).await;
        testing::end_build_as(&self.control, &BuildId::from(id), outcome)
            .await
            .expect("the build ends");
    }

    async fn until_building(&self, id: &str) {
        self.until(id, "its build", |answer| {
            answer["readyState"] == "BUILDING" || answer["readyState"] == "INITIALIZING"
        })
        .await;
    }

    /// Asks for a deployment again at each commit until it is as it should be.
    pub(crate) async fn until(&self, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/v13/deployments/{id}");
        let mut hints = self.control.store().hints();
        let asked = async {
            loop {
                let answer = self.get(&path).await.body;
                if is(&answer) {
                    return answer;
                }
                hints.next().await;
            }
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answer) => answer,
            Err(elapsed) => panic!("never: {what}; {elapsed}; {:#}", self.get(&path).await.body),
        }
    }
}
