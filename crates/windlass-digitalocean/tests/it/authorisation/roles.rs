//! Who calls, and what they may do in the team of the subjects.

use windlass_engine::records::{AdminScope, RoleKind};

use super::table::Needs;

/// A caller with a good token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Role {
    /// Name of the user.
    pub(crate) name: &'static str,
    /// Rights beyond roles.
    pub(crate) admin: AdminScope,
    /// Role in the team or its project.
    pub(crate) kind: Option<RoleKind>,
    /// Whether they see its apps.
    pub(crate) sees: bool,
    /// Whether they see its secrets.
    pub(crate) secrets: bool,
    /// Whether they deploy, cancel, restart.
    pub(crate) operates: bool,
    /// Whether they change apps.
    pub(crate) writes: bool,
}

const fn role(name: &'static str, admin: AdminScope, kind: Option<RoleKind>, may: [u8; 4]) -> Role {
    Role {
        name,
        admin,
        kind,
        sees: may[0] == 1,
        secrets: may[1] == 1,
        operates: may[2] == 1,
        writes: may[3] == 1,
    }
}

/// All of them. `stranger` is in no team at all, `bert` in another one.
#[rustfmt::skip]
pub(crate) const ROLES: &[Role] = &[
    // sees, secrets, operates, writes
    role("admin", AdminScope::Admin, None, [1, 1, 1, 1]),
    role("reader", AdminScope::AdminReadOnly, None, [1, 1, 0, 0]),
    role("auditor", AdminScope::GlobalAuditor, None, [1, 0, 0, 0]),
    role("anna", AdminScope::None, Some(RoleKind::SpaceDeveloper), [1, 1, 1, 1]),
    role("supporter", AdminScope::None, Some(RoleKind::SpaceSupporter), [1, 0, 1, 0]),
    role("manager", AdminScope::None, Some(RoleKind::SpaceManager), [1, 0, 0, 0]),
    role("space-auditor", AdminScope::None, Some(RoleKind::SpaceAuditor), [1, 0, 0, 0]),
    role("owner", AdminScope::None, Some(RoleKind::OrganizationManager), [1, 0, 0, 0]),
    role("org-auditor", AdminScope::None, Some(RoleKind::OrganizationAuditor), [0, 0, 0, 0]),
    role("billing", AdminScope::None, Some(RoleKind::OrganizationBillingManager), [0, 0, 0, 0]),
    role("member", AdminScope::None, Some(RoleKind::OrganizationUser), [0, 0, 0, 0]),
    role("bert", AdminScope::None, None, [0, 0, 0, 0]),
    role("stranger", AdminScope::None, None, [0, 0, 0, 0]),
];

impl Role {
    /// Whether nothing is foreign to them.
    pub(crate) fn sees_all(&self) -> bool {
        self.admin != AdminScope::None
    }

    /// What they are refused with; `None` = they may.
    pub(crate) fn refused(&self, needs: Needs) -> Option<u16> {
        let in_app = |may: bool| match (self.sees, may) {
            (false, _) => Some(404),
            (true, false) => Some(403),
            (true, true) => None,
        };
        match needs {
            Needs::Nothing | Needs::Token => None,
            // Bert has a project, if not this one.
            Needs::Home => (!self.writes && self.name != "bert").then_some(403),
            Needs::See => in_app(true),
            Needs::Secrets => in_app(self.secrets),
            Needs::Operate => in_app(self.operates),
            Needs::Write => in_app(self.writes),
        }
    }
}
