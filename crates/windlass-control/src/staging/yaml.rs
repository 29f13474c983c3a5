//! The YAML that buildpacks write: release answers, `launch.yml`, `config.yml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::YAML_BYTES;

/// What `bin/release` prints. Other keys are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(super) struct Release {
    #[serde(default)]
    pub(super) default_process_types: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) config_vars: Option<BTreeMap<String, String>>,
}

/// `deps/<index>/launch.yml`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(super) struct Launch {
    #[serde(default)]
    pub(super) processes: Vec<LaunchProcess>,
}

/// A process or sidecar of `launch.yml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct LaunchProcess {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) command: String,
    #[serde(default)]
    pub(super) platforms: Platforms,
    #[serde(default)]
    pub(super) limits: Limits,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(super) struct Platforms {
    #[serde(default)]
    pub(super) cloudfoundry: CloudFoundry,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(super) struct CloudFoundry {
    /// Not empty: a sidecar of these process types.
    #[serde(default)]
    pub(super) sidecar_for: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(super) struct Limits {
    /// In MiB.
    #[serde(default)]
    pub(super) memory: Option<u64>,
}

/// `deps/<index>/config.yml`: what a buildpack calls itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) version: Option<String>,
}

/// Reads a document; an empty one is the default. The error has the place.
pub(super) fn parse<T: DeserializeOwned + Default>(text: &str) -> Result<T, String> {
    if text.len() as u64 > YAML_BYTES {
        return Err(format!("larger than {YAML_BYTES} bytes"));
    }
    let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    if !text
        .lines()
        .any(|line| is_content(line) && line.trim_end() != "---")
    {
        return Ok(T::default());
    }
    serde_saphyr::from_str(text).map_err(|error| one_line(&error))
}

/// Reads a quoted scalar.
pub(super) fn scalar(text: &str) -> Result<String, String> {
    serde_saphyr::from_str(text).map_err(|error| one_line(&error))
}

/// The place and the problem, without the excerpt that follows: it goes into a message.
fn one_line(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_answers() {
        let text = "---\naddons: []\ndefault_process_types:\n  web: 'it''s: me'\n  n: 12\n";
        let release: Release = parse(text).unwrap();
        let types = release.default_process_types.unwrap();
        assert_eq!(types["web"], "it's: me");
        assert_eq!(types["n"], "12");
        assert_eq!(release.config_vars, None);
        for empty in ["", "---\n", "{}", "# nothing\n\n"] {
            assert_eq!(
                parse::<Release>(empty).unwrap(),
                Release::default(),
                "{empty:?}"
            );
        }
        assert_eq!(
            parse::<Release>("default_process_types:\n").unwrap(),
            Release::default()
        );
    }

    #[test]
    fn launch_files() {
        let text = "processes:\n- type: web\n  command: ./a\n- type: proxy\n  command: ./p\n  \
                    platforms:\n    cloudfoundry:\n      sidecar_for: [web]\n  limits:\n    \
                    memory: 10\n";
        let launch: Launch = parse(text).unwrap();
        assert_eq!(launch.processes[0].kind, "web");
        assert!(
            launch.processes[0]
                .platforms
                .cloudfoundry
                .sidecar_for
                .is_empty()
        );
        assert_eq!(
            launch.processes[1].platforms.cloudfoundry.sidecar_for,
            ["web"]
        );
        assert_eq!(launch.processes[1].limits.memory, Some(10));
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        assert!(parse::<Release>("default_process_types: [a, b]").is_err());
        let problem = parse::<Release>("a: 1\nb: c: d").unwrap_err();
        assert!(
            problem.starts_with("line 2 column ") && !problem.contains('\n'),
            "{problem}"
        );
        assert!(parse::<Release>("- x").is_err());
        assert!(parse::<Launch>("processes:\n- command: x\n").is_err());
        assert!(parse::<Release>(&"#".repeat(70_000)).is_err());
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..12 {
            let previous = vec![format!("*a{}", n - 1); 9].join(",");
            bomb = format!("{bomb}a{n}: &a{n} [{previous}]\n");
        }
        bomb.push_str("default_process_types: *a11\n");
        assert!(parse::<Release>(&bomb).is_err(), "an expansion bomb");
    }
}
