//! A numbered revision as the wire has it.

use serde_json::{Map, Value, json};
use windlass_engine::records::NumberedRevision;

use crate::links::Urls;
use crate::metadata;
use crate::time::rfc3339;

/// The whole object. `is_deployable` says whether its droplet is still there and staged.
pub(crate) fn revision(urls: &Urls, revision: &NumberedRevision, is_deployable: bool) -> Value {
    let own = format!("/v3/revisions/{}", revision.id);
    let processes: Map<String, Value> = revision
        .processes
        .iter()
        .map(|(kind, process)| (kind.to_string(), json!({"command": process.command})))
        .collect();
    json!({
        "guid": revision.id,
        "version": revision.number,
        "droplet": {"guid": revision.artifact},
        "processes": processes,
        "sidecars": revision.sidecars.iter().map(sidecar).collect::<Vec<Value>>(),
        "description": revision.description,
        "relationships": {"app": {"data": {"guid": revision.app}}},
        "created_at": rfc3339(revision.stamps.created_at),
        "updated_at": rfc3339(revision.stamps.updated_at),
        "links": {
            "self": urls.href(&own),
            "app": urls.href(&format!("/v3/apps/{}", revision.app)),
            "environment_variables": urls.href(&format!("{own}/environment_variables")),
        },
        "metadata": metadata::to_wire(&revision.metadata),
        "deployable": is_deployable,
    })
}

/// A sidecar of a revision: the engine's form with its name, in the words of the wire.
fn sidecar(stored: &Value) -> Value {
    json!({
        "name": stored.get("name"),
        "command": stored.get("command"),
        "memory_in_mb": stored.get("memory_mb"),
        "process_types": stored.get("components"),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use windlass_engine::id::{AppId, ArtifactId, ComponentName, NumberedRevisionId};
    use windlass_engine::records::{Metadata, NumberedProcess, Stamps};

    use super::*;

    #[test]
    fn a_whole_revision() {
        let stored = NumberedRevision {
            id: NumberedRevisionId::from("n"),
            app: AppId::from("a"),
            number: 2,
            artifact: Some(ArtifactId::from("d")),
            processes: BTreeMap::from([
                (ComponentName::from("web"), NumberedProcess::default()),
                (
                    ComponentName::from("worker"),
                    NumberedProcess {
                        command: Some("./work".to_owned()),
                    },
                ),
            ]),
            sidecars: vec![json!({
                "name": "proxy", "command": "./proxy", "components": ["web"], "memory_mb": 16,
                "from_user": true
            })],
            env: BTreeMap::new(),
            description: "New droplet deployed.".to_owned(),
            release: None,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        };
        assert_eq!(
            revision(&Urls::new("https://api"), &stored, true),
            json!({
                "guid": "n",
                "version": 2,
                "droplet": {"guid": "d"},
                "processes": {"web": {"command": null}, "worker": {"command": "./work"}},
                "sidecars": [{
                    "name": "proxy", "command": "./proxy", "memory_in_mb": 16,
                    "process_types": ["web"]
                }],
                "description": "New droplet deployed.",
                "relationships": {"app": {"data": {"guid": "a"}}},
                "created_at": "1970-01-01T00:00:00Z",
                "updated_at": "1970-01-01T00:00:00Z",
                "links": {
                    "self": {"href": "https://api/v3/revisions/n"},
                    "app": {"href": "https://api/v3/apps/a"},
                    "environment_variables": {
                        "href": "https://api/v3/revisions/n/environment_variables"
                    }
                },
                "metadata": {"labels": {}, "annotations": {}},
                "deployable": true
            })
        );
    }
}
