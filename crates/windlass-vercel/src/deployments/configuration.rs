//! What a deployment runs: one component, and its variables.

use std::collections::BTreeMap;

use windlass_engine::configuration::{ComponentConfig, ComponentRole, Configuration};
use windlass_engine::id::{ComponentName, SecretRef};
use windlass_engine::records::SecretValue;

use super::COMPONENT;
use super::commit::Commit;
use super::detail::Target;
use crate::document::{Document, Settings};
use crate::env;
use crate::error::ApiResult;
use crate::server::{REGION, VercelState};

/// Memory of the functions of a deployment, MiB.
const MEMORY_MB: u64 = 1_024;

/// What the variables of a deployment are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// Its host.
    pub(super) host: &'a str,
    /// Id of its project.
    pub(super) project: &'a str,
    /// The project's first own host.
    pub(super) production_host: Option<&'a str>,
    /// What it is for.
    pub(super) target: Target,
    /// The host of its branch.
    pub(super) branch_host: Option<&'a str>,
    /// The commit that it was made of.
    pub(super) commit: &'a Commit,
}

/// Variables by name, and their encrypted values to be stored.
#[derive(Debug, Clone, Default)]
pub(super) struct Sealed {
    /// References by name.
    pub(super) names: BTreeMap<String, SecretRef>,
    /// The values.
    pub(super) values: Vec<SecretValue>,
}

/// The variables of a deployment: those of the platform, of its project, of its request.
///
/// # Errors
/// 500.
pub(super) fn variables(
    state: &VercelState,
    document: &Document,
    settings: &Settings,
    told: Told<'_>,
    own: &BTreeMap<String, String>,
) -> ApiResult<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    if settings.auto_expose_system_envs {
        all.extend(system(told));
    }
    let environment = told.target.environment();
    for variable in env::in_force(&document.env, environment, told.commit.branch.as_deref()) {
        all.insert(variable.key.clone(), env::value(state, variable)?);
    }
    all.extend(own.clone());
    Ok(all)
}

fn system(told: Told<'_>) -> BTreeMap<String, String> {
    let environment = told.target.environment().as_str();
    let mut pairs = vec![
        ("VERCEL", "1"),
        ("VERCEL_ENV", environment),
        (
            "VERCEL_TARGET_ENV",
            told.target.as_wire().unwrap_or(environment),
        ),
        ("VERCEL_URL", told.host),
        ("VERCEL_REGION", REGION),
        ("VERCEL_DEPLOYMENT_ID", told.id),
        ("VERCEL_PROJECT_ID", told.project),
        ("VERCEL_SKEW_PROTECTION_ENABLED", "1"),
    ];
    if let Some(host) = told.production_host {
        pairs.push(("VERCEL_PROJECT_PRODUCTION_URL", host));
    }
    if let Some(host) = told.branch_host {
        pairs.push(("VERCEL_BRANCH_URL", host));
    }
    let pairs = pairs
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()));
    pairs
        .chain(told.commit.variables())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Encrypts variables.
///
/// # Errors
/// 500.
pub(super) fn seal(state: &VercelState, all: &BTreeMap<String, String>) -> ApiResult<Sealed> {
    let mut sealed = Sealed::default();
    for (name, value) in state.control.seal_values(all)? {
        sealed.names.insert(name, value.reference.clone());
        sealed.values.push(value);
    }
    Ok(sealed)
}

/// What the version runs. The artifact is filled in when it is there.
pub(super) fn configuration(env: BTreeMap<String, SecretRef>) -> Configuration {
    let component = ComponentConfig {
        memory_mb: MEMORY_MB,
        ..ComponentConfig::new(ComponentRole::OnDemand)
    };
    Configuration {
        env,
        components: BTreeMap::from([(ComponentName::from(COMPONENT), component)]),
        ..Configuration::default()
    }
}
