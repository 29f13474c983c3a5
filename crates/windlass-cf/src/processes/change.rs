//! From checked requests to writes of an app's configuration.

use windlass_control::Extra;
use windlass_control::commands::Caller;
use windlass_engine::configuration::Edit;
use windlass_engine::limits::INSTANCES_MAX;

use super::find::Found;
use super::model::Process;
use super::request::{ScaleProcess, UpdateProcess};
use crate::auth::Authenticated;
use crate::checks::Patch;
use crate::error::{ApiError, ApiResult};
use crate::server::CfState;
use crate::tasks::request::USER;

/// Writes of an update.
pub(super) fn edits(process: &Process, request: &UpdateProcess) -> ApiResult<Vec<Edit>> {
    let name = &process.component;
    let mut edits = Vec::new();
    if request.command != Patch::Keep {
        let command = request.command.apply(process.config.command.clone());
        edits.push(Edit::Command(name.clone(), command));
    }
    if let Patch::Set(user) = &request.user
        && user != USER
    {
        return Err(ApiError::unprocessable(format!(
            "user invalid (requested user '{user}' not allowed, permitted users are: {USER})"
        )));
    }
    if request.user != Patch::Keep {
        let user = request.user.apply(process.config.user.clone());
        edits.push(Edit::User(name.clone(), user));
    }
    if !request.health.is_empty() {
        edits.push(Edit::Health(
            name.clone(),
            request.health.apply(&process.config.health),
        ));
    }
    if !request.readiness.is_empty() {
        let check = request.readiness.apply(&process.config.readiness);
        edits.push(Edit::Readiness(name.clone(), check));
    }
    Ok(edits)
}

/// Scales a process: sizes first, so that what is started anew has them.
pub(super) async fn scale(
    cf: &CfState,
    caller: &Authenticated,
    found: &Found,
    request: &ScaleProcess,
    extra: Extra,
) -> ApiResult<()> {
    let name = &found.process.component;
    let app = &found.place.app.id;
    if let Some(count) = request.instances {
        // The engine would refuse it too, but only after the sizes were written.
        if count > i64::from(INSTANCES_MAX) {
            let text = format!("Instances must be less than or equal to {INSTANCES_MAX}");
            return Err(ApiError::unprocessable(text));
        }
    }
    let mebibytes = |number: Option<i64>| number.and_then(|it| u64::try_from(it).ok());
    let mut edits = Vec::new();
    edits.extend(mebibytes(request.memory_in_mb).map(|mb| Edit::Memory(name.clone(), mb)));
    edits.extend(mebibytes(request.disk_in_mb).map(|mb| Edit::Disk(name.clone(), mb)));
    if let Some(rate) = request.log_rate_limit_in_bytes_per_second {
        // -1 does not fit and is what it means: unlimited.
        edits.push(Edit::LogRate(name.clone(), u64::try_from(rate).ok()));
    }
    check_sidecars(found, &edits)?;
    let by = Caller::from(&caller.principal);
    let instances = request
        .instances
        .and_then(|count| u32::try_from(count).ok());
    match (edits.is_empty(), instances) {
        (true, Some(count)) => {
            cf.control.scale_component(app, name, count, extra).await?;
        }
        (_, None) => {
            cf.control
                .edit_app(app, edits, &by, true, extra)
                .await
                .map_err(in_flight)?;
        }
        (false, Some(count)) => {
            cf.control
                .edit_app(app, edits, &by, true, Extra::default())
                .await
                .map_err(in_flight)?;
            cf.control.scale_component(app, name, count, extra).await?;
        }
    }
    Ok(())
}

/// Refuses a memory that the sidecars of a process would use up.
fn check_sidecars(found: &Found, edits: &[Edit]) -> ApiResult<()> {
    let memory_mb = edits.iter().find_map(|edit| match edit {
        Edit::Memory(_, mb) => Some(*mb),
        _ => None,
    });
    let sidecars_mb: u64 = found
        .state
        .configuration
        .sidecars
        .values()
        .filter(|sidecar| sidecar.components.contains(&found.process.component))
        .filter_map(|sidecar| sidecar.memory_mb)
        .sum();
    match memory_mb {
        Some(memory_mb) if sidecars_mb > 0 && memory_mb <= sidecars_mb => {
            Err(ApiError::unprocessable(
                "The requested memory allocation is not large enough to run all of your sidecar \
                 processes",
            ))
        }
        Some(_) | None => Ok(()),
    }
}

/// A change of sizes is called scaling here, whatever the engine calls it.
fn in_flight(error: windlass_control::Error) -> ApiError {
    use windlass_control::Error;
    use windlass_engine::rejection::{InFlightConflict, Rejection};

    match error {
        Error::Rejected(Rejection::ReleaseInFlight {
            what: InFlightConflict::UpdateComponent,
        }) => {
            let what = InFlightConflict::Scale;
            ApiError::from(Rejection::ReleaseInFlight { what })
        }
        other => ApiError::from(other),
    }
}
