//! Who may do what with deployments and tasks: the role tables, run.

use serde_json::json;
use windlass_engine::records::AdminScope;

use crate::world::World;

/// Every role that the tables name, with its rights beyond roles.
const ROLES: [(&str, AdminScope); 12] = [
    ("admin", AdminScope::Admin),
    ("admin_read_only", AdminScope::AdminReadOnly),
    ("global_auditor", AdminScope::GlobalAuditor),
    ("space_developer", AdminScope::None),
    ("space_supporter", AdminScope::None),
    ("space_manager", AdminScope::None),
    ("space_auditor", AdminScope::None),
    ("organization_manager", AdminScope::None),
    ("organization_auditor", AdminScope::None),
    ("organization_billing_manager", AdminScope::None),
    ("organization_user", AdminScope::None),
    ("none", AdminScope::None),
];

/// A world with a user for each role, named after it, and an app with one instance.
async fn world() -> (World, String, String) {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    for (role, admin) in ROLES.into_iter().skip(1) {
        match (admin, role) {
            (AdminScope::None, "none") => drop(world.user(role, admin).await),
            (AdminScope::None, _) => world.member(role, &org, &space, &[role]).await,
            _ => drop(world.user(role, admin).await),
        }
    }
    let (app, droplet) = world.running_app("admin", &space, "shop", 1).await;
    (world, app, droplet)
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments() {
    // Seen in the list, get, create, patch, cancel and continue.
    let table = [
        ("admin", 1, [200, 201, 200, 200]),
        ("admin_read_only", 1, [200, 422, 403, 404]),
        ("global_auditor", 1, [200, 422, 403, 404]),
        ("space_developer", 1, [200, 201, 200, 200]),
        ("space_supporter", 1, [200, 201, 403, 200]),
        ("space_manager", 1, [200, 422, 403, 404]),
        ("space_auditor", 1, [200, 422, 403, 404]),
        ("organization_manager", 1, [200, 422, 403, 404]),
        ("organization_auditor", 0, [404, 422, 404, 404]),
        ("organization_billing_manager", 0, [404, 422, 404, 404]),
        ("organization_user", 0, [404, 422, 404, 404]),
        ("none", 0, [404, 422, 404, 404]),
    ];
    let (world, app, droplet) = world().await;
    let canary = json!({"droplet": {"guid": droplet}, "strategy": "canary"});
    for (role, seen, [get, create, patch, act]) in table {
        let guid = world.deploy("admin", &app, &canary).await.guid();
        world.until_status("admin", &guid, "ACTIVE/PAUSED").await;
        let path = format!("/v3/deployments/{guid}");
        let listed = world
            .get(role, &format!("/v3/deployments?guids={guid}"))
            .await;
        assert_eq!(
            listed.body["pagination"]["total_results"], seen,
            "{role}: list"
        );
        assert_eq!(world.get(role, &path).await.status, get, "{role}: get");
        let labels = json!({"metadata": {"labels": {"by": "me"}}});
        assert_eq!(
            world.patch(role, &path, &labels).await.status,
            patch,
            "{role}: patch"
        );
        for action in ["continue", "cancel"] {
            let done = world
                .post(role, &format!("{path}/actions/{action}"), &json!({}))
                .await;
            let is_over = done.status == 422 && action == "cancel" && act == 200;
            assert!(
                done.status == act || is_over,
                "{role}: {action} {:?}",
                done.body
            );
        }
        let made = world.deploy(role, &app, &canary).await;
        assert_eq!(made.status, create, "{role}: create {:?}", made.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks() {
    // Create, patch, cancel, get, and whether the command is shown.
    let table = [
        ("admin", [202, 200, 202, 200], true),
        ("admin_read_only", [403, 403, 403, 200], true),
        ("global_auditor", [403, 403, 403, 200], false),
        ("space_developer", [202, 200, 202, 200], true),
        ("space_supporter", [403, 403, 202, 200], false),
        ("space_manager", [403, 403, 403, 200], false),
        ("space_auditor", [403, 403, 403, 200], false),
        ("organization_manager", [403, 403, 403, 200], false),
        ("organization_auditor", [404, 404, 404, 404], false),
        ("organization_billing_manager", [404, 404, 404, 404], false),
        ("organization_user", [404, 404, 404, 404], false),
        ("none", [404, 404, 404, 404], false),
    ];
    let (world, app, _) = world().await;
    let of_app = format!("/v3/apps/{app}/tasks");
    let body = json!({"command": "true"});
    for (role, [create, patch, cancel, get], shows_command) in table {
        let guid = world.post("admin", &of_app, &body).await.guid();
        let path = format!("/v3/tasks/{guid}");
        let shown = world.get(role, &path).await;
        assert_eq!(shown.status, get, "{role}: get");
        assert_eq!(
            shown.body.get("command").is_some(),
            shows_command,
            "{role}: command"
        );
        let listed = world.get(role, &format!("/v3/tasks?guids={guid}")).await;
        assert_eq!(
            listed.body["resources"][0].get("command"),
            None,
            "{role}: global list"
        );
        assert_eq!(
            world.post(role, &of_app, &body).await.status,
            create,
            "{role}: create"
        );
        let labels = json!({"metadata": {"labels": {"by": "me"}}});
        assert_eq!(
            world.patch(role, &path, &labels).await.status,
            patch,
            "{role}: patch"
        );
        let canceled = world
            .post(role, &format!("{path}/actions/cancel"), &json!({}))
            .await;
        assert_eq!(
            canceled.status, cancel,
            "{role}: cancel {:?}",
            canceled.body
        );
        if cancel == 202 {
            assert_eq!(
                canceled.body["command"], "true",
                "{role}: a cancel shows the command"
            );
        }
    }
}
