//! Rules between fields, and values that can't be run yet.
//!
//! What one field alone may say stands in `schema`.

mod alerts;
mod component;
mod ingress;

use std::collections::BTreeMap;

use super::canary;
use super::error::{SpecError, quoted};
use super::path::Path;
use super::wire::{AppSpec, DomainType, VariableSpec};

/// Starts the features that are ours.
const OUR_FEATURES: &str = "windlass.";
const NO_DEDICATED_IP: &str = "there are no dedicated addresses: remove it or give AUTOASSIGN";
const NO_TLS_13_ONLY: &str = "all domains accept TLS 1.2 and later: remove it or give \"1.2\"";

/// Checks a spec whose fields are right one by one.
pub(super) fn check(app: &AppSpec) -> Result<(), SpecError> {
    names(app)?;
    for placed in app.components() {
        let list = Path::ROOT.member(placed.list);
        let path = list.index(placed.index);
        component::check(placed.component, &path)?;
    }
    domains(app)?;
    variables(&app.envs, &Path::ROOT)?;
    alerts::of_app(&app.alerts)?;
    ingress::check(app)?;
    if app.egress.kind == "DEDICATED_IP" {
        let egress = Path::ROOT.member("egress");
        return Err(SpecError::new(&egress.member("type"), NO_DEDICATED_IP));
    }
    features(app)
}

fn names(app: &AppSpec) -> Result<(), SpecError> {
    let mut lists: BTreeMap<&str, &str> = BTreeMap::new();
    for placed in app.components() {
        let name = placed.component.name();
        if let Some(other) = lists.insert(name, placed.list) {
            let list = Path::ROOT.member(placed.list);
            let component = list.index(placed.index);
            let why = format!(
                "{} is in {other} already: names are unique over all kinds of components",
                quoted(name)
            );
            return Err(SpecError::new(&component.member("name"), why));
        }
    }
    if lists.is_empty() {
        let why = "an app needs at least one service, static site, worker or job";
        return Err(SpecError::unreadable(why));
    }
    Ok(())
}

fn domains(app: &AppSpec) -> Result<(), SpecError> {
    let list = Path::ROOT.member("domains");
    let mut seen: Vec<String> = Vec::new();
    let mut has_primary = false;
    for (index, domain) in app.domains.iter().enumerate() {
        let path = list.index(index);
        let name = host(&domain.domain);
        if seen.contains(&name) {
            let why = format!("{} is there twice", quoted(&name));
            return Err(SpecError::new(&path.member("domain"), why));
        }
        seen.push(name);
        let is_primary = domain.kind == DomainType::Primary;
        if is_primary && has_primary {
            let why = "only one domain may be PRIMARY";
            return Err(SpecError::new(&path.member("type"), why));
        }
        has_primary |= is_primary;
        if domain.minimum_tls_version == "1.3" {
            let path = path.member("minimum_tls_version");
            return Err(SpecError::new(&path, NO_TLS_13_ONLY));
        }
    }
    Ok(())
}

/// A host name as it is compared: lower case, without the dot of the root.
pub(crate) fn host(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn variables(envs: &[VariableSpec], owner: &Path<'_>) -> Result<(), SpecError> {
    let list = owner.member("envs");
    let mut seen: Vec<&str> = Vec::new();
    for (index, variable) in envs.iter().enumerate() {
        if seen.contains(&variable.key.as_str()) {
            let path = list.index(index);
            let why = format!("{} is there twice", quoted(&variable.key));
            return Err(SpecError::new(&path.member("key"), why));
        }
        seen.push(&variable.key);
    }
    Ok(())
}

fn features(app: &AppSpec) -> Result<(), SpecError> {
    let list = Path::ROOT.member("features");
    let mut has_canary = false;
    for (index, feature) in app.features.iter().enumerate() {
        if !feature.starts_with(OUR_FEATURES) {
            continue;
        }
        let path = list.index(index);
        let wrong = |why: String| SpecError::new(&path, why);
        let Some(weights) = feature.strip_prefix(canary::FEATURE) else {
            let why = format!(
                "{} is unknown: {}10,50 is what there is",
                quoted(feature),
                canary::FEATURE
            );
            return Err(wrong(why));
        };
        canary::weights(weights).map_err(wrong)?;
        if has_canary {
            return Err(wrong("is there twice".to_owned()));
        }
        if app.services.is_empty() {
            let why = "a canary needs a service: there is no traffic to split";
            return Err(wrong(why.to_owned()));
        }
        has_canary = true;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
