//! `POST /v3/deployments`: the body, checked.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use windlass_engine::limits::STEPS_MAX;

use crate::body::{IntegerRange, Validator};
use crate::checks::{MAX_GUID_CHARS, echo, given, object, supported_keys};
use crate::disk;
use crate::error::ApiError;
use crate::metadata::MetadataPatch;

/// Most steps of a canary: the last step of the release, to all instances, is added to them.
const MAX_CANARY_STEPS: usize = STEPS_MAX - 1;

const STEPS: &str = "Options canary steps";
const WEIGHT: &str = "Options canary steps instance weight";
const NOT_A_WEIGHT: &str = "must be an Integer between 1-100 (inclusive)";

/// How a deployment proceeds, in the words of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum StrategyWord {
    /// Instance by instance.
    #[default]
    Rolling,
    /// In steps that wait for a continue.
    Canary,
    /// Stop everything, then start everything: an addition of ours.
    Recreate,
}

impl StrategyWord {
    /// The word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::Canary => "canary",
            Self::Recreate => "recreate",
        }
    }
}

/// What shall run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Source {
    /// The app's current droplet.
    #[default]
    CurrentDroplet,
    /// A droplet.
    Droplet(String),
    /// A numbered revision: a rollback.
    Revision(String),
}

/// Options as they were given. The answer repeats them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    /// Most new instances that start at a time; `None` = 1.
    pub(crate) max_in_flight: Option<u64>,
    /// Instances of web when done.
    pub(crate) web_instances: Option<i64>,
    /// Memory of web, MiB.
    pub(crate) memory_in_mb: Option<i64>,
    /// Disk of web, MiB.
    pub(crate) disk_in_mb: Option<i64>,
    /// Log rate of web, bytes per second; -1 = unlimited.
    pub(crate) log_rate_limit_in_bytes_per_second: Option<i64>,
    /// Weights of the canary's steps, whole percent; `None` = one step of one instance.
    pub(crate) canary_weights: Option<Vec<u8>>,
}

/// A checked body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CreateDeployment {
    /// The app, when one was named.
    pub(crate) app_guid: Option<String>,
    /// What shall run.
    pub(crate) source: Source,
    /// How.
    pub(crate) strategy: StrategyWord,
    /// With which options.
    pub(crate) options: Options,
    /// Labels and annotations.
    pub(crate) metadata: MetadataPatch,
}

/// Checks a body.
pub(crate) fn create(body: &Map<String, Value>) -> Result<CreateDeployment, ApiError> {
    let mut checks = Validator::new();
    let metadata = checks.metadata(body);
    checks.known_fields(
        body,
        "",
        &[
            "relationships",
            "droplet",
            "revision",
            "strategy",
            "options",
            "metadata",
        ],
    );
    let strategy = strategy(&mut checks, body);
    let source = source(&mut checks, body);
    let options = options(&mut checks, body, strategy);
    let app_guid = app_guid(&mut checks, body);
    checks.finish()?;
    Ok(CreateDeployment {
        app_guid,
        source,
        strategy: strategy.unwrap_or_default(),
        options,
        metadata,
    })
}

/// The strategy; an unknown one is reported and is none.
fn strategy(checks: &mut Validator, body: &Map<String, Value>) -> Option<StrategyWord> {
    let value = given(body, "strategy")?;
    match value.as_str() {
        Some("rolling") => return Some(StrategyWord::Rolling),
        Some("canary") => return Some(StrategyWord::Canary),
        Some("recreate") => return Some(StrategyWord::Recreate),
        Some(_) | None => {}
    }
    let shown = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    checks.add(format!(
        "Strategy '{}' is not a supported deployment strategy",
        echo(&shown)
    ));
    None
}

fn source(checks: &mut Validator, body: &Map<String, Value>) -> Source {
    let droplet = object(checks, body.get("droplet"), "Droplet");
    let revision = object(checks, body.get("revision"), "Revision");
    let is_set = |field: Option<&Map<String, Value>>| field.is_some_and(|it| !it.is_empty());
    if is_set(droplet) && is_set(revision) {
        checks.add("Droplet Cannot set both fields 'droplet' and 'revision'");
        return Source::default();
    }
    let droplet = droplet.and_then(|it| guid(checks, it, "Droplet"));
    let revision = revision.and_then(|it| guid(checks, it, "Revision"));
    match (revision, droplet) {
        (Some(guid), _) => Source::Revision(guid),
        (None, Some(guid)) => Source::Droplet(guid),
        (None, None) => Source::CurrentDroplet,
    }
}

/// The guid of a reference. An empty one is left to the lookup, whose answer names the resource.
fn guid(checks: &mut Validator, reference: &Map<String, Value>, field: &str) -> Option<String> {
    supported_keys(checks, reference, field, &["guid"]);
    match given(reference, "guid")? {
        Value::String(guid) if guid.chars().count() <= MAX_GUID_CHARS => Some(guid.clone()),
        Value::String(_) => {
            checks.add(format!("{field} guid must be between 1 and 200 characters"));
            None
        }
        _ => {
            checks.add(format!("{field} guid must be a string"));
            None
        }
    }
}

fn options(
    checks: &mut Validator,
    body: &Map<String, Value>,
    strategy: Option<StrategyWord>,
) -> Options {
    let Some(options) = object(checks, body.get("options"), "Options") else {
        return Options::default();
    };
    supported_keys(
        checks,
        options,
        "Options",
        &[
            "canary",
            "max_in_flight",
            "web_instances",
            "memory_in_mb",
            "disk_in_mb",
            "log_rate_limit_in_bytes_per_second",
        ],
    );
    let mut number = |key: &str, range| checks.optional_integer(options, key, range);
    let web_instances = number("web_instances", IntegerRange::NOT_NEGATIVE);
    let memory_in_mb = number("memory_in_mb", IntegerRange::POSITIVE);
    let disk_in_mb = number("disk_in_mb", IntegerRange::POSITIVE);
    let log_rate_limit_in_bytes_per_second = number(
        "log_rate_limit_in_bytes_per_second",
        IntegerRange::OR_UNLIMITED,
    );
    disk::check(checks, disk_in_mb);
    Options {
        max_in_flight: max_in_flight(checks, options),
        web_instances,
        memory_in_mb,
        disk_in_mb,
        log_rate_limit_in_bytes_per_second,
        canary_weights: canary(checks, options, strategy),
    }
}

fn max_in_flight(checks: &mut Validator, options: &Map<String, Value>) -> Option<u64> {
    let number = given(options, "max_in_flight")?;
    match number.as_u64() {
        Some(count) if count >= 1 => Some(count),
        _ => {
            checks.add("Max in flight must be an integer greater than 0");
            None
        }
    }
}

fn canary(
    checks: &mut Validator,
    options: &Map<String, Value>,
    strategy: Option<StrategyWord>,
) -> Option<Vec<u8>> {
    let canary = object(checks, options.get("canary"), "Options canary")?;
    if strategy != Some(StrategyWord::Canary) {
        checks.add("Options canary are only valid for Canary deployments");
        return None;
    }
    supported_keys(checks, canary, "Options canary", &["steps"]);
    let weights = weights(checks, given(canary, "steps")?)?;
    // An empty list of steps means the same as none.
    (!weights.is_empty()).then_some(weights)
}

fn weights(checks: &mut Validator, steps: &Value) -> Option<Vec<u8>> {
    let objects: Option<Vec<&Map<String, Value>>> = steps
        .as_array()
        .and_then(|steps| steps.iter().map(Value::as_object).collect());
    let Some(steps) = objects else {
        checks.add(format!("{STEPS} must be an array of objects"));
        return None;
    };
    if steps.len() > MAX_CANARY_STEPS {
        checks.add(format!(
            "{STEPS} must not have more than {MAX_CANARY_STEPS} steps"
        ));
        return None;
    }
    for step in &steps {
        supported_keys(checks, step, STEPS, &["instance_weight"]);
    }
    if steps
        .iter()
        .any(|step| !step.contains_key("instance_weight"))
    {
        checks.add(format!("{STEPS} missing key: \"instance_weight\""));
    }
    let numbers: Option<Vec<i64>> = steps
        .iter()
        .map(|step| step.get("instance_weight").and_then(weight_number))
        .collect();
    let Some(numbers) = numbers else {
        checks.add(format!("{WEIGHT} {NOT_A_WEIGHT}"));
        return None;
    };
    let percents: Option<Vec<u8>> = numbers
        .iter()
        .map(|number| {
            u8::try_from(*number)
                .ok()
                .filter(|it| (1..=100).contains(it))
        })
        .collect();
    if percents.is_none() {
        checks.add(format!("{WEIGHT} {NOT_A_WEIGHT}"));
    }
    if !numbers.is_sorted() {
        checks.add(format!("{WEIGHT} must be sorted in ascending order"));
    }
    percents
}

/// A whole number of any size; what is too large counts as the largest.
fn weight_number(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    number.as_i64().or(number.is_u64().then_some(i64::MAX))
}

fn app_guid(checks: &mut Validator, body: &Map<String, Value>) -> Option<String> {
    let relationships = object(checks, body.get("relationships"), "Relationships")?;
    checks.known_fields(relationships, "Relationships", &["app"]);
    let app = object(checks, relationships.get("app"), "Relationships app")?;
    let data = object(checks, app.get("data"), "Relationships app data")?;
    guid(checks, data, "Relationships app")
}

#[cfg(test)]
mod tests;
