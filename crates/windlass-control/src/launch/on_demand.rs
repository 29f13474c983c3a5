//! How the instance of a component on demand is started: the functions of a built site.

use std::collections::BTreeMap;

use windlass_engine::app::AppState;
use windlass_engine::configuration::{ComponentConfig, Configuration};
use windlass_engine::instance::Instance;
use windlass_engine::records::AppRecord;
use windlass_runtime::{Command, LaunchSpec, ProcessSpec, RunKind};

use super::{Common, artifact_of, health, limits, readiness};
use crate::control::Control;
use crate::error::Error;
use crate::functions::write_launcher;
use crate::run_name::RunName;
use crate::staging::WorkDirectories;

/// Runtime of functions.
const NODE: &str = "node";
/// Where the functions are in a built site.
const FUNCTIONS: &str = "functions";

impl Control {
    pub(super) async fn on_demand_spec(
        &self,
        state: &AppState,
        record: &AppRecord,
        instance: &Instance,
        (configuration, config): (&Configuration, &ComponentConfig),
        name: &RunName,
    ) -> Result<LaunchSpec, Error> {
        let node = self.runtimes().program(NODE).ok_or_else(|| {
            Error::Conflict("functions need Node, which this machine doesn't have".to_owned())
        })?;
        let artifact = self.artifact(artifact_of(configuration, &instance.component)?)?;
        let run = name.to_string();
        self.note_revision(&record.id, &run, &instance.revision)
            .await?;
        let port = self.port_of(&record.id, &run).await?;
        let directories = self
            .lay_out(&record.id, &artifact, self.run_dir(&run))
            .await?;
        let launcher = write_launcher(&directories.work).map_err(Error::internal)?;
        let variables = self.reveal(&configuration.env_of(&instance.component))?;
        let process = ProcessSpec {
            name: instance.component.as_str().to_owned(),
            command: Command::Argv(vec![
                node.display().to_string(),
                launcher.display().to_string(),
            ]),
            env: self.functions_environment(variables, &directories, port),
            working_dir: "app".into(),
            memory_mb: None,
        };
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
        let mut spec = self.spec(common, vec![process])?;
        spec.port = Some(port);
        spec.health = health(&config.health);
        spec.readiness = readiness(&config.readiness);
        Ok(spec)
    }

    /// The user's variables, and what the launcher needs. It keeps its own from the functions.
    fn functions_environment(
        &self,
        variables: BTreeMap<String, String>,
        directories: &WorkDirectories,
        port: u16,
    ) -> BTreeMap<String, String> {
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), self.runtimes().path()),
            ("LANG".to_owned(), super::environment::LANG.to_owned()),
        ]);
        env.extend(variables);
        let functions = directories.app.join(FUNCTIONS);
        let own = [
            ("HOME", directories.app.display().to_string()),
            ("TMPDIR", directories.tmp.display().to_string()),
            ("PORT", port.to_string()),
            (
                "WINDLASS_HOST",
                self.settings().instance_address.to_string(),
            ),
            ("WINDLASS_FUNCTIONS", functions.display().to_string()),
            // Relative to the working directory: the path of a socket must be short.
            ("WINDLASS_SOCKETS", "../tmp".to_owned()),
        ];
        env.extend(own.map(|(name, value)| (name.to_owned(), value)));
        env
    }
}
