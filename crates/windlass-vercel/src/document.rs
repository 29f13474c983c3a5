//! What this dialect keeps of a project beside the engine's own.

use serde::{Deserialize, Serialize};
use windlass_engine::records::AppRecord;

use crate::deployments::git::Kind;
use crate::rolling_releases::Config;

/// Of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "snake_case")]
pub(crate) struct Document {
    /// How it is built and served.
    pub(crate) settings: Settings,
    /// Its environment variables, oldest first.
    pub(crate) env: Vec<Variable>,
    /// How its releases go to production; `None` = all at once.
    pub(crate) rolling_release: Option<Config>,
    /// The repository that it is connected to.
    pub(crate) link: Option<Link>,
}

/// A repository that deployments of a project come from, where they name none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// Whose host it lies on.
    pub(crate) kind: Kind,
    /// Owner, organization or groups.
    pub(crate) owner: String,
    /// Its name.
    pub(crate) name: String,
    /// The branch that is meant where none is named.
    pub(crate) production_branch: String,
    /// When it was connected, ms.
    pub(crate) created_at: i64,
}

/// Settings of a project, named as on the wire: a deployment keeps them as they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Settings {
    /// Preset of settings.
    pub(crate) framework: Option<String>,
    /// Command that builds.
    pub(crate) build_command: Option<String>,
    /// Command whose success says that nothing is to be built.
    pub(crate) command_for_ignoring_build_step: Option<String>,
    /// Command of a developer's machine.
    pub(crate) dev_command: Option<String>,
    /// Command that installs what the build needs.
    pub(crate) install_command: Option<String>,
    /// Where the build leaves its outcome.
    pub(crate) output_directory: Option<String>,
    /// Directory of the source that is built.
    pub(crate) root_directory: Option<String>,
    /// Node that is wished for.
    pub(crate) node_version: String,
    /// Whether the build sees what lies outside of its root directory.
    pub(crate) source_files_outside_root_directory: bool,
    /// Whether a production deployment takes the production domains by itself.
    pub(crate) auto_assign_custom_domains: bool,
    /// Whether deployments know what they are from their environment.
    pub(crate) auto_expose_system_envs: bool,
    /// Whether everybody may see the source.
    pub(crate) public_source: Option<bool>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            framework: None,
            build_command: None,
            command_for_ignoring_build_step: None,
            dev_command: None,
            install_command: None,
            output_directory: None,
            root_directory: None,
            node_version: "22.x".to_owned(),
            source_files_outside_root_directory: true,
            auto_assign_custom_domains: true,
            auto_expose_system_envs: true,
            public_source: None,
        }
    }
}

/// How secret a variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Secrecy {
    /// One of the platform's.
    System,
    /// Shown to everybody who sees the project.
    Plain,
    /// Shown when asked for.
    Encrypted,
    /// Never shown again.
    Sensitive,
}

/// Deployments that have a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Environment {
    /// Those for production.
    Production,
    /// All others.
    Preview,
    /// None: developers' machines.
    Development,
}

/// An environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Variable {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) key: String,
    /// Its value, encrypted whatever its secrecy.
    pub(crate) sealed: String,
    /// How secret it is.
    pub(crate) secrecy: Secrecy,
    /// Who has it; never empty.
    pub(crate) targets: Vec<Environment>,
    /// Only previews of this branch.
    #[serde(default)]
    pub(crate) branch: Option<String>,
    /// Note of its author.
    #[serde(default)]
    pub(crate) comment: Option<String>,
    /// Creation, ms.
    pub(crate) created_at: i64,
    /// Last change, ms.
    pub(crate) updated_at: i64,
    /// Id of the user who made it.
    pub(crate) created_by: String,
    /// Id of the user who changed it last.
    #[serde(default)]
    pub(crate) updated_by: Option<String>,
}

impl Secrecy {
    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Plain => "plain",
            Self::Encrypted => "encrypted",
            Self::Sensitive => "sensitive",
        }
    }

    /// From the wire. `secret` is an old word for what is encrypted.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "system" => Some(Self::System),
            "plain" => Some(Self::Plain),
            "encrypted" | "secret" => Some(Self::Encrypted),
            "sensitive" => Some(Self::Sensitive),
            _ => None,
        }
    }
}

impl Environment {
    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Preview => "preview",
            Self::Development => "development",
        }
    }

    /// From the wire.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Production, Self::Preview, Self::Development]
            .into_iter()
            .find(|target| target.as_str() == word)
    }
}

impl Variable {
    /// Whether two variables can't be there at once.
    pub(crate) fn conflicts_with(&self, other: &Self) -> bool {
        self.key == other.key
            && self.branch == other.branch
            && self
                .targets
                .iter()
                .any(|target| other.targets.contains(target))
    }
}

impl Document {
    /// That of a project. What can't be read counts as empty: a project is shown all the same.
    pub(crate) fn of(app: &AppRecord) -> Self {
        serde_json::from_value(app.document.clone()).unwrap_or_default()
    }

    /// Puts it into the record.
    pub(crate) fn store(&self, app: &mut AppRecord) {
        app.document = serde_json::to_value(self).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_older_projects_have_defaults() {
        let settings: Settings = serde_json::from_str(r#"{"buildCommand":"make"}"#).unwrap();
        assert_eq!(settings.build_command.as_deref(), Some("make"));
        assert!(settings.auto_assign_custom_domains);
        assert_eq!(settings.node_version, "22.x");
    }

    #[test]
    fn words_lead_back() {
        for secrecy in [
            Secrecy::System,
            Secrecy::Plain,
            Secrecy::Encrypted,
            Secrecy::Sensitive,
        ] {
            assert_eq!(Secrecy::parse(secrecy.as_str()), Some(secrecy));
        }
        assert_eq!(Environment::parse("staging"), None);
    }
}
