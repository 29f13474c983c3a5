//! From which table on a version had no share any more, by the file that the router reads.

use std::path::Path;

use windlass::demo::Failure;
use windlass_router::{Delta, Position, Table};

/// Since when a version has had no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Zero {
    /// The table that took it away.
    pub(super) since: Position,
    /// Whether that very table was seen; else it is one of the tables after it.
    pub(super) is_exact: bool,
}

/// Since when this version of an app has had no share; `None` when it has one, or nothing is known.
pub(super) fn zero(path: &Path, app: &str, version: &str) -> Result<Option<Zero>, Failure> {
    let bytes = std::fs::read(path).map_err(|source| Failure::File {
        what: "read",
        path: path.to_path_buf(),
        source,
    })?;
    Ok(zero_in(&bytes, app, version))
}

fn zero_in(bytes: &[u8], app: &str, version: &str) -> Option<Zero> {
    let mut table = Table::default();
    let (mut zero, mut had) = (None, false);
    for record in bytes.split(|byte| *byte == b'\n') {
        // A record that is being written is not whole, and is the last.
        let json = record.splitn(3, |byte| *byte == b' ').nth(2);
        let Some(delta) = json.and_then(|json| serde_json::from_slice::<Delta>(json).ok()) else {
            break;
        };
        let is_first = table == Table::default();
        if table.apply(&delta).is_err() {
            return None;
        }
        if share(&table, app, version) > 0 {
            (zero, had) = (None, true);
        } else if zero.is_none() {
            zero = Some(Zero {
                since: table.position(),
                is_exact: had || !is_first,
            });
        }
    }
    zero
}

fn share(table: &Table, app: &str, version: &str) -> u16 {
    let groups = table.groups.values().filter(|group| group.app_id == app);
    let versions = groups.flat_map(|group| &group.versions);
    versions
        .filter(|it| it.id == version)
        .map(|it| it.share)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use windlass_router::{Change, Group, TargetKind, Version};

    use super::*;

    fn group(shares: &[(&str, u16)]) -> Group {
        let version = |(id, share): &(&str, u16)| Version {
            id: (*id).to_owned(),
            share: *share,
            target: TargetKind::Instances {
                upstreams: Vec::new(),
            },
        };
        Group {
            app_id: "a".to_owned(),
            versions: shares.iter().map(version).collect(),
            ..Group::default()
        }
    }

    fn record(generation: u64, change: Change) -> String {
        let delta = Delta {
            epoch: 1,
            boot_id: "b".to_owned(),
            generation,
            changes: vec![change],
        };
        format!("1 2 {}\n", serde_json::to_string(&delta).expect("json"))
    }

    fn put(generation: u64, shares: &[(&str, u16)]) -> String {
        let value = group(shares);
        record(
            generation,
            Change::PutGroup {
                group: "g".to_owned(),
                value,
            },
        )
    }

    fn snapshot(generation: u64, shares: &[(&str, u16)]) -> String {
        let table = Table {
            epoch: 1,
            boot_id: "b".to_owned(),
            generation,
            groups: BTreeMap::from([("g".to_owned(), group(shares))]),
            ..Table::default()
        };
        record(
            generation,
            Change::Snapshot {
                table: Box::new(table),
            },
        )
    }

    fn since(generation: u64, is_exact: bool) -> Zero {
        let since = Position {
            epoch: 1,
            generation,
        };
        Zero { since, is_exact }
    }

    #[test]
    fn the_table_that_took_the_share_away() {
        let mut file = snapshot(3, &[("v1", 10_000)]);
        file += &put(4, &[("v1", 5_000), ("v2", 5_000)]);
        file += &put(5, &[("v1", 10_000), ("v2", 0)]);
        file += &put(6, &[("v1", 10_000)]);
        assert_eq!(zero_in(file.as_bytes(), "a", "v2"), Some(since(5, true)));
        assert_eq!(zero_in(file.as_bytes(), "a", "v1"), None);
        // Half a record says nothing yet.
        let more = file.clone() + &put(7, &[("v2", 10_000)]);
        assert_eq!(
            zero_in(&more.as_bytes()[..more.len() - 9], "a", "v2"),
            Some(since(5, true))
        );
        assert_eq!(zero_in(more.as_bytes(), "a", "v2"), None);
        assert_eq!(zero_in(more.as_bytes(), "a", "v1"), Some(since(7, true)));
        // The file was written anew meanwhile.
        let anew = snapshot(9, &[("v1", 10_000)]) + &put(10, &[("v1", 10_000)]);
        assert_eq!(zero_in(anew.as_bytes(), "a", "v2"), Some(since(9, false)));
    }
}
