//! Builds that wait for a slot of the machine, whichever app they are of.

use std::collections::BTreeSet;

use windlass_engine::app::AppState;
use windlass_engine::build::BuildState;
use windlass_engine::id::{AppId, CommitNumber};
use windlass_engine::records::BuildRecord;
use windlass_store::{Column, Filter};

use crate::control::Control;
use crate::error::Error;

impl Control {
    /// Looks again at every app whose build waits for a slot: the one whose build has waited longest
    /// first, so that it takes what is free.
    pub(crate) async fn wake_waiting_builds(&self) {
        let waiting = match self.waiting_states() {
            Ok(states) => in_order(&states),
            Err(error) => {
                tracing::warn!("waiting builds were not looked at: {error}");
                return;
            }
        };
        for app in waiting {
            match self.tick(&app).await {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => {
                    tracing::warn!(app.id = %app, "a waiting build was not looked at: {error}");
                }
            }
        }
    }

    /// States of all apps with builds that are not over.
    fn waiting_states(&self) -> Result<Vec<AppState>, Error> {
        let open = self.store().read(|reader| {
            let staging = Filter::is(Column::State, "staging");
            Ok::<_, Error>(reader.all::<BuildRecord>(vec![staging])?)
        })?;
        let apps: BTreeSet<AppId> = open.into_iter().map(|build| build.app).collect();
        let mut states = Vec::new();
        for app in apps {
            states.extend(self.state(&app)?);
        }
        Ok(states)
    }
}

/// Apps with queued builds, by the age of their oldest one.
fn in_order(states: &[AppState]) -> Vec<AppId> {
    let oldest = |state: &AppState| {
        let queued = state.builds.iter();
        queued
            .filter(|build| build.state == BuildState::Queued)
            .map(|build| build.created_commit)
            .min()
    };
    let mut waiting: Vec<(CommitNumber, &AppId)> = states
        .iter()
        .filter_map(|state| Some((oldest(state)?, &state.app)))
        .collect();
    waiting.sort();
    waiting.into_iter().map(|(_, app)| app.clone()).collect()
}
