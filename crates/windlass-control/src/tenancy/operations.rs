//! Durable operations: what a dialect shows as a job.

use serde_json::Value;
use windlass_engine::id::OperationId;
use windlass_engine::records::{Operation, OperationState};
use windlass_engine::time::Timestamp;
use windlass_store::{StoreError, Tx};

use super::{By, Tenancy};
use crate::error::Error;

/// Adds an operation in the commit of what it is about.
pub fn put_operation(
    tx: &mut Tx<'_>,
    by: &By,
    kind: &str,
    subject: &str,
    state: OperationState,
) -> Result<OperationId, StoreError> {
    let operation = Operation {
        id: OperationId::new(uuid::Uuid::new_v4().to_string()),
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        state,
        stamps: by.stamps(tx),
    };
    tx.put(&operation)?;
    Ok(operation.id)
}

/// Ends an operation: complete without errors, else failed. Ending an ended one changes nothing.
pub fn complete_operation(
    tx: &mut Tx<'_>,
    id: &OperationId,
    errors: Vec<Value>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let Some(mut operation) = tx.get::<Operation>(id)? else {
        return Ok(());
    };
    if operation.state != OperationState::Processing {
        return Ok(());
    }
    operation.state = if errors.is_empty() {
        OperationState::Complete
    } else {
        OperationState::Failed { errors }
    };
    operation.stamps.updated_at = at;
    tx.put(&operation)
}

impl Tenancy {
    /// One operation.
    pub fn operation(&self, id: &OperationId) -> Result<Option<Operation>, Error> {
        let id = id.clone();
        Ok(self
            .store
            .read(move |reader| reader.get::<Operation>(&id))?)
    }

    /// Records that something was done at once, for clients that ask for its job.
    pub async fn record_done(
        &self,
        actor: &windlass_engine::records::Actor,
        kind: &str,
        subject: &str,
    ) -> Result<OperationId, Error> {
        let (by, kind, subject) = (self.by(actor), kind.to_owned(), subject.to_owned());
        self.store
            .write(move |tx| {
                Ok(put_operation(
                    tx,
                    &by,
                    &kind,
                    &subject,
                    OperationState::Complete,
                )?)
            })
            .await
            .map_err(crate::identity::flatten)
    }
}
