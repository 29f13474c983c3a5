//! From the names that people type to rows.

use windlass_control::identity::Grants;
use windlass_engine::id::AppId;
use windlass_engine::records::{AppRecord, Organization, PASSWORD_ORIGIN, Space, User};
use windlass_store::{Column, Filter, ListQuery, Order, Page};

use super::Admin;
use super::error::Refusal;
use super::peer::Peer;

/// Apps of the same name that a refusal lists.
const NAMESAKES: u32 = 20;

impl Admin {
    /// The user with this login name.
    pub(super) fn user_named(&self, name: &str) -> Result<User, Refusal> {
        self.control
            .identity()
            .find_user(name, PASSWORD_ORIGIN)?
            .ok_or_else(|| Refusal::unknown("user", name, "user list"))
    }

    /// The organization with this name.
    pub(super) fn organization_named(&self, name: &str) -> Result<Organization, Refusal> {
        self.control
            .tenancy()
            .organization_named(name)?
            .ok_or_else(|| Refusal::unknown("organization", name, "org list"))
    }

    /// The space with this name.
    pub(super) fn space_named(
        &self,
        organization: &str,
        name: &str,
    ) -> Result<(Organization, Space), Refusal> {
        let organization = self.organization_named(organization)?;
        let space = self
            .control
            .tenancy()
            .space_named(&organization.id, name)?
            .ok_or_else(|| Refusal::unknown("space", name, "space list"))?;
        Ok((organization, space))
    }

    /// The app with this id or, if it is the only one, this name; the newest deleted one when none
    /// lives.
    pub(super) fn app_named(&self, name: &str) -> Result<AppRecord, Refusal> {
        let id = AppId::new(name);
        let by_name = ListQuery::filtered(vec![Filter::is(Column::Name, name)])
            .ordered(Order::descending(Column::CreatedAt))
            .page(Page::first(NAMESAKES));
        let (exact, named) = self.control.store().read(move |reader| {
            let exact = reader.get::<AppRecord>(&id)?;
            Ok::<_, Refusal>((exact, reader.list::<AppRecord>(&by_name)?.rows))
        })?;
        if let Some(app) = exact {
            return Ok(app);
        }
        let mut living = named.iter().filter(|app| !app.deleted);
        match (living.next(), living.next()) {
            (Some(app), None) => Ok(app.clone()),
            (Some(_), Some(_)) => {
                let ids: Vec<&str> = named
                    .iter()
                    .filter(|app| !app.deleted)
                    .map(|app| app.id.as_str())
                    .collect();
                Err(Refusal::bad(format!(
                    "several apps are called `{name}`; name one by its id: {}",
                    ids.join(", ")
                )))
            }
            (None, _) => named
                .into_iter()
                .next()
                .ok_or_else(|| Refusal::unknown("app", name, "deployments")),
        }
    }

    /// The rights of somebody on this machine: everything.
    pub(super) fn grants(&self, peer: Peer) -> Result<Grants, Refusal> {
        Ok(self.control.identity().grants(&peer.principal())?)
    }
}
