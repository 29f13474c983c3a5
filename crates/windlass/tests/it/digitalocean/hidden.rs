//! Builds from git that fork away: neither a session of their own nor ignored signals save them.

use serde_json::json;
use windlass::demo::census;

use super::cancel::second;
use super::world::{HANGS, Site, push, spec};
use crate::world::until;

/// Forks away in each way that a shell knows, ignores what it can, and never ends.
const RUNAWAY: &str = "trap '' TERM HUP INT; nohup setsid ./hello orphan & \
                       (setsid sh -c '(trap \"\" TERM; exec ./hello orphan) &' &) ; \
                       while : ; do sleep 1; done";

fn canceled(flags: &[&str], command: &str) {
    let site = Site::with(flags);
    let shop = site.shop();
    let load = site.visitors(&shop);
    push(&shop.repository, &[("hello.conf", "VERSION=2\n")]);
    let mut spec = second(&shop, &[]);
    spec["services"][0]["build_command"] = json!(command);
    let deployment = site.update(&shop.id, &spec);
    site.two_hidden();
    let beside = site.beside(&shop);
    let answer = site.cancel(&shop.id, &deployment);
    assert_eq!(answer.status, 200, "{}", answer.text);
    site.stands(&shop, &deployment, &load, &beside);
    site.end(load);
}

#[test]
fn with_every_means_of_isolation() {
    canceled(&[], RUNAWAY);
}

#[test]
fn without_means_of_isolation() {
    canceled(&["--isolation", "bare"], RUNAWAY);
}

#[test]
fn a_tree_without_a_shell() {
    canceled(&[], HANGS);
}

/// Deleting an app ends its builds like a cancel.
#[test]
fn the_app_is_deleted() {
    let site = Site::new();
    site.repository("acme/shop", &[("hello.conf", "VERSION=1\n")]);
    let mut spec = spec("shop");
    spec["services"][0]["build_command"] = json!(RUNAWAY);
    let (app, deployment) = site.create(&spec);
    site.two_hidden();
    let all = site.world.app_processes();
    let path = format!("/v2/apps/{app}");
    let answer = site.call(http::Method::DELETE, &path, None);
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(site.call(http::Method::GET, &path, None).status, 404);
    until("the end of everything", || {
        census::survivors(&all).is_empty()
    });
    // The record outlives the app.
    until("the cleanup", || {
        let record = site.world.record(&deployment);
        record["outcome"] == "canceled" && record["cleanup"] == "done"
    });
    site.world.end();
}
