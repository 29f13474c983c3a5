//! SQL text made from queries.

use rusqlite::Connection;

use super::failure::in_table;
use super::value::{cell, json_list};
use crate::cell::{Cell, Cells};
use crate::column::Column;
use crate::error::StoreError;
use crate::query::{Filter, Order, Page, Requirement};
use crate::table::{Table, Via, fold};

/// How rows are chosen by their labels. Both give the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LabelWay {
    /// Begin with the labels: right for counting, and for a page when few rows match.
    Set,
    /// Walk along the order and look at the labels of each row: right for a page when many match,
    /// for it ends with the page.
    Probe,
}

/// SQL text with the values of its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    table: &'static Table,
    sql: String,
    values: Vec<Cell>,
    has_condition: bool,
}

impl Statement {
    /// `SELECT … FROM table`.
    pub(crate) fn select(table: &'static Table, columns: &[Column]) -> Self {
        let mut sql = String::with_capacity(512);
        sql.push_str("SELECT ");
        push_names(&mut sql, columns);
        Self::from(table, sql)
    }

    /// `SELECT count(*) FROM table`.
    pub(crate) fn count(table: &'static Table) -> Self {
        Self::from(table, String::from("SELECT count(*)"))
    }

    fn from(table: &'static Table, mut sql: String) -> Self {
        sql.push_str(" FROM ");
        sql.push_str(table.name);
        sql.push_str(" t");
        Self {
            table,
            sql,
            values: Vec::new(),
            has_condition: false,
        }
    }

    /// Only the row with this key.
    pub(crate) fn with_key(mut self, key: &str) -> Self {
        self.begin_condition();
        self.sql.push_str("t.id = ");
        self.push_value(Cell::from(key));
        self
    }

    /// Only rows that pass all filters.
    pub(crate) fn filtered(mut self, filters: &[Filter]) -> Result<Self, StoreError> {
        for filter in filters {
            self.begin_condition();
            self.push_filter(filter)?;
        }
        Ok(self)
    }

    /// Only rows whose labels meet all requirements.
    pub(crate) fn labeled(
        mut self,
        labels: &[Requirement],
        way: LabelWay,
    ) -> Result<Self, StoreError> {
        if !labels.is_empty() && !self.table.labeled {
            return Err(self.unknown(Column::Labels));
        }
        for requirement in labels {
            self.push_requirement(requirement, way);
        }
        Ok(self)
    }

    /// Rows in this order.
    pub(crate) fn ordered(mut self, order: Option<Order>) -> Result<Self, StoreError> {
        let order = match order {
            Some(order) if !self.table.has(order.column) => return Err(self.unknown(order.column)),
            Some(order) => order,
            None if self.table.has(Column::CreatedCommit) => Order::ascending(Column::CreatedAt),
            None => Order::ascending(Column::Id),
        };
        let direction = if order.descending { " DESC" } else { "" };
        self.sql.push_str(" ORDER BY t.");
        self.sql.push_str(order.column.as_str());
        self.sql.push_str(direction);
        for column in [Column::CreatedCommit, Column::Id] {
            if self.table.has(column) && column != order.column {
                self.sql.push_str(", t.");
                self.sql.push_str(column.as_str());
                self.sql.push_str(direction);
            }
        }
        Ok(self)
    }

    /// Only this part of the rows.
    pub(crate) fn part(mut self, page: Page) -> Self {
        self.sql.push_str(" LIMIT ");
        self.push_value(Cell::Int(i64::from(page.limit)));
        self.sql.push_str(" OFFSET ");
        self.push_value(Cell::number(page.offset));
        self
    }

    /// All rows.
    pub(crate) fn rows(&self, connection: &Connection) -> Result<Vec<Cells>, StoreError> {
        let name = self.table.name;
        let run = || -> rusqlite::Result<Vec<Cells>> {
            let mut statement = connection.prepare_cached(&self.sql)?;
            let mut found = Vec::new();
            collect(name, &mut statement, &self.values, &mut found)?;
            Ok(found)
        };
        run().map_err(|e| in_table(name, e))
    }

    /// How long the text and its values are, bytes.
    pub(crate) fn bytes(&self) -> usize {
        let values = self.values.iter().map(|value| match value {
            Cell::Text(text) => text.len(),
            Cell::Bytes(bytes) => bytes.len(),
            Cell::Null | Cell::Bool(_) | Cell::Int(_) => size_of::<Cell>(),
        });
        self.sql.len() + values.sum::<usize>()
    }

    /// The number that a count gives.
    pub(crate) fn number(&self, connection: &Connection) -> Result<u64, StoreError> {
        match self.rows(connection)?.into_iter().next() {
            Some(mut cells) => cells.number(),
            None => Ok(0),
        }
    }

    /// Columns of the rows with these keys, in the order of the keys.
    pub(crate) fn fetch(
        table: &'static Table,
        columns: &[Column],
        keys: Vec<String>,
        connection: &Connection,
    ) -> Result<Vec<Cells>, StoreError> {
        let sql = Self::select(table, columns).with_key("").sql;
        let run = || -> rusqlite::Result<Vec<Cells>> {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut found = Vec::with_capacity(keys.len());
            for key in keys {
                collect(table.name, &mut statement, &[Cell::Text(key)], &mut found)?;
            }
            Ok(found)
        };
        run().map_err(|e| in_table(table.name, e))
    }

    /// Begins a condition beside those that are there. Without any there is no `WHERE` at all: only
    /// then the database counts rows without looking at them.
    fn begin_condition(&mut self) {
        self.sql.push_str(if self.has_condition {
            " AND "
        } else {
            " WHERE "
        });
        self.has_condition = true;
    }

    fn unknown(&self, column: Column) -> StoreError {
        StoreError::UnknownColumn {
            table: self.table.name,
            column,
        }
    }

    fn push_value(&mut self, value: Cell) {
        self.sql.push('?');
        self.values.push(value);
    }

    fn push_filter(&mut self, filter: &Filter) -> Result<(), StoreError> {
        match filter {
            Filter::In(column, values) => self.push_member(*column, values),
            Filter::NotIn(column, values) => {
                // NOT of a condition that is null for rows without a value would be null too.
                self.sql.push_str("NOT COALESCE(");
                self.push_member(*column, values)?;
                self.sql.push_str(", FALSE)");
                Ok(())
            }
            Filter::Lt(column, value) => self.push_comparison(*column, " < ", value),
            Filter::Lte(column, value) => self.push_comparison(*column, " <= ", value),
            Filter::Gt(column, value) => self.push_comparison(*column, " > ", value),
            Filter::Gte(column, value) => self.push_comparison(*column, " >= ", value),
            Filter::Any(filters) => self.push_group(filters, "FALSE", " OR "),
            Filter::All(filters) => self.push_group(filters, "TRUE", " AND "),
        }
    }

    fn push_group(
        &mut self,
        filters: &[Filter],
        empty: &str,
        between: &str,
    ) -> Result<(), StoreError> {
        if filters.is_empty() {
            self.sql.push_str(empty);
            return Ok(());
        }
        self.sql.push('(');
        for (index, filter) in filters.iter().enumerate() {
            if index > 0 {
                self.sql.push_str(between);
            }
            self.push_filter(filter)?;
        }
        self.sql.push(')');
        Ok(())
    }

    fn push_comparison(
        &mut self,
        column: Column,
        operator: &str,
        value: &Cell,
    ) -> Result<(), StoreError> {
        if !self.table.has(column) {
            return Err(self.unknown(column));
        }
        self.sql.push_str("t.");
        self.sql.push_str(column.as_str());
        self.sql.push_str(operator);
        let value = self.folded(column, value);
        self.push_value(value);
        Ok(())
    }

    /// `column IN (…)`, through another table where this one lacks the column.
    fn push_member(&mut self, column: Column, values: &[Cell]) -> Result<(), StoreError> {
        if self.table.has(column) {
            let name = format!("t.{}", column.as_str());
            let values: Vec<Cell> = values.iter().map(|v| self.folded(column, v)).collect();
            self.push_in(&name, &values);
            return Ok(());
        }
        let (open, inner) = match self.table.via(column) {
            Some(Via::App) => ("t.app IN (SELECT id FROM apps WHERE ", column.as_str()),
            Some(Via::Space) => ("t.space IN (SELECT id FROM spaces WHERE ", column.as_str()),
            Some(Via::Destinations) => (
                "t.id IN (SELECT route FROM route_destinations WHERE ",
                column.as_str(),
            ),
            Some(Via::Shares) => (
                "t.id IN (SELECT domain FROM domain_shares WHERE ",
                "organization",
            ),
            None => return Err(self.unknown(column)),
        };
        self.sql.push_str(open);
        self.push_in(inner, values);
        self.sql.push(')');
        Ok(())
    }

    fn push_in(&mut self, name: &str, values: &[Cell]) {
        let null = values.contains(&Cell::Null);
        let mut wanted: Vec<&Cell> = values
            .iter()
            .filter(|value| **value != Cell::Null)
            .collect();
        if null {
            self.sql.push('(');
            self.sql.push_str(name);
            self.sql.push_str(" IS NULL");
            if wanted.is_empty() {
                self.sql.push(')');
                return;
            }
            self.sql.push_str(" OR ");
        }
        match wanted.len() {
            0 => self.sql.push_str("FALSE"),
            1 => {
                self.sql.push_str(name);
                self.sql.push_str(" = ");
                let value = wanted.remove(0).clone();
                self.push_value(value);
            }
            _ => {
                // One parameter for any number of values: the text stays the same, so that the
                // compiled statement is found again, and no list is too long.
                self.sql.push_str(name);
                self.sql.push_str(" IN (SELECT value FROM json_each(");
                self.push_value(Cell::Text(json_list(&wanted)));
                self.sql.push_str("))");
            }
        }
        if null {
            self.sql.push(')');
        }
    }

    fn push_requirement(&mut self, requirement: &Requirement, way: LabelWay) {
        let (exists, key, values) = match requirement {
            Requirement::In { key, values } => (true, key, Some(values)),
            Requirement::NotIn { key, values } => (false, key, Some(values)),
            Requirement::Exists { key } => (true, key, None),
            Requirement::NotExists { key } => (false, key, None),
        };
        self.begin_condition();
        self.sql.push_str(match (way, exists) {
            (LabelWay::Set, true) => "t.id IN (SELECT row_id FROM labels WHERE ",
            (LabelWay::Set, false) => "t.id NOT IN (SELECT row_id FROM labels WHERE ",
            (LabelWay::Probe, true) => "EXISTS (SELECT 1 FROM labels WHERE row_id = t.id AND ",
            (LabelWay::Probe, false) => "NOT EXISTS (SELECT 1 FROM labels WHERE row_id = t.id AND ",
        });
        self.sql.push_str("kind = ");
        self.push_value(Cell::from(self.table.name));
        self.sql.push_str(" AND label_key = ");
        self.push_value(Cell::from(key.as_str()));
        if let Some(values) = values {
            self.sql.push_str(" AND ");
            let values: Vec<Cell> = values.iter().map(|v| Cell::from(v.as_str())).collect();
            self.push_in("label_value", &values);
        }
        self.sql.push(')');
    }

    fn folded(&self, column: Column, value: &Cell) -> Cell {
        match value {
            Cell::Text(name) if column == Column::Name && self.table.folds_names => {
                Cell::Text(fold(name))
            }
            _ => value.clone(),
        }
    }

    /// The query plan, for tests of index use.
    #[cfg(test)]
    pub(crate) fn plan(&self, connection: &Connection) -> String {
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {}", self.sql))
            .unwrap();
        let lines = statement
            .query_map(rusqlite::params_from_iter(&self.values), |row| {
                row.get::<_, String>(3)
            })
            .unwrap();
        lines.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    }
}

/// Runs a statement and adds its rows.
fn collect(
    table: &'static str,
    statement: &mut rusqlite::CachedStatement<'_>,
    values: &[Cell],
    found: &mut Vec<Cells>,
) -> rusqlite::Result<()> {
    let width = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let mut cells = Vec::with_capacity(width);
        for column in 0..width {
            cells.push(cell(row.get_ref(column)?)?);
        }
        found.push(Cells::new(table, cells));
    }
    Ok(())
}

/// Names of columns with commas between.
pub(crate) fn push_names(sql: &mut String, columns: &[Column]) {
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            sql.push_str(", ");
        }
        sql.push_str(column.as_str());
    }
}

#[cfg(test)]
mod tests {
    use windlass_engine::records::{AppRecord, AuditEvent, Package, Route};

    use super::*;
    use crate::query::ListQuery;
    use crate::rows::{ReleaseRow, TaskRow};
    use crate::sqlite::{Access, migrate, open};
    use crate::table::Row;

    /// The query plan of a list in a new database.
    fn plan<T: Row>(query: &ListQuery) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("windlass.db");
        let connection = open(&path, Access::Write, 0).unwrap();
        migrate::migrate(&connection, &path).unwrap();
        Statement::select(T::TABLE, &[Column::Id])
            .filtered(&query.filters)
            .and_then(|s| s.labeled(&query.labels, LabelWay::Probe))
            .and_then(|s| s.ordered(query.order))
            .unwrap()
            .part(query.page)
            .plan(&connection)
    }

    fn sorts(plan: &str) -> bool {
        plan.contains("TEMP B-TREE")
    }

    #[test]
    fn the_active_release_of_an_app_is_an_index_lookup() {
        let query = ListQuery::filtered(vec![
            Filter::is(Column::App, "a1"),
            Filter::is(Column::StatusValue, "ACTIVE"),
        ])
        .ordered(Order::descending(Column::CreatedAt))
        .page(Page::first(1));
        let plan = plan::<ReleaseRow>(&query);
        assert!(
            plan.contains("INDEX releases_app_status (app=? AND status_value=?)"),
            "{plan}"
        );
        assert!(!sorts(&plan), "{plan}");
    }

    #[test]
    fn pages_of_everything_need_no_sort() {
        for column in [Column::CreatedAt, Column::UpdatedAt] {
            for order in [Order::ascending(column), Order::descending(column)] {
                let query = ListQuery::default().ordered(order);
                for plan in [plan::<ReleaseRow>(&query), plan::<TaskRow>(&query)] {
                    assert!(!sorts(&plan), "{plan}");
                }
            }
        }
    }

    #[test]
    fn pages_of_one_app_space_or_target_need_no_sort() {
        let of = |column, value: &str| {
            ListQuery::filtered(vec![Filter::is(column, value)])
                .ordered(Order::descending(Column::CreatedAt))
        };
        let plans = [
            plan::<ReleaseRow>(&of(Column::App, "a1")),
            plan::<TaskRow>(&of(Column::App, "a1")),
            plan::<Package>(&of(Column::App, "a1")),
            plan::<AppRecord>(&of(Column::Space, "s1")),
            plan::<Route>(&of(Column::Space, "s1")),
            plan::<AuditEvent>(&of(Column::Target, "a1")),
        ];
        for plan in plans {
            assert!(plan.contains("SEARCH") && !sorts(&plan), "{plan}");
        }
    }

    #[test]
    fn names_are_found_by_index() {
        let query = ListQuery::filtered(vec![
            Filter::is(Column::Name, "Shop"),
            Filter::is(Column::Space, "s1"),
        ]);
        let plan = plan::<AppRecord>(&query);
        assert!(plan.contains("SEARCH t USING INDEX apps_"), "{plan}");
    }

    #[test]
    fn text_does_not_grow_with_the_number_of_values() {
        let text = |n: usize| {
            let apps = (0..n).map(|i| format!("a{i}"));
            let filter = Filter::one_of(Column::App, apps);
            Statement::count(ReleaseRow::TABLE)
                .filtered(&[filter])
                .unwrap()
                .sql
        };
        assert_eq!(text(2), text(40_000));
    }
}
