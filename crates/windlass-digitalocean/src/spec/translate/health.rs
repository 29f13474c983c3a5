//! Health checks of the platform in the engine's form.
//!
//! The platform's `health_check` says whether an instance gets traffic: the engine's readiness
//! check. Its `liveness_health_check` says whether an instance is started again: the engine's
//! health check, which also has to pass once at the start.

use windlass_engine::configuration::{HealthCheck, HealthKind};

use crate::spec::wire::HealthCheckSpec;

/// Defaults of one kind of check.
struct Defaults {
    initial_delay_secs: u32,
    failure_threshold: u32,
}

const READINESS: Defaults = Defaults {
    initial_delay_secs: 0,
    failure_threshold: 9,
};
const LIVENESS: Defaults = Defaults {
    initial_delay_secs: 5,
    failure_threshold: 18,
};
const PERIOD_SECS: u32 = 10;
const TIMEOUT_SECS: u32 = 1;
const SUCCESS_THRESHOLD: u32 = 1;

/// The readiness check of a service. Without one an instance is ready when its port listens, which
/// its health check has found out by then.
pub(super) fn readiness(check: Option<&HealthCheckSpec>) -> HealthCheck {
    check.map_or_else(
        || HealthCheck::new(HealthKind::Process),
        |spec| check_of(spec, &READINESS),
    )
}

/// The health check of a service. Without a liveness check it is the port: an instance that does
/// not listen within the time of its readiness check has failed.
pub(super) fn of_service(
    liveness: Option<&HealthCheckSpec>,
    readiness: Option<&HealthCheckSpec>,
) -> HealthCheck {
    let start = window_secs(readiness, &READINESS);
    match liveness {
        Some(spec) => HealthCheck {
            start_timeout_secs: Some(start.max(window_secs(Some(spec), &LIVENESS))),
            ..check_of(spec, &LIVENESS)
        },
        // The delay before the first check is a liveness check's: a port may listen at once.
        None => HealthCheck {
            start_timeout_secs: Some(start),
            initial_delay_secs: Some(u64::from(READINESS.initial_delay_secs)),
            ..check_of(&HealthCheckSpec::default(), &LIVENESS)
        },
    }
}

/// The health check of a worker, which has no port unless a liveness check asks for one.
pub(super) fn of_worker(liveness: Option<&HealthCheckSpec>) -> HealthCheck {
    liveness.map_or_else(
        || HealthCheck::new(HealthKind::Process),
        |spec| HealthCheck {
            start_timeout_secs: Some(window_secs(Some(spec), &LIVENESS)),
            ..check_of(spec, &LIVENESS)
        },
    )
}

/// Time until a check that never passes has failed, seconds.
fn window_secs(spec: Option<&HealthCheckSpec>, defaults: &Defaults) -> u64 {
    let none = HealthCheckSpec::default();
    let spec = spec.unwrap_or(&none);
    let period = u64::from(given(spec.period_seconds, PERIOD_SECS));
    let failures = u64::from(given(spec.failure_threshold, defaults.failure_threshold));
    u64::from(given(
        spec.initial_delay_seconds,
        defaults.initial_delay_secs,
    )) + period * failures
}

fn check_of(spec: &HealthCheckSpec, defaults: &Defaults) -> HealthCheck {
    let path = if spec.http_path.is_empty() {
        &spec.path
    } else {
        &spec.http_path
    };
    let kind = if path.is_empty() {
        HealthKind::Port
    } else {
        HealthKind::Http {
            endpoint: path.clone(),
        }
    };
    let delay = given(spec.initial_delay_seconds, defaults.initial_delay_secs);
    HealthCheck {
        invocation_timeout_secs: Some(u64::from(given(spec.timeout_seconds, TIMEOUT_SECS))),
        interval_secs: Some(u64::from(given(spec.period_seconds, PERIOD_SECS))),
        initial_delay_secs: Some(u64::from(delay)),
        success_threshold: Some(given(spec.success_threshold, SUCCESS_THRESHOLD)),
        failure_threshold: Some(given(spec.failure_threshold, defaults.failure_threshold)),
        takes_redirects: true,
        ..HealthCheck::new(kind)
    }
}

fn given(value: u32, default: u32) -> u32 {
    if value == 0 { default } else { value }
}
