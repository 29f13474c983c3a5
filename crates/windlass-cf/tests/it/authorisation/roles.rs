//! Who calls, and what they may do in the organization and space of the subjects.

use windlass_engine::records::AdminScope;

use super::line::{Line, Needs};

/// A caller with a good token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Role {
    /// Name of the user, which is that of the role but for a client.
    pub(crate) name: &'static str,
    /// Rights beyond roles.
    pub(crate) admin: AdminScope,
    /// Whether they have a role in the organization.
    member: bool,
    /// Whether they manage it.
    manages_org: bool,
    /// Whether they see the space.
    sees: bool,
    /// Whether they see its events.
    events: bool,
    /// Whether they see secrets in it.
    secrets: bool,
    /// Whether they operate its apps.
    operates: bool,
    /// Whether they change its apps.
    writes: bool,
    /// Whether they manage it.
    manages: bool,
}

const fn role(name: &'static str, admin: AdminScope, may: [u8; 8]) -> Role {
    Role {
        name,
        admin,
        member: may[0] == 1,
        manages_org: may[1] == 1,
        sees: may[2] == 1,
        events: may[3] == 1,
        secrets: may[4] == 1,
        operates: may[5] == 1,
        writes: may[6] == 1,
        manages: may[7] == 1,
    }
}

/// All of them. `client` is no person but a client that develops; `none` has no role anywhere,
/// `stranger` develops in another organization.
#[rustfmt::skip]
pub(crate) const ROLES: &[Role] = &[
    // member, manages org, sees, events, secrets, operates, writes, manages
    role("admin", AdminScope::Admin, [1, 1, 1, 1, 1, 1, 1, 1]),
    role("admin_read_only", AdminScope::AdminReadOnly, [1, 0, 1, 1, 1, 0, 0, 0]),
    role("global_auditor", AdminScope::GlobalAuditor, [1, 0, 1, 1, 0, 0, 0, 0]),
    role("space_developer", AdminScope::None, [1, 0, 1, 1, 1, 1, 1, 0]),
    role("client", AdminScope::None, [1, 0, 1, 1, 1, 1, 1, 0]),
    role("space_supporter", AdminScope::None, [1, 0, 1, 1, 0, 1, 0, 0]),
    role("space_manager", AdminScope::None, [1, 0, 1, 0, 0, 0, 0, 1]),
    role("space_auditor", AdminScope::None, [1, 0, 1, 1, 0, 0, 0, 0]),
    role("organization_manager", AdminScope::None, [1, 1, 1, 0, 0, 0, 0, 1]),
    role("organization_auditor", AdminScope::None, [1, 0, 0, 1, 0, 0, 0, 0]),
    role("organization_billing_manager", AdminScope::None, [1, 0, 0, 0, 0, 0, 0, 0]),
    role("organization_user", AdminScope::None, [1, 0, 0, 0, 0, 0, 0, 0]),
    role("none", AdminScope::None, [0, 0, 0, 0, 0, 0, 0, 0]),
    role("stranger", AdminScope::None, [0, 0, 0, 0, 0, 0, 0, 0]),
];

impl Role {
    /// The role as the API calls it.
    pub(crate) fn kind(&self) -> &'static str {
        match self.name {
            "client" => "space_developer",
            name => name,
        }
    }

    /// Whether nothing is foreign to them.
    pub(crate) fn sees_all(&self) -> bool {
        self.admin != AdminScope::None
    }

    /// Whether they see what an endpoint names.
    pub(crate) fn sees(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing | Needs::Token | Needs::Admin => true,
            Needs::Org | Needs::OrgManage | Needs::OrgAdmin => self.member,
            Needs::Events => self.events,
            Needs::See
            | Needs::Secrets
            | Needs::Variables
            | Needs::Operate
            | Needs::Write
            | Needs::Manage
            | Needs::ManageOrgOfSpace => self.sees,
        }
    }

    fn may(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing | Needs::Token | Needs::Org | Needs::See | Needs::Events => true,
            Needs::Admin | Needs::OrgAdmin => self.admin == AdminScope::Admin,
            Needs::OrgManage | Needs::ManageOrgOfSpace => self.manages_org,
            Needs::Secrets => self.secrets,
            Needs::Variables => self.secrets || self.operates,
            Needs::Operate => self.operates,
            Needs::Write => self.writes,
            Needs::Manage => self.manages,
        }
    }

    /// What they are refused with; `None` = they may.
    pub(crate) fn refused(&self, line: &Line) -> Option<u16> {
        if !self.sees(line.needs) {
            Some(line.unseen)
        } else if self.may(line.needs) {
            None
        } else {
            Some(line.denied)
        }
    }
}
