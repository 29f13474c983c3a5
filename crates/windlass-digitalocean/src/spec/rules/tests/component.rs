//! Rules of components.

use serde_json::{Value, json};

use super::refuse;

#[test]
fn sources_and_commands() {
    let git = json!({"repo_clone_url": "https://x.y/z", "branch": "b"});
    refuse([
        (
            "/services/0/github",
            Value::Null,
            "services",
            "\"web\" has no source",
        ),
        (
            "/services/0/git",
            git,
            "services.github",
            "only one source is possible, git is there",
        ),
        (
            "/services/0/github/repo",
            json!("shop"),
            "services.github.repo",
            "\"shop\" must be owner",
        ),
        (
            "/services/0/github/repo",
            json!("a/b/c"),
            "services.github.repo",
            "\"a/b/c\" must be",
        ),
        (
            "/services/0/github/repo",
            json!("../etc"),
            "services.github.repo",
            "\"../etc\" must be",
        ),
        (
            "/services/0/github/repo",
            json!("a/-b"),
            "services.github.repo",
            "\"a/-b\" must be",
        ),
        (
            "/services/0/github/repo",
            json!(""),
            "services.github.repo",
            "is required",
        ),
        (
            "/services/0/github/branch",
            json!(""),
            "services.github.branch",
            "is required",
        ),
        (
            "/services/0/github/branch",
            json!("--upload-pack=x"),
            "services.github.branch",
            "\"--upload-pack=x\" must be the name of a branch",
        ),
        (
            "/services/0/github/branch",
            json!("a..b"),
            "services.github.branch",
            "\"a..b\" must be",
        ),
        (
            "/services/0/github/branch",
            json!("a b"),
            "services.github.branch",
            "\"a b\" must be",
        ),
        (
            "/services/0/github/branch",
            json!("a/.b"),
            "services.github.branch",
            "\"a/.b\" must be",
        ),
        (
            "/services/0/github/branch",
            json!("a.lock"),
            "services.github.branch",
            "\"a.lock\" must",
        ),
        (
            "/workers/0/git/repo_clone_url",
            json!("/etc"),
            "workers.git.repo_clone_url",
            "\"/etc\" ",
        ),
        (
            "/workers/0/git/repo_clone_url",
            json!("file:///etc"),
            "workers.git.repo_clone_url",
            "\"file:///etc\" must be an http, https or ssh URL",
        ),
        (
            "/workers/0/git/repo_clone_url",
            json!("ext::sh -c x"),
            "workers.git.repo_clone_url",
            "\"",
        ),
        (
            "/workers/0/git/repo_clone_url",
            json!("https://-o"),
            "workers.git.repo_clone_url",
            "\"",
        ),
        (
            "/workers/0/source_dir",
            json!("../x"),
            "workers.source_dir",
            "\"../x\" must be a path",
        ),
        (
            "/workers/0/source_dir",
            json!("a/../b"),
            "workers.source_dir",
            "\"a/../b\" must be",
        ),
        (
            "/workers/0/build_command",
            json!("a\u{0}b"),
            "workers.build_command",
            "must not contain a NUL",
        ),
        (
            "/workers/0/run_command",
            json!("x".repeat(16_385)),
            "workers.run_command",
            "\"xxx",
        ),
        (
            "/workers/0/environment_slug",
            json!("php"),
            "workers.environment_slug",
            "there is no buildpack for \"php\"",
        ),
        (
            "/static_sites/0/run_command",
            json!("x"),
            "static_sites.run_command",
            "unknown field",
        ),
        (
            "/static_sites/0/instance_count",
            json!(1),
            "static_sites.instance_count",
            "unknown field",
        ),
        (
            "/static_sites/0/output_dir",
            json!("../out"),
            "static_sites.output_dir",
            "\"../out\" must",
        ),
        (
            "/static_sites/0/index_document",
            json!("/etc/passwd"),
            "static_sites.index_document",
            "\"/etc/passwd\" must be a file name",
        ),
        (
            "/static_sites/0/error_document",
            json!("404.html"),
            "static_sites.catchall_document",
            "only one of error_document and catchall_document",
        ),
    ]);
}

#[test]
fn variables() {
    let many: Vec<Value> = (0..501)
        .map(|index| json!({"key": format!("K{index}")}))
        .collect();
    refuse([
        (
            "/envs/0/key",
            json!("1A"),
            "envs.key",
            "\"1A\" must be letters",
        ),
        (
            "/envs/0/key",
            json!("A-B"),
            "envs.key",
            "\"A-B\" must be letters",
        ),
        ("/envs/0/key", json!(""), "envs.key", "is required"),
        (
            "/envs/0/value",
            json!(1),
            "envs.value",
            "must be a text (numbers and true/false need",
        ),
        (
            "/envs/0/value",
            json!("x".repeat(65_537)),
            "envs.value",
            "\"xxx",
        ),
        (
            "/envs/0/value",
            json!("a\u{0}"),
            "envs.value",
            "must not contain a NUL",
        ),
        (
            "/envs/0/scope",
            json!("ALWAYS"),
            "envs.scope",
            "\"ALWAYS\" must be one of UNSET",
        ),
        (
            "/envs/0/type",
            json!("Secret"),
            "envs.type",
            "\"Secret\" must be one of GENERAL",
        ),
        (
            "/envs/0/default",
            json!("x"),
            "envs.default",
            "unknown field",
        ),
        (
            "/envs",
            json!([{"key": "A"}, {"key": "A"}]),
            "envs.key",
            "\"A\" is there twice",
        ),
        (
            "/services/0/envs",
            json!([{"key": "A"}, {"key": "A"}]),
            "services.envs.key",
            "\"A\" is",
        ),
        ("/envs", json!(many), "envs", "501 entries"),
    ]);
}

#[test]
fn health_and_termination() {
    refuse([
        (
            "/services/0/health_check/port",
            json!(9090),
            "services.health_check.port",
            "health check port \"9090\" not found in internal_ports",
        ),
        (
            "/services/0/http_port",
            json!(0),
            "services.health_check.port",
            "health check port",
        ),
        (
            "/services/0/liveness_health_check/port",
            json!(1),
            "services.liveness_health_check.port",
            "health check port \"1\" not found",
        ),
        (
            "/workers/0/liveness_health_check",
            json!({"port": 9000}),
            "workers.liveness_health_check.port",
            "a worker is checked on the port",
        ),
        (
            "/services/0/health_check/path",
            json!("/x"),
            "services.health_check.path",
            "is the old",
        ),
        (
            "/services/0/health_check/http_path",
            json!("up"),
            "services.health_check.http_path",
            "\"up\" must start with /",
        ),
        (
            "/services/0/health_check/initial_delay_seconds",
            json!(3601),
            "services.health_check.initial_delay_seconds",
            "3601 must be between 0 and 3600",
        ),
        (
            "/services/0/health_check/period_seconds",
            json!(301),
            "services.health_check.period_seconds",
            "301 must be between 1 and 300",
        ),
        (
            "/services/0/health_check/timeout_seconds",
            json!(121),
            "services.health_check.timeout_seconds",
            "121 must be between 1 and 120",
        ),
        (
            "/services/0/health_check/success_threshold",
            json!(51),
            "services.health_check.success_threshold",
            "51 must be between 1 and 50",
        ),
        (
            "/services/0/health_check/failure_threshold",
            json!(51),
            "services.health_check.failure_threshold",
            "51 must be between 1 and 50",
        ),
        (
            "/services/0/liveness_health_check/success_threshold",
            json!(2),
            "services.liveness_health_check.success_threshold",
            "2 must be between 1 and 1",
        ),
        (
            "/services/0/termination/drain_seconds",
            json!(111),
            "services.termination.drain_seconds",
            "111 must be between 1 and 110",
        ),
        (
            "/services/0/termination/grace_period_seconds",
            json!(601),
            "services.termination.grace_period_seconds",
            "601 must be between 1 and 600",
        ),
        (
            "/workers/0/termination",
            json!({"drain_seconds": 5}),
            "workers.termination.drain_seconds",
            "unknown field",
        ),
        (
            "/workers/0/health_check",
            json!({"port": 5}),
            "workers.health_check",
            "unknown field",
        ),
        (
            "/services/0/http_port",
            json!(65_536),
            "services.http_port",
            "65536 must be between",
        ),
    ]);
}
