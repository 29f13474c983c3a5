//! Who calls: a user, what the token in use allows, and with which client.

use std::collections::BTreeSet;

use windlass_engine::records::{Actor, AdminScope, User};

/// Scope that lets a token read.
pub const SCOPE_READ: &str = "cloud_controller.read";
/// Scope that lets a token write.
pub const SCOPE_WRITE: &str = "cloud_controller.write";
/// Scope of administrators.
pub const SCOPE_ADMIN: &str = "cloud_controller.admin";
/// Scope of users who see everything and change nothing.
pub const SCOPE_ADMIN_READ_ONLY: &str = "cloud_controller.admin_read_only";
/// Scope of users who see everything but secrets and change nothing.
pub const SCOPE_GLOBAL_AUDITOR: &str = "cloud_controller.global_auditor";
/// Longest name of a client that is kept, characters (it comes from a request header).
pub const MAX_CLIENT_CHARS: usize = 256;

/// How the caller showed who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// A signed access token of the token endpoint.
    AccessToken {
        /// OAuth client that it was given to.
        client_id: String,
    },
    /// A token made by `windlass token create`.
    ApiToken {
        /// Its name.
        name: String,
    },
    /// The command line of this machine.
    Local,
}

/// A caller that was authenticated.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The user as stored now, not as it was when the token was made.
    pub user: User,
    /// What the token allows.
    pub scopes: BTreeSet<String>,
    /// Program that calls, for the record (`cf/8.18.4 …`).
    pub client: String,
    /// How they showed who they are.
    pub via: Via,
}

impl Principal {
    /// A caller on this machine, with everything that the user may do.
    pub fn local(user: User, client: impl Into<String>) -> Self {
        let scopes = scopes_of(&user);
        Self {
            user,
            scopes,
            client: client.into(),
            via: Via::Local,
        }
    }

    /// The actor of events.
    pub fn actor(&self) -> Actor {
        Actor {
            id: self.user.id.to_string(),
            kind: if self.user.is_client {
                "uaa_client"
            } else {
                "user"
            }
            .to_owned(),
            name: self.user.name.clone(),
        }
    }

    /// Rights beyond roles: those that the user has now *and* the token carries.
    pub fn global(&self) -> AdminScope {
        let carries = |scope: &str| self.scopes.contains(scope);
        match self.user.admin {
            AdminScope::Admin if carries(SCOPE_ADMIN) => AdminScope::Admin,
            AdminScope::AdminReadOnly if carries(SCOPE_ADMIN_READ_ONLY) => {
                AdminScope::AdminReadOnly
            }
            AdminScope::GlobalAuditor if carries(SCOPE_GLOBAL_AUDITOR) => AdminScope::GlobalAuditor,
            AdminScope::None
            | AdminScope::Admin
            | AdminScope::AdminReadOnly
            | AdminScope::GlobalAuditor => AdminScope::None,
        }
    }

    /// Whether they may do everything.
    pub fn is_admin(&self) -> bool {
        self.global() == AdminScope::Admin
    }

    /// Whether the token may be used for reading at all.
    pub fn may_read(&self) -> bool {
        self.scopes.contains(SCOPE_READ) || self.global() != AdminScope::None
    }

    /// Whether the token may be used for writing at all.
    pub fn may_write(&self) -> bool {
        self.scopes.contains(SCOPE_WRITE) || self.is_admin()
    }
}

/// All scopes that a user's tokens may carry.
pub fn scopes_of(user: &User) -> BTreeSet<String> {
    let mut scopes = BTreeSet::from([SCOPE_READ.to_owned(), SCOPE_WRITE.to_owned()]);
    let more: &[&str] = match user.admin {
        AdminScope::None => &[],
        AdminScope::Admin => &[SCOPE_ADMIN, "scim.read", "scim.write", "uaa.admin"],
        AdminScope::AdminReadOnly => &[SCOPE_ADMIN_READ_ONLY, "scim.read"],
        AdminScope::GlobalAuditor => &[SCOPE_GLOBAL_AUDITOR, "scim.read"],
    };
    scopes.extend(more.iter().map(|scope| (*scope).to_owned()));
    if !user.is_client {
        scopes.extend(["openid", "password.write", "uaa.user"].map(str::to_owned));
    }
    scopes
}

/// The name of a client as it is kept: printable, of limited length.
pub fn client_name(header: &str) -> String {
    header
        .chars()
        .filter(|letter| !letter.is_control())
        .take(MAX_CLIENT_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use windlass_engine::id::UserId;
    use windlass_engine::records::{Metadata, PASSWORD_ORIGIN, Stamps};

    use super::*;

    fn user(admin: AdminScope) -> User {
        User {
            id: UserId::from("u"),
            name: "anna".to_owned(),
            origin: PASSWORD_ORIGIN.to_owned(),
            password_hash: None,
            is_client: false,
            admin,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        }
    }

    #[test]
    fn rights_need_the_user_and_the_token() {
        let mut principal = Principal::local(user(AdminScope::Admin), "test");
        assert!(principal.is_admin());
        principal.scopes.remove(SCOPE_ADMIN);
        assert!(!principal.is_admin() && principal.may_write());
        let mut demoted = Principal::local(user(AdminScope::Admin), "test");
        demoted.user.admin = AdminScope::None;
        assert_eq!(demoted.global(), AdminScope::None);
    }

    #[test]
    fn a_reader_without_write_scope_may_only_read() {
        let mut principal = Principal::local(user(AdminScope::GlobalAuditor), "test");
        assert!(principal.may_read() && principal.may_write());
        principal.scopes.remove(SCOPE_WRITE);
        principal.scopes.remove(SCOPE_READ);
        assert!(principal.may_read() && !principal.may_write());
    }

    #[test]
    fn client_names_are_printable_and_short() {
        assert_eq!(client_name("cf/8\r\nx"), "cf/8x");
        assert_eq!(
            client_name(&"é".repeat(1000)).chars().count(),
            MAX_CLIENT_CHARS
        );
    }
}
