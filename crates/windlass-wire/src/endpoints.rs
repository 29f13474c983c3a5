//! The endpoints of a dialect, as its router itself lists them: for tests that want to miss none.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;

/// One path and one method that it answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Path with its parameters in braces.
    pub path: String,
    /// Method in upper case.
    pub method: String,
}

/// All endpoints of a router, sorted.
///
/// The router has no list of its routes but its debug text. Of that text only three things are
/// read: the number of a route, the methods it allows, and its path.
pub fn of<S>(router: &Router<S>) -> Vec<Endpoint> {
    let text = format!("{router:?}");
    // Fallbacks have a router of their own behind it, with numbers of its own.
    let text = until(&text, "fallback_router:");
    let (routes, paths) = text.split_once("paths: {").unwrap_or((text, ""));
    let mut methods: BTreeMap<&str, &str> = BTreeMap::new();
    for route in routes.split("RouteId(").skip(1) {
        let number = until(route, ")");
        if let Some((_, allowed)) = route.split_once("allow_header: Bytes(b\"") {
            methods.insert(number, until(allowed, "\""));
        }
    }
    let mut all = Vec::new();
    for entry in paths.split("RouteId(").skip(1) {
        let Some((number, rest)) = entry.split_once("): \"") else {
            continue;
        };
        let allowed = methods.get(number).copied().unwrap_or_default();
        let path = until(rest, "\"");
        if path.contains("__private__") {
            // The router's own, for fallbacks.
            continue;
        }
        // GET brings HEAD with it.
        for method in allowed.split(',').filter(|method| *method != "HEAD") {
            all.push(Endpoint {
                path: path.to_owned(),
                method: method.to_owned(),
            });
        }
    }
    all.sort();
    all.dedup();
    all
}

/// How a page of documentation, which has a table row for each endpoint, differs from the endpoints
/// that there are: one line each, nothing when they agree.
pub fn differences(page: &str, endpoints: &[Endpoint]) -> Vec<String> {
    let served: BTreeSet<String> = endpoints
        .iter()
        .map(|endpoint| format!("{} {}", endpoint.method, endpoint.path))
        .collect();
    let documented: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|rest| rest.split('`').next())
        .filter(|cell| cell.contains(" /"))
        .map(str::to_owned)
        .collect();
    let missing = served.difference(&documented);
    let gone = documented.difference(&served);
    missing
        .map(|endpoint| format!("not on the page: {endpoint}"))
        .chain(gone.map(|endpoint| format!("on the page only: {endpoint}")))
        .collect()
}

fn until<'a>(text: &'a str, end: &str) -> &'a str {
    text.split(end).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, put};

    use super::*;

    #[test]
    fn reads_what_the_router_says() {
        async fn nothing() {}
        let router: Router = Router::new()
            .route("/things", get(nothing).post(nothing))
            .route("/things/{id}/parts", put(nothing))
            .fallback(nothing);
        let all: Vec<String> = of(&router)
            .into_iter()
            .map(|endpoint| format!("{} {}", endpoint.method, endpoint.path))
            .collect();
        assert_eq!(
            all,
            ["GET /things", "POST /things", "PUT /things/{id}/parts"]
        );
    }

    #[test]
    fn a_page_is_held_against_the_router() {
        let endpoint = |path: &str| Endpoint {
            path: path.to_owned(),
            method: "GET".to_owned(),
        };
        let page = "| `GET /things` | works |\n| `GET /gone` | works |\n| `word` | none |\n";
        assert_eq!(
            differences(page, &[endpoint("/things"), endpoint("/new")]),
            ["not on the page: GET /new", "on the page only: GET /gone"]
        );
        assert!(differences(page, &[endpoint("/things"), endpoint("/gone")]).is_empty());
    }
}
