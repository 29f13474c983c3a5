//! Fields that can't be run yet: known, so that the refusal can say what to do instead.

use super::component::ENV;
use super::ingress::CORS;
use super::text::Form::Free;
use super::{Field, Kind};

/// Longest text inside a refused field, bytes.
const ANY: usize = 4096;
/// Most entries of a list inside a refused field.
const MANY: usize = 256;
const PORT_MAX: i64 = 65_535;

pub(super) const NO_IMAGE: &str =
    "container images can't be run: give a git, github, gitlab or bitbucket source instead";
pub(super) const NO_DOCKERFILE: &str =
    "Dockerfiles can't be built: remove it, the built-in buildpacks take over";
pub(super) const NO_AUTOSCALING: &str = "autoscaling is not offered: give instance_count instead";
pub(super) const NO_LOG_DESTINATIONS: &str =
    "logs can't be forwarded: remove it and read them with the logs call";
pub(super) const NO_INTERNAL_PORTS: &str =
    "instances have one port only: remove it and listen on $PORT";
pub(super) const NO_SLEEP: &str = "instances can't be put to sleep: remove it";
pub(in crate::spec) const NO_SCHEDULE: &str =
    "jobs can't be run by schedule: use a PRE_DEPLOY or POST_DEPLOY job";
pub(super) const NO_TIMEOUT: &str = "jobs have no time limit of their own: remove it";
pub(super) const NO_CORS: &str =
    "CORS headers are not added for a component: remove it and answer them in the program";

pub(super) static IMAGE: &[Field] = &[
    Field::word("registry_type", &["DOCKER_HUB", "DOCR", "GHCR"]),
    Field::text("registry", Free, ANY),
    Field::text("repository", Free, ANY),
    Field::text("tag", Free, ANY),
    Field::text("digest", Free, ANY),
    Field::text("registry_credentials", Free, ANY),
    Field::object("deploy_on_push", &[&[Field::flag("enabled")]]),
];

pub(super) static AUTOSCALING: &[Field] = &[
    Field::whole("min_instance_count", 1, 250),
    Field::whole("max_instance_count", 1, 250),
    Field::object(
        "metrics",
        &[&[
            Field::object("cpu", &[&[Field::whole("percent", 1, 100)]]),
            Field::object(
                "requests_per_second",
                &[&[Field::whole("per_instance", 1, i64::MAX)]],
            ),
            Field::object(
                "request_duration",
                &[&[Field::whole("p95_milliseconds", 1, i64::MAX)]],
            ),
        ]],
    ),
];

pub(super) static INACTIVITY_SLEEP: &[Field] = &[
    Field::whole("after_seconds", 600, 86_400),
    Field::object(
        "loading_page",
        &[&[Field::flag("enabled"), Field::text("custom_url", Free, ANY)]],
    ),
];

pub(super) static INTERNAL_PORT: Kind = Kind::Whole(1, PORT_MAX);

pub(super) static SCHEDULE: &[Field] = &[
    Field::text("cron", Free, ANY),
    Field::text("time_zone", Free, ANY),
];

pub(super) static LOG_DESTINATION: Kind = Kind::Object(&[&[
    Field::text("name", Free, 42),
    Field::object("papertrail", &[&[Field::text("endpoint", Free, ANY)]]),
    Field::object(
        "datadog",
        &[&[
            Field::text("endpoint", Free, ANY),
            Field::text("api_key", Free, ANY),
        ]],
    ),
    Field::object("logtail", &[&[Field::text("token", Free, ANY)]]),
    Field::object(
        "open_search",
        &[&[
            Field::text("endpoint", Free, ANY),
            Field::text("cluster_name", Free, ANY),
            Field::object(
                "basic_auth",
                &[&[
                    Field::text("user", Free, ANY),
                    Field::text("password", Free, ANY),
                ]],
            ),
            Field::text("index_name", Free, ANY),
        ]],
    ),
    Field::text("endpoint", Free, ANY),
    Field::flag("tls_insecure"),
    Field::list(
        "headers",
        &Kind::Object(&[&[
            Field::text("key", Free, ANY),
            Field::text("value", Free, ANY),
        ]]),
        MANY,
    ),
]]);

pub(super) static FUNCTIONS: Kind = Kind::Object(&[
    super::component::SOURCE,
    &[
        Field::text("name", Free, 32),
        Field::text("source_dir", Free, ANY),
        Field::list("envs", &ENV, MANY),
        Field::list("routes", &super::component::ROUTE, MANY),
        Field::list("alerts", &super::component::ALERT, MANY),
        Field::list("log_destinations", &LOG_DESTINATION, MANY),
        Field::object("cors", CORS),
    ],
]);

pub(super) static DATABASE: Kind = Kind::Object(&[&[
    Field::text("name", Free, 32),
    Field::word(
        "engine",
        &[
            "UNSET",
            "MYSQL",
            "PG",
            "REDIS",
            "MONGODB",
            "KAFKA",
            "OPENSEARCH",
            "VALKEY",
        ],
    ),
    Field::text("version", Free, ANY),
    Field::text("size", Free, ANY),
    Field::whole("num_nodes", 1, 1000),
    Field::flag("production"),
    Field::text("cluster_name", Free, ANY),
    Field::text("db_name", Free, ANY),
    Field::text("db_user", Free, ANY),
]]);

pub(super) static MAINTENANCE: &[Field] = &[
    Field::flag("enabled"),
    Field::flag("archive"),
    Field::text("offline_page_url", Free, ANY),
];

pub(super) static VPC: &[Field] = &[
    Field::text("id", Free, ANY),
    Field::list(
        "egress_ips",
        &Kind::Object(&[&[Field::text("ip", Free, ANY)]]),
        MANY,
    ),
];

pub(super) static SECURE_HEADER: &[Field] = &[
    Field::text("key", Free, ANY),
    Field::text("value", Free, ANY),
    Field::flag("remove_header"),
];
