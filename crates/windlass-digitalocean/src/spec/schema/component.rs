//! Fields of services, workers, jobs and static sites.

use super::ingress::CORS;
use super::refused::{
    AUTOSCALING, IMAGE, INACTIVITY_SLEEP, INTERNAL_PORT, LOG_DESTINATION, NO_AUTOSCALING, NO_CORS,
    NO_DOCKERFILE, NO_IMAGE, NO_INTERNAL_PORTS, NO_LOG_DESTINATIONS, NO_SCHEDULE, NO_SLEEP,
    NO_TIMEOUT, SCHEDULE,
};
use super::text::Form::{
    Branch, CloneUrl, Document, Free, GroupedRepo, Key, Name, Repo, SourcePath, UrlPath,
};
use super::{Field, Kind};

/// Longest command, bytes.
const COMMAND_BYTES_MAX: usize = 16 * 1024;
/// Longest path, bytes.
const PATH_BYTES_MAX: usize = 1024;
/// Longest value of a variable, bytes.
const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Most variables of one list.
pub(super) const ENVS_MAX: usize = 500;
/// Most alerts of one list.
pub(super) const ALERTS_MAX: usize = 100;
/// Most routes of one component.
const ROUTES_MAX: usize = 256;
/// Most instances of one component.
const INSTANCES_MAX: i64 = 250;
const PORT_MAX: i64 = 65_535;

/// Where the source comes from.
pub(super) static SOURCE: &[Field] = &[
    Field::object(
        "git",
        &[&[
            Field::text("repo_clone_url", CloneUrl, 2048).required(),
            Field::text("branch", Branch, 255).required(),
        ]],
    ),
    Field::object("github", &[HOSTED]),
    Field::object(
        "gitlab",
        &[&[
            Field::text("repo", GroupedRepo, 1024).required(),
            Field::text("branch", Branch, 255).required(),
            Field::flag("deploy_on_push"),
        ]],
    ),
    Field::object("bitbucket", &[HOSTED]),
];

static HOSTED: &[Field] = &[
    Field::text("repo", Repo, 255).required(),
    Field::text("branch", Branch, 255).required(),
    Field::flag("deploy_on_push"),
];

/// What every component has.
static BASE: &[Field] = &[
    Field::text("name", Name, 32).required(),
    Field::text("dockerfile_path", Free, PATH_BYTES_MAX).refused(NO_DOCKERFILE),
    Field::text("build_command", Free, COMMAND_BYTES_MAX),
    Field::text("source_dir", SourcePath, PATH_BYTES_MAX),
    Field::text("environment_slug", Free, 64).differs(),
    Field::list("envs", &ENV, ENVS_MAX),
    Field::object("image", &[IMAGE]).refused(NO_IMAGE),
    Field::list("log_destinations", &LOG_DESTINATION, 100).refused(NO_LOG_DESTINATIONS),
];

/// What every component with instances has.
static INSTANCES: &[Field] = &[
    Field::text("run_command", Free, COMMAND_BYTES_MAX),
    Field::text("instance_size_slug", Free, 64).differs(),
    Field::whole("instance_count", 1, INSTANCES_MAX),
    Field::list("alerts", &ALERT, ALERTS_MAX).hint(),
];

pub(super) static SERVICE: Kind = Kind::Object(&[
    BASE,
    SOURCE,
    INSTANCES,
    &[
        Field::object("autoscaling", &[AUTOSCALING]).refused(NO_AUTOSCALING),
        Field::whole("http_port", 1, PORT_MAX).differs(),
        Field::list("internal_ports", &INTERNAL_PORT, 100).refused(NO_INTERNAL_PORTS),
        Field::word("protocol", &["HTTP", "HTTP2"]).differs(),
        Field::list("routes", &ROUTE, ROUTES_MAX),
        Field::object("cors", CORS).refused(NO_CORS),
        Field::object("health_check", &[READINESS]),
        Field::object("liveness_health_check", &[LIVENESS]),
        Field::object(
            "termination",
            &[&[
                Field::whole("drain_seconds", 1, 110),
                Field::whole("grace_period_seconds", 1, 600),
            ]],
        ),
        Field::object("inactivity_sleep", &[INACTIVITY_SLEEP]).refused(NO_SLEEP),
    ],
]);

pub(super) static WORKER: Kind = Kind::Object(&[
    BASE,
    SOURCE,
    INSTANCES,
    &[
        Field::object("autoscaling", &[AUTOSCALING]).refused(NO_AUTOSCALING),
        Field::object("termination", &[TERMINATION]),
        Field::object("liveness_health_check", &[LIVENESS]),
    ],
]);

pub(super) static JOB: Kind = Kind::Object(&[
    BASE,
    SOURCE,
    INSTANCES,
    &[
        Field::word(
            "kind",
            &[
                "UNSPECIFIED",
                "PRE_DEPLOY",
                "POST_DEPLOY",
                "FAILED_DEPLOY",
                "SCHEDULED",
            ],
        )
        .differs(),
        Field::object("termination", &[TERMINATION]),
        Field::object("schedule", &[SCHEDULE]).refused(NO_SCHEDULE),
        Field::text("timeout", Free, 64).refused(NO_TIMEOUT),
    ],
]);

pub(super) static STATIC_SITE: Kind = Kind::Object(&[
    BASE,
    SOURCE,
    &[
        Field::text("output_dir", SourcePath, PATH_BYTES_MAX),
        Field::text("index_document", Document, PATH_BYTES_MAX),
        Field::text("error_document", Document, PATH_BYTES_MAX),
        Field::text("catchall_document", Document, PATH_BYTES_MAX),
        Field::list("routes", &ROUTE, ROUTES_MAX),
        Field::object("cors", CORS).refused(NO_CORS),
    ],
]);

static TERMINATION: &[Field] = &[Field::whole("grace_period_seconds", 1, 600)];

static READINESS: &[Field] = &[
    Field::text("http_path", UrlPath, PATH_BYTES_MAX),
    Field::text("path", UrlPath, PATH_BYTES_MAX),
    Field::whole("port", 1, PORT_MAX),
    Field::whole("initial_delay_seconds", 0, 3600),
    Field::whole("period_seconds", 1, 300),
    Field::whole("timeout_seconds", 1, 120),
    Field::whole("success_threshold", 1, 50),
    Field::whole("failure_threshold", 1, 50),
];

static LIVENESS: &[Field] = &[
    Field::text("http_path", UrlPath, PATH_BYTES_MAX),
    Field::whole("port", 1, PORT_MAX).differs(),
    Field::whole("initial_delay_seconds", 0, 3600),
    Field::whole("period_seconds", 1, 300),
    Field::whole("timeout_seconds", 1, 120),
    Field::whole("success_threshold", 1, 1),
    Field::whole("failure_threshold", 1, 50),
];

pub(super) static ROUTE: Kind = Kind::Object(&[&[
    Field::text("path", UrlPath, 256),
    Field::flag("preserve_path_prefix"),
]]);

/// A variable.
pub(super) static ENV: Kind = Kind::Object(&[&[
    Field::text("key", Key, 256).required(),
    Field::text("value", Free, VALUE_BYTES_MAX),
    Field::word(
        "scope",
        &["UNSET", "RUN_TIME", "BUILD_TIME", "RUN_AND_BUILD_TIME"],
    ),
    Field::word("type", &["GENERAL", "SECRET"]),
]]);

/// An alert. Which rules go where is checked in `rules`.
pub(super) static ALERT: Kind = Kind::Object(&[&[
    Field::word(
        "rule",
        &[
            "UNSPECIFIED_RULE",
            "CPU_UTILIZATION",
            "MEM_UTILIZATION",
            "RESTART_COUNT",
            "DEPLOYMENT_FAILED",
            "DEPLOYMENT_LIVE",
            "DEPLOYMENT_STARTED",
            "DEPLOYMENT_CANCELED",
            "DOMAIN_FAILED",
            "DOMAIN_LIVE",
            "AUTOSCALE_FAILED",
            "AUTOSCALE_SUCCEEDED",
            "JOB_INVOCATION_FAILED",
            "FUNCTIONS_ACTIVATION_COUNT",
            "FUNCTIONS_AVERAGE_DURATION_MS",
            "FUNCTIONS_ERROR_RATE_PER_MINUTE",
            "FUNCTIONS_AVERAGE_WAIT_TIME_MS",
            "FUNCTIONS_ERROR_COUNT",
            "FUNCTIONS_GB_RATE_PER_SECOND",
            "REQUESTS_PER_SECOND",
            "REQUEST_DURATION_P95_MS",
        ],
    )
    .required()
    .hint(),
    Field::flag("disabled").hint(),
    Field::word(
        "operator",
        &["UNSPECIFIED_OPERATOR", "GREATER_THAN", "LESS_THAN"],
    )
    .hint(),
    Field::new("value", Kind::Number).hint(),
    Field::word(
        "window",
        &[
            "UNSPECIFIED_WINDOW",
            "FIVE_MINUTES",
            "TEN_MINUTES",
            "THIRTY_MINUTES",
            "ONE_HOUR",
        ],
    )
    .hint(),
]]);
