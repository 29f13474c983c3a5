//! Which rule a request belongs to.

use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::compiled::{
    Compiled, CompiledAnswer, CompiledHost, CompiledIngress, CompiledRule, Elsewhere,
};

/// The parts of a request that rules look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Lower case, without port.
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
}

impl Compiled {
    /// The most specific rule: of the host itself, else of `*.domain` with the
    /// longest domain.
    pub(crate) fn rule(&self, asked: Asked<'_>) -> Option<&CompiledRule> {
        if let Some(found) = self.hosts.get(asked.host).and_then(|host| host.rule(asked)) {
            return Some(found);
        }
        let mut rest = asked.host;
        while let Some((_, domain)) = rest.split_once('.') {
            let wildcard = format!("*.{domain}");
            let host = self.hosts.get(wildcard.as_str());
            if let Some(found) = host.and_then(|host| host.rule(asked)) {
                return Some(found);
            }
            rest = domain;
        }
        None
    }
}

/// What a request leads to.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// The rule of the host.
    pub(crate) route: &'a CompiledRule,
    /// How it is answered.
    pub(crate) by: FoundBy<'a>,
}

/// How a request is answered.
#[derive(Debug)]
pub(crate) enum FoundBy<'a> {
    /// By the destinations of a rule; the path becomes this one, if given.
    Rule(&'a CompiledRule, Option<String>),
    /// With another address.
    Redirect(&'a Arc<Elsewhere>),
    /// The app has no rule for it.
    Nothing,
}

impl Compiled {
    /// The rule of a request, and where it leads to an app as a whole, the app's
    /// own rule.
    pub(crate) fn find(&self, asked: Asked<'_>) -> Option<Found<'_>> {
        let route = self.rule(asked)?;
        let app = match route.destinations.as_slice() {
            [only] => self.groups.get(only),
            _ => None,
        };
        let Some(app) = app.filter(|group| group.is_whole_app) else {
            let by = FoundBy::Rule(route, None);
            return Some(Found { route, by });
        };
        let matching = app
            .ingress
            .iter()
            .find_map(|rule| Some((rule, rule.rest(asked)?)));
        let by = match matching.map(|(rule, rest)| (&rule.answer, rest)) {
            None => FoundBy::Nothing,
            Some((CompiledAnswer::Redirect(to), _)) => FoundBy::Redirect(to),
            Some((CompiledAnswer::Group { rule, replace }, rest)) => {
                FoundBy::Rule(rule, replace.as_ref().map(|start| replaced(start, rest)))
            }
        };
        Some(Found { route, by })
    }
}

impl CompiledIngress {
    /// What is left of the path behind the matched part; `None` = no match.
    fn rest<'a>(&self, asked: Asked<'a>) -> Option<&'a str> {
        if self.host.as_ref().is_some_and(|host| host != asked.host) {
            return None;
        }
        let rest = asked.path.strip_prefix(self.path.as_str())?;
        let matches = if self.exact {
            rest.is_empty()
        } else {
            rest.is_empty() || rest.starts_with('/') || self.path.is_empty()
        };
        matches.then_some(rest)
    }
}

/// The path with `start` in place of what was matched.
fn replaced(start: &str, rest: &str) -> String {
    let path = format!("{}{rest}", start.trim_end_matches('/'));
    if path.starts_with('/') {
        path
    } else {
        format!("/{path}")
    }
}

impl CompiledHost {
    fn rule(&self, asked: Asked<'_>) -> Option<&CompiledRule> {
        self.rules.iter().find(|rule| rule.matches(asked))
    }
}

impl CompiledRule {
    fn matches(&self, asked: Asked<'_>) -> bool {
        let path = asked.path.strip_prefix(self.path_prefix.as_str());
        path.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.is_whole())
            && self
                .method
                .as_ref()
                .is_none_or(|method| method == asked.method)
            && self.headers.iter().all(|(name, value)| match value {
                Some(value) => asked
                    .headers
                    .get_all(name)
                    .iter()
                    .any(|found| found == value),
                None => asked.headers.contains_key(name),
            })
    }

    /// Whether every path matches (also `*` of OPTIONS).
    fn is_whole(&self) -> bool {
        self.path_prefix.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compiled::compile_for_test;
    use crate::table::{
        Destination, Group, HeaderMatch, HostRoutes, IngressAnswer, IngressRule, RouteRule,
    };

    fn rule(route_id: &str, path_prefix: &str) -> RouteRule {
        RouteRule {
            route_id: route_id.to_owned(),
            path_prefix: path_prefix.to_owned(),
            method: None,
            headers: Vec::new(),
            destinations: vec![Destination {
                group: "g".to_owned(),
                weight: 1,
            }],
            absent: Vec::new(),
        }
    }

    fn table(hosts: Vec<(&str, Vec<RouteRule>)>) -> Arc<Compiled> {
        let hosts = hosts
            .into_iter()
            .map(|(host, rules)| (host, HostRoutes { commit: 1, rules }))
            .collect();
        compile_for_test(vec![], hosts)
    }

    fn route(table: &Compiled, host: &str, path: &str) -> Option<String> {
        let headers = HeaderMap::new();
        let asked = Asked {
            host,
            path,
            method: &Method::GET,
            headers: &headers,
        };
        table.rule(asked).map(|rule| rule.route_id.to_string())
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let rules = vec![
            rule("all", ""),
            rule("api", "/api"),
            rule("deep", "/api/v2/"),
        ];
        let table = table(vec![("h", rules)]);
        for (path, expected) in [
            ("/", "all"),
            ("/api", "api"),
            ("/api/", "api"),
            ("/apix", "all"),
            ("/api/v2", "deep"),
            ("/api/v2x", "api"),
            ("/api/v2/x", "deep"),
            ("*", "all"),
        ] {
            assert_eq!(
                route(&table, "h", path).as_deref(),
                Some(expected),
                "{path}"
            );
        }
        assert_eq!(route(&table, "other", "/"), None);
    }

    #[test]
    fn the_host_itself_beats_wildcards_and_the_longer_domain_the_shorter() {
        let table = table(vec![
            ("a.example.com", vec![rule("exact", "/only")]),
            ("*.example.com", vec![rule("near", "")]),
            ("*.com", vec![rule("far", "")]),
        ]);
        assert_eq!(
            route(&table, "a.example.com", "/only").as_deref(),
            Some("exact")
        );
        assert_eq!(
            route(&table, "a.example.com", "/else").as_deref(),
            Some("near")
        );
        assert_eq!(
            route(&table, "x.y.example.com", "/").as_deref(),
            Some("near")
        );
        assert_eq!(route(&table, "example.com", "/").as_deref(), Some("far"));
        assert_eq!(route(&table, "com", "/"), None);
    }

    #[test]
    fn a_method_beats_none_and_more_headers_beat_fewer() {
        let mut post = rule("post", "");
        post.method = Some("POST".to_owned());
        let mut beta = rule("beta", "");
        beta.headers = vec![HeaderMatch {
            name: "X-Beta".to_owned(),
            value: Some("1".to_owned()),
        }];
        let mut any = rule("any beta", "");
        any.headers = vec![
            HeaderMatch {
                name: "x-beta".to_owned(),
                value: None,
            },
            HeaderMatch {
                name: "x-more".to_owned(),
                value: None,
            },
        ];
        let table = table(vec![("h", vec![rule("plain", ""), beta, any, post])]);
        let find = |method: Method, pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            let asked = Asked {
                host: "h",
                path: "/",
                method: &method,
                headers: &headers,
            };
            table
                .rule(asked)
                .map(|rule| rule.route_id.to_string())
                .unwrap()
        };
        assert_eq!(find(Method::GET, &[]), "plain");
        assert_eq!(find(Method::GET, &[("x-beta", "1")]), "beta");
        assert_eq!(find(Method::GET, &[("x-beta", "2")]), "plain");
        assert_eq!(
            find(Method::GET, &[("x-beta", "1"), ("x-more", "")]),
            "any beta"
        );
        assert_eq!(find(Method::POST, &[("x-beta", "1")]), "post");
    }

    fn ingress(
        host: Option<&str>,
        path: &str,
        exact: bool,
        group: &str,
        replace: Option<&str>,
    ) -> IngressRule {
        IngressRule {
            host: host.map(str::to_owned),
            path: path.to_owned(),
            exact,
            answer: IngressAnswer::Group {
                group: group.to_owned(),
                replace: replace.map(str::to_owned),
            },
        }
    }

    #[test]
    fn the_first_rule_of_an_app_that_matches_decides() {
        let redirect = IngressRule {
            host: None,
            path: "/old".to_owned(),
            exact: false,
            answer: IngressAnswer::Redirect {
                uri: Some("/new".to_owned()),
                authority: None,
                port: None,
                scheme: None,
                status: 302,
            },
        };
        let app = Group {
            is_whole_app: true,
            ingress: vec![
                ingress(Some("b.example"), "/", false, "other", None),
                ingress(None, "/api/v1/", false, "v1", Some("/")),
                ingress(None, "/api", false, "api", Some("/x/")),
                ingress(None, "/ping", true, "ping", Some("/")),
                redirect,
                ingress(None, "/keep", false, "web", None),
            ],
            ..Group::default()
        };
        let rules = || HostRoutes {
            commit: 1,
            rules: vec![rule("r", "")],
        };
        let table = compile_for_test(
            vec![("g", app)],
            vec![("a.example", rules()), ("b.example", rules())],
        );
        let find = |host: &str, path: &str| {
            let headers = HeaderMap::new();
            let asked = Asked {
                host,
                path,
                method: &Method::GET,
                headers: &headers,
            };
            match table.find(asked).unwrap().by {
                FoundBy::Rule(rule, path) => {
                    format!(
                        "{} {}",
                        rule.destinations[0],
                        path.as_deref().unwrap_or("-")
                    )
                }
                FoundBy::Redirect(to) => format!("{} {:?}", to.status, to.uri),
                FoundBy::Nothing => "nothing".to_owned(),
            }
        };
        for (path, expected) in [
            ("/api/v1", "v1 /"),
            ("/api/v1/users", "v1 /users"),
            ("/api/v10", "api /x/v10"),
            ("/api", "api /x"),
            ("/apix", "nothing"),
            ("/ping", "ping /"),
            ("/ping/x", "nothing"),
            ("/old/x", "302 Some(\"/new\")"),
            ("/keep/x", "web -"),
            ("/", "nothing"),
        ] {
            assert_eq!(find("a.example", path), expected, "{path}");
        }
        assert_eq!(find("b.example", "/api/v1"), "other -");
    }
}
