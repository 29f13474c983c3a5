//! A deployment as the wire has it.

use serde_json::{Map, Value, json};
use windlass_control::history::ReleaseRecord;
use windlass_engine::id::AppId;
use windlass_engine::release::{Outcome, Release, Restore};
use windlass_engine::strategy::{Gate, Strategy};

use super::request::Options;
use super::words::{self, Words};
use crate::guid::{WEB, deployed_web_process};
use crate::links::Urls;
use crate::metadata;
use crate::time::rfc3339;

/// Longest `status.details.error`, characters: clients have columns of that size.
const MAX_ERROR_CHARS: usize = 255;

/// The whole object. `shows_revision` says whether the app's `revisions` feature is on now.
pub(crate) fn deployment(urls: &Urls, record: &ReleaseRecord, shows_revision: bool) -> Value {
    let ReleaseRecord {
        release,
        app,
        detail,
        ..
    } = record;
    let words = words::of(release);
    let revision = match &detail.numbered_revision {
        Some((guid, version)) if shows_revision => json!({"guid": guid, "version": version}),
        Some(_) | None => Value::Null,
    };
    let new_processes = if detail.has_new_processes {
        json!([{"guid": deployed_web_process(&release.id), "type": WEB}])
    } else {
        json!([])
    };
    json!({
        "guid": release.id,
        "created_at": rfc3339(release.created_at),
        "updated_at": rfc3339(release.updated_at),
        "status": status(release, words, record.waits_for.as_deref()),
        "strategy": words::strategy(&release.strategy),
        "options": options(&release.strategy, &given_options(&detail.options)),
        "droplet": {"guid": record.target_artifact},
        "previous_droplet": {"guid": record.base_artifact},
        "new_processes": new_processes,
        "revision": revision,
        "relationships": {"app": {"data": {"guid": app}}},
        "metadata": metadata::to_wire(&detail.metadata),
        "links": links(urls, release, app, words),
    })
}

/// Options as this dialect has kept them.
fn given_options(kept: &Value) -> Options {
    serde_json::from_value(kept.clone()).unwrap_or_default()
}

fn status(release: &Release, words: Words, waits_for: Option<&str>) -> Value {
    let mut status = Map::new();
    status.insert("value".to_owned(), json!(words.value));
    status.insert("reason".to_owned(), json!(words.reason));
    status.insert("details".to_owned(), details(release, waits_for));
    if let Strategy::Canary { weights, .. } = &release.strategy {
        let total = weights.len().max(1);
        let current = current_step(release, total);
        status.insert(
            "canary".to_owned(),
            json!({"steps": {"current": current, "total": total}}),
        );
    }
    Value::Object(status)
}

fn details(release: &Release, waits_for: Option<&str>) -> Value {
    let mut details = Map::new();
    let mut set = |key: &str, value: Value| details.insert(key.to_owned(), value);
    set(
        "last_successful_healthcheck",
        json!(rfc3339(release.last_healthy_at)),
    );
    set(
        "last_status_change",
        json!(rfc3339(release.status_changed_at)),
    );
    if let Some(error) = error(release) {
        set("error", json!(error));
    }
    if let Some(restore) = &release.restore {
        set("canceled_by", json!(restore.by));
        if let Some(reason) = cancel_reason(release, restore) {
            set("cancel_reason", json!(reason));
        }
        if let Some(time_to_safe_ms) = time_to_safe_ms(restore) {
            set("time_to_safe_ms", json!(time_to_safe_ms));
        }
        // One text each: there are clients that read details as a map of texts.
        if !restore.not_restored.is_empty() {
            let keys: Vec<String> = restore
                .not_restored
                .iter()
                .map(ToString::to_string)
                .collect();
            set("not_restored", json!(keys.join(", ")));
        }
        if !restore.not_undone.is_empty() {
            set("not_undone", json!(restore.not_undone.join(", ")));
        }
        if let Some(waits_for) = waits_for {
            set("waits_for", json!(waits_for));
        }
    }
    Value::Object(details)
}

/// What holds a deployment up, or why it ended, in words.
fn error(release: &Release) -> Option<String> {
    let text = match (&release.error, release.outcome()) {
        (Some(error), _) => error.clone(),
        (None, Some(Outcome::Failed(_))) => failure(release.outcome()?)?.to_owned(),
        (None, _) => return None,
    };
    Some(text.chars().take(MAX_ERROR_CHARS).collect())
}

fn failure(outcome: &Outcome) -> Option<&'static str> {
    use windlass_engine::release::FailureReason;

    match outcome {
        Outcome::Failed(reason) => Some(match reason {
            FailureReason::Deadline => "The deployment made no progress within its deadline",
            FailureReason::Job { .. } => "A job of the deployment failed",
            FailureReason::Check => "A check of the deployment failed",
            FailureReason::Build => "The build of the deployment failed",
        }),
        Outcome::Deployed | Outcome::Canceled(_) | Outcome::Superseded { .. } => None,
    }
}

/// Why it was canceled: the user's words, else what the engine knows.
fn cancel_reason(release: &Release, restore: &Restore) -> Option<String> {
    use windlass_engine::release::CancelCause;

    if let Some(reason) = &restore.reason {
        return Some(reason.clone());
    }
    match release.outcome()? {
        Outcome::Canceled(CancelCause::Deleted) => Some("the app was deleted".to_owned()),
        failed @ Outcome::Failed(_) => failure(failed).map(str::to_owned),
        Outcome::Canceled(CancelCause::User) | Outcome::Deployed | Outcome::Superseded { .. } => {
            None
        }
    }
}

/// Milliseconds from the cancel to the first table that gave the target nothing, rounded up.
/// `None` = not yet, or unknown.
pub(crate) fn time_to_safe_ms(restore: &Restore) -> Option<u64> {
    restore.time_to_safe_us.map(|micros| micros.div_ceil(1_000))
}

/// Number of the canary step, from 1. The steps after the last pause count as that one.
fn current_step(release: &Release, total: usize) -> usize {
    let is_deployed = release.outcome() == Some(&Outcome::Deployed);
    if is_deployed {
        return total;
    }
    let begun = release.steps.iter().take(release.last_step + 1);
    let pauses = begun.filter(|step| step.gate == Gate::Manual).count();
    pauses.clamp(1, total)
}

/// Only what was given, save `max_in_flight`, which is always there.
fn options(strategy: &Strategy, given: &Options) -> Value {
    let mut options = Map::new();
    let mut set = |key: &str, value: Value| options.insert(key.to_owned(), value);
    set("max_in_flight", json!(given.max_in_flight.unwrap_or(1)));
    for (key, number) in [
        ("web_instances", given.web_instances),
        ("memory_in_mb", given.memory_in_mb),
        ("disk_in_mb", given.disk_in_mb),
        (
            "log_rate_limit_in_bytes_per_second",
            given.log_rate_limit_in_bytes_per_second,
        ),
    ] {
        if let Some(number) = number {
            set(key, json!(number));
        }
    }
    if let (Strategy::Canary { .. }, Some(weights)) = (strategy, &given.canary_weights) {
        let steps: Vec<Value> = weights
            .iter()
            .map(|weight| json!({"instance_weight": weight}))
            .collect();
        set("canary", json!({"steps": steps}));
    }
    Value::Object(options)
}

fn links(urls: &Urls, release: &Release, app: &AppId, words: Words) -> Value {
    let own = format!("/v3/deployments/{}", release.id);
    let mut links = Map::new();
    links.insert("self".to_owned(), urls.href(&own));
    links.insert("app".to_owned(), urls.href(&format!("/v3/apps/{app}")));
    if words.can_cancel {
        links.insert(
            "cancel".to_owned(),
            urls.action(&format!("{own}/actions/cancel"), "POST"),
        );
    }
    if words.can_continue {
        let path = format!("{own}/actions/continue");
        links.insert("continue".to_owned(), urls.action(&path, "POST"));
    }
    Value::Object(links)
}

#[cfg(test)]
mod tests;
