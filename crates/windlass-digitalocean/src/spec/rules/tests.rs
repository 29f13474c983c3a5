//! One table row per rule: what is changed in a good spec, and what is said about it.

mod app;
mod component;
mod ingress;
mod refused;

use serde_json::{Value, json};

use crate::spec::Spec;

/// A spec with something of everything.
fn good() -> Value {
    json!({
        "name": "shop",
        "region": "ams",
        "domains": [{"domain": "shop.example.com", "type": "PRIMARY", "wildcard": true,
            "minimum_tls_version": "1.2"}],
        "envs": [{"key": "LEVEL", "value": "info"}],
        "alerts": [{"rule": "DEPLOYMENT_FAILED"}],
        "features": ["buildpack-stack=ubuntu-22", "windlass.canary=10,50"],
        "egress": {"type": "AUTOASSIGN"},
        "services": [{
            "name": "web",
            "github": {"repo": "acme/shop", "branch": "main", "deploy_on_push": true},
            "environment_slug": "go",
            "http_port": 3000,
            "instance_size_slug": "apps-s-1vcpu-1gb",
            "instance_count": 2,
            "health_check": {"http_path": "/up", "port": 3000, "period_seconds": 5},
            "liveness_health_check": {"success_threshold": 1},
            "termination": {"drain_seconds": 110, "grace_period_seconds": 600},
            "alerts": [{"rule": "CPU_UTILIZATION", "operator": "GREATER_THAN", "value": 80,
                "window": "FIVE_MINUTES"}],
            "envs": [{"key": "A", "value": "1", "scope": "RUN_TIME", "type": "SECRET"}],
        }],
        "workers": [{"name": "mail", "git": {"repo_clone_url": "https://git.example.com/m.git",
            "branch": "main"}}],
        "jobs": [{"name": "migrate", "kind": "PRE_DEPLOY",
            "gitlab": {"repo": "acme/tools/migrate", "branch": "main"}}],
        "static_sites": [{"name": "docs", "bitbucket": {"repo": "acme/docs", "branch": "main"},
            "catchall_document": "index.html"}],
        "ingress": {"rules": [
            {"match": {"path": {"prefix": "/docs"}, "authority": {"exact": ""}},
                "component": {"name": "docs"}},
            {"match": {"path": {"prefix": "/old"}}, "redirect": {"uri": "/new", "port": 443}},
            {"match": {"path": {"prefix": ""}},
                "component": {"name": "web", "preserve_path_prefix": true}},
        ]},
    })
}

#[test]
fn the_good_one_is_accepted() {
    let spec = Spec::check(good()).unwrap();
    assert_eq!(*spec.document(), good());
    assert_eq!(spec.app().canary_weights(), Some(vec![10, 50]));
}

/// Pointer to what is replaced, its new value, the field and the beginning of what is said.
type Row = (&'static str, Value, &'static str, &'static str);

fn refuse(rows: impl IntoIterator<Item = Row>) {
    for (pointer, value, field, why) in rows {
        let mut document = good();
        set(&mut document, pointer, value.clone());
        let Err(error) = Spec::check(document) else {
            panic!("{pointer} = {value} is accepted")
        };
        assert_eq!(error.field, field, "{pointer} = {value}: {error}");
        assert!(error.why.starts_with(why), "{pointer} = {value}: {error}");
    }
}

/// Sets a member, which may be new.
fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
        Value::Object(_) => parent[name] = value,
        _ => panic!("{pointer} is inside of a scalar"),
    }
}
