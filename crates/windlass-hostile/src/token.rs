//! Access tokens: nothing that is made of a good one is accepted, unless it says the very same.
//!
//! The key is another one in each process, so an input says what to do with a token: either it is a
//! text in which `@token`, `@header`, `@claims` and `@signature` stand for the parts of a good one,
//! or, after a byte `0xff`, a list of changes of its bytes.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use windlass_control::identity::jwt::{self, Claims, MAX_TOKEN_BYTES};

use crate::feed::Feed;

/// Begins a list of changes.
const CHANGES: u8 = 0xff;
/// When all tokens of the checks are looked at, seconds.
const NOW_SECS: i64 = 1_000;

struct Good {
    token: String,
    /// Ended, but signed.
    ended: String,
    claims: Claims,
    public_point: Vec<u8>,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let key = jwt::generate().expect("a key");
    let claims = claims(NOW_SECS + 100);
    Good {
        token: jwt::sign(&claims, "k1", &key).expect("a token"),
        ended: jwt::sign(&self::claims(NOW_SECS), "k1", &key).expect("a token"),
        claims,
        public_point: jwt::public_point(&key).expect("a point"),
    }
});

fn claims(exp: i64) -> Claims {
    let text = |text: &str| text.to_owned();
    Claims {
        jti: text("j"),
        sub: text("u"),
        scope: vec![text("cloud_controller.read")],
        client_id: text("cf"),
        cid: text("cf"),
        azp: text("cf"),
        grant_type: text("password"),
        user_id: Some(text("u")),
        user_name: Some(text("anna")),
        origin: Some(text("uaa")),
        email: Some(text("anna")),
        iat: 0,
        exp,
        iss: text("https://api/oauth/token"),
        zid: text("uaa"),
        aud: vec![text("cf")],
    }
}

/// Feeds one token.
pub fn check(input: &[u8]) {
    let good = &*GOOD;
    let bytes = match input.split_first() {
        Some((&CHANGES, changes)) => changed(good.token.as_bytes(), changes),
        _ => filled(input, good),
    };
    let Ok(token) = std::str::from_utf8(&bytes) else {
        return;
    };
    let key_id = jwt::key_id(token);
    assert!(key_id.is_none() || token.len() <= MAX_TOKEN_BYTES);
    let found = key_id.and_then(|_| jwt::verify(token, &good.public_point, NOW_SECS));
    let Some(found) = found else {
        assert_ne!(token, good.token, "a good token is accepted");
        return;
    };
    assert_eq!(found, good.claims, "{token}");
    let signed = |token: &str| token.rsplit_once('.').map(|parts| parts.0.to_owned());
    assert_eq!(signed(token), signed(&good.token), "{token}");
}

/// Puts parts of a good token in the place of their names.
fn filled(input: &[u8], good: &Good) -> Vec<u8> {
    let text = String::from_utf8_lossy(input);
    let mut parts = good.token.split('.');
    let mut part = || parts.next().unwrap_or_default();
    let (header, claims, signature) = (part(), part(), part());
    let mut filled = text
        .replace("@token", &good.token)
        .replace("@ended", &good.ended)
        .replace("@header", header)
        .replace("@claims", claims)
        .replace("@signature", signature);
    // `@{…}` is encoded, so that headers and claims can be written as they are read.
    while let Some(start) = filled.find("@{") {
        let rest = &filled[start + 1..];
        let end = start + 1 + rest.find('}').map_or(rest.len(), |end| end + 1);
        let encoded = URL_SAFE_NO_PAD.encode(&filled[start + 1..end]);
        filled.replace_range(start..end, &encoded);
    }
    filled.into_bytes()
}

/// A good token with changes: each is a kind, a place and a byte.
fn changed(token: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = token.to_vec();
    let mut feed = Feed(changes);
    while !feed.is_empty() && bytes.len() <= MAX_TOKEN_BYTES {
        let kind = feed.byte();
        let at = feed.below(bytes.len() + 1);
        let byte = feed.byte();
        match kind % 5 {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => bytes[at] ^= 1 << (byte % 8),
            2 => bytes.insert(at, byte),
            3 if at < bytes.len() => {
                bytes.remove(at);
            }
            4 => bytes.truncate(at),
            _ => {}
        }
    }
    bytes
}
