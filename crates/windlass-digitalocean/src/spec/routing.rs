//! What traffic goes where: the rules of a spec in the engine's form.

use std::cmp::Reverse;

use windlass_engine::configuration::{
    IngressAction, IngressRule as Rule, PathChange, PathMatch, Redirect,
};
use windlass_engine::id::ComponentName;

use super::rules::host;
use super::wire::{AppSpec, IngressRule, RedirectSpec, RoutingComponent, RuleMatch};

/// Status of a redirect that names none.
const REDIRECT_CODE: u16 = 302;
/// Scheme of a redirect to another host that names none. On the same host the request's scheme
/// and port stay, so that redirects work where there is no TLS.
const REDIRECT_SCHEME: &str = "https";

impl AppSpec {
    /// The rules in the order in which they are tried.
    ///
    /// The deprecated `routes` are tried longest first. An app with a single component that can
    /// have traffic and no rule at all sends everything to it.
    pub fn route_rules(&self) -> Vec<Rule> {
        if !self.ingress.rules.is_empty() {
            return self.ingress.rules.iter().filter_map(rule).collect();
        }
        let mut rules: Vec<Rule> =
            self.components()
                .flat_map(|placed| {
                    let name = placed.component.name();
                    placed.component.routes().iter().map(move |route| {
                        component_rule(name, &route.path, route.preserve_path_prefix)
                    })
                })
                .collect();
        rules.sort_by_key(|rule| Reverse(text(&rule.path).len()));
        if rules.is_empty() {
            let mut routable = self
                .components()
                .filter(|placed| placed.component.is_routable());
            let only = routable.next().filter(|_| routable.next().is_none());
            rules.extend(only.map(|placed| component_rule(placed.component.name(), "/", false)));
        }
        rules
    }

    /// Where the public reaches a component first; `None` = it has no traffic.
    pub fn public_address(&self, component: &str) -> Option<PublicAddress> {
        let mut rules = self.route_rules().into_iter();
        rules.find_map(|rule| match rule.action {
            IngressAction::Component {
                component: name, ..
            } if name.as_str() == component => Some(PublicAddress {
                path: text(&rule.path).to_owned(),
                host: rule.host,
            }),
            IngressAction::Component { .. } | IngressAction::Redirect(_) => None,
        })
    }
}

/// Where the public reaches a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddress {
    /// Host; `None` = any of the app's.
    pub host: Option<String>,
    /// Path, `/` for the root.
    pub path: String,
}

fn text(path: &PathMatch) -> &str {
    match path {
        PathMatch::Prefix(text) | PathMatch::Exact(text) => text,
    }
}

fn component_rule(name: &str, path: &str, is_preserved: bool) -> Rule {
    Rule {
        host: None,
        path: PathMatch::Prefix(prefix(path)),
        action: IngressAction::Component {
            component: ComponentName::from(name),
            path: if is_preserved {
                PathChange::Preserve
            } else {
                PathChange::Strip
            },
        },
    }
}

/// `None` = a rule without a target, which a checked spec does not have.
fn rule(rule: &IngressRule) -> Option<Rule> {
    let action = match (&rule.component, &rule.redirect) {
        (Some(target), _) => component(target),
        (None, Some(target)) => IngressAction::Redirect(redirect(target)),
        (None, None) => return None,
    };
    let authority = rule.matching.authority.as_ref();
    Some(Rule {
        host: authority
            .and_then(|authority| given(authority.exact.as_deref().unwrap_or_default()))
            .map(|name| host(&name)),
        path: path_of(&rule.matching),
        action,
    })
}

fn component(target: &RoutingComponent) -> IngressAction {
    let path = match (target.preserve_path_prefix, given(&target.rewrite)) {
        (true, _) => PathChange::Preserve,
        (false, Some(path)) => PathChange::Replace(path),
        (false, None) => PathChange::Strip,
    };
    IngressAction::Component {
        component: ComponentName::from(target.name.as_str()),
        path,
    }
}

fn redirect(target: &RedirectSpec) -> Redirect {
    Redirect {
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
pub(super) fn path_of(matching: &RuleMatch) -> PathMatch {
    let path = matching.path.clone().unwrap_or_default();
    match path.exact.filter(|exact| !exact.is_empty()) {
        Some(exact) => PathMatch::Exact(exact),
        None => PathMatch::Prefix(prefix(&path.prefix.unwrap_or_default())),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::spec::Spec;

    fn app(ingress: Value, web_routes: Value) -> AppSpec {
        let git = json!({"repo_clone_url": "https://git.example.com/x", "branch": "main"});
        let document = json!({
            "name": "shop",
            "services": [{"name": "web", "git": git, "routes": web_routes}],
            "static_sites": [{"name": "docs", "git": git}],
            "ingress": ingress,
        });
        Spec::check(document).unwrap().app().clone()
    }

    fn to(host: Option<&str>, path: PathMatch, component: &str, change: PathChange) -> Rule {
        Rule {
            host: host.map(str::to_owned),
            path,
            action: IngressAction::Component {
                component: component.into(),
                path: change,
            },
        }
    }

    fn under(path: &str) -> PathMatch {
        PathMatch::Prefix(path.to_owned())
    }

    #[test]
    fn ingress_rules_keep_their_order() {
        let rules = json!({"rules": [
            {"match": {"path": {"prefix": "/api/"}, "authority": {"exact": "API.example.com"}},
                "component": {"name": "web"}},
            {"match": {"path": {"prefix": "/v1"}, "authority": {"exact": ""}},
                "component": {"name": "web", "rewrite": "/api/v1/"}},
            {"match": {"path": {"exact": "/health"}},
                "component": {"name": "web", "preserve_path_prefix": true}},
            {"match": {"path": {"prefix": "/old"}}, "redirect": {"uri": "/new"}},
            {"match": {"path": {"prefix": "/away"}},
                "redirect": {"authority": "example.org", "redirect_code": 308, "port": 8443}},
            {"component": {"name": "docs"}},
        ]});
        let app = app(rules, json!([]));
        let redirect =
            |uri: Option<&str>, authority: Option<&str>, port, scheme: Option<&str>, status| {
                IngressAction::Redirect(Redirect {
                    uri: uri.map(str::to_owned),
                    authority: authority.map(str::to_owned),
                    port,
                    scheme: scheme.map(str::to_owned),
                    status,
                })
            };
        let expected = vec![
            to(
                Some("api.example.com"),
                under("/api"),
                "web",
                PathChange::Strip,
            ),
            to(
                None,
                under("/v1"),
                "web",
                PathChange::Replace("/api/v1/".to_owned()),
            ),
            to(
                None,
                PathMatch::Exact("/health".to_owned()),
                "web",
                PathChange::Preserve,
            ),
            Rule {
                host: None,
                path: under("/old"),
                action: redirect(Some("/new"), None, None, None, 302),
            },
            Rule {
                host: None,
                path: under("/away"),
                action: redirect(None, Some("example.org"), Some(8443), Some("https"), 308),
            },
            to(None, under("/"), "docs", PathChange::Strip),
        ];
        assert_eq!(app.route_rules(), expected);
        let address = |host: Option<&str>, path: &str| PublicAddress {
            host: host.map(str::to_owned),
            path: path.to_owned(),
        };
        assert_eq!(app.public_address("docs"), Some(address(None, "/")));
        let api = address(Some("api.example.com"), "/api");
        assert_eq!(app.public_address("web"), Some(api));
        assert_eq!(app.public_address("none"), None);
    }

    #[test]
    fn old_routes_are_tried_longest_first() {
        let routes = json!([{"path": "/"}, {"path": "/api/", "preserve_path_prefix": true}]);
        let expected = vec![
            to(None, under("/api"), "web", PathChange::Preserve),
            to(None, under("/"), "web", PathChange::Strip),
        ];
        let app = app(json!({}), routes);
        assert_eq!(app.route_rules(), expected);
        assert_eq!(app.public_address("docs"), None);
    }

    #[test]
    fn a_single_component_gets_everything() {
        let git = json!({"repo_clone_url": "https://git.example.com/x", "branch": "main"});
        let document = json!({"name": "shop", "workers": [{"name": "mail", "git": git}],
            "services": [{"name": "web", "git": git}]});
        let spec = Spec::check(document).unwrap();
        let expected = vec![to(None, under("/"), "web", PathChange::Strip)];
        assert_eq!(spec.app().route_rules(), expected);
    }
}
