//! Domains.

use serde_json::{Value, json};

use crate::world::World;

fn private(name: &str, org: &str) -> Value {
    json!({"name": name, "relationships": {"organization": {"data": {"guid": org}}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_domains_belong_to_administrators() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    world
        .member("boss", &org, &space, &["organization_manager"])
        .await;
    let body = json!({"name": "Shared.Example.org"});
    assert_eq!(
        world.post("boss", "/v3/domains", &body).await.error().1,
        10003
    );
    let made = world.post("admin", "/v3/domains", &body).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["name"], "shared.example.org");
    assert_eq!(made.body["supported_protocols"], json!(["http"]));
    assert_eq!(made.body["router_group"], Value::Null);
    assert_eq!(
        made.body["relationships"]["organization"]["data"],
        Value::Null
    );
    let again = world.post("admin", "/v3/domains", &body).await;
    assert_eq!(
        again.error().2,
        "The domain name \"shared.example.org\" is already in use"
    );
    let found = world
        .get(
            "boss",
            "/v3/domains?names=shared.example.org&per_page=1&page=1",
        )
        .await;
    assert_eq!(found.column("guid"), [made.guid()]);
    let path = format!("/v3/domains/{}", made.guid());
    assert_eq!(world.delete("boss", &path).await.status, 403);
    let gone = world.delete("admin", &path).await;
    assert_eq!(
        world.get("admin", &gone.job()).await.body["state"],
        "COMPLETE"
    );
    assert_eq!(
        world.get("admin", &path).await.error(),
        (404, 10010, "Domain not found")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn private_domains_are_of_one_organization_until_they_are_shared() {
    let mut world = World::start().await;
    let (one, space) = world.tenant("one").await;
    let (two, other) = world.tenant("two").await;
    world
        .member("boss", &one, &space, &["organization_manager"])
        .await;
    world
        .member("eve", &two, &other, &["organization_manager"])
        .await;
    let made = world
        .post("boss", "/v3/domains", &private("one.example.org", &one))
        .await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let path = format!("/v3/domains/{}", made.guid());
    assert_eq!(world.get("eve", &path).await.status, 404);
    let below = world
        .post("eve", "/v3/domains", &private("a.one.example.org", &two))
        .await;
    assert_eq!(
        below.error().2,
        "The domain name \"a.one.example.org\" cannot be created because \"one.example.org\" is \
         already reserved by another domain"
    );
    let shares = format!("{path}/relationships/shared_organizations");
    let body = json!({"data": [{"guid": two}]});
    assert_eq!(
        world.post("boss", &shares, &body).await.status,
        422,
        "not a manager there"
    );
    let shared = world.post("admin", &shares, &body).await;
    assert_eq!(shared.body, body);
    assert_eq!(world.get("eve", &path).await.status, 200);
    assert_eq!(world.get("eve", &shares).await.body, body);
    let in_org = world
        .get("eve", &format!("/v3/organizations/{two}/domains"))
        .await;
    assert_eq!(
        in_org.column("name"),
        ["apps.windlass.test", "one.example.org"]
    );
    let refused = world.delete("boss", &path).await;
    assert_eq!(
        refused.error().2,
        "This domain is shared with other organizations. Unshare before deleting."
    );
    assert_eq!(
        world.delete("eve", &format!("{shares}/{two}")).await.status,
        204
    );
    assert_eq!(world.get("eve", &path).await.status, 404);
    let labels = json!({"metadata": {"annotations": {"a": "b"}}});
    let labeled = world.patch("boss", &path, &labels).await;
    assert_eq!(labeled.body["metadata"]["annotations"]["a"], "b");
    assert_eq!(world.delete("boss", &path).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_goes_with_its_routes() {
    let world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    let made = world
        .post("admin", "/v3/domains", &private("one.example.org", &org))
        .await;
    let domain = made.guid();
    let mut routes = Vec::new();
    for host in ["a", "b"] {
        let body = json!({"host": host, "relationships": {
            "space": {"data": {"guid": space}}, "domain": {"data": {"guid": domain}}
        }});
        let route = world.post("admin", "/v3/routes", &body).await.guid();
        let to = json!({"destinations": [{"app": {"guid": app}}]});
        let path = format!("/v3/routes/{route}/destinations");
        assert_eq!(world.post("admin", &path, &to).await.status, 200);
        routes.push(route);
    }
    let gone = world
        .delete("admin", &format!("/v3/domains/{domain}"))
        .await;
    assert_eq!(gone.status, 202, "{:?}", gone.body);
    let job = world.get("admin", &gone.job()).await.body;
    assert_eq!(
        (&job["state"], &job["operation"]),
        (&json!("COMPLETE"), &json!("domain.delete"))
    );
    for route in &routes {
        let path = format!("/v3/routes/{route}");
        assert_eq!(world.get("admin", &path).await.status, 404);
        let told = format!("/v3/audit_events?target_guids={route}&order_by=-created_at");
        let kinds = world.get("admin", &told).await.column("type");
        assert!(
            kinds.contains(&"audit.route.delete-request".to_owned()),
            "{kinds:?}"
        );
    }
    let of_app = format!("/v3/apps/{app}/routes");
    let left = world.get("admin", &of_app).await.column("guid");
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(
        world
            .get("admin", &format!("/v3/domains/{domain}"))
            .await
            .status,
        404
    );
}
