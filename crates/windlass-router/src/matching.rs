//! Which rule a request belongs to.

use http::{HeaderMap, Method};

use crate::compiled::{Compiled, CompiledHost, CompiledRule};

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
    use std::sync::Arc;

    use super::*;
    use crate::compiled::compile_for_test;
    use crate::table::{Destination, HeaderMatch, HostRoutes, RouteRule};

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
}
