//! `kill -9` of control and router, `down` and `up`, in each phase of a deployment; and a cancel
//! right after it.

use serde_json::json;
use windlass::demo::census;
use windlass::demo::load::Load;
use windlass::demo::server::Role;

use super::cancel::second;
use super::world::{HANGS, INSTANCES, Shop, Site, is_canceled, job, push};
use crate::world::{none_failed, until, until_answered};

/// Where the deployment of version 2 stands and stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fetch,
    Build,
    JobBefore,
    Start,
    JobAfter,
}

/// Begins the deployment of version 2 and waits until it hangs in this stage.
fn hang(site: &Site, shop: &Shop, stage: Stage) -> String {
    let conf = match stage {
        Stage::Start => "VERSION=2\nHEALTH=deaf\n",
        Stage::Fetch | Stage::Build | Stage::JobBefore | Stage::JobAfter => "VERSION=2\n",
    };
    push(&shop.repository, &[("hello.conf", conf)]);
    let jobs = match stage {
        Stage::JobBefore => vec![job("before", "PRE_DEPLOY", HANGS)],
        Stage::JobAfter => vec![job("after", "POST_DEPLOY", HANGS)],
        Stage::Fetch | Stage::Build | Stage::Start => Vec::new(),
    };
    let mut spec = second(shop, &jobs);
    if stage == Stage::Build {
        spec["services"][0]["build_command"] = json!(HANGS);
    }
    if stage == Stage::Fetch {
        site.gate.close();
    }
    let deployment = site.update(&shop.id, &spec);
    site.wait_stage(shop, stage);
    deployment
}

impl Site {
    fn wait_stage(&self, shop: &Shop, stage: Stage) {
        match stage {
            Stage::Fetch => self.gate.wait_hanging(),
            Stage::Start => self.wait_starting(shop),
            Stage::Build | Stage::JobBefore | Stage::JobAfter => drop(self.two_hidden()),
        }
    }
}

/// A deployment that hangs, with visitors.
fn hanging(stage: Stage) -> (Site, Shop, Load, String) {
    let site = Site::new();
    let shop = site.shop();
    let load = site.visitors(&shop);
    let deployment = hang(&site, &shop, stage);
    (site, shop, load, deployment)
}

fn control_is_killed(stage: Stage) {
    let (mut site, shop, load, deployment) = hanging(stage);
    let beside = site.beside(&shop);
    assert!(!beside.is_empty());
    site.world.server.kill(Role::Control).expect("kill");
    // No wait: the next control accepts the connection.
    let answer = site.cancel(&shop.id, &deployment);
    assert_eq!(answer.status, 200, "{}", answer.text);
    site.stands(&shop, &deployment, &load, &beside);
    site.end(load);
}

#[test]
fn control_during_a_fetch() {
    control_is_killed(Stage::Fetch);
}

#[test]
fn control_during_a_build() {
    control_is_killed(Stage::Build);
}

#[test]
fn control_during_the_job_before() {
    control_is_killed(Stage::JobBefore);
}

#[test]
fn control_during_the_start_of_instances() {
    control_is_killed(Stage::Start);
}

#[test]
fn control_during_the_job_after() {
    control_is_killed(Stage::JobAfter);
}

fn router_is_killed(stage: Stage) {
    let (mut site, shop, load, deployment) = hanging(stage);
    let beside = site.beside(&shop);
    load.router_dies();
    site.world.server.kill(Role::Router).expect("kill");
    load.router_is_dead();
    let answer = site.cancel(&shop.id, &deployment);
    assert_eq!(answer.status, 200, "{}", answer.text);
    site.stands(&shop, &deployment, &load, &beside);
    // What was in flight on the killed router is cut, nothing else is lost.
    let totals = load.finish();
    assert_eq!(totals.failed, 0, "{:?}", totals.failures);
    site.world.end();
}

#[test]
fn router_during_a_build() {
    router_is_killed(Stage::Build);
}

#[test]
fn router_during_the_job_before() {
    router_is_killed(Stage::JobBefore);
}

#[test]
fn router_during_the_start_of_instances() {
    router_is_killed(Stage::Start);
}

#[test]
fn router_during_the_job_after() {
    router_is_killed(Stage::JobAfter);
}

/// A killed control neither fails a build nor makes it run twice.
#[test]
fn a_build_goes_on_after_a_kill() {
    let (mut site, shop, load, deployment) = hanging(Stage::Fetch);
    let fetches = site.gate.fetches();
    site.world.server.kill(Role::Control).expect("kill");
    until("control", || site.api.get("/v2/account").is_ok());
    site.gate.open();
    site.wait_phase(&shop.id, &deployment, "ACTIVE");
    assert_eq!(site.gate.fetches(), fetches, "fetched again");
    load.section();
    until_answered(&load, 100);
    assert_eq!(load.counts().percent("2"), 100, "{:?}", load.counts());
    site.end(load);
}

/// Everything stops and is started again, the deployment in the middle.
fn down_and_up(stage: Stage) -> (Site, Shop, String) {
    let (mut site, mut shop, load, deployment) = hanging(stage);
    none_failed(load);
    site.world.server.down().expect("down");
    assert_eq!(site.world.server.census(), []);
    site.world.server.up().expect("up");
    site.renew();
    until("version 1", || site.world.ask(&shop.app, "/").1 == "1");
    shop.instances = site.base_again(&shop);
    (site, shop, deployment)
}

impl Site {
    /// The instances of version 1 after a start: those whose files are its.
    fn base_again(&self, shop: &Shop) -> Vec<census::Seen> {
        let is_first = |seen: &census::Seen| {
            let path = format!("/proc/{}/cwd/hello.conf", seen.pid);
            std::fs::read_to_string(path).is_ok_and(|text| text.contains("VERSION=1"))
        };
        crate::world::until_some("the base", || {
            let mut found = self.world.app_processes();
            found.retain(|seen| seen.command() == "./hello" && is_first(seen));
            let all = found.len() == INSTANCES;
            (all && self.world.ask(&shop.app, "/").0 == 200).then_some(found)
        })
    }
}

fn down_up_and_canceled(stage: Stage) {
    let (site, shop, deployment) = down_and_up(stage);
    let load = site.visitors(&shop);
    // It goes on where it was: builds begin again, once.
    site.wait_stage(&shop, stage);
    let mut beside = site.beside(&shop);
    beside.retain(|seen| !shop.instances.contains(seen));
    let answer = site.cancel(&shop.id, &deployment);
    assert_eq!(answer.status, 200, "{}", answer.text);
    site.stands(&shop, &deployment, &load, &beside);
    site.end(load);
}

#[test]
fn down_and_up_during_a_build() {
    down_up_and_canceled(Stage::Build);
}

#[test]
fn down_and_up_during_the_start_of_instances() {
    down_up_and_canceled(Stage::Start);
}

/// A job that was interrupted is not run again: its deployment is an error.
fn down_and_up_fails(stage: Stage) {
    let (site, shop, deployment) = down_and_up(stage);
    let load = site.visitors(&shop);
    let ended = site.wait_phase(&shop.id, &deployment, "ERROR");
    let errors = ended["progress"]["error_steps"].as_u64().unwrap_or(0);
    assert!(errors >= 1, "{ended:#}");
    until("the cleanup", || {
        site.world.record(&deployment)["cleanup"] == "done"
    });
    load.section();
    until_answered(&load, 100);
    assert_eq!(load.counts().percent("1"), 100, "{:?}", load.counts());
    let app = site.app(&shop.id);
    assert_eq!(app["active_deployment"]["id"], json!(shop.base));
    // After an error the spec that was asked for stays: a retry means it.
    assert_eq!(app["spec"], ended["spec"]);
    let late = site.cancel(&shop.id, &deployment);
    assert_eq!(late.status, 400, "{}", late.text);
    site.end(load);
}

#[test]
fn down_and_up_during_the_job_before() {
    down_and_up_fails(Stage::JobBefore);
}

#[test]
fn down_and_up_during_the_job_after() {
    down_and_up_fails(Stage::JobAfter);
}

/// Answered, then control dies at once: the cancel stands.
#[test]
fn control_right_after_the_answer() {
    let (mut site, shop, load, deployment) = hanging(Stage::JobAfter);
    let beside = site.beside(&shop);
    let answer = site.cancel(&shop.id, &deployment);
    site.world.server.kill(Role::Control).expect("kill");
    assert_eq!(answer.status, 200, "{}", answer.text);
    is_canceled(&answer.body["deployment"]);
    site.stands(&shop, &deployment, &load, &beside);
    site.end(load);
}
