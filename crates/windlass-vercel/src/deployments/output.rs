//! What a deployment that is ready consists of: its routes, functions, flags and files.

use serde_json::{Value, json};
use windlass_control::built_sites::{BuiltFunction, BuiltSite};
use windlass_engine::records::{BuildRecord, BuildRecordState};

use super::find::Found;
use crate::error::ApiResult;
use crate::server::{REGION, VercelState};

/// Memory of a function that does not say how much it has, MiB; the longest answer of one that does
/// not say how long it may take, seconds.
const MEMORY_MB: u64 = 1_024;
const DURATION_SECS: u64 = 300;

/// The site of a deployment; `None` = it is not there (yet, or any more).
pub(super) async fn site(
    state: &VercelState,
    found: &Found,
    with_files: bool,
) -> ApiResult<Option<BuiltSite>> {
    match &found.record.state {
        BuildRecordState::Staged { artifact } => {
            Ok(state.control.built_site(artifact, with_files).await?)
        }
        BuildRecordState::Staging
        | BuildRecordState::Failed { .. }
        | BuildRecordState::Skipped { .. }
        | BuildRecordState::Canceled => Ok(None),
    }
}

/// Id of the one build that a deployment has.
pub(super) fn build_id(record: &BuildRecord) -> String {
    format!("bld_{}", record.id.as_str().trim_start_matches("dpl_"))
}

/// Members of a deployment that its site knows.
pub(super) fn members(record: &BuildRecord, site: &BuiltSite) -> Vec<(&'static str, Value)> {
    let mut members = vec![("lambdas", lambdas(record, &site.functions))];
    if let Some(routes) = site.config.get("routes").filter(|routes| routes.is_array()) {
        members.push(("routes", routes.clone()));
    }
    let flags = site.flags.as_ref();
    if let Some(flags) = flags.filter(|flags| flags["definitions"].is_object()) {
        members.push(("flags", json!({"definitions": flags["definitions"]})));
    }
    members
}

fn lambdas(record: &BuildRecord, functions: &[BuiltFunction]) -> Value {
    if functions.is_empty() {
        return json!([]);
    }
    let output: Vec<Value> = functions
        .iter()
        .map(|function| json!({"path": function.name, "functionName": function.name}))
        .collect();
    json!([{
        "id": build_id(record),
        "createdAt": record.stamps.created_at.0,
        "entrypoint": ".",
        "readyState": "READY",
        "readyStateAt": record.stamps.updated_at.0,
        "output": output,
    }])
}

/// The output of its build: functions first.
pub(super) fn output(site: &BuiltSite) -> Vec<Value> {
    let functions = site.functions.iter().map(|function| {
        let number = |name: &str, usual| function.config[name].as_u64().unwrap_or(usual);
        json!({
            "type": "lambda",
            "path": function.name,
            "lambda": {
                "functionName": function.name,
                "deployedTo": [REGION],
                "memorySize": number("memory", MEMORY_MB),
                "timeout": number("maxDuration", DURATION_SECS),
            },
        })
    });
    let files = site.files.iter().map(|file| {
        json!({
            "type": "file",
            "path": file.path,
            "size": file.size_bytes,
            "mode": file.mode,
        })
    });
    functions.chain(files).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_come_first_with_what_they_may_use() {
        let site = BuiltSite {
            functions: vec![
                BuiltFunction {
                    name: "api/a".to_owned(),
                    config: json!({"memory": 128, "maxDuration": 5}),
                },
                BuiltFunction {
                    name: "api/b".to_owned(),
                    config: Value::Null,
                },
            ],
            files: vec![windlass_control::built_sites::BuiltFile {
                path: "index.html".to_owned(),
                size_bytes: 5,
                mode: 0o100_644,
            }],
            ..BuiltSite::default()
        };
        let output = output(&site);
        assert_eq!(output[0]["lambda"]["memorySize"], 128);
        assert_eq!(output[0]["lambda"]["timeout"], 5);
        assert_eq!(output[1]["lambda"]["memorySize"], MEMORY_MB);
        assert_eq!(output[2]["type"], "file");
        assert_eq!(output[2]["size"], 5);
    }
}
