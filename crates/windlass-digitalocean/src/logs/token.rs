//! Tokens of log links: what may be read, until when, signed with a key of this process.
//!
//! A restart makes links void, as does their time; clients ask for new ones.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use windlass_control::clock;

use crate::error::{ApiError, ApiResult};

/// How long a link may be opened, milliseconds.
const LIFE_MS: i64 = 15 * 60_000;
/// Longest token that is looked at, bytes.
const MAX_TOKEN_BYTES: usize = 2_048;
/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 32;

/// Which lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Of the builds.
    Build,
    /// Of the jobs.
    Deploy,
    /// Of the instances.
    Run,
    /// Of the instances that were started again, before that.
    RunRestarted,
}

impl Kind {
    /// The word of the wire; none means run.
    ///
    /// # Errors
    /// 400 for a word that there is not.
    pub(crate) fn parse(word: &str) -> ApiResult<Self> {
        match word {
            "BUILD" => Ok(Self::Build),
            "DEPLOY" => Ok(Self::Deploy),
            "" | "UNSPECIFIED" | "RUN" => Ok(Self::Run),
            "RUN_RESTARTED" => Ok(Self::RunRestarted),
            _ => Err(ApiError::bad_request(
                "type must be one of BUILD, DEPLOY, RUN, RUN_RESTARTED",
            )),
        }
    }
}

/// What a link leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// The app.
    pub(crate) app: String,
    /// The deployment.
    pub(crate) deployment: String,
    /// Only this component.
    pub(crate) component: Option<String>,
    /// Which lines.
    pub(crate) kind: Kind,
    /// Only so many from the end.
    pub(crate) tail: Option<usize>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Signed {
    link: Link,
    ends_at_ms: i64,
}

/// Makes and reads tokens.
pub(crate) struct LogTokens {
    key: [u8; 32],
}

impl std::fmt::Debug for LogTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogTokens").finish_non_exhaustive()
    }
}

impl LogTokens {
    /// With a new key.
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        key[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self { key }
    }

    /// A token for a link.
    pub(crate) fn make(&self, link: &Link) -> String {
        self.make_at(link, clock::wall().0)
    }

    fn make_at(&self, link: &Link, now_ms: i64) -> String {
        let signed = Signed {
            link: link.clone(),
            ends_at_ms: now_ms.saturating_add(LIFE_MS),
        };
        let mut bytes = serde_json::to_vec(&signed).unwrap_or_default();
        let signature = self.sign(&bytes);
        bytes.extend_from_slice(&signature);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a token is for; `None` = it is none of ours, or its time is over.
    pub(crate) fn read(&self, token: &str) -> Option<Link> {
        self.read_at(token, clock::wall().0)
    }

    fn read_at(&self, token: &str, now_ms: i64) -> Option<Link> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, signature) =
            bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE_BYTES)?)?;
        let mut mac = self.mac();
        mac.update(signed);
        mac.verify_slice(signature).ok()?;
        let signed: Signed = serde_json::from_slice(signed).ok()?;
        (signed.ends_at_ms > now_ms).then_some(signed.link)
    }

    fn sign(&self, bytes: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut mac = self.mac();
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.key).expect("a key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link {
            app: "a".to_owned(),
            deployment: "d".to_owned(),
            component: Some("web".to_owned()),
            kind: Kind::Run,
            tail: Some(5),
        }
    }

    #[test]
    fn a_token_leads_to_its_link_for_its_time() {
        let tokens = LogTokens::new();
        let token = tokens.make_at(&link(), 1_000);
        assert_eq!(tokens.read_at(&token, 1_000), Some(link()));
        assert_eq!(tokens.read_at(&token, 1_000 + LIFE_MS), None);
    }

    #[test]
    fn others_tokens_and_changed_ones_are_none() {
        let tokens = LogTokens::new();
        let token = tokens.make_at(&link(), 0);
        assert_eq!(LogTokens::new().read_at(&token, 1), None);
        let mut changed = URL_SAFE_NO_PAD.decode(&token).unwrap();
        changed[10] ^= 1;
        let changed = URL_SAFE_NO_PAD.encode(changed);
        for bad in ["", "a", "!!", changed.as_str(), &"a".repeat(5_000)] {
            assert_eq!(tokens.read_at(bad, 1), None);
        }
    }

    #[test]
    fn words() {
        assert_eq!(Kind::parse(""), Ok(Kind::Run));
        assert_eq!(Kind::parse("UNSPECIFIED"), Ok(Kind::Run));
        assert_eq!(Kind::parse("BUILD"), Ok(Kind::Build));
        assert!(Kind::parse("build").is_err());
        assert!(Kind::parse("AUTOSCALE_EVENT").is_err());
    }
}
