//! Three dialects over one engine at once: each has a deployment in flight, each is canceled by a
//! call of its own, and all of them are told alike.

use std::collections::BTreeSet;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use windlass::demo::api::Api;

use super::cancel::second;
use super::world::{HANGS, Site, job, push};
use crate::world::{TWO, World, until, until_some};

const ROLLING: &str = "/v1/projects/site/rolling-release";

fn vercel(world: &World) -> Api {
    let env = &world.platform.env;
    let api = Api::new(
        &env["WINDLASS_VERCEL_API"],
        Path::new(&env["WINDLASS_CA_FILE"]),
        Some(&env["VERCEL_TOKEN"]),
    );
    api.expect("client")
}

/// A production deployment of one file, with its hosts or at its first stage.
fn deploy(api: &Api, text: &str) -> String {
    let body = json!({
        "name": "site",
        "files": [{"file": "index.html", "data": text}],
        "target": "production",
    });
    let path = "/v13/deployments?skipAutoDetectionConfirmation=1";
    let made = api.post(path, &body).expect("created");
    let id = made["id"].as_str().expect("an id").to_owned();
    until("a deployment with its aliases", || {
        let found = api.get(&format!("/v13/deployments/{id}"));
        found.expect("the deployment")["aliasAssigned"] == true
    });
    id
}

/// The current deployment and the canary of a site that is being rolled out.
fn rolling(api: &Api) -> (String, String) {
    let current = deploy(api, "one");
    let config = json!({
        "enabled": true,
        "advancementType": "manual-approval",
        "stages": [{"targetPercentage": 20}, {"targetPercentage": 100}],
    });
    let path = format!("{ROLLING}/config");
    api.patch(&path, &config).expect("configured");
    let canary = deploy(api, "two");
    assert_eq!(document(api)["state"], "ACTIVE");
    (current, canary)
}

fn document(api: &Api) -> Value {
    api.get(ROLLING).expect("the document")["rollingRelease"].clone()
}

fn rollout(api: &Api) -> String {
    document(api)["id"].as_str().expect("an id").to_owned()
}

/// The record of a canceled deployment, once it says when it was safe.
fn told(world: &World, id: &str, reason: &str) -> Value {
    let record = until_some("a safe table", || {
        let record = world.record(id);
        record["time_to_safe_ms"].is_number().then_some(record)
    });
    let cancel = &record["cancel"];
    assert_eq!(cancel["reason"], reason, "{record:#}");
    for field in ["by", "client", "at"] {
        let text = cancel[field].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{field}: {record:#}");
    }
    record
}

fn members(value: &Value) -> BTreeSet<&String> {
    value.as_object().expect("an object").keys().collect()
}

#[test]
fn each_is_canceled_by_its_own_dialect_and_told_alike() {
    let site = Site::new();
    let world = &site.world;
    let vercel = vercel(world);
    // In flight at once: a canary, a blue-green deployment with a job that hangs, a rollout.
    let hello = world.push("hello", 2);
    let shop = site.shop();
    let (current, canary) = rolling(&vercel);
    let droplet = world.stage(&hello, TWO);
    let platform = &world.platform;
    let paused = platform.canary(&hello, &droplet, &[50]).expect("canary");
    platform.wait_paused(&paused, 1).expect("paused");
    push(&shop.repository, &[("hello.conf", "VERSION=2\n")]);
    let spec = second(&shop, &[job("after", "POST_DEPLOY", HANGS)]);
    let green = site.update(&shop.id, &spec);
    site.two_hidden();
    let rollout_id = rollout(&vercel);
    for id in [&paused, &green, &rollout_id] {
        assert_eq!(
            world.record(id)["outcome"],
            Value::Null,
            "{id} is in flight"
        );
    }

    let why = |reason, client| [("X-Windlass-Reason", reason), ("User-Agent", client)];
    let headers = why("of Cloud Foundry", "cf/8");
    let done = platform.cancel_with(&paused, &headers).expect("answer");
    assert_eq!(done.status, 200, "{}", done.text);
    let path = format!("/v2/apps/{}/deployments/{green}/cancel", shop.id);
    let headers = why("of DigitalOcean", "doctl/1");
    let done = site.api.call(Method::POST, &path, None, &headers);
    assert_eq!(done.expect("answer").status, 200);
    let path = format!("/v9/projects/site/rollback/{current}");
    let headers = why("of Vercel", "vercel/64");
    let done = vercel.call(Method::POST, &path, Some(&json!({})), &headers);
    assert_eq!(done.expect("answer").status, 201);

    // A fourth, by the command line, which takes the id that the dialect has for it.
    let body = json!({"canaryDeploymentId": canary});
    let again = vercel.post(&format!("{ROLLING}/start"), &body);
    again.expect("started again");
    let fourth = rollout(&vercel);
    assert_ne!(fourth, rollout_id);
    let arguments = ["deployment", "cancel", &fourth, "--reason", "by hand"];
    world.server.json(&arguments).expect("canceled");
    assert_eq!(document(&vercel)["state"], "ABORTED");

    let records = [
        told(world, &paused, "of Cloud Foundry"),
        told(world, &green, "of DigitalOcean"),
        told(world, &rollout_id, "of Vercel"),
        told(world, &fourth, "by hand"),
    ];
    let seen = records.each_ref().map(|record| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let cancel = &record["cancel"];
        (
            text(&record["dialect"]),
            text(&cancel["client"]),
            text(&cancel["by"]),
        )
    });
    let own =
        |dialect: &str, client: &str| (dialect.to_owned(), client.to_owned(), "admin".to_owned());
    assert_eq!(
        seen[..3],
        [
            own("cloud-foundry", "cf/8"),
            own("digitalocean", "doctl/1"),
            own("vercel", "vercel/64"),
        ]
    );
    assert_eq!(seen[3].0, "vercel");
    let shape = &records[0];
    for record in &records {
        assert_eq!(members(record), members(shape));
        assert_eq!(members(&record["cancel"]), members(&shape["cancel"]));
    }
    for id in [&paused, &green, &rollout_id, &fourth] {
        until("its outcome", || world.record(id)["outcome"] == "canceled");
        until("its cleanup", || world.record(id)["cleanup"] == "done");
    }
    // What ran before serves, in each of them.
    assert_eq!(world.ask(&hello, "/").1, "1");
    assert_eq!(world.ask(&shop.app, "/").1, "1");
    let host = format!("site.{}", world.platform.domain_name);
    let visit = world.visit(&hello, "/");
    assert_eq!(crate::world::ask(visit.router, &host, "/").2, "one");
    site.world.end();
}
