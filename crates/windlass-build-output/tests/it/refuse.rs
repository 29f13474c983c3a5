//! Sites that are refused, with the reason.

use serde_json::{Value, json};
use windlass_build_output::{OutputError, Problem, Site};

fn parse(config: &Value) -> Result<Site, OutputError> {
    Site::parse(config.to_string().as_bytes())
}

#[test]
fn a_config_is_of_version_3_and_asks_for_what_is_served() {
    for (config, problem, says) in [
        (json!({}), Problem::Invalid, "version"),
        (json!({"version": 2}), Problem::Invalid, "version"),
        (json!({"version": "3"}), Problem::Invalid, "version"),
        (
            json!({"version": 3, "routes": {}}),
            Problem::Invalid,
            "sequence",
        ),
        (
            json!({"version": 3, "crons": [{"path": "/a", "schedule": "x"}]}),
            Problem::NotSupported,
            "crons",
        ),
        (
            json!({"version": 3, "images": {"sizes": []}}),
            Problem::NotSupported,
            "images",
        ),
    ] {
        let error = parse(&config).unwrap_err();
        assert_eq!(
            (error.problem, error.file.as_str()),
            (problem, "config.json")
        );
        assert!(error.message.contains(says), "{config}: {error}");
    }
    assert!(Site::parse(b"{").is_err());
    // What `vercel build` writes for a plain site.
    let plain = json!({"version": 3, "crons": [], "framework": {"version": "1"}, "cache": ["x"],
        "routes": [{"handle": "error"}, {"status": 404, "src": "^(?!/api).*$", "dest": "/404.html"}]});
    parse(&plain).unwrap();
}

#[test]
fn routes_follow_the_rules_of_their_phase() {
    for (routes, problem, says) in [
        (
            json!([{"dest": "/a"}]),
            Problem::Route,
            "route 0: a route has no `src`",
        ),
        (
            json!([{"src": "/ok"}, {"src": "("}]),
            Problem::Route,
            "route 1: the pattern",
        ),
        (
            json!([{"src": "/a", "what": 1}]),
            Problem::Route,
            "unknown field `what`",
        ),
        (json!([{"handle": "nope"}]), Problem::Route, "\"nope\""),
        (json!([{"handle": "start"}]), Problem::Route, "\"start\""),
        (
            json!([{"handle": "hit", "src": "/"}]),
            Problem::Route,
            "other keys",
        ),
        (
            json!([{"handle": "miss"}, {"handle": "miss"}]),
            Problem::Route,
            "twice",
        ),
        (
            json!([{"handle": "hit"}, {"src": "/", "dest": "/a", "continue": true}]),
            Problem::Route,
            "`dest`",
        ),
        (
            json!([{"handle": "hit"}, {"src": "/", "status": 404, "continue": true}]),
            Problem::Route,
            "`status`",
        ),
        (
            json!([{"handle": "hit"}, {"src": "/"}]),
            Problem::Route,
            "`continue: true`",
        ),
        (
            json!([{"handle": "miss"}, {"src": "/", "dest": "/a"}]),
            Problem::Route,
            "`check: true`",
        ),
        (
            json!([{"handle": "miss"}, {"src": "/"}]),
            Problem::Route,
            "`continue: true`",
        ),
        (
            json!([{"src": "/", "status": 600}]),
            Problem::Route,
            "status",
        ),
        (
            json!([{"src": "/", "status": -1}]),
            Problem::Route,
            "invalid",
        ),
        (
            json!([{"src": "/", "headers": {"a:b": "x"}}]),
            Problem::Route,
            "a:b",
        ),
        (
            json!([{"src": "/", "dest": "https://x.test/$1"}]),
            Problem::NotSupported,
            "another host",
        ),
        (
            json!([{"src": "/", "dest": "//x.test/"}]),
            Problem::NotSupported,
            "another host",
        ),
        (
            json!([{"src": "/", "middlewarePath": "m"}]),
            Problem::NotSupported,
            "middlewarePath",
        ),
        (
            json!([{"src": "/", "mitigate": {"action": "deny"}}]),
            Problem::NotSupported,
            "mitigate",
        ),
        (
            json!([{"src": "/", "transforms": [{"type": "request.headers"}]}]),
            Problem::NotSupported,
            "transforms",
        ),
        (
            json!([{"src": "/", "locale": {"cookie": "x"}}]),
            Problem::NotSupported,
            "locale",
        ),
        (
            json!([{"src": "/", "has": [{"type": "ip", "value": "x"}]}]),
            Problem::Route,
            "ip",
        ),
        (
            json!([{"src": "/", "has": [{"type": "header"}]}]),
            Problem::Route,
            "key",
        ),
        (
            json!([{"src": "/", "has": [{"type": "host"}]}]),
            Problem::Route,
            "value",
        ),
        (
            json!([{"src": "/", "has": [{"type": "query", "key": "a", "value": {"gt": "x"}}]}]),
            Problem::Route,
            "`gt`",
        ),
        (
            json!([{"src": "/", "has": [{"type": "query", "key": "a", "value": {"xx": 1}}]}]),
            Problem::Route,
            "`xx`",
        ),
        (
            json!([{"src": "/", "has": [{"type": "query", "key": "a", "value": "("}]}]),
            Problem::Route,
            "pattern",
        ),
    ] {
        let error = parse(&json!({"version": 3, "routes": routes})).unwrap_err();
        assert_eq!(error.problem, problem, "{routes}: {error}");
        assert!(error.message.contains(says), "{routes}: {error}");
    }
}

#[test]
fn a_config_has_limits() {
    let many: Vec<Value> = (0..2_049).map(|_| json!({"src": "/"})).collect();
    let error = parse(&json!({"version": 3, "routes": many})).unwrap_err();
    assert!(error.message.contains("2049 routes"), "{error}");
    let large = vec![b' '; 4 * 1024 * 1024 + 1];
    assert!(Site::parse(&large).unwrap_err().message.contains("bytes"));
}
