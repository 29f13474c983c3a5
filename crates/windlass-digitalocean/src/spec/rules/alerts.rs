//! Which alert rules go where.

use crate::spec::error::{SpecError, quoted};
use crate::spec::path::Path;
use crate::spec::wire::{AlertSpec, Component};

const OF_APP: &[&str] = &[
    "DEPLOYMENT_FAILED",
    "DEPLOYMENT_LIVE",
    "DEPLOYMENT_STARTED",
    "DEPLOYMENT_CANCELED",
    "DOMAIN_FAILED",
    "DOMAIN_LIVE",
    "AUTOSCALE_FAILED",
    "AUTOSCALE_SUCCEEDED",
];
const OF_SERVICE: &[&str] = &[
    "CPU_UTILIZATION",
    "MEM_UTILIZATION",
    "RESTART_COUNT",
    "REQUESTS_PER_SECOND",
    "REQUEST_DURATION_P95_MS",
];
const OF_WORKER: &[&str] = &["CPU_UTILIZATION", "MEM_UTILIZATION", "RESTART_COUNT"];
const OF_JOB: &[&str] = &[
    "CPU_UTILIZATION",
    "MEM_UTILIZATION",
    "RESTART_COUNT",
    "JOB_INVOCATION_FAILED",
];

pub(super) fn of_app(alerts: &[AlertSpec]) -> Result<(), SpecError> {
    let list = Path::ROOT.member("alerts");
    for (index, alert) in alerts.iter().enumerate() {
        rule(alert, OF_APP, &list.index(index))?;
    }
    Ok(())
}

pub(super) fn of_component(component: Component<'_>, owner: &Path<'_>) -> Result<(), SpecError> {
    let Some(instances) = component.instances() else {
        return Ok(());
    };
    let rules = match component {
        Component::Service(_) => OF_SERVICE,
        Component::Worker(_) => OF_WORKER,
        Component::Job(_) => OF_JOB,
        Component::StaticSite(_) => &[],
    };
    let list = owner.member("alerts");
    for (index, alert) in instances.alerts.iter().enumerate() {
        let path = list.index(index);
        rule(alert, rules, &path)?;
        threshold(alert, &path)?;
    }
    Ok(())
}

fn rule(alert: &AlertSpec, rules: &[&str], path: &Path<'_>) -> Result<(), SpecError> {
    if rules.contains(&alert.rule.as_str()) {
        return Ok(());
    }
    let why = format!(
        "{} is no rule of this place: use one of {}",
        quoted(&alert.rule),
        rules.join(", ")
    );
    Err(SpecError::new(&path.member("rule"), why))
}

/// Rules about a measured value say how it is compared, and over which time.
fn threshold(alert: &AlertSpec, path: &Path<'_>) -> Result<(), SpecError> {
    if alert.rule == "JOB_INVOCATION_FAILED" {
        return Ok(());
    }
    let is_missing = |word: &str| word.is_empty() || word.starts_with("UNSPECIFIED");
    if is_missing(&alert.operator) {
        return Err(SpecError::new(&path.member("operator"), "is required"));
    }
    if is_missing(&alert.window) {
        return Err(SpecError::new(&path.member("window"), "is required"));
    }
    if alert.value < 0.0 {
        let path = path.member("value");
        return Err(SpecError::new(&path, "must not be negative"));
    }
    Ok(())
}
