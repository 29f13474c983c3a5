//! What a full organization answers, each verb in its own words.

use serde_json::json;
use windlass_control::tenancy::OrganizationPatch;
use windlass_engine::id::OrganizationId;
use windlass_engine::records::Quota;

use crate::world::{World, system};

async fn limit(world: &World, organization: &str, quota: Quota) {
    let patch = OrganizationPatch {
        quota: Some(quota),
        ..OrganizationPatch::default()
    };
    world
        .control
        .tenancy()
        .update_organization(&system(), &OrganizationId::from(organization), patch)
        .await
        .expect("a quota");
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_name_the_organization_and_tasks_the_field() {
    let world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let (app, droplet) = world.running_app("admin", &space, "shop", 2).await;
    let new = json!({"droplet": {"guid": droplet}, "options": {"max_in_flight": 2}});
    let tasks = format!("/v3/apps/{app}/tasks");
    let task = json!({"command": "true", "memory_in_mb": 64});
    let hint = "for organization one. This organization's quota may not be large enough to \
                support rolling deployments or your configured max-in-flight.";

    let memory = Quota {
        memory_mb: Some(2 * 1024),
        ..Quota::default()
    };
    limit(&world, &org, memory).await;
    let refused = world.deploy("admin", &app, &new).await;
    let text = format!("memory quota_exceeded {hint}");
    assert_eq!(refused.error(), (422, 10008, text.as_str()));
    let refused = world.post("admin", &tasks, &task).await;
    let text = "memory_in_mb exceeds organization memory quota";
    assert_eq!(refused.error(), (422, 10008, text));

    let instances = Quota {
        instances: Some(2),
        ..Quota::default()
    };
    limit(&world, &org, instances).await;
    let refused = world.deploy("admin", &app, &new).await;
    let text = format!("app_instance_limit app_instance_limit_exceeded {hint}");
    assert_eq!(refused.error(), (422, 10008, text.as_str()));

    let no_tasks = Quota {
        tasks: Some(1),
        ..Quota::default()
    };
    limit(&world, &org, no_tasks).await;
    let first = world.post("admin", &tasks, &task).await;
    assert_eq!(first.status, 202, "{:?}", first.body);
    let refused = world.post("admin", &tasks, &task).await;
    let text = "app_task_limit quota exceeded";
    assert_eq!(refused.error(), (422, 10008, text));
    // Nothing of what was refused is left.
    assert_eq!(
        world.get("admin", &tasks).await.column("guid"),
        [first.guid()]
    );
    // A task that is being canceled no longer counts.
    world
        .post(
            "admin",
            &format!("/v3/tasks/{}/actions/cancel", first.guid()),
            &json!({}),
        )
        .await;
    let again = world.post("admin", &tasks, &task).await;
    assert_eq!(again.status, 202, "{:?}", again.body);
}
