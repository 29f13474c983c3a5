//! `.vc-config.json`: what a function is and how it is run.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::OutputError;

/// Largest file, in bytes.
const CONFIG_BYTES: usize = 4 * 1024 * 1024;
/// Seconds that a function may take when it names none.
const DEFAULT_DURATION_SECS: u32 = 300;
/// Most seconds that a function may take.
const LONGEST_DURATION_SECS: u32 = 900;

/// A function in Node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Module that handles requests, below the function's folder.
    pub handler: String,
    /// The runtime as it is named, `nodejs22.x` for example.
    pub runtime: String,
    /// How the module is called.
    pub launcher: Launcher,
    /// Seconds that one request may take.
    pub max_duration_secs: u32,
    /// Memory in MB, where it says some.
    pub memory_mb: Option<u32>,
    /// Environment of its own.
    pub environment: BTreeMap<String, String>,
    /// Responses are passed on while they are written.
    pub streams_response: bool,
    /// Files that it needs from elsewhere in the deployment: path below the
    /// function's folder → path below the project.
    pub file_paths: BTreeMap<String, String>,
}

/// How the module of a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launcher {
    /// Requests and responses get helpers (`req.query`, `res.json` …).
    pub adds_helpers: bool,
    /// Stack traces follow source maps.
    pub adds_sourcemap_support: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFunction {
    runtime: Option<String>,
    handler: Option<String>,
    launcher_type: Option<String>,
    #[serde(default)]
    should_add_helpers: bool,
    #[serde(default)]
    should_add_sourcemap_support: bool,
    aws_lambda_handler: Option<String>,
    memory: Option<u32>,
    max_duration: Option<Value>,
    #[serde(default)]
    environment: Option<BTreeMap<String, String>>,
    supports_response_streaming: Option<bool>,
    experimental_response_streaming: Option<bool>,
    #[serde(default)]
    file_path_map: Option<BTreeMap<String, String>>,
    experimental_triggers: Option<Vec<Value>>,
}

impl Function {
    /// Reads the `.vc-config.json` named `file`.
    ///
    /// # Errors
    /// When it is not what it must be, or not a Node function with a launcher.
    pub fn parse(file: &str, text: &[u8]) -> Result<Self, OutputError> {
        if text.len() > CONFIG_BYTES {
            let message = format!("the file has more than {CONFIG_BYTES} bytes");
            return Err(OutputError::invalid(file, message));
        }
        let raw: RawFunction = serde_json::from_slice(text)
            .map_err(|error| OutputError::invalid(file, error.to_string()))?;
        let refused =
            |what: &str| OutputError::not_supported(file, format!("{what} not served here"));
        let runtime = raw
            .runtime
            .ok_or_else(|| OutputError::invalid(file, "`runtime` is missing"))?;
        if runtime == "edge" {
            return Err(refused("edge functions are"));
        }
        if !runtime.starts_with("nodejs") {
            return Err(refused(&format!("the runtime `{runtime}` is")));
        }
        if raw.launcher_type.as_deref() != Some("Nodejs") {
            return Err(refused("functions without `launcherType: \"Nodejs\"` are"));
        }
        if raw
            .aws_lambda_handler
            .is_some_and(|handler| !handler.is_empty())
        {
            return Err(refused("functions with `awsLambdaHandler` are"));
        }
        if raw
            .experimental_triggers
            .is_some_and(|triggers| !triggers.is_empty())
        {
            return Err(refused("functions with `experimentalTriggers` are"));
        }
        let handler = raw
            .handler
            .ok_or_else(|| OutputError::invalid(file, "`handler` is missing"))?;
        if !is_below(&handler) {
            return Err(OutputError::invalid(
                file,
                "`handler` must lie below the function's folder",
            ));
        }
        let file_paths = raw.file_path_map.unwrap_or_default();
        if !file_paths
            .iter()
            .all(|(to, from)| is_below(to) && is_below(from))
        {
            return Err(OutputError::invalid(
                file,
                "`filePathMap` must lie below the function's folder and the project",
            ));
        }
        Ok(Self {
            handler,
            runtime,
            launcher: Launcher {
                adds_helpers: raw.should_add_helpers,
                adds_sourcemap_support: raw.should_add_sourcemap_support,
            },
            max_duration_secs: duration(file, raw.max_duration.as_ref())?,
            memory_mb: raw.memory,
            environment: raw.environment.unwrap_or_default(),
            streams_response: raw
                .supports_response_streaming
                .or(raw.experimental_response_streaming)
                .unwrap_or(false),
            file_paths,
        })
    }
}

fn duration(file: &str, value: Option<&Value>) -> Result<u32, OutputError> {
    let secs = match value {
        None | Some(Value::Null) => return Ok(DEFAULT_DURATION_SECS),
        Some(Value::String(text)) if text == "max" => return Ok(LONGEST_DURATION_SECS),
        Some(value) => value.as_u64(),
    };
    secs.filter(|secs| (1..=u64::from(LONGEST_DURATION_SECS)).contains(secs))
        .and_then(|secs| u32::try_from(secs).ok())
        .ok_or_else(|| {
            let message = format!("`maxDuration` must be 1 to {LONGEST_DURATION_SECS}, or `max`");
            OutputError::invalid(file, message)
        })
}

/// Whether a path stays below where it begins.
pub(crate) fn is_below(path: &str) -> bool {
    !path.is_empty()
        && !path.starts_with('/')
        && !path.contains(['\0', '\\'])
        && !path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Problem;

    const FILE: &str = "functions/api.func/.vc-config.json";

    fn parse(text: &str) -> Result<Function, OutputError> {
        Function::parse(FILE, text.as_bytes())
    }

    #[test]
    fn a_node_function_is_read_with_its_defaults() {
        let function = parse(
            r#"{"runtime":"nodejs22.x","handler":"api/index.js","launcherType":"Nodejs",
                "shouldAddHelpers":true,"maxDuration":10,"memory":512,
                "experimentalResponseStreaming":true,"environment":{"A":"b"},
                "filePathMap":{"node_modules/x.js":"node_modules/x.js"},"regions":["iad1"]}"#,
        )
        .unwrap();
        assert_eq!(function.handler, "api/index.js");
        assert!(function.launcher.adds_helpers && !function.launcher.adds_sourcemap_support);
        assert!(function.streams_response);
        assert_eq!(
            (function.max_duration_secs, function.memory_mb),
            (10, Some(512))
        );
        assert_eq!(function.environment["A"], "b");
        let least = parse(
            r#"{"runtime":"nodejs20.x","handler":"i.js","launcherType":"Nodejs","maxDuration":"max"}"#,
        );
        assert_eq!(least.unwrap().max_duration_secs, LONGEST_DURATION_SECS);
    }

    #[test]
    fn other_functions_are_refused_with_their_file() {
        for (text, problem, says) in [
            (
                r#"{"runtime":"edge","entrypoint":"x.js"}"#,
                Problem::NotSupported,
                "edge",
            ),
            (
                r#"{"runtime":"python3.12","handler":"x"}"#,
                Problem::NotSupported,
                "python3.12",
            ),
            (
                r#"{"runtime":"nodejs22.x","handler":"x"}"#,
                Problem::NotSupported,
                "launcherType",
            ),
            (r#"{"handler":"x"}"#, Problem::Invalid, "runtime"),
            (
                r#"{"runtime":"nodejs22.x","launcherType":"Nodejs"}"#,
                Problem::Invalid,
                "handler",
            ),
            (
                r#"{"runtime":"nodejs22.x","launcherType":"Nodejs","handler":"../x"}"#,
                Problem::Invalid,
                "below",
            ),
            (
                r#"{"runtime":"nodejs22.x","launcherType":"Nodejs","handler":"x","maxDuration":0}"#,
                Problem::Invalid,
                "maxDuration",
            ),
            (
                r#"{"runtime":"nodejs22.x","launcherType":"Nodejs","handler":"x",
                    "filePathMap":{"a":"../../etc/passwd"}}"#,
                Problem::Invalid,
                "filePathMap",
            ),
            (
                r#"{"runtime":"nodejs22.x","launcherType":"Nodejs","handler":"x","awsLambdaHandler":"h"}"#,
                Problem::NotSupported,
                "awsLambdaHandler",
            ),
            ("[", Problem::Invalid, "EOF"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                (error.problem, error.file.as_str()),
                (problem, FILE),
                "{text}"
            );
            assert!(error.message.contains(says), "{text}: {error}");
        }
    }
}
