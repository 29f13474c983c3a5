//! Deployments from git: which repository is meant, how it is shown, which of a branch is built.

use axum::http::Method;
use serde_json::{Value, json};
use windlass_engine::build::BuildOutcome;

use crate::world::{Answer, World};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

async fn order(world: &World, source: Value) -> Answer {
    let body = json!({"name": "shop", "gitSource": source});
    world.post("/v13/deployments", &body).await
}

/// A deployment of this branch; the whole answer.
async fn of_branch(world: &World, branch: &str) -> Value {
    let source = json!({
        "type": "github", "org": "acme", "repo": "shop", "ref": branch, "sha": COMMIT,
    });
    let made = order(world, source).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    made.body
}

async fn shown(world: &World, id: &Value) -> Value {
    let id = id.as_str().expect("an id");
    world.get(&format!("/v13/deployments/{id}")).await.body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_shown_as_it_was_named() {
    let world = World::start().await;
    for (source, repository) in [
        (
            json!({"type": "github", "org": "acme", "repo": "shop", "prId": 7}),
            json!({"githubOrg": "acme", "githubRepo": "shop", "githubPrId": "7"}),
        ),
        (
            json!({"type": "github-custom-host", "host": "git.acme.test", "org": "acme",
                "repo": "shop"}),
            json!({"githubOrg": "acme"}),
        ),
        (
            json!({"type": "gitlab", "projectId": "acme/web/shop"}),
            json!({"gitlabProjectPath": "acme/web/shop", "gitlabProjectName": "shop"}),
        ),
        (
            json!({"type": "bitbucket", "owner": "acme", "slug": "shop"}),
            json!({"bitbucketRepoOwner": "acme"}),
        ),
        (
            json!({"type": "custom", "gitUrl": "https://git.acme.test/shop.git"}),
            json!({"gitCommitRef": "main"}),
        ),
    ] {
        let mut whole = source.clone();
        whole["ref"] = "refs/heads/main".into();
        whole["sha"] = COMMIT.to_uppercase().into();
        let made = order(&world, whole).await;
        assert_eq!(made.status, 200, "{source}: {:?}", made.body);
        let mut expected = source.clone();
        expected["ref"] = "main".into();
        expected["sha"] = COMMIT.into();
        assert_eq!(made.body["gitSource"], expected);
        assert_eq!(made.body["source"], "api-trigger-git-deploy");
        for (name, value) in repository.as_object().expect("pairs") {
            assert_eq!(made.body["meta"][name], *value, "{source}: {:?}", made.body);
        }
    }
    let found = world.get(&format!("/v6/deployments?sha={COMMIT}")).await;
    let found = found.body["deployments"].as_array().map(Vec::len);
    assert_eq!(found, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_no_repository_is_refused_and_makes_nothing() {
    let world = World::start().await;
    for (source, says) in [
        (
            json!({"type": "github", "repoId": 1, "ref": "main"}),
            "`org` and `repo`",
        ),
        (
            json!({"type": "gitlab", "projectId": 1, "ref": "main"}),
            "as a path",
        ),
        (
            json!({"type": "bitbucket", "repoUuid": "u", "ref": "main"}),
            "`owner` and `slug`",
        ),
        (
            json!({"type": "github", "org": "a", "ref": "main"}),
            "`org` and `repo`",
        ),
        (
            json!({"type": "github", "org": "a", "repo": "b"}),
            "gitSource.ref",
        ),
        (
            json!({"type": "github", "org": "a", "repo": "b", "ref": "--x"}),
            "name of a branch",
        ),
        (
            json!({"type": "github", "org": "a", "repo": "b", "ref": "main", "sha": "1"}),
            "40 hex digits",
        ),
        (
            json!({"type": "github-custom-host", "org": "a", "repo": "b", "ref": "main"}),
            "gitSource.host",
        ),
        (
            json!({"type": "custom", "gitUrl": "http://127.0.0.1/a.git", "ref": "main"}),
            "this machine itself",
        ),
        (
            json!({"type": "custom", "gitUrl": "file:///etc", "ref": "main"}),
            "gitSource",
        ),
        (json!({"type": "svn", "ref": "main"}), "should be one of"),
        (json!("github"), "an object"),
    ] {
        let refused = order(&world, source.clone()).await;
        assert_eq!(refused.error().0, 400, "{source}: {:?}", refused.body);
        assert!(
            refused.error().2.contains(says),
            "{source}: {:?}",
            refused.body
        );
    }
    assert_eq!(world.get("/v9/projects/shop").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_knows_its_repository() {
    let world = World::start().await;
    let new = json!({"name": "shop", "gitRepository": {"type": "github", "repo": "acme/shop"}});
    let made = world.post("/v11/projects", &new).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    assert_eq!(made.body["link"]["org"], "acme");
    let made = order(
        &world,
        json!({"type": "github", "repoId": 5, "sha": COMMIT}),
    )
    .await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    assert_eq!(made.body["gitSource"]["repo"], "shop");
    assert_eq!(made.body["gitSource"]["ref"], "main");
    // It says nothing about another host's repositories.
    let other = order(
        &world,
        json!({"type": "gitlab", "projectId": 5, "ref": "main"}),
    )
    .await;
    assert_eq!(other.status, 400);
    let gone = world.delete("/v9/projects/shop/link").await;
    assert_eq!(gone.body["link"], Value::Null);
    let body = json!({"type": "gitlab", "repo": "a/b/c"});
    let linked = world.post("/v9/projects/shop/link", &body).await;
    assert_eq!(linked.body["link"]["projectNamespace"], "a/b");
    let body = json!({"type": "gitlab", "repo": "nothing"});
    let refused = world.post("/v9/projects/shop/link", &body).await;
    assert_eq!(refused.error().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_has_a_host_and_its_commit_is_kept_by_a_repeat() {
    let world = World::start().await;
    // The first one of a project goes to production.
    let first = of_branch(&world, "main").await;
    let preview = of_branch(&world, "feature/x").await;
    assert_eq!(preview["target"], Value::Null);
    let host = "shop-git-feature-x-team-anna.apps.windlass.test";
    assert_eq!(preview["meta"]["branchAlias"], host);
    let id = preview["id"].as_str().expect("an id");
    world
        .end_build(first["id"].as_str().expect("an id"), true)
        .await;
    world.end_build(id, true).await;
    let ready = world
        .until(id, "its aliases", |answer| answer["aliasAssigned"] == true)
        .await;
    assert_eq!(ready["alias"], json!([host]));
    let again = json!({"deploymentId": id, "name": "shop"});
    let made = world.post("/v13/deployments", &again).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    assert_eq!(made.body["source"], "redeploy");
    assert_eq!(made.body["gitSource"], preview["gitSource"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_queued_one_of_git_gives_way_to_a_newer_one_of_its_branch() {
    let world = World::start().await;
    let running = [
        of_branch(&world, "main").await,
        of_branch(&world, "main").await,
    ];
    for one in &running {
        world
            .until(one["id"].as_str().expect("an id"), "a slot", |answer| {
                answer["readyState"] == "INITIALIZING"
            })
            .await;
    }
    let left_out = of_branch(&world, "main").await;
    let files = world.deploy("shop", &json!({})).await.body;
    let other = of_branch(&world, "other").await;
    let newest = of_branch(&world, "main").await;
    let canceled = shown(&world, &left_out["id"]).await;
    assert_eq!(canceled["readyState"], "CANCELED", "{canceled:#}");
    assert!(canceled["canceledAt"].is_i64());
    let newer = newest["id"].as_str().expect("an id");
    for name in ["readyStateReason", "errorMessage"] {
        let text = canceled[name].as_str().unwrap_or_default();
        assert!(text.contains(newer), "{name}: {text}");
    }
    for (one, state) in [
        (&running[0], "INITIALIZING"),
        (&running[1], "INITIALIZING"),
        (&files, "QUEUED"),
        (&other, "QUEUED"),
        (&newest, "QUEUED"),
    ] {
        assert_eq!(shown(&world, &one["id"]).await["readyState"], state);
    }
    // A user's cancel works while it is fetched, and is told from that of the server.
    let path = format!(
        "/v12/deployments/{}/cancel",
        running[0]["id"].as_str().expect("an id")
    );
    let done = world.call(Method::PATCH, "anna", &path, None).await;
    assert_eq!(done.body["readyState"], "CANCELED", "{:?}", done.body);
    assert_eq!(done.body["errorMessage"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_with_nothing_to_build_is_canceled_and_says_why() {
    let world = World::start().await;
    let settings = json!({"name": "shop", "commandForIgnoringBuildStep": "git diff --quiet"});
    let made = world.post("/v11/projects", &settings).await;
    assert_eq!(made.body["commandForIgnoringBuildStep"], "git diff --quiet");
    let made = world.deploy("shop", &json!({})).await.body;
    let kept = &made["projectSettings"]["commandForIgnoringBuildStep"];
    assert_eq!(kept, "git diff --quiet");
    let id = made["id"].as_str().expect("an id");
    let text = "there is nothing to build".to_owned();
    world.end_build_as(id, BuildOutcome::Skipped { text }).await;
    let shown = world
        .until(id, "CANCELED", |answer| answer["readyState"] == "CANCELED")
        .await;
    assert_eq!(shown["errorMessage"], "there is nothing to build");
    assert!(shown["canceledAt"].is_i64());
    let found = world.get("/v6/deployments?state=CANCELED").await.body;
    assert_eq!(found["deployments"][0]["uid"], id);
    let path = format!("/v12/deployments/{id}/cancel");
    let refused = world.call(Method::PATCH, "anna", &path, None).await;
    assert_eq!(refused.error().0, 400);
}
