//! Cancel of a blue-green deployment with jobs, under load, in each of its phases.

use serde_json::{Value, json};
use windlass::demo::api::Answer;
use windlass::demo::census;

use super::world::{HANGS, INSTANCES, Shop, Site, job, leaf, push};
use crate::world::{until, until_answered};

/// Version 2 as a spec: other settings and these jobs.
pub(super) fn second(shop: &Shop, jobs: &[Value]) -> Value {
    let mut spec = shop.spec.clone();
    spec["services"][0]["envs"] = json!([{ "key": "GENERATION", "value": "2" }]);
    spec["jobs"] = json!(jobs);
    spec
}

const QUICK: &str = "./hello task done";

#[test]
fn both_jobs_run_once_around_the_change() {
    let site = Site::new();
    let shop = site.shop();
    let load = site.visitors(&shop);
    push(&shop.repository, &[("hello.conf", "VERSION=2\n")]);
    let jobs = [
        job("before", "PRE_DEPLOY", QUICK),
        job("after", "POST_DEPLOY", QUICK),
    ];
    let spec = second(&shop, &jobs);
    let deployment = site.update(&shop.id, &spec);
    let ended = site.wait_phase(&shop.id, &deployment, "ACTIVE");
    let progress = &ended["progress"];
    assert_eq!(progress["success_steps"], progress["total_steps"]);
    for job in ["before", "after"] {
        let wait = leaf(&ended, &["deploy", "components", job, "wait"]);
        assert_eq!(wait, "SUCCESS", "{progress:#}");
    }
    load.section();
    until_answered(&load, 100);
    assert_eq!(load.counts().percent("2"), 100, "{:?}", load.counts());
    assert_eq!(site.app(&shop.id)["spec"], spec);
    crate::world::until_gone(&shop.instances);
    site.end(load);
}

#[test]
fn while_the_job_before_the_change_runs() {
    let site = Site::new();
    let shop = site.shop();
    let load = site.visitors(&shop);
    push(&shop.repository, &[("hello.conf", "VERSION=2\n")]);
    let spec = second(&shop, &[job("before", "PRE_DEPLOY", HANGS)]);
    let deployment = site.update(&shop.id, &spec);
    site.two_hidden();
    let running = site.wait_phase(&shop.id, &deployment, "DEPLOYING");
    let wait = leaf(&running, &["deploy", "components", "before", "wait"]);
    assert_eq!(wait, "RUNNING", "{running:#}");
    let web = leaf(&running, &["deploy", "components", "web", "deploy"]);
    assert_eq!(web, "PENDING", "an instance before the job: {running:#}");
    let beside = site.beside(&shop);

    let answer = site.cancel(&shop.id, &deployment);
    assert_eq!(answer.status, 200, "{}", answer.text);
    site.until_safe(&deployment, &answer);
    site.stands(&shop, &deployment, &load, &beside);
    let record = site.world.record(&deployment);
    let undone = record["not_undone"].to_string();
    assert!(undone.contains("before"), "the job is not told: {record:#}");
    assert_eq!(load.totals().failed, 0);
    assert_eq!(load.counts().of("2"), 0, "{:?}", load.counts());
    site.end(load);
}

#[test]
fn while_instances_start() {
    let site = Site::new();
    let shop = site.shop();
    let load = site.visitors(&shop);
    push(
        &shop.repository,
        &[("hello.conf", "VERSION=2\nHEALTH=deaf\n")],
    );
    let jobs = [
        job("before", "PRE_DEPLOY", QUICK),
        job("after", "POST_DEPLOY", QUICK),
    ];
    let deployment = site.update(&shop.id, &second(&shop, &jobs));
    site.wait_starting(&shop);
    let running = site.wait_phase(&shop.id, &deployment, "DEPLOYING");
    let leaf =
        |name: &str, step: &str| leaf(&running, &["deploy", "components", name, step]).to_owned();
    assert_eq!(leaf("before", "wait"), "SUCCESS", "{running:#}");
    assert_eq!(leaf("web", "wait"), "RUNNING", "{running:#}");
    assert_eq!(leaf("after", "deploy"), "PENDING", "{running:#}");
    let beside = site.beside(&shop);

    let answer = site.cancel(&shop.id, &deployment);
    assert_eq!(answer.status, 200, "{}", answer.text);
    site.stands(&shop, &deployment, &load, &beside);
    site.end(load);
}

#[test]
fn after_traffic_has_moved_while_the_last_job_runs() {
    let site = Site::new();
    let shop = site.shop();
    let load = site.visitors(&shop);
    push(&shop.repository, &[("hello.conf", "VERSION=2\n")]);
    let spec = second(&shop, &[job("after", "POST_DEPLOY", HANGS)]);
    let deployment = site.update(&shop.id, &spec);
    site.two_hidden();
    load.section();
    until_answered(&load, 100);
    assert_eq!(load.counts().percent("2"), 100, "{:?}", load.counts());
    // The base is warm: nothing of it has ended.
    assert_eq!(census::survivors(&shop.instances), shop.instances);
    let beside = site.beside(&shop);

    let answer = site.cancel(&shop.id, &deployment);
    assert_eq!(answer.status, 200, "{}", answer.text);
    site.until_safe(&deployment, &answer);
    load.section();
    until_answered(&load, 100);
    assert_eq!(load.counts().of("2"), 0, "{:?}", load.counts());
    site.stands(&shop, &deployment, &load, &beside);

    // Repeated on a canceled deployment: the same again.
    let again = site.cancel(&shop.id, &deployment);
    assert_eq!(again.status, 200, "{}", again.text);
    assert_eq!(again.body["deployment"]["phase"], "CANCELED");
    let over = site.cancel(&shop.id, &shop.base);
    assert_eq!(
        (over.status, &over.body["id"]),
        (400, &json!("bad_request"))
    );
    site.end(load);
}

impl Site {
    /// The answer says that the new version gets nothing any more, or, on a busy machine, not yet:
    /// then the record says so later.
    fn until_safe(&self, deployment: &str, answer: &Answer) {
        if answer.header("x-windlass-time-to-safe-ms").is_none() {
            until("a safe table", || {
                self.world.record(deployment)["time_to_safe_ms"].is_number()
            });
        }
    }

    /// Waits until an instance of the new version runs beside the old ones.
    pub(super) fn wait_starting(&self, shop: &Shop) {
        until("instances of version 2", || {
            let mut beside = self.beside(shop);
            beside.retain(|seen| seen.command() == "./hello");
            beside.len() == INSTANCES
        });
    }
}
