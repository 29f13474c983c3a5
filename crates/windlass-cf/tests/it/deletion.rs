//! Spaces and organizations that hold apps.

use std::collections::BTreeMap;

use serde_json::json;
use windlass_control::Extra;
use windlass_control::commands::apps::NewApp;
use windlass_engine::app::ConcurrencyPolicy;
use windlass_engine::id::AppId;
use windlass_engine::records::{Dialect, Metadata};

use crate::world::World;

async fn app(world: &World, id: &str, space: &str, dialect: Dialect) -> AppId {
    let new = NewApp {
        id: AppId::from(id),
        space: space.into(),
        name: id.to_owned(),
        dialect,
        policy: ConcurrencyPolicy::SupersedeNow,
        metadata: Metadata::default(),
        document: serde_json::Value::Null,
        components: BTreeMap::new(),
        env: BTreeMap::new(),
        settings: None,
    };
    world
        .control
        .create_app(new, Extra::default())
        .await
        .expect("an app");
    AppId::from(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apps_of_a_space_end_with_it() {
    let world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let shop = app(&world, "shop", &space, Dialect::CloudFoundry).await;
    let deleted = world.delete("admin", &format!("/v3/spaces/{space}")).await;
    assert_eq!(deleted.status, 202, "{:?}", deleted.body);
    let job = world.get("admin", &deleted.job()).await;
    assert_eq!(
        job.body["state"], "COMPLETE",
        "a stopped app has nothing that must end"
    );
    assert_eq!(job.body["operation"], "space.delete");
    let state = world
        .control
        .state(&shop)
        .expect("readable")
        .expect("kept for its records");
    assert_eq!(state.run, windlass_engine::app::RunState::Deleted);
    let body = json!({
        "name": "one-space",
        "relationships": {"organization": {"data": {"guid": org}}},
    });
    let again = world.post("admin", "/v3/spaces", &body).await;
    assert_eq!(again.status, 201, "the name is free");
    let events = world
        .get("admin", "/v3/audit_events?types=audit.space.delete-request")
        .await;
    assert_eq!(events.body["resources"][0]["target"]["guid"], space);
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_of_another_dialect_are_not_there() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let shop = app(&world, "shop", &space, Dialect::CloudFoundry).await;
    let site = app(&world, "site", &space, Dialect::DigitalOcean).await;
    let list = world.get("admin", "/v3/apps").await;
    let guids: Vec<_> = list.body["resources"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|app| app["guid"].clone())
        .collect();
    assert_eq!(guids, [shop.as_str()]);
    for path in [
        format!("/v3/apps/{site}"),
        format!("/v3/apps/{site}/processes"),
        format!("/v3/apps/{site}/env"),
    ] {
        assert_eq!(world.get("admin", &path).await.status, 404, "{path}");
    }
    for path in ["/v3/deployments", "/v3/builds", "/v3/droplets", "/v3/tasks"] {
        assert_eq!(world.get("admin", path).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_of_another_dialect_are_named_and_nothing_is_deleted() {
    let world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let shop = app(&world, "shop", &space, Dialect::CloudFoundry).await;
    app(&world, "site", &space, Dialect::Vercel).await;
    for path in [
        format!("/v3/spaces/{space}"),
        format!("/v3/organizations/{org}"),
    ] {
        let refused = world.delete("admin", &path).await;
        assert_eq!(
            refused.error(),
            (
                422,
                10008,
                "It holds apps of another API; delete them there first: site (vercel)"
            ),
        );
        assert_eq!(world.get("admin", &path).await.status, 200);
    }
    let state = world
        .control
        .state(&shop)
        .expect("readable")
        .expect("there");
    assert_ne!(state.run, windlass_engine::app::RunState::Deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_goes_with_its_spaces_apps_and_private_domains() {
    let world = World::start().await;
    let (org, space) = world.tenant("one").await;
    app(&world, "shop", &space, Dialect::CloudFoundry).await;
    let domain = json!({
        "name": "one.example.org",
        "relationships": {"organization": {"data": {"guid": org}}},
    });
    assert_eq!(
        world.post("admin", "/v3/domains", &domain).await.status,
        201
    );
    let deleted = world
        .delete("admin", &format!("/v3/organizations/{org}"))
        .await;
    assert_eq!(
        world.get("admin", &deleted.job()).await.body["state"],
        "COMPLETE"
    );
    let domains = world
        .get("admin", "/v3/domains?names=one.example.org")
        .await;
    assert_eq!(domains.body["resources"], json!([]));
    let roles = world
        .get("admin", &format!("/v3/roles?organization_guids={org}"))
        .await;
    assert_eq!(roles.body["resources"], json!([]));
}
