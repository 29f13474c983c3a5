//! Domains and routes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tenancy::{Metadata, Stamps};
use crate::id::{
    AppHostId, AppId, ComponentName, DestinationId, DomainId, OrganizationId, RevisionId, RouteId,
    SpaceId,
};

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Its id.
    pub id: DomainId,
    /// Unique name, lower case.
    pub name: String,
    /// Whether it is for traffic between apps only.
    pub internal: bool,
    /// Owner of a private domain; `None` = shared.
    pub organization: Option<OrganizationId>,
    /// Organizations that a private domain is shared with.
    pub shared_with: Vec<OrganizationId>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Creation and change.
    pub stamps: Stamps,
}

/// Protocol spoken to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// Its id.
    pub id: DestinationId,
    /// The app.
    pub app: AppId,
    /// The routed component.
    pub component: ComponentName,
    /// Published version that it leads to for ever; `None` = what the app runs.
    #[serde(default)]
    pub revision: Option<RevisionId>,
    /// Whole percent; `None` = equal parts.
    pub weight: Option<u8>,
    /// Port of the app that was asked for (shown only: instances have ports of their own).
    pub port: Option<u16>,
    /// Protocol.
    pub protocol: Protocol,
}

/// A host that shall lead to a version once its build has made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedHost {
    /// Below which domain.
    pub domain: DomainId,
    /// Host label, lower case; empty = the domain itself.
    pub label: String,
    /// The component that answers.
    pub component: ComponentName,
    /// Labels and annotations of its route.
    #[serde(default)]
    pub metadata: Metadata,
}

/// Options of a route as the dialect gave them.
pub type RouteOptions = BTreeMap<String, String>;

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Its id.
    pub id: RouteId,
    /// Where it lies.
    pub space: SpaceId,
    /// Below which domain.
    pub domain: DomainId,
    /// Host label, lower case; empty = the domain itself; `*` = wildcard.
    pub host: String,
    /// Path prefix, empty or starting with `/`.
    pub path: String,
    /// Full host name (host and domain), lower case: what the router matches.
    pub full_host: String,
    /// Where it leads.
    pub destinations: Vec<Destination>,
    /// Options.
    pub options: RouteOptions,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Creation and change.
    pub stamps: Stamps,
}

/// A host name that an app has of its own, besides routes: it leads to the app as a whole, and
/// nobody else can have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppHost {
    /// Its id.
    pub id: AppHostId,
    /// The app.
    pub app: AppId,
    /// The name, lower case; `*.domain` = every name below a domain.
    pub full_host: String,
    /// The domain that it lies below, if there is one: it goes with it.
    pub domain: Option<DomainId>,
    /// Whether it stays as long as the app; else as long as a release that counts names it.
    pub is_lasting: bool,
    /// Creation and change.
    pub stamps: Stamps,
}
