//! Numbered revisions: how an app's configuration changed over time, with Cloud Foundry's own
//! counting. They are a view: what runs is said by the engine's revisions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use windlass_engine::configuration::Configuration;
use windlass_engine::id::{
    AppId, ArtifactId, ComponentName, NumberedRevisionId, ReleaseId, SecretRef,
};
use windlass_engine::records::{AppRecord, Metadata, NumberedProcess, NumberedRevision, Stamps};
use windlass_engine::time::Timestamp;
use windlass_store::{Column, Filter, ListPage, ListQuery, Order, Page, Tx};

use crate::clock;
use crate::commit::write;
use crate::control::Control;
use crate::error::Error;

mod recording;

pub use recording::Recording;

/// After this number the count begins again at 1.
pub const MAX_NUMBER: u32 = 9_999;

/// Revisions of an app that are kept.
pub const KEPT: u32 = 100;

/// What a numbered revision is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// Artifact.
    pub artifact: Option<ArtifactId>,
    /// Custom commands of all process types.
    pub processes: BTreeMap<ComponentName, NumberedProcess>,
    /// Sidecars, each with its name.
    pub sidecars: Vec<Value>,
    /// Environment.
    pub env: BTreeMap<String, SecretRef>,
}

impl Content {
    /// What a configuration has of it.
    pub fn of(configuration: &Configuration) -> Self {
        Self {
            artifact: configuration.artifact.clone(),
            processes: configuration
                .components
                .iter()
                .map(|(name, config)| {
                    (
                        name.clone(),
                        NumberedProcess {
                            command: config.command.clone(),
                        },
                    )
                })
                .collect(),
            sidecars: configuration
                .sidecars
                .iter()
                .map(|(name, sidecar)| {
                    json!({
                        "name": name,
                        "command": sidecar.command,
                        "components": sidecar.components,
                        "memory_mb": sidecar.memory_mb,
                        "from_user": sidecar.from_user,
                    })
                })
                .collect(),
            env: configuration.env.clone(),
        }
    }

    /// What a stored revision is about.
    pub fn of_revision(revision: &NumberedRevision) -> Self {
        Self {
            artifact: revision.artifact.clone(),
            processes: revision.processes.clone(),
            sidecars: revision.sidecars.clone(),
            env: revision.env.clone(),
        }
    }

    /// What is different from before, as sorted sentences; empty = nothing.
    pub fn changes_since(&self, before: Option<&Self>) -> Vec<String> {
        let Some(before) = before else {
            return vec!["Initial revision.".to_owned()];
        };
        let mut changes = Vec::new();
        if self.artifact != before.artifact {
            changes.push("New droplet deployed.".to_owned());
        }
        if self.env != before.env {
            changes.push("New environment variables deployed.".to_owned());
        }
        changes.extend(self.process_changes(before));
        if self.sidecars != before.sidecars {
            changes.push("Sidecars updated.".to_owned());
        }
        changes.sort();
        changes
    }

    fn process_changes(&self, before: &Self) -> Vec<String> {
        let names: BTreeSet<&ComponentName> = self
            .processes
            .keys()
            .chain(before.processes.keys())
            .collect();
        names
            .into_iter()
            .filter_map(
                |name| match (before.processes.get(name), self.processes.get(name)) {
                    (None, Some(_)) => Some(format!("New process type '{name}' added.")),
                    (Some(_), None) => Some(format!("Process type '{name}' removed.")),
                    (Some(old), Some(new)) => {
                        let verb = match (&old.command, &new.command) {
                            (None, Some(_)) => "added",
                            (Some(_), None) => "removed",
                            (Some(old), Some(new)) if old != new => "updated",
                            (Some(_), Some(_)) | (None, None) => return None,
                        };
                        Some(format!("Custom start command {verb} for '{name}' process."))
                    }
                    (None, None) => None,
                },
            )
            .collect()
    }
}

/// The number after another one.
pub fn next_number(last: u32) -> u32 {
    if last >= MAX_NUMBER { 1 } else { last + 1 }
}

/// What a new revision comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The release that makes it.
    pub release: Option<ReleaseId>,
    /// Number of the revision that is rolled back to.
    pub rolled_back_to: Option<u32>,
}

/// The revision that a commit deploys or starts.
#[derive(Debug)]
pub struct Recorded {
    /// The revision.
    pub revision: NumberedRevision,
    /// Whether it was made by this commit.
    pub is_new: bool,
}

/// Records a revision inside the commit that deploys or starts it, if it differs from the newest
/// one; otherwise that one is meant.
///
/// # Errors
/// [`Error::Internal`].
pub fn record(
    tx: &mut Tx<'_>,
    app: &mut AppRecord,
    content: Content,
    origin: Origin,
    at: Timestamp,
) -> Result<Recorded, Error> {
    let latest = latest(tx, &app.id)?;
    let before = latest.as_ref().map(Content::of_revision);
    let mut changes = content.changes_since(before.as_ref());
    if let (Some(revision), true) = (latest, changes.is_empty()) {
        return Ok(Recorded {
            revision,
            is_new: false,
        });
    }
    if let Some(number) = origin.rolled_back_to {
        changes.push(format!("Rolled back to revision {number}."));
    }
    let number = next_number(app.last_revision_number);
    let same_number = vec![
        Filter::is(Column::App, app.id.as_str()),
        Filter::is(Column::Number, i64::from(number)),
    ];
    tx.delete_where::<NumberedRevision>(same_number, 1)?;
    let revision = NumberedRevision {
        id: NumberedRevisionId::new(uuid::Uuid::new_v4().to_string()),
        app: app.id.clone(),
        number,
        artifact: content.artifact,
        processes: content.processes,
        sidecars: content.sidecars,
        env: content.env,
        description: changes.join(" "),
        release: origin.release,
        metadata: Metadata::default(),
        stamps: Stamps {
            created_at: at,
            updated_at: at,
            created_commit: tx.commit_number(),
        },
    };
    tx.put(&revision)?;
    app.last_revision_number = number;
    tx.put(app)?;
    prune(tx, &app.id)?;
    Ok(Recorded {
        revision,
        is_new: true,
    })
}

/// The newest revision of an app.
///
/// # Errors
/// [`Error::Internal`].
pub fn latest(tx: &Tx<'_>, app: &AppId) -> Result<Option<NumberedRevision>, Error> {
    let query = ListQuery::filtered(vec![Filter::is(Column::App, app.as_str())])
        .ordered(Order::descending(Column::CreatedCommit))
        .page(Page::first(1));
    Ok(tx.list::<NumberedRevision>(&query)?.rows.pop())
}

/// Deletes all but the newest.
fn prune(tx: &mut Tx<'_>, app: &AppId) -> Result<(), Error> {
    let filters = vec![Filter::is(Column::App, app.as_str())];
    let count = tx.count::<NumberedRevision>(&filters)?;
    let excess = u32::try_from(count.saturating_sub(u64::from(KEPT))).unwrap_or(u32::MAX);
    if excess > 0 {
        tx.delete_where::<NumberedRevision>(filters, excess)?;
    }
    Ok(())
}

impl Control {
    /// One numbered revision.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn numbered_revision(
        &self,
        id: &NumberedRevisionId,
    ) -> Result<Option<NumberedRevision>, Error> {
        Ok(self
            .store()
            .read(|reader| reader.get::<NumberedRevision>(id))?)
    }

    /// The newest numbered revisions of an app, newest first.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn newest_numbered_revisions(
        &self,
        app: &AppId,
        limit: u32,
    ) -> Result<Vec<NumberedRevision>, Error> {
        let query = ListQuery::filtered(vec![Filter::is(Column::App, app.as_str())])
            .ordered(Order::descending(Column::CreatedCommit))
            .page(Page::first(limit));
        Ok(self
            .store()
            .read(|reader| reader.list::<NumberedRevision>(&query))?
            .rows)
    }

    /// Environment variables of a revision, in plain.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn environment_of_revision(
        &self,
        revision: &NumberedRevision,
    ) -> Result<BTreeMap<String, String>, Error> {
        self.reveal(&revision.env)
    }

    /// Numbered revisions of an app.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn list_numbered_revisions(
        &self,
        app: &AppId,
        mut query: ListQuery,
    ) -> Result<ListPage<NumberedRevision>, Error> {
        query.filters.push(Filter::is(Column::App, app.as_str()));
        Ok(self
            .store()
            .read_list(move |reader| reader.list::<NumberedRevision>(&query))
            .await?)
    }

    /// Replaces labels and annotations.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn update_numbered_revision(
        &self,
        id: &NumberedRevisionId,
        metadata: Metadata,
    ) -> Result<NumberedRevision, Error> {
        let id = id.clone();
        write(self.store(), move |tx| {
            let mut revision = tx
                .get::<NumberedRevision>(&id)?
                .ok_or(Error::NotFound { what: "revision" })?;
            revision.metadata = metadata;
            revision.stamps.updated_at = clock::wall();
            tx.put(&revision)?;
            Ok(revision)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use windlass_engine::configuration::{ComponentConfig, ComponentRole, Sidecar};

    use super::*;

    fn base() -> Configuration {
        let mut configuration = Configuration {
            artifact: Some(ArtifactId::from("d1")),
            ..Configuration::default()
        };
        configuration
            .components
            .insert("web".into(), ComponentConfig::new(ComponentRole::Routed));
        configuration
    }

    fn changes(change: impl FnOnce(&mut Configuration)) -> String {
        let before = Content::of(&base());
        let mut after = base();
        change(&mut after);
        Content::of(&after).changes_since(Some(&before)).join(" ")
    }

    #[test]
    fn every_difference_has_its_sentence() {
        let web = ComponentName::from("web");
        assert_eq!(
            Content::of(&base()).changes_since(None),
            ["Initial revision."]
        );
        assert_eq!(changes(|_| {}), "");
        assert_eq!(
            changes(|it| it.artifact = Some("d2".into())),
            "New droplet deployed."
        );
        assert_eq!(
            changes(|it| {
                it.env.insert("A".to_owned(), SecretRef("x".to_owned()));
            }),
            "New environment variables deployed."
        );
        assert_eq!(
            changes(|it| {
                let worker = ComponentConfig::new(ComponentRole::Worker);
                it.components.insert("worker".into(), worker);
            }),
            "New process type 'worker' added."
        );
        assert_eq!(
            changes(|it| it.components.clear()),
            "Process type 'web' removed."
        );
        assert_eq!(
            changes(|it| {
                if let Some(config) = it.components.get_mut(&web) {
                    config.command = Some("./run".to_owned());
                }
            }),
            "Custom start command added for 'web' process."
        );
        assert_eq!(
            changes(|it| {
                let sidecar = Sidecar {
                    command: "./proxy".to_owned(),
                    components: BTreeSet::from(["web".into()]),
                    memory_mb: None,
                    from_user: true,
                };
                it.sidecars.insert("proxy".to_owned(), sidecar);
            }),
            "Sidecars updated."
        );
    }

    #[test]
    fn sentences_are_sorted() {
        let text = changes(|it| {
            it.artifact = Some("d2".into());
            it.components.clear();
            it.env.insert("A".to_owned(), SecretRef("x".to_owned()));
        });
        assert_eq!(
            text,
            "New droplet deployed. New environment variables deployed. Process type 'web' removed."
        );
    }

    #[test]
    fn numbers_begin_again_after_the_last() {
        assert_eq!(next_number(0), 1);
        assert_eq!(next_number(9_998), 9_999);
        assert_eq!(next_number(9_999), 1);
    }
}
