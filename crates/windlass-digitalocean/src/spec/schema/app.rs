//! Fields of the app itself.

use super::component::{ALERT, ALERTS_MAX, ENV, ENVS_MAX, JOB, SERVICE, STATIC_SITE, WORKER};
use super::ingress::INGRESS;
use super::refused::{DATABASE, FUNCTIONS, MAINTENANCE, VPC};
use super::text::Form::{Free, Host, Name};
use super::{Field, Kind};

/// Most components of one kind.
const COMPONENTS_MAX: usize = 100;
/// Most domains.
const DOMAINS_MAX: usize = 100;
/// Most features.
const FEATURES_MAX: usize = 50;

/// A whole app spec.
pub static APP: &[&[Field]] = &[&[
    Field::text("name", Name, 32).required(),
    Field::text("region", Free, 32).hint(),
    Field::list("services", &SERVICE, COMPONENTS_MAX),
    Field::list("static_sites", &STATIC_SITE, COMPONENTS_MAX),
    Field::list("workers", &WORKER, COMPONENTS_MAX),
    Field::list("jobs", &JOB, COMPONENTS_MAX),
    Field::list("functions", &FUNCTIONS, COMPONENTS_MAX)
        .refused("functions can't be run: make it a service"),
    Field::list("databases", &DATABASE, COMPONENTS_MAX).refused(
        "databases are not offered: run the database elsewhere and give its address in envs",
    ),
    Field::list("domains", &DOMAIN, DOMAINS_MAX),
    Field::list("envs", &ENV, ENVS_MAX),
    Field::list("alerts", &ALERT, ALERTS_MAX).hint(),
    Field::object("ingress", &[INGRESS]),
    Field::object(
        "egress",
        &[&[Field::word("type", &["AUTOASSIGN", "DEDICATED_IP"]).differs()]],
    ),
    Field::list("features", &Kind::Text(Free, 256), FEATURES_MAX).differs(),
    Field::object("maintenance", &[MAINTENANCE])
        .refused("maintenance mode is not offered: remove it"),
    Field::object("vpc", &[VPC]).refused("there are no VPC networks: remove it"),
    Field::flag("disable_edge_cache").hint(),
    Field::flag("disable_email_obfuscation").hint(),
    Field::flag("enhanced_threat_control_enabled").hint(),
]];

static DOMAIN: Kind = Kind::Object(&[&[
    Field::text("domain", Host, 253).required(),
    Field::word("type", &["UNSPECIFIED", "DEFAULT", "PRIMARY", "ALIAS"]).differs(),
    Field::flag("wildcard"),
    Field::text("zone", Free, 253)
        .refused("DNS records are not made here: remove it and point the name at the router"),
    Field::text("certificate", Free, 4096)
        .refused("a domain can't name its certificate: remove it"),
    Field::word("minimum_tls_version", &["1.2", "1.3"]).differs(),
]]);
