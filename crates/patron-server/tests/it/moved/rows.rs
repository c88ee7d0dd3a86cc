//! Rows of the data, taken out, changed and put back by hand.

use crate::data::{Data, Row, Value};

/// The one row that the condition finds, taken out.
#[track_caller]
pub(super) fn take(data: &Data, table: &str, condition: &str) -> Row {
    let row = read(data, table, condition);
    data.run(&format!("DELETE FROM {table} WHERE {condition}"));
    row
}

/// The one row that the condition finds.
#[track_caller]
pub(super) fn read(data: &Data, table: &str, condition: &str) -> Row {
    let sql = format!("SELECT * FROM {table} WHERE {condition}");
    let mut rows = data.rows(&sql);
    assert_eq!(rows.len(), 1, "{sql}");
    rows.remove(0)
}

/// Puts a row in.
#[track_caller]
pub(super) fn put(data: &Data, table: &str, row: &Row) {
    data.run(&data.insertion(table, row));
}

/// The value of a column.
pub(super) fn value<'r>(row: &'r mut Row, column: &str) -> &'r mut Value {
    let found = row.iter_mut().find(|(name, _)| name == column);
    found.map(|(_, value)| value).unwrap_or_else(|| panic!("no column {column}"))
}

/// Another value of the same kind.
pub(super) fn altered(column: &str, value: &Value) -> Value {
    match value {
        // Numbers of merchants and customers: nobody's.
        Value::Integer(number) if ["merchant", "number", "owner"].contains(&column) => {
            Value::Integer(number + 1000)
        }
        Value::Integer(number) => Value::Integer(number + 1),
        Value::Text(text) => Value::Text(format!("{text}x")),
        Value::Blob(bytes) => {
            let mut bytes = bytes.clone();
            bytes[0] ^= 1;
            Value::Blob(bytes)
        }
        // Only moments are null here.
        Value::Null => Value::Integer(1),
    }
}
