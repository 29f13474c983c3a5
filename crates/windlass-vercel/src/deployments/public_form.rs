//! A deployment as it is shown to those outside of its team.

use serde_json::Value;

use super::find::Found;
use super::view::deployment;
use crate::error::ApiResult;
use crate::server::VercelState;

/// What only the team of a deployment sees of it.
const PRIVATE: [&str; 31] = [
    "autoAssignCustomDomains",
    "build",
    "builds",
    "checks",
    "checksConclusion",
    "checksState",
    "config",
    "createdIn",
    "crons",
    "env",
    "errorLink",
    "errorMessage",
    "errorStep",
    "flags",
    "functions",
    "gitRepo",
    "inspectorUrl",
    "isInConcurrentBuildsQueue",
    "isInSystemBuildsQueue",
    "isRollbackCandidate",
    "lambdas",
    "nodeVersion",
    "ownerId",
    "plan",
    "prebuilt",
    "project",
    "projectId",
    "projectSettings",
    "readyStateReason",
    "routes",
    "team",
];

/// The same for somebody who is not in its team.
pub(super) async fn public_deployment(state: &VercelState, found: &Found) -> ApiResult<Value> {
    let mut wire = deployment(state, found).await?;
    if let Value::Object(members) = &mut wire {
        members.retain(|name, _| !PRIVATE.contains(&name.as_str()));
        if let Some(Value::Object(creator)) = members.get_mut("creator") {
            creator.remove("email");
        }
    }
    Ok(wire)
}
