//! Organizations, spaces, roles, domains, quotas, switches, durable operations.
//!
//! Rights are judged by the callers (`identity::Grants`); what is true of the tenants themselves
//! (unique names, no space role without membership, nothing left behind by a deletion) is kept
//! here, in the store's writer, so that two callers can't break it together.

use std::collections::BTreeSet;

use windlass_engine::id::{OrganizationId, SpaceId};
use windlass_engine::records::{Actor, Organization, Space, Stamps};
use windlass_engine::time::Timestamp;
use windlass_store::{Column, Filter, Store};

use crate::error::Error;
use crate::identity::{Visibility, WallClock};

mod audit;
mod delete;
mod domains;
mod flags;
mod operations;
mod organizations;
mod roles;
mod spaces;

pub use audit::{Subject, put_event};
pub use delete::MAX_APPS_PER_DELETION;
pub(crate) use domains::domain_subject;
pub use domains::{MAX_DOMAIN_CHARS, NewDomain};
pub use operations::{complete_operation, put_operation};
pub use organizations::{NewOrganization, OrganizationCounts, OrganizationPatch};
pub use roles::{is_space_role, role_word};
pub use spaces::{NewSpace, SpacePatch};

/// Longest name of an organization or space, characters.
pub const MAX_NAME_CHARS: usize = 255;

/// Tenants and what belongs to them.
#[derive(Clone)]
pub struct Tenancy {
    pub(crate) store: Store,
    pub(crate) wall: WallClock,
}

impl std::fmt::Debug for Tenancy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenancy").finish_non_exhaustive()
    }
}

/// Who does something, for the audit trail, and when.
#[derive(Debug, Clone)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// When (wall clock).
    pub at: Timestamp,
}

impl Tenancy {
    /// Tenants in this store.
    pub fn new(store: Store, wall: WallClock) -> Self {
        Self { store, wall }
    }

    pub(crate) fn by(&self, actor: &Actor) -> By {
        By {
            actor: actor.clone(),
            at: (self.wall)(),
        }
    }
}

impl By {
    /// Stamps of a row that is created now.
    pub(crate) fn stamps(&self, tx: &windlass_store::Tx<'_>) -> Stamps {
        Stamps {
            created_at: self.at,
            updated_at: self.at,
            created_commit: tx.commit_number(),
        }
    }
}

/// A name of an organization, space or the like: printable, of limited length, not blank.
pub(crate) fn check_name(field: &str, name: &str) -> Result<(), Error> {
    let chars = name.chars().count();
    let good =
        !name.trim().is_empty() && chars <= MAX_NAME_CHARS && !name.chars().any(char::is_control);
    if good {
        return Ok(());
    }
    Err(Error::Invalid {
        field: field.to_owned(),
        reason: format!("must have 1 to {MAX_NAME_CHARS} printable characters"),
    })
}

/// The organization, unless it is being deleted.
pub(crate) fn live_organization(
    reader: &windlass_store::Reader<'_>,
    id: &OrganizationId,
) -> Result<Organization, Error> {
    reader
        .get::<Organization>(id)?
        .filter(|organization| !organization.deleting)
        .ok_or(Error::NotFound {
            what: "organization",
        })
}

/// The space, unless it is being deleted.
pub(crate) fn live_space(
    reader: &windlass_store::Reader<'_>,
    id: &SpaceId,
) -> Result<Space, Error> {
    reader
        .get::<Space>(id)?
        .filter(|space| !space.deleting)
        .ok_or(Error::NotFound { what: "space" })
}

/// Rows that a caller may see, by these columns.
pub(crate) fn visible(
    visibility: &Visibility,
    organization: Column,
    space: Column,
) -> Option<Filter> {
    let ids = |set: &BTreeSet<_>| {
        set.iter()
            .map(OrganizationId::to_string)
            .collect::<Vec<_>>()
    };
    match visibility {
        Visibility::All => None,
        Visibility::Only {
            organizations,
            spaces,
        } => Some(Filter::Any(vec![
            Filter::one_of(organization, ids(organizations)),
            Filter::one_of(space, spaces.iter().map(SpaceId::to_string)),
        ])),
    }
}
