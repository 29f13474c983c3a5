//! What is known of instances beyond the engine's state: their ports and what they use.

use std::collections::BTreeMap;
use std::time::Duration;

use windlass_engine::app::AppState;
use windlass_engine::id::InstanceId;

use crate::control::Control;
use crate::error::Error;
use crate::run_name::RunName;

/// How long one answer waits for all that is measured; what has not come by then is left out.
const MEASURING_LIMIT: Duration = Duration::from_secs(2);

/// What an instance uses.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct InstanceUsage {
    /// Processors in use, 1.0 = one of them.
    pub cpu: f64,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Disk, bytes.
    pub disk_bytes: u64,
}

/// An instance as it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SeenInstance {
    /// Its port.
    pub port: Option<u16>,
    /// What it uses, if that could be measured.
    pub usage: Option<InstanceUsage>,
}

impl Control {
    /// All instances of an app as they are seen now.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn seen_instances(
        &self,
        state: &AppState,
    ) -> Result<BTreeMap<InstanceId, SeenInstance>, Error> {
        let ports: BTreeMap<String, u16> = self.store().read(|reader| {
            let leased = reader.ports(Some(&state.app))?;
            Ok::<_, Error>(
                leased
                    .into_iter()
                    .map(|port| (port.run, port.port))
                    .collect(),
            )
        })?;
        let names: Vec<(InstanceId, String)> = state
            .instances
            .values()
            .map(|instance| {
                let app = state.app.clone();
                let name = RunName::Instance {
                    app,
                    instance: instance.id,
                    run: instance.run,
                };
                (instance.id, name.to_string())
            })
            .collect();
        let mut seen: BTreeMap<InstanceId, SeenInstance> = names
            .iter()
            .map(|(id, run)| {
                (
                    *id,
                    SeenInstance {
                        port: ports.get(run).copied(),
                        usage: None,
                    },
                )
            })
            .collect();
        let measure = async {
            for (id, run) in &names {
                let usage = self.driver().usage(run).await;
                if let (Some(seen), Some(usage)) = (seen.get_mut(id), usage) {
                    seen.usage = Some(InstanceUsage {
                        cpu: usage.cpu,
                        memory_bytes: usage.memory_bytes,
                        disk_bytes: usage.disk_bytes,
                    });
                }
            }
        };
        // A machine that is too busy to measure still says what runs.
        let _ = tokio::time::timeout(MEASURING_LIMIT, measure).await;
        Ok(seen)
    }
}
