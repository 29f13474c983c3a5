//! What a spec becomes.

use serde_json::{Value, json};
use windlass_control::secrets::{KEY_BYTES, Secrets};
use windlass_engine::configuration::{ComponentRole, HealthKind, JobKind, StaticDocuments};
use windlass_engine::id::AppId;

use super::*;
use crate::spec::Spec;

fn vault() -> Vault {
    let secrets = Secrets::new([("k1".to_owned(), [7; KEY_BYTES])]).unwrap();
    Vault::new(secrets, AppId::from("app-1"))
}

fn document() -> Value {
    json!({
        "name": "shop",
        "domains": [{"domain": "Shop.example.com", "type": "PRIMARY"},
            {"domain": "x.example.com", "wildcard": true}],
        "envs": [
            {"key": "LEVEL", "value": "info"},
            {"key": "URL", "value": "${APP_URL}/${APP_ID}@${APP_DOMAIN}"},
            {"key": "ME", "value": "${_self.PUBLIC_ROUTE_PATH}"},
        ],
        "services": [{
            "name": "web",
            "github": {"repo": "acme/shop", "branch": "main", "deploy_on_push": true},
            "environment_slug": "node-js",
            "build_command": "npm run build",
            "run_command": "node server.js",
            "source_dir": "/packages/web/",
            "instance_size_slug": "apps-s-1vcpu-2gb",
            "instance_count": 3,
            "http_port": 3000,
            "health_check": {"http_path": "/up", "failure_threshold": 3, "timeout_seconds": 2},
            "termination": {"drain_seconds": 7},
            "envs": [
                {"key": "LEVEL", "value": "debug", "scope": "RUN_TIME"},
                {"key": "TOKEN", "value": "s3cret", "type": "SECRET"},
                {"key": "NPM", "value": "${_self.TOKEN}", "scope": "BUILD_TIME"},
                {"key": "DOCS", "value": "${docs.PUBLIC_URL}"},
            ],
        }],
        "workers": [{
            "name": "mail",
            "git": {"repo_clone_url": "https://git.example.com/m.git", "branch": "main"},
            "liveness_health_check": {"http_path": "/alive"},
            "envs": [{"key": "WEB_TOKEN", "value": "${web.TOKEN}"}],
        }],
        "jobs": [{"name": "migrate", "kind": "PRE_DEPLOY", "run_command": "bin/migrate",
            "gitlab": {"repo": "acme/tools/migrate", "branch": "main"}}],
        "static_sites": [{"name": "docs", "bitbucket": {"repo": "acme/docs", "branch": "main"},
            "output_dir": "dist/", "index_document": "start.html", "catchall_document": "app.html"}],
        "ingress": {"rules": [
            {"match": {"path": {"prefix": "/docs"}, "authority": {"exact": "a.x.example.com"}},
                "component": {"name": "docs"}},
            {"match": {"path": {"prefix": "/"}}, "component": {"name": "web"}},
        ]},
    })
}

fn translate_with(document: Value, commits: &[(&str, &str)]) -> Result<Translation, SpecError> {
    let sealed = Spec::check(document).unwrap().seal(&[], &vault()).unwrap();
    let commits: BTreeMap<String, String> = commits
        .iter()
        .map(|(name, commit)| ((*name).to_owned(), (*commit).to_owned()))
        .collect();
    let surroundings = Surroundings {
        app_id: "id-1",
        default_host: "shop-abc.apps.test",
        scheme: "https",
        port: Some(8443),
        commits: &commits,
        private: &BTreeMap::new(),
    };
    sealed.translate(&vault(), &surroundings)
}

fn translated() -> Translation {
    translate_with(document(), &[]).unwrap()
}

fn values(variables: &BTreeMap<String, Variable>) -> Vec<(&str, &str)> {
    let pairs = variables.iter();
    pairs
        .map(|(key, variable)| (key.as_str(), variable.value.as_str()))
        .collect()
}

#[test]
fn components_come_in_the_order_of_the_platform() {
    let translation = translated();
    let seen: Vec<(&str, ComponentRole, u32)> = translation
        .components
        .iter()
        .map(|one| (one.name.as_str(), one.config.role, one.instances))
        .collect();
    assert_eq!(
        seen,
        [
            ("web", ComponentRole::Routed, 3),
            ("mail", ComponentRole::Worker, 1),
            ("migrate", ComponentRole::Job(JobKind::PreDeploy), 1),
            ("docs", ComponentRole::Static, 0),
        ]
    );
}

#[test]
fn a_service_runs_as_it_says() {
    let web = &translated().components[0];
    let config = &web.config;
    assert_eq!(config.command.as_deref(), Some("node server.js"));
    assert_eq!((config.memory_mb, config.disk_mb), (2048, 4096));
    assert_eq!(config.drain_limit_ms, Some(7_000));
    assert_eq!(config.grace_ms, Some(120_000));
    let readiness = &config.readiness;
    let http = HealthKind::Http {
        endpoint: "/up".to_owned(),
    };
    assert_eq!(readiness.kind, http);
    assert_eq!(readiness.initial_delay_secs, Some(0));
    assert_eq!(readiness.interval_secs, Some(10));
    assert_eq!(readiness.invocation_timeout_secs, Some(2));
    assert_eq!(readiness.success_threshold, Some(1));
    assert_eq!(readiness.failure_threshold, Some(3));
    assert!(readiness.takes_redirects);
    // No liveness check: the port, within the time of the readiness check.
    assert_eq!(config.health.kind, HealthKind::Port);
    assert_eq!(config.health.initial_delay_secs, Some(0));
    assert_eq!(config.health.start_timeout_secs, Some(30));
    assert_eq!(config.health.failure_threshold, Some(18));
}

#[test]
fn a_worker_is_checked_only_if_it_says_so() {
    let mut document = document();
    let checked = &translate_with(document.clone(), &[]).unwrap().components[1];
    let http = HealthKind::Http {
        endpoint: "/alive".to_owned(),
    };
    assert_eq!(checked.config.health.kind, http);
    assert_eq!(checked.config.health.initial_delay_secs, Some(5));
    assert_eq!(checked.config.health.start_timeout_secs, Some(185));
    assert_eq!(checked.config.memory_mb, 512);
    document["workers"][0]["liveness_health_check"] = Value::Null;
    let unchecked = &translate_with(document, &[]).unwrap().components[1];
    assert_eq!(unchecked.config.health.kind, HealthKind::Process);
    assert_eq!(unchecked.config.readiness.kind, HealthKind::Process);
}

#[test]
fn jobs_run_after_the_deployment_unless_they_say_so() {
    let rows = [
        ("", JobKind::PostDeploy),
        ("UNSPECIFIED", JobKind::PostDeploy),
        ("POST_DEPLOY", JobKind::PostDeploy),
        ("PRE_DEPLOY", JobKind::PreDeploy),
        ("FAILED_DEPLOY", JobKind::FailedDeploy),
    ];
    for (word, kind) in rows {
        let mut document = document();
        document["jobs"][0]["kind"] = json!(word);
        let job = &translate_with(document, &[]).unwrap().components[2];
        assert_eq!(job.config.role, ComponentRole::Job(kind), "{word}");
    }
}

#[test]
fn sources_and_builds() {
    let translation = translated();
    let [web, mail, migrate, docs] = translation.components.as_slice() else {
        panic!("four components");
    };
    let hosted = |provider, repo: &str, deploy_on_push| Source::Hosted {
        provider,
        repo: repo.to_owned(),
        branch: "main".to_owned(),
        deploy_on_push,
    };
    assert_eq!(web.source, hosted(SourceHost::GitHub, "acme/shop", true));
    let git = Source::Git {
        url: "https://git.example.com/m.git".to_owned(),
        branch: "main".to_owned(),
    };
    assert_eq!(mail.source, git);
    let gitlab = hosted(SourceHost::GitLab, "acme/tools/migrate", false);
    assert_eq!(migrate.source, gitlab);
    assert_eq!(
        docs.source,
        hosted(SourceHost::Bitbucket, "acme/docs", false)
    );
    let build = BuildSettings {
        source_dir: Some("packages/web".to_owned()),
        build_command: Some("npm run build".to_owned()),
        environment: Some("node".to_owned()),
        ..BuildSettings::default()
    };
    assert_eq!(web.build, build);
    let build = BuildSettings {
        output_dir: Some("dist".to_owned()),
        static_site: true,
        ..BuildSettings::default()
    };
    assert_eq!(docs.build, build);
    let documents = StaticDocuments {
        index: Some("start.html".to_owned()),
        error: None,
        catch_all: Some("app.html".to_owned()),
    };
    assert_eq!(docs.config.documents, documents);
}

#[test]
fn variables_go_where_their_scope_says() {
    let translation = translated();
    let [web, mail, _, docs] = translation.components.as_slice() else {
        panic!("four components");
    };
    let url = "https://shop.example.com:8443/id-1@shop.example.com";
    let docs_url = "https://a.x.example.com:8443/docs";
    assert_eq!(
        values(&web.run_variables),
        [
            ("DOCS", docs_url),
            ("LEVEL", "debug"),
            ("ME", "/"),
            ("TOKEN", "s3cret"),
            ("URL", url),
        ]
    );
    assert_eq!(
        values(&web.build_variables),
        [
            ("DOCS", docs_url),
            ("LEVEL", "info"),
            ("ME", "/"),
            ("NPM", "s3cret"),
            ("TOKEN", "s3cret"),
            ("URL", url),
        ]
    );
    assert!(web.run_variables["TOKEN"].is_secret);
    assert!(!web.run_variables["LEVEL"].is_secret);
    assert_eq!(
        format!("{:?}", web.run_variables["TOKEN"]),
        "Variable(hidden)"
    );
    assert_eq!(mail.run_variables["WEB_TOKEN"].value, "s3cret");
    // A worker has no route: the reference stays.
    assert_eq!(mail.run_variables["ME"].value, "${_self.PUBLIC_ROUTE_PATH}");
    assert!(docs.run_variables.is_empty());
    assert_eq!(docs.build_variables["ME"].value, "/docs");
}

#[test]
fn commits_are_asked_for_when_they_are_used() {
    let mut document = document();
    document["workers"][0]["envs"] = json!([{"key": "V", "value": "${web.COMMIT_HASH}"}]);
    let translation = translate_with(document.clone(), &[]).unwrap();
    let missing: Vec<&str> = translation
        .missing_commits
        .iter()
        .map(String::as_str)
        .collect();
    assert_eq!(missing, ["web"]);
    let translation = translate_with(document, &[("web", "abc123")]).unwrap();
    assert!(translation.missing_commits.is_empty());
    assert_eq!(translation.components[1].run_variables["V"].value, "abc123");
}

#[test]
fn private_addresses_are_refused_where_there_are_none() {
    let mut document = document();
    document["workers"][0]["envs"] = json!([{"key": "V", "value": "${web.PRIVATE_URL}"}]);
    let error = translate_with(document.clone(), &[]).unwrap_err();
    assert_eq!(error.position, "workers[0].envs[0].value");
    assert!(
        error
            .why
            .starts_with("${web.PRIVATE_URL} is not known here: there is no network")
    );

    let sealed = Spec::check(document).unwrap().seal(&[], &vault()).unwrap();
    let address = PrivateAddress {
        domain: "web.shop.internal".to_owned(),
        port: 8080,
    };
    let surroundings = Surroundings {
        app_id: "id-1",
        default_host: "shop-abc.apps.test",
        scheme: "https",
        port: None,
        commits: &BTreeMap::new(),
        private: &BTreeMap::from([("web".to_owned(), address)]),
    };
    let translation = sealed.translate(&vault(), &surroundings).unwrap();
    let value = &translation.components[1].run_variables["V"].value;
    assert_eq!(value, "http://web.shop.internal:8080");
    let url = &translation.components[1].run_variables["URL"].value;
    assert_eq!(url, "https://shop.example.com/id-1@shop.example.com");
}

#[test]
fn hosts_and_canary() {
    let mut document = document();
    let translation = translate_with(document.clone(), &[]).unwrap();
    let host = |name: &str, is_wildcard| Host {
        name: name.to_owned(),
        is_wildcard,
    };
    let hosts = [host("shop.example.com", false), host("x.example.com", true)];
    assert_eq!(translation.hosts, hosts);
    assert_eq!(translation.primary_host, "shop.example.com");
    assert_eq!(translation.canary_weights, None);
    document["features"] = json!(["windlass.canary=5,25"]);
    document["domains"] = json!([{"domain": "x.example.com", "wildcard": true}]);
    let translation = translate_with(document, &[]).unwrap();
    assert_eq!(translation.primary_host, "shop-abc.apps.test");
    assert_eq!(translation.canary_weights, Some(vec![5, 25]));
}

#[test]
fn rules_for_hosts_of_others_are_refused() {
    let with = |name: &str| {
        let mut document = document();
        document["ingress"]["rules"][0]["match"]["authority"]["exact"] = json!(name);
        translate_with(document, &[])
    };
    for name in [
        "",
        "SHOP.example.com",
        "x.example.com",
        "a.b.x.example.com",
        "shop-abc.apps.test",
    ] {
        assert!(with(name).is_ok(), "{name}");
    }
    for name in ["example.com", "a.shop.example.com", "ax.example.com"] {
        let error = with(name).unwrap_err();
        assert_eq!(error.field, "ingress.rules.match.authority.exact", "{name}");
        assert!(
            error.why.contains("is none of the app's domains"),
            "{error}"
        );
    }
}

#[test]
fn a_lost_key_is_said() {
    let sealed = Spec::check(document())
        .unwrap()
        .seal(&[], &vault())
        .unwrap();
    let other = Secrets::new([("k2".to_owned(), [8; KEY_BYTES])]).unwrap();
    let other = Vault::new(other, AppId::from("app-1"));
    let surroundings = Surroundings {
        app_id: "id-1",
        default_host: "shop-abc.apps.test",
        scheme: "https",
        port: None,
        commits: &BTreeMap::new(),
        private: &BTreeMap::new(),
    };
    let error = sealed.translate(&other, &surroundings).unwrap_err();
    assert_eq!(error.position, "services[0].envs[1].value");
    assert!(
        error.why.starts_with("can't be decrypted any more"),
        "{error}"
    );
}
