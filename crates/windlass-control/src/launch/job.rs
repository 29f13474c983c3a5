//! How a job of a release is started: as its component says, once.

use windlass_engine::app::AppState;
use windlass_engine::id::{ComponentName, ReleaseId};
use windlass_engine::records::AppRecord;
use windlass_runtime::{Command, LaunchSpec, ProcessSpec, RunKind};

use super::environment::Run;
use super::{Common, artifact_of, limits};
use crate::control::Control;
use crate::error::Error;
use crate::run_name::RunName;
use crate::staging::launch_command;

impl Control {
    pub(super) async fn job_spec(
        &self,
        state: &AppState,
        record: &AppRecord,
        release: &ReleaseId,
        component: &ComponentName,
        name: &RunName,
    ) -> Result<LaunchSpec, Error> {
        let missing = || Error::NotFound { what: "job" };
        let release = state.release(release).ok_or_else(missing)?;
        let revision = state.revisions.get(&release.target).ok_or_else(missing)?;
        let configuration = &revision.configuration;
        let config = configuration
            .components
            .get(component)
            .ok_or_else(missing)?;
        let artifact = self.artifact(artifact_of(configuration, component)?)?;
        let line = config
            .command
            .clone()
            .or_else(|| artifact.process_types.get(component.as_str()).cloned())
            .ok_or_else(|| Error::Conflict(format!("{component} has no command")))?;
        let directories = self
            .lay_out(&record.id, &artifact, self.run_dir(&name.to_string()))
            .await?;
        let run = Run {
            memory_mb: config.memory_mb,
            sidecar_memory_mb: 0,
            disk_mb: config.disk_mb,
            instance: None,
        };
        let env = self.environment(
            record,
            &configuration.env_of(component),
            &configuration.bindings,
            &directories,
            &run,
        )?;
        let command = launch_command(&directories, &line);
        let mut argv = vec![command.program];
        argv.extend(command.arguments);
        let process = ProcessSpec {
            name: component.to_string(),
            command: Command::Argv(argv),
            env,
            working_dir: "app".into(),
            memory_mb: None,
        };
        let mut limits = limits(
            config.memory_mb,
            config.disk_mb,
            config.log_bytes_per_second,
        );
        limits.time_limit_ms = Some(self.settings().job_time_limit_ms);
        let common = Common {
            record,
            name,
            generation: state.plan_generation.0,
            kind: RunKind::Job,
            index: 0,
            source_type: format!("APP/JOB/{}", component.as_str().to_uppercase()),
            grace_ms: state.grace_ms(&release.target, component),
            limits,
        };
        self.spec(common, vec![process])
    }
}
