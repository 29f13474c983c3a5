//! A process as the wire has it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windlass_engine::configuration::{HealthCheck, HealthKind};
use windlass_engine::id::{AppId, SpaceId};
use windlass_engine::records::Metadata;

use super::model::Process;
use crate::links::Urls;
use crate::metadata;
use crate::tasks::request::USER;
use crate::tasks::view::log_rate;
use crate::time::rfc3339;

/// What stands for commands in lists.
const HIDDEN_IN_LIST: &str = "[PRIVATE DATA HIDDEN IN LISTS]";

/// What stands for commands where the caller may not see secrets.
const HIDDEN: &str = "[PRIVATE DATA HIDDEN]";

/// Longest start-up where nothing else was set, seconds.
const DEFAULT_START_TIMEOUT_SECS: u64 = 60;

/// Whether the command is part of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Shown.
    Shown,
    /// Hidden from this caller.
    Hidden,
    /// Hidden in lists.
    InList,
}

/// A process and what surrounds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// The process.
    pub(crate) process: &'a Process,
    /// Whose.
    pub(crate) app: &'a AppId,
    /// Where.
    pub(crate) space: &'a SpaceId,
    /// Numbered revision that it runs, if revisions are on.
    pub(crate) revision: Option<&'a str>,
    /// Start commands of its droplet, per process type.
    pub(crate) droplet_commands: &'a BTreeMap<String, String>,
    /// Labels and annotations.
    pub(crate) metadata: &'a Metadata,
}

/// The whole object.
pub(crate) fn process(urls: &Urls, shown: Shown<'_>, command: Command) -> Value {
    let Shown {
        process,
        app,
        space,
        revision,
        droplet_commands,
        metadata,
    } = shown;
    let own = format!("/v3/processes/{}", process.guid);
    let config = &process.config;
    let command = match command {
        Command::Shown => config.command.as_deref().or_else(|| {
            droplet_commands
                .get(process.component.as_str())
                .map(String::as_str)
        }),
        Command::Hidden => Some(HIDDEN),
        Command::InList => Some(HIDDEN_IN_LIST),
    };
    json!({
        "guid": process.guid,
        "created_at": rfc3339(process.stamps.created_at),
        "updated_at": rfc3339(process.stamps.updated_at),
        "version": process.revision,
        "type": process.component,
        "command": command,
        "user": config.user.as_deref().unwrap_or(USER),
        "instances": process.instances,
        "memory_in_mb": config.memory_mb,
        "disk_in_mb": config.disk_mb,
        "log_rate_limit_in_bytes_per_second": log_rate(config.log_bytes_per_second),
        "health_check": health_check(&config.health),
        "readiness_health_check": readiness_check(&config.readiness),
        "relationships": {
            "app": {"data": {"guid": app}},
            "revision": revision.map(|guid| json!({"data": {"guid": guid}})),
        },
        "metadata": metadata::to_wire(metadata),
        "links": {
            "self": urls.href(&own),
            "scale": urls.action(&format!("{own}/actions/scale"), "POST"),
            "app": urls.href(&format!("/v3/apps/{app}")),
            "space": urls.href(&format!("/v3/spaces/{space}")),
            "stats": urls.href(&format!("{own}/stats")),
            "process_instances": urls.href(&format!("{own}/process_instances")),
        },
    })
}

fn health_check(check: &HealthCheck) -> Value {
    let mut data = json!({
        "timeout": check.start_timeout_secs.unwrap_or(DEFAULT_START_TIMEOUT_SECS),
        "invocation_timeout": check.invocation_timeout_secs,
        "interval": check.interval_secs,
    });
    if let HealthKind::Http { endpoint } = &check.kind {
        data["endpoint"] = json!(endpoint);
    }
    json!({"type": kind_word(&check.kind), "data": data})
}

/// Readiness has no start-up of its own.
fn readiness_check(check: &HealthCheck) -> Value {
    let mut data = json!({
        "invocation_timeout": check.invocation_timeout_secs,
        "interval": check.interval_secs,
    });
    if let HealthKind::Http { endpoint } = &check.kind {
        data["endpoint"] = json!(endpoint);
    }
    json!({"type": kind_word(&check.kind), "data": data})
}

fn kind_word(kind: &HealthKind) -> &'static str {
    match kind {
        HealthKind::Process => "process",
        HealthKind::Port => "port",
        HealthKind::Http { .. } => "http",
    }
}
