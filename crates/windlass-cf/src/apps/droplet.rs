//! What assigning a droplet means for an app's configuration.

use windlass_engine::configuration::{ComponentConfig, ComponentRole, Configuration, Edit};
use windlass_engine::id::{AppId, ArtifactId, ComponentName};
use windlass_engine::records::{Artifact, ArtifactState};

use crate::error::{ApiError, ApiResult};
use crate::guid::WEB;
use crate::server::CfState;

/// The droplet, if it belongs to the app and can run.
///
/// # Errors
/// 422 in Cloud Foundry's words.
pub(crate) fn assignable(cf: &CfState, app: &AppId, guid: &str) -> ApiResult<Artifact> {
    let droplet = cf.control.find_artifact(&ArtifactId::from(guid))?;
    let Some(droplet) = droplet.filter(|droplet| droplet.app == *app) else {
        return Err(ApiError::unprocessable(
            "Unable to assign current droplet. Ensure the droplet exists and belongs to this app.",
        ));
    };
    if droplet.state != ArtifactState::Staged {
        return Err(ApiError::unprocessable("droplet must be in staged state"));
    }
    if droplet.process_types.is_empty() {
        return Err(ApiError::unprocessable(
            "Unable to create process types for this app's droplet. Please provide a droplet with \
             valid process types.",
        ));
    }
    Ok(droplet)
}

/// Writes that make a droplet the current one: new process types of it are added, all others stay.
pub(crate) fn edits(configuration: &Configuration, droplet: &Artifact) -> Vec<Edit> {
    let mut edits = vec![Edit::Artifact(Some(droplet.id.clone()))];
    edits.extend(new_types(configuration, droplet).map(|name| {
        let config = ComponentConfig::new(role(&name));
        Edit::AddComponent(name, config)
    }));
    edits
}

/// Process types of a droplet that an app does not have yet.
pub(crate) fn new_types<'a>(
    configuration: &'a Configuration,
    droplet: &'a Artifact,
) -> impl Iterator<Item = ComponentName> + 'a {
    droplet
        .process_types
        .keys()
        .map(|kind| ComponentName::new(kind.as_str()))
        .filter(|name| !configuration.components.contains_key(name))
}

/// Part that a process type plays: web has traffic, all others do not.
pub(crate) fn role(name: &ComponentName) -> ComponentRole {
    if name.as_str() == WEB {
        ComponentRole::Routed
    } else {
        ComponentRole::Worker
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use windlass_engine::records::{Metadata, Stamps};

    use super::*;

    #[test]
    fn only_new_process_types_are_added() {
        let mut configuration = Configuration::default();
        let old = ComponentConfig {
            memory_mb: 7,
            ..ComponentConfig::new(ComponentRole::Routed)
        };
        configuration
            .components
            .insert(ComponentName::from(WEB), old);
        let droplet = Artifact {
            id: ArtifactId::from("d"),
            app: AppId::from("a"),
            package: None,
            build: None,
            state: ArtifactState::Staged,
            blob: None,
            size_bytes: 0,
            process_types: BTreeMap::from([
                ("web".to_owned(), "./web".to_owned()),
                ("worker".to_owned(), "./work".to_owned()),
            ]),
            buildpacks: Vec::new(),
            stack: None,
            execution_metadata: String::new(),
            commit: None,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        };
        for edit in edits(&configuration, &droplet) {
            configuration.apply(&edit);
        }
        assert_eq!(configuration.artifact, Some(ArtifactId::from("d")));
        assert_eq!(configuration.components["web"].memory_mb, 7);
        assert_eq!(
            configuration.components["worker"].role,
            ComponentRole::Worker
        );
    }
}
