//! Hosts of a deployment: its own, and the one of its branch.

use windlass_engine::id::ComponentName;
use windlass_engine::records::{Domain, Metadata, Organization, WantedHost};

use super::COMPONENT;
use crate::place::{Place, slug};
use crate::{host, ids};

/// One that nothing else has.
pub(super) fn own_host(organization: &Organization, name: &str, domain: &Domain) -> WantedHost {
    wanted(
        domain,
        host::label(&[&host::part(name), &ids::host_part(), &slug(organization)]),
    )
}

/// That of a branch: it leads to the newest deployment of it.
pub(super) fn branch_host(place: &Place, branch: &str, domain: &Domain) -> WantedHost {
    let parts = [
        &host::part(&place.app.name),
        "git",
        &host::part(branch),
        &slug(&place.organization),
    ];
    wanted(domain, host::label(&parts.map(AsRef::as_ref)))
}

fn wanted(domain: &Domain, label: String) -> WantedHost {
    WantedHost {
        domain: domain.id.clone(),
        label,
        component: ComponentName::from(COMPONENT),
        metadata: Metadata::default(),
    }
}
