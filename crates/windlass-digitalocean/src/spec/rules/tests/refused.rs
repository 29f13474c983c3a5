//! What can't be run.

use serde_json::json;

use super::{good, refuse};
use crate::spec::Spec;

#[test]
fn what_cant_be_run_is_refused() {
    refuse([
        (
            "/databases",
            json!([{"name": "db"}]),
            "databases",
            "databases are not offered",
        ),
        (
            "/functions",
            json!([{"name": "fn"}]),
            "functions",
            "functions can't be run",
        ),
        (
            "/vpc",
            json!({"id": "c22d8f48-4bc4-49f5-8ca0-58e7164427ac"}),
            "vpc",
            "there are no VPC",
        ),
        (
            "/maintenance",
            json!({"enabled": true}),
            "maintenance",
            "maintenance mode is not offered",
        ),
        (
            "/egress/type",
            json!("DEDICATED_IP"),
            "egress.type",
            "there are no dedicated addresses",
        ),
        (
            "/services/0/image",
            json!({"repository": "x"}),
            "services.image",
            "container images can't",
        ),
        (
            "/jobs/0/dockerfile_path",
            json!("Dockerfile"),
            "jobs.dockerfile_path",
            "Dockerfiles can't",
        ),
        (
            "/services/0/autoscaling",
            json!({"min_instance_count": 1}),
            "services.autoscaling",
            "autoscaling is not offered",
        ),
        (
            "/workers/0/autoscaling",
            json!({"max_instance_count": 2}),
            "workers.autoscaling",
            "auto",
        ),
        (
            "/services/0/internal_ports",
            json!([9090]),
            "services.internal_ports",
            "instances have one",
        ),
        (
            "/services/0/protocol",
            json!("HTTP2"),
            "services.protocol",
            "instances are asked in HTTP/1.1",
        ),
        (
            "/services/0/inactivity_sleep",
            json!({"after_seconds": 600}),
            "services.inactivity_sleep",
            "instances can't be put to sleep",
        ),
        (
            "/services/0/log_destinations",
            json!([{"name": "l"}]),
            "services.log_destinations",
            "logs can't be forwarded",
        ),
        (
            "/services/0/cors",
            json!({"allow_methods": ["GET"]}),
            "services.cors",
            "CORS headers are",
        ),
        (
            "/ingress/rules/0/cors",
            json!({"max_age": "5h"}),
            "ingress.rules.cors",
            "CORS headers are",
        ),
        (
            "/ingress/custom_error_page_url",
            json!("https://x.y"),
            "ingress.custom_error_page_url",
            "error pages can't be replaced",
        ),
        (
            "/ingress/load_balancer",
            json!("DIGITALOCEAN"),
            "ingress.load_balancer",
            "the router is",
        ),
        (
            "/ingress/load_balancer_size",
            json!(2),
            "ingress.load_balancer_size",
            "the router is",
        ),
        (
            "/ingress/secure_header",
            json!({"key": "x"}),
            "ingress.secure_header",
            "requests can't be",
        ),
        (
            "/jobs/0/kind",
            json!("SCHEDULED"),
            "jobs.kind",
            "jobs can't be run by schedule",
        ),
        (
            "/jobs/0/schedule",
            json!({"cron": "* * * * *"}),
            "jobs.schedule",
            "jobs can't be run by",
        ),
        (
            "/jobs/0/timeout",
            json!("1h"),
            "jobs.timeout",
            "jobs have no time limit",
        ),
        (
            "/domains/0/zone",
            json!("example.com"),
            "domains.zone",
            "DNS records are not made",
        ),
        (
            "/domains/0/certificate",
            json!("x"),
            "domains.certificate",
            "a domain can't name its",
        ),
    ]);
}

#[test]
fn what_says_nothing_is_no_reason_to_refuse() {
    let mut document = good();
    document["databases"] = json!([]);
    document["maintenance"] = json!({"enabled": false, "offline_page_url": ""});
    document["vpc"] = json!({"egress_ips": []});
    document["services"][0]["image"] = json!({"deploy_on_push": {"enabled": false}});
    document["services"][0]["instance_count"] = json!(0);
    document["services"][0]["protocol"] = json!("");
    document["services"][0]["dockerfile_path"] = json!("");
    document["services"][0]["envs"][0]["scope"] = json!("");
    document["ingress"]["rules"][0]["cors"] = json!({"allow_credentials": false});
    let spec = Spec::check(document.clone()).unwrap();
    assert_eq!(*spec.document(), document);
    assert_eq!(spec.app().services[0].instances.instances(), 1);
}
