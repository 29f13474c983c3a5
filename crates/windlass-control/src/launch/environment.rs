//! What an application sees in its environment.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windlass_engine::id::{AppId, BindingId, ComponentName, SecretRef};
use windlass_engine::records::{AppRecord, Organization, Route, SecretValue, Space};
use windlass_store::{Column, Filter};

use super::database_url;
use crate::control::Control;
use crate::error::Error;
use crate::guid;
use crate::staging::{WorkDirectories, launch_environment};

/// Open files that an application is told it may have.
const FILE_DESCRIPTORS: u32 = 16_384;
/// Variable that names this program, which serves static files inside of runs.
const PROGRAM: &str = "WINDLASS_PROGRAM";
/// Text encoding of applications.
pub(super) const LANG: &str = "en_US.UTF-8";
/// Name of the user inside, as applications expect it.
const USER: &str = "vcap";

/// What differs from run to run.
pub(crate) struct Run<'a> {
    /// Memory, MiB.
    pub(crate) memory_mb: u64,
    /// What of it sidecars keep for themselves, MiB.
    pub(crate) sidecar_memory_mb: u64,
    /// Disk, MiB.
    pub(crate) disk_mb: u64,
    /// Port, index and guid of an instance; tasks and builds have none.
    pub(crate) instance: Option<InstanceFacts<'a>>,
}

/// Facts that only instances have.
pub(crate) struct InstanceFacts<'a> {
    /// Port to listen on.
    pub(crate) port: u16,
    /// Index.
    pub(crate) index: u32,
    /// Guid of this start.
    pub(crate) guid: String,
    /// Process type.
    pub(crate) component: &'a str,
    /// Id of the version.
    pub(crate) version: &'a str,
}

impl Control {
    /// The whole environment of a run: the user's variables first, the platform's win.
    pub(crate) fn environment(
        &self,
        record: &AppRecord,
        variables: &BTreeMap<String, SecretRef>,
        bindings: &BTreeMap<BindingId, SecretRef>,
        directories: &WorkDirectories,
        run: &Run<'_>,
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), self.runtimes().path()),
            ("LANG".to_owned(), LANG.to_owned()),
            ("USER".to_owned(), USER.to_owned()),
        ]);
        env.extend(self.reveal(variables)?);
        env.extend(launch_environment(directories));
        let own_memory_mb = run.memory_mb.saturating_sub(run.sidecar_memory_mb);
        env.insert("MEMORY_LIMIT".to_owned(), format!("{own_memory_mb}m"));
        let program = windlass_runtime::program_path().map_err(Error::internal)?;
        env.insert(PROGRAM.to_owned(), program.display().to_string());
        let application = self.vcap_application(record, run)?;
        env.insert("VCAP_APPLICATION".to_owned(), application.to_string());
        let services = self.vcap_services(bindings)?;
        if let Some(url) = database_url::of(&services) {
            env.insert("DATABASE_URL".to_owned(), url);
        }
        env.insert("VCAP_SERVICES".to_owned(), services.to_string());
        let address = self.settings().instance_address.to_string();
        env.insert("CF_INSTANCE_IP".to_owned(), address.clone());
        env.insert("CF_INSTANCE_INTERNAL_IP".to_owned(), address.clone());
        if let Some(instance) = &run.instance {
            env.extend(instance_facts(&address, instance));
        }
        Ok(env)
    }

    /// The plain values of secrets.
    pub(crate) fn reveal(
        &self,
        secrets: &BTreeMap<String, SecretRef>,
    ) -> Result<BTreeMap<String, String>, Error> {
        secrets
            .iter()
            .map(|(name, reference)| Ok((name.clone(), self.reveal_one(reference)?)))
            .collect()
    }

    /// The plain value of one secret.
    pub(crate) fn reveal_one(&self, reference: &SecretRef) -> Result<String, Error> {
        let value: SecretValue = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.get::<SecretValue>(reference)?))?
            .ok_or_else(|| Error::internal("a secret value is missing"))?;
        self.secrets()
            .decrypt_text(&value.ciphertext)
            .map_err(Error::internal)
    }

    /// `VCAP_APPLICATION`, without what only a run has when there is none.
    pub(crate) fn vcap_application(
        &self,
        record: &AppRecord,
        run: &Run<'_>,
    ) -> Result<Value, Error> {
        let (space, organization): (Option<Space>, Option<Organization>) =
            self.store().read(|reader| {
                Ok::<_, Error>((
                    reader.get(&record.space)?,
                    reader.get(&record.organization)?,
                ))
            })?;
        let uris = self.uris_of(&record.id)?;
        let mut application = json!({
            "cf_api": self.settings().cf_api_url,
            "limits": {"fds": FILE_DESCRIPTORS, "mem": run.memory_mb, "disk": run.disk_mb},
            "application_name": record.name,
            "application_uris": uris,
            "name": record.name,
            "space_name": space.map(|space| space.name),
            "space_id": record.space,
            "organization_id": record.organization,
            "organization_name": organization.map(|organization| organization.name),
            "uris": uris,
            "application_id": record.id,
        });
        if let (Some(instance), Some(object)) = (&run.instance, application.as_object_mut()) {
            object.insert(
                "process_id".to_owned(),
                json!(guid::process(
                    &record.id,
                    &ComponentName::from(instance.component)
                )),
            );
            object.insert("process_type".to_owned(), json!(instance.component));
            object.insert("version".to_owned(), json!(instance.version));
            object.insert("application_version".to_owned(), json!(instance.version));
            object.insert("host".to_owned(), json!("0.0.0.0"));
            object.insert("port".to_owned(), json!(instance.port));
            object.insert("instance_id".to_owned(), json!(instance.guid));
            object.insert("instance_index".to_owned(), json!(instance.index));
        }
        Ok(application)
    }

    /// Hosts and paths that lead to an app.
    pub(crate) fn uris_of(&self, app: &AppId) -> Result<Vec<String>, Error> {
        let routes: Vec<Route> = self.store().read(|reader| {
            Ok::<_, Error>(reader.all::<Route>(vec![Filter::is(Column::App, app.as_str())])?)
        })?;
        Ok(routes
            .iter()
            .map(|route| format!("{}{}", route.full_host, route.path))
            .collect())
    }

    /// `VCAP_SERVICES`: the bound services with their credentials. The value of a binding is its
    /// whole entry.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn vcap_services(&self, bindings: &BTreeMap<BindingId, SecretRef>) -> Result<Value, Error> {
        let mut provided = Vec::new();
        for reference in bindings.values() {
            let entry = self.reveal_one(reference)?;
            provided.push(serde_json::from_str::<Value>(&entry).map_err(Error::internal)?);
        }
        Ok(if provided.is_empty() {
            json!({})
        } else {
            json!({"user-provided": provided})
        })
    }
}

fn instance_facts(address: &str, instance: &InstanceFacts<'_>) -> Vec<(String, String)> {
    let port = instance.port.to_string();
    let ports = json!([{"external": instance.port, "internal": instance.port}]).to_string();
    [
        ("PORT", port.clone()),
        ("VCAP_APP_PORT", port.clone()),
        ("VCAP_APP_HOST", "0.0.0.0".to_owned()),
        ("CF_INSTANCE_PORT", port),
        ("CF_INSTANCE_ADDR", format!("{address}:{}", instance.port)),
        ("CF_INSTANCE_PORTS", ports.clone()),
        ("PORTS", ports),
        ("CF_INSTANCE_INDEX", instance.index.to_string()),
        ("INSTANCE_INDEX", instance.index.to_string()),
        ("CF_INSTANCE_GUID", instance.guid.clone()),
        ("INSTANCE_GUID", instance.guid.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
