//! The route table as control sees it: groups from plans, hosts from routes.

mod files;
mod groups;
mod hosts;
mod ingress;

use std::time::Duration;

use tokio::time::Instant;
use windlass_engine::app::AppState;
use windlass_engine::id::{AppId, CommitNumber, PlanGeneration};
use windlass_engine::input::Observation;
use windlass_engine::instance::InstancePhase;
use windlass_engine::plan::{Plan, plan};
use windlass_router::{Acknowledgement, Change, Position, Table};

use crate::clock;
use crate::commit::Committed;
use crate::control::Control;
use crate::error::Error;
use crate::run_name::RunName;

use groups::Versions;
pub(crate) use groups::{component_of, group_of, group_of_version};

/// How long a background wait for the router goes on before it looks again, seconds.
const ACKNOWLEDGE_ROUND_SECS: u64 = 30;

/// In place of a component: a route leads to the app as a whole, whose ingress rules say which
/// component answers.
pub const WHOLE_APP: &str = "*";

impl Control {
    /// Publishes the groups of a state that was just committed. The command itself does this,
    /// before any driver call.
    ///
    /// # Errors
    /// [`Error::Internal`] when the table file can't be written; then nothing was sent.
    pub(crate) fn publish(&self, committed: &Committed) -> Result<Position, Error> {
        let versions = Versions::Changed(&committed.published_changed);
        let changes = self.group_changes(&committed.state, &committed.plan, versions)?;
        let position = self.routes().publish(changes).map_err(Error::internal)?;
        self.ask_about_drains(&committed.state);
        Ok(position)
    }

    /// The same for all that a state says, whatever was published before.
    fn publish_all_of(&self, state: &AppState, plan: &Plan) -> Result<Position, Error> {
        let changes = self.group_changes(state, plan, Versions::All)?;
        let position = self.routes().publish(changes).map_err(Error::internal)?;
        self.ask_about_drains(state);
        Ok(position)
    }

    /// Has the routers asked about instances that drain. The link asks by itself about those that
    /// a table takes away; but it may never have named one that was routable for a moment only,
    /// when the table of the next commit came first, and a report may have been lost with the last
    /// control.
    pub(crate) fn ask_about_drains(&self, state: &AppState) {
        for instance in state.instances.values() {
            if matches!(instance.phase, InstancePhase::Draining { .. }) {
                let run = RunName::Instance {
                    app: state.app.clone(),
                    instance: instance.id,
                    run: instance.run,
                };
                self.routes().ask_empty(&run.to_string());
            }
        }
    }

    /// Notes that the routes of an app are not in force; its worker publishes them before it does
    /// anything else.
    pub(crate) fn note_unpublished(&self, app: &AppId, error: &Error) {
        tracing::error!(app.id = %app, "routes not published: {error}");
        self.pending().unpublished_apps.insert(app.clone());
    }

    /// Publishes what could not be published when it was committed.
    ///
    /// # Errors
    /// [`Error::Internal`] when it still can't be.
    pub(crate) fn publish_missed(&self, state: &AppState, plan: &Plan) -> Result<(), Error> {
        if !self.pending().unpublished_apps.remove(&state.app) {
            return Ok(());
        }
        match self.publish_all_of(state, plan) {
            Ok(position) => {
                self.follow_acknowledgement(state, position, None);
                Ok(())
            }
            Err(error) => {
                self.note_unpublished(&state.app, &error);
                Err(error)
            }
        }
    }

    /// Replaces the whole table by what apps and routes say: the first thing after a start.
    pub(crate) fn publish_everything(&self, states: &[AppState]) -> Result<Position, Error> {
        let mut table = Table::default();
        let ports = self.ports_by_run(None)?;
        for state in states {
            let plan = plan(state, clock::now(CommitNumber(0)));
            for change in self.group_changes_at(state, &plan, Versions::All, &ports)? {
                if let Change::PutGroup { group, value } = change {
                    table.groups.insert(group, value);
                }
            }
        }
        table.hosts = self.all_hosts()?;
        self.routes().replace(table).map_err(Error::internal)
    }

    /// Waits until every router uses a table, at most as long as an answer may take. `None` =
    /// not yet.
    pub(crate) async fn await_acknowledged(&self, position: Position) -> bool {
        let wait = Duration::from_millis(self.settings().acknowledge_wait_ms);
        matches!(
            self.routes().wait_acknowledged(position, wait).await,
            Acknowledgement::Acknowledged { .. }
        )
    }

    /// Follows a published table until routers use it, and then tells the engine, if a release
    /// waits for that to be safe. `since` is the moment of the cancel's commit, if this follows a
    /// cancel directly.
    pub(crate) fn follow_acknowledgement(
        &self,
        state: &AppState,
        position: Position,
        since: Option<Instant>,
    ) {
        let waiting: Vec<_> = state
            .releases
            .iter()
            .filter(|release| {
                release
                    .restore
                    .as_ref()
                    .is_some_and(|restore| !restore.safe && restore.zero_generation.is_some())
            })
            .map(|release| release.id.clone())
            .collect();
        if waiting.is_empty() {
            return;
        }
        let control = self.clone();
        let app = state.app.clone();
        let generation = state.plan_generation;
        tokio::spawn(async move {
            let wait = Duration::from_secs(ACKNOWLEDGE_ROUND_SECS);
            while let Acknowledgement::NotYet { missing } =
                control.routes().wait_acknowledged(position, wait).await
            {
                tracing::warn!(app.id = %app, ?missing, "the router has not switched yet");
            }
            let micros =
                since.map(|since| u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX));
            for release in waiting {
                if let Some(micros) = micros {
                    let seen = Observation::SafeMeasured { release, micros };
                    control.observe(&app, seen).await;
                }
            }
            control.acknowledged(&app, generation).await;
        });
    }

    pub(crate) async fn acknowledged(&self, app: &AppId, generation: PlanGeneration) {
        self.observe(app, Observation::RouterAcknowledged { generation })
            .await;
    }
}
