//! Ledgers: what several apps share, changed in the same commit as the app that takes it.

use std::ops::RangeInclusive;

use windlass_engine::id::{AppId, OrganizationId};
use windlass_engine::time::Uptime;

use crate::error::StoreError;
use crate::reader::Reader;
use crate::tx::Tx;

/// How long a released port rests before it is leased again, milliseconds: late packets and
/// connections of its last user must not reach the next one.
pub const PORT_REST_MS: u64 = 60_000;

const PORTS: &str = "ports";
const USAGES: &str = "usages";
const BUILD_SLOTS: &str = "build_slots";
const UIDS: &str = "uids";

/// Ports of an app.
const PORTS_OF_APP: &str =
    "SELECT port, app, run FROM ports WHERE app = ? AND released_at IS NULL ORDER BY port";
/// A release that lies in the future is one from before a reboot: its rest is over. (`+` keeps the
/// database from a walk over all ports of the range.)
const PORT_OF_BEFORE: &str = "SELECT port FROM ports
     WHERE released_at > ?3 AND +port BETWEEN ?1 AND ?2 ORDER BY released_at, port LIMIT 1";
/// The port that has rested longest.
const PORT_RESTED: &str = "SELECT port FROM ports
     WHERE released_at <= ?3 AND +port BETWEEN ?1 AND ?2 ORDER BY released_at, port LIMIT 1";
/// The highest port that anybody has or had.
const HIGHEST_PORT: &str =
    "SELECT port FROM ports WHERE port BETWEEN ? AND ? ORDER BY port DESC LIMIT 1";
/// The highest user id that an app has.
const HIGHEST_UID: &str =
    "SELECT uid FROM uids WHERE uid BETWEEN ? AND ? ORDER BY uid DESC LIMIT 1";

/// A leased port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its number.
    pub port: u16,
    /// The app that has it.
    pub app: AppId,
    /// The run (of an instance, task or build) that has it.
    pub run: String,
}

/// What counts against the quota of an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Memory of instances and tasks, MiB.
    pub memory_mb: u64,
    /// Instances.
    pub instances: u64,
    /// Pending and running tasks.
    pub tasks: u64,
}

impl Reader<'_> {
    /// Ports in use, of one app or of all, lowest first.
    pub fn ports(&self, app: Option<&AppId>) -> Result<Vec<Port>, StoreError> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Port {
                port: row.get(0)?,
                app: AppId(row.get(1)?),
                run: row.get(2)?,
            })
        };
        // Two statements: one that serves both could use no index.
        match app {
            Some(app) => self.rows(PORTS, PORTS_OF_APP, [app.as_str()], read),
            None => self.rows(
                PORTS,
                "SELECT port, app, run FROM ports WHERE released_at IS NULL ORDER BY port",
                [],
                read,
            ),
        }
    }

    /// The port that a run has.
    pub fn port_of(&self, run: &str) -> Result<Option<u16>, StoreError> {
        let sql = "SELECT port FROM ports WHERE run = ? AND released_at IS NULL";
        self.one(PORTS, sql, [run])
    }

    /// What one app uses.
    pub fn usage(&self, app: &AppId) -> Result<Usage, StoreError> {
        let sql = "SELECT memory_mb, instances, tasks FROM usages WHERE app = ?";
        let rows = self.rows(USAGES, sql, [app.as_str()], read_usage)?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// What all apps of an organization use together.
    pub fn organization_usage(&self, organization: &OrganizationId) -> Result<Usage, StoreError> {
        let rows = self.rows(
            USAGES,
            "SELECT COALESCE(SUM(memory_mb), 0), COALESCE(SUM(instances), 0),
             COALESCE(SUM(tasks), 0) FROM usages WHERE organization = ?",
            [organization.as_str()],
            read_usage,
        )?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// Who holds build slots of a scope.
    pub fn build_slots(&self, scope: &str) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT holder FROM build_slots WHERE scope = ? ORDER BY holder";
        self.column(BUILD_SLOTS, sql, [scope])
    }

    /// The user id that an app runs under.
    pub fn uid(&self, app: &AppId) -> Result<Option<u32>, StoreError> {
        self.one(UIDS, "SELECT uid FROM uids WHERE app = ?", [app.as_str()])
    }
}

impl Tx<'_> {
    /// Leases a port of a range that is neither in use nor resting: the one that has rested longest,
    /// else one that nobody has had yet. The one that the run has already, if it has one. `None` =
    /// all are taken.
    pub fn lease_port(
        &mut self,
        app: &AppId,
        run: &str,
        range: RangeInclusive<u16>,
        now: Uptime,
    ) -> Result<Option<u16>, StoreError> {
        if let Some(port) = self.port_of(run)? {
            return Ok(Some(port));
        }
        let (first, last) = (*range.start(), *range.end());
        let now = to_signed(now.0);
        let rested = now - to_signed(PORT_REST_MS);
        let mut free: Option<u16> = self.one(PORTS, PORT_OF_BEFORE, (first, last, now))?;
        if free.is_none() {
            free = self.one(PORTS, PORT_RESTED, (first, last, rested))?;
        }
        if free.is_none() {
            free = self.unused_port(first, last)?;
        }
        let Some(port) = free else {
            return Ok(None);
        };
        self.execute(
            PORTS,
            "INSERT INTO ports (port, app, run, released_at) VALUES (?, ?, ?, NULL)
             ON CONFLICT (port) DO UPDATE
             SET app = excluded.app, run = excluded.run, released_at = NULL",
            (port, app.as_str(), run),
        )?;
        Ok(Some(port))
    }

    /// A port of a range that nobody has had yet.
    fn unused_port(&self, first: u16, last: u16) -> Result<Option<u16>, StoreError> {
        // They are given out in their order: only of a range that was another before there may be
        // some below the highest.
        let highest: Option<u16> = self.one(PORTS, HIGHEST_PORT, (first, last))?;
        match highest {
            None => Ok((first <= last).then_some(first)),
            Some(highest) if highest < last => Ok(Some(highest + 1)),
            Some(_) => {
                let sql = "SELECT port FROM ports WHERE port BETWEEN ? AND ? ORDER BY port";
                let taken: Vec<u32> = self.column(PORTS, sql, (first, last))?;
                let range = u32::from(first)..=u32::from(last);
                Ok(lowest_free(range, taken.into_iter()).and_then(|port| u16::try_from(port).ok()))
            }
        }
    }

    /// Releases the ports of a run; they rest for [`PORT_REST_MS`].
    pub fn release_ports(&mut self, run: &str, now: Uptime) -> Result<(), StoreError> {
        let sql = "UPDATE ports SET released_at = ? WHERE run = ? AND released_at IS NULL";
        self.execute(PORTS, sql, (to_signed(now.0), run)).map(drop)
    }

    /// Says what an app uses, in place of what it used before.
    pub fn put_usage(
        &mut self,
        app: &AppId,
        organization: &OrganizationId,
        usage: Usage,
    ) -> Result<(), StoreError> {
        if usage == Usage::default() {
            return self
                .execute(USAGES, "DELETE FROM usages WHERE app = ?", [app.as_str()])
                .map(drop);
        }
        self.execute(
            USAGES,
            "INSERT INTO usages (app, organization, memory_mb, instances, tasks)
             VALUES (?, ?, ?, ?, ?) ON CONFLICT (app) DO UPDATE
             SET organization = excluded.organization, memory_mb = excluded.memory_mb,
             instances = excluded.instances, tasks = excluded.tasks",
            (
                app.as_str(),
                organization.as_str(),
                to_signed(usage.memory_mb),
                to_signed(usage.instances),
                to_signed(usage.tasks),
            ),
        )
        .map(drop)
    }

    /// Takes one of `limit` build slots of a scope. Says whether the holder has one now.
    pub fn take_build_slot(
        &mut self,
        scope: &str,
        holder: &str,
        limit: u32,
    ) -> Result<bool, StoreError> {
        let holders = self.build_slots(scope)?;
        if holders.iter().any(|other| other == holder) {
            return Ok(true);
        }
        if holders.len() >= limit as usize {
            return Ok(false);
        }
        let taken = self.execute(
            BUILD_SLOTS,
            "INSERT INTO build_slots (holder, scope) VALUES (?, ?)
             ON CONFLICT (holder) DO NOTHING",
            (holder, scope),
        )?;
        Ok(taken > 0)
    }

    /// Gives the slot of a holder back.
    pub fn free_build_slot(&mut self, holder: &str) -> Result<(), StoreError> {
        self.execute(
            BUILD_SLOTS,
            "DELETE FROM build_slots WHERE holder = ?",
            [holder],
        )
        .map(drop)
    }

    /// Leases a free user id of a range; the one that the app has already, if it lies in the range.
    /// `None` = all are taken.
    pub fn lease_uid(
        &mut self,
        app: &AppId,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, StoreError> {
        if let Some(uid) = self.uid(app)?.filter(|uid| range.contains(uid)) {
            return Ok(Some(uid));
        }
        let (first, last) = (*range.start(), *range.end());
        let highest: Option<u32> = self.one(UIDS, HIGHEST_UID, (first, last))?;
        let free = match highest {
            None => (first <= last).then_some(first),
            Some(highest) if highest < last => Some(highest + 1),
            // Only now is it worth a look at all that were given back.
            Some(_) => {
                let sql = "SELECT uid FROM uids WHERE uid BETWEEN ? AND ? ORDER BY uid";
                let taken: Vec<u32> = self.column(UIDS, sql, (first, last))?;
                lowest_free(range, taken.into_iter())
            }
        };
        let Some(uid) = free else {
            return Ok(None);
        };
        self.execute(
            UIDS,
            "INSERT INTO uids (app, uid) VALUES (?, ?)
             ON CONFLICT (app) DO UPDATE SET uid = excluded.uid",
            (app.as_str(), uid),
        )?;
        Ok(Some(uid))
    }

    /// Gives the user id of an app back, once nothing of it runs and its files are gone.
    pub fn release_uid(&mut self, app: &AppId) -> Result<(), StoreError> {
        self.execute(UIDS, "DELETE FROM uids WHERE app = ?", [app.as_str()])
            .map(drop)
    }
}

/// The lowest number of a range that is not taken; `taken` is ascending.
fn lowest_free(
    mut range: impl Iterator<Item = u32>,
    taken: impl Iterator<Item = u32>,
) -> Option<u32> {
    let mut taken = taken.peekable();
    range.find(|number| taken.next_if_eq(number).is_none())
}

fn read_usage(row: &rusqlite::Row<'_>) -> rusqlite::Result<Usage> {
    Ok(Usage {
        memory_mb: row.get(0)?,
        instances: row.get(1)?,
        tasks: row.get(2)?,
    })
}

/// Databases have signed numbers; none of ours comes near their end.
fn to_signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::{Access, migrate, open};

    #[test]
    fn nothing_of_a_port_takes_a_look_at_all_ports() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("windlass.db");
        let connection = open(&path, Access::Write, 0).unwrap();
        migrate::migrate(&connection, &path).unwrap();
        for (sql, count, index) in [
            (PORTS_OF_APP, 1, "ports_app (app=?)"),
            (PORT_OF_BEFORE, 3, "ports_released (released_at>?)"),
            (PORT_RESTED, 3, "ports_released (released_at<?)"),
            (
                HIGHEST_PORT,
                2,
                "sqlite_autoindex_ports_1 (port>? AND port<?)",
            ),
            (HIGHEST_UID, 2, "uids_uid_unique (uid>? AND uid<?)"),
        ] {
            let mut explained = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap();
            let values = vec![1; count];
            let plan: Vec<String> = explained
                .query_map(rusqlite::params_from_iter(values), |row| row.get(3))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert!(plan[0].contains(index), "{sql}: {plan:?}");
        }
    }

    #[test]
    fn the_lowest_free_number_fills_gaps() {
        let free = |taken: &[u32]| lowest_free(5..=8, taken.iter().copied());
        assert_eq!(free(&[]), Some(5));
        assert_eq!(free(&[5, 6, 8]), Some(7));
        assert_eq!(free(&[6]), Some(5));
        assert_eq!(free(&[5, 6, 7]), Some(8));
        assert_eq!(free(&[5, 6, 7, 8]), None);
    }
}
