//! Rules about what traffic goes where.

use std::collections::BTreeMap;

use crate::spec::error::{SpecError, quoted};
use crate::spec::path::Path;
use crate::spec::routing::{path_of, prefix};
use crate::spec::wire::{AppSpec, IngressRule, RedirectSpec, RoutingComponent, StringMatch};

/// Statuses of a redirect.
const REDIRECT_CODES: [u16; 7] = [300, 301, 302, 303, 304, 307, 308];

pub(super) fn check(app: &AppSpec) -> Result<(), SpecError> {
    routes(app)?;
    let ingress = Path::ROOT.member("ingress");
    let list = ingress.member("rules");
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (index, rule) in app.ingress.rules.iter().enumerate() {
        let path = list.index(index);
        target(app, rule, &path)?;
        matching(rule, &path)?;
        if let Some(first) = seen.insert(key(rule), index) {
            let why = format!("ingress.rules[{first}] is for the same host and path");
            return Err(SpecError::new(&path.member("match"), why));
        }
    }
    let mut routable = app
        .components()
        .filter(|placed| placed.component.is_routable());
    let has_rules = !app.ingress.rules.is_empty()
        || app
            .components()
            .any(|placed| !placed.component.routes().is_empty());
    if !has_rules && routable.nth(1).is_some() {
        let why = "several components can have traffic: say with ingress.rules which has which";
        return Err(SpecError::new(&ingress, why));
    }
    Ok(())
}

/// The deprecated form: unique over all components, and not beside the new form.
fn routes(app: &AppSpec) -> Result<(), SpecError> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for placed in app.components() {
        let list = Path::ROOT.member(placed.list);
        let component = list.index(placed.index);
        let routes = component.member("routes");
        for (index, route) in placed.component.routes().iter().enumerate() {
            if !app.ingress.rules.is_empty() {
                let why = "is the old form of ingress.rules: give only one of them";
                return Err(SpecError::new(&routes, why));
            }
            let path = routes.index(index);
            let path = path.member("path");
            if route.path.is_empty() {
                return Err(SpecError::new(&path, "is required"));
            }
            if let Some(other) = seen.insert(prefix(&route.path), placed.component.name()) {
                let why = format!("{} leads to {} already", quoted(&route.path), quoted(other));
                return Err(SpecError::new(&path, why));
            }
        }
    }
    Ok(())
}

fn target(app: &AppSpec, rule: &IngressRule, path: &Path<'_>) -> Result<(), SpecError> {
    match (&rule.component, &rule.redirect) {
        (Some(target), None) => component(app, target, &path.member("component")),
        (None, Some(target)) => redirect(target, &path.member("redirect")),
        (None, None) => Err(SpecError::new(path, "give component or redirect")),
        (Some(_), Some(_)) => {
            let why = "only one of component and redirect is possible";
            Err(SpecError::new(&path.member("redirect"), why))
        }
    }
}

fn component(app: &AppSpec, target: &RoutingComponent, path: &Path<'_>) -> Result<(), SpecError> {
    match app.component(&target.name) {
        Some(component) if component.is_routable() => {}
        Some(_) => {
            let why = format!(
                "{} has no traffic: name a service or static site",
                quoted(&target.name)
            );
            return Err(SpecError::new(&path.member("name"), why));
        }
        None => {
            let why = format!("there is no component {}", quoted(&target.name));
            return Err(SpecError::new(&path.member("name"), why));
        }
    }
    if target.preserve_path_prefix && !target.rewrite.is_empty() {
        let why = "only one of preserve_path_prefix and rewrite is possible";
        return Err(SpecError::new(&path.member("rewrite"), why));
    }
    Ok(())
}

fn redirect(target: &RedirectSpec, path: &Path<'_>) -> Result<(), SpecError> {
    let code = target.redirect_code;
    if code != 0 && !REDIRECT_CODES.contains(&code) {
        let why = format!("{code} must be one of 300, 301, 302, 303, 304, 307, 308");
        return Err(SpecError::new(&path.member("redirect_code"), why));
    }
    if *target == RedirectSpec::default() {
        return Err(SpecError::new(
            path,
            "say where to: give uri, authority, port or scheme",
        ));
    }
    Ok(())
}

fn matching(rule: &IngressRule, path: &Path<'_>) -> Result<(), SpecError> {
    let is_both = |text: &StringMatch| {
        text.prefix.as_deref().is_some_and(|text| !text.is_empty())
            && text.exact.as_deref().is_some_and(|text| !text.is_empty())
    };
    if rule.matching.path.as_ref().is_some_and(is_both) {
        let matching = path.member("match");
        let path = matching.member("path");
        let why = "only one of prefix and exact is possible";
        return Err(SpecError::new(&path.member("exact"), why));
    }
    Ok(())
}

/// What a rule is for, so that two rules for the same can be told.
fn key(rule: &IngressRule) -> (String, String) {
    let authority = rule
        .matching
        .authority
        .as_ref()
        .and_then(|authority| authority.exact.as_deref())
        .map(super::host)
        .unwrap_or_default();
    (authority, format!("{:?}", path_of(&rule.matching)))
}
