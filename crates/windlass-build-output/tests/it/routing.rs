//! Sites and their requests as files: `tests/routing/*.json`, each with a `config.json` (or a
//! project file), what the site consists of, and what requests lead to.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use windlass_build_output::{Site, config_of_project};

use crate::site::TestSite;

/// Fewer files than this: the directory was not found.
const FILES: usize = 12;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The rule that it shows.
    rule: String,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// `config.json`.
    config: Option<Value>,
    /// `vercel.json`.
    project: Option<Value>,
    /// Below `static/`; those of functions end with `.func`.
    #[serde(default)]
    files: Vec<String>,
    /// Requests (see [`TestSite::ask`]) and what they lead to.
    #[serde(default)]
    requests: Vec<(String, String)>,
    /// Errors by status: what answers instead.
    #[serde(default)]
    errors: Vec<(u16, String, String)>,
    /// Words of the refusal.
    refused: Option<String>,
}

fn tables() -> Vec<(PathBuf, Table)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/routing");
    let mut found: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let text = std::fs::read(&path).unwrap();
            let table = serde_json::from_slice(&text);
            let table = table.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, table)
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

fn config(case: &Case) -> Result<Value, String> {
    match (&case.config, &case.project) {
        (Some(config), None) => Ok(config.clone()),
        (None, Some(project)) => {
            let files: Vec<&str> = case.files.iter().map(String::as_str).collect();
            config_of_project(project, &files).map_err(|error| error.to_string())
        }
        _ => panic!("a case has either a config or a project"),
    }
}

fn run(case: &Case, place: &str, wrong: &mut Vec<String>) {
    let config = config(case);
    if let Some(says) = &case.refused {
        let parsed = config.and_then(|config| {
            Site::parse(config.to_string().as_bytes()).map_err(|error| error.to_string())
        });
        match parsed {
            Ok(_) => wrong.push(format!("{place}: not refused, wanted {says:?}")),
            Err(error) if error.contains(says.as_str()) => {}
            Err(error) => wrong.push(format!("{place}: {error}, wanted {says:?}")),
        }
        return;
    }
    let site = TestSite::new(&config.unwrap(), &case.files.join(" "));
    for (line, wanted) in &case.requests {
        let told = site.ask(line);
        if told != *wanted {
            wrong.push(format!("{place}: {line}: {told}, wanted {wanted}"));
        }
    }
    for (status, line, wanted) in &case.errors {
        let told = site.fail(*status, line);
        if told != *wanted {
            wrong.push(format!("{place}: {status} {line}: {told}, wanted {wanted}"));
        }
    }
}

#[test]
fn requests_lead_where_the_tables_say() {
    let tables = tables();
    assert!(tables.len() >= FILES, "{} tables", tables.len());
    let mut wrong = Vec::new();
    for (path, table) in &tables {
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(!table.rule.is_empty() && !table.cases.is_empty(), "{name}");
        for (number, case) in table.cases.iter().enumerate() {
            assert!(
                case.refused.is_some() || !case.requests.is_empty() || !case.errors.is_empty(),
                "{name}: case {number} says nothing"
            );
            run(case, &format!("{name}, case {number}"), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
