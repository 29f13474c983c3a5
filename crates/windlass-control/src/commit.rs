//! The one way into the engine: load, `transition`, save, in one closure of the store's writer.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde_json::Value;
use windlass_engine::app::AppState;
use windlass_engine::build::{BuildOutcome, BuildState};
use windlass_engine::event::Event;
use windlass_engine::id::{AppId, CommitNumber, ComponentName, RevisionId};
use windlass_engine::input::Input;
use windlass_engine::plan::{Plan, Want, plan};
use windlass_engine::records::{AppRecord, Organization, Quota};
use windlass_engine::time::Now;
use windlass_engine::transition::{Ledgers, transition, usage};
use windlass_store::{AppStateRow, NewEvent, Store, StoreError, Tx, Usage, WriteError};

use crate::builds::{note_begin, settle_record};
use crate::clock;
use crate::control::put_audit;
use crate::error::Error;
use crate::history::put_history;
use crate::hosts;
use crate::instance_events::instance_events;
use crate::run_name::RunName;

/// Scope of build slots: all apps of this installation share them.
const BUILD_SLOTS: &str = "builds";

/// What a commit needs to know beside the state.
#[derive(Debug, Clone)]
pub(crate) struct CommitSettings {
    pub(crate) port_range: RangeInclusive<u16>,
    pub(crate) uid_range: RangeInclusive<u32>,
    pub(crate) build_slots: u32,
}

/// Result of a commit.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The state after it.
    pub state: AppState,
    /// The plan after it.
    pub plan: Plan,
    /// Whether anything changed.
    pub changed: bool,
    /// Whether driver and router have something to do.
    pub plan_changed: bool,
    /// Published versions whose routes are others than before.
    pub published_changed: Vec<(RevisionId, ComponentName)>,
    /// Number of the commit.
    pub commit: CommitNumber,
    /// Hosts that lead somewhere else than before.
    pub hosts: BTreeSet<String>,
}

/// Folds one input into an app inside a commit.
///
/// # Errors
/// [`Error::NotFound`] when there is no such app, [`Error::Rejected`] when the engine refuses.
pub(crate) fn apply(
    tx: &mut Tx<'_>,
    app: &AppId,
    input: &Input,
    settings: Option<&CommitSettings>,
) -> Result<Committed, Error> {
    let row = tx.app_state(app)?.ok_or(Error::NotFound { what: "app" })?;
    let state = read_state(&row)?;
    let record: AppRecord = tx.get(app)?.ok_or(Error::NotFound { what: "app" })?;
    let now = clock::now(tx.commit_number());
    let ledgers = ledgers(tx, &record, &state, settings)?;
    let result = transition(&state, input, now, &ledgers)?;
    let plan = plan(&result.state, now);
    let mut committed = Committed {
        published_changed: published_changed(&state, &plan, now),
        plan_changed: result.state.plan_generation != state.plan_generation,
        changed: result.changed,
        commit: tx.commit_number(),
        plan,
        state: result.state,
        hosts: BTreeSet::new(),
    };
    if !committed.changed {
        return Ok(committed);
    }
    save(
        tx,
        &row,
        &record,
        &state,
        &committed,
        &result.events,
        input,
        now,
        settings,
    )?;
    // A new release is only recorded afterwards, with what it names.
    if !matches!(input, Input::Deploy(_)) && hosts::may_settle(&state, &committed.state) {
        committed.hosts = hosts::settle(tx, app)?;
    }
    Ok(committed)
}

/// Published versions of which a plan says something else than that of an earlier state.
fn published_changed(
    before: &AppState,
    after: &Plan,
    now: Now,
) -> Vec<(RevisionId, ComponentName)> {
    if before.published.is_empty() && after.published.is_empty() {
        return Vec::new();
    }
    let before = plan(before, now).published;
    let is_same = |key: &(RevisionId, ComponentName)| before.get(key) == after.published.get(key);
    let keys = before.keys().chain(after.published.keys());
    let changed: BTreeSet<_> = keys.filter(|key| !is_same(key)).cloned().collect();
    changed.into_iter().collect()
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call, one commit: all of it belongs together"
)]
fn save(
    tx: &mut Tx<'_>,
    row: &AppStateRow,
    record: &AppRecord,
    before: &AppState,
    committed: &Committed,
    events: &[Event],
    input: &Input,
    now: Now,
    settings: Option<&CommitSettings>,
) -> Result<(), Error> {
    let after = &committed.state;
    tx.put_app_state(Some(row.row_revision), &to_row(after, &committed.plan)?)?;
    put_history(tx, before, after, &committed.plan, now.wall)?;
    put_audit(tx, instance_events(record, before, after))?;
    // What its own resource shows of it: whether it runs, and which artifact.
    if (before.run, &before.configuration.artifact) != (after.run, &after.configuration.artifact) {
        let mut record = record.clone();
        record.stamps.updated_at = now.wall;
        tx.put(&record)?;
    }
    let used = usage(after);
    let used = Usage {
        memory_mb: used.memory_mb,
        instances: used.instances,
        tasks: used.tasks,
    };
    tx.put_usage(&record.id, &record.organization, used)?;
    for event in events {
        tx.append_event(&NewEvent {
            app: Some(record.id.clone()),
            organization: Some(record.organization.clone()),
            subject_kind: event.subject.kind().to_owned(),
            subject: event.subject.id().to_owned(),
            at: now.wall,
            kind: event.kind.to_owned(),
            text: event.text.clone(),
            data: Value::Null,
        })?;
    }
    for build in before.builds.iter().chain(&after.builds) {
        let holds = after
            .builds
            .iter()
            .any(|b| b.id == build.id && b.holds_slot());
        let held = before
            .builds
            .iter()
            .any(|b| b.id == build.id && b.holds_slot());
        if holds && !held {
            let limit = settings.map_or(u32::MAX, |settings| settings.build_slots);
            tx.take_build_slot(BUILD_SLOTS, build.id.as_str(), limit)?;
            note_begin(tx, &build.id, now.wall)?;
        } else if held && !holds {
            tx.free_build_slot(build.id.as_str())?;
        }
    }
    for build in &after.builds {
        let is_over = before
            .builds
            .iter()
            .any(|b| b.id == build.id && b.is_finished());
        // What was built is settled together with its artifact.
        let ended = match &build.state {
            BuildState::Finished { outcome } => !is_over && *outcome != BuildOutcome::Built,
            BuildState::Queued | BuildState::Running | BuildState::Canceling { .. } => false,
        };
        if ended {
            settle_record(tx, &build.id, after, None, now.wall)?;
        }
    }
    if let Some(settings) = settings {
        match lease(tx, after, &committed.plan, now, settings)? {
            Leased::All => {}
            Leased::Short(text) if needs_room(input) => {
                return Err(Error::Unavailable(text.to_owned()));
            }
            // A fact or a cancel is never refused for that: the launch waits for a port.
            Leased::Short(text) => tracing::warn!(app.id = %after.app, "{text}"),
        }
    }
    Ok(())
}

/// Whether an input asks for more than ran before, and so is refused when there is no room.
fn needs_room(input: &Input) -> bool {
    match input {
        Input::Scale(_)
        | Input::Start(_)
        | Input::Restart(_)
        | Input::Deploy(_)
        | Input::RunTask(_)
        | Input::CreateBuild(_) => true,
        Input::Edit(_)
        | Input::Stop
        | Input::RestartInstance(_)
        | Input::CancelRelease(_)
        | Input::ContinueRelease(_)
        | Input::CompleteRelease(_)
        | Input::Publish { .. }
        | Input::Withdraw { .. }
        | Input::AwaitChecks { .. }
        | Input::CancelBuild { .. }
        | Input::CancelTask(_)
        | Input::Delete { .. }
        | Input::Configure(_)
        | Input::Observe(_)
        | Input::Tick => false,
    }
}

/// Whether there was room for what a plan wants to run.
enum Leased {
    /// For all of it.
    All,
    /// Not for all; what is short.
    Short(&'static str),
}

/// Leases ports and a user id for what the plan wants to run, in the same commit: route table and
/// launch then agree without asking again.
fn lease(
    tx: &mut Tx<'_>,
    state: &AppState,
    plan: &Plan,
    now: Now,
    settings: &CommitSettings,
) -> Result<Leased, StoreError> {
    let runs = !plan.instances.is_empty() || !plan.tasks.is_empty() || !plan.builds.is_empty();
    if runs
        && tx
            .lease_uid(&state.app, settings.uid_range.clone())?
            .is_none()
    {
        return Ok(Leased::Short("no user id is left for another app"));
    }
    for instance in plan
        .instances
        .iter()
        .filter(|instance| instance.want == Want::Run)
    {
        let run = RunName::Instance {
            app: state.app.clone(),
            instance: instance.id,
            run: instance.run,
        };
        let range = settings.port_range.clone();
        if tx
            .lease_port(&state.app, &run.to_string(), range, now.uptime)?
            .is_none()
        {
            return Ok(Leased::Short("no port is left for another instance"));
        }
    }
    Ok(Leased::All)
}

fn ledgers(
    tx: &mut Tx<'_>,
    record: &AppRecord,
    state: &AppState,
    settings: Option<&CommitSettings>,
) -> Result<Ledgers, Error> {
    let organization: Option<Organization> = tx.get(&record.organization)?;
    let quota = organization
        .map(|organization| organization.quota)
        .unwrap_or_default();
    // A sum over all apps of the organization: only where there is something to compare it with.
    let used = if quota == Quota::default() {
        Usage::default()
    } else {
        tx.organization_usage(&record.organization)?
    };
    let running = tx.build_slots(BUILD_SLOTS)?.len();
    Ok(Ledgers {
        memory_mb_left: quota
            .memory_mb
            .map(|limit| limit.saturating_sub(used.memory_mb)),
        instances_left: quota
            .instances
            .map(|limit| u64::from(limit).saturating_sub(used.instances)),
        tasks_left: quota
            .tasks
            .map(|limit| u64::from(limit).saturating_sub(used.tasks)),
        build_slots_left: settings
            .filter(|_| !state.builds.is_empty() || running > 0)
            .map(|settings| {
                settings
                    .build_slots
                    .saturating_sub(u32::try_from(running).unwrap_or(u32::MAX))
            }),
    })
}

/// Reads the engine's document.
pub(crate) fn read_state(row: &AppStateRow) -> Result<AppState, StoreError> {
    serde_json::from_str(&row.document).map_err(|e| StoreError::Damaged {
        table: "app_states",
        text: e.to_string(),
    })
}

/// The row of a state.
pub(crate) fn to_row(state: &AppState, plan: &Plan) -> Result<AppStateRow, StoreError> {
    Ok(AppStateRow {
        app: state.app.clone(),
        row_revision: state.row_revision,
        wake_at: plan
            .wake_at
            .map(|at| i64::try_from(at.0).unwrap_or(i64::MAX)),
        active: !plan.instances.is_empty()
            || !plan.tasks.is_empty()
            || !plan.builds.is_empty()
            || !plan.jobs.is_empty()
            || plan.wake_at.is_some()
            || !state.is_settled(),
        document: serde_json::to_string(state).map_err(|e| StoreError::Unwritable {
            table: "app_states",
            text: e.to_string(),
        })?,
    })
}

/// Runs a closure in the writer and flattens its error.
pub(crate) async fn write<T, F>(store: &Store, change: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
{
    store.write(change).await.map_err(WriteError::flatten)
}
