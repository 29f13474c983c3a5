//! Both dialects over one engine: a deployment of one is canceled by the other's command line, and
//! neither list shows what is the other's.

use serde_json::Value;

use super::cancel::second;
use super::world::{HANGS, Site, job, push};
use crate::world::until;

#[test]
fn the_command_line_cancels_and_the_record_says_who() {
    let site = Site::new();
    let shop = site.shop();
    let load = site.visitors(&shop);
    push(&shop.repository, &[("hello.conf", "VERSION=2\n")]);
    let spec = second(&shop, &[job("after", "POST_DEPLOY", HANGS)]);
    let deployment = site.update(&shop.id, &spec);
    site.two_hidden();
    let beside = site.beside(&shop);

    let arguments = ["deployment", "cancel", &deployment, "--reason", "too red"];
    let record = site.world.server.json(&arguments).expect("canceled");
    assert_eq!(record["dialect"], "digitalocean", "{record:#}");
    site.stands(&shop, &deployment, &load, &beside);
    until("a safe table", || {
        site.world.record(&deployment)["time_to_safe_ms"].is_number()
    });
    let record = site.world.record(&deployment);
    assert_eq!(record["outcome"], "canceled", "{record:#}");
    let cancel = &record["cancel"];
    assert_eq!(cancel["reason"], "too red");
    for field in ["by", "client", "at"] {
        let text = cancel[field].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{field}: {record:#}");
    }
    // A client of the dialect reads the reason where it looks for one.
    let ended = site.deployment(&shop.id, &deployment);
    assert!(
        ended["progress"].to_string().contains("too red"),
        "{ended:#}"
    );
    site.end(load);
}

#[test]
fn neither_list_shows_apps_of_the_other() {
    let site = Site::new();
    let hello = site.world.push("hello", 1);
    let shop = site.shop();
    let load = site.visitors(&shop);
    push(&shop.repository, &[("hello.conf", "VERSION=2\n")]);
    let spec = second(&shop, &[job("after", "POST_DEPLOY", HANGS)]);
    let deployment = site.update(&shop.id, &spec);
    site.two_hidden();
    let beside = site.beside(&shop);
    let droplet = site.world.stage(&hello, crate::world::TWO);
    let canary = site
        .world
        .platform
        .canary(&hello, &droplet, &[50])
        .expect("canary");
    site.world.platform.wait_paused(&canary, 1).expect("paused");

    let cf = |path: &str| {
        names(
            &site.world.platform.api.get(path).expect("list")["resources"],
            "guid",
        )
    };
    let own = |path: &str, list: &str| names(&site.get(path)[list], "id");
    assert_eq!(cf("/v3/apps"), [hello.guid.as_str()]);
    assert_eq!(cf("/v3/deployments"), [canary.as_str()]);
    assert_eq!(own("/v2/apps", "apps"), [shop.id.as_str()]);
    let deployments = format!("/v2/apps/{}/deployments", shop.id);
    assert_eq!(
        own(&deployments, "deployments"),
        [deployment.clone(), shop.base.clone()]
    );
    // Neither API knows the other's ids.
    let cf_api = &site.world.platform.api;
    let foreign = site.cancel(&hello.guid, &canary);
    assert_eq!(foreign.status, 404, "{}", foreign.text);
    let foreign = site
        .world
        .platform
        .cancel(&deployment, "foreign")
        .expect("answer");
    assert_eq!(foreign.status, 404, "{}", foreign.text);
    let foreign = cf_api.get(&format!("/v3/apps/{}", shop.id));
    assert!(foreign.is_err(), "{foreign:?}");

    // The cancel of one leaves the other as it is.
    let answer = site.cancel(&shop.id, &deployment);
    assert_eq!(answer.status, 200, "{}", answer.text);
    site.world
        .platform
        .wait_paused(&canary, 1)
        .expect("still paused");
    let answer = site
        .world
        .platform
        .cancel(&canary, "enough")
        .expect("answer");
    assert_eq!(answer.status, 200, "{}", answer.text);
    site.is_shown(&shop, &deployment);
    crate::world::until_gone(&beside);
    site.end(load);
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let rows = list.as_array().expect("a list");
    let text = |row: &Value| row[field].as_str().expect("an id").to_owned();
    rows.iter().map(text).collect()
}
