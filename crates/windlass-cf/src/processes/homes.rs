//! Where processes live, as far as it was seen. Their guids are derived and can't be turned back, so
//! that one has to be looked for in all apps; clients ask for those that they have just listed, many
//! times. A hint and no more: what it says is looked at before it is used.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use windlass_engine::id::AppId;

/// Most guids that are remembered; then all are forgotten and seen again.
const MAX_HOMES: usize = 20_000;

/// Apps by the guids of their processes.
#[derive(Debug, Default)]
pub(crate) struct Homes(Mutex<HashMap<String, AppId>>);

impl Homes {
    /// Remembers where a process lives.
    pub(super) fn note(&self, guid: &str, app: &AppId) {
        let mut homes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if homes.len() >= MAX_HOMES && !homes.contains_key(guid) {
            homes.clear();
        }
        if homes.get(guid) != Some(app) {
            homes.insert(guid.to_owned(), app.clone());
        }
    }

    /// Where a process was last seen.
    pub(super) fn of(&self, guid: &str) -> Option<AppId> {
        let homes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        homes.get(guid).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_last_counts_and_there_is_an_end_to_it() {
        let homes = Homes::default();
        let (one, two) = (AppId::from("one"), AppId::from("two"));
        homes.note("p", &one);
        homes.note("p", &two);
        assert_eq!(homes.of("p"), Some(two));
        for number in 0..MAX_HOMES {
            homes.note(&number.to_string(), &one);
        }
        assert!(homes.0.lock().unwrap().len() <= MAX_HOMES);
        assert_eq!(homes.of("p"), None);
    }
}
