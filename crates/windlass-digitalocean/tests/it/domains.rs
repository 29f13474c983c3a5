//! Domains of an app: whose they are, from when on, and until when.

use axum::http::Method;
use serde_json::{Value, json};
use windlass_control::routes::NewRoute;
use windlass_control::tenancy::NewDomain;
use windlass_engine::id::{AppId, OrganizationId};
use windlass_engine::records::{Actor, Metadata};

use crate::world::{PATIENCE, World, spec};

fn with_domains(name: &str, domains: &[&str]) -> Value {
    let mut spec = spec(name);
    let domains = domains.iter().map(|domain| json!({ "domain": domain }));
    spec["domains"] = domains.collect();
    spec
}

/// Ids of the apps that a host leads to, as the router is told.
fn leads_to(world: &World, host: &str) -> Vec<String> {
    let table = world.control.routes().table();
    let rules = table.hosts.get(host).map(|host| host.rules.clone());
    rules
        .unwrap_or_default()
        .iter()
        .flat_map(|rule| &rule.destinations)
        .filter_map(|to| Some(to.group.strip_suffix("/*")?.to_owned()))
        .collect()
}

fn assert_leads(world: &World, host: &str, app: &str) {
    assert_eq!(leads_to(world, host), [app.to_owned()], "{host}");
}

/// Waits until a host leads nowhere: the table follows the commit that a reader sees.
async fn until_free(world: &World, host: &str) {
    let free = async {
        while !leads_to(world, host).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let freed = tokio::time::timeout(PATIENCE, free).await;
    assert!(freed.is_ok(), "{host} leads to {:?}", leads_to(world, host));
}

async fn shown(world: &World, app: &str) -> Value {
    world.get(&format!("/v2/apps/{app}")).await.body["app"].clone()
}

async fn update(world: &World, app: &str, spec: &Value) -> String {
    let path = format!("/v2/apps/{app}");
    let done = world.put(&path, &json!({ "spec": spec })).await;
    assert_eq!(done.status, 200, "{:?}", done.body);
    done.deployment()
}

async fn make_active(world: &World, app: &str, deployment: &str) {
    world.build(app).await;
    world.until_phase(app, deployment, "ACTIVE").await;
}

async fn cancel(world: &World, app: &str, deployment: &str) {
    let path = format!("/v2/apps/{app}/deployments/{deployment}/cancel");
    let done = world.post(&path, &json!({})).await;
    assert_eq!(done.status, 200, "{:?}", done.body);
}

fn system() -> Actor {
    Actor {
        id: "system".to_owned(),
        kind: "system".to_owned(),
        name: "system".to_owned(),
    }
}

fn organization_of(world: &World, app: &str) -> OrganizationId {
    let app = world.control.find_app(&AppId::from(app));
    app.expect("readable").expect("an app").organization
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_lead_to_their_app_from_the_first_commit() {
    let world = World::start().await;
    let mut spec = spec("shop");
    spec["domains"] = json!([
        {"domain": "Shop.example.com", "type": "PRIMARY"},
        {"domain": "x.example.com", "type": "ALIAS", "wildcard": true},
    ]);
    let (app, deployment) = world.create(&spec).await;
    for host in ["shop.example.com", "x.example.com", "*.x.example.com"] {
        assert_leads(&world, host, &app);
    }
    let before = shown(&world, &app).await;
    assert_eq!(before["spec"], spec);
    assert_eq!(before["domains"][0]["phase"], "PENDING");
    assert_eq!(before["domains"][1]["spec"], spec["domains"][1]);
    assert_eq!(before.get("live_url"), None);
    make_active(&world, &app, &deployment).await;
    let after = shown(&world, &app).await;
    assert_eq!(after["domains"][0]["phase"], "ACTIVE");
    assert_eq!(after["domains"][0]["id"], before["domains"][0]["id"]);
    assert_eq!(after["live_domain"], "shop.example.com");
    assert_eq!(after["live_url"], "https://shop.example.com:8444");
    let own = after["default_ingress"].as_str().expect("a URL");
    let own = own.trim_start_matches("https://");
    let own = own.trim_end_matches(":8444");
    assert!(own.ends_with(".apps.windlass.test"), "{own}");
    assert_leads(&world, own, &app);
    // They are free when the answer to the deletion is there.
    let gone = world.delete(&format!("/v2/apps/{app}")).await;
    assert_eq!(gone.status, 200);
    for host in ["shop.example.com", "*.x.example.com", own] {
        assert!(leads_to(&world, host).is_empty(), "{host}");
    }
    let (next, _) = world
        .create(&with_domains("next", &["shop.example.com"]))
        .await;
    assert_leads(&world, "shop.example.com", &next);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_another_app_is_refused() {
    let world = World::start().await;
    let mut spec = with_domains("shop", &["shop.example.com"]);
    spec["domains"][0]["wildcard"] = json!(true);
    let (app, _) = world.create(&spec).await;
    let (other, _) = world
        .create(&with_domains("other", &["other.example.com"]))
        .await;
    let taken = with_domains("third", &["free.example.com", "shop.example.com"]);
    let body = json!({ "spec": taken });
    let text =
        "error validating app spec field \"domains\": shop.example.com belongs to another app";
    for user in ["anna", "bert"] {
        for path in ["/v2/apps", "/v2/apps/propose"] {
            let refused = world.call(Method::POST, user, path, Some(&body)).await;
            assert_eq!(
                refused.error(),
                (422, "unprocessable_entity", text),
                "{user} {path}"
            );
        }
    }
    let body = json!({"spec": with_domains("other", &["shop.example.com"])});
    let refused = world.put(&format!("/v2/apps/{other}"), &body).await;
    assert_eq!(refused.error(), (422, "unprocessable_entity", text));
    // Nothing of it was done.
    assert!(leads_to(&world, "free.example.com").is_empty());
    assert_leads(&world, "other.example.com", &other);
    assert_leads(&world, "shop.example.com", &app);
    assert_eq!(world.get("/v2/apps").await.body["meta"]["total"], 2);
    // A name below somebody's wildcard: of the same team it is more exact, of another it is taken.
    let below = json!({"spec": with_domains("below", &["a.b.shop.example.com"])});
    let refused = world
        .call(Method::POST, "bert", "/v2/apps", Some(&below))
        .await;
    assert_eq!(refused.status, 422, "{:?}", refused.body);
    assert_eq!(world.post("/v2/apps", &below).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_and_domains_of_others_are_no_apps_domains() {
    let world = World::start().await;
    let (app, _) = world
        .create(&with_domains("shop", &["shop.example.com"]))
        .await;
    let own = organization_of(&world, &app);
    let tenancy = world.control.tenancy();
    // A domain of the same team is as good as none; one of its routes is taken.
    let private = NewDomain {
        organization: Some(own),
        ..NewDomain::shared("anna.example.org")
    };
    let private = tenancy
        .create_domain(&system(), private)
        .await
        .expect("a domain");
    let record = world.control.find_app(&AppId::from(app.as_str()));
    let space = record.expect("readable").expect("an app").space;
    let route = NewRoute {
        space,
        domain: private.id,
        host: "www".to_owned(),
        path: "/only".to_owned(),
        options: windlass_engine::records::RouteOptions::default(),
        metadata: Metadata::default(),
    };
    world
        .control
        .create_route(&system(), route)
        .await
        .expect("a route");
    for (name, user, domain, status) in [
        ("one", "anna", "www.anna.example.org", 422),
        ("two", "bert", "anna.example.org", 422),
        ("three", "bert", "x.anna.example.org", 422),
        ("four", "anna", "apps.windlass.test", 400),
        ("five", "anna", "anna.example.org", 200),
        ("six", "anna", "x.anna.example.org", 200),
        ("seven", "bert", "chosen.apps.windlass.test", 200),
    ] {
        let body = json!({"spec": with_domains(name, &[domain])});
        let made = world
            .call(Method::POST, user, "/v2/apps", Some(&body))
            .await;
        assert_eq!(made.status, status, "{domain}: {:?}", made.body);
    }
    // And the other way round: nobody takes an app's domain by a route or a domain.
    for name in ["shop.example.com", "six.x.anna.example.org"] {
        let domain = tenancy
            .create_domain(&system(), NewDomain::shared(name))
            .await;
        assert!(domain.is_err(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_goes_when_the_deployment_without_it_is_live() {
    let world = World::start().await;
    let spec = with_domains("shop", &["one.example.com", "two.example.com"]);
    let (app, first) = world.create(&spec).await;
    make_active(&world, &app, &first).await;
    let second = update(&world, &app, &with_domains("shop", &["two.example.com"])).await;
    assert_leads(&world, "one.example.com", &app);
    assert_eq!(
        shown(&world, &app).await["domains"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    make_active(&world, &app, &second).await;
    until_free(&world, "one.example.com").await;
    assert_leads(&world, "two.example.com", &app);
    // What the rollback needs again is taken back.
    let path = format!("/v2/apps/{app}/rollback");
    let back = world.post(&path, &json!({"deployment_id": first})).await;
    assert_eq!(back.status, 200, "{:?}", back.body);
    assert_leads(&world, "one.example.com", &app);
    world.until_phase(&app, &back.deployment(), "ACTIVE").await;
    let reverted = world.post(&format!("{path}/revert"), &json!({})).await;
    world
        .until_phase(&app, &reverted.deployment(), "ACTIVE")
        .await;
    until_free(&world, "one.example.com").await;
    // Unless somebody else has it by then.
    world
        .create(&with_domains("other", &["one.example.com"]))
        .await;
    let late = world
        .post(&path, &json!({"deployment_id": first, "late": true}))
        .await;
    assert_eq!(late.status, 422, "{:?}", late.body);
    let deployments = world.get(&format!("/v2/apps/{app}/deployments")).await.body;
    assert_eq!(deployments["meta"]["total"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_gives_up_what_only_the_canceled_one_named() {
    let world = World::start().await;
    let before = with_domains("shop", &["one.example.com"]);
    let (app, first) = world.create(&before).await;
    make_active(&world, &app, &first).await;
    let second = update(&world, &app, &with_domains("shop", &["two.example.com"])).await;
    for host in ["one.example.com", "two.example.com"] {
        assert_leads(&world, host, &app);
    }
    let third = update(&world, &app, &with_domains("shop", &["three.example.com"])).await;
    cancel(&world, &app, &third).await;
    assert!(leads_to(&world, "three.example.com").is_empty());
    assert_leads(&world, "two.example.com", &app);
    cancel(&world, &app, &second).await;
    assert!(leads_to(&world, "two.example.com").is_empty());
    assert_leads(&world, "one.example.com", &app);
    assert_eq!(shown(&world, &app).await["spec"], before);
    let (other, _) = world
        .create(&with_domains("other", &["two.example.com"]))
        .await;
    assert_leads(&world, "two.example.com", &other);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_the_submitted_domains_stay_for_the_next_try() {
    let world = World::start().await;
    let (app, first) = world
        .create(&with_domains("shop", &["one.example.com"]))
        .await;
    make_active(&world, &app, &first).await;
    let second = update(&world, &app, &with_domains("shop", &["two.example.com"])).await;
    let build = world.builds(&app).remove(0);
    windlass_control::testing::end_build(&world.control, &build, false)
        .await
        .expect("the build ends");
    world.until_phase(&app, &second, "ERROR").await;
    for host in ["one.example.com", "two.example.com"] {
        assert_leads(&world, host, &app);
    }
    let deployments = format!("/v2/apps/{app}/deployments");
    let third = world.post(&deployments, &json!({})).await.deployment();
    make_active(&world, &app, &third).await;
    until_free(&world, "one.example.com").await;
    assert_leads(&world, "two.example.com", &app);
}

#[tokio::test(flavor = "multi_thread")]
async fn default_is_only_the_name_that_the_app_was_given() {
    let world = World::start().await;
    let mut bad = with_domains("shop", &["shop.example.com"]);
    bad["domains"][0]["type"] = json!("DEFAULT");
    let refused = world.post("/v2/apps", &json!({ "spec": bad })).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.error().2.contains("\"domains.type\""),
        "{:?}",
        refused.body
    );
    let (app, deployment) = world.create(&spec("shop")).await;
    make_active(&world, &app, &deployment).await;
    let own = shown(&world, &app).await["live_domain"]
        .as_str()
        .expect("a host")
        .to_owned();
    let mut good = with_domains("shop", &[&own]);
    good["domains"][0]["type"] = json!("DEFAULT");
    let second = update(&world, &app, &good).await;
    make_active(&world, &app, &second).await;
    let shown = shown(&world, &app).await;
    assert_eq!(shown["domains"][0]["phase"], "ACTIVE", "{shown:#}");
    assert_leads(&world, &own, &app);
}
