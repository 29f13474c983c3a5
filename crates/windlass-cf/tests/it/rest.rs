//! Flags, stacks, buildpacks, events, and what does not exist.

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn feature_flags_have_defaults_until_they_are_set() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    world.member("anna", &org, &space, &[]).await;
    let listed = world.get("anna", "/v3/feature_flags?per_page=5000").await;
    assert_eq!(listed.body["pagination"]["total_results"], 17);
    let path = "/v3/feature_flags/task_creation";
    let shown = world.get("anna", path).await.body;
    assert_eq!(
        (&shown["enabled"], &shown["updated_at"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        world
            .patch("anna", path, &json!({"enabled": false}))
            .await
            .status,
        403
    );
    let off = world.patch("admin", path, &json!({"enabled": false})).await;
    assert_eq!(off.body["enabled"], false);
    assert!(off.body["updated_at"].is_string());
    assert_eq!(world.get("anna", path).await.body["enabled"], false);
    let docker = "/v3/feature_flags/diego_docker";
    assert_eq!(
        world
            .patch("admin", docker, &json!({"enabled": true}))
            .await
            .error()
            .2,
        "Feature flag 'diego_docker' can't be enabled: apps run from source, not from images"
    );
    assert_eq!(world.get("admin", docker).await.body["enabled"], false);
    let unknown = world.get("anna", "/v3/feature_flags/none").await;
    assert_eq!(unknown.error(), (404, 10010, "Feature flag not found"));
    let long = json!({"enabled": true, "custom_error_message": "x".repeat(251)});
    assert_eq!(
        world.patch("admin", path, &long).await.error().2,
        "Custom error message is too long (maximum is 250 characters)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stacks_buildpacks_and_variable_groups_are_for_reading() {
    let world = World::start().await;
    let buildpacks = [
        "staticfile_buildpack",
        "nodejs_buildpack",
        "go_buildpack",
        "python_buildpack",
        "binary_buildpack",
    ];
    for (list, names) in [("stacks", &["cflinuxfs4"][..]), ("buildpacks", &buildpacks)] {
        let name = names[0];
        let listed = world.get("admin", &format!("/v3/{list}")).await;
        assert_eq!(listed.column("name"), names);
        let guid = listed.column("guid").remove(0);
        assert_eq!(
            world.get("admin", &format!("/v3/{list}/{guid}")).await.body["name"],
            name
        );
        let none = world.get("admin", &format!("/v3/{list}?names=none")).await;
        assert_eq!(none.body["resources"], json!([]));
        assert_eq!(
            world.get("admin", &format!("/v3/{list}/none")).await.status,
            404
        );
        if list == "stacks" {
            let apps = world.get("admin", &format!("/v3/stacks/{guid}/apps")).await;
            assert_eq!(apps.status, 422);
        }
    }
    assert_eq!(
        world
            .post("admin", "/v3/buildpacks/", &json!({"name": "x"}))
            .await
            .status,
        422
    );
    assert_eq!(
        world
            .patch("admin", "/v3/buildpacks/x", &json!({}))
            .await
            .status,
        422
    );
    assert_eq!(
        world
            .post("admin", "/v3/buildpacks/x/upload", &json!({}))
            .await
            .status,
        422
    );
    let group = world
        .get("admin", "/v3/environment_variable_groups/running")
        .await;
    assert_eq!(group.body["var"], json!({}));
    let path = "/v3/environment_variable_groups/staging";
    assert_eq!(
        world.patch("admin", path, &json!({"var": {}})).await.status,
        422
    );
    assert_eq!(
        world
            .get("admin", "/v3/environment_variable_groups/x")
            .await
            .status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_here_is_empty_or_not_found() {
    let world = World::start().await;
    for list in [
        "isolation_segments?organization_guids=x",
        "security_groups",
        "space_quotas",
    ] {
        let answer = world.get("admin", &format!("/v3/{list}")).await;
        assert_eq!(
            (answer.status, &answer.body["resources"]),
            (200, &json!([])),
            "{list}"
        );
    }
    for (list, reason) in [
        ("security_groups", "Security groups are not offered"),
        ("service_brokers", "Service brokers are not offered"),
        ("service_route_bindings", "Route services are not offered"),
        ("stacks", "There is one stack"),
    ] {
        let path = format!("/v3/{list}");
        let refused = world.post("admin", &path, &json!({"name": "x"})).await;
        let (status, code, detail) = refused.error();
        assert_eq!((status, code), (422, 10008), "{list}");
        assert!(detail.starts_with(reason), "{detail}");
    }
    // A 422 here would be taken for a segment that is there already.
    let path = "/v3/isolation_segments";
    let segment = world.post("admin", path, &json!({"name": "x"})).await;
    let (status, code, detail) = segment.error();
    assert_eq!((status, code), (403, 330_002));
    assert!(detail.contains("are not offered"), "{detail}");
    for (path, detail) in [
        ("/v3/isolation_segments/x", "Isolation segment not found"),
        ("/v3/security_groups/x", "Security group not found"),
        ("/v3/space_quotas/x", "Space quota not found"),
        ("/v3/organization_quotas/x", "Organization quota not found"),
        ("/v3/jobs/x", "Job not found"),
        ("/v3/audit_events/x", "Event not found"),
    ] {
        assert_eq!(
            world.get("admin", path).await.error(),
            (404, 10010, detail),
            "{path}"
        );
    }
    for path in ["/nowhere", "/v2/apps", "/v3/%ff", "/v3/jobs/%ff/x"] {
        let answer = world.get("admin", path).await;
        assert_eq!(answer.error(), (404, 10000, "Unknown request"), "{path}");
        assert!(answer.headers.contains_key("x-vcap-request-id"));
    }
    let wrong_method = world.delete("admin", "/v3/organizations").await;
    assert_eq!(wrong_method.error(), (404, 10000, "Unknown request"));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_who_did_what_to_those_who_may_know() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    world
        .member("dev", &org, &space, &["space_developer"])
        .await;
    world
        .member("audit", &org, &space, &["organization_auditor"])
        .await;
    world.member("plain", &org, &space, &[]).await;
    let all = world.get("admin", "/v3/audit_events?per_page=5000").await;
    assert!(
        all.column("type")
            .contains(&"audit.organization.create".to_owned())
    );
    let query = format!("/v3/audit_events?target_guids={space}&order_by=-created_at&page=1");
    let of_space = world.get("dev", &query).await;
    assert_eq!(of_space.column("type"), ["audit.space.create"]);
    let event = &of_space.body["resources"][0];
    assert_eq!(event["actor"]["name"], "admin");
    assert_eq!(event["target"]["guid"], space);
    assert_eq!(event["space"]["guid"], space);
    assert_eq!(event["organization"]["guid"], org);
    let path = format!(
        "/v3/audit_events/{}",
        event["guid"].as_str().expect("a guid")
    );
    assert_eq!(world.get("dev", &path).await.status, 200);
    assert_eq!(world.get("audit", &path).await.status, 200);
    assert_eq!(
        world.get("plain", &path).await.error(),
        (404, 10010, "Event not found")
    );
    assert_eq!(
        world.get("plain", "/v3/audit_events").await.body["resources"],
        json!([])
    );
    let others = world
        .get(
            "admin",
            &format!("/v3/audit_events?target_guids%5Bnot%5D={space}"),
        )
        .await;
    let total = |answer: &crate::world::Answer| {
        answer.body["pagination"]["total_results"]
            .as_u64()
            .expect("a number")
    };
    assert_eq!(total(&others) + 1, total(&all));
}
