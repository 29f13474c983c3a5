//! A build that is canceled while git waits for a server that says nothing.

use windlass::demo::census::{self, Seen};

use super::cancel::second;
use super::world::{Site, is_canceled, push, spec};
use crate::world::{until, until_some};

fn gits(site: &Site) -> Vec<Seen> {
    let mut found = site.world.app_processes();
    found.retain(|seen| seen.arguments.iter().any(|word| word == "fetch"));
    found
}

/// Directories of runs of builds that are still there, beside those of instances that live.
fn runs(site: &Site) -> usize {
    let runs = site.world.server.data_dir().join("runs");
    std::fs::read_dir(runs).expect("runs").count()
}

#[test]
fn the_first_deployment_is_canceled_while_it_fetches() {
    let site = Site::new();
    site.repository("acme/shop", &[("hello.conf", "VERSION=1\n")]);
    site.gate.close();
    let (app, deployment) = site.create(&spec("shop"));
    site.gate.wait_hanging();
    site.wait_phase(&app, &deployment, "BUILDING");
    let fetching = until_some("git", || {
        Some(gits(&site)).filter(|found| !found.is_empty())
    });
    let everything = site.world.app_processes();

    let answer = site.cancel(&app, &deployment);
    assert_eq!(answer.status, 200, "{}", answer.text);
    is_canceled(&answer.body["deployment"]);
    until("the cleanup", || {
        site.world.record(&deployment)["cleanup"] == "done"
    });
    assert_eq!(census::survivors(&fetching), []);
    assert_eq!(census::survivors(&everything), []);
    until("the removal of the run", || runs(&site) == 0);
    let app = site.app(&app);
    assert_eq!(app.get("active_deployment"), None, "{app:#}");
    assert_eq!(app["spec"], spec("shop"), "without another one it stays");

    // The app can be deployed all the same.
    site.gate.open();
    let id = app["id"].as_str().expect("id");
    let next = site.update(id, &spec("shop"));
    site.wait_phase(id, &next, "ACTIVE");
    site.world.end();
}

#[test]
fn the_next_version_is_canceled_while_it_fetches() {
    let site = Site::new();
    let shop = site.shop();
    let load = site.visitors(&shop);
    until("the removal of the builds", || {
        runs(&site) == shop.instances.len()
    });
    push(&shop.repository, &[("hello.conf", "VERSION=2\n")]);
    site.gate.close();
    let deployment = site.update(&shop.id, &second(&shop, &[]));
    site.gate.wait_hanging();
    let beside = site.beside(&shop);
    assert!(!gits(&site).is_empty());
    let answer = site.cancel(&shop.id, &deployment);
    assert_eq!(answer.status, 200, "{}", answer.text);
    site.stands(&shop, &deployment, &load, &beside);
    until("the removal of the run", || {
        runs(&site) == shop.instances.len()
    });
    site.end(load);
}
