//! Deployments: two-phase creation, states, cancel, lists, events, deletion.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use crate::world::World;

/// SHA-1 of `hello`.
const HELLO: &str = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_asked_for_first_and_nothing_is_made_before() {
    let world = World::start().await;
    let files = json!([
        {"file": "a.txt", "sha": HELLO, "size": 5, "mode": 33188},
        {"file": "b.txt", "sha": HELLO, "size": 5, "mode": 33188},
    ]);
    let refused = world.deploy("shop", &json!({"files": files})).await;
    assert_eq!(refused.error().0, 400);
    assert_eq!(refused.error().1, "missing_files");
    assert_eq!(refused.body["error"]["missing"], json!([HELLO]));
    assert_eq!(world.get("/v9/projects/shop").await.status, 404);

    let upload = Request::builder()
        .method(Method::POST)
        .uri("/v2/files")
        .header("authorization", format!("Bearer {}", world.token("anna")))
        .header("x-now-digest", HELLO)
        .body(Body::from("hello"))
        .expect("a request");
    assert_eq!(world.send(upload).await.status, 200);
    let made = world.deploy("shop", &json!({"files": files})).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    assert!(text(&made.body["id"]).starts_with("dpl_"));
    let state = text(&made.body["readyState"]);
    assert!(state == "QUEUED" || state == "BUILDING", "{state}");
    // The first deployment of a project goes to production.
    assert_eq!(made.body["target"], "production");
    assert_eq!(made.body["aliasAssigned"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_becomes_ready_and_has_its_hosts() {
    let world = World::start().await;
    let first = world.ready("shop", &json!({})).await;
    let shown = world.get(&format!("/v13/deployments/{first}")).await.body;
    assert_eq!(
        (&shown["readyState"], &shown["status"]),
        (&json!("READY"), &json!("READY"))
    );
    assert_eq!(shown["readySubstate"], "PROMOTED");
    assert_eq!(shown["alias"], json!(["shop.apps.windlass.test"]));
    let url = text(&shown["url"]);
    assert!(
        url.starts_with("shop-") && url.ends_with("-team-anna.apps.windlass.test"),
        "{url}"
    );
    // Found by its own host, the project's host, and without the prefix of its id.
    let bare = first.trim_start_matches("dpl_");
    for name in [url.as_str(), "shop.apps.windlass.test", bare] {
        let found = world.get(&format!("/v13/deployments/{name}")).await;
        assert_eq!(found.body["id"], first.as_str(), "{name}: {:?}", found.body);
    }

    let second = world
        .ready("shop", &json!({"gitMetadata": {"commitRef": "feature"}}))
        .await;
    let preview = world.get(&format!("/v13/deployments/{second}")).await.body;
    assert_eq!(
        (&preview["target"], &preview["readySubstate"]),
        (&json!(null), &json!("STAGED"))
    );
    assert_eq!(
        preview["alias"],
        json!(["shop-git-feature-team-anna.apps.windlass.test"])
    );
    let third = world.ready("shop", &json!({"target": "production"})).await;
    let serving = world
        .get("/v13/deployments/shop.apps.windlass.test")
        .await
        .body;
    assert_eq!(serving["id"], third.as_str());
    let former = world.get(&format!("/v13/deployments/{first}")).await.body;
    assert_eq!(
        (&former["readySubstate"], &former["alias"]),
        (&json!("PROMOTED"), &json!([]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_may_leave_production_alone() {
    let world = World::start().await;
    world.ready("shop", &json!({})).await;
    let kept = json!({"target": "production", "autoAssignCustomDomains": false});
    let staged = world.ready("shop", &kept).await;
    let shown = world.get(&format!("/v13/deployments/{staged}")).await.body;
    assert_eq!(shown["readySubstate"], "STAGED");
    assert_eq!(shown["aliasAssigned"], true);
    let serving = world
        .get("/v13/deployments/shop.apps.windlass.test")
        .await
        .body;
    assert_ne!(serving["id"], staged.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_says_why() {
    let world = World::start().await;
    let made = world.deploy("shop", &json!({})).await;
    let id = text(&made.body["id"]);
    world.end_build(&id, false).await;
    let shown = world
        .until(&id, "ERROR", |answer| answer["readyState"] == "ERROR")
        .await;
    assert_eq!(shown["errorCode"], "BUILD_FAILED");
    let message = text(&shown["errorMessage"]);
    // Without the identifier that the record has in front.
    assert!(!message.contains("StagingError"), "{message}");
    // A stream of its events has a line of level error with that text, and ends.
    let path = format!("/v3/now/deployments/{id}/events?direction=forward&follow=1&format=lines");
    let Value::String(stream) = world.get(&path).await.body else {
        panic!("no lines");
    };
    let lines: Vec<Value> = stream
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let error = lines.iter().find(|line| line["level"] == "error");
    assert!(text(&error.expect("the line")["text"]).contains(&message));
    assert_eq!(lines.last().expect("a line")["payload"]["value"], "ERROR");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_counts_from_its_answer_on_and_touches_no_alias() {
    let world = World::start().await;
    let serving = world.ready("shop", &json!({})).await;
    let made = world.deploy("shop", &json!({"target": "production"})).await;
    let id = text(&made.body["id"]);
    let canceled = world
        .call(
            Method::PATCH,
            "anna",
            &format!("/v12/deployments/{id}/cancel"),
            None,
        )
        .await;
    assert_eq!(canceled.status, 200, "{:?}", canceled.body);
    assert_eq!(canceled.body["readyState"], "CANCELED");
    assert_eq!(canceled.body["status"], "CANCELED");
    assert!(canceled.body["canceledAt"].as_i64().expect("a time") > 0);
    let production = world
        .get("/v13/deployments/shop.apps.windlass.test")
        .await
        .body;
    assert_eq!(production["id"], serving.as_str());

    // The answer has reached its client: what comes now is a cancel of its own.
    let refused = world
        .call(
            Method::PATCH,
            "anna",
            &format!("/v12/deployments/{id}/cancel?slug=team-anna"),
            None,
        )
        .await;
    assert_eq!(refused.error().0, 400);
    assert!(refused.error().2.contains("CANCELED"), "{:?}", refused.body);
    let again = world.get(&format!("/v13/deployments/{id}")).await.body;
    assert_eq!(again["canceledAt"], canceled.body["canceledAt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_can_not_be_canceled_and_the_refusal_says_what_ends_it() {
    let world = World::start().await;
    let ready = world.ready("shop", &json!({})).await;
    let refused = world
        .call(
            Method::PATCH,
            "anna",
            &format!("/deployments/{ready}/cancel"),
            None,
        )
        .await;
    assert_eq!(refused.error().0, 400);
    assert!(refused.error().2.contains("READY"));
    assert!(refused.error().2.contains("rollback"), "{:?}", refused.body);
    let failed = text(&world.deploy("shop", &json!({})).await.body["id"]);
    world.end_build(&failed, false).await;
    world
        .until(&failed, "ERROR", |answer| answer["readyState"] == "ERROR")
        .await;
    let refused = world
        .call(
            Method::PATCH,
            "anna",
            &format!("/deployments/{failed}/cancel"),
            None,
        )
        .await;
    assert!(refused.error().2.contains("ERROR"));
    for (user, id) in [("bert", ready.as_str()), ("anna", "dpl_unknown")] {
        let missing = world
            .call(
                Method::PATCH,
                user,
                &format!("/v12/deployments/{id}/cancel"),
                None,
            )
            .await;
        assert_eq!(missing.error(), (404, "not_found", "Deployment not found"));
    }
    for id in ["..%2fx", "dpl_%20", "a%22"] {
        let path = format!("/v12/deployments/{id}/cancel");
        let refused = world.call(Method::PATCH, "anna", &path, None).await;
        assert_eq!(
            (refused.error().0, refused.error().1),
            (400, "bad_request"),
            "{id}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_aliases() {
    let world = World::start().await;
    let id = world.ready("shop", &json!({})).await;
    let path = format!("/v3/now/deployments/{id}/events?follow=1&format=lines");
    let Value::String(stream) = world.get(&path).await.body else {
        panic!("no lines");
    };
    let last = stream.lines().last().expect("a line");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["type"], "alias-assigned");
    assert_eq!(last["alias"], json!(["shop.apps.windlass.test"]));
    assert_eq!(
        (&last["aliasError"], &last["aliasWarning"]),
        (&json!(null), &json!(null))
    );
    let list = world
        .get(&format!("/v3/deployments/{id}/events"))
        .await
        .body;
    assert!(list.as_array().is_some_and(|list| !list.is_empty()));
    let builds = world
        .get(&format!("/v11/deployments/{id}/builds"))
        .await
        .body;
    assert_eq!(builds["builds"][0]["readyState"], "READY");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged() {
    let world = World::start().await;
    let first = world.ready("shop", &json!({"meta": {"k": "v"}})).await;
    let second = world.ready("shop", &json!({})).await;
    let ids = |answer: &Value| -> Vec<String> {
        let items = answer["deployments"].as_array().expect("a list");
        items.iter().map(|item| text(&item["uid"])).collect()
    };
    for (query, expected) in [
        ("", vec![&second, &first]),
        ("projectId=shop", vec![&second, &first]),
        ("app=other", vec![]),
        ("target=production", vec![&first]),
        ("target=preview", vec![&second]),
        ("state=READY,ERROR", vec![&second, &first]),
        ("state=CANCELED", vec![]),
        ("meta-k=v", vec![&first]),
        ("rollbackCandidate=true", vec![&first]),
    ] {
        let found = world.get(&format!("/v6/deployments?{query}")).await.body;
        let expected: Vec<String> = expected.into_iter().cloned().collect();
        assert_eq!(ids(&found), expected, "{query}");
    }
    let page = world.get("/v6/deployments?limit=1").await.body;
    assert_eq!(ids(&page), [second.as_str()]);
    let next = page["pagination"]["next"].as_i64().expect("more");
    let page = world
        .get(&format!("/v6/deployments?limit=1&until={next}"))
        .await
        .body;
    assert_eq!(ids(&page), [first.as_str()]);
    assert_eq!(world.get("/v6/deployments?state=ODD").await.error().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_the_source_is_a_deployment_of_its_own() {
    let world = World::start().await;
    let first = world.ready("shop", &json!({})).await;
    let again = json!({"deploymentId": first, "name": "shop", "meta": {"action": "redeploy"}});
    let made = world.post("/v13/deployments?forceNew=1", &again).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    assert_ne!(made.body["id"], first.as_str());
    assert_eq!(made.body["source"], "redeploy");
    assert_eq!(made.body["target"], "production");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_deployment_is_gone_with_its_host() {
    let world = World::start().await;
    world.ready("shop", &json!({})).await;
    let preview = world.ready("shop", &json!({})).await;
    let url = text(&world.get(&format!("/v13/deployments/{preview}")).await.body["url"]);
    let gone = world
        .delete(&format!("/now/deployments/{preview}?hard=0"))
        .await;
    assert_eq!(gone.body, json!({"uid": preview, "state": "DELETED"}));
    for name in [preview.as_str(), url.as_str()] {
        assert_eq!(
            world
                .get(&format!("/v13/deployments/{name}"))
                .await
                .error()
                .0,
            404
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_deployed_is_refused() {
    let world = World::start().await;
    for bad in [
        json!({"files": []}),
        json!({"files": [{"file": "a"}]}),
        json!({"files": null}),
        json!({"target": "moon"}),
        json!({"customEnvironmentSlugOrId": "moon"}),
        json!({"gitSource": {"type": "github", "org": "a", "repo": "b", "ref": "main"}}),
        json!({"meta": {"a": {}}}),
        json!({"name": "NOT A NAME"}),
        json!({"projectSettings": {"rootDirectory": "../.."}}),
    ] {
        let refused = world.deploy("shop", &bad).await;
        assert_eq!(refused.error().0, 400, "{bad}: {:?}", refused.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_that_no_site_can_have_are_refused_before_anything_is_built() {
    let world = World::start().await;
    for (bad, code) in [
        (
            json!({"routes": [{"src": "/(", "dest": "/x"}]}),
            "invalid_route",
        ),
        (json!({"redirects": [{"source": "/a"}]}), "bad_request"),
        (
            json!({"crons": [{"path": "/a", "schedule": "* * * * *"}]}),
            "bad_request",
        ),
    ] {
        let refused = world.deploy("shop", &bad).await;
        assert_eq!(
            (refused.error().0, refused.error().1),
            (400, code),
            "{bad}: {:?}",
            refused.body
        );
    }
    assert_eq!(world.get("/v9/projects/shop").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_deployment_shows_others_its_public_form_and_nothing_more() {
    let world = World::start().await;
    let private = world.ready("shop", &json!({})).await;
    let public = json!({"publicSource": true});
    let changed = world
        .call(Method::PATCH, "anna", "/v9/projects/shop", Some(&public))
        .await;
    assert_eq!(changed.status, 200, "{:?}", changed.body);
    let id = world.ready("shop", &json!({})).await;
    let own = world.get(&format!("/v13/deployments/{id}")).await.body;
    assert_eq!(own["public"], true);

    let as_bert = async |method: Method, path: String| {
        let answer = world.call(method, "bert", &path, None).await;
        (answer.status, answer.body)
    };
    let (status, shown) = as_bert(Method::GET, format!("/v13/deployments/{id}")).await;
    assert_eq!(status, 200);
    for name in [
        "id",
        "name",
        "url",
        "type",
        "version",
        "public",
        "status",
        "readyState",
        "aliasAssigned",
        "bootedAt",
        "buildingAt",
        "buildSkipped",
        "createdAt",
        "creator",
        "meta",
        "regions",
    ] {
        assert!(shown.get(name).is_some(), "{name}");
    }
    for name in [
        "env",
        "build",
        "projectSettings",
        "projectId",
        "ownerId",
        "plan",
        "config",
    ] {
        assert_eq!(shown.get(name), None, "{name}");
    }
    assert_eq!(shown["creator"].get("email"), None);
    assert_eq!(shown.get("team"), None);
    for (method, path) in [
        (Method::GET, format!("/v13/deployments/{private}")),
        (Method::PATCH, format!("/v12/deployments/{id}/cancel")),
        (Method::DELETE, format!("/v13/deployments/{id}")),
        (Method::GET, format!("/v3/deployments/{id}/events")),
        (Method::GET, "/v9/projects/shop".to_owned()),
    ] {
        assert_eq!(as_bert(method, path.clone()).await.0, 404, "{path}");
    }
}
