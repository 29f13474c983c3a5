//! Settings of a project from the body of a request.

use serde_json::{Map, Value};

use crate::body;
use crate::document::Settings;
use crate::error::{ApiError, ApiResult};

/// Longest command or directory, bytes.
const MAX_TEXT_BYTES: usize = 1_024;
/// Longest name of a project, characters.
const MAX_NAME_CHARS: usize = 100;
/// Versions of Node that may be wished for.
const NODE_VERSIONS: [&str; 6] = ["24.x", "22.x", "20.x", "18.x", "16.x", "14.x"];
/// Members without effect here, whatever they say.
const WITHOUT_EFFECT: [&str; 3] = [
    "skipGitConnectDuringLink",
    "dismissedToasts",
    "enableAffectedProjectsDeployments",
];

impl Settings {
    /// Takes over what a body says. A member that asks for something which is not there is
    /// refused: a protection that nobody enforces is worse than none.
    ///
    /// # Errors
    /// 400.
    pub(crate) fn take(&mut self, object: &Map<String, Value>) -> ApiResult<()> {
        for (name, value) in object {
            match name.as_str() {
                "name" => {}
                "framework" => self.framework = text(object, name)?,
                "buildCommand" => self.build_command = text(object, name)?,
                "commandForIgnoringBuildStep" => {
                    self.command_for_ignoring_build_step = text(object, name)?;
                }
                "devCommand" => self.dev_command = text(object, name)?,
                "installCommand" => self.install_command = text(object, name)?,
                "outputDirectory" => self.output_directory = directory(object, name)?,
                "rootDirectory" => self.root_directory = directory(object, name)?,
                "nodeVersion" => {
                    if let Some(version) = text(object, name)? {
                        self.node_version = node_version(version)?;
                    }
                }
                "sourceFilesOutsideRootDirectory" => {
                    self.source_files_outside_root_directory =
                        body::truth(object, name)?.unwrap_or(true);
                }
                "autoAssignCustomDomains" => {
                    self.auto_assign_custom_domains = body::truth(object, name)?.unwrap_or(true);
                }
                "autoExposeSystemEnvs" => {
                    self.auto_expose_system_envs = body::truth(object, name)?.unwrap_or(true);
                }
                "publicSource" => self.public_source = body::truth(object, name)?,
                other if WITHOUT_EFFECT.contains(&other) => {}
                other => {
                    if asks_for_something(value) {
                        return Err(ApiError::bad_request(format!(
                            "`{}` is not offered by this Windlass",
                            shown(other)
                        )));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The name of a project.
///
/// # Errors
/// 400.
pub(crate) fn name(text: &str) -> ApiResult<String> {
    let chars_are_good = text.bytes().all(|byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
    });
    let good = (1..=MAX_NAME_CHARS).contains(&text.len())
        && chars_are_good
        && !text.contains("---")
        && text.bytes().any(|byte| byte.is_ascii_alphanumeric());
    if good {
        return Ok(text.to_owned());
    }
    Err(ApiError::bad_request(format!(
        "Project names can be up to {MAX_NAME_CHARS} characters long and must be lowercase. They \
         can include letters, digits, and the following characters: '.', '_', '-'. However, they \
         cannot contain the sequence '---'."
    )))
}

fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => true,
    }
}

fn shown(name: &str) -> String {
    name.chars().take(60).collect()
}

fn text(object: &Map<String, Value>, name: &str) -> ApiResult<Option<String>> {
    let text = body::text(object, name)?;
    if let Some(text) = &text
        && (text.len() > MAX_TEXT_BYTES || text.contains('\0'))
    {
        return Err(ApiError::bad_request(format!(
            "`{name}` must have at most {MAX_TEXT_BYTES} bytes"
        )));
    }
    Ok(text)
}

/// A directory below the source.
fn directory(object: &Map<String, Value>, name: &str) -> ApiResult<Option<String>> {
    let text = text(object, name)?;
    let leaves = |text: &String| text.starts_with('/') || text.split('/').any(|part| part == "..");
    if text.as_ref().is_some_and(leaves) {
        return Err(ApiError::bad_request(format!(
            "`{name}` must be a directory below the source"
        )));
    }
    Ok(text)
}

fn node_version(version: String) -> ApiResult<String> {
    if NODE_VERSIONS.contains(&version.as_str()) {
        return Ok(version);
    }
    Err(ApiError::bad_request(format!(
        "`nodeVersion` must be one of {}",
        NODE_VERSIONS.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn take(body: &Value) -> ApiResult<Settings> {
        let mut settings = Settings::default();
        settings.take(body.as_object().unwrap())?;
        Ok(settings)
    }

    #[test]
    fn what_is_not_there_is_refused_unless_it_is_off() {
        let off = json!({"passwordProtection": null, "directoryListing": false, "x": []});
        assert_eq!(take(&off), Ok(Settings::default()));
        for bad in [
            json!({"passwordProtection": {"deploymentType": "all"}}),
            json!({"commandForIgnoringBuildStep": ["exit 0"]}),
            json!({"serverlessFunctionRegion": "iad1"}),
            json!({"rootDirectory": "../x"}),
            json!({"outputDirectory": "/etc"}),
            json!({"nodeVersion": "4.x"}),
            json!({"buildCommand": 1}),
        ] {
            assert_eq!(take(&bad).unwrap_err().status.as_u16(), 400, "{bad}");
        }
    }

    #[test]
    fn names_are_small_letters() {
        for good in ["shop", "my_app.v2", "a-b", "1"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "Shop", "a---b", "a b", "é", "..", &"a".repeat(101)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
