//! Passwords: Argon2id, computed beside the async threads, a few at a time.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};

use super::Identity;
use crate::error::Error;

/// Longest password, bytes: more only costs time.
pub const MAX_PASSWORD_BYTES: usize = 1024;
/// Shortest password that is accepted, characters.
pub const MIN_PASSWORD_CHARS: usize = 1;

impl Identity {
    /// Hash of a new password (PHC text).
    pub(crate) async fn hash_password(&self, password: &str) -> Result<String, Error> {
        check_new(password)?;
        let password = password.to_owned();
        self.run_hash(move || hash(&password)).await?
    }

    /// Whether a password fits a hash. Without a hash the work is done all the same, so that the
    /// time of the answer does not tell whether a user exists.
    pub(crate) async fn verify_password(
        &self,
        password: &str,
        stored: Option<String>,
    ) -> Result<bool, Error> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Ok(false);
        }
        let password = password.to_owned();
        self.run_hash(move || {
            if let Some(stored) = stored {
                return verify(&password, &stored);
            }
            // The outcome does not matter, only that the work is the same.
            drop(hash(&password));
            false
        })
        .await
    }

    async fn run_hash<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let queued = self.hash_queue.clone().try_acquire_owned();
        let queued = queued
            .map_err(|_| Error::Unavailable("too many logins at a time; try again".to_owned()))?;
        let turn = self
            .hashing
            .clone()
            .acquire_owned()
            .await
            .map_err(Error::internal)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((turn, queued));
            result
        });
        done.await.map_err(Error::internal)
    }
}

/// Refuses a password that is empty or too long.
fn check_new(password: &str) -> Result<(), Error> {
    let invalid = |reason: String| Error::Invalid {
        field: "password".to_owned(),
        reason,
    };
    if password.chars().count() < MIN_PASSWORD_CHARS {
        return Err(invalid("must not be empty".to_owned()));
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(invalid(format!(
            "must not be longer than {MAX_PASSWORD_BYTES} bytes"
        )));
    }
    Ok(())
}

fn hash(password: &str) -> Result<String, Error> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(Error::internal)
}

fn verify(password: &str, stored: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_fits_its_password_only() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(verify("correct horse", &stored));
        assert!(!verify("wrong horse", &stored));
        assert!(!verify("correct horse", "no hash"));
        assert_ne!(stored, hash("correct horse").unwrap(), "salted");
    }

    #[test]
    fn empty_and_endless_passwords_are_refused() {
        assert!(check_new("").is_err());
        assert!(check_new(&"x".repeat(MAX_PASSWORD_BYTES + 1)).is_err());
        assert!(check_new("x").is_ok());
    }
}
