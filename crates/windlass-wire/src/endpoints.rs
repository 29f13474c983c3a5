//! The endpoints of a dialect, as its router itself lists them: for tests that want to miss none.

use std::collections::BTreeMap;

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
}
