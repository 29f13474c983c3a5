//! Ingress rules as the router is told them.

use windlass_engine::configuration::{
    IngressAction, IngressRule as EngineRule, PathChange, PathMatch,
};
use windlass_engine::id::AppId;
use windlass_router::{IngressAnswer, IngressRule};

use super::group_of;

/// The rules of an app, in their order.
pub(super) fn rules(app: &AppId, rules: &[EngineRule]) -> Vec<IngressRule> {
    rules.iter().map(|one| rule(app, one)).collect()
}

fn rule(app: &AppId, rule: &EngineRule) -> IngressRule {
    let (path, exact) = match &rule.path {
        PathMatch::Prefix(path) => (path.clone(), false),
        PathMatch::Exact(path) => (path.clone(), true),
    };
    let answer = match &rule.action {
        IngressAction::Component { component, path } => IngressAnswer::Group {
            group: group_of(app, component),
            replace: match path {
                PathChange::Preserve => None,
                PathChange::Strip => Some("/".to_owned()),
                PathChange::Replace(start) => Some(start.clone()),
            },
        },
        IngressAction::Redirect(to) => IngressAnswer::Redirect {
            uri: to.uri.clone(),
            authority: to.authority.clone(),
            port: to.port,
            scheme: to.scheme.clone(),
            status: to.status,
        },
    };
    IngressRule {
        host: rule.host.clone(),
        path,
        exact,
        answer,
    }
}
