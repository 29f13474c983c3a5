//! A spec as plain values: what components there are, how each is built and run, what traffic goes
//! where.
//!
//! Nothing here asks anybody: what a spec does not say (addresses, commits) comes as
//! [`Surroundings`].

mod component;
mod facts;
mod health;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use windlass_engine::configuration::{ComponentConfig, IngressRule};
use windlass_engine::id::ComponentName;
use windlass_engine::records::BuildSettings;

use super::binding::Filler;
use super::error::{SpecError, quoted};
use super::path::Path;
use super::rules::host;
use super::secret::{SealedSpec, Vault};
use super::wire::{AppSpec, DomainType, Placed};
use component::Plain;

/// What a translation has to know besides the spec.
#[derive(Debug, Clone)]
pub struct Surroundings<'a> {
    /// Id of the app as clients see it.
    pub app_id: &'a str,
    /// Host that this installation gave to the app.
    pub default_host: &'a str,
    /// `https`, or `http` where there is no TLS.
    pub scheme: &'a str,
    /// Port of public URLs; `None` = that of the scheme.
    pub port: Option<u16>,
    /// Commits by component, as far as they are known, hex.
    pub commits: &'a BTreeMap<String, String>,
    /// Where components can be reached from inside, as far as they can.
    pub private: &'a BTreeMap<String, PrivateAddress>,
}

/// Where a component can be reached from inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateAddress {
    /// Host name.
    pub domain: String,
    /// Port, spoken to in plain HTTP.
    pub port: u16,
}

/// A translated spec.
#[derive(Debug, Clone)]
pub struct Translation {
    /// Components: services, workers, jobs, static sites.
    pub components: Vec<TranslatedComponent>,
    /// What traffic goes where; the first rule that matches decides.
    pub ingress: Vec<IngressRule>,
    /// Domains besides the default host.
    pub hosts: Vec<Host>,
    /// Host that is shown: the PRIMARY domain, else the default host.
    pub primary_host: String,
    /// Weights of the steps of a canary, whole percent; `None` = no canary was asked for.
    pub canary_weights: Option<Vec<u8>>,
    /// Components whose `COMMIT_HASH` is used and not known. Look their commits up, then translate
    /// again: until then the references stand as they are.
    pub missing_commits: BTreeSet<String>,
}

/// A name under which the app answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The name, lower case.
    pub name: String,
    /// Whether all names below it count too.
    pub is_wildcard: bool,
}

/// One component as plain values.
#[derive(Debug, Clone)]
pub struct TranslatedComponent {
    /// Its name.
    pub name: ComponentName,
    /// How it runs. Artifact and variables are not filled in.
    pub config: ComponentConfig,
    /// Number of instances: 1 for a job, 0 for a static site.
    pub instances: u32,
    /// Where its source comes from.
    pub source: Source,
    /// How it is built. Variables are not filled in.
    pub build: BuildSettings,
    /// Variables of its instances.
    pub run_variables: BTreeMap<String, Variable>,
    /// Variables of its build.
    pub build_variables: BTreeMap<String, Variable>,
}

/// Where the source of a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A clone URL.
    Git {
        /// The URL.
        url: String,
        /// The branch.
        branch: String,
    },
    /// A repository at a host that announces pushes.
    Hosted {
        /// The host.
        provider: SourceHost,
        /// `owner/name`.
        repo: String,
        /// The branch.
        branch: String,
        /// Whether a push starts a deployment.
        deploy_on_push: bool,
    },
}

/// A host of repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceHost {
    /// `github`.
    GitHub,
    /// `gitlab`.
    GitLab,
    /// `bitbucket`.
    Bitbucket,
}

impl SourceHost {
    /// The word of specs and causes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Bitbucket => "bitbucket",
        }
    }
}

/// Value of a variable with its references filled in.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// The plain value.
    pub value: String,
    /// Whether it is a secret.
    pub is_secret: bool,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variable(hidden)")
    }
}

impl SealedSpec {
    /// The host that stands for the app: the PRIMARY domain, else the default host.
    pub(crate) fn primary_host(&self, default_host: &str) -> String {
        primary_host(self.app(), default_host)
    }

    /// Translates the spec of an app.
    ///
    /// # Errors
    /// What can't be run in these surroundings.
    pub fn translate(
        &self,
        vault: &Vault,
        surroundings: &Surroundings<'_>,
    ) -> Result<Translation, SpecError> {
        let app = self.app();
        default_domain(app, surroundings.default_host)?;
        authorities(app, surroundings.default_host)?;
        let plain = Plain::of(app, vault)?;
        let facts = facts::of(app, &plain, surroundings);
        let mut filler = Filler::new(&facts);
        let mut components = Vec::new();
        for placed in app.components() {
            components.push(component(placed, &plain, &mut filler)?);
        }
        let missing_commits = filler.missing_commits;
        Ok(Translation {
            components,
            ingress: app.route_rules(),
            hosts: hosts(app)
                .into_iter()
                .filter(|host| host.name != surroundings.default_host)
                .collect(),
            primary_host: primary_host(app, surroundings.default_host),
            canary_weights: app.canary_weights(),
            missing_commits,
        })
    }
}

impl Translation {
    /// Every host of the domains; a wildcard begins with `*.`.
    pub fn full_hosts(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for host in &self.hosts {
            if host.is_wildcard {
                all.insert(format!("*.{}", host.name));
            }
            all.insert(host.name.clone());
        }
        all
    }
}

fn component(
    placed: Placed<'_>,
    plain: &Plain<'_>,
    filler: &mut Filler<'_>,
) -> Result<TranslatedComponent, SpecError> {
    let list = Path::ROOT.member(placed.list);
    let path = list.index(placed.index);
    let component = placed.component;
    let (run_variables, build_variables) = plain.fill(component, &path, filler)?;
    Ok(TranslatedComponent {
        name: ComponentName::from(component.name()),
        config: component::config(component),
        instances: component::instances(component),
        source: component::source(component, &path)?,
        build: component::build(component),
        run_variables,
        build_variables,
    })
}

fn hosts(app: &AppSpec) -> Vec<Host> {
    let domains = app.domains.iter();
    domains
        .map(|domain| Host {
            name: host(&domain.domain),
            is_wildcard: domain.wildcard,
        })
        .collect()
}

/// The host that stands for the app.
fn primary_host(app: &AppSpec, default_host: &str) -> String {
    let primary = app
        .domains
        .iter()
        .find(|domain| domain.kind == DomainType::Primary);
    primary.map_or_else(|| default_host.to_owned(), |domain| host(&domain.domain))
}

/// The name that the installation gave may stand among the domains, and no other may say that it is
/// that; it is not for names below it.
fn default_domain(app: &AppSpec, default_host: &str) -> Result<(), SpecError> {
    let list = Path::ROOT.member("domains");
    for (index, domain) in app.domains.iter().enumerate() {
        let path = list.index(index);
        let is_default = host(&domain.domain) == default_host;
        if domain.kind == DomainType::Default && !is_default {
            let why =
                "DEFAULT is the name that the app is given: remove it, or make it PRIMARY or ALIAS";
            return Err(SpecError::new(&path.member("type"), why));
        }
        if is_default && domain.wildcard {
            let why = "there are no names below the app's default name";
            return Err(SpecError::new(&path.member("wildcard"), why));
        }
    }
    Ok(())
}

/// A rule for a host that the app does not have would never match.
fn authorities(app: &AppSpec, default_host: &str) -> Result<(), SpecError> {
    let hosts = hosts(app);
    let is_ours = |name: &str| {
        name == default_host
            || hosts.iter().any(|host| {
                let below = name.strip_suffix(&host.name);
                host.name == name || (host.is_wildcard && below.is_some_and(|b| b.ends_with('.')))
            })
    };
    let ingress = Path::ROOT.member("ingress");
    let list = ingress.member("rules");
    for (index, rule) in app.ingress.rules.iter().enumerate() {
        let authority = rule.matching.authority.as_ref();
        let exact = authority.and_then(|authority| authority.exact.as_deref());
        let Some(name) = exact.filter(|name| !name.is_empty()).map(host) else {
            continue;
        };
        if !is_ours(&name) {
            let rule = list.index(index);
            let matching = rule.member("match");
            let authority = matching.member("authority");
            let why = format!(
                "{} is none of the app's domains: add it to domains",
                quoted(&name)
            );
            return Err(SpecError::new(&authority.member("exact"), why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
