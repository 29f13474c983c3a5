//! The keys that sign access tokens: stored encrypted, kept over restarts, honoured after
//! rotation until the last token of theirs has ended (clients never recover from a 401).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use windlass_engine::id::KeyId;
use windlass_engine::records::{SigningKey, Stamps};
use windlass_engine::time::Timestamp;
use windlass_store::{Column, Filter, Tx};

use super::{ACCESS_TOKEN_SECONDS, Identity, flatten, jwt};
use crate::error::Error;

/// DER in front of the 65 bytes of a P-256 point in a SubjectPublicKeyInfo.
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Letters of a line of PEM.
const PEM_LINE: usize = 64;

/// A public key as the token endpoint shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its id (`kid`).
    pub id: String,
    /// PEM text.
    pub pem: String,
    /// First coordinate, base64url.
    pub x: String,
    /// Second coordinate, base64url.
    pub y: String,
}

impl Identity {
    /// The public keys of all tokens that may still be valid, the signing one first.
    pub fn public_keys(&self) -> Result<Vec<PublicKey>, Error> {
        let now = self.now();
        let mut keys = self.stored_keys()?;
        keys.retain(|key| is_honoured(key, now));
        keys.sort_by_key(|key| {
            (
                key.retired_at.is_some(),
                std::cmp::Reverse(key.stamps.created_at),
            )
        });
        Ok(keys.iter().filter_map(public).collect())
    }

    /// Puts a new signing key in place; tokens of the old one stay good until they end.
    pub async fn rotate_signing_key(&self) -> Result<KeyId, Error> {
        let new = self.new_key()?;
        let id = new.id.clone();
        let now = self.now();
        self.store
            .write(move |tx| {
                for mut old in tx.all::<SigningKey>(vec![Filter::is_null(Column::RetiredAt)])? {
                    old.retired_at = Some(now);
                    old.stamps.updated_at = now;
                    tx.put(&old)?;
                }
                for old in tx.all::<SigningKey>(Vec::new())? {
                    if !is_honoured(&old, now) {
                        tx.delete::<SigningKey>(&old.id)?;
                    }
                }
                put_new(tx, new)
            })
            .await
            .map_err(flatten)?;
        Ok(id)
    }

    /// The key that signs now (made when there is none): its id and private document.
    pub(super) async fn signing_key(&self) -> Result<(String, Vec<u8>), Error> {
        let current = self
            .stored_keys()?
            .into_iter()
            .find(|key| key.retired_at.is_none());
        let key = match current {
            Some(key) => key,
            None => self.first_key().await?,
        };
        let text = self
            .secrets
            .decrypt_text(&key.private_encrypted)
            .map_err(Error::internal)?;
        let document = from_pem(&text).ok_or_else(|| Error::internal("damaged signing key"))?;
        Ok((key.id.to_string(), document))
    }

    /// The public point of a key that is still honoured.
    pub(super) fn verifying_key(&self, id: &str) -> Result<Option<Vec<u8>>, Error> {
        let id = KeyId::new(id);
        let key = self
            .store
            .read(move |reader| reader.get::<SigningKey>(&id))?;
        let now = self.now();
        Ok(key
            .filter(|key| is_honoured(key, now))
            .as_ref()
            .and_then(point))
    }

    async fn first_key(&self) -> Result<SigningKey, Error> {
        let new = self.new_key()?;
        self.store
            .write(move |tx| {
                // Two first logins may meet: the writer lets one of them make the key.
                if let Some(there) = tx.find::<SigningKey>(&[Filter::is_null(Column::RetiredAt)])? {
                    return Ok(there);
                }
                put_new(tx, new)
            })
            .await
            .map_err(flatten)
    }

    pub(super) fn stored_keys(&self) -> Result<Vec<SigningKey>, Error> {
        Ok(self
            .store
            .read(|reader| reader.all::<SigningKey>(Vec::new()))?)
    }

    fn new_key(&self) -> Result<SigningKey, Error> {
        let document = jwt::generate().map_err(Error::internal)?;
        let point = jwt::public_point(&document).map_err(Error::internal)?;
        let private = to_pem("PRIVATE KEY", &document);
        let now = self.now();
        Ok(SigningKey {
            id: KeyId::new(uuid::Uuid::new_v4().to_string()),
            private_encrypted: self
                .secrets
                .encrypt(private.as_bytes())
                .map_err(Error::internal)?,
            public_pem: to_pem("PUBLIC KEY", &[&SPKI_PREFIX[..], &point].concat()),
            retired_at: None,
            stamps: Stamps {
                created_at: now,
                updated_at: now,
                ..Stamps::default()
            },
        })
    }
}

fn put_new(tx: &mut Tx<'_>, mut key: SigningKey) -> Result<SigningKey, Error> {
    key.stamps.created_commit = tx.commit_number();
    tx.put(&key)?;
    Ok(key)
}

/// A retired key counts until the last token that it can have signed has ended.
fn is_honoured(key: &SigningKey, now: Timestamp) -> bool {
    key.retired_at
        .is_none_or(|retired| now.0 < retired.0 + ACCESS_TOKEN_SECONDS * 1000)
}

fn point(key: &SigningKey) -> Option<Vec<u8>> {
    Some(
        from_pem(&key.public_pem)?
            .strip_prefix(&SPKI_PREFIX)?
            .to_vec(),
    )
}

fn public(key: &SigningKey) -> Option<PublicKey> {
    let point = point(key)?;
    let coordinates = point.strip_prefix(&[4])?;
    let (x, y) = coordinates.split_at_checked(32)?;
    Some(PublicKey {
        id: key.id.to_string(),
        pem: key.public_pem.clone(),
        x: URL_SAFE_NO_PAD.encode(x),
        y: URL_SAFE_NO_PAD.encode(y),
    })
}

fn to_pem(label: &str, der: &[u8]) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    let text = STANDARD.encode(der);
    for line in text.as_bytes().chunks(PEM_LINE) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem + "-----END " + label + "-----\n"
}

fn from_pem(pem: &str) -> Option<Vec<u8>> {
    let text: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_round_trips_in_short_lines() {
        let bytes: Vec<u8> = (0..=255).collect();
        let pem = to_pem("PUBLIC KEY", &bytes);
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
        assert!(pem.lines().all(|line| line.len() <= PEM_LINE));
        assert_eq!(from_pem(&pem), Some(bytes));
    }
}
