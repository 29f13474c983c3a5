//! Reading: one consistent snapshot.

use rusqlite::{Connection, OptionalExtension};
use windlass_engine::id::CommitNumber;

use crate::column::Column;
use crate::counts::Counts;
use crate::error::StoreError;
use crate::query::{Filter, ListPage, ListQuery, Page};
use crate::sqlite::{LabelWay, Statement, in_table};
use crate::table::Row;

/// Labeled rows up to which a page is made by sorting them all.
const FEW_LABELED: u64 = 1000;

/// A view of the database that does not change while it lives. Inside
/// [`Store::write`](crate::Store::write) it shows the transaction itself.
#[derive(Debug)]
pub struct Reader<'a> {
    pub(crate) connection: &'a Connection,
    /// Of a connection that only reads: the writer's own changes would not be noticed.
    counts: Option<&'a Counts>,
}

impl<'a> Reader<'a> {
    /// A view through this connection.
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            counts: None,
        }
    }

    /// The same through a connection that never changes anything.
    pub(crate) fn counting(connection: &'a Connection, counts: &'a Counts) -> Self {
        Self {
            connection,
            counts: Some(counts),
        }
    }

    /// The row with this id.
    pub fn get<T: Row>(&self, id: &T::Id) -> Result<Option<T>, StoreError> {
        self.get_by_key(T::key(id))
    }

    /// The row with this key as text.
    pub fn get_by_key<T: Row>(&self, key: &str) -> Result<Option<T>, StoreError> {
        let rows = Statement::select(T::TABLE, T::SELECT)
            .with_key(key)
            .rows(self.connection)?;
        rows.into_iter().next().map(T::decode).transpose()
    }

    /// The first row, in the table's own order, that passes all filters.
    pub fn find<T: Row>(&self, filters: &[Filter]) -> Result<Option<T>, StoreError> {
        let rows = Statement::select(T::TABLE, T::SELECT)
            .filtered(filters)?
            .ordered(None)?
            .part(Page::first(1))
            .rows(self.connection)?;
        rows.into_iter().next().map(T::decode).transpose()
    }

    /// A part of the rows that a query asks for, and how many there are.
    pub fn list<T: Row>(&self, query: &ListQuery) -> Result<ListPage<T>, StoreError> {
        // Keys first: the indexes hold all that a page is chosen by, so that neither a sort nor an
        // offset ever touches the documents of rows outside of the page.
        let (keys, total) = if query.labels.is_empty() {
            let keys = self.keys_by::<T>(query, LabelWay::Set)?;
            let found = keys.len() as u64;
            // A part that is not full holds the end of the list: no need to count again.
            let is_end =
                found < u64::from(query.page.limit) && (found > 0 || query.page.offset == 0);
            let total = if is_end {
                query.page.offset + found
            } else {
                self.count_matching::<T>(query)?
            };
            (keys, total)
        } else {
            let total = self.count_matching::<T>(query)?;
            let way = if total <= FEW_LABELED {
                LabelWay::Set
            } else {
                LabelWay::Probe
            };
            (self.keys_by::<T>(query, way)?, total)
        };
        let rows = Statement::fetch(T::TABLE, T::SELECT, keys, self.connection)?;
        let rows = rows.into_iter().map(T::decode).collect::<Result<_, _>>()?;
        Ok(ListPage { rows, total })
    }

    /// The rows that pass all filters, in the table's own order, at most
    /// [`Page::MAX_LIMIT`] of them.
    pub fn all<T: Row>(&self, filters: Vec<Filter>) -> Result<Vec<T>, StoreError> {
        let rows = Statement::select(T::TABLE, T::SELECT)
            .filtered(&filters)?
            .ordered(None)?
            .part(Page::first(Page::MAX_LIMIT))
            .rows(self.connection)?;
        rows.into_iter().map(T::decode).collect()
    }

    /// Keys of the rows that a query asks for.
    pub fn keys<T: Row>(&self, query: &ListQuery) -> Result<Vec<String>, StoreError> {
        self.keys_by::<T>(query, LabelWay::Set)
    }

    fn keys_by<T: Row>(&self, query: &ListQuery, way: LabelWay) -> Result<Vec<String>, StoreError> {
        let rows = Statement::select(T::TABLE, &[Column::Id])
            .filtered(&query.filters)?
            .labeled(&query.labels, way)?
            .ordered(query.order)?
            .part(query.page)
            .rows(self.connection)?;
        rows.into_iter().map(|mut cells| cells.text()).collect()
    }

    /// How many rows pass all filters.
    pub fn count<T: Row>(&self, filters: &[Filter]) -> Result<u64, StoreError> {
        self.count_by(Statement::count(T::TABLE).filtered(filters)?)
    }

    fn count_matching<T: Row>(&self, query: &ListQuery) -> Result<u64, StoreError> {
        let statement = Statement::count(T::TABLE)
            .filtered(&query.filters)?
            .labeled(&query.labels, LabelWay::Set)?;
        self.count_by(statement)
    }

    fn count_by(&self, statement: Statement) -> Result<u64, StoreError> {
        match self.counts {
            Some(counts) => counts.count(statement, self.connection),
            None => statement.number(self.connection),
        }
    }

    /// The last commit number that was given out.
    pub fn last_commit(&self) -> Result<CommitNumber, StoreError> {
        let number = self.one(
            "commits",
            "SELECT last_commit FROM commits WHERE id = 1",
            [],
        )?;
        Ok(CommitNumber(number.unwrap_or(0)))
    }

    /// A value of the installation (table epoch, boot id, installation id, …).
    pub fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.one("meta", "SELECT value FROM meta WHERE key = ?", [key])
    }

    /// Keys of values of the installation that begin with `prefix`, in their order, at most `limit`,
    /// beginning after `after`.
    pub fn meta_keys(
        &self,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        self.column(
            "meta",
            "SELECT key FROM meta WHERE key > ?2 AND substr(key, 1, length(?1)) = ?1
             ORDER BY key LIMIT ?3",
            (prefix, after, limit),
        )
    }

    /// Digests of blobs that a package or an artifact refers to, in their order, at most `limit`,
    /// beginning after `after`.
    pub fn blobs(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        self.column(
            "packages",
            "SELECT blob FROM packages WHERE blob > ?1
             UNION SELECT blob FROM artifacts WHERE blob > ?1 ORDER BY 1 LIMIT ?2",
            (after.unwrap_or(""), limit),
        )
    }

    /// Whether any package or artifact refers to a blob.
    pub fn is_blob_used(&self, sha256: &str) -> Result<bool, StoreError> {
        self.one(
            "packages",
            "SELECT EXISTS (SELECT 1 FROM packages WHERE blob = ?1)
             OR EXISTS (SELECT 1 FROM artifacts WHERE blob = ?1)",
            [sha256],
        )
        .map(|used| used.unwrap_or(false))
    }

    /// The first column of the first row.
    pub(crate) fn one<T: rusqlite::types::FromSql>(
        &self,
        table: &'static str,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<Option<T>, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(values, |row| row.get(0)).optional())
            .map_err(|e| in_table(table, e))
    }

    /// The first column of all rows.
    pub(crate) fn column<T: rusqlite::types::FromSql>(
        &self,
        table: &'static str,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<T>, StoreError> {
        self.rows(table, sql, values, |row| row.get(0))
    }

    /// All rows.
    pub(crate) fn rows<T>(
        &self,
        table: &'static str,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let run = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_map(values, read)?.collect()
        };
        run().map_err(|e| in_table(table, e))
    }
}
