//! Rows of a database, taken out, changed and put back by hand.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// A row: its columns and their values.
pub(super) type Row = Vec<(String, Value)>;

/// The columns of a table, and whether each may be null, from the schema itself.
pub(super) fn columns(database: &Connection, table: &str) -> Vec<(String, bool)> {
    let mut statement = database
        .prepare("SELECT name, \"notnull\" = 0 AND pk = 0 FROM pragma_table_info(?1)")
        .unwrap();
    let rows = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The tables of a database.
pub(super) fn tables(database: &Connection) -> BTreeSet<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The one row that the condition finds, taken out.
pub(super) fn take(database: &Connection, table: &str, condition: &str) -> Row {
    let row = read(database, table, condition);
    let sql = format!("DELETE FROM {table} WHERE {condition}");
    assert_eq!(database.execute(&sql, []).unwrap(), 1, "{sql}");
    row
}

/// The one row that the condition finds.
pub(super) fn read(database: &Connection, table: &str, condition: &str) -> Row {
    let sql = format!("SELECT * FROM {table} WHERE {condition}");
    let mut statement = database.prepare(&sql).unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([]).unwrap();
    let row = rows.next().unwrap().unwrap_or_else(|| panic!("no row: {sql}"));
    let values = (0..names.len()).map(|at| row.get(at).unwrap());
    let found = names.iter().cloned().zip(values).collect();
    assert!(rows.next().unwrap().is_none(), "several rows: {sql}");
    found
}

/// Puts a row in.
pub(super) fn put(database: &Connection, table: &str, row: &Row) {
    let names: Vec<&str> = row.iter().map(|(name, _)| name.as_str()).collect();
    let places = vec!["?"; row.len()].join(", ");
    let sql = format!("INSERT INTO {table} ({}) VALUES ({places})", names.join(", "));
    database.execute(&sql, params_from_iter(row.iter().map(|(_, value)| value))).unwrap();
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
        Value::Real(_) => panic!("no column holds a {value:?}"),
    }
}
