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
    /// Role in the team or its project space.
    pub(crate) kind: Option<RoleKind>,
    /// Whether they are in the team.
    pub(crate) member: bool,
    /// Whether they see its projects.
    pub(crate) sees: bool,
    /// Whether they see values of variables.
    pub(crate) secrets: bool,
    /// Whether they deploy, cancel, promote.
    pub(crate) operates: bool,
    /// Whether they change projects.
    pub(crate) writes: bool,
}

const fn role(name: &'static str, admin: AdminScope, kind: Option<RoleKind>, may: [u8; 5]) -> Role {
    Role {
        name,
        admin,
        kind,
        member: may[0] == 1,
        sees: may[1] == 1,
        secrets: may[2] == 1,
        operates: may[3] == 1,
        writes: may[4] == 1,
    }
}

/// All of them. `stranger` is in no team at all, `bert` in another one.
#[rustfmt::skip]
pub(crate) const ROLES: &[Role] = &[
    // member, sees, secrets, operates, writes
    role("admin", AdminScope::Admin, None, [1, 1, 1, 1, 1]),
    role("reader", AdminScope::AdminReadOnly, None, [1, 1, 1, 0, 0]),
    role("auditor", AdminScope::GlobalAuditor, None, [1, 1, 0, 0, 0]),
    role("anna", AdminScope::None, Some(RoleKind::SpaceDeveloper), [1, 1, 1, 1, 1]),
    role("supporter", AdminScope::None, Some(RoleKind::SpaceSupporter), [1, 1, 0, 1, 0]),
    role("manager", AdminScope::None, Some(RoleKind::SpaceManager), [1, 1, 0, 0, 0]),
    role("space-auditor", AdminScope::None, Some(RoleKind::SpaceAuditor), [1, 1, 0, 0, 0]),
    role("owner", AdminScope::None, Some(RoleKind::OrganizationManager), [1, 1, 0, 0, 0]),
    role("org-auditor", AdminScope::None, Some(RoleKind::OrganizationAuditor), [1, 0, 0, 0, 0]),
    role("billing", AdminScope::None, Some(RoleKind::OrganizationBillingManager), [1, 0, 0, 0, 0]),
    role("member", AdminScope::None, Some(RoleKind::OrganizationUser), [1, 0, 0, 0, 0]),
    role("bert", AdminScope::None, None, [0, 0, 0, 0, 0]),
    role("stranger", AdminScope::None, None, [0, 0, 0, 0, 0]),
];

impl Role {
    /// Whether nothing is foreign to them.
    pub(crate) fn sees_all(&self) -> bool {
        self.admin != AdminScope::None
    }

    /// What they are refused with; `None` = they may.
    pub(crate) fn refused(&self, needs: Needs) -> Option<u16> {
        let in_team = |may: bool| (!(self.member && may)).then_some(403);
        let in_project = |may: bool| match (self.sees, may) {
            (false, _) => Some(404),
            (true, false) => Some(403),
            (true, true) => None,
        };
        match needs {
            Needs::Token => None,
            Needs::Team => in_team(true),
            Needs::TeamShown => (!self.member).then_some(404),
            Needs::TeamWrite => in_team(self.writes),
            Needs::See => in_project(true),
            Needs::Secrets => in_project(self.secrets),
            Needs::Operate => in_project(self.operates),
            Needs::Write => in_project(self.writes),
        }
    }
}
