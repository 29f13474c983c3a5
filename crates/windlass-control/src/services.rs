//! User-provided service instances, and their bindings to apps.
//!
//! What is bound is said by the app's configuration alone: a binding is one of its keys, so a
//! cancel restores it. The row of a binding only describes it. It therefore outlives an unbinding
//! as long as some revision may bring the binding back.
//!
//! The secret value of a binding is its whole entry of `VCAP_SERVICES`. It changes with everything
//! that the app sees of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use windlass_engine::app::AppState;
use windlass_engine::id::{AppId, BindingId, ServiceInstanceId, SpaceId};
use windlass_engine::records::{AuditEvent, Metadata, ServiceBinding, ServiceInstance};
use windlass_store::{Column, Filter, ListPage, ListQuery, Page, Tx};

use crate::commands::Caller;
use crate::commit::{Committed, apply, read_state, write};
use crate::control::{Control, put_audit};
use crate::error::Error;
use crate::identity::Visibility;
use crate::principal::Principal;
use crate::tenancy::{check_name, live_space, visible};

mod bindings;

pub use bindings::NewBinding;

/// Most bindings of one instance and of one app.
pub const MAX_BINDINGS: u64 = 200;
/// Largest credentials of one instance, bytes of JSON.
pub const MAX_CREDENTIALS_BYTES: usize = 32 * 1024;
/// Largest `VCAP_SERVICES` of an app, bytes: it is one variable of its environment, and the
/// system takes 128 KiB for one.
pub const MAX_VCAP_SERVICES_BYTES: usize = 96 * 1024;

/// A service instance to make.
#[derive(Debug, Clone)]
pub struct NewServiceInstance {
    /// Where.
    pub space: SpaceId,
    /// Name, unique in the space.
    pub name: String,
    /// What apps that are bound to it see.
    pub credentials: Map<String, Value>,
    /// Tags.
    pub tags: Vec<String>,
    /// Labels and annotations.
    pub metadata: Metadata,
}

/// Change of a service instance; `None` keeps.
#[derive(Debug, Clone, Default)]
pub struct ServiceInstancePatch {
    /// Name.
    pub name: Option<String>,
    /// Credentials, all of them.
    pub credentials: Option<Map<String, Value>>,
    /// Tags.
    pub tags: Option<Vec<String>>,
    /// Labels and annotations.
    pub metadata: Option<Metadata>,
}

impl Control {
    /// Makes a service instance.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::Invalid`], [`Error::NotFound`] without the space.
    pub async fn create_service_instance(
        &self,
        principal: &Principal,
        new: NewServiceInstance,
        event: impl FnOnce(&ServiceInstance) -> AuditEvent + Send + 'static,
    ) -> Result<ServiceInstance, Error> {
        check_name("name", &new.name)?;
        let credentials = self.sealed_credentials(&new.credentials)?;
        let by = self.tenancy().by(&principal.actor());
        self.write(move |tx| {
            live_space(tx, &new.space)?;
            let id = ServiceInstanceId::new(uuid::Uuid::new_v4().to_string());
            check_free(tx, &new.space, &new.name, &id)?;
            let instance = ServiceInstance {
                id,
                space: new.space,
                name: new.name,
                credentials: credentials.reference.clone(),
                syslog_drain_url: None,
                route_service_url: None,
                tags: new.tags,
                metadata: new.metadata,
                stamps: by.stamps(tx),
            };
            tx.put(&credentials)?;
            tx.put(&instance)?;
            put_audit(tx, vec![event(&instance)])?;
            Ok(instance)
        })
        .await
    }

    /// Changes a service instance. Apps that are bound see it at their next start or deployment.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::Invalid`], [`Error::NotFound`].
    pub async fn update_service_instance(
        &self,
        principal: &Principal,
        id: &ServiceInstanceId,
        patch: ServiceInstancePatch,
        event: AuditEvent,
    ) -> Result<ServiceInstance, Error> {
        if let Some(name) = &patch.name {
            check_name("name", name)?;
        }
        let mut instance = self.service_instance(id)?;
        let sealed = match &patch.credentials {
            Some(credentials) => Some(self.sealed_credentials(credentials)?),
            None => None,
        };
        let is_seen = patch.name.is_some() || patch.tags.is_some() || sealed.is_some();
        instance.name = patch.name.unwrap_or(instance.name);
        instance.tags = patch.tags.unwrap_or(instance.tags);
        instance.metadata = patch.metadata.unwrap_or(instance.metadata);
        if let Some(sealed) = &sealed {
            instance.credentials = sealed.reference.clone();
        }
        let credentials = match patch.credentials {
            Some(credentials) => credentials,
            None => self.credentials_of(&instance)?,
        };
        let mut entries = Vec::new();
        if is_seen {
            for binding in self.bindings_of(id)? {
                let entry = entry(&instance, &binding, &credentials);
                self.check_entry(&binding.app, &binding.id, &entry)?;
                entries.push((binding, self.seal_one(&entry.to_string())?));
            }
        }
        let by = self.tenancy().by(&principal.actor());
        let caller = Caller::from(principal);
        let settings = self.commit_settings().clone();
        let own = instance.clone();
        let (instance, committed) = self
            .write(move |tx| {
                if tx.get::<ServiceInstance>(&own.id)?.is_none() {
                    return Err(Error::NotFound {
                        what: "service instance",
                    });
                }
                check_free(tx, &own.space, &own.name, &own.id)?;
                let mut own = own;
                own.stamps.updated_at = by.at;
                if let Some(sealed) = &sealed {
                    tx.put(sealed)?;
                }
                tx.put(&own)?;
                let mut committed = Vec::new();
                for (binding, value) in entries {
                    if !is_bound(tx, &binding)? {
                        continue;
                    }
                    tx.put(&value)?;
                    let edit = bindings::edit(&binding.id, Some(value.reference), &caller);
                    committed.push(apply(tx, &binding.app, &edit, Some(&settings))?);
                }
                put_audit(tx, vec![event])?;
                Ok((own, committed))
            })
            .await?;
        self.act_on_all(&committed);
        Ok(instance)
    }

    /// Deletes a service instance with its bindings.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_service_instance(
        &self,
        principal: &Principal,
        id: &ServiceInstanceId,
        event: AuditEvent,
    ) -> Result<(), Error> {
        let (id, caller) = (id.clone(), Caller::from(principal));
        let settings = self.commit_settings().clone();
        let committed = self
            .write(move |tx| {
                let mut committed = Vec::new();
                for binding in rows_of(tx, &id)? {
                    if is_bound(tx, &binding)? {
                        let edit = bindings::edit(&binding.id, None, &caller);
                        committed.push(apply(tx, &binding.app, &edit, Some(&settings))?);
                    }
                    tx.delete::<ServiceBinding>(&binding.id)?;
                }
                if !tx.delete::<ServiceInstance>(&id)? {
                    return Err(Error::NotFound {
                        what: "service instance",
                    });
                }
                put_audit(tx, vec![event])?;
                Ok(committed)
            })
            .await?;
        self.act_on_all(&committed);
        Ok(())
    }

    /// A service instance.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn service_instance(&self, id: &ServiceInstanceId) -> Result<ServiceInstance, Error> {
        self.store()
            .read(|reader| Ok::<_, Error>(reader.get::<ServiceInstance>(id)?))?
            .ok_or(Error::NotFound {
                what: "service instance",
            })
    }

    /// Service instances that the caller sees.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn list_service_instances(
        &self,
        visibility: &Visibility,
        mut query: ListQuery,
    ) -> Result<ListPage<ServiceInstance>, Error> {
        query
            .filters
            .extend(visible(visibility, Column::Organization, Column::Space));
        Ok(self
            .store()
            .read_list(move |reader| reader.list::<ServiceInstance>(&query))
            .await?)
    }

    /// The credentials of a service instance, in plain.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn credentials_of(&self, instance: &ServiceInstance) -> Result<Map<String, Value>, Error> {
        serde_json::from_str(&self.reveal_one(&instance.credentials)?).map_err(Error::internal)
    }

    fn sealed_credentials(
        &self,
        credentials: &Map<String, Value>,
    ) -> Result<windlass_engine::records::SecretValue, Error> {
        let text = Value::Object(credentials.clone()).to_string();
        if text.len() > MAX_CREDENTIALS_BYTES {
            return Err(Error::Invalid {
                field: "credentials".to_owned(),
                reason: format!("must not be larger than {MAX_CREDENTIALS_BYTES} bytes"),
            });
        }
        self.seal_one(&text)
    }

    fn act_on_all(&self, committed: &[Committed]) {
        for one in committed {
            self.act(one);
        }
    }
}

/// The entry of `VCAP_SERVICES`.
pub(crate) fn entry(
    instance: &ServiceInstance,
    binding: &ServiceBinding,
    credentials: &Map<String, Value>,
) -> Value {
    json!({
        "label": "user-provided",
        "name": binding.name.as_ref().unwrap_or(&instance.name),
        "tags": instance.tags,
        "instance_guid": instance.id,
        "instance_name": instance.name,
        "binding_guid": binding.id,
        "binding_name": binding.name,
        "credentials": credentials,
        "syslog_drain_url": instance.syslog_drain_url,
        "volume_mounts": [],
    })
}

fn check_free(
    tx: &Tx<'_>,
    space: &SpaceId,
    name: &str,
    own: &ServiceInstanceId,
) -> Result<(), Error> {
    let same = [
        Filter::is(Column::Space, space.as_str()),
        Filter::is(Column::Name, name),
    ];
    match tx.find::<ServiceInstance>(&same)? {
        Some(other) if other.id != *own => Err(Error::Taken {
            what: "service instance name",
            value: name.to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Rows of the bindings of an instance, also of those that are not in force.
fn rows_of(
    reader: &windlass_store::Reader<'_>,
    id: &ServiceInstanceId,
) -> Result<Vec<ServiceBinding>, Error> {
    Ok(reader.all::<ServiceBinding>(vec![Filter::is(Column::ServiceInstance, id.as_str())])?)
}

fn is_bound(reader: &windlass_store::Reader<'_>, binding: &ServiceBinding) -> Result<bool, Error> {
    let Some(row) = reader.app_state(&binding.app)? else {
        return Ok(false);
    };
    let state = read_state(&row)?;
    Ok(state.configuration.bindings.contains_key(&binding.id))
}

/// Bindings that an app has, or that a cancel may give back to it.
pub(crate) fn known_bindings(state: &AppState) -> BTreeSet<BindingId> {
    let revisions = state.revisions.values().map(|it| &it.configuration);
    let before = state
        .releases
        .iter()
        .filter_map(|release| release.configuration_before.as_ref());
    std::iter::once(&state.configuration)
        .chain(revisions)
        .chain(before)
        .flat_map(|configuration| configuration.bindings.keys().cloned())
        .collect()
}

/// Removes rows of bindings that an app can't have again.
///
/// # Errors
/// [`Error::Internal`].
pub(crate) fn forget_unbound(tx: &mut Tx<'_>, state: &AppState) -> Result<(), Error> {
    let known = known_bindings(state);
    let own = vec![Filter::is(Column::App, state.app.as_str())];
    for binding in tx.all::<ServiceBinding>(own)? {
        if !known.contains(&binding.id) {
            tx.delete::<ServiceBinding>(&binding.id)?;
        }
    }
    Ok(())
}

impl Control {
    /// Removes rows of bindings that an app can't have again.
    pub(crate) async fn sweep_bindings(&self, app: &AppId) -> Result<(), Error> {
        let app = app.clone();
        write(self.store(), move |tx| {
            // Judged inside the writer: a cancel may bring one back at any time.
            match tx.app_state(&app)? {
                Some(row) => forget_unbound(tx, &read_state(&row)?),
                None => Ok(()),
            }
        })
        .await
    }

    /// Rows of all bindings that the caller sees and that are in force.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn bindings_in_force(
        &self,
        visibility: &Visibility,
        mut filters: Vec<Filter>,
    ) -> Result<Vec<ServiceBinding>, Error> {
        filters.extend(visible(visibility, Column::Organization, Column::Space));
        self.store()
            .read_list(move |reader| all_in_force(reader, filters))
            .await
    }
}

/// The bindings in force among the rows that pass all filters. All rows are looked at, one part
/// after the other: which of them are in force is known only from the states of their apps.
fn all_in_force(
    reader: &windlass_store::Reader<'_>,
    filters: Vec<Filter>,
) -> Result<Vec<ServiceBinding>, Error> {
    let mut query = ListQuery::filtered(filters).page(Page::first(Page::MAX_LIMIT));
    let mut bound: BTreeMap<AppId, BTreeSet<BindingId>> = BTreeMap::new();
    let mut found = Vec::new();
    loop {
        let rows = reader.list::<ServiceBinding>(&query)?.rows;
        let is_last = rows.len() < Page::MAX_LIMIT as usize;
        for binding in rows {
            if !bound.contains_key(&binding.app) {
                let of_app = match reader.app_state(&binding.app)? {
                    Some(row) => read_state(&row)?
                        .configuration
                        .bindings
                        .into_keys()
                        .collect(),
                    None => BTreeSet::new(),
                };
                bound.insert(binding.app.clone(), of_app);
            }
            let of_app = bound.get(&binding.app);
            if of_app.is_some_and(|of_app| of_app.contains(&binding.id)) {
                found.push(binding);
            }
        }
        if is_last {
            return Ok(found);
        }
        query.page.offset += u64::from(Page::MAX_LIMIT);
    }
}
