//! Deleting an app: durable and first. Its name, hosts and routes are free at the commit; what
//! runs is ended afterwards.

use windlass_engine::id::{AppId, OperationId};
use windlass_engine::input::Input;
use windlass_engine::records::{
    AppRecord, Dialect, Operation, OperationState, Route, ServiceBinding, Stamps,
};
use windlass_store::{Column, Filter, Tx};

use super::Caller;
use super::apps::{live_app, put_app};
use crate::clock;
use crate::commit::{Committed, apply, write};
use crate::control::{Control, Extra, put_audit};
use crate::error::Error;
use crate::hosts;

/// Kind of the operation that deletes an app.
pub(crate) const APP_DELETE: &str = "app.delete";

impl Control {
    /// Deletes an app and says under which operation its end can be watched.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_app(
        &self,
        id: &AppId,
        caller: &Caller,
        extra: Extra,
    ) -> Result<OperationId, Error> {
        let operation = OperationId::new(uuid::Uuid::new_v4().to_string());
        let (app, caller, own) = (id.clone(), caller.clone(), operation.clone());
        let control = self.clone();
        let (committed, hosts) = self
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                let wall = clock::wall();
                let (committed, hosts) = end_app(tx, &app, &caller)?;
                tx.put(&Operation {
                    id: own,
                    kind: APP_DELETE.to_owned(),
                    subject: app.to_string(),
                    state: OperationState::Processing,
                    stamps: Stamps {
                        created_at: wall,
                        updated_at: wall,
                        created_commit: tx.commit_number(),
                    },
                })?;
                put_audit(tx, extra.audit)?;
                Ok((committed, hosts))
            })
            .await?;
        self.act(&committed);
        for host in hosts {
            let _ = self.publish_host_in_time(&host, committed.commit);
        }
        self.settle_operation(id).await?;
        Ok(operation)
    }

    /// Completes the operations that wait for an app's end, if nothing of it runs any more.
    pub(crate) async fn settle_operation(&self, app: &AppId) -> Result<(), Error> {
        let Some(state) = self.state(app)? else {
            return Ok(());
        };
        let is_over = state.instances.is_empty()
            && state
                .tasks
                .iter()
                .all(windlass_engine::task::Task::is_finished)
            && state
                .builds
                .iter()
                .all(windlass_engine::build::Build::is_finished);
        if state.run != windlass_engine::app::RunState::Deleted || !is_over {
            return Ok(());
        }
        let app = app.clone();
        write(self.store(), move |tx| {
            let open: Vec<Operation> = tx.all(vec![Filter::is(Column::Subject, app.as_str())])?;
            for mut operation in open {
                if operation.state == OperationState::Processing {
                    operation.state = OperationState::Complete;
                    operation.stamps.updated_at = clock::wall();
                    tx.put(&operation)?;
                }
            }
            Ok(())
        })
        .await
    }
}

/// Ends an app inside a commit. Gives the hosts whose rules have changed.
pub(crate) fn end_app(
    tx: &mut Tx<'_>,
    app: &AppId,
    caller: &Caller,
) -> Result<(Committed, Vec<String>), Error> {
    let mut record: AppRecord = live_app(tx, app)?;
    let input = Input::Delete {
        by: caller.name.clone(),
        client: caller.client.clone(),
    };
    let committed = apply(tx, app, &input, None)?;
    record.deleted = true;
    record.stamps.updated_at = clock::wall();
    put_app(tx, &record)?;
    for binding in tx.all::<ServiceBinding>(vec![Filter::is(Column::App, app.as_str())])? {
        tx.delete::<ServiceBinding>(&binding.id)?;
    }
    // Where routes are things of their own, they stay in their space without an app.
    let routes_outlive_it = record.dialect == Dialect::CloudFoundry;
    let routes: Vec<Route> = tx.all(vec![Filter::is(Column::App, app.as_str())])?;
    let mut hosts: Vec<String> = hosts::free(tx, app)?.into_iter().collect();
    for mut route in routes {
        route
            .destinations
            .retain(|destination| destination.app != *app);
        route.stamps.updated_at = clock::wall();
        hosts.push(route.full_host.clone());
        if routes_outlive_it || !route.destinations.is_empty() {
            tx.put(&route)?;
        } else {
            tx.delete::<Route>(&route.id)?;
        }
    }
    Ok((committed, hosts))
}
