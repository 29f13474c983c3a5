//! Routes of a manifest.

use serde_json::{Map, Value};

/// What a manifest wants of an app's routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Routing {
    /// They stay.
    Keep,
    /// None.
    None,
    /// These too, beside those that there are.
    These(Vec<WantedRoute>),
    /// One with a name made up, if there is none yet.
    Random,
    /// One with the app's name, if there is none yet.
    Default,
}

/// A route of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedRoute {
    /// As it was written.
    pub(super) text: String,
    /// Host name with its domain.
    pub(super) host: String,
    /// Path, empty or starting with `/`.
    pub(super) path: String,
    /// Protocol to the app.
    pub(super) protocol: Option<Value>,
    /// Options of the route.
    pub(super) options: Option<Value>,
}

/// Reads what is wanted.
pub(super) fn read(app: &Map<String, Value>, problems: &mut Vec<String>) -> Routing {
    let mut switch = |key: &str, label: &str| match app.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::Bool(on)) => *on,
        Some(_) => {
            problems.push(format!("{label} must be a boolean"));
            false
        }
    };
    let no_route = switch("no-route", "No-route");
    let random = switch("random-route", "Random-route");
    let default = switch("default-route", "Default-route");
    if random && default {
        problems.push("Random-route and default-route may not be used together".to_owned());
    }
    let routes = match app.get("routes") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(entries)) => {
            let wanted = entries.iter().map(|entry| (entry, wanted(entry)));
            let mut routes = Vec::new();
            for (entry, wanted) in wanted {
                match wanted {
                    Some(wanted) => routes.push(wanted),
                    None => problems.push(format!(
                        "The route '{}' is not a properly formed URL",
                        crate::checks::echo(&text_of(entry))
                    )),
                }
            }
            routes
        }
        Some(_) => {
            problems.push("Routes must be a list of route objects".to_owned());
            Vec::new()
        }
    };
    match (no_route, routes.is_empty()) {
        (true, _) => Routing::None,
        (false, false) => Routing::These(routes),
        (false, true) if random => Routing::Random,
        (false, true) if default => Routing::Default,
        (false, true) => Routing::Keep,
    }
}

fn text_of(entry: &Value) -> String {
    match entry.get("route") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => entry.to_string(),
    }
}

fn wanted(entry: &Value) -> Option<WantedRoute> {
    let text = entry.get("route")?.as_str()?;
    let bare = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
        .unwrap_or(text);
    let (host, path) = match bare.split_once('/') {
        Some((host, path)) => (host, format!("/{path}")),
        None => (bare, String::new()),
    };
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        label == "*" || (!label.is_empty() && label.bytes().all(inner))
    };
    if !host.contains('.') || !host.split('.').all(is_label) {
        return None;
    }
    Some(WantedRoute {
        text: text.to_owned(),
        host: host.to_ascii_lowercase(),
        path: if path == "/" { String::new() } else { path },
        protocol: entry.get("protocol").filter(|it| !it.is_null()).cloned(),
        options: entry.get("options").filter(|it| !it.is_null()).cloned(),
    })
}

/// Ways to cut a host name into host label and domain, the longest domain first.
pub(super) fn cuts(host: &str) -> Vec<(&str, &str)> {
    let mut cuts = vec![("", host)];
    cuts.extend(host.split_once('.'));
    cuts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_json(app: Value) -> (Routing, Vec<String>) {
        let mut problems = Vec::new();
        let app: Map<String, Value> = serde_json::from_value(app).unwrap();
        let found = read(&app, &mut problems);
        (found, problems)
    }

    #[test]
    fn one_wish_counts() {
        for (app, wanted) in [
            (json!({}), Routing::Keep),
            (json!({"default-route": true}), Routing::Default),
            (
                json!({"random-route": true, "default-route": false}),
                Routing::Random,
            ),
            (
                json!({"no-route": true, "default-route": true}),
                Routing::None,
            ),
        ] {
            assert_eq!(read_json(app), (wanted, vec![]));
        }
        let (routing, problems) = read_json(json!({
            "default-route": true,
            "routes": [{"route": "https://A.b.c/x/y"}, {"route": "*.b.c/", "protocol": "http2"}],
        }));
        assert_eq!(problems, Vec::<String>::new());
        let Routing::These(routes) = routing else {
            panic!("{routing:?}")
        };
        assert_eq!(
            (routes[0].host.as_str(), routes[0].path.as_str()),
            ("a.b.c", "/x/y")
        );
        assert_eq!(
            (routes[1].host.as_str(), routes[1].path.as_str()),
            ("*.b.c", "")
        );
        assert_eq!(cuts("a.b.c"), [("", "a.b.c"), ("a", "b.c")]);
    }

    #[test]
    fn wrong_routes_are_named() {
        let (_, problems) = read_json(json!({
            "routes": ["x", {"route": 5}, {"route": "nodot"}, {"route": "a..b"}, {"route": "a.b:80"},
                {"route": "tcp://a.b"}],
            "no-route": "x",
        }));
        assert_eq!(problems.len(), 7, "{problems:#?}");
    }
}
