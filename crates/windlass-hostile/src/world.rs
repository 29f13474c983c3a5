//! The three dialects over a real control and a real database, without a socket, and with one of
//! each thing that a request can be about.
//!
//! Requests that are accepted change the world, so it begins anew after so many of them; what was
//! accepted before a broken promise is told with it.

mod cf;
mod digitalocean;
mod vercel;

use std::cell::RefCell;
use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;
use windlass_control::identity::NewUser;
use windlass_control::settings::ControlSettings;
use windlass_control::sources::{AddressRules, Hidden, SourceSettings};
use windlass_control::tenancy::{NewDomain, NewOrganization, NewSpace};
use windlass_control::{Control, testing};
use windlass_engine::records::{Actor, AdminScope, Metadata, Quota, RoleKind};
use windlass_wire::endpoints::Endpoint;

/// Largest answer that is read, bytes.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Accepted requests after which a world begins anew.
const ACCEPTED: usize = 48;
/// Nothing listens there, so that no branch is looked at.
const NOWHERE: &str = "http://127.0.0.1:9";
/// More requests of an hour than are ever sent.
const REQUESTS_PER_HOUR: u32 = u32::MAX;

/// A wire API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dialect {
    /// Cloud Foundry v3.
    Cf,
    /// DigitalOcean App Platform v2.
    DigitalOcean,
    /// Vercel.
    Vercel,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// The document; `null` when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// A text of the document that must be there.
    fn at(&self, pointer: &str) -> String {
        let json = self.json();
        let text = json.pointer(pointer).and_then(Value::as_str);
        let text = text.unwrap_or_else(|| panic!("no {pointer}: {} {json}", self.status));
        text.to_owned()
    }
}

/// A request: method, path, type and bytes of its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) body: &'a [u8],
}

/// An installation with one dialect.
pub(crate) struct World {
    dialect: Dialect,
    runtime: Runtime,
    control: Control,
    router: Router,
    token: String,
    /// What exists, by the name under which inputs speak of it.
    pub(crate) subjects: BTreeMap<&'static str, String>,
    accepted: Vec<String>,
    _dir: TempDir,
}

thread_local! {
    static WORLDS: RefCell<BTreeMap<Dialect, World>> = const { RefCell::new(BTreeMap::new()) };
}

/// Lets `act` have the world of a dialect: one that is there, or a new one. A world in which
/// something broke is not used again.
pub(crate) fn with<T>(dialect: Dialect, act: impl FnOnce(&mut World) -> T) -> T {
    let kept = WORLDS.with_borrow_mut(|worlds| worlds.remove(&dialect));
    let mut world = kept.unwrap_or_else(|| World::start(dialect));
    let done = act(&mut world);
    if world.accepted.len() < ACCEPTED {
        WORLDS.with_borrow_mut(|worlds| worlds.insert(dialect, world));
    }
    done
}

impl World {
    fn start(dialect: Dialect) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let dir = tempfile::tempdir().expect("a directory");
        let settings = ControlSettings {
            sources: SourceSettings {
                github_url: NOWHERE.to_owned(),
                gitlab_url: NOWHERE.to_owned(),
                bitbucket_url: NOWHERE.to_owned(),
                webhook_secret: Some(Hidden::new("secret")),
                addresses: AddressRules {
                    allow_loopback: true,
                },
                poll_interval_s: 0,
                ..SourceSettings::default()
            },
            ..ControlSettings::local(dir.path())
        };
        let opened = runtime.block_on(testing::open_with(settings, |_| {}));
        let (control, _driver) = opened.expect("control opens");
        let token = runtime.block_on(tenant(&control));
        let router = match dialect {
            Dialect::Cf => cf::router(&control),
            Dialect::DigitalOcean => digitalocean::router(&control),
            Dialect::Vercel => vercel::router(&control),
        };
        let mut world = Self {
            dialect,
            runtime,
            control,
            router,
            token,
            subjects: BTreeMap::new(),
            accepted: Vec::new(),
            _dir: dir,
        };
        world.subjects = match dialect {
            Dialect::Cf => cf::subjects(&mut world),
            Dialect::DigitalOcean => digitalocean::subjects(&mut world),
            Dialect::Vercel => vercel::subjects(&mut world),
        };
        world.accepted.clear();
        world
    }

    /// All endpoints of its dialect that may read a body.
    pub(crate) fn endpoints(dialect: Dialect) -> Vec<Endpoint> {
        let mut all = match dialect {
            Dialect::Cf => windlass_cf::server::endpoints(),
            Dialect::DigitalOcean => windlass_digitalocean::server::endpoints(),
            Dialect::Vercel => windlass_vercel::server::endpoints(),
        };
        all.retain(|endpoint| matches!(endpoint.method.as_str(), "POST" | "PUT" | "PATCH"));
        all
    }

    /// The path of an endpoint, with what exists in place of its parameters.
    pub(crate) fn path(&self, endpoint: &Endpoint) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for part in endpoint.path.split('/') {
            let before = parts.last().copied().unwrap_or_default();
            let name = match (part.starts_with('{'), self.dialect) {
                (false, _) => None,
                (true, Dialect::Cf) => Some(cf::subject(before, part)),
                (true, Dialect::DigitalOcean) => Some(digitalocean::subject(before)),
                (true, Dialect::Vercel) => Some(vercel::subject(before)),
            };
            parts.push(match name {
                Some(name) => self.subjects.get(name).map_or(name, String::as_str),
                None => part,
            });
        }
        parts.join("/")
    }

    /// Bytes with what exists in place of its names (`@app`).
    pub(crate) fn named(&self, bytes: &[u8]) -> Vec<u8> {
        let mut named = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            let found = (*first == b'@')
                .then(|| self.subjects.iter().rev())
                .into_iter()
                .flatten()
                .find(|(name, _)| after.starts_with(name.as_bytes()));
            if let Some((name, value)) = found {
                named.extend_from_slice(value.as_bytes());
                rest = &after[name.len()..];
            } else {
                named.push(*first);
                rest = after;
            }
        }
        named
    }

    /// Sends a request as the user of this world.
    pub(crate) fn ask(&mut self, asked: Asked<'_>) -> Answer {
        let request = Request::builder()
            .method(asked.method.parse::<Method>().expect("a method"))
            .uri(asked.path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, asked.kind)
            .body(Body::from(asked.body.to_vec()))
            .expect("a request");
        let router = self.router.clone();
        let answer = self.runtime.block_on(async {
            let response = router.oneshot(request).await.expect("never fails");
            let (parts, body) = response.into_parts();
            let kind = parts.headers.get(header::CONTENT_TYPE);
            Answer {
                status: parts.status.as_u16(),
                kind: kind
                    .and_then(|kind| kind.to_str().ok())
                    .unwrap_or_default()
                    .to_owned(),
                bytes: axum::body::to_bytes(body, ANSWER_BYTES)
                    .await
                    .expect("a readable answer")
                    .to_vec(),
            }
        });
        if answer.status < 400 && asked.method != "GET" {
            let body = String::from_utf8_lossy(asked.body);
            let line = format!("{} {}\n{body}", asked.method, asked.path);
            self.accepted.push(line);
        }
        answer
    }

    /// Sends JSON.
    pub(crate) fn json(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.ask(Asked {
            method,
            path,
            kind: "application/json",
            body: body.to_string().as_bytes(),
        })
    }

    /// Reads.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.ask(Asked {
            method: "GET",
            path,
            kind: "",
            body: b"",
        })
    }

    /// Fails, with all that was accepted before.
    pub(crate) fn broken(&self, what: &str) -> ! {
        panic!("{what}\naccepted before:\n{}", self.accepted.join("\n"))
    }
}

fn system() -> Actor {
    let word = || "system".to_owned();
    Actor {
        id: word(),
        kind: word(),
        name: word(),
    }
}

/// A team, and the token of its administrator.
async fn tenant(control: &Control) -> String {
    let new = NewUser {
        admin: AdminScope::Admin,
        ..NewUser::person("anna", "anna")
    };
    let user = control.identity().create_user(new).await.expect("a user");
    let tenancy = control.tenancy();
    let shared = NewDomain::shared("apps.windlass.test");
    tenancy
        .create_domain(&system(), shared)
        .await
        .expect("a domain");
    let organization = NewOrganization {
        name: "team".to_owned(),
        suspended: false,
        quota: Quota::default(),
        metadata: Metadata::default(),
    };
    let organization = tenancy
        .create_organization(&system(), organization)
        .await
        .expect("an organization");
    let space = NewSpace {
        organization: organization.id.clone(),
        name: "home".to_owned(),
        metadata: Metadata::default(),
    };
    let space = tenancy
        .create_space(&system(), space)
        .await
        .expect("a space");
    let of_organization = RoleKind::OrganizationUser;
    tenancy
        .create_organization_role(&system(), of_organization, &user.id, &organization.id)
        .await
        .expect("a role");
    tenancy
        .create_space_role(&system(), RoleKind::SpaceDeveloper, &user.id, &space.id)
        .await
        .expect("a role");
    let token = control.identity().create_token(&user.id, "test", None);
    token.await.expect("a token").text
}

/// Whether an answer is one of a dialect: no failure of ours, and a refusal in its form.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn is_answer(dialect: Dialect, answer: &Answer) -> Result<(), &'static str> {
    // "Not served here" is an answer too.
    if answer.status >= 500 && answer.status != 501 {
        return Err("a failure of the server");
    }
    if answer.status < 400 {
        let is_json = answer.kind.starts_with("application/json");
        return if is_json && answer.json().is_null() && answer.bytes != b"null" {
            Err("an answer that is no JSON")
        } else {
            Ok(())
        };
    }
    let document = answer.json();
    let is_refusal = match dialect {
        Dialect::Cf => cf::is_refusal(&document),
        Dialect::DigitalOcean => digitalocean::is_refusal(&document),
        Dialect::Vercel => vercel::is_refusal(&document),
    };
    if is_refusal {
        Ok(())
    } else {
        Err("a refusal in another form")
    }
}
