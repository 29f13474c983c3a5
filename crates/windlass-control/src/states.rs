//! The states of apps as they are stored, for whoever only looks.

use windlass_engine::app::AppState;
use windlass_engine::id::AppId;

use crate::commit::read_state;
use crate::control::Control;
use crate::error::Error;

impl Control {
    /// States of all apps, for the first publication.
    pub(crate) fn all_states(&self) -> Result<Vec<AppState>, Error> {
        const PAGE: u32 = 500;
        let mut states = Vec::new();
        let mut after: Option<AppId> = None;
        loop {
            // One snapshot a page: a read of its own for each app would cost more than the app does.
            let last = self.store().read(|reader| {
                let apps = reader.apps_with_state(after.as_ref(), PAGE)?;
                for app in &apps {
                    if let Some(row) = reader.app_state(app)? {
                        states.push(read_state(&row)?);
                    }
                }
                Ok::<_, Error>(apps.last().cloned())
            })?;
            let Some(last) = last else {
                return Ok(states);
            };
            after = Some(last);
        }
    }

    /// State of an app.
    ///
    /// # Errors
    /// [`Error::Internal`] when it can't be read.
    pub fn state(&self, app: &AppId) -> Result<Option<AppState>, Error> {
        self.store().read(|reader| {
            Ok::<_, Error>(match reader.app_state(app)? {
                Some(row) => Some(read_state(&row)?),
                None => None,
            })
        })
    }
}
