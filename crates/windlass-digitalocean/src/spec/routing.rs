//! What traffic goes where: the rules of a spec in one form.

use std::cmp::Reverse;

use super::rules::host;
use super::wire::{AppSpec, IngressRule, RedirectSpec, RoutingComponent, RuleMatch};

/// Status of a redirect that names none.
const REDIRECT_CODE: u16 = 302;
/// Scheme of a redirect to another host that names none. On the same host the request's scheme
/// and port stay, so that redirects work where there is no TLS.
const REDIRECT_SCHEME: &str = "https";

/// One rule. Of a list the first that matches decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRule {
    /// Host that the request must name, lower case; `None` = any of the app's.
    pub host: Option<String>,
    /// Paths that it is for.
    pub path: RoutePath,
    /// What answers.
    pub target: RouteTarget,
}

/// Paths that a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutePath {
    /// Whole segments: `/api` is for `/api` and `/api/x`; `/` is for all. No slash at the end.
    Prefix(String),
    /// Exactly this one.
    Exact(String),
}

/// What answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTarget {
    /// A component.
    Component {
        /// Its name.
        name: String,
        /// Path that it sees.
        path: ComponentPath,
    },
    /// Another address. What is `None` is that of the request.
    Redirect {
        /// Path, perhaps with a query.
        uri: Option<String>,
        /// Host.
        authority: Option<String>,
        /// Port.
        port: Option<u16>,
        /// `http` or `https`.
        scheme: Option<String>,
        /// Status, 300 to 308.
        status: u16,
    },
}

/// What a component sees of the matched path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentPath {
    /// All of it.
    Preserved,
    /// What comes after.
    Stripped,
    /// This in its place.
    Rewritten(String),
}

impl AppSpec {
    /// The rules in the order in which they are tried.
    ///
    /// The deprecated `routes` are tried longest first. An app with a single component that can
    /// have traffic and no rule at all sends everything to it.
    pub fn route_rules(&self) -> Vec<RouteRule> {
        if !self.ingress.rules.is_empty() {
            return self.ingress.rules.iter().filter_map(rule).collect();
        }
        let mut rules: Vec<RouteRule> =
            self.components()
                .flat_map(|placed| {
                    let name = placed.component.name();
                    placed.component.routes().iter().map(move |route| {
                        component_rule(name, &route.path, route.preserve_path_prefix)
                    })
                })
                .collect();
        rules.sort_by_key(|rule| Reverse(rule.path.text().len()));
        if rules.is_empty() {
            let routable = self
                .components()
                .filter(|placed| placed.component.is_routable());
            rules
                .extend(routable.map(|placed| component_rule(placed.component.name(), "/", false)));
        }
        rules
    }

    /// The first path at which a component answers; `None` = it has no traffic.
    pub fn public_path(&self, component: &str) -> Option<String> {
        self.route_rules()
            .into_iter()
            .find_map(|rule| match rule.target {
                RouteTarget::Component { name, .. } if name == component => {
                    Some(rule.path.text().to_owned())
                }
                RouteTarget::Component { .. } | RouteTarget::Redirect { .. } => None,
            })
    }
}

impl RoutePath {
    /// The path as text.
    pub fn text(&self) -> &str {
        match self {
            Self::Prefix(text) | Self::Exact(text) => text,
        }
    }
}

fn component_rule(name: &str, path: &str, preserved: bool) -> RouteRule {
    RouteRule {
        host: None,
        path: RoutePath::Prefix(prefix(path)),
        target: RouteTarget::Component {
            name: name.to_owned(),
            path: if preserved {
                ComponentPath::Preserved
            } else {
                ComponentPath::Stripped
            },
        },
    }
}

/// `None` = a rule without a target, which a checked spec does not have.
fn rule(rule: &IngressRule) -> Option<RouteRule> {
    let target = match (&rule.component, &rule.redirect) {
        (Some(target), _) => component(target),
        (None, Some(target)) => redirect(target),
        (None, None) => return None,
    };
    let authority = rule.matching.authority.as_ref();
    Some(RouteRule {
        host: authority
            .and_then(|authority| given(authority.exact.as_deref().unwrap_or_default()))
            .map(|name| host(&name)),
        path: path_of(&rule.matching),
        target,
    })
}

fn component(target: &RoutingComponent) -> RouteTarget {
    let path = match (target.preserve_path_prefix, given(&target.rewrite)) {
        (true, _) => ComponentPath::Preserved,
        (false, Some(path)) => ComponentPath::Rewritten(path),
        (false, None) => ComponentPath::Stripped,
    };
    RouteTarget::Component {
        name: target.name.clone(),
        path,
    }
}

fn redirect(target: &RedirectSpec) -> RouteTarget {
    RouteTarget::Redirect {
        uri: given(&target.uri),
        authority: given(&target.authority),
        port: (target.port != 0).then_some(target.port),
        scheme: given(&target.scheme)
            .or_else(|| given(&target.authority).map(|_| REDIRECT_SCHEME.to_owned())),
        status: if target.redirect_code == 0 {
            REDIRECT_CODE
        } else {
            target.redirect_code
        },
    }
}

/// Paths that a rule is for; one that names none is for all.
pub(super) fn path_of(matching: &RuleMatch) -> RoutePath {
    let path = matching.path.clone().unwrap_or_default();
    match path.exact.filter(|exact| !exact.is_empty()) {
        Some(exact) => RoutePath::Exact(exact),
        None => RoutePath::Prefix(prefix(&path.prefix.unwrap_or_default())),
    }
}

/// A prefix as it is compared: without slashes at the end, `/` for an empty one.
pub(super) fn prefix(path: &str) -> String {
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        "/".to_owned()
    } else {
        path.to_owned()
    }
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
