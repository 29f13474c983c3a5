//! Groups that divide visitors: all requests of one visitor go to one version.
//! A visitor falls into a bucket that the rollout and the visitor alone decide,
//! so every worker, every restart and every share agree on it; as shares move
//! from version to version, each visitor moves at most once.

use std::net::IpAddr;

use http::header::{COOKIE, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::compiled::CompiledGroup;
use crate::table::{SHARE_PARTS, Split};

/// Cookie that makes a browser one visitor, wherever it is.
const COOKIE_NAME: &str = "__windlass_visitor";
/// How long a browser keeps it, in seconds.
const COOKIE_SECS: u32 = 30 * 24 * 60 * 60;
/// A longer cookie is not ours, in bytes.
const COOKIE_LIMIT_BYTES: usize = 64;

/// Whose request it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor<'a> {
    pub(crate) address: IpAddr,
    pub(crate) headers: &'a HeaderMap,
}

impl Visitor<'_> {
    /// The visitor's own cookie.
    fn cookie(&self) -> Option<&str> {
        let lines = self.headers.get_all(COOKIE).iter();
        lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, value)| *name == COOKIE_NAME && value.len() <= COOKIE_LIMIT_BYTES)
            .map(|(_, value)| value)
    }

    /// What the visitor is known by: the cookie, else what the cookie will be.
    fn key(&self) -> String {
        if let Some(cookie) = self.cookie() {
            return cookie.to_owned();
        }
        let agent = self.headers.get(USER_AGENT).map(HeaderValue::as_bytes);
        let address = self.address.to_canonical().to_string();
        let parts = [address.as_bytes(), agent.unwrap_or_default()];
        format!("{:016x}", hash(parts))
    }

    /// Headers that a response of a divided group carries.
    pub(crate) fn notes(
        &self,
        group: &CompiledGroup,
        version: usize,
        is_tls: bool,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let Split::Visitors { header, .. } = &group.split else {
            return Vec::new();
        };
        let is_divided = group.versions.iter().filter(|one| one.share > 0).count() > 1;
        if !is_divided {
            return Vec::new();
        }
        let mut notes = Vec::new();
        if self.cookie().is_none() {
            let secure = if is_tls { "; Secure" } else { "" };
            let cookie = format!(
                "{COOKIE_NAME}={}; Path=/; Max-Age={COOKIE_SECS}; HttpOnly; SameSite=Lax{secure}",
                self.key()
            );
            notes.extend(HeaderValue::from_str(&cookie).map(|cookie| (SET_COOKIE, cookie)));
        }
        let name = header
            .as_ref()
            .and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok());
        let id = HeaderValue::from_str(&group.versions[version].id);
        if let (Some(name), Ok(id)) = (name, id) {
            notes.push((name, id));
        }
        notes
    }
}

/// The version of a visitor; `None` where the shares divide requests.
pub(super) fn version_of(group: &CompiledGroup, visitor: Option<Visitor<'_>>) -> Option<usize> {
    let (Split::Visitors { rollout, .. }, Some(visitor)) = (&group.split, visitor) else {
        return None;
    };
    let weights = group
        .versions
        .iter()
        .map(|version| u64::from(version.share));
    let total: u64 = weights.clone().sum();
    let bucket = u64::from(bucket(rollout, &visitor.key()));
    // With shares that are whole this is the bucket itself.
    let place = bucket * total / u64::from(SHARE_PARTS);
    let mut end = 0;
    weights
        .map(|weight| {
            end += weight;
            end
        })
        .position(|end| place < end)
}

fn bucket(rollout: &str, visitor: &str) -> u16 {
    let place = hash([rollout.as_bytes(), visitor.as_bytes()]) % u64::from(SHARE_PARTS);
    u16::try_from(place).unwrap_or(0)
}

/// FNV-1a with a final mix (that of MurmurHash3): the same in every process, for ever.
fn hash<const N: usize>(parts: [&[u8]; N]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        // A byte that UTF-8 never has parts them.
        for byte in part.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_even_and_differ_by_rollout() {
        const VISITORS: usize = 100_000;
        let buckets = |rollout: &str| -> Vec<u16> {
            (0..VISITORS)
                .map(|visitor| bucket(rollout, &visitor.to_string()))
                .collect()
        };
        let (one, two) = (buckets("one"), buckets("two"));
        for tenth in 0..10_u16 {
            let within = one.iter().filter(|bucket| **bucket / 1_000 == tenth);
            let count = within.count();
            assert!((9_500..10_500).contains(&count), "{tenth}: {count}");
        }
        let same = one.iter().zip(&two).filter(|(a, b)| a.abs_diff(**b) < 100);
        assert!(same.count() < VISITORS / 20);
        assert_eq!(bucket("one", "7"), bucket("one", "7"));
    }
}
