//! Rows of the audit trail about how builds end. Whoever asked for the build is their actor.

use serde_json::{Value, json};
use windlass_engine::records::{
    Actor, AppRecord, Artifact, AuditEvent, BuildRecord, BuildRecordState, User,
};
use windlass_store::Tx;

use crate::error::Error;
use crate::order_events::row;

/// The rows of a build that is over.
pub(crate) fn build_ended(tx: &Tx<'_>, build: &BuildRecord) -> Result<Vec<AuditEvent>, Error> {
    let Some(app) = tx.get::<AppRecord>(&build.app)? else {
        return Ok(Vec::new());
    };
    let actor = actor_of(tx, build)?;
    let event = |kind: &str, more: Value| row(&app, &actor, kind, data(build, more));
    Ok(match &build.state {
        BuildRecordState::Staged { artifact } => {
            let mut events = event(
                "audit.app.droplet.create",
                json!({"droplet_guid": artifact}),
            );
            let made = tx.get::<Artifact>(artifact)?;
            let buildpacks = made.map(|made| made.buildpacks).unwrap_or_default();
            let buildpacks: Vec<Value> = buildpacks
                .iter()
                .map(|used| {
                    json!({
                        "name": used["name"],
                        "buildpack_name": used["buildpack_name"],
                        "version": used["version"],
                    })
                })
                .collect();
            let staged = json!({"droplet_guid": artifact, "buildpacks": buildpacks});
            events.extend(event("audit.app.build.staged", staged));
            events
        }
        BuildRecordState::Failed { error } => {
            let (id, message) = error.split_once(" - ").unwrap_or(("StagingError", error));
            let failed = json!({"error_id": id, "error_message": message});
            event("audit.app.build.failed", failed)
        }
        BuildRecordState::Staging
        | BuildRecordState::Skipped { .. }
        | BuildRecordState::Canceled => Vec::new(),
    })
}

/// Who asked for it; a user who is gone still has an id.
fn actor_of(tx: &Tx<'_>, build: &BuildRecord) -> Result<Actor, Error> {
    let Some(id) = &build.created_by else {
        return Ok(Actor {
            id: "windlass".to_owned(),
            kind: "system".to_owned(),
            name: "windlass".to_owned(),
        });
    };
    let user = tx.get::<User>(id)?;
    let is_client = user.as_ref().is_some_and(|user| user.is_client);
    Ok(Actor {
        id: id.to_string(),
        kind: if is_client { "uaa_client" } else { "user" }.to_owned(),
        name: user.map(|user| user.name).unwrap_or_default(),
    })
}

fn data(build: &BuildRecord, more: Value) -> Value {
    let mut data = json!({"build_guid": build.id, "package_guid": build.package});
    if let (Value::Object(all), Value::Object(more)) = (&mut data, more) {
        all.extend(more);
    }
    data
}
