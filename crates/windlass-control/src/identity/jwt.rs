//! Signed access tokens: JSON web tokens with ES256 and nothing else.
//!
//! Only one algorithm is accepted, whatever the header of a token says, so a token can't choose a
//! weaker one. Clients take tokens as opaque text but for the claims: `cf` reads `user_name`,
//! `user_id`, `origin` (it ends at once when one of them is no string), `client_id` and `exp`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};

/// Longest token that is looked at, bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Algorithm word of the header.
pub const ALGORITHM: &str = "ES256";

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Id of this token.
    pub jti: String,
    /// Whom it speaks of: user id, or client id of a client's own token.
    pub sub: String,
    /// What it allows.
    pub scope: Vec<String>,
    /// OAuth client that it was given to.
    pub client_id: String,
    /// The same again, as UAA has it.
    pub cid: String,
    /// The same again: authorized party.
    pub azp: String,
    /// How it was obtained.
    pub grant_type: String,
    /// User id; absent in a client's own token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_id: Option<String>,
    /// Login name; absent in a client's own token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_name: Option<String>,
    /// Where the user is authenticated; absent in a client's own token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<String>,
    /// Mail address (UAA always has one; ours is the login name); absent in a client's own token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub email: Option<String>,
    /// When it was made, seconds since 1970.
    pub iat: i64,
    /// When it ends, seconds since 1970.
    pub exp: i64,
    /// Who made it.
    pub iss: String,
    /// Zone; there is one.
    pub zid: String,
    /// For whom.
    pub aud: Vec<String>,
}

impl Claims {
    /// Id of the user or client that the token speaks of.
    pub fn subject(&self) -> Option<&str> {
        (!self.sub.is_empty()).then_some(self.sub.as_str())
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    #[serde(default)]
    typ: String,
}

/// Why a key can't be made or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signing key can't be made or used")]
pub struct KeyError;

/// Makes a private key: its PKCS#8 document.
///
/// # Errors
/// [`KeyError`] without random bytes.
pub fn generate() -> Result<Vec<u8>, KeyError> {
    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map(|document| document.as_ref().to_vec())
        .map_err(|_| KeyError)
}

/// The public point of a private key, 65 bytes uncompressed.
///
/// # Errors
/// [`KeyError`] when it is no such key.
pub fn public_point(pkcs8: &[u8]) -> Result<Vec<u8>, KeyError> {
    Ok(key_pair(pkcs8)?.public_key().as_ref().to_vec())
}

/// Signs claims.
///
/// # Errors
/// [`KeyError`].
pub fn sign(claims: &Claims, key_id: &str, pkcs8: &[u8]) -> Result<String, KeyError> {
    let header = Header {
        alg: ALGORITHM.to_owned(),
        kid: key_id.to_owned(),
        typ: "JWT".to_owned(),
    };
    let text = format!("{}.{}", encode(&header)?, encode(claims)?);
    let signature = key_pair(pkcs8)?
        .sign(&SystemRandom::new(), text.as_bytes())
        .map_err(|_| KeyError)?;
    Ok(format!(
        "{text}.{}",
        URL_SAFE_NO_PAD.encode(signature.as_ref())
    ))
}

/// Key id of a token that is well formed and of our algorithm.
pub fn key_id(token: &str) -> Option<String> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let header: Header = decode(token.split('.').next()?)?;
    (header.alg == ALGORITHM).then_some(header.kid)
}

/// The claims of a token whose signature is good and whose time has not ended.
pub fn verify(token: &str, public_point: &[u8], now_seconds: i64) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_point)
        .verify(signed.as_bytes(), &signature)
        .ok()?;
    let (_, claims) = signed.split_once('.')?;
    let claims: Claims = decode(claims)?;
    (claims.exp > now_seconds).then_some(claims)
}

fn key_pair(pkcs8: &[u8]) -> Result<EcdsaKeyPair, KeyError> {
    EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        pkcs8,
        &SystemRandom::new(),
    )
    .map_err(|_| KeyError)
}

fn encode<T: Serialize>(part: &T) -> Result<String, KeyError> {
    serde_json::to_vec(part)
        .map(|json| URL_SAFE_NO_PAD.encode(json))
        .map_err(|_| KeyError)
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(exp: i64) -> Claims {
        Claims {
            jti: "j".to_owned(),
            sub: "u".to_owned(),
            scope: vec!["cloud_controller.read".to_owned()],
            client_id: "cf".to_owned(),
            cid: "cf".to_owned(),
            azp: "cf".to_owned(),
            grant_type: "password".to_owned(),
            user_id: Some("u".to_owned()),
            user_name: Some("anna".to_owned()),
            origin: Some("uaa".to_owned()),
            email: Some("anna".to_owned()),
            iat: 0,
            exp,
            iss: "https://api/oauth/token".to_owned(),
            zid: "uaa".to_owned(),
            aud: vec!["cf".to_owned()],
        }
    }

    #[test]
    fn a_token_is_good_until_its_end_and_only_under_its_key() {
        let (key, other) = (generate().unwrap(), generate().unwrap());
        let token = sign(&claims(100), "k1", &key).unwrap();
        assert_eq!(token.split('.').count(), 3);
        assert_eq!(key_id(&token).as_deref(), Some("k1"));
        let point = public_point(&key).unwrap();
        assert_eq!(verify(&token, &point, 99), Some(claims(100)));
        assert_eq!(verify(&token, &point, 100), None, "ended");
        assert_eq!(
            verify(&token, &public_point(&other).unwrap(), 99),
            None,
            "other key"
        );
    }

    #[test]
    fn changed_or_unsigned_tokens_are_refused() {
        let key = generate().unwrap();
        let point = public_point(&key).unwrap();
        let token = sign(&claims(100), "k1", &key).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let forged = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims(1000)).unwrap());
        assert_eq!(
            verify(&format!("{}.{forged}.{}", parts[0], parts[2]), &point, 0),
            None
        );
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","kid":"k1"}"#);
        assert_eq!(key_id(&format!("{none}.{}.", parts[1])), None);
        let hmac = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","kid":"k1"}"#);
        assert_eq!(key_id(&format!("{hmac}.{}.{}", parts[1], parts[2])), None);
        for bad in ["", ".", "..", "a.b.c", "é.é.é"] {
            assert_eq!(verify(bad, &point, 0), None, "{bad}");
            assert_eq!(key_id(bad), None, "{bad}");
        }
        assert_eq!(key_id(&"a".repeat(MAX_TOKEN_BYTES + 1)), None);
    }
}
