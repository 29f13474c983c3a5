//! The whole dialect over a real control and a real database, without a socket.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use windlass_cf::links::Urls;
use windlass_cf::server::{CfState, router};
use windlass_control::Control;
use windlass_control::identity::NewUser;
use windlass_control::tenancy::NewDomain;
use windlass_control::testing::{self, TestDriver};
use windlass_engine::records::{Actor, AdminScope, User};

/// Address that all links of the tests begin with.
pub(crate) const ORIGIN: &str = "https://api.windlass.test";
/// Largest answer that a test reads, bytes.
const ANSWER_LIMIT_BYTES: usize = 16 * 1024 * 1024;

pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) router: Router,
    /// What runs nothing and does as the test says.
    pub(crate) driver: Arc<TestDriver>,
    /// Access tokens by user name.
    tokens: BTreeMap<String, String>,
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
    /// Number and text of the first error.
    pub(crate) fn error(&self) -> (u16, u64, &str) {
        let first = &self.body["errors"][0];
        let code = first["code"].as_u64().unwrap_or(0);
        (self.status, code, first["detail"].as_str().unwrap_or(""))
    }

    pub(crate) fn guid(&self) -> String {
        self.body["guid"].as_str().expect("a guid").to_owned()
    }

    /// Values of one field of all resources.
    pub(crate) fn column(&self, field: &str) -> Vec<String> {
        let rows = self.body["resources"].as_array().expect("resources");
        rows.iter()
            .map(|row| row[field].as_str().unwrap_or("").to_owned())
            .collect()
    }

    /// Path of the job in `Location`.
    pub(crate) fn job(&self) -> String {
        let location = self.headers["location"].to_str().expect("text");
        location
            .strip_prefix(ORIGIN)
            .expect("an absolute address")
            .to_owned()
    }
}

pub(crate) fn system() -> Actor {
    Actor {
        id: "system".to_owned(),
        kind: "system".to_owned(),
        name: "system".to_owned(),
    }
}

impl World {
    /// An installation with an administrator `admin` and a shared domain.
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (control, driver) = testing::open(dir.path()).await.expect("control opens");
        let router = router(CfState::new(control.clone(), Urls::new(ORIGIN)));
        let mut world = Self {
            control,
            router,
            driver,
            tokens: BTreeMap::new(),
            _dir: dir,
        };
        world.user("admin", AdminScope::Admin).await;
        let shared = NewDomain::shared("apps.windlass.test");
        world
            .control
            .tenancy()
            .create_domain(&system(), shared)
            .await
            .expect("a domain");
        world
    }

    /// A user whose password is their name; logged in.
    pub(crate) async fn user(&mut self, name: &str, admin: AdminScope) -> User {
        let new = NewUser {
            admin,
            ..NewUser::person(name, name)
        };
        let user = self
            .control
            .identity()
            .create_user(new)
            .await
            .expect("a user");
        let tokens = self
            .control
            .identity()
            .login(name, name, None, "cf")
            .await
            .expect("the password is right");
        self.tokens.insert(name.to_owned(), tokens.access_token);
        user
    }

    /// A user without a password, who never logs in.
    pub(crate) async fn person(&self, name: &str) {
        let new = NewUser {
            password: None,
            ..NewUser::person(name, name)
        };
        let identity = self.control.identity();
        identity.create_user(new).await.expect("a user");
    }

    /// A client that is no person, logged in by its own secret.
    pub(crate) async fn client(&mut self, name: &str) {
        let new = NewUser {
            is_client: true,
            ..NewUser::person(name, name)
        };
        let identity = self.control.identity();
        identity.create_user(new).await.expect("a client");
        let tokens = identity.login_client(name, name).await;
        let token = tokens.expect("the secret is right").access_token;
        self.tokens.insert(name.to_owned(), token);
    }

    /// A user with these roles: `organization_*` in the organization, `space_*` in the space.
    pub(crate) async fn member(&mut self, name: &str, org: &str, space: &str, kinds: &[&str]) {
        self.user(name, AdminScope::None).await;
        self.join(name, org, space, kinds).await;
    }

    /// Gives a user these roles.
    pub(crate) async fn join(&self, name: &str, org: &str, space: &str, kinds: &[&str]) {
        let mut all = vec!["organization_user"];
        all.extend(
            kinds
                .iter()
                .copied()
                .filter(|kind| *kind != "organization_user"),
        );
        for kind in all {
            let place = if kind.starts_with("space") {
                ("space", space)
            } else {
                ("organization", org)
            };
            let body = json!({
                "type": kind,
                "relationships": {
                    "user": {"data": {"username": name, "origin": "uaa"}},
                    place.0: {"data": {"guid": place.1}},
                },
            });
            let made = self.post("admin", "/v3/roles", &body).await;
            assert_eq!(made.status, 201, "{:?}", made.body);
        }
    }

    /// An organization and a space in it: their guids.
    pub(crate) async fn tenant(&self, name: &str) -> (String, String) {
        let organization = self
            .post("admin", "/v3/organizations", &json!({"name": name}))
            .await
            .guid();
        let body = json!({
            "name": format!("{name}-space"),
            "relationships": {"organization": {"data": {"guid": organization}}},
        });
        let space = self.post("admin", "/v3/spaces", &body).await.guid();
        (organization, space)
    }

    pub(crate) fn token(&self, user: &str) -> &str {
        &self.tokens[user]
    }

    pub(crate) async fn get(&self, user: &str, path: &str) -> Answer {
        self.call(Method::GET, user, path, None).await
    }

    pub(crate) async fn post(&self, user: &str, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, user, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, user: &str, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, user, path, Some(body)).await
    }

    pub(crate) async fn put(&self, user: &str, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, user, path, Some(body)).await
    }

    /// Sends a form as the client `cf`.
    pub(crate) async fn form(&self, path: &str, form: &str) -> Answer {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("authorization", "Basic Y2Y6")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .expect("a request");
        self.send(request).await
    }

    pub(crate) async fn delete(&self, user: &str, path: &str) -> Answer {
        self.call(Method::DELETE, user, path, None).await
    }

    async fn call(&self, method: Method, user: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("bearer {}", self.token(user)))
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
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::String(text));
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }
}
