//! Hostile sites and requests: never a panic, and never more work than the limits allow.

use std::cell::Cell;

use proptest::prelude::*;
use serde_json::{Value, json};
use windlass_build_output::{
    Decision, Files, Function, Site, SiteRequest, check_layout, config_of_project,
};

/// Files that count how often they are looked at.
#[derive(Default)]
struct Counted {
    looks: Cell<u32>,
    is_empty: bool,
}

impl Files for Counted {
    fn has_file(&self, path: &str) -> bool {
        assert!(
            !path.split('/').any(|part| part == ".." || part.is_empty()),
            "{path}"
        );
        self.looks.set(self.looks.get() + 1);
        !self.is_empty && path.len().is_multiple_of(7)
    }

    fn has_function(&self, name: &str) -> bool {
        self.looks.set(self.looks.get() + 1);
        !self.is_empty && name.len().is_multiple_of(11)
    }
}

fn get(path: &str) -> SiteRequest<'_> {
    SiteRequest {
        method: "GET",
        host: "app.test",
        path,
        query: "",
        headers: &[],
    }
}

#[test]
fn a_slow_pattern_ends_the_request() {
    let config = json!({"version": 3, "routes": [{"src": "/((?=a)a*)*\\1b", "status": 204}]});
    let site = Site::parse(config.to_string().as_bytes()).unwrap();
    let path = format!("/{}", "a".repeat(4_000));
    assert_eq!(
        site.evaluate(get(&path), &Counted::default()),
        Decision::TooMuchWork
    );
}

#[test]
fn rewrites_that_grow_end_the_request() {
    let double = json!({"src": "/(.*)", "dest": "/$1$1", "continue": true});
    let config = json!({"version": 3, "routes": vec![double; 100]});
    let site = Site::parse(config.to_string().as_bytes()).unwrap();
    assert_eq!(
        site.evaluate(get("/ab"), &Counted::default()),
        Decision::TooMuchWork
    );
}

#[test]
fn checks_that_find_nothing_end_in_time() {
    let check = |phase: usize| json!({"src": "/(.*)", "dest": format!("/{phase}"), "check": true});
    let mut routes: Vec<Value> = (0..1_000).map(|_| check(1)).collect();
    routes.push(json!({"handle": "rewrite"}));
    routes.extend((0..1_000).map(|_| check(2)));
    let config = json!({"version": 3, "routes": routes});
    let site = Site::parse(config.to_string().as_bytes()).unwrap();
    let files = Counted {
        is_empty: true,
        ..Counted::default()
    };
    assert_eq!(site.evaluate(get("/ab"), &files), Decision::TooMuchWork);
    assert!(files.looks.get() < 2_000, "{}", files.looks.get());
}

#[test]
fn headers_are_bounded() {
    let headers = |number: usize| json!({"src": "/(.*)", "headers": {format!("x-{number}"): "1"}, "continue": true});
    let routes: Vec<Value> = (0..500).map(headers).collect();
    let config = json!({"version": 3, "routes": routes});
    let site = Site::parse(config.to_string().as_bytes()).unwrap();
    assert_eq!(
        site.evaluate(get("/ab"), &Counted::default()),
        Decision::TooMuchWork
    );
}

/// Pieces that patterns, destinations and paths are made of.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("(.*)".to_owned()),
        Just("(?<n>[^/]+)".to_owned()),
        Just("(?!/a)".to_owned()),
        Just("$1".to_owned()),
        Just("$n".to_owned()),
        Just(":n*".to_owned()),
        Just("/../".to_owned()),
        Just("%2e%2E".to_owned()),
        Just("//".to_owned()),
        "[ -~äß\\n]{0,6}",
        "/[a-c]{0,3}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(piece(), 0..5).prop_map(|pieces| pieces.concat())
}

fn condition() -> impl Strategy<Value = Value> {
    let kinds = prop_oneof![
        Just("host"),
        Just("header"),
        Just("cookie"),
        Just("query"),
        Just("x")
    ];
    (kinds, text(), proptest::option::of(text()))
        .prop_map(|(kind, key, value)| json!({"type": kind, "key": key, "value": value}))
}

fn route() -> impl Strategy<Value = Value> {
    let handles = prop_oneof![
        Just("filesystem"),
        Just("hit"),
        Just("miss"),
        Just("rewrite"),
        Just("resource"),
        Just("error"),
    ];
    let source = (
        text(),
        proptest::option::of(text()),
        proptest::option::of(100_u16..600),
        any::<(bool, bool, bool)>(),
        proptest::option::of(text()),
        proptest::collection::vec(condition(), 0..2),
    )
        .prop_map(|(src, dest, status, (goes_on, check, important), header, has)| {
            let mut route = json!({"src": src, "continue": goes_on, "check": check, "important": important});
            if let Some(dest) = dest {
                route["dest"] = dest.into();
            }
            if let Some(status) = status {
                route["status"] = status.into();
            }
            if let Some(header) = header {
                route["headers"] = json!({"location": header});
            }
            if !has.is_empty() {
                route["has"] = has.into();
            }
            route
        });
    prop_oneof![1 => handles.prop_map(|handle| json!({"handle": handle})), 4 => source]
}

proptest! {
    #[test]
    fn any_site_answers_any_request(
        routes in proptest::collection::vec(route(), 0..6),
        path in text(),
        query in text(),
        cookie in text(),
        status in 400_u16..600,
    ) {
        // Routes that are refused are left out, so that the others are tried together.
        let kept: Vec<Value> = routes
            .into_iter()
            .filter(|route| {
                let alone = json!({"version": 3, "routes": [route]}).to_string();
                Site::parse(alone.as_bytes()).is_ok()
            })
            .collect();
        let config = json!({"version": 3, "routes": kept}).to_string();
        // Together they may still break the rules of a phase.
        let site = Site::parse(config.as_bytes()).unwrap_or_default();
        let headers = [("cookie".to_owned(), cookie)];
        let path = format!("/{path}");
        let request = SiteRequest { method: "GET", host: "app.test", path: &path, query: &query, headers: &headers };
        for decision in [site.evaluate(request, &Counted::default()), site.evaluate_error(status, request, &Counted::default())] {
            let headers = match decision {
                Decision::File { headers, .. }
                | Decision::Function { headers, .. }
                | Decision::Answer { headers, .. } => headers,
                Decision::TooMuchWork => Vec::new(),
            };
            let bad = |value: &str| value.contains(['\r', '\n', '\0']);
            prop_assert!(headers.iter().all(|(_, value)| !bad(value)), "{headers:?}");
        }
    }

    #[test]
    fn any_file_is_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..200), source in text(), destination in text()) {
        let _ = Site::parse(&text);
        let _ = Function::parse("x", &text);
        let name = String::from_utf8_lossy(&text).into_owned();
        let _ = check_layout([name.as_str()]);
        let project = json!({
            "redirects": [{"source": source, "destination": destination}],
            "rewrites": [{"source": source, "destination": destination}],
        });
        let _ = config_of_project(&project, &[name.as_str()]);
    }
}
