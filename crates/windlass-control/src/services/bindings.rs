//! Binding service instances to apps.

use serde_json::Value;
use windlass_engine::configuration::Edit;
use windlass_engine::id::{AppId, BindingId, SecretRef, ServiceInstanceId};
use windlass_engine::input::{EditCommand, Input};
use windlass_engine::records::{AuditEvent, Metadata, ServiceBinding};
use windlass_store::{Column, Filter};

use super::{MAX_BINDINGS, MAX_VCAP_SERVICES_BYTES, entry, is_bound, known_bindings, rows_of};
use crate::commands::Caller;
use crate::commands::apps::live_app;
use crate::commit::apply;
use crate::control::{Control, put_audit};
use crate::error::Error;
use crate::principal::Principal;

/// A binding to make.
#[derive(Debug, Clone)]
pub struct NewBinding {
    /// The app.
    pub app: AppId,
    /// The service instance.
    pub service_instance: ServiceInstanceId,
    /// Name that the app sees, if given.
    pub name: Option<String>,
    /// Labels and annotations.
    pub metadata: Metadata,
}

/// The write of the key of a binding.
pub(super) fn edit(id: &BindingId, value: Option<SecretRef>, caller: &Caller) -> Input {
    Input::Edit(EditCommand {
        edits: vec![Edit::Binding(id.clone(), value)],
        actor: caller.name.clone(),
        refuse_during_release: false,
    })
}

fn not_found() -> Error {
    Error::NotFound {
        what: "service credential binding",
    }
}

impl Control {
    /// Binds. The app sees it at its next start or deployment.
    ///
    /// # Errors
    /// [`Error::Taken`] when it is bound already or the name is used, [`Error::Conflict`] when
    /// there are too many or they are too large, [`Error::NotFound`].
    pub async fn create_binding(
        &self,
        principal: &Principal,
        new: NewBinding,
        event: impl FnOnce(&ServiceBinding) -> AuditEvent + Send + 'static,
    ) -> Result<ServiceBinding, Error> {
        let instance = self.service_instance(&new.service_instance)?;
        let credentials = self.credentials_of(&instance)?;
        let rows = self.bindings_of(&instance.id)?;
        let old = rows.into_iter().find(|it| it.app == new.app);
        let by = self.tenancy().by(&principal.actor());
        // The same two again are the same binding: what a cancel may give back is that one.
        let id = old.as_ref().map_or_else(
            || BindingId::new(uuid::Uuid::new_v4().to_string()),
            |old| old.id.clone(),
        );
        let mut binding = ServiceBinding {
            id,
            app: new.app,
            service_instance: instance.id.clone(),
            name: new.name,
            metadata: new.metadata,
            stamps: windlass_engine::records::Stamps {
                created_at: by.at,
                updated_at: by.at,
                ..windlass_engine::records::Stamps::default()
            },
        };
        let entry = entry(&instance, &binding, &credentials);
        self.check_entry(&binding.app, &binding.id, &entry)?;
        let value = self.seal_one(&entry.to_string())?;
        let caller = Caller::from(principal);
        let settings = self.commit_settings().clone();
        let (committed, binding) = self
            .write(move |tx| {
                live_app(tx, &binding.app)?;
                if tx
                    .get::<windlass_engine::records::ServiceInstance>(&binding.service_instance)?
                    .is_none()
                {
                    return Err(Error::NotFound {
                        what: "service instance",
                    });
                }
                let own = vec![Filter::is(Column::App, binding.app.as_str())];
                let of_app = tx.all::<ServiceBinding>(own)?;
                if of_app.len() as u64 >= MAX_BINDINGS {
                    return Err(Error::Conflict(format!(
                        "the app has {MAX_BINDINGS} bindings; remove one first"
                    )));
                }
                for mut other in of_app {
                    let is_same = other.service_instance == binding.service_instance;
                    let has_name = binding.name.is_some() && other.name == binding.name;
                    if !is_same && !has_name {
                        continue;
                    }
                    if is_bound(tx, &other)? {
                        return Err(Error::Taken {
                            what: if is_same {
                                "service binding"
                            } else {
                                "service binding name"
                            },
                            value: binding.name.unwrap_or_default(),
                        });
                    }
                    if !is_same {
                        other.name = None;
                        tx.put(&other)?;
                    } else if other.id != binding.id {
                        // Made by somebody else since it was looked at.
                        return Err(Error::Conflict("the app was bound meanwhile".to_owned()));
                    }
                }
                binding.stamps.created_commit = tx.commit_number();
                tx.put(&value)?;
                tx.put(&binding)?;
                let edit = edit(&binding.id, Some(value.reference), &caller);
                let committed = apply(tx, &binding.app, &edit, Some(&settings))?;
                put_audit(tx, vec![event(&binding)])?;
                Ok((committed, binding))
            })
            .await?;
        self.act(&committed);
        Ok(binding)
    }

    /// Unbinds. What runs keeps what it saw; a cancel of a deployment that runs may bind again.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_binding(
        &self,
        principal: &Principal,
        id: &BindingId,
        event: AuditEvent,
    ) -> Result<(), Error> {
        let (id, caller) = (id.clone(), Caller::from(principal));
        let settings = self.commit_settings().clone();
        let committed = self
            .write(move |tx| {
                let binding: ServiceBinding = tx.get(&id)?.ok_or_else(not_found)?;
                if !is_bound(tx, &binding)? {
                    return Err(not_found());
                }
                let edit = edit(&id, None, &caller);
                let committed = apply(tx, &binding.app, &edit, Some(&settings))?;
                if !known_bindings(&committed.state).contains(&id) {
                    tx.delete::<ServiceBinding>(&id)?;
                }
                put_audit(tx, vec![event])?;
                Ok(committed)
            })
            .await?;
        self.act(&committed);
        Ok(())
    }

    /// Changes labels and annotations of a binding.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn update_binding(
        &self,
        id: &BindingId,
        metadata: Metadata,
        told: AuditEvent,
    ) -> Result<ServiceBinding, Error> {
        let (id, at) = (id.clone(), crate::clock::wall());
        self.write(move |tx| {
            let mut binding: ServiceBinding = tx.get(&id)?.ok_or_else(not_found)?;
            binding.metadata = metadata;
            binding.stamps.updated_at = at;
            tx.put(&binding)?;
            put_audit(tx, vec![told])?;
            Ok(binding)
        })
        .await
    }

    /// A binding that is in force.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn binding(&self, id: &BindingId) -> Result<ServiceBinding, Error> {
        self.store().read(|reader| {
            let found = reader.get::<ServiceBinding>(id)?.ok_or_else(not_found)?;
            if is_bound(reader, &found)? {
                Ok(found)
            } else {
                Err(not_found())
            }
        })
    }

    /// What an app sees of a binding: its entry of `VCAP_SERVICES`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn entry_of(&self, binding: &ServiceBinding) -> Result<Value, Error> {
        let (_, state) = self.app(&binding.app)?;
        let value = state.configuration.bindings.get(&binding.id);
        let text = self.reveal_one(value.ok_or_else(not_found)?)?;
        serde_json::from_str(&text).map_err(Error::internal)
    }

    pub(super) fn bindings_of(&self, id: &ServiceInstanceId) -> Result<Vec<ServiceBinding>, Error> {
        self.store().read(|reader| rows_of(reader, id))
    }

    /// Refuses an entry that would make the variable of an app too large.
    pub(super) fn check_entry(
        &self,
        app: &AppId,
        id: &BindingId,
        entry: &Value,
    ) -> Result<(), Error> {
        let (_, state) = self.app(app)?;
        let mut others = state.configuration.bindings;
        others.remove(id);
        let bytes = self.vcap_services(&others)?.to_string().len() + entry.to_string().len();
        if bytes <= MAX_VCAP_SERVICES_BYTES {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "the bindings of an app must not be larger than {MAX_VCAP_SERVICES_BYTES} bytes in all"
        )))
    }
}
