//! A droplet as the wire has it.

use serde_json::{Value, json};
use windlass_engine::records::{Artifact, ArtifactState};

use crate::apps::lifecycle::STACK;
use crate::links::Urls;
use crate::time::rfc3339;
use crate::{buildpacks, metadata};

/// What stands where the caller may not see commands.
const REDACTED: &str = "[PRIVATE DATA HIDDEN]";

/// The word of a state.
pub(crate) fn state_word(state: &ArtifactState) -> &'static str {
    match state {
        ArtifactState::AwaitingUpload => "AWAITING_UPLOAD",
        ArtifactState::Staged => "STAGED",
        ArtifactState::Failed { .. } => "FAILED",
        ArtifactState::Expired => "EXPIRED",
    }
}

/// The whole object. Lists and callers who may not see secrets get no commands.
pub(crate) fn droplet(urls: &Urls, droplet: &Artifact, shows_secrets: bool) -> Value {
    let error = match &droplet.state {
        ArtifactState::Failed { error } => json!(error),
        ArtifactState::AwaitingUpload | ArtifactState::Staged | ArtifactState::Expired => {
            Value::Null
        }
    };
    let (metadata_text, process_types) = if shows_secrets {
        (
            json!(droplet.execution_metadata),
            json!(droplet.process_types),
        )
    } else {
        (json!(REDACTED), json!({"redacted_message": REDACTED}))
    };
    json!({
        "guid": droplet.id,
        "created_at": rfc3339(droplet.stamps.created_at),
        "updated_at": rfc3339(droplet.stamps.updated_at),
        "state": state_word(&droplet.state),
        "error": error,
        "lifecycle": {"type": "buildpack", "data": {}},
        "checksum": droplet.blob.as_ref().map(|sha| json!({"type": "sha256", "value": sha})),
        "buildpacks": buildpacks::used(&droplet.buildpacks),
        "stack": droplet.stack.as_deref().unwrap_or(STACK),
        "image": null,
        "execution_metadata": metadata_text,
        "process_types": process_types,
        "relationships": {"app": {"data": {"guid": droplet.app}}},
        "metadata": metadata::to_wire(&droplet.metadata),
        "links": links(urls, droplet),
    })
}

fn links(urls: &Urls, droplet: &Artifact) -> Value {
    let own = format!("/v3/droplets/{}", droplet.id);
    let app = format!("/v3/apps/{}", droplet.app);
    let mut links = json!({
        "self": urls.href(&own),
        "app": urls.href(&app),
        "assign_current_droplet":
            urls.action(&format!("{app}/relationships/current_droplet"), "PATCH"),
    });
    if let Some(package) = &droplet.package {
        links["package"] = urls.href(&format!("/v3/packages/{package}"));
    }
    match &droplet.state {
        ArtifactState::AwaitingUpload => {
            links["upload"] = urls.action(&format!("{own}/upload"), "POST");
        }
        ArtifactState::Staged => links["download"] = urls.href(&format!("{own}/download")),
        ArtifactState::Failed { .. } | ArtifactState::Expired => {}
    }
    links
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use windlass_engine::id::{AppId, ArtifactId, PackageId};
    use windlass_engine::records::{Metadata, Stamps};

    use super::*;

    fn show(state: ArtifactState, shows_secrets: bool) -> Value {
        let artifact = Artifact {
            id: ArtifactId::from("d"),
            app: AppId::from("a"),
            package: Some(PackageId::from("p")),
            build: None,
            state,
            blob: Some("00ff".to_owned()),
            size_bytes: 5,
            process_types: BTreeMap::from([("web".to_owned(), "./run".to_owned())]),
            buildpacks: vec![json!({"name": "node", "buildpack_name": "node"})],
            stack: None,
            execution_metadata: String::new(),
            commit: None,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        };
        droplet(&Urls::new("https://api"), &artifact, shows_secrets)
    }

    #[test]
    fn state_words_and_links() {
        let states = [
            ArtifactState::AwaitingUpload,
            ArtifactState::Staged,
            ArtifactState::Failed {
                error: "x".to_owned(),
            },
            ArtifactState::Expired,
        ];
        let table: Vec<String> = states
            .into_iter()
            .map(|state| {
                let shown = show(state, true);
                let has = |link: &str| shown["links"].get(link).is_some();
                format!("{} {} {}", shown["state"], has("upload"), has("download"))
            })
            .collect();
        assert_eq!(
            table,
            [
                "\"AWAITING_UPLOAD\" true false",
                "\"STAGED\" false true",
                "\"FAILED\" false false",
                "\"EXPIRED\" false false"
            ]
        );
    }

    #[test]
    fn buildpacks_have_the_names_of_their_list() {
        let used = &show(ArtifactState::Staged, true)["buildpacks"][0];
        assert_eq!(used["name"], "nodejs_buildpack");
        assert_eq!(used["buildpack_name"], "node");
    }

    #[test]
    fn commands_are_secrets() {
        let open = show(ArtifactState::Staged, true);
        assert_eq!(open["process_types"], json!({"web": "./run"}));
        let closed = show(ArtifactState::Staged, false);
        assert_eq!(
            closed["process_types"],
            json!({"redacted_message": REDACTED})
        );
        assert_eq!(open["checksum"], json!({"type": "sha256", "value": "00ff"}));
    }
}
