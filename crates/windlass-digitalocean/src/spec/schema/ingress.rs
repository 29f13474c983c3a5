//! Fields of `ingress`.

use super::refused::{NO_CORS, SECURE_HEADER};
use super::text::Form::{Authority, Free, Name, Prefix, UrlPath, UrlPathQuery};
use super::{Field, Kind};

/// Most ingress rules.
const RULES_MAX: usize = 256;
/// Longest text to match, bytes.
const MATCH_BYTES_MAX: usize = 256;
/// Longest URL or path, bytes.
const URL_BYTES_MAX: usize = 2048;
/// Most entries of a list of a CORS policy.
const CORS_MAX: usize = 256;
const PORT_MAX: i64 = 65_535;

pub(super) static INGRESS: &[Field] = &[
    Field::list("rules", &RULE, RULES_MAX),
    Field::text("custom_error_page_url", Free, URL_BYTES_MAX)
        .refused("error pages can't be replaced: remove it"),
    Field::word("load_balancer", &["UNKNOWN", "DIGITALOCEAN"])
        .refused("the router is the only load balancer: remove it"),
    Field::whole("load_balancer_size", 1, 1000)
        .refused("the router is the only load balancer: remove it"),
    Field::object("secure_header", &[SECURE_HEADER])
        .refused("requests can't be filtered by a header: remove it"),
];

static RULE: Kind = Kind::Object(&[&[
    Field::object("match", &[MATCH]),
    Field::object("component", &[COMPONENT]),
    Field::object("redirect", &[REDIRECT]),
    Field::object("cors", CORS).refused(NO_CORS),
]]);

static MATCH: &[Field] = &[
    Field::object(
        "path",
        &[&[
            Field::text("prefix", Prefix, MATCH_BYTES_MAX),
            Field::text("exact", Prefix, MATCH_BYTES_MAX),
        ]],
    ),
    Field::object(
        "authority",
        &[&[
            Field::text("exact", Authority, MATCH_BYTES_MAX),
            Field::text("prefix", Free, MATCH_BYTES_MAX)
                .refused("hosts can't be matched by prefix: give exact instead"),
        ]],
    ),
];

static COMPONENT: &[Field] = &[
    Field::text("name", Name, 32).required(),
    Field::flag("preserve_path_prefix"),
    Field::text("rewrite", UrlPath, URL_BYTES_MAX),
];

static REDIRECT: &[Field] = &[
    Field::text("uri", UrlPathQuery, URL_BYTES_MAX),
    Field::text("authority", Authority, MATCH_BYTES_MAX),
    Field::whole("port", 1, PORT_MAX),
    Field::word("scheme", &["http", "https"]).differs(),
    Field::whole("redirect_code", 300, 308),
];

pub(super) static CORS: &[&[Field]] = &[&[
    Field::list("allow_origins", &ORIGIN, CORS_MAX),
    Field::list("allow_methods", &Kind::Text(Free, 256), CORS_MAX),
    Field::list("allow_headers", &Kind::Text(Free, 256), CORS_MAX),
    Field::list("expose_headers", &Kind::Text(Free, 256), CORS_MAX),
    Field::text("max_age", Free, 64),
    Field::flag("allow_credentials"),
]];

static ORIGIN: Kind = Kind::Object(&[&[
    Field::text("exact", Free, MATCH_BYTES_MAX),
    Field::text("prefix", Free, MATCH_BYTES_MAX),
    Field::text("regex", Free, MATCH_BYTES_MAX),
]]);
