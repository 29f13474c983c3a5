//! One value of a row, in the terms that every backend has.

use windlass_engine::time::Timestamp;

use crate::error::StoreError;

/// A value that is stored in a column or compared with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Cell {
    /// Text, or nothing.
    pub(crate) fn maybe_text<T: AsRef<str>>(text: Option<T>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.as_ref().to_owned()))
    }

    /// A moment, or none.
    pub(crate) fn maybe_time(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Null, |at| Self::Int(at.0))
    }

    /// A number that grows from 0 and never reaches 2^63.
    pub(crate) fn number(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Cell {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Timestamp> for Cell {
    fn from(at: Timestamp) -> Self {
        Self::Int(at.0)
    }
}

/// The selected cells of one row, taken from the left.
#[derive(Debug)]
pub struct Cells {
    table: &'static str,
    cells: std::vec::IntoIter<Cell>,
}

impl Cells {
    /// The cells of a row of `table`.
    pub(crate) fn new(table: &'static str, cells: Vec<Cell>) -> Self {
        Self {
            table,
            cells: cells.into_iter(),
        }
    }

    /// The error of a row that isn't what the table says.
    pub(crate) fn damaged(&self, what: &str) -> StoreError {
        StoreError::Damaged {
            table: self.table,
            text: what.to_owned(),
        }
    }

    /// Text.
    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        self.maybe_text()?
            .ok_or_else(|| self.damaged("text is missing"))
    }

    /// Text or nothing.
    pub(crate) fn maybe_text(&mut self) -> Result<Option<String>, StoreError> {
        match self.cells.next() {
            Some(Cell::Text(text)) => Ok(Some(text)),
            Some(Cell::Null) => Ok(None),
            _ => Err(self.damaged("a column is not text")),
        }
    }

    /// A whole number.
    pub(crate) fn int(&mut self) -> Result<i64, StoreError> {
        match self.cells.next() {
            Some(Cell::Int(number)) => Ok(number),
            _ => Err(self.damaged("a column is not a number")),
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn number(&mut self) -> Result<u64, StoreError> {
        let number = self.int()?;
        u64::try_from(number).map_err(|_| self.damaged("a number is negative"))
    }

    /// A moment of the wall clock.
    pub(crate) fn time(&mut self) -> Result<Timestamp, StoreError> {
        self.int().map(Timestamp)
    }

    /// A truth value, which some databases hand out as a number.
    pub(crate) fn truth(&mut self) -> Result<bool, StoreError> {
        match self.cells.next() {
            Some(Cell::Bool(truth)) => Ok(truth),
            Some(Cell::Int(number)) => Ok(number != 0),
            _ => Err(self.damaged("a column is not a truth value")),
        }
    }

    /// Bytes.
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.cells.next() {
            Some(Cell::Bytes(bytes)) => Ok(bytes),
            _ => Err(self.damaged("a column is not bytes")),
        }
    }
}
