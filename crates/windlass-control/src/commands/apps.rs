//! Creating an app and changing its record.

use std::collections::BTreeMap;

use serde_json::Value;
use windlass_engine::app::{AppSettings, AppState, ConcurrencyPolicy};
use windlass_engine::configuration::{ComponentConfig, Edit};
use windlass_engine::id::{AppId, CommitNumber, ComponentName, SpaceId};
use windlass_engine::plan::plan;
use windlass_engine::records::{AppRecord, Dialect, Metadata, SecretValue, Space, Stamps};
use windlass_store::{StoreError, Tx, Unique};

use crate::clock;
use crate::commit::{to_row, write};
use crate::control::{Control, Extra, put_audit};
use crate::error::Error;

/// A new app.
#[derive(Debug, Clone)]
pub struct NewApp {
    /// Its id.
    pub id: AppId,
    /// Where it lies.
    pub space: SpaceId,
    /// Name, unique in the space.
    pub name: String,
    /// Owner of its wire form.
    pub dialect: Dialect,
    /// What a new release does to others.
    pub policy: ConcurrencyPolicy,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Verbatim document of the dialect.
    pub document: Value,
    /// Components that it has from the first moment, with their scale.
    pub components: BTreeMap<ComponentName, (ComponentConfig, u32)>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Settings; `None` = the server's defaults.
    pub settings: Option<AppSettings>,
}

impl Control {
    /// Creates an app.
    ///
    /// # Errors
    /// [`Error::NotFound`] without its space, [`Error::Taken`] for its name.
    pub async fn create_app(&self, new: NewApp, extra: Extra) -> Result<AppRecord, Error> {
        let values = self.seal(&new.env)?;
        let settings = new.settings.unwrap_or(self.settings().app_defaults);
        let control = self.clone();
        write(self.store(), move |tx| {
            control.claim(tx, extra.once.as_ref())?;
            put_audit(tx, extra.audit)?;
            put_new_app(tx, new, settings, values.into_iter().collect())
        })
        .await
    }

    /// Changes the record of an app: name, metadata, document.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Taken`] for its name.
    pub async fn update_app<F>(
        &self,
        id: &AppId,
        change: F,
        extra: Extra,
    ) -> Result<AppRecord, Error>
    where
        F: FnOnce(&mut AppRecord) + Send + 'static,
    {
        let id = id.clone();
        write(self.store(), move |tx| {
            let mut record = live_app(tx, &id)?;
            change(&mut record);
            record.stamps.updated_at = clock::wall();
            put_app(tx, &record)?;
            put_audit(tx, extra.audit)?;
            Ok(record)
        })
        .await
    }

    /// An app that is not deleted, with its state.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn app(&self, id: &AppId) -> Result<(AppRecord, AppState), Error> {
        let record = self.app_record(id)?;
        if record.deleted {
            return Err(Error::NotFound { what: "app" });
        }
        let state = self.state(id)?.ok_or(Error::NotFound { what: "app" })?;
        Ok((record, state))
    }
}

/// Creates an app inside a commit. `values` are its environment, sealed.
pub(super) fn put_new_app(
    tx: &mut Tx<'_>,
    new: NewApp,
    settings: AppSettings,
    values: Vec<(String, SecretValue)>,
) -> Result<AppRecord, Error> {
    let space: Space = tx
        .get(&new.space)?
        .filter(|space: &Space| !space.deleting)
        .ok_or(Error::NotFound { what: "space" })?;
    let wall = clock::wall();
    let record = AppRecord {
        id: new.id.clone(),
        organization: space.organization,
        space: space.id,
        name: new.name,
        dialect: new.dialect,
        deleted: false,
        metadata: new.metadata,
        document: new.document,
        last_task_sequence: 0,
        last_revision_number: 0,
        stamps: Stamps {
            created_at: wall,
            updated_at: wall,
            created_commit: tx.commit_number(),
        },
    };
    put_app(tx, &record)?;
    // What its builds publish is served without a start.
    let mut state = match new.policy {
        ConcurrencyPolicy::ParallelBuilds { .. } => AppState::started(new.id, new.policy, settings),
        ConcurrencyPolicy::SupersedeNow | ConcurrencyPolicy::OneRunningNewestPending => {
            AppState::new(new.id, new.policy, settings)
        }
    };
    for (name, (config, scale)) in new.components {
        state
            .configuration
            .apply(&Edit::AddComponent(name.clone(), config));
        state.scale.insert(name, scale);
    }
    for (name, sealed) in values {
        state
            .configuration
            .apply(&Edit::Env(name, Some(sealed.reference.clone())));
        tx.put(&sealed)?;
    }
    let plan = plan(&state, clock::now(CommitNumber(0)));
    tx.put_app_state(None, &to_row(&state, &plan)?)?;
    Ok(record)
}

/// An app that is not deleted.
pub(crate) fn live_app(tx: &mut Tx<'_>, id: &AppId) -> Result<AppRecord, Error> {
    tx.get(id)?
        .filter(|record: &AppRecord| !record.deleted)
        .ok_or(Error::NotFound { what: "app" })
}

pub(crate) fn put_app(tx: &mut Tx<'_>, record: &AppRecord) -> Result<(), Error> {
    tx.put(record).map_err(|error| match error {
        StoreError::Duplicate {
            what: Unique::AppName,
        } => Error::Taken {
            what: "app name",
            value: record.name.clone(),
        },
        other => other.into(),
    })
}
