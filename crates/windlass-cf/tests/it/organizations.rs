//! Organizations and their rights.

use serde_json::{Value, json};
use windlass_engine::records::AdminScope;

use crate::world::{ORIGIN, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_has_every_field_of_the_reference() {
    let world = World::start().await;
    let body = json!({"name": "shop", "metadata": {"labels": {"env": "prod"}}});
    let made = world.post("admin", "/v3/organizations", &body).await;
    assert_eq!(made.status, 201);
    let guid = made.guid();
    let shown = world
        .get("admin", &format!("/v3/organizations/{guid}"))
        .await
        .body;
    assert_eq!(made.body, shown);
    let quota = shown["relationships"]["quota"]["data"]["guid"]
        .as_str()
        .expect("a quota");
    assert_eq!(
        shown,
        json!({
            "guid": guid,
            "created_at": shown["created_at"],
            "updated_at": shown["updated_at"],
            "name": "shop",
            "suspended": false,
            "relationships": {"quota": {"data": {"guid": quota}}},
            "metadata": {"labels": {"env": "prod"}, "annotations": {}},
            "links": {
                "self": {"href": format!("{ORIGIN}/v3/organizations/{guid}")},
                "domains": {"href": format!("{ORIGIN}/v3/organizations/{guid}/domains")},
                "default_domain":
                    {"href": format!("{ORIGIN}/v3/organizations/{guid}/domains/default")},
                "quota": {"href": format!("{ORIGIN}/v3/organization_quotas/{quota}")},
            },
        })
    );
    let at = shown["created_at"].as_str().expect("a time");
    assert!(at.ends_with('Z') && at.len() == 20, "{at}");
    let quota = world
        .get("admin", &format!("/v3/organization_quotas/{quota}"))
        .await;
    assert_eq!(
        quota.body["relationships"]["organizations"]["data"],
        json!([{"guid": guid}])
    );
    let quotas = world
        .get("admin", "/v3/organization_quotas?names=shop")
        .await;
    assert_eq!(quotas.column("name"), ["shop"]);
    let set = world
        .post("admin", "/v3/organization_quotas", &json!({"name": "q"}))
        .await;
    assert_eq!(set.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_filter_sort_and_page() {
    let world = World::start().await;
    for name in ["b", "a,x", "c"] {
        let body = json!({"name": name, "metadata": {"labels": {"tier": name.split(',').next()}}});
        assert_eq!(
            world.post("admin", "/v3/organizations", &body).await.status,
            201
        );
    }
    for (query, expected) in [
        ("", vec!["b", "a,x", "c"]),
        ("?order_by=name", vec!["a,x", "b", "c"]),
        ("?order_by=-name", vec!["c", "b", "a,x"]),
        ("?order_by=-created_at", vec!["c", "a,x", "b"]),
        ("?names=a%252Cx%2Cc", vec!["a,x", "c"]),
        ("?label_selector=tier%20in%20(a,b)", vec!["b", "a,x"]),
        ("?label_selector=!tier", vec![]),
        ("?guids=none", vec![]),
        ("?created_ats%5Bgt%5D=2100-01-01T00:00:00Z", vec![]),
        ("?per_page=1&page=2", vec!["a,x"]),
        ("?per_page=5000", vec!["b", "a,x", "c"]),
        ("?page=9", vec![]),
    ] {
        let listed = world
            .get("admin", &format!("/v3/organizations{query}"))
            .await;
        assert_eq!(listed.status, 200, "{query} {:?}", listed.body);
        assert_eq!(listed.column("name"), expected, "{query}");
    }
    let page = world
        .get("admin", "/v3/organizations?per_page=1&page=2&names=b,c")
        .await;
    assert_eq!(page.body["pagination"]["total_results"], 2);
    assert_eq!(page.body["pagination"]["next"], Value::Null);
    assert_eq!(
        page.body["pagination"]["previous"]["href"],
        format!("{ORIGIN}/v3/organizations?names=b%2Cc&page=1&per_page=1")
    );
    let beyond = world.get("admin", "/v3/organizations?page=9").await;
    assert_eq!(beyond.body["pagination"]["total_results"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_does_not_exist() {
    let mut world = World::start().await;
    let (one, space) = world.tenant("one").await;
    let (two, _) = world.tenant("two").await;
    world
        .member("anna", &one, &space, &["organization_manager"])
        .await;
    assert_eq!(
        world.get("anna", "/v3/organizations").await.column("name"),
        ["one"]
    );
    let hidden = world.get("anna", &format!("/v3/organizations/{two}")).await;
    assert_eq!(hidden.error(), (404, 10010, "Organization not found"));
    for path in ["", "/domains", "/usage_summary", "/users"] {
        let answer = world
            .get("anna", &format!("/v3/organizations/{two}{path}"))
            .await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let patched = world
        .patch(
            "anna",
            &format!("/v3/organizations/{two}"),
            &json!({"name": "x"}),
        )
        .await;
    assert_eq!(patched.status, 404);
    let own = world
        .patch(
            "anna",
            &format!("/v3/organizations/{one}"),
            &json!({"name": "x"}),
        )
        .await;
    assert_eq!((own.status, &own.body["name"]), (200, &json!("x")));
    let suspend = json!({"suspended": true});
    let suspended = world
        .patch("anna", &format!("/v3/organizations/{one}"), &suspend)
        .await;
    assert_eq!(suspended.status, 403, "only administrators suspend");
    let created = world
        .post("anna", "/v3/organizations", &json!({"name": "three"}))
        .await;
    assert_eq!(created.error().1, 10003);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_organization_refuses_its_members_and_not_administrators() {
    let mut world = World::start().await;
    let (one, space) = world.tenant("one").await;
    world
        .member(
            "anna",
            &one,
            &space,
            &["organization_manager", "space_manager"],
        )
        .await;
    let path = format!("/v3/organizations/{one}");
    assert_eq!(
        world
            .patch("admin", &path, &json!({"suspended": true}))
            .await
            .status,
        200
    );
    let refused = world.patch("anna", &path, &json!({"name": "x"})).await;
    assert_eq!(
        refused.error(),
        (403, 10017, "The organization is suspended")
    );
    let refused = world
        .patch(
            "anna",
            &format!("/v3/spaces/{space}"),
            &json!({"name": "x"}),
        )
        .await;
    assert_eq!(refused.error().1, 10017);
    assert_eq!(world.get("anna", &path).await.status, 200);
    assert_eq!(
        world
            .patch("admin", &path, &json!({"suspended": false}))
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_unique_until_the_organization_is_deleted() {
    let world = World::start().await;
    let (one, space) = world.tenant("one").await;
    let again = world
        .post("admin", "/v3/organizations", &json!({"name": "one"}))
        .await;
    assert_eq!(
        again.error(),
        (422, 10008, "Organization 'one' already exists.")
    );
    let deleted = world
        .delete("admin", &format!("/v3/organizations/{one}/"))
        .await;
    assert_eq!(deleted.status, 202);
    let job = world.get("admin", &deleted.job()).await;
    assert_eq!(
        (&job.body["state"], &job.body["errors"]),
        (&json!("COMPLETE"), &json!([]))
    );
    assert_eq!(job.body["operation"], "organization.delete");
    assert_eq!(
        world
            .get("admin", &format!("/v3/organizations/{one}"))
            .await
            .status,
        404
    );
    assert_eq!(
        world
            .get("admin", &format!("/v3/spaces/{space}"))
            .await
            .status,
        404
    );
    assert_eq!(
        world.get("admin", "/v3/spaces").await.column("name"),
        Vec::<String>::new()
    );
    let again = world
        .post("admin", "/v3/organizations", &json!({"name": "one"}))
        .await;
    assert_eq!(again.status, 201, "the name is free at the commit");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_organization_has() {
    let mut world = World::start().await;
    let (one, space) = world.tenant("one").await;
    world
        .member("anna", &one, &space, &["organization_auditor"])
        .await;
    let path = format!("/v3/organizations/{one}");
    let domain = world.get("anna", &format!("{path}/domains/default")).await;
    assert_eq!(domain.body["name"], "apps.windlass.test");
    assert_eq!(
        world
            .get("anna", &format!("{path}/domains"))
            .await
            .column("name"),
        ["apps.windlass.test"]
    );
    let usage = world.get("anna", &format!("{path}/usage_summary")).await;
    assert_eq!(usage.body["usage_summary"]["started_instances"], 0);
    assert_eq!(usage.body["usage_summary"]["memory_in_mb"], 0);
    let users = world.get("anna", &format!("{path}/users")).await;
    assert_eq!(users.column("username"), ["anna"]);
    let segment = format!("{path}/relationships/default_isolation_segment");
    assert_eq!(world.get("anna", &segment).await.body["data"], Value::Null);
    let set = world
        .patch("admin", &segment, &json!({"data": {"guid": "x"}}))
        .await;
    assert_eq!(set.status, 422);
    let reset = world.patch("admin", &segment, &json!({"data": null})).await;
    assert_eq!(reset.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_everything_change_nothing() {
    let mut world = World::start().await;
    let (one, _) = world.tenant("one").await;
    world.user("reader", AdminScope::AdminReadOnly).await;
    world.user("auditor", AdminScope::GlobalAuditor).await;
    for user in ["reader", "auditor"] {
        assert_eq!(
            world.get(user, "/v3/organizations").await.column("name"),
            ["one"]
        );
        let path = format!("/v3/organizations/{one}");
        assert_eq!(world.patch(user, &path, &json!({})).await.error().1, 10003);
        assert_eq!(world.delete(user, &path).await.status, 403);
    }
}
