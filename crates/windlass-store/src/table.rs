//! Tables and the rows that live in them, in terms that every backend has.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use windlass_engine::records::Stamps;

use crate::cell::{Cell, Cells};
use crate::column::Column;
use crate::error::StoreError;

/// Where a column that a table lacks is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// In the row of the app named by column `app`.
    App,
    /// In the row of the space named by column `space`.
    Space,
    /// In the destinations of a route.
    Destinations,
    /// In the shares of a domain.
    Shares,
}

/// Description of a table.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    pub(crate) name: &'static str,
    /// Stored columns, the key first, in the order of [`Row::cells`].
    pub(crate) columns: &'static [Column],
    /// Columns that rows can be filtered by although the table lacks them.
    pub(crate) via: &'static [(Column, Via)],
    /// Whether names of this table ignore case.
    pub(crate) folds_names: bool,
    /// Whether rows have labels.
    pub(crate) labeled: bool,
}

impl Table {
    /// Whether the column is stored in this table.
    pub(crate) fn has(&self, column: Column) -> bool {
        self.columns.contains(&column)
    }

    /// Where a column that is not stored here is found.
    pub(crate) fn via(&self, column: Column) -> Option<Via> {
        self.via
            .iter()
            .find(|(name, _)| *name == column)
            .map(|(_, via)| *via)
    }
}

/// The form in which a name is compared where names ignore case.
pub(crate) fn fold(name: &str) -> String {
    name.to_lowercase()
}

mod sealed {
    /// Only this crate says what a row is.
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// A struct that is stored as one row of one table.
pub trait Row: Sealed + Sized + Send + 'static {
    /// Type of the key.
    type Id: ?Sized;
    /// The table.
    #[doc(hidden)]
    const TABLE: &'static Table;
    /// The columns that [`Row::decode`] needs.
    #[doc(hidden)]
    const SELECT: &'static [Column] = &[Column::Document];

    /// Text of a key.
    #[doc(hidden)]
    fn key(id: &Self::Id) -> &str;

    /// Key of this row.
    #[doc(hidden)]
    fn own_key(&self) -> &str;

    /// Values of the columns, in the order of the table.
    #[doc(hidden)]
    fn cells(&self) -> Result<Vec<Cell>, StoreError>;

    /// Labels, if the table has them.
    #[doc(hidden)]
    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        None
    }

    /// Rows of side tables that belong to this one: table, owner column, and the rows.
    #[doc(hidden)]
    fn side(&self) -> Option<Side> {
        None
    }

    /// Reads a row from the selected cells.
    #[doc(hidden)]
    fn decode(cells: Cells) -> Result<Self, StoreError>;
}

/// Rows of a side table, which are replaced whole with their owner.
#[derive(Debug, PartialEq, Eq)]
pub enum Side {
    /// Destinations of a route: id and app.
    Destinations(Vec<(String, String)>),
    /// Organizations that a domain is shared with.
    Shares(Vec<String>),
}

/// The JSON of a row.
pub(crate) fn to_document<T: Serialize + Row>(row: &T) -> Result<Cell, StoreError> {
    serde_json::to_string(row)
        .map(Cell::Text)
        .map_err(|e| StoreError::Unwritable {
            table: T::TABLE.name,
            text: e.to_string(),
        })
}

/// The row of a JSON document.
pub(crate) fn from_document<T: DeserializeOwned>(mut cells: Cells) -> Result<T, StoreError> {
    let text = cells.text()?;
    serde_json::from_str(&text).map_err(|e| cells.damaged(&e.to_string()))
}

/// The three columns of [`Stamps`].
pub(crate) fn stamps(stamps: &Stamps) -> [Cell; 3] {
    [
        Cell::Int(stamps.created_at.0),
        Cell::Int(stamps.updated_at.0),
        Cell::number(stamps.created_commit.0),
    ]
}
