//! Rolling releases through the router, and assignments of hosts that checks hold back.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use http::Method;
use serde_json::{Value, json};
use windlass::demo::WAIT_LIMIT;

use super::Site;
use crate::world::{until, until_some};

const ROLLING: &str = "/v1/projects/shop/rolling-release";
/// Visitors that are asked for; of so many 30 percent and 60 percent are far apart.
const VISITORS: u32 = 400;

/// One visitor's answer: its text and its head.
fn visit(site: &Site, visitor: u32) -> (String, String) {
    let router = &site.world.platform.env["WINDLASS_ROUTER_HTTP"];
    let router: SocketAddr = router
        .trim_start_matches("http://")
        .parse()
        .expect("an address");
    let mut socket = TcpStream::connect(router).expect("connect");
    socket.set_read_timeout(Some(WAIT_LIMIT)).expect("timeout");
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nCookie: __windlass_visitor=v{visitor}\r\nConnection: \
         close\r\n\r\n",
        site.production()
    );
    socket.write_all(request.as_bytes()).expect("request");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    (body.to_owned(), head.to_owned())
}

/// Visitors that the new version answers.
fn moved(site: &Site) -> BTreeSet<u32> {
    (0..VISITORS)
        .filter(|visitor| visit(site, *visitor).0 == "two")
        .collect()
}

fn between(set: &BTreeSet<u32>, low: usize, high: usize) {
    let percent = set.len() * 100 / VISITORS as usize;
    assert!((low..=high).contains(&percent), "{percent} %");
}

fn post(site: &Site, path: &str, body: &Value) -> Value {
    site.api.post(path, body).expect(path)
}

/// A current deployment and a canary at its first stage: their ids.
fn rolling(site: &Site) -> (String, String) {
    let one = site.deploy("", &[("index.html", "one")], &json!({}));
    site.until_ready(&one);
    let config = json!({
        "enabled": true,
        "advancementType": "manual-approval",
        "canaryResponseHeader": true,
        "stages": [
            {"targetPercentage": 30},
            {"targetPercentage": 60},
            {"targetPercentage": 100},
        ],
    });
    let path = format!("{ROLLING}/config");
    site.api.patch(&path, &config).expect("configured");
    let more = json!({"target": "production"});
    let two = site.deploy("", &[("index.html", "two")], &more);
    site.until_ready(&two);
    (one, two)
}

fn document(site: &Site) -> Value {
    site.api.get(ROLLING).expect("the document")["rollingRelease"].clone()
}

#[test]
fn visitors_only_move_forward_and_all_go_back_at_an_abort() {
    let site = Site::new();
    let (one, two) = rolling(&site);
    until("the first stage in the router", || !moved(&site).is_empty());
    let first = moved(&site);
    between(&first, 20, 40);
    assert_eq!(first, moved(&site), "a visitor stays where it is");
    let (_, head) = visit(&site, *first.first().expect("one of them"));
    assert!(
        head.contains(&format!("x-windlass-version: {two}")),
        "{head}"
    );

    let approve = json!({"canaryDeploymentId": two, "nextStageIndex": 1, "activeStageIndex": 0});
    post(&site, &format!("{ROLLING}/approve-stage"), &approve);
    until("the second stage in the router", || {
        moved(&site).len() > first.len()
    });
    let second = moved(&site);
    between(&second, 50, 70);
    assert!(second.is_superset(&first), "nobody goes back");

    let rollout = document(&site)["id"].as_str().expect("an id").to_owned();
    let path = format!("/v9/projects/shop/rollback/{one}");
    let reason = [("X-Windlass-Reason", "too slow")];
    let answer = site
        .api
        .call(Method::POST, &path, Some(&json!({})), &reason)
        .expect("an answer");
    assert_eq!(answer.status, 201, "{}", answer.text);
    if answer.header("x-windlass-time-to-safe-ms").is_some() {
        assert_eq!(
            moved(&site),
            BTreeSet::new(),
            "in force when it is answered"
        );
    }
    let record = until_some("a safe table", || {
        let record = site.world.record(&rollout);
        record["time_to_safe_ms"].is_number().then_some(record)
    });
    assert_eq!(moved(&site), BTreeSet::new());
    assert_eq!(record["outcome"], "canceled", "{record:#}");
    assert_eq!(record["cancel"]["reason"], "too slow");
    assert_eq!(record["cancel"]["by"], "admin");
    assert_eq!(document(&site)["state"], "ABORTED");
    assert_eq!(site.deployment(&two)["readySubstate"], "STAGED");

    // Another rollout divides them anew; its end is everybody.
    let canary = json!({"canaryDeploymentId": two});
    post(&site, &format!("{ROLLING}/start"), &canary);
    post(&site, &format!("{ROLLING}/complete"), &canary);
    assert_eq!(moved(&site).len(), VISITORS as usize);
    assert_eq!(document(&site)["state"], "COMPLETE");
    site.world.end();
}

#[test]
fn an_assignment_that_checks_hold_back_is_canceled_by_the_command_line() {
    let site = Site::new();
    let one = site.deploy("", &[("index.html", "one")], &json!({}));
    site.until_ready(&one);
    // Long enough for a check to come before its end.
    let slow = json!({
        "target": "production",
        "projectSettings": {"buildCommand": "sleep 3", "outputDirectory": "."},
    });
    let two = site.deploy("", &[("index.html", "two")], &slow);
    let check = json!({"name": "smoke", "blocking": true});
    let path = format!("/v1/deployments/{two}/checks");
    post(&site, &path, &check);
    until("READY", || site.deployment(&two)["readyState"] == "READY");
    let held = site.deployment(&two);
    assert_eq!(held["aliasAssigned"], false, "{held:#}");
    assert_eq!(site.visit(&site.production(), "/").1, "one");
    let refused = site.patch(&format!("/v12/deployments/{two}/cancel"));
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("windlass deployment cancel"));

    let arguments = ["deployment", "cancel", &two, "--reason", "wrong one"];
    let record = site.world.server.json(&arguments).expect("canceled");
    assert_eq!(record["cancel"]["reason"], "wrong one", "{record:#}");
    let canceled = site.deployment(&two);
    assert_eq!(canceled["readyState"], "READY", "{canceled:#}");
    assert_eq!(canceled["readySubstate"], "STAGED");
    assert_eq!(canceled["aliasError"]["code"], "canceled");
    assert_eq!(canceled["checksConclusion"], "canceled");
    assert_eq!(site.visit(&site.production(), "/").1, "one");
    site.world.end();
}
