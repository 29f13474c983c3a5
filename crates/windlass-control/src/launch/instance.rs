//! How an instance is started.

use windlass_engine::app::AppState;
use windlass_engine::configuration::{ComponentRole, HealthKind};
use windlass_engine::id::InstanceId;
use windlass_engine::records::AppRecord;
use windlass_runtime::{Command, LaunchSpec, ProcessSpec, RunKind};

use super::environment::{InstanceFacts, Run};
use super::{Common, artifact_of, health, instance_guid, limits, readiness};
use crate::control::Control;
use crate::error::Error;
use crate::run_name::RunName;
use crate::staging::launch_command;

impl Control {
    pub(super) async fn instance_spec(
        &self,
        state: &AppState,
        record: &AppRecord,
        id: InstanceId,
        name: &RunName,
    ) -> Result<LaunchSpec, Error> {
        let missing = || Error::NotFound { what: "instance" };
        let instance = state.instances.get(&id).ok_or_else(missing)?;
        let revision = state
            .revisions
            .get(&instance.revision)
            .ok_or_else(missing)?;
        let configuration = &revision.configuration;
        let config = configuration
            .components
            .get(&instance.component)
            .ok_or_else(missing)?;
        if config.role == ComponentRole::OnDemand {
            let configured = (configuration, config);
            return self
                .on_demand_spec(state, record, instance, configured, name)
                .await;
        }
        let artifact = self.artifact(artifact_of(configuration, &instance.component)?)?;
        let line = config
            .command
            .clone()
            .or_else(|| {
                artifact
                    .process_types
                    .get(instance.component.as_str())
                    .cloned()
            })
            .ok_or_else(|| {
                Error::Conflict(format!("{} has no start command", instance.component))
            })?;
        let run = name.to_string();
        self.note_revision(&record.id, &run, &instance.revision)
            .await?;
        let port = self.port_of(&record.id, &run).await?;
        let directories = self
            .lay_out(&record.id, &artifact, self.run_dir(&run))
            .await?;
        let facts = InstanceFacts {
            port,
            index: instance.index,
            guid: instance_guid(&record.id, id, instance.run),
            component: instance.component.as_str(),
            version: instance.revision.as_str(),
        };
        let sidecars = || {
            let all = configuration.sidecars.iter();
            all.filter(|(_, sidecar)| sidecar.components.contains(&instance.component))
        };
        let env = self.environment(
            record,
            &configuration.env_of(&instance.component),
            &configuration.bindings,
            &directories,
            &Run {
                memory_mb: config.memory_mb,
                sidecar_memory_mb: sidecars().filter_map(|(_, it)| it.memory_mb).sum(),
                disk_mb: config.disk_mb,
                instance: Some(facts),
            },
        )?;
        let process = |name: &str, line: &str, memory_mb: Option<u64>| {
            let command = launch_command(&directories, line);
            let mut argv = vec![command.program];
            argv.extend(command.arguments);
            ProcessSpec {
                name: name.to_owned(),
                command: Command::Argv(argv),
                env: env.clone(),
                working_dir: "app".into(),
                memory_mb,
            }
        };
        let mut processes = vec![process(instance.component.as_str(), &line, None)];
        for (name, sidecar) in sidecars() {
            processes.push(process(name, &sidecar.command, sidecar.memory_mb));
        }
        let common = Common {
            record,
            name,
            generation: state.plan_generation.0,
            kind: RunKind::Instance,
            index: instance.index,
            source_type: format!("APP/PROC/{}", instance.component.as_str().to_uppercase()),
            grace_ms: state.grace_ms(&instance.revision, &instance.component),
            limits: limits(
                config.memory_mb,
                config.disk_mb,
                config.log_bytes_per_second,
            ),
        };
        let mut spec = self.spec(common, processes)?;
        let listens = matches!(config.role, ComponentRole::Routed | ComponentRole::OnDemand)
            || config.health.kind != HealthKind::Process
            || config.readiness.kind != HealthKind::Process;
        spec.port = listens.then_some(port);
        spec.health = health(&config.health);
        spec.readiness = readiness(&config.readiness);
        Ok(spec)
    }
}
