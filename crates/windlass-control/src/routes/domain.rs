//! Deleting a domain with all routes below it.

use std::collections::BTreeSet;

use serde_json::json;
use windlass_engine::id::{DomainId, OperationId};
use windlass_engine::records::{Actor, Domain, OperationState, Route, Space};
use windlass_store::{Column, Filter, ListQuery, Tx};

use super::{MAX_DELETED_AT_ONCE, RouteError, delete, now_by};
use crate::control::Control;
use crate::error::Error;
use crate::tenancy::{By, domain_subject, put_event, put_operation};

impl Control {
    /// Deletes a domain, and first the routes below it. Nothing leads to an app by one of its
    /// hosts when this returns.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_domain(
        &self,
        actor: &Actor,
        id: &DomainId,
    ) -> Result<OperationId, RouteError> {
        loop {
            let (by, id) = (now_by(actor), id.clone());
            let (done, hosts) = self
                .write_route(move |tx| delete_part(tx, &by, &id))
                .await?;
            self.put_in_force(&hosts).await?;
            if let Some(operation) = done {
                return Ok(operation);
            }
        }
    }
}

/// Deletes as many routes as one commit should, and the domain when none is left. Gives the hosts
/// that lead nowhere now.
fn delete_part(
    tx: &mut Tx<'_>,
    by: &By,
    id: &DomainId,
) -> Result<(Option<OperationId>, BTreeSet<String>), RouteError> {
    let domain = tx
        .get::<Domain>(id)?
        .ok_or(Error::NotFound { what: "domain" })?;
    let below = vec![Filter::is(Column::Domain, id.as_str())];
    let mut query = ListQuery::filtered(below.clone());
    query.page.limit = MAX_DELETED_AT_ONCE;
    let mut hosts = BTreeSet::new();
    for route in tx.list::<Route>(&query)?.rows {
        // Also in a space that is being deleted itself.
        let space = tx
            .get::<Space>(&route.space)?
            .ok_or(Error::NotFound { what: "space" })?;
        delete(tx, by, &space, &route)?;
        hosts.insert(route.full_host);
    }
    if tx.count::<Route>(&below)? > 0 {
        return Ok((None, hosts));
    }
    hosts.extend(crate::hosts::free_below(tx, id)?);
    tx.delete::<Domain>(id)?;
    put_event(
        tx,
        by,
        "audit.domain.delete",
        domain_subject(&domain),
        json!({}),
    )?;
    let done = OperationState::Complete;
    let operation = put_operation(tx, by, "domain.delete", id.as_str(), done)?;
    Ok((Some(operation), hosts))
}
