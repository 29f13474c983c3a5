//! What the first start makes in an empty database.

use windlass_control::error::Error;
use windlass_control::identity::{Identity, NewUser};
use windlass_control::tenancy::{NewDomain, NewOrganization, NewSpace, Tenancy};
use windlass_engine::records::{
    Actor, AdminScope, Metadata, Organization, PASSWORD_ORIGIN, Quota, RoleKind, User,
};

/// Login name of the first administrator.
pub const ADMINISTRATOR: &str = "admin";
/// Name of the first organization.
pub const ORGANIZATION: &str = "main";
/// Name of the first space.
pub const SPACE: &str = "dev";

/// Makes administrator, organization, space and domain, each only if it is missing, so that a
/// crash in the middle is made good at the next start. Does nothing once there is an organization.
///
/// The administrator has no password: `windlass env` makes tokens that serve as one.
pub async fn seed(identity: &Identity, tenancy: &Tenancy, domain: &str) -> Result<(), Error> {
    let actor = Actor {
        id: "windlass".to_owned(),
        kind: "system".to_owned(),
        name: "first start".to_owned(),
    };
    had(tenancy
        .create_domain(&actor, NewDomain::shared(domain))
        .await)?;
    if tenancy.organization_named(ORGANIZATION)?.is_none() && identity.has_users()? {
        // Somebody has renamed or deleted it.
        return Ok(());
    }
    let organization = match tenancy.organization_named(ORGANIZATION)? {
        Some(found) => found,
        None => make_organization(tenancy, &actor).await?,
    };
    let space = if let Some(found) = tenancy.space_named(&organization.id, SPACE)? {
        found
    } else {
        let new = NewSpace {
            organization: organization.id.clone(),
            name: SPACE.to_owned(),
            metadata: Metadata::default(),
        };
        tenancy.create_space(&actor, new).await?
    };
    // The user comes last: its presence says that the rest was made.
    if identity.has_users()? {
        return Ok(());
    }
    let user = make_administrator(identity).await?;
    for kind in [RoleKind::OrganizationUser, RoleKind::OrganizationManager] {
        had(tenancy
            .create_organization_role(&actor, kind, &user.id, &organization.id)
            .await)?;
    }
    for kind in [RoleKind::SpaceManager, RoleKind::SpaceDeveloper] {
        had(tenancy
            .create_space_role(&actor, kind, &user.id, &space.id)
            .await)?;
    }
    Ok(())
}

async fn make_organization(tenancy: &Tenancy, actor: &Actor) -> Result<Organization, Error> {
    let new = NewOrganization {
        name: ORGANIZATION.to_owned(),
        suspended: false,
        quota: Quota::default(),
        metadata: Metadata::default(),
    };
    tenancy.create_organization(actor, new).await
}

async fn make_administrator(identity: &Identity) -> Result<User, Error> {
    let new = NewUser {
        id: None,
        name: ADMINISTRATOR.to_owned(),
        origin: PASSWORD_ORIGIN.to_owned(),
        password: None,
        is_client: false,
        admin: AdminScope::Admin,
        metadata: Metadata::default(),
    };
    identity.create_user(new).await
}

fn had<T>(result: Result<T, Error>) -> Result<(), Error> {
    match result {
        Ok(_) | Err(Error::Taken { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
