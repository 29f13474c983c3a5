//! Tokens: the grants of the token endpoint, and API tokens.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use windlass_engine::id::{TokenId, UserId};
use windlass_engine::records::{PASSWORD_ORIGIN, Stamps, Token, TokenKind, User};
use windlass_engine::time::Timestamp;
use windlass_store::{Column, Filter, ListQuery, Order, Page};

use super::jwt::{self, Claims};
use super::{
    ACCESS_TOKEN_SECONDS, Identity, MAX_API_TOKENS, MAX_REFRESH_TOKENS, REFRESH_TOKEN_SECONDS,
    flatten,
};
use crate::error::Error;
use crate::principal::scopes_of;

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Longest name of a token, characters.
const MAX_NAME_CHARS: usize = 255;
/// Longest random token that is looked up, bytes.
const MAX_RANDOM_TOKEN_BYTES: usize = 256;

/// What the token endpoint hands out.
#[derive(Debug, Clone)]
pub struct IssuedTokens {
    /// Signed access token.
    pub access_token: String,
    /// Refresh token; `None` for clients' own tokens.
    pub refresh_token: Option<String>,
    /// Seconds until the access token ends.
    pub expires_in_seconds: i64,
    /// What it allows.
    pub scopes: BTreeSet<String>,
    /// Its id.
    pub jti: String,
}

/// A token that was just made: the only time that its text is known.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The row.
    pub token: Token,
    /// The token itself.
    pub text: String,
}

impl Identity {
    /// Password grant. `origin` narrows the search when the client says one. An API token of the
    /// user serves as password too: clients that know nothing but passwords can use one, and
    /// `windlass env` needs to keep no password.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] with the same text for a wrong name and a wrong password.
    pub async fn login(
        &self,
        name: &str,
        password: &str,
        origin: Option<&str>,
        client_id: &str,
    ) -> Result<IssuedTokens, Error> {
        let user = self.find_user(name, origin.unwrap_or(PASSWORD_ORIGIN))?;
        let user = user.filter(|user| !user.is_client);
        let owner = self
            .random_token(password, TokenKind::Api)?
            .map(|(_, owner)| owner.id);
        let by_token = user
            .as_ref()
            .is_some_and(|user| owner.as_ref() == Some(&user.id));
        let stored = user.as_ref().and_then(|user| user.password_hash.clone());
        let fits = by_token || self.verify_password(password, stored).await?;
        let user = user.filter(|_| fits).ok_or_else(bad_credentials)?;
        let refresh = self.new_refresh_token(&user, client_id).await?;
        self.issue(&user, client_id, "password", Some(refresh))
            .await
    }

    /// Client-credentials grant: the client is a user of its own kind.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`].
    pub async fn login_client(&self, id: &str, secret: &str) -> Result<IssuedTokens, Error> {
        let user = self
            .find_user(id, PASSWORD_ORIGIN)?
            .filter(|user| user.is_client);
        let stored = user.as_ref().and_then(|user| user.password_hash.clone());
        let fits = self.verify_password(secret, stored).await?;
        let user = user.filter(|_| fits).ok_or_else(bad_credentials)?;
        self.issue(&user, id, "client_credentials", None).await
    }

    /// Refresh grant. The refresh token stays the same: a client whose answer was lost asks again
    /// with the token that it has, and must not be logged out by that.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`].
    pub async fn refresh(&self, text: &str, client_id: &str) -> Result<IssuedTokens, Error> {
        let (token, user) = self
            .random_token(text, TokenKind::Refresh)?
            .ok_or_else(|| Error::NotAuthenticated("unknown or ended refresh token".to_owned()))?;
        self.prolong(token).await?;
        self.issue(&user, client_id, "refresh_token", Some(text.to_owned()))
            .await
    }

    /// Makes an API token. `ttl_seconds` = `None`: it never ends by itself.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name, [`Error::Conflict`] when there are too many.
    pub async fn create_token(
        &self,
        user: &UserId,
        name: &str,
        ttl_seconds: Option<i64>,
    ) -> Result<NewToken, Error> {
        let chars = name.chars().count();
        if chars == 0 || chars > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(Error::Invalid {
                field: "name".to_owned(),
                reason: format!("must have 1 to {MAX_NAME_CHARS} printable characters"),
            });
        }
        let ends = ttl_seconds.map(|seconds| self.in_seconds(seconds));
        let (token, text) = self.new_row(user, TokenKind::Api, name, ends)?;
        let made = self
            .store
            .write(move |tx| {
                let token = Token {
                    stamps: Stamps {
                        created_commit: tx.commit_number(),
                        ..token.stamps
                    },
                    ..token
                };
                if tx.get::<User>(&token.user)?.is_none() {
                    return Err(Error::NotFound { what: "user" });
                }
                let own = [
                    Filter::is(Column::User, token.user.as_str()),
                    Filter::is(Column::Kind, API),
                ];
                if tx.count::<Token>(&own)? >= MAX_API_TOKENS {
                    return Err(Error::Conflict(format!(
                        "the user has {MAX_API_TOKENS} tokens; delete one first"
                    )));
                }
                tx.put(&token)?;
                Ok(token)
            })
            .await
            .map_err(flatten)?;
        Ok(NewToken { token: made, text })
    }

    /// API tokens of a user, oldest first.
    pub async fn tokens(&self, user: &UserId) -> Result<Vec<Token>, Error> {
        let filters = vec![
            Filter::is(Column::User, user.as_str()),
            Filter::is(Column::Kind, API),
        ];
        Ok(self
            .store
            .read_list(move |reader| reader.all(filters))
            .await?)
    }

    /// Deletes a token. Says whether there was one.
    pub async fn delete_token(&self, id: &TokenId) -> Result<bool, Error> {
        let id = id.clone();
        self.store
            .write(move |tx| Ok(tx.delete::<Token>(&id)?))
            .await
            .map_err(flatten)
    }

    /// Deletes all refresh tokens of a user: they must log in again when their access token ends.
    pub async fn revoke_refresh_tokens(&self, user: &UserId) -> Result<(), Error> {
        let user = user.clone();
        self.store
            .write(move |tx| {
                let filters = vec![
                    Filter::is(Column::User, user.as_str()),
                    Filter::is(Column::Kind, REFRESH),
                ];
                tx.delete_where::<Token>(filters, MAX_REFRESH_TOKENS * 2)?;
                Ok(())
            })
            .await
            .map_err(flatten)
    }

    /// Checks a signed access token for the token endpoint itself.
    pub fn check_access_token(&self, token: &str) -> Result<Option<Claims>, Error> {
        let Some(key_id) = jwt::key_id(token) else {
            return Ok(None);
        };
        let Some(key) = self.verifying_key(&key_id)? else {
            return Ok(None);
        };
        Ok(jwt::verify(token, &key, self.now_seconds()))
    }

    /// The valid random token of this kind and its user.
    pub(super) fn random_token(
        &self,
        text: &str,
        kind: TokenKind,
    ) -> Result<Option<(Token, User)>, Error> {
        if text.is_empty() || text.len() > MAX_RANDOM_TOKEN_BYTES {
            return Ok(None);
        }
        let (digest, now) = (sha256(text), self.now());
        self.store.read(move |reader| {
            let Some(token) =
                reader.find::<Token>(&[Filter::is(Column::Sha256, digest.as_str())])?
            else {
                return Ok(None);
            };
            let valid = token.kind == kind && token.expires_at.is_none_or(|end| end > now);
            let user = if valid {
                reader.get::<User>(&token.user)?
            } else {
                None
            };
            Ok(user.map(|user| (token, user)))
        })
    }

    async fn issue(
        &self,
        user: &User,
        client_id: &str,
        grant_type: &str,
        refresh_token: Option<String>,
    ) -> Result<IssuedTokens, Error> {
        let (key_id, key) = self.signing_key().await?;
        let scopes = scopes_of(user);
        let jti = uuid::Uuid::new_v4().simple().to_string();
        let now = self.now_seconds();
        let person = |text: &str| (!user.is_client).then(|| text.to_owned());
        let claims = Claims {
            jti: jti.clone(),
            sub: user.id.to_string(),
            scope: scopes.iter().cloned().collect(),
            client_id: client_id.to_owned(),
            cid: client_id.to_owned(),
            azp: client_id.to_owned(),
            grant_type: grant_type.to_owned(),
            user_id: person(user.id.as_str()),
            user_name: person(&user.name),
            origin: person(&user.origin),
            email: person(&user.name),
            iat: now,
            exp: now + ACCESS_TOKEN_SECONDS,
            iss: self.issuer.to_string(),
            zid: PASSWORD_ORIGIN.to_owned(),
            aud: audience(client_id, &scopes),
        };
        let access_token = jwt::sign(&claims, &key_id, &key).map_err(Error::internal)?;
        Ok(IssuedTokens {
            access_token,
            refresh_token,
            expires_in_seconds: ACCESS_TOKEN_SECONDS,
            scopes,
            jti,
        })
    }

    pub(super) async fn new_refresh_token(
        &self,
        user: &User,
        client_id: &str,
    ) -> Result<String, Error> {
        let ends = Some(self.in_seconds(REFRESH_TOKEN_SECONDS));
        let name: String = client_id.chars().take(MAX_NAME_CHARS).collect();
        let (token, text) = self.new_row(&user.id, TokenKind::Refresh, &name, ends)?;
        let now = self.now();
        self.store
            .write(move |tx| {
                let mine = || {
                    vec![
                        Filter::is(Column::User, token.user.as_str()),
                        Filter::is(Column::Kind, REFRESH),
                    ]
                };
                let mut ended = mine();
                ended.push(Filter::before(Column::ExpiresAt, now));
                tx.delete_where::<Token>(ended, MAX_REFRESH_TOKENS)?;
                // Keeps the newest: a script that logs in each time must not fill the store.
                let newest_first = ListQuery::filtered(mine())
                    .ordered(Order::descending(Column::CreatedAt))
                    .page(Page {
                        limit: MAX_REFRESH_TOKENS,
                        offset: u64::from(MAX_REFRESH_TOKENS - 1),
                    });
                for surplus in tx.list::<Token>(&newest_first)?.rows {
                    tx.delete::<Token>(&surplus.id)?;
                }
                let stamps = Stamps {
                    created_commit: tx.commit_number(),
                    ..token.stamps
                };
                tx.put(&Token {
                    stamps,
                    ..token.clone()
                })?;
                Ok(())
            })
            .await
            .map_err(flatten)?;
        Ok(text)
    }

    /// Moves the end of a refresh token that is in use; at most twice in its life's length, so
    /// that a refresh seldom writes.
    async fn prolong(&self, token: Token) -> Result<(), Error> {
        let half = self.in_seconds(REFRESH_TOKEN_SECONDS / 2);
        if token.expires_at.is_none_or(|end| end > half) {
            return Ok(());
        }
        let ends = self.in_seconds(REFRESH_TOKEN_SECONDS);
        let now = self.now();
        self.store
            .write(move |tx| {
                let Some(mut token) = tx.get::<Token>(&token.id)? else {
                    return Ok(());
                };
                token.expires_at = Some(ends);
                token.stamps.updated_at = now;
                tx.put(&token)?;
                Ok(())
            })
            .await
            .map_err(flatten)
    }

    fn new_row(
        &self,
        user: &UserId,
        kind: TokenKind,
        name: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<(Token, String), Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(Error::internal)?;
        let prefix = match kind {
            TokenKind::Api => "wl_",
            TokenKind::Refresh => "wlr_",
        };
        // Some clients take nothing but letters, digits and `_` for a token.
        let text = format!("{prefix}{}", hex::encode(bytes));
        let now = self.now();
        let token = Token {
            id: TokenId::new(uuid::Uuid::new_v4().to_string()),
            kind,
            user: user.clone(),
            name: name.to_owned(),
            sha256: sha256(&text),
            expires_at,
            stamps: Stamps {
                created_at: now,
                updated_at: now,
                ..Stamps::default()
            },
        };
        Ok((token, text))
    }

    fn in_seconds(&self, seconds: i64) -> Timestamp {
        Timestamp(self.now().0.saturating_add(seconds.saturating_mul(1000)))
    }
}

/// Word of [`TokenKind::Api`] in the store.
const API: &str = "api";
/// Word of [`TokenKind::Refresh`] in the store.
const REFRESH: &str = "refresh";

fn bad_credentials() -> Error {
    Error::NotAuthenticated("bad credentials".to_owned())
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// The client itself and the resource of each scope, as UAA has it.
fn audience(client_id: &str, scopes: &BTreeSet<String>) -> Vec<String> {
    let resources = scopes
        .iter()
        .filter_map(|scope| scope.rsplit_once('.'))
        .map(|(one, _)| one);
    let all: BTreeSet<&str> = std::iter::once(client_id).chain(resources).collect();
    all.into_iter().map(str::to_owned).collect()
}
