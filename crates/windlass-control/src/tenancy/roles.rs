//! Roles of users in organizations and spaces.

use serde_json::json;
use windlass_engine::id::{OrganizationId, RoleId, SpaceId, UserId};
use windlass_engine::records::{Actor, Role, RoleKind, User};
use windlass_store::{Column, Filter, ListPage, ListQuery, StoreError, Tx, Unique};

use super::{Subject, Tenancy, live_organization, live_space, put_event};
use crate::error::Error;
use crate::identity::Grants;

/// The word of a role, as every dialect and the store have it.
pub fn role_word(kind: RoleKind) -> &'static str {
    match kind {
        RoleKind::OrganizationUser => "organization_user",
        RoleKind::OrganizationAuditor => "organization_auditor",
        RoleKind::OrganizationManager => "organization_manager",
        RoleKind::OrganizationBillingManager => "organization_billing_manager",
        RoleKind::SpaceAuditor => "space_auditor",
        RoleKind::SpaceDeveloper => "space_developer",
        RoleKind::SpaceManager => "space_manager",
        RoleKind::SpaceSupporter => "space_supporter",
    }
}

/// Whether a role is one of a space.
pub fn is_space_role(kind: RoleKind) -> bool {
    match kind {
        RoleKind::OrganizationUser
        | RoleKind::OrganizationAuditor
        | RoleKind::OrganizationManager
        | RoleKind::OrganizationBillingManager => false,
        RoleKind::SpaceAuditor
        | RoleKind::SpaceDeveloper
        | RoleKind::SpaceManager
        | RoleKind::SpaceSupporter => true,
    }
}

impl Tenancy {
    /// Gives a user a role in an organization.
    ///
    /// # Errors
    /// [`Error::NotFound`] (organization, user), [`Error::Taken`] when they have it.
    pub async fn create_organization_role(
        &self,
        actor: &Actor,
        kind: RoleKind,
        user: &UserId,
        organization: &OrganizationId,
    ) -> Result<Role, Error> {
        let (by, user, organization) = (self.by(actor), user.clone(), organization.clone());
        self.store
            .write(move |tx| {
                live_organization(tx, &organization)?;
                let role = Role {
                    id: RoleId::new(uuid::Uuid::new_v4().to_string()),
                    kind,
                    user,
                    organization,
                    space: None,
                    stamps: by.stamps(tx),
                };
                put(tx, &by, role)
            })
            .await
            .map_err(crate::identity::flatten)
    }

    /// Gives a user a role in a space. They must be in its organization.
    ///
    /// # Errors
    /// [`Error::NotFound`] (space, user), [`Error::Forbidden`] when the user has no role in the
    /// space's organization, [`Error::Taken`] when they have the role already.
    pub async fn create_space_role(
        &self,
        actor: &Actor,
        kind: RoleKind,
        user: &UserId,
        space: &SpaceId,
    ) -> Result<Role, Error> {
        let (by, user, space) = (self.by(actor), user.clone(), space.clone());
        self.store
            .write(move |tx| {
                let space = live_space(tx, &space)?;
                let membership = [
                    Filter::is(Column::User, user.as_str()),
                    Filter::is(Column::Organization, space.organization.as_str()),
                    Filter::is_null(Column::Space),
                ];
                if tx.find::<Role>(&membership)?.is_none() {
                    return Err(Error::Forbidden(
                        "the user has no role in the space's organization".to_owned(),
                    ));
                }
                let role = Role {
                    id: RoleId::new(uuid::Uuid::new_v4().to_string()),
                    kind,
                    user,
                    organization: space.organization,
                    space: Some(space.id),
                    stamps: by.stamps(tx),
                };
                put(tx, &by, role)
            })
            .await
            .map_err(crate::identity::flatten)
    }

    /// Takes a role away.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for membership of an organization in whose spaces
    /// the user still has roles.
    pub async fn delete_role(&self, actor: &Actor, id: &RoleId) -> Result<Role, Error> {
        let (by, id) = (self.by(actor), id.clone());
        self.store
            .write(move |tx| {
                let role = tx
                    .get::<Role>(&id)?
                    .ok_or(Error::NotFound { what: "role" })?;
                if role.kind == RoleKind::OrganizationUser {
                    let theirs = vec![
                        Filter::is(Column::User, role.user.as_str()),
                        Filter::is(Column::Organization, role.organization.as_str()),
                    ];
                    let roles = tx.all::<Role>(theirs)?;
                    if roles.iter().any(|other| other.space.is_some()) {
                        return Err(Error::Conflict(
                            "the user has roles in spaces of the organization; delete those first"
                                .to_owned(),
                        ));
                    }
                }
                tx.delete::<Role>(&id)?;
                let name = user_name(tx, &role.user)?;
                let kind = format!("audit.user.{}_remove", role_word(role.kind));
                put_event(tx, &by, &kind, subject(&role, &name), json!({}))?;
                Ok(role)
            })
            .await
            .map_err(crate::identity::flatten)
    }

    /// One role, if the caller sees where it is.
    pub fn role(&self, grants: &Grants, id: &RoleId) -> Result<Option<Role>, Error> {
        let id = id.clone();
        let role = self.store.read(move |reader| reader.get::<Role>(&id))?;
        let organizations = grants.visible_organizations();
        let spaces = grants.visible_spaces();
        Ok(role.filter(|role| match &role.space {
            Some(space) => spaces.has_space(&role.organization, space),
            None => organizations.is_none_or(|seen| seen.contains(&role.organization)),
        }))
    }

    /// Users with a role in a space, or anywhere in an organization.
    pub async fn members(
        &self,
        organization: &OrganizationId,
        space: Option<&SpaceId>,
    ) -> Result<Vec<UserId>, Error> {
        let filter = match space {
            Some(space) => Filter::is(Column::Space, space.as_str()),
            None => Filter::is(Column::Organization, organization.as_str()),
        };
        let roles: Vec<Role> = self
            .store
            .read_list(move |reader| reader.all(vec![filter]))
            .await?;
        let mut users: Vec<UserId> = roles.into_iter().map(|role| role.user).collect();
        users.sort();
        users.dedup();
        Ok(users)
    }

    /// Roles that the caller sees: those of organizations and of spaces that they see.
    pub async fn list_roles(
        &self,
        grants: &Grants,
        mut query: ListQuery,
    ) -> Result<ListPage<Role>, Error> {
        if let Some(organizations) = grants.visible_organizations() {
            let ids = organizations.iter().map(OrganizationId::as_str);
            let mut seen = vec![Filter::All(vec![
                Filter::is_null(Column::Space),
                Filter::one_of(Column::Organization, ids),
            ])];
            seen.extend(super::visible(
                &grants.visible_spaces(),
                Column::Organization,
                Column::Space,
            ));
            query.filters.push(Filter::Any(seen));
        }
        Ok(self
            .store
            .read_list(move |reader| reader.list::<Role>(&query))
            .await?)
    }
}

fn put(tx: &mut Tx<'_>, by: &super::By, role: Role) -> Result<Role, Error> {
    let name = user_name(tx, &role.user)?;
    tx.put(&role).map_err(|error| match error {
        StoreError::Duplicate { what: Unique::Role } => Error::Taken {
            what: "role",
            value: role_word(role.kind).to_owned(),
        },
        other => other.into(),
    })?;
    let kind = format!("audit.user.{}_add", role_word(role.kind));
    put_event(tx, by, &kind, subject(&role, &name), json!({}))?;
    Ok(role)
}

fn user_name(tx: &Tx<'_>, id: &UserId) -> Result<String, Error> {
    let user = tx
        .get::<User>(id)?
        .ok_or(Error::NotFound { what: "user" })?;
    Ok(user.name)
}

fn subject(role: &Role, user_name: &str) -> Subject {
    Subject::new("user", role.user.as_str(), user_name)
        .within(&role.organization, role.space.as_ref())
}
