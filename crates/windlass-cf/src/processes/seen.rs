//! What drivers see of instances: ports and use of the machine.

use std::collections::BTreeMap;

use windlass_control::clock;
use windlass_engine::app::AppState;
use windlass_engine::id::{CommitNumber, InstanceId};
use windlass_engine::time::Now;

use super::stats::{Seen, Usage};
use crate::error::ApiResult;
use crate::server::CfState;

/// Both clocks.
pub(super) fn now() -> Now {
    clock::now(CommitNumber(0))
}

/// Ports and use of all instances of an app.
pub(super) async fn seen(cf: &CfState, state: &AppState) -> ApiResult<BTreeMap<InstanceId, Seen>> {
    let found = cf.control.seen_instances(state).await?;
    Ok(found
        .into_iter()
        .map(|(id, instance)| {
            let usage = instance.usage.map(|usage| Usage {
                cpu: usage.cpu,
                memory_bytes: usage.memory_bytes,
                disk_bytes: usage.disk_bytes,
            });
            (
                id,
                Seen {
                    port: instance.port,
                    usage,
                },
            )
        })
        .collect())
}
