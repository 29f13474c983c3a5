//! Routes and destinations over the wire.

use serde_json::{Value, json};

use crate::world::World;

async fn domain(world: &World) -> String {
    world
        .get("admin", "/v3/domains?names=apps.windlass.test")
        .await
        .column("guid")
        .remove(0)
}

fn address(space: &str, domain: &str, host: &str, path: &str) -> Value {
    json!({
        "host": host,
        "path": path,
        "relationships": {
            "space": {"data": {"guid": space}}, "domain": {"data": {"guid": domain}}
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_made_mapped_weighted_and_deleted() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let domain = domain(&world).await;
    let (one, two) = (
        world.app("admin", &space, "one").await,
        world.app("admin", &space, "two").await,
    );
    let body = address(&space, &domain, "shop", "");
    let made = world.post("admin", "/v3/routes", &body).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    assert_eq!(made.body["url"], "shop.apps.windlass.test");
    let again = world.post("admin", "/v3/routes", &body).await;
    assert_eq!(
        again.error().2,
        "Route already exists with host 'shop' for domain 'apps.windlass.test'."
    );
    let found = world
        .get(
            "admin",
            &format!("/v3/routes?domain_guids={domain}&hosts=shop&paths="),
        )
        .await;
    assert_eq!(found.column("guid"), [made.guid()]);
    let reserved = format!("/v3/domains/{domain}/route_reservations?host=shop&path=&port=");
    assert_eq!(
        world.get("admin", &reserved).await.body,
        json!({"matching_route": true})
    );

    let path = format!("/v3/routes/{}/destinations", made.guid());
    let plain = json!({"destinations": [{"app": {"guid": one}}]});
    let mapped = world.post("admin", &path, &plain).await;
    assert_eq!(mapped.status, 200, "{:?}", mapped.body);
    let repeated = world.post("admin", &path, &plain).await;
    assert_eq!(repeated.body["destinations"], mapped.body["destinations"]);
    assert_eq!(
        world
            .get("admin", &format!("/v3/apps/{one}/routes"))
            .await
            .column("guid"),
        [made.guid()]
    );
    let weighted = json!({"destinations": [
        {"app": {"guid": one}, "weight": 61}, {"app": {"guid": two}, "weight": 39}
    ]});
    let replaced = world.patch("admin", &path, &weighted).await;
    assert_eq!(
        replaced.body["destinations"].as_array().map(Vec::len),
        Some(2)
    );
    let inserted = world.post("admin", &path, &plain).await;
    assert_eq!(
        inserted.error().2,
        "Destinations cannot be inserted when there are weighted destinations already configured."
    );
    let destination = replaced.body["destinations"][0]["guid"]
        .as_str()
        .unwrap_or("")
        .to_owned();
    let alone = world
        .delete("admin", &format!("{path}/{destination}"))
        .await;
    assert_eq!(
        alone.error().2,
        "Weighted destinations cannot be deleted individually."
    );
    let back = world.patch("admin", &path, &plain).await;
    let destination = back.body["destinations"][0]["guid"]
        .as_str()
        .unwrap_or("")
        .to_owned();
    let own = format!("{path}/{destination}");
    let http2 = world
        .patch("admin", &own, &json!({"protocol": "http2"}))
        .await;
    assert_eq!(http2.body["protocol"], "http2");
    assert_eq!(world.delete("admin", &own).await.status, 204);
    assert_eq!(
        world.get("admin", &path).await.body["destinations"],
        json!([])
    );
    let unmapped = world
        .delete("admin", &format!("/v3/spaces/{space}/routes?unmapped=true"))
        .await;
    assert_eq!(unmapped.status, 202);
    let gone = world
        .get("admin", &format!("/v3/routes/{}", made.guid()))
        .await;
    assert_eq!(gone.error(), (404, 10010, "Route not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_a_path_of_somebody_elses_host() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let (other_org, other) = world.tenant("two").await;
    world
        .member("ann", &org, &space, &["space_developer"])
        .await;
    world
        .member("bob", &other_org, &other, &["space_developer"])
        .await;
    let domain = domain(&world).await;
    let made = world
        .post("ann", "/v3/routes", &address(&space, &domain, "shop", ""))
        .await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let stolen = world
        .post(
            "bob",
            "/v3/routes",
            &address(&other, &domain, "shop", "/login"),
        )
        .await;
    assert_eq!(
        stolen.error().2,
        "Routes for this host and domain have been reserved for another space."
    );
    let path = format!("/v3/routes/{}", made.guid());
    assert_eq!(world.get("bob", &path).await.status, 404);
    let app = world.app("bob", &other, "evil").await;
    let body = json!({"destinations": [{"app": {"guid": app}}]});
    assert_eq!(
        world
            .post("bob", &format!("{path}/destinations"), &body)
            .await
            .status,
        404
    );
    let unseen = world
        .post("ann", &format!("{path}/destinations"), &body)
        .await;
    assert_eq!(unseen.status, 422);
    assert!(unseen.error().2.contains("you do not have access"));
    let wildcard = world
        .post("bob", "/v3/routes", &address(&other, &domain, "*", ""))
        .await;
    assert_eq!(wildcard.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_address_may_not_be() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let domain = domain(&world).await;
    for (body, text) in [
        (
            address(&space, &domain, "", ""),
            "Missing host. Routes in shared domains must have a host defined.",
        ),
        (
            address("none", &domain, "a", ""),
            "Invalid space. Ensure that the space exists and you have access to it.",
        ),
        (
            address(&space, "none", "a", ""),
            "Invalid domain. Ensure that the domain exists and you have access to it.",
        ),
        (
            address(&space, &domain, "a.b", ""),
            "Host must be either \"*\" or contain only \
                                               alphanumeric characters, \"_\", or \"-\"",
        ),
    ] {
        assert_eq!(
            world.post("admin", "/v3/routes", &body).await.error().2,
            text
        );
    }
    let mut with_port = address(&space, &domain, "a", "");
    with_port["port"] = json!(8080);
    assert_eq!(
        world
            .post("admin", "/v3/routes", &with_port)
            .await
            .error()
            .2,
        "Routes with protocol 'http' do not support ports."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_stays_in_its_space() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let domain = domain(&world).await;
    let body = address(&space, &domain, "a", "");
    let route = world.post("admin", "/v3/routes", &body).await.guid();
    let shared = format!("/v3/routes/{route}/relationships/shared_spaces");
    let listed = world.get("admin", &shared).await;
    assert_eq!((listed.status, &listed.body["data"]), (200, &json!([])));
    let to = json!({"data": [{"guid": space}]});
    let off = (403, 330_002, "Feature Disabled: route_sharing");
    assert_eq!(world.post("admin", &shared, &to).await.error(), off);
    let one = format!("/v3/routes/{route}/relationships/shared_spaces/{space}");
    assert_eq!(world.delete("admin", &one).await.error(), off);
    let moved = format!("/v3/routes/{route}/relationships/space");
    let to = json!({"data": {"guid": space}});
    assert_eq!(world.patch("admin", &moved, &to).await.error(), off);
    let none = world
        .get("admin", "/v3/routes/none/relationships/shared_spaces")
        .await;
    assert_eq!(none.status, 404);
}
