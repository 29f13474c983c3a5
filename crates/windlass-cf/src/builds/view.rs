//! A build as the wire has it.

use serde_json::{Value, json};
use windlass_engine::records::{BuildRecord, BuildRecordState};

use crate::apps::lifecycle::STACK;
use crate::links::Urls;
use crate::metadata;
use crate::time::rfc3339;

/// Error of a build that was canceled. The wire has no state of its own for it.
const CANCELED: &str = "StagingError - Staging was canceled";

/// Who asked for a build, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Creator {
    /// Guid of the user.
    pub(crate) guid: Option<String>,
    /// Name.
    pub(crate) name: Option<String>,
}

/// The words of a state.
pub(crate) fn state_word(state: &BuildRecordState) -> &'static str {
    match state {
        BuildRecordState::Staging => "STAGING",
        BuildRecordState::Staged { .. } => "STAGED",
        BuildRecordState::Failed { .. }
        | BuildRecordState::Skipped { .. }
        | BuildRecordState::Canceled => "FAILED",
    }
}

/// A client shows the log of a build up to two seconds before its end, which is where a buildpack
/// says what is wrong.
fn with_hint(error: &str) -> String {
    if error.starts_with("BuildpackCompileFailed") {
        format!("{error}; the log of the app has what it printed")
    } else {
        error.to_owned()
    }
}

/// The whole object.
pub(crate) fn build(urls: &Urls, build: &BuildRecord, creator: &Creator) -> Value {
    let own = format!("/v3/builds/{}", build.id);
    let (error, droplet) = match &build.state {
        BuildRecordState::Staging => (None, None),
        BuildRecordState::Staged { artifact } => (None, Some(artifact)),
        BuildRecordState::Failed { error } => (Some(with_hint(error)), None),
        BuildRecordState::Skipped { reason } => (Some(reason.clone()), None),
        BuildRecordState::Canceled => (Some(CANCELED.to_owned()), None),
    };
    let mut links = json!({
        "self": urls.href(&own),
        "app": urls.href(&format!("/v3/apps/{}", build.app)),
    });
    if let Some(droplet) = droplet {
        links["droplet"] = urls.href(&format!("/v3/droplets/{droplet}"));
    }
    json!({
        "guid": build.id,
        "created_at": rfc3339(build.stamps.created_at),
        "updated_at": rfc3339(build.stamps.updated_at),
        "state": state_word(&build.state),
        "staging_memory_in_mb": build.memory_mb,
        "staging_disk_in_mb": build.disk_mb,
        "staging_log_rate_limit_bytes_per_second": -1,
        "error": error,
        "lifecycle": {
            "type": "buildpack",
            "data": {"buildpacks": build.buildpacks, "stack": STACK},
        },
        "package": {"guid": build.package},
        "droplet": droplet.map(|droplet| json!({"guid": droplet})),
        "created_by": {"guid": creator.guid, "name": creator.name, "email": creator.name},
        "relationships": {"app": {"data": {"guid": build.app}}},
        "metadata": metadata::to_wire(&build.metadata),
        "links": links,
    })
}

#[cfg(test)]
mod tests {
    use windlass_engine::id::{AppId, ArtifactId, BuildId, PackageId};
    use windlass_engine::records::{BuildSettings, Metadata, Stamps};

    use super::*;

    fn show(state: BuildRecordState) -> Value {
        let record = BuildRecord {
            id: BuildId::from("b"),
            app: AppId::from("a"),
            package: Some(PackageId::from("p")),
            git: None,
            component: None,
            settings: BuildSettings::default(),
            state,
            memory_mb: 1024,
            disk_mb: 4096,
            buildpacks: Vec::new(),
            created_by: None,
            detail: None,
            hosts: Vec::new(),
            canceled: None,
            began_at: None,
            withdrawn: false,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        };
        build(&Urls::new("https://api"), &record, &Creator::default())
    }

    #[test]
    fn state_words_with_error_and_droplet() {
        let states = [
            BuildRecordState::Staging,
            BuildRecordState::Staged {
                artifact: ArtifactId::from("d"),
            },
            BuildRecordState::Failed {
                error: "NoAppDetectedError - none".to_owned(),
            },
            BuildRecordState::Failed {
                error: "BuildpackCompileFailed - npm ended".to_owned(),
            },
            BuildRecordState::Canceled,
        ];
        let table: Vec<String> = states
            .into_iter()
            .map(|state| {
                let shown = show(state);
                format!("{} {} {}", shown["state"], shown["error"], shown["droplet"])
            })
            .collect();
        assert_eq!(
            table,
            [
                "\"STAGING\" null null",
                "\"STAGED\" null {\"guid\":\"d\"}",
                "\"FAILED\" \"NoAppDetectedError - none\" null",
                "\"FAILED\" \"BuildpackCompileFailed - npm ended; the log of the app has what it \
                 printed\" null",
                "\"FAILED\" \"StagingError - Staging was canceled\" null",
            ]
        );
    }

    #[test]
    fn only_a_staged_build_links_its_droplet() {
        assert_eq!(
            show(BuildRecordState::Staging)["links"].get("droplet"),
            None
        );
        let staged = show(BuildRecordState::Staged {
            artifact: ArtifactId::from("d"),
        });
        assert_eq!(
            staged["links"]["droplet"]["href"],
            "https://api/v3/droplets/d"
        );
    }
}
