//! Writing configuration keys, scaling.

use std::collections::BTreeMap;

use windlass_engine::configuration::Edit;
use windlass_engine::id::{AppId, ComponentName};
use windlass_engine::input::{EditCommand, Input, ScaleCommand};
use windlass_engine::records::SecretValue;

use super::Caller;
use crate::clock;
use crate::commit::Committed;
use crate::control::{Control, Extra};
use crate::error::Error;

impl Control {
    /// Writes keys. `refuse_during_release` refuses writes to the artifact and to routed
    /// components while a release is in flight.
    ///
    /// # Errors
    /// [`Error::Rejected`], [`Error::NotFound`].
    pub async fn edit_app(
        &self,
        app: &AppId,
        edits: Vec<Edit>,
        caller: &Caller,
        refuse_during_release: bool,
        extra: Extra,
    ) -> Result<Committed, Error> {
        let command = EditCommand {
            edits,
            actor: caller.name.clone(),
            refuse_during_release,
        };
        Ok(self
            .commit_with(app, Input::Edit(command), extra, |_, _| Ok(()))
            .await?
            .0)
    }

    /// Sets (`Some`) and removes (`None`) environment variables.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn set_environment(
        &self,
        app: &AppId,
        variables: BTreeMap<String, Option<String>>,
        caller: &Caller,
        extra: Extra,
    ) -> Result<Committed, Error> {
        let set: BTreeMap<String, String> = variables
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
            .collect();
        let sealed = self.seal(&set)?;
        let edits = variables
            .into_keys()
            .map(|name| {
                let reference = sealed.get(&name).map(|value| value.reference.clone());
                Edit::Env(name, reference)
            })
            .collect();
        let command = EditCommand {
            edits,
            actor: caller.name.clone(),
            refuse_during_release: false,
        };
        let done = self
            .commit_with(app, Input::Edit(command), extra, move |tx, _| {
                for value in sealed.into_values() {
                    tx.put(&value)?;
                }
                Ok(())
            })
            .await?;
        Ok(done.0)
    }

    /// The environment variables of an app, in plain.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn environment_of(&self, app: &AppId) -> Result<BTreeMap<String, String>, Error> {
        let (_, state) = self.app(app)?;
        self.reveal(&state.configuration.env)
    }

    /// Sets the instances of a component.
    ///
    /// # Errors
    /// [`Error::Rejected`], [`Error::NotFound`].
    pub async fn scale_component(
        &self,
        app: &AppId,
        component: &ComponentName,
        instances: u32,
        extra: Extra,
    ) -> Result<Committed, Error> {
        let command = ScaleCommand {
            component: component.clone(),
            instances,
        };
        Ok(self
            .commit_with(app, Input::Scale(command), extra, |_, _| Ok(()))
            .await?
            .0)
    }

    /// Encrypts values, by name, to be stored in the commit that refers to them.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn seal_values(
        &self,
        values: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, SecretValue>, Error> {
        self.seal(values)
    }

    /// Encrypts values, by name.
    pub(crate) fn seal(
        &self,
        values: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, SecretValue>, Error> {
        values
            .iter()
            .map(|(name, value)| Ok((name.clone(), self.seal_one(value)?)))
            .collect()
    }

    /// Encrypts one value, to be stored in the commit that refers to it.
    pub(crate) fn seal_one(&self, value: &str) -> Result<SecretValue, Error> {
        Ok(SecretValue {
            reference: self
                .secrets()
                .reference(value.as_bytes())
                .map_err(Error::internal)?,
            ciphertext: self
                .secrets()
                .encrypt(value.as_bytes())
                .map_err(Error::internal)?,
            created_at: clock::wall(),
        })
    }
}
