//! Users: people and OAuth clients.

use windlass_engine::id::{OrganizationId, UserId};
use windlass_engine::records::{AdminScope, Metadata, PASSWORD_ORIGIN, Role, Stamps, Token, User};
use windlass_store::{Column, Filter, ListPage, ListQuery, StoreError, Unique};

use super::{Grants, Identity, MAX_API_TOKENS, MAX_REFRESH_TOKENS, flatten};
use crate::error::Error;

/// Longest login name, characters.
pub const MAX_USER_NAME_CHARS: usize = 255;
/// Roles deleted with a user in one commit; a user with more is deleted in a second call.
const MAX_ROLES_OF_USER: u32 = 10_000;

/// A user to be.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Id, when another system already gave one.
    pub id: Option<UserId>,
    /// Login name.
    pub name: String,
    /// Where they are authenticated; [`PASSWORD_ORIGIN`] for a password of ours.
    pub origin: String,
    /// Password; without one they can't log in with a password.
    pub password: Option<String>,
    /// Whether it is an OAuth client.
    pub is_client: bool,
    /// Rights beyond roles.
    pub admin: AdminScope,
    /// Labels and annotations.
    pub metadata: Metadata,
}

impl NewUser {
    /// A person with a password of ours and no rights beyond roles.
    pub fn person(name: &str, password: &str) -> Self {
        Self {
            id: None,
            name: name.to_owned(),
            origin: PASSWORD_ORIGIN.to_owned(),
            password: Some(password.to_owned()),
            is_client: false,
            admin: AdminScope::None,
            metadata: Metadata::default(),
        }
    }
}

/// Changes of a user; `None` = stays.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// New password. All refresh tokens end with the old one.
    pub password: Option<String>,
    /// New rights beyond roles.
    pub admin: Option<AdminScope>,
    /// New labels and annotations (whole).
    pub metadata: Option<Metadata>,
}

impl Identity {
    /// Creates a user.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name or password, [`Error::Taken`] for a name in use.
    pub async fn create_user(&self, new: NewUser) -> Result<User, Error> {
        check_name("username", &new.name)?;
        check_name("origin", &new.origin)?;
        let password_hash = match &new.password {
            Some(password) => Some(self.hash_password(password).await?),
            None => None,
        };
        let now = self.now();
        let user = User {
            id: new
                .id
                .unwrap_or_else(|| UserId::new(uuid::Uuid::new_v4().to_string())),
            name: new.name,
            origin: new.origin,
            password_hash,
            is_client: new.is_client,
            admin: new.admin,
            metadata: new.metadata,
            stamps: Stamps {
                created_at: now,
                updated_at: now,
                ..Stamps::default()
            },
        };
        self.store
            .write(move |tx| {
                if tx.get::<User>(&user.id)?.is_some() {
                    return Err(Error::Taken {
                        what: "user id",
                        value: user.id.to_string(),
                    });
                }
                let stamps = Stamps {
                    created_commit: tx.commit_number(),
                    ..user.stamps
                };
                let user = User {
                    stamps,
                    ..user.clone()
                };
                tx.put(&user).map_err(|error| taken(error, &user.name))?;
                Ok(user)
            })
            .await
            .map_err(flatten)
    }

    /// Changes a user.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`].
    pub async fn update_user(&self, id: &UserId, patch: UserPatch) -> Result<User, Error> {
        let password_hash = match &patch.password {
            Some(password) => Some(self.hash_password(password).await?),
            None => None,
        };
        let (id, now) = (id.clone(), self.now());
        self.store
            .write(move |tx| {
                let mut user = tx
                    .get::<User>(&id)?
                    .ok_or(Error::NotFound { what: "user" })?;
                if let Some(hash) = &password_hash {
                    user.password_hash = Some(hash.clone());
                    let refresh = vec![
                        Filter::is(Column::User, id.as_str()),
                        Filter::is(Column::Kind, "refresh"),
                    ];
                    tx.delete_where::<Token>(refresh, MAX_REFRESH_TOKENS * 2)?;
                }
                if let Some(admin) = patch.admin {
                    user.admin = admin;
                }
                if let Some(metadata) = &patch.metadata {
                    user.metadata = metadata.clone();
                }
                user.stamps.updated_at = now;
                tx.put(&user)?;
                Ok(user)
            })
            .await
            .map_err(flatten)
    }

    /// Deletes a user with roles and tokens.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_user(&self, id: &UserId) -> Result<(), Error> {
        let id = id.clone();
        self.store
            .write(move |tx| {
                let mine = || vec![Filter::is(Column::User, id.as_str())];
                tx.delete_where::<Role>(mine(), MAX_ROLES_OF_USER)?;
                let tokens = u32::try_from(MAX_API_TOKENS).unwrap_or(u32::MAX);
                tx.delete_where::<Token>(mine(), tokens + MAX_REFRESH_TOKENS * 2)?;
                if tx.delete::<User>(&id)? {
                    Ok(())
                } else {
                    Err(Error::NotFound { what: "user" })
                }
            })
            .await
            .map_err(flatten)
    }

    /// The user with this name at this origin.
    pub fn find_user(&self, name: &str, origin: &str) -> Result<Option<User>, Error> {
        let filters = [
            Filter::is(Column::Name, name),
            Filter::is(Column::Origin, origin),
        ];
        Ok(self
            .store
            .read(move |reader| reader.find::<User>(&filters))?)
    }

    /// Users with this name, at any origin.
    pub fn users_named(&self, name: &str) -> Result<Vec<User>, Error> {
        let filters = vec![Filter::is(Column::Name, name)];
        Ok(self.store.read(move |reader| reader.all::<User>(filters))?)
    }

    /// Users that the caller sees: all, or those with a role in an organization that they see,
    /// and themselves.
    pub async fn list_users(
        &self,
        grants: &Grants,
        query: ListQuery,
    ) -> Result<ListPage<User>, Error> {
        let visible = grants.visible_organizations();
        let me = grants.user().clone();
        Ok(self
            .store
            .read_list(move |reader| {
                let mut query = query;
                if let Some(organizations) = visible {
                    let there = Filter::one_of(
                        Column::Organization,
                        organizations.iter().map(OrganizationId::as_str),
                    );
                    let mut ids: Vec<UserId> = reader
                        .all::<Role>(vec![there])?
                        .into_iter()
                        .map(|role| role.user)
                        .collect();
                    ids.push(me);
                    ids.sort();
                    ids.dedup();
                    query
                        .filters
                        .push(Filter::one_of(Column::Id, ids.iter().map(UserId::as_str)));
                }
                reader.list::<User>(&query)
            })
            .await?)
    }

    /// Ids of users whose name contains one of these texts, letters compared without case.
    pub async fn ids_with_name_parts(&self, parts: &[String]) -> Result<Vec<UserId>, Error> {
        let parts: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
        self.store
            .read_list(move |reader| {
                let users = reader.all::<User>(Vec::new())?;
                Ok(users
                    .into_iter()
                    .filter(|user| {
                        let name = user.name.to_lowercase();
                        parts.iter().any(|part| name.contains(part))
                    })
                    .map(|user| user.id)
                    .collect())
            })
            .await
    }

    /// Whether this is the user's password.
    pub async fn password_fits(&self, user: &User, password: &str) -> Result<bool, Error> {
        self.verify_password(password, user.password_hash.clone())
            .await
    }

    /// Whether there is any user at all (the first start creates one).
    pub fn has_users(&self) -> Result<bool, Error> {
        Ok(self.store.read(|reader| reader.count::<User>(&[]))? > 0)
    }
}

fn check_name(field: &str, name: &str) -> Result<(), Error> {
    let chars = name.chars().count();
    if (1..=MAX_USER_NAME_CHARS).contains(&chars) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::Invalid {
        field: field.to_owned(),
        reason: format!("must have 1 to {MAX_USER_NAME_CHARS} printable characters"),
    })
}

fn taken(error: StoreError, name: &str) -> Error {
    match error {
        StoreError::Duplicate {
            what: Unique::UserName,
        } => Error::Taken {
            what: "username",
            value: name.to_owned(),
        },
        other => other.into(),
    }
}
