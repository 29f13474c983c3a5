//! Rules of the app itself.

use serde_json::{Value, json};

use super::{good, refuse};
use crate::spec::Spec;

#[test]
fn names_and_counts() {
    let git = json!({"repo_clone_url": "https://x.y/z", "branch": "b"});
    let many: Vec<Value> = (0..101)
        .map(|index| json!({"name": format!("w-{index}"), "git": git}))
        .collect();
    refuse([
        ("/name", json!(""), "name", "is required"),
        ("/name", json!("a"), "name", "\"a\" must be 2 to 32"),
        ("/name", json!("Shop"), "name", "\"Shop\" must be 2 to 32"),
        ("/name", json!("shop-"), "name", "\"shop-\" must be 2 to 32"),
        ("/name", json!("1shop"), "name", "\"1shop\" must be 2 to 32"),
        (
            "/name",
            json!("a".repeat(33)),
            "name",
            "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is longer",
        ),
        ("/name", json!(5), "name", "must be a text"),
        (
            "/workers/0/name",
            json!("web"),
            "workers.name",
            "\"web\" is in services already",
        ),
        (
            "/static_sites/0/name",
            json!("mail"),
            "static_sites.name",
            "\"mail\" is in workers",
        ),
        (
            "/workers",
            json!(many),
            "workers",
            "101 entries, at most 100",
        ),
        (
            "/workers",
            json!({}),
            "workers",
            "must be a list, not an object",
        ),
        (
            "/workers/0",
            json!("mail"),
            "workers",
            "must be an object, not a text",
        ),
        (
            "/workers/0",
            Value::Null,
            "workers",
            "must be an object, not null",
        ),
        (
            "/services/0/instance_count",
            json!(251),
            "services.instance_count",
            "251 must be between",
        ),
        (
            "/services/0/instance_count",
            json!(-1),
            "services.instance_count",
            "-1 must be between",
        ),
        (
            "/services/0/instance_count",
            json!(1.5),
            "services.instance_count",
            "must be a whole",
        ),
        (
            "/services/0/instance_count",
            json!("2"),
            "services.instance_count",
            "must be a whole",
        ),
        (
            "/jobs/0/instance_count",
            json!(2),
            "jobs.instance_count",
            "a job runs once",
        ),
        (
            "/services/0/instance_size_slug",
            json!("huge"),
            "services.instance_size_slug",
            "\"huge\" must be one of apps-s-1vcpu-0.5gb",
        ),
        (
            "/disable_edge_cache",
            json!("true"),
            "disable_edge_cache",
            "must be true or false",
        ),
    ]);
    let error = Spec::check(json!({"name": "empty"})).err().unwrap();
    assert_eq!(
        error.to_string(),
        "error validating app spec: an app needs at least one service, static site, worker or job"
    );
}

#[test]
fn domains_alerts_and_features() {
    let twice = json!([{"domain": "a.example.com"}, {"domain": "A.example.com."}]);
    let primaries = json!([{"domain": "a.example.com", "type": "PRIMARY"},
        {"domain": "b.example.com", "type": "PRIMARY"}]);
    refuse([
        (
            "/domains/0/domain",
            json!("a.b"),
            "domains.domain",
            "\"a.b\" must be a host name",
        ),
        (
            "/domains/0/domain",
            json!("localhost"),
            "domains.domain",
            "\"localhost\" must be",
        ),
        (
            "/domains/0/domain",
            json!("a..example.com"),
            "domains.domain",
            "\"a..example.com\" must",
        ),
        (
            "/domains/0/domain",
            json!("*.example.com"),
            "domains.domain",
            "\"*.example.com\" must be",
        ),
        (
            "/domains/0/domain",
            json!("x.example.c0m"),
            "domains.domain",
            "\"x.example.c0m\" must be",
        ),
        (
            "/domains/0/type",
            json!("MAIN"),
            "domains.type",
            "\"MAIN\" must be one of",
        ),
        (
            "/domains/0/minimum_tls_version",
            json!("1.1"),
            "domains.minimum_tls_version",
            "\"1.1\"",
        ),
        (
            "/domains/0/minimum_tls_version",
            json!(1.2),
            "domains.minimum_tls_version",
            "must be a",
        ),
        (
            "/domains/0/minimum_tls_version",
            json!("1.3"),
            "domains.minimum_tls_version",
            "all domains accept TLS 1.2",
        ),
        (
            "/domains",
            twice,
            "domains.domain",
            "\"a.example.com\" is there twice",
        ),
        (
            "/domains",
            primaries,
            "domains.type",
            "only one domain may be PRIMARY",
        ),
        ("/alerts/0/rule", json!(""), "alerts.rule", "is required"),
        (
            "/alerts/0/rule",
            json!("CPU_UTILIZATION"),
            "alerts.rule",
            "\"CPU_UTILIZATION\" is no rule",
        ),
        (
            "/alerts/0/rule",
            json!("DEPLOYMENT_CANCELLED"),
            "alerts.rule",
            "\"DEPLOYMENT_CANCELLED\"",
        ),
        (
            "/services/0/alerts/0/rule",
            json!("DEPLOYMENT_FAILED"),
            "services.alerts.rule",
            "\"DEPLOYMENT_FAILED\" is no rule of this place",
        ),
        (
            "/services/0/alerts/0/operator",
            json!(""),
            "services.alerts.operator",
            "is required",
        ),
        (
            "/services/0/alerts/0/window",
            json!("UNSPECIFIED_WINDOW"),
            "services.alerts.window",
            "is required",
        ),
        (
            "/services/0/alerts/0/value",
            json!(-1),
            "services.alerts.value",
            "must not be negative",
        ),
        (
            "/services/0/alerts/0/value",
            json!("80"),
            "services.alerts.value",
            "must be a number",
        ),
        (
            "/features/1",
            json!("windlass.canary=0"),
            "features",
            "\"0\" must be 1 to 20",
        ),
        (
            "/features/1",
            json!("windlass.canary"),
            "features",
            "\"windlass.canary\" is unknown",
        ),
        (
            "/features/0",
            json!("windlass.canary=5"),
            "features",
            "is there twice",
        ),
        ("/features/0", json!(true), "features", "must be a text"),
    ]);
    let mut document = good();
    document["services"] = json!([]);
    document["ingress"] = json!({});
    let error = Spec::check(document).err().unwrap();
    assert_eq!(error.position, "features[1]");
    assert!(error.why.starts_with("a canary needs a service"), "{error}");
}
