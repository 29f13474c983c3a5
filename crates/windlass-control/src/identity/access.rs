//! What roles allow. One place decides it for every dialect.

use std::collections::{BTreeMap, BTreeSet};

use windlass_engine::id::{OrganizationId, SpaceId, UserId};
use windlass_engine::records::{AdminScope, Organization, Role, RoleKind, Space};

use crate::principal::Principal;

/// All rights of one caller, read once per request.
#[derive(Debug, Clone)]
pub struct Grants {
    user: UserId,
    global: AdminScope,
    organizations: BTreeMap<OrganizationId, BTreeSet<RoleKind>>,
    spaces: BTreeMap<SpaceId, BTreeSet<RoleKind>>,
}

/// Why a write is refused although the role would allow it. Administrators are not bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// The organization is suspended.
    Suspended,
    /// The organization is being deleted.
    OrganizationDeleting,
    /// The space is being deleted.
    SpaceDeleting,
}

/// What a caller may do in a space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpaceAccess {
    /// See the space and its apps.
    pub read: bool,
    /// See environment variables, commands, credentials.
    pub read_secrets: bool,
    /// Create, change and delete apps and what belongs to them.
    pub write: bool,
    /// Operate apps: deploy, cancel, continue, scale, start, stop, cancel tasks.
    pub operate: bool,
    /// Change the space itself and its roles.
    pub manage: bool,
    /// What forbids writing all the same.
    pub blocked: Option<Blocked>,
}

/// What a caller may do in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrganizationAccess {
    /// See the organization.
    pub read: bool,
    /// See what belongs to all of it (its domains' routes, its events).
    pub audit: bool,
    /// Change it, its spaces and its roles.
    pub manage: bool,
    /// What forbids writing all the same.
    pub blocked: Option<Blocked>,
}

/// Which rows of a list a caller may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visibility {
    /// Every row.
    All,
    /// Rows of these organizations, and rows of these spaces.
    Only {
        /// Whole organizations.
        organizations: BTreeSet<OrganizationId>,
        /// Single spaces.
        spaces: BTreeSet<SpaceId>,
    },
}

impl Visibility {
    /// Whether something in this space may be seen.
    pub fn has_space(&self, organization: &OrganizationId, space: &SpaceId) -> bool {
        match self {
            Self::All => true,
            Self::Only {
                organizations,
                spaces,
            } => organizations.contains(organization) || spaces.contains(space),
        }
    }
}

impl Grants {
    /// The rights that these roles (all of the caller's) and the caller's scopes give.
    pub fn new(principal: &Principal, roles: &[Role]) -> Self {
        let mut organizations: BTreeMap<OrganizationId, BTreeSet<RoleKind>> = BTreeMap::new();
        let mut spaces: BTreeMap<SpaceId, BTreeSet<RoleKind>> = BTreeMap::new();
        for role in roles {
            match &role.space {
                Some(space) => spaces.entry(space.clone()).or_default().insert(role.kind),
                None => organizations
                    .entry(role.organization.clone())
                    .or_default()
                    .insert(role.kind),
            };
        }
        let user = principal.user.id.clone();
        Self {
            user,
            global: principal.global(),
            organizations,
            spaces,
        }
    }

    /// Whose rights these are.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Whether they may do everything.
    pub fn is_admin(&self) -> bool {
        self.global == AdminScope::Admin
    }

    /// Whether they see everything.
    pub fn reads_all(&self) -> bool {
        self.global != AdminScope::None
    }

    /// What they may do in a space.
    pub fn space(&self, organization: &Organization, space: &Space) -> SpaceAccess {
        let here = |kind| {
            self.spaces
                .get(&space.id)
                .is_some_and(|kinds| kinds.contains(&kind))
        };
        let org_manager = self.has(&organization.id, RoleKind::OrganizationManager);
        let admin = self.is_admin();
        let developer = here(RoleKind::SpaceDeveloper);
        let supporter = here(RoleKind::SpaceSupporter);
        let manager = here(RoleKind::SpaceManager);
        let auditor = here(RoleKind::SpaceAuditor);
        let member = developer || supporter || manager || auditor;
        SpaceAccess {
            read: self.reads_all() || member || org_manager,
            read_secrets: admin || self.global == AdminScope::AdminReadOnly || developer,
            write: admin || developer,
            operate: admin || developer || supporter,
            manage: admin || manager || org_manager,
            blocked: self
                .blocked(organization)
                .or_else(|| (space.deleting && !admin).then_some(Blocked::SpaceDeleting)),
        }
    }

    /// What they may do in an organization.
    pub fn organization(&self, organization: &Organization) -> OrganizationAccess {
        let manager = self.has(&organization.id, RoleKind::OrganizationManager);
        let auditor = self.has(&organization.id, RoleKind::OrganizationAuditor);
        OrganizationAccess {
            read: self.reads_all() || self.organizations.contains_key(&organization.id),
            audit: self.reads_all() || manager || auditor,
            manage: self.is_admin() || manager,
            blocked: self.blocked(organization),
        }
    }

    /// Spaces that they see, with the apps in them.
    pub fn visible_spaces(&self) -> Visibility {
        if self.reads_all() {
            return Visibility::All;
        }
        Visibility::Only {
            organizations: self.managed_organizations(),
            spaces: self.spaces.keys().cloned().collect(),
        }
    }

    /// Organizations that they see; `None` = all.
    pub fn visible_organizations(&self) -> Option<BTreeSet<OrganizationId>> {
        (!self.reads_all()).then(|| self.organizations.keys().cloned().collect())
    }

    /// Organizations and spaces whose events they see.
    pub fn visible_events(&self) -> Visibility {
        if self.reads_all() {
            return Visibility::All;
        }
        let organizations = self
            .organizations
            .iter()
            .filter(|(_, kinds)| kinds.contains(&RoleKind::OrganizationAuditor))
            .map(|(id, _)| id.clone())
            .collect();
        let spaces = self
            .spaces
            .iter()
            .filter(|(_, kinds)| {
                kinds.iter().any(|kind| {
                    matches!(
                        kind,
                        RoleKind::SpaceAuditor
                            | RoleKind::SpaceDeveloper
                            | RoleKind::SpaceSupporter
                    )
                })
            })
            .map(|(id, _)| id.clone())
            .collect();
        Visibility::Only {
            organizations,
            spaces,
        }
    }

    fn managed_organizations(&self) -> BTreeSet<OrganizationId> {
        self.organizations
            .iter()
            .filter(|(_, kinds)| kinds.contains(&RoleKind::OrganizationManager))
            .map(|(id, _)| id.clone())
            .collect()
    }

    fn has(&self, organization: &OrganizationId, kind: RoleKind) -> bool {
        self.organizations
            .get(organization)
            .is_some_and(|kinds| kinds.contains(&kind))
    }

    fn blocked(&self, organization: &Organization) -> Option<Blocked> {
        if self.is_admin() {
            None
        } else if organization.suspended {
            Some(Blocked::Suspended)
        } else if organization.deleting {
            Some(Blocked::OrganizationDeleting)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use windlass_engine::id::RoleId;
    use windlass_engine::records::{Metadata, PASSWORD_ORIGIN, Quota, Stamps, User};

    use super::*;

    fn organization(id: &str) -> Organization {
        Organization {
            id: id.into(),
            name: id.to_owned(),
            suspended: false,
            deleting: false,
            quota: Quota::default(),
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        }
    }

    fn space(id: &str, organization: &str) -> Space {
        Space {
            id: id.into(),
            organization: organization.into(),
            name: id.to_owned(),
            deleting: false,
            metadata: Metadata::default(),
            features: BTreeMap::new(),
            stamps: Stamps::default(),
        }
    }

    fn grants(admin: AdminScope, kind: Option<RoleKind>) -> Grants {
        let user = User {
            id: "u".into(),
            name: "anna".to_owned(),
            origin: PASSWORD_ORIGIN.to_owned(),
            password_hash: None,
            is_client: false,
            admin,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        };
        let roles: Vec<Role> = kind
            .map(|kind| {
                let in_space = matches!(
                    kind,
                    RoleKind::SpaceAuditor
                        | RoleKind::SpaceDeveloper
                        | RoleKind::SpaceManager
                        | RoleKind::SpaceSupporter
                );
                Role {
                    id: RoleId::from("r"),
                    kind,
                    user: "u".into(),
                    organization: "o1".into(),
                    space: in_space.then(|| "s1".into()),
                    stamps: Stamps::default(),
                }
            })
            .into_iter()
            .collect();
        Grants::new(&Principal::local(user, "test"), &roles)
    }

    /// The role tables of deployments and tasks, as one table of rights.
    #[test]
    fn rights_of_every_role() {
        use AdminScope::{Admin, AdminReadOnly, GlobalAuditor, None as Plain};
        use RoleKind::{
            OrganizationAuditor, OrganizationBillingManager, OrganizationManager, OrganizationUser,
            SpaceAuditor, SpaceDeveloper, SpaceManager, SpaceSupporter,
        };
        // read, read_secrets, write, operate, manage
        let table: [(AdminScope, Option<RoleKind>, [u8; 5]); 12] = [
            (Admin, None, [1, 1, 1, 1, 1]),
            (AdminReadOnly, None, [1, 1, 0, 0, 0]),
            (GlobalAuditor, None, [1, 0, 0, 0, 0]),
            (Plain, Some(SpaceDeveloper), [1, 1, 1, 1, 0]),
            (Plain, Some(SpaceSupporter), [1, 0, 0, 1, 0]),
            (Plain, Some(SpaceManager), [1, 0, 0, 0, 1]),
            (Plain, Some(SpaceAuditor), [1, 0, 0, 0, 0]),
            (Plain, Some(OrganizationManager), [1, 0, 0, 0, 1]),
            (Plain, Some(OrganizationAuditor), [0; 5]),
            (Plain, Some(OrganizationBillingManager), [0; 5]),
            (Plain, Some(OrganizationUser), [0; 5]),
            (Plain, None, [0; 5]),
        ];
        for (admin, kind, expected) in table {
            let grants = grants(admin, kind);
            let access = grants.space(&organization("o1"), &space("s1", "o1"));
            let found = [
                access.read,
                access.read_secrets,
                access.write,
                access.operate,
                access.manage,
            ];
            assert_eq!(found.map(u8::from), expected, "{admin:?} {kind:?}");
            let elsewhere = grants.space(&organization("o2"), &space("s2", "o2"));
            assert_eq!(
                elsewhere.read,
                admin != Plain,
                "another tenant: {admin:?} {kind:?}"
            );
            let visible = grants
                .visible_spaces()
                .has_space(&"o1".into(), &"s1".into());
            assert_eq!(
                visible, access.read,
                "lists show what get shows: {admin:?} {kind:?}"
            );
        }
    }

    #[test]
    fn suspension_and_deletion_bind_everybody_but_admins() {
        let mut suspended = organization("o1");
        suspended.suspended = true;
        let mut going = space("s1", "o1");
        going.deleting = true;
        let developer = grants(AdminScope::None, Some(RoleKind::SpaceDeveloper));
        let admin = grants(AdminScope::Admin, None);
        assert_eq!(
            developer.space(&suspended, &going).blocked,
            Some(Blocked::Suspended)
        );
        let open = organization("o1");
        assert_eq!(
            developer.space(&open, &going).blocked,
            Some(Blocked::SpaceDeleting)
        );
        assert_eq!(admin.space(&suspended, &going).blocked, None);
    }

    #[test]
    fn organizations_are_seen_by_any_role_and_managed_by_one() {
        for (kind, manages) in [
            (RoleKind::OrganizationUser, false),
            (RoleKind::OrganizationBillingManager, false),
            (RoleKind::OrganizationAuditor, false),
            (RoleKind::OrganizationManager, true),
        ] {
            let access = grants(AdminScope::None, Some(kind)).organization(&organization("o1"));
            assert!(access.read);
            assert_eq!(access.manage, manages, "{kind:?}");
        }
        let nobody = grants(AdminScope::None, None);
        assert_eq!(nobody.visible_organizations(), Some(BTreeSet::new()));
        assert!(!nobody.organization(&organization("o1")).read);
    }
}
