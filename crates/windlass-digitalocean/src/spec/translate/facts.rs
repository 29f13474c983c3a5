//! What bindable variables can speak of.

use std::collections::BTreeMap;

use super::component::Plain;
use super::{Surroundings, primary_host};
use crate::spec::binding::{ComponentFacts, Fact, Facts};
use crate::spec::wire::{AppSpec, Component};

const NO_PRIVATE_NETWORK: &str =
    "there is no network between components: give the component a route and use its PUBLIC_URL";

pub(super) fn of(app: &AppSpec, plain: &Plain<'_>, surroundings: &Surroundings<'_>) -> Facts {
    let domain = primary_host(app, surroundings.default_host);
    let of_components = app.components().map(|placed| {
        let component = placed.component;
        let facts = ComponentFacts {
            facts: of_component(app, component, &domain, surroundings),
            variables: plain.variables(component.name()),
        };
        (component.name().to_owned(), facts)
    });
    let of_components = of_components.collect();
    Facts {
        of_app: BTreeMap::from([
            ("APP_ID", surroundings.app_id.to_owned()),
            ("APP_URL", surroundings.url(&domain, "/")),
            ("APP_DOMAIN", domain),
        ]),
        of_components,
    }
}

fn of_component(
    app: &AppSpec,
    component: Component<'_>,
    domain: &str,
    surroundings: &Surroundings<'_>,
) -> BTreeMap<&'static str, Fact> {
    let name = component.name();
    let mut facts = BTreeMap::new();
    if let Some(address) = app.public_address(name) {
        let host = address.host.as_deref().unwrap_or(domain);
        let url = surroundings.url(host, &address.path);
        facts.insert("PUBLIC_URL", Fact::Known(url));
        facts.insert("PUBLIC_ROUTE_PATH", Fact::Known(address.path));
    }
    if let Component::Service(_) = component {
        facts.extend(private(name, surroundings));
    }
    let commit = surroundings.commits.get(name);
    facts.insert(
        "COMMIT_HASH",
        commit.map_or(Fact::NeedsCommit, |commit| Fact::Known(commit.clone())),
    );
    facts
}

fn private(name: &str, surroundings: &Surroundings<'_>) -> [(&'static str, Fact); 3] {
    const NAMES: [&str; 3] = ["PRIVATE_DOMAIN", "PRIVATE_PORT", "PRIVATE_URL"];
    let Some(address) = surroundings.private.get(name) else {
        return NAMES.map(|name| (name, Fact::Unavailable(NO_PRIVATE_NETWORK)));
    };
    let [domain, port, url] = NAMES;
    [
        (domain, Fact::Known(address.domain.clone())),
        (port, Fact::Known(address.port.to_string())),
        (
            url,
            Fact::Known(format!("http://{}:{}", address.domain, address.port)),
        ),
    ]
}

impl Surroundings<'_> {
    fn url(&self, host: &str, path: &str) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let path = if path == "/" { "" } else { path };
        format!("{}://{host}{port}{path}", self.scheme)
    }
}
