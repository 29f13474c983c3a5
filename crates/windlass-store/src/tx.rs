//! Writing: one job inside a commit.

use std::collections::BTreeSet;
use std::ops::Deref;

use rusqlite::Connection;
use windlass_engine::id::{AppId, CommitNumber};

use crate::cell::Cell;
use crate::column::Column;
use crate::error::StoreError;
use crate::query::{Filter, ListQuery, Page};
use crate::reader::Reader;
use crate::sqlite::{in_table, upsert};
use crate::table::{Row, Side, Table};

/// One change of the database: everything that a closure of [`Store::write`] does. It is kept
/// whole or not at all, and nothing comes between its parts. It reads like a [`Reader`], its own
/// writes included.
///
/// [`Store::write`]: crate::Store::write
#[derive(Debug)]
pub struct Tx<'a> {
    reader: Reader<'a>,
    commit: CommitNumber,
    /// Number of the next event of this commit.
    pub(crate) next_event: u32,
    touched: BTreeSet<AppId>,
}

impl<'a> Deref for Tx<'a> {
    type Target = Reader<'a>;

    fn deref(&self) -> &Reader<'a> {
        &self.reader
    }
}

impl<'a> Tx<'a> {
    /// A change that has this number.
    pub(crate) fn new(connection: &'a Connection, commit: CommitNumber) -> Self {
        let reader = Reader::new(connection);
        Self {
            reader,
            commit,
            next_event: 0,
            touched: BTreeSet::new(),
        }
    }

    /// Number of this change: greater than that of every earlier one. A change that writes nothing
    /// leaves its number to the next.
    pub fn commit_number(&self) -> CommitNumber {
        self.commit
    }

    /// Says that this change concerns an app, for [`Store::hints`](crate::Store::hints). Changes
    /// of an app's state say so themselves.
    pub fn touch(&mut self, app: &AppId) {
        if !self.touched.contains(app) {
            self.touched.insert(app.clone());
        }
    }

    /// The apps that this change concerns.
    pub(crate) fn into_touched(self) -> BTreeSet<AppId> {
        self.touched
    }

    /// Stores a row, new or in place of the one with the same id.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when something unique is taken by another row.
    pub fn put<T: Row>(&mut self, row: &T) -> Result<(), StoreError> {
        upsert(self.connection, T::TABLE, &row.cells()?)?;
        if let Some(labels) = row.labels() {
            self.delete_labels(T::TABLE, row.own_key())?;
            for (key, value) in labels {
                self.execute(
                    "labels",
                    "INSERT INTO labels (kind, row_id, label_key, label_value) VALUES (?, ?, ?, ?)",
                    (T::TABLE.name, row.own_key(), key, value),
                )?;
            }
        }
        match row.side() {
            Some(Side::Destinations(destinations)) => {
                self.put_destinations(row.own_key(), &destinations)
            }
            Some(Side::Shares(organizations)) => self.put_shares(row.own_key(), &organizations),
            None => Ok(()),
        }
    }

    /// Deletes a row with its labels and side rows. Says whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Referenced`] when other rows still need it.
    pub fn delete<T: Row>(&mut self, id: &T::Id) -> Result<bool, StoreError> {
        self.delete_key(T::TABLE, T::key(id))
    }

    /// Deletes at most `limit` of the rows that pass all filters, the first in the table's own order.
    /// Says how many.
    pub fn delete_where<T: Row>(
        &mut self,
        filters: Vec<Filter>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let query = ListQuery::filtered(filters).page(Page::first(limit));
        let mut deleted = 0;
        for key in self.keys::<T>(&query)? {
            deleted += u64::from(self.delete_key(T::TABLE, &key)?);
        }
        Ok(deleted)
    }

    /// Sets a value of the installation.
    pub fn put_meta(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        self.execute(
            "meta",
            "INSERT INTO meta (key, value) VALUES (?, ?)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )
        .map(drop)
    }

    /// Deletes a value of the installation.
    pub fn delete_meta(&mut self, key: &str) -> Result<(), StoreError> {
        self.execute("meta", "DELETE FROM meta WHERE key = ?", [key])
            .map(drop)
    }

    /// Deletes all values of the installation whose key begins with `prefix`.
    pub fn delete_meta_below(&mut self, prefix: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM meta WHERE substr(key, 1, length(?1)) = ?1";
        self.execute("meta", sql, [prefix]).map(drop)
    }

    /// Runs a statement; says how many rows it changed.
    pub(crate) fn execute(
        &self,
        table: &'static str,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<u64, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(values))
            .map(|changed| changed as u64)
            .map_err(|e| in_table(table, e))
    }

    fn delete_key(&mut self, table: &'static Table, key: &str) -> Result<bool, StoreError> {
        if table.labeled {
            self.delete_labels(table, key)?;
        }
        let sql = format!(
            "DELETE FROM {} WHERE {} = ?",
            table.name,
            Column::Id.as_str()
        );
        Ok(self.execute(table.name, &sql, [Cell::from(key)])? > 0)
    }

    fn delete_labels(&self, table: &'static Table, key: &str) -> Result<(), StoreError> {
        self.execute(
            "labels",
            "DELETE FROM labels WHERE kind = ? AND row_id = ?",
            (table.name, key),
        )
        .map(drop)
    }

    fn put_destinations(
        &self,
        route: &str,
        destinations: &[(String, String)],
    ) -> Result<(), StoreError> {
        const TABLE: &str = "route_destinations";
        self.execute(
            TABLE,
            "DELETE FROM route_destinations WHERE route = ?",
            [route],
        )?;
        for (id, app) in destinations {
            self.execute(
                TABLE,
                "INSERT INTO route_destinations (id, route, app) VALUES (?, ?, ?)",
                (id, route, app),
            )?;
        }
        Ok(())
    }

    fn put_shares(&self, domain: &str, organizations: &[String]) -> Result<(), StoreError> {
        const TABLE: &str = "domain_shares";
        self.execute(
            TABLE,
            "DELETE FROM domain_shares WHERE domain = ?",
            [domain],
        )?;
        for organization in organizations {
            self.execute(
                TABLE,
                "INSERT INTO domain_shares (domain, organization) VALUES (?, ?)
                 ON CONFLICT (domain, organization) DO NOTHING",
                (domain, organization),
            )?;
        }
        Ok(())
    }
}
