//! Rules of what traffic goes where.

use serde_json::{Value, json};

use super::{good, refuse};
use crate::spec::Spec;

#[test]
fn ingress() {
    let rule = json!({"match": {"path": {"prefix": "/a"}}, "component": {"name": "web"}});
    let many = json!(vec![rule.clone(); 257]);
    let twice = json!([rule, {"match": {"path": {"prefix": "/a/"}},
        "component": {"name": "docs"}}]);
    refuse([
        (
            "/ingress/rules",
            many,
            "ingress.rules",
            "257 entries, at most 256",
        ),
        (
            "/ingress/rules",
            twice,
            "ingress.rules.match",
            "ingress.rules[0] is for the same",
        ),
        (
            "/ingress/rules/0/component",
            Value::Null,
            "ingress.rules",
            "give component or redirect",
        ),
        (
            "/ingress/rules/0/redirect",
            json!({"uri": "/x"}),
            "ingress.rules.redirect",
            "only one of",
        ),
        (
            "/ingress/rules/0/component/name",
            json!("none"),
            "ingress.rules.component.name",
            "there is no component \"none\"",
        ),
        (
            "/ingress/rules/0/component/name",
            json!("mail"),
            "ingress.rules.component.name",
            "\"mail\" has no traffic",
        ),
        (
            "/ingress/rules/2/component/rewrite",
            json!("/v1"),
            "ingress.rules.component.rewrite",
            "only one of preserve_path_prefix and rewrite",
        ),
        (
            "/ingress/rules/2/component/preserve_path_prefix",
            json!("true"),
            "ingress.rules.component.preserve_path_prefix",
            "must be true or false",
        ),
        (
            "/ingress/rules/0/match/path/prefix",
            json!("docs"),
            "ingress.rules.match.path.prefix",
            "\"docs\" must start with /",
        ),
        (
            "/ingress/rules/0/match/path/prefix",
            json!("/a?b"),
            "ingress.rules.match.path.prefix",
            "\"/a?b\" must start with /",
        ),
        (
            "/ingress/rules/0/match/path/exact",
            json!("/x"),
            "ingress.rules.match.path.exact",
            "only one of prefix and exact",
        ),
        (
            "/ingress/rules/0/match/authority/exact",
            json!("a.b:80"),
            "ingress.rules.match.authority.exact",
            "\"a.b:80\" must be a host name",
        ),
        (
            "/ingress/rules/0/match/authority/prefix",
            json!("a."),
            "ingress.rules.match.authority.prefix",
            "hosts can't be matched by prefix",
        ),
        (
            "/ingress/rules/1/redirect",
            json!({}),
            "ingress.rules.redirect",
            "say where to",
        ),
        (
            "/ingress/rules/1/redirect/scheme",
            json!("ftp"),
            "ingress.rules.redirect.scheme",
            "\"ftp\"",
        ),
        (
            "/ingress/rules/1/redirect/port",
            json!(70_000),
            "ingress.rules.redirect.port",
            "70000 must",
        ),
        (
            "/ingress/rules/1/redirect/redirect_code",
            json!(305),
            "ingress.rules.redirect.redirect_code",
            "305 must be one of 300",
        ),
        (
            "/ingress/rules/1/redirect/redirect_code",
            json!(200),
            "ingress.rules.redirect.redirect_code",
            "200 must be between 300 and 308",
        ),
        (
            "/ingress/rules/1/redirect/authority",
            json!("a/b"),
            "ingress.rules.redirect.authority",
            "\"a/b\" must be a host name",
        ),
        (
            "/services/0/routes",
            json!([{"path": "/"}]),
            "services.routes",
            "is the old form",
        ),
        (
            "/ingress/rules",
            json!([]),
            "ingress",
            "several components can have traffic",
        ),
    ]);
}

#[test]
fn routes_in_the_old_form() {
    let with = |service: Value, site: Value| {
        let mut document = good();
        document["ingress"] = json!({});
        document["services"][0]["routes"] = service;
        document["static_sites"][0]["routes"] = site;
        Spec::check(document)
    };
    assert!(with(json!([{"path": "/"}]), json!([{"path": "/docs"}])).is_ok());
    let rows = [
        (
            json!([{"path": "x"}]),
            json!([]),
            "services.routes.path",
            "\"x\" must start with /",
        ),
        (
            json!([{}]),
            json!([]),
            "services.routes.path",
            "is required",
        ),
        (
            json!([{"path": "/a"}, {"path": "/a/"}]),
            json!([]),
            "services.routes.path",
            "\"/a/\" leads",
        ),
        (
            json!([{"path": "/a"}]),
            json!([{"path": "/a"}]),
            "static_sites.routes.path",
            "\"/a\" leads",
        ),
    ];
    for (service, site, field, why) in rows {
        let error = with(service, site).err().unwrap();
        assert_eq!(error.field, field);
        assert!(error.why.starts_with(why), "{error}");
    }
}
