//! What a list asks for: filters, label requirements, order, page.

use windlass_engine::time::Timestamp;

use crate::cell::Cell;
use crate::column::Column;

/// A condition on rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// The column has one of the values. [`Cell::Null`] among them matches rows without a value;
    /// an empty list matches nothing.
    In(Column, Vec<Cell>),
    /// The column has none of the values (rows without a value match).
    NotIn(Column, Vec<Cell>),
    /// Less than.
    Lt(Column, Cell),
    /// Less than or equal.
    Lte(Column, Cell),
    /// Greater than.
    Gt(Column, Cell),
    /// Greater than or equal.
    Gte(Column, Cell),
    /// At least one of the conditions; none at all matches nothing.
    Any(Vec<Self>),
    /// Each of the conditions; none at all matches everything.
    All(Vec<Self>),
}

impl Filter {
    /// The column has this value.
    pub fn is(column: Column, value: impl Into<Cell>) -> Self {
        Self::In(column, vec![value.into()])
    }

    /// The column has no value.
    pub fn is_null(column: Column) -> Self {
        Self::In(column, vec![Cell::Null])
    }

    /// The column has one of these values.
    pub fn one_of<V: Into<Cell>>(column: Column, values: impl IntoIterator<Item = V>) -> Self {
        Self::In(column, values.into_iter().map(Into::into).collect())
    }

    /// The moment lies before `end`.
    pub fn before(column: Column, end: Timestamp) -> Self {
        Self::Lt(column, end.into())
    }
}

/// A requirement on the labels of a row. All requirements of a query must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// The label exists and has one of the values (`key=value` is a list of one).
    In {
        /// Key, with its prefix if it has one.
        key: String,
        /// Values.
        values: Vec<String>,
    },
    /// The label has none of the values or does not exist (`key!=value` is a list of one).
    NotIn {
        /// Key.
        key: String,
        /// Values.
        values: Vec<String>,
    },
    /// The label exists.
    Exists {
        /// Key.
        key: String,
    },
    /// The label does not exist.
    NotExists {
        /// Key.
        key: String,
    },
}

/// Order of a list. Equal values are ordered by commit of creation, then by id, in the same
/// direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub column: Column,
    /// Whether the greatest comes first.
    pub descending: bool,
}

impl Order {
    /// Smallest first.
    pub fn ascending(column: Column) -> Self {
        Self {
            column,
            descending: false,
        }
    }

    /// Greatest first.
    pub fn descending(column: Column) -> Self {
        Self {
            column,
            descending: true,
        }
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Most rows.
    pub limit: u32,
    /// Rows left out at the beginning.
    pub offset: u64,
}

impl Page {
    /// Most rows of a page when nobody says otherwise: the most that any dialect asks for at once.
    pub const MAX_LIMIT: u32 = 5000;

    /// The first `limit` rows.
    pub fn first(limit: u32) -> Self {
        Self { limit, offset: 0 }
    }
}

/// A list's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// All of these hold.
    pub filters: Vec<Filter>,
    /// All of these hold.
    pub labels: Vec<Requirement>,
    /// Order; `None` = the table's own (creation, where it has one).
    pub order: Option<Order>,
    /// Part.
    pub page: Page,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            filters: Vec::new(),
            labels: Vec::new(),
            order: None,
            page: Page::first(Page::MAX_LIMIT),
        }
    }
}

impl ListQuery {
    /// Rows that pass these filters, in the table's own order.
    pub fn filtered(filters: Vec<Filter>) -> Self {
        Self {
            filters,
            ..Self::default()
        }
    }

    /// The same in this order.
    #[must_use]
    pub fn ordered(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }

    /// The same, this part.
    #[must_use]
    pub fn page(mut self, page: Page) -> Self {
        self.page = page;
        self
    }

    /// The same with requirements on labels.
    #[must_use]
    pub fn labeled(mut self, labels: Vec<Requirement>) -> Self {
        self.labels = labels;
        self
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many rows there are in all parts together.
    pub total: u64,
}
