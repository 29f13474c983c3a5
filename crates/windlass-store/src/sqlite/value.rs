//! Cells as SQLite's values.

use rusqlite::ToSql;
use rusqlite::types::{FromSqlError, ToSqlOutput, Value, ValueRef};

use crate::cell::Cell;

/// A JSON array of the values.
pub(crate) fn json_list(values: &[&Cell]) -> String {
    let list: Vec<serde_json::Value> = values
        .iter()
        .map(|value| match value {
            Cell::Null | Cell::Bytes(_) => serde_json::Value::Null,
            // The database compares truth values as numbers.
            Cell::Bool(truth) => i64::from(*truth).into(),
            Cell::Int(number) => (*number).into(),
            Cell::Text(text) => text.as_str().into(),
        })
        .collect();
    serde_json::Value::Array(list).to_string()
}

/// A stored value.
pub(crate) fn cell(value: ValueRef<'_>) -> rusqlite::Result<Cell> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        ValueRef::Text(text) => Cell::Text(
            std::str::from_utf8(text)
                .map_err(|e| {
                    rusqlite::Error::FromSqlConversionFailure(0, value.data_type(), e.into())
                })?
                .to_owned(),
        ),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_owned()),
        // No column of ours holds one.
        ValueRef::Real(_) => return Err(FromSqlError::InvalidType.into()),
    })
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Bool(truth) => ToSqlOutput::Owned(Value::Integer(i64::from(*truth))),
            Self::Int(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}
