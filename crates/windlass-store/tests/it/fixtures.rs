//! One example of each record.

use std::collections::BTreeMap;

use serde_json::json;
use windlass_engine::id::*;
use windlass_engine::records::*;
use windlass_engine::time::Timestamp;
use windlass_store::{EngineRevisionRow, ReleaseRow, TaskRow};

pub(crate) fn stamps(at: i64) -> Stamps {
    Stamps {
        created_at: Timestamp(at),
        updated_at: Timestamp(at + 1),
        created_commit: CommitNumber(u64::try_from(at).unwrap()),
    }
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

pub(crate) fn metadata() -> Metadata {
    Metadata {
        labels: labels(&[("tier", "web")]),
        annotations: labels(&[("note", "für alle")]),
    }
}

pub(crate) fn organization(id: &str, name: &str) -> Organization {
    Organization {
        id: id.into(),
        name: name.into(),
        suspended: false,
        deleting: false,
        quota: Quota {
            memory_mb: Some(1024),
            instances: None,
            tasks: Some(3),
        },
        metadata: metadata(),
        stamps: stamps(10),
    }
}

pub(crate) fn space(id: &str, organization: &str, name: &str) -> Space {
    Space {
        id: id.into(),
        organization: organization.into(),
        name: name.into(),
        deleting: false,
        metadata: metadata(),
        features: BTreeMap::from([("ssh".to_owned(), true)]),
        stamps: stamps(11),
    }
}

pub(crate) fn app(id: &str, organization: &str, space: &str, name: &str) -> AppRecord {
    AppRecord {
        id: id.into(),
        organization: organization.into(),
        space: space.into(),
        name: name.into(),
        dialect: Dialect::CloudFoundry,
        deleted: false,
        metadata: metadata(),
        document: json!({"z": 1, "a": [true, null]}),
        last_task_sequence: 4,
        last_revision_number: 2,
        stamps: stamps(12),
    }
}

pub(crate) fn user(id: &str, name: &str) -> User {
    User {
        id: id.into(),
        name: name.into(),
        origin: PASSWORD_ORIGIN.into(),
        password_hash: Some("$argon2id$…".into()),
        is_client: false,
        admin: AdminScope::GlobalAuditor,
        metadata: metadata(),
        stamps: stamps(13),
    }
}

pub(crate) fn role(id: &str, kind: RoleKind, user: &str, space: Option<&str>) -> Role {
    Role {
        id: id.into(),
        kind,
        user: user.into(),
        organization: "o1".into(),
        space: space.map(Into::into),
        stamps: stamps(14),
    }
}

pub(crate) fn token(id: &str, user: &str, sha256: &str) -> Token {
    Token {
        id: id.into(),
        kind: TokenKind::Refresh,
        user: user.into(),
        name: "laptop".into(),
        sha256: sha256.into(),
        expires_at: Some(Timestamp(99)),
        stamps: stamps(15),
    }
}

pub(crate) fn signing_key(id: &str) -> SigningKey {
    SigningKey {
        id: id.into(),
        private_encrypted: "k1:abc".into(),
        public_pem: "-----BEGIN".into(),
        retired_at: None,
        stamps: stamps(16),
    }
}

pub(crate) fn domain(id: &str, name: &str, organization: Option<&str>) -> Domain {
    Domain {
        id: id.into(),
        name: name.into(),
        internal: false,
        organization: organization.map(Into::into),
        shared_with: vec!["o7".into(), "o8".into()],
        metadata: metadata(),
        stamps: stamps(17),
    }
}

pub(crate) fn route(id: &str, domain: &str, host: &str, apps: &[&str]) -> Route {
    let destination = |app: &&str| Destination {
        id: DestinationId(format!("{id}-{app}")),
        app: (*app).into(),
        component: "web".into(),
        revision: None,
        weight: Some(50),
        port: Some(8080),
        protocol: Protocol::Http2,
    };
    Route {
        id: id.into(),
        space: "s1".into(),
        domain: domain.into(),
        host: host.into(),
        path: "/api".into(),
        full_host: format!("{host}.apps.localhost"),
        destinations: apps.iter().map(destination).collect(),
        options: labels(&[("loadbalancing", "round-robin")]),
        metadata: metadata(),
        stamps: stamps(18),
    }
}

pub(crate) fn package(id: &str, app: &str) -> Package {
    Package {
        id: id.into(),
        app: app.into(),
        state: PackageState::Failed {
            error: "not a zip".into(),
        },
        blob: Some("aa11".into()),
        size_bytes: 5_000_000_000,
        metadata: metadata(),
        stamps: stamps(19),
    }
}

pub(crate) fn artifact(id: &str, app: &str) -> Artifact {
    Artifact {
        id: id.into(),
        app: app.into(),
        package: Some("p1".into()),
        build: Some("b1".into()),
        state: ArtifactState::Staged,
        blob: Some("bb22".into()),
        size_bytes: 77,
        process_types: labels(&[("web", "./run")]),
        buildpacks: vec![json!({"name": "binary"})],
        stack: None,
        execution_metadata: String::new(),
        commit: None,
        metadata: metadata(),
        stamps: stamps(20),
    }
}

pub(crate) fn build(id: &str, app: &str) -> BuildRecord {
    BuildRecord {
        id: id.into(),
        app: app.into(),
        package: Some("p1".into()),
        git: None,
        component: None,
        settings: BuildSettings::default(),
        state: BuildRecordState::Staged {
            artifact: "a1".into(),
        },
        memory_mb: 512,
        disk_mb: 1024,
        buildpacks: vec!["binary".into()],
        created_by: Some("u1".into()),
        detail: None,
        hosts: Vec::new(),
        canceled: None,
        began_at: None,
        withdrawn: false,
        metadata: metadata(),
        stamps: stamps(21),
    }
}

pub(crate) fn numbered_revision(id: &str, app: &str, number: u32) -> NumberedRevision {
    NumberedRevision {
        id: id.into(),
        app: app.into(),
        number,
        artifact: Some("a1".into()),
        processes: BTreeMap::from([(
            "web".into(),
            NumberedProcess {
                command: Some("./run".into()),
            },
        )]),
        sidecars: vec![json!({"name": "proxy"})],
        env: BTreeMap::from([("KEY".to_owned(), SecretRef("digest".into()))]),
        description: "Initial revision.".into(),
        release: Some("r1".into()),
        metadata: metadata(),
        stamps: stamps(22),
    }
}

pub(crate) fn service_instance(id: &str, name: &str) -> ServiceInstance {
    ServiceInstance {
        id: id.into(),
        space: "s1".into(),
        name: name.into(),
        credentials: SecretRef("digest".into()),
        syslog_drain_url: None,
        route_service_url: None,
        tags: vec!["db".into()],
        metadata: metadata(),
        stamps: stamps(23),
    }
}

pub(crate) fn service_binding(id: &str, app: &str, instance: &str) -> ServiceBinding {
    ServiceBinding {
        id: id.into(),
        app: app.into(),
        service_instance: instance.into(),
        name: None,
        metadata: metadata(),
        stamps: stamps(24),
    }
}

pub(crate) fn audit_event(id: &str, target: &str) -> AuditEvent {
    AuditEvent {
        id: id.into(),
        kind: "audit.app.deployment.cancel".into(),
        actor: Actor {
            id: "u1".into(),
            kind: "user".into(),
            name: "ann".into(),
        },
        target: Target {
            id: target.into(),
            kind: "app".into(),
            name: "shop".into(),
        },
        data: json!({"deployment": "r1"}),
        space: Some("s1".into()),
        organization: Some("o1".into()),
        stamps: stamps(25),
    }
}

pub(crate) fn operation(id: &str) -> Operation {
    Operation {
        id: id.into(),
        kind: "app.delete".into(),
        subject: "a1".into(),
        state: OperationState::Failed {
            errors: vec![json!({"code": 10008})],
        },
        stamps: stamps(26),
    }
}

pub(crate) fn feature_flag(name: &str) -> FeatureFlag {
    FeatureFlag {
        name: name.into(),
        enabled: true,
        custom_error_message: Some("ask ops".into()),
        updated_at: None,
    }
}

pub(crate) fn idempotency(key: &str, expires_at: i64) -> IdempotencyRow {
    IdempotencyRow {
        key: key.into(),
        status: 201,
        body: vec![0, 255, 1, 10],
        delivered: false,
        expires_at: Timestamp(expires_at),
    }
}

pub(crate) fn secret(reference: &str) -> SecretValue {
    SecretValue {
        reference: SecretRef(reference.into()),
        ciphertext: "k1:AAEC".into(),
        created_at: Timestamp(5),
    }
}

pub(crate) fn release(id: &str, app: &str, at: i64, active: bool) -> ReleaseRow {
    ReleaseRow {
        id: id.into(),
        app: app.into(),
        state: if active { "DEPLOYING" } else { "DEPLOYED" }.into(),
        status_value: if active { "ACTIVE" } else { "FINALIZED" }.into(),
        status_reason: (!active).then(|| "DEPLOYED".into()),
        finished: !active,
        stamps: stamps(at),
        labels: labels(&[("tier", "web")]),
        document: r#"{"b":1,"a":2}"#.into(),
    }
}

pub(crate) fn task(id: &str, app: &str, sequence_id: u64, name: &str) -> TaskRow {
    TaskRow {
        id: id.into(),
        app: app.into(),
        sequence_id,
        name: name.into(),
        state: "RUNNING".into(),
        stamps: stamps(28),
        labels: labels(&[("tier", "web")]),
        document: r#"{"command":"x"}"#.into(),
    }
}

pub(crate) fn engine_revision(id: &str, app: &str) -> EngineRevisionRow {
    EngineRevisionRow {
        id: id.into(),
        app: app.into(),
        created_at: Timestamp(29),
        created_commit: CommitNumber(29),
        document: "{}".into(),
    }
}
