//! Deployments that are ordered while one runs, and orders that are sent twice.

use http::Method;
use serde_json::{Value, json};

use super::cancel::second;
use super::world::{HANGS, Site, job, push};
use crate::world::{until, until_answered};

#[test]
fn one_runs_the_newest_waits_older_waiting_ones_are_superseded() {
    let site = Site::new();
    let shop = site.shop();
    let load = site.visitors(&shop);
    push(&shop.repository, &[("hello.conf", "VERSION=2\n")]);
    let hanging = second(&shop, &[job("before", "PRE_DEPLOY", HANGS)]);
    let running = site.update(&shop.id, &hanging);
    site.two_hidden();

    push(&shop.repository, &[("hello.conf", "VERSION=3\n")]);
    let older = site.update(&shop.id, &shop.spec);
    let app = site.app(&shop.id);
    assert_eq!(app["in_progress_deployment"]["id"], json!(running));
    assert_eq!(app["pending_deployment"]["id"], json!(older));
    site.wait_phase(&shop.id, &older, "PENDING_BUILD");

    push(&shop.repository, &[("hello.conf", "VERSION=4\n")]);
    let newest = site.update(&shop.id, &shop.spec);
    let superseded = site.wait_phase(&shop.id, &older, "SUPERSEDED");
    let errors = superseded["progress"]["error_steps"].as_u64();
    assert!(errors >= Some(1), "{superseded:#}");
    let app = site.app(&shop.id);
    assert_eq!(app["active_deployment"]["id"], json!(shop.base));
    assert_eq!(app["in_progress_deployment"]["id"], json!(running));
    assert_eq!(app["pending_deployment"]["id"], json!(newest));
    let late = site.cancel(&shop.id, &older);
    assert_eq!(late.status, 400, "{}", late.text);

    // The one that waits begins when the one that runs is canceled.
    let beside = site.beside(&shop);
    let answer = site.cancel(&shop.id, &running);
    assert_eq!(answer.status, 200, "{}", answer.text);
    site.wait_phase(&shop.id, &newest, "ACTIVE");
    crate::world::until_gone(&beside);
    load.section();
    until_answered(&load, 100);
    assert_eq!(load.counts().percent("4"), 100, "{:?}", load.counts());
    assert_eq!(load.counts().of("3"), 0);
    let app = site.app(&shop.id);
    assert_eq!(app["active_deployment"]["id"], json!(newest));
    assert_eq!(app.get("pending_deployment"), None, "{app:#}");
    site.end(load);
}

#[test]
fn a_waiting_one_is_canceled_before_it_began() {
    let site = Site::new();
    let shop = site.shop();
    push(&shop.repository, &[("hello.conf", "VERSION=2\n")]);
    let hanging = second(&shop, &[job("before", "PRE_DEPLOY", HANGS)]);
    let running = site.update(&shop.id, &hanging);
    site.two_hidden();
    let waiting = site.update(&shop.id, &second(&shop, &[]));
    let answer = site.cancel(&shop.id, &waiting);
    assert_eq!(answer.status, 200, "{}", answer.text);
    super::world::is_canceled(&answer.body["deployment"]);
    let app = site.app(&shop.id);
    assert_eq!(app["in_progress_deployment"]["id"], json!(running));
    assert_eq!(app.get("pending_deployment"), None, "{app:#}");
    assert_eq!(app["spec"], hanging, "the spec of the one that runs");
    site.cancel(&shop.id, &running);
    site.is_shown(&shop, &running);
    site.world.end();
}

#[test]
fn a_repeated_request_gets_the_first_answer() {
    let mut site = Site::new();
    let shop = site.shop();
    let path = format!("/v2/apps/{}/deployments", shop.id);
    let body = json!({ "force_build": true });
    let order = |site: &Site, id: &str| -> Value {
        let headers = [("x-ms-client-request-id", id)];
        let answer = site.api.call(Method::POST, &path, Some(&body), &headers);
        answer.expect("answer").ok().expect("created")["deployment"].clone()
    };
    let first = order(&site, "3b9c7a1e-0000-4000-8000-000000000001");
    let again = order(&site, "3b9c7a1e-0000-4000-8000-000000000001");
    assert_eq!(again["id"], first["id"]);
    // Also after control has died in between.
    let control = windlass::demo::server::Role::Control;
    site.world.server.kill(control).expect("kill");
    let again = order(&site, "3b9c7a1e-0000-4000-8000-000000000001");
    assert_eq!(again["id"], first["id"]);
    let other = order(&site, "3b9c7a1e-0000-4000-8000-000000000002");
    assert_ne!(other["id"], first["id"]);
    let total = &site.get(&path)["meta"]["total"];
    assert_eq!(total, &json!(3), "base, first, other");

    // The same for an app.
    let create = json!({ "spec": super::world::spec("second") });
    let headers = [(
        "x-ms-client-request-id",
        "3b9c7a1e-0000-4000-8000-000000000003",
    )];
    let create = |site: &Site| {
        let answer = site
            .api
            .call(Method::POST, "/v2/apps", Some(&create), &headers);
        answer.expect("answer").ok().expect("created")["app"]["id"].clone()
    };
    let made = create(&site);
    assert_eq!(create(&site), made);
    until("two apps", || {
        site.get("/v2/apps")["meta"]["total"] == json!(2)
    });
    site.world.end();
}
