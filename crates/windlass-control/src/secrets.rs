//! Secret values at rest: encrypted with a key that lies outside of the data directory.
//!
//! A value is stored as `<key id>:<base64 of nonce and ciphertext>`, so that a new key can take
//! over while values of older keys stay readable. The engine never sees a value: it holds a
//! [`SecretRef`], a keyed digest that says whether two values are equal and nothing else.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use windlass_engine::id::SecretRef;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of the random nonce in front of each ciphertext.
const NONCE_BYTES: usize = 24;
/// Keeps digests apart from anything else that may ever be made with the same key.
const DIGEST_CONTEXT: &[u8] = b"windlass secret reference 1";
/// Bound to each ciphertext: a value made for another purpose does not decrypt.
const VALUE_CONTEXT: &[u8] = b"windlass secret value 1";

/// Why a secret can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// No key at all.
    #[error("the key file holds no key; put the original file back")]
    NoKey,
    /// Two keys have one id, or an id can't be told from the value behind it.
    #[error("key id {0:?} is repeated or not made of letters and digits; correct the key file")]
    BadKeyId(String),
    /// The value was made with a key that is not there.
    #[error("key {0:?} is missing in the key file; put its line back")]
    UnknownKey(String),
    /// The value is damaged, or the key of that id is another one.
    #[error("a secret value can't be decrypted: damaged, or its key was replaced")]
    Damaged,
    /// The machine gave no random bytes.
    #[error("no random bytes from the system")]
    Random,
}

/// One key.
#[derive(Clone)]
struct Key {
    id: String,
    bytes: [u8; KEY_BYTES],
}

/// The keys in use, newest first: the first encrypts, all of them decrypt.
#[derive(Clone)]
pub struct Secrets {
    keys: Arc<[Key]>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.keys.iter().map(|key| key.id.as_str()).collect();
        write!(f, "Secrets({}, hidden)", ids.join(", "))
    }
}

impl Secrets {
    /// Takes keys (id and bytes), newest first.
    ///
    /// # Errors
    /// [`SecretsError::NoKey`], [`SecretsError::BadKeyId`].
    pub fn new(
        keys: impl IntoIterator<Item = (String, [u8; KEY_BYTES])>,
    ) -> Result<Self, SecretsError> {
        let keys: Vec<Key> = keys
            .into_iter()
            .map(|(id, bytes)| Key { id, bytes })
            .collect();
        let mut seen = HashSet::new();
        for key in &keys {
            let plain = !key.id.is_empty() && key.id.bytes().all(|b| b.is_ascii_alphanumeric());
            if !plain || !seen.insert(key.id.as_str()) {
                return Err(SecretsError::BadKeyId(key.id.clone()));
            }
        }
        if keys.is_empty() {
            return Err(SecretsError::NoKey);
        }
        Ok(Self { keys: keys.into() })
    }

    /// Encrypts with the newest key.
    ///
    /// # Errors
    /// [`SecretsError::Random`].
    pub fn encrypt(&self, plain: &[u8]) -> Result<String, SecretsError> {
        let key = self.newest()?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SecretsError::Random)?;
        let sealed = cipher(key)
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plain,
                    aad: VALUE_CONTEXT,
                },
            )
            .map_err(|_| SecretsError::Damaged)?;
        let mut bytes = nonce.to_vec();
        bytes.extend(sealed);
        Ok(format!("{}:{}", key.id, STANDARD.encode(bytes)))
    }

    /// Decrypts a value of any key that is there.
    ///
    /// # Errors
    /// [`SecretsError::UnknownKey`], [`SecretsError::Damaged`].
    pub fn decrypt(&self, stored: &str) -> Result<Vec<u8>, SecretsError> {
        let (id, text) = stored.split_once(':').ok_or(SecretsError::Damaged)?;
        let key = self.key(id)?;
        let bytes = STANDARD.decode(text).map_err(|_| SecretsError::Damaged)?;
        let (nonce, sealed) = bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(SecretsError::Damaged)?;
        cipher(key)
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: sealed,
                    aad: VALUE_CONTEXT,
                },
            )
            .map_err(|_| SecretsError::Damaged)
    }

    /// Like [`Self::decrypt`], for text.
    ///
    /// # Errors
    /// The same.
    pub fn decrypt_text(&self, stored: &str) -> Result<String, SecretsError> {
        String::from_utf8(self.decrypt(stored)?).map_err(|_| SecretsError::Damaged)
    }

    /// Whether a stored value should be encrypted again because a newer key has taken over.
    pub fn is_outdated(&self, stored: &str) -> bool {
        self.newest()
            .is_ok_and(|key| stored.split_once(':').is_none_or(|(id, _)| id != key.id))
    }

    /// The reference of a value: equal values have equal references under one key.
    ///
    /// # Errors
    /// None in practice: there is always a key.
    pub fn reference(&self, plain: &[u8]) -> Result<SecretRef, SecretsError> {
        let key = self.newest()?;
        Ok(SecretRef(format!(
            "{}:{}",
            key.id,
            hex::encode(digest(key, plain))
        )))
    }

    /// Whether a reference, also one of an older key, stands for this value.
    pub fn matches(&self, reference: &SecretRef, plain: &[u8]) -> bool {
        let Some((id, text)) = reference.0.split_once(':') else {
            return false;
        };
        let Ok(key) = self.key(id) else { return false };
        let Ok(expected) = hex::decode(text) else {
            return false;
        };
        let mut mac = digest_state(key);
        mac.update(plain);
        // Constant time: the caller may be guessing.
        mac.verify_slice(&expected).is_ok()
    }

    fn newest(&self) -> Result<&Key, SecretsError> {
        self.keys.first().ok_or(SecretsError::NoKey)
    }

    fn key(&self, id: &str) -> Result<&Key, SecretsError> {
        let known = self.keys.iter().find(|key| key.id == id);
        known.ok_or_else(|| SecretsError::UnknownKey(id.to_owned()))
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&key.bytes.into())
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn digest_state(key: &Key) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&key.bytes)
        .expect("HMAC takes keys of any length");
    mac.update(DIGEST_CONTEXT);
    mac
}

fn digest(key: &Key, plain: &[u8]) -> [u8; 32] {
    let mut mac = digest_state(key);
    mac.update(plain);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(ids: &[(&str, u8)]) -> Secrets {
        Secrets::new(
            ids.iter()
                .map(|(id, byte)| ((*id).to_owned(), [*byte; KEY_BYTES])),
        )
        .unwrap()
    }

    #[test]
    fn a_value_comes_back_and_looks_different_each_time() {
        let secrets = secrets(&[("a1", 1)]);
        let (one, two) = (
            secrets.encrypt(b"value").unwrap(),
            secrets.encrypt(b"value").unwrap(),
        );
        assert_ne!(one, two);
        assert!(one.starts_with("a1:"));
        assert!(!one.contains("value"));
        assert_eq!(secrets.decrypt_text(&one).unwrap(), "value");
    }

    #[test]
    fn an_older_key_stays_readable_and_a_lost_one_is_named() {
        let old = secrets(&[("a1", 1)]);
        let stored = old.encrypt(b"value").unwrap();
        let rotated = secrets(&[("b2", 2), ("a1", 1)]);
        assert_eq!(rotated.decrypt(&stored).unwrap(), b"value");
        assert!(rotated.is_outdated(&stored));
        assert!(!rotated.is_outdated(&rotated.encrypt(b"x").unwrap()));
        assert_eq!(
            secrets(&[("b2", 2)]).decrypt(&stored),
            Err(SecretsError::UnknownKey("a1".to_owned()))
        );
        assert_eq!(
            secrets(&[("a1", 9)]).decrypt(&stored),
            Err(SecretsError::Damaged)
        );
    }

    #[test]
    fn damage_is_noticed() {
        let secrets = secrets(&[("a1", 1)]);
        let stored = secrets.encrypt(b"value").unwrap();
        for bad in [
            "",
            "a1",
            "a1:",
            "a1:!!",
            "a1:AAAA",
            &stored[..stored.len() - 4],
        ] {
            assert_eq!(secrets.decrypt(bad), Err(SecretsError::Damaged), "{bad}");
        }
    }

    #[test]
    fn references_tell_equality_and_nothing_else() {
        let secrets = secrets(&[("b2", 2), ("a1", 1)]);
        let reference = secrets.reference(b"value").unwrap();
        assert_eq!(reference, secrets.reference(b"value").unwrap());
        assert_ne!(reference, secrets.reference(b"other").unwrap());
        assert!(secrets.matches(&reference, b"value"));
        assert!(!secrets.matches(&reference, b"other"));
        assert!(!secrets.matches(&SecretRef("zz:00".to_owned()), b"value"));
        let old = Secrets::new([("a1".to_owned(), [1; KEY_BYTES])]).unwrap();
        assert!(secrets.matches(&old.reference(b"value").unwrap(), b"value"));
        assert!(!format!("{secrets:?}").contains('\u{2}'));
    }

    #[test]
    fn keys_need_plain_and_unlike_ids() {
        assert_eq!(Secrets::new([]).unwrap_err(), SecretsError::NoKey);
        for ids in [["a:b", "c"], ["", "c"], ["c", "c"]] {
            let keys = ids.map(|id| (id.to_owned(), [0; KEY_BYTES]));
            assert!(matches!(Secrets::new(keys), Err(SecretsError::BadKeyId(_))));
        }
    }
}
