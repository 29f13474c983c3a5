//! Users, their tokens, and what they may do. One set for every dialect.
//!
//! Access tokens are signed and carry their own end; everything else about a caller (that the
//! user still exists, admin rights, roles) is read anew at each request, so taking a right away
//! works at once. Random tokens and passwords are stored only as digests.

use std::sync::Arc;

use tokio::sync::Semaphore;
use windlass_engine::id::UserId;
use windlass_engine::records::{Role, TokenKind, User};
use windlass_engine::time::Timestamp;
use windlass_store::{Column, Filter, Store, WriteError};

use crate::error::Error;
use crate::principal::{Principal, Via, client_name, scopes_of};
use crate::secrets::Secrets;

pub mod access;
pub mod jwt;
mod password;
mod signing_keys;
mod tokens;
mod users;

pub use access::{Blocked, Grants, OrganizationAccess, SpaceAccess, Visibility};
pub use password::{MAX_PASSWORD_BYTES, MIN_PASSWORD_CHARS};
pub use signing_keys::PublicKey;
pub use tokens::{IssuedTokens, NewToken};
pub use users::{MAX_USER_NAME_CHARS, NewUser, UserPatch};

/// Reads the wall clock. Replaced in tests.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Life of an access token, seconds. The `cf` client refreshes when less than 60 s are left.
pub const ACCESS_TOKEN_SECONDS: i64 = 3600;
/// Life of a refresh token after its last use, seconds (30 days).
pub const REFRESH_TOKEN_SECONDS: i64 = 30 * 24 * 3600;
/// Most refresh tokens of a user: the oldest go first.
pub const MAX_REFRESH_TOKENS: u32 = 100;
/// Most API tokens of a user.
pub const MAX_API_TOKENS: u64 = 200;
/// Password hashes that are computed at a time; each takes tens of milliseconds and 19 MiB.
const HASHES_AT_A_TIME: usize = 2;
/// Password hashes that may wait for their turn; more callers are told to come again.
const HASHES_WAITING: usize = 256;

/// Users, tokens, rights.
#[derive(Clone)]
pub struct Identity {
    pub(crate) store: Store,
    pub(crate) secrets: Secrets,
    pub(crate) wall: WallClock,
    issuer: Arc<str>,
    hashing: Arc<Semaphore>,
    hash_queue: Arc<Semaphore>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// `issuer` is the address of the token endpoint as tokens name it.
    pub fn new(store: Store, secrets: Secrets, wall: WallClock, issuer: &str) -> Self {
        Self {
            store,
            secrets,
            wall,
            issuer: issuer.into(),
            hashing: Arc::new(Semaphore::new(HASHES_AT_A_TIME)),
            hash_queue: Arc::new(Semaphore::new(HASHES_WAITING)),
        }
    }

    /// Finds out who calls, by the text after `bearer ` and the name of the client program.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for anything that is no valid token of an existing user.
    pub fn authenticate(&self, token: &str, client: &str) -> Result<Principal, Error> {
        let client = client_name(client);
        if token.contains('.') {
            return self.authenticate_signed(token, client);
        }
        let (token, user) = self
            .random_token(token, TokenKind::Api)?
            .ok_or_else(|| Error::NotAuthenticated("unknown or ended token".to_owned()))?;
        let scopes = scopes_of(&user);
        Ok(Principal {
            user,
            scopes,
            client,
            via: Via::ApiToken { name: token.name },
        })
    }

    fn authenticate_signed(&self, token: &str, client: String) -> Result<Principal, Error> {
        let refused = || Error::NotAuthenticated("invalid or ended access token".to_owned());
        let key_id = jwt::key_id(token).ok_or_else(refused)?;
        let key = self.verifying_key(&key_id)?.ok_or_else(refused)?;
        let claims = jwt::verify(token, &key, self.now_seconds()).ok_or_else(refused)?;
        let id = UserId::new(claims.subject().ok_or_else(refused)?);
        let user = self.user(&id)?.ok_or_else(refused)?;
        let allowed = scopes_of(&user);
        let scopes = claims
            .scope
            .iter()
            .filter(|scope| allowed.contains(*scope))
            .cloned()
            .collect();
        Ok(Principal {
            user,
            scopes,
            client,
            via: Via::AccessToken {
                client_id: claims.cid,
            },
        })
    }

    /// All rights of a caller.
    pub fn grants(&self, principal: &Principal) -> Result<Grants, Error> {
        let id = principal.user.id.clone();
        let roles: Vec<Role> = self
            .store
            .read(move |reader| reader.all(vec![Filter::is(Column::User, id.as_str())]))?;
        Ok(Grants::new(principal, &roles))
    }

    /// The user with this id.
    pub fn user(&self, id: &UserId) -> Result<Option<User>, Error> {
        let id = id.clone();
        Ok(self.store.read(move |reader| reader.get::<User>(&id))?)
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.wall)()
    }

    pub(crate) fn now_seconds(&self) -> i64 {
        self.now().0.div_euclid(1000)
    }
}

/// The refusal or the failure of a write, as one error.
pub(crate) fn flatten(error: WriteError<Error>) -> Error {
    error.flatten()
}

#[cfg(test)]
mod tests;
