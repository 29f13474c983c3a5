//! A map of which a copy with one entry changed is cheap: each delta makes a new table beside the one
//! that workers still pick by.

use std::collections::HashMap;
use std::sync::Arc;

/// Parts of the map; a copy shares all that stay as they are. A power of two.
const SHARDS: usize = 256;

/// A map from names.
#[derive(Debug)]
pub(crate) struct Shards<V> {
    shards: Box<[Arc<Shard<V>>]>,
}

type Shard<V> = HashMap<Arc<str>, Arc<V>>;

impl<V> Clone for Shards<V> {
    fn clone(&self) -> Self {
        Self {
            shards: self.shards.clone(),
        }
    }
}

impl<V> Default for Shards<V> {
    fn default() -> Self {
        let empty = Arc::default();
        Self {
            shards: std::iter::repeat_n(empty, SHARDS).collect(),
        }
    }
}

impl<V> Shards<V> {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<V>> {
        self.shards[number(name)].get(name)
    }

    pub(crate) fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A sum over all shards: not for each request.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len()).sum()
    }

    pub(crate) fn insert(&mut self, name: Arc<str>, value: Arc<V>) {
        Arc::make_mut(&mut self.shards[number(&name)]).insert(name, value);
    }

    /// Returns what was there.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Arc<V>> {
        if !self.contains_key(name) {
            return None;
        }
        Arc::make_mut(&mut self.shards[number(name)]).remove(name)
    }
}

/// Which shard a name belongs to. Names of clients are only looked up, never put in: who finds many
/// of one shard gains nothing by it.
fn number(name: &str) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut mixed = name.len() as u64;
    for part in name.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        mixed = (mixed.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
    }
    // The upper bits depend on all of the name.
    usize::try_from(mixed >> (u64::BITS - SHARDS.trailing_zeros())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_copy_shares_what_stays() {
        let mut first = Shards::default();
        for n in 0..1_000 {
            first.insert(format!("app-{n}").into(), Arc::new(n));
        }
        let mut second = first.clone();
        second.insert("app-7".into(), Arc::new(70));
        second.remove("app-8");
        second.remove("nobody");
        assert_eq!(first.get("app-7").map(|n| **n), Some(7));
        assert_eq!(second.get("app-7").map(|n| **n), Some(70));
        assert!(first.contains_key("app-8") && !second.contains_key("app-8"));
        let shared = first
            .shards
            .iter()
            .zip(&second.shards)
            .filter(|(one, other)| Arc::ptr_eq(one, other))
            .count();
        assert!(shared >= SHARDS - 2, "{shared}");
    }

    #[test]
    fn names_that_differ_anywhere_are_spread() {
        for name in [
            |n: u32| format!("{n:08x}-0000-4000-8000-000000000000/web"),
            |n: u32| format!("5eed0000-0000-4000-8000-{n:012x}/web"),
            |n: u32| format!("shop-{n}.apps.example.org"),
        ] {
            let mut counts = [0; SHARDS];
            for n in 0..10_000 {
                counts[number(&name(n))] += 1;
            }
            assert!(counts.into_iter().max() < Some(200), "{}", name(0));
        }
    }
}
