//! Running one prepared statement; every error of SQLite becomes a `StoreError` here.

use patron::store::StoreError;
use rusqlite::{Connection, Params, Row};

use crate::errors::from_sqlite;
use crate::rows::Columns;

/// Runs a statement that answers no rows; how many rows it changed.
pub(crate) fn execute(
    connection: &Connection,
    sql: &'static str,
    params: impl Params,
) -> Result<usize, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    statement.execute(params).map_err(from_sqlite)
}

/// The first row that a statement answers, read by `read`.
pub(crate) fn find<T>(
    connection: &Connection,
    sql: &'static str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let mut rows = statement.query(params).map_err(from_sqlite)?;
    rows.next().map_err(from_sqlite)?.map(read).transpose()
}

/// Whether a statement answers any row.
pub(crate) fn exists(
    connection: &Connection,
    sql: &'static str,
    params: impl Params,
) -> Result<bool, StoreError> {
    Ok(find(connection, sql, params, |_| Ok(()))?.is_some())
}

/// All rows that a statement answers, each read by `read`.
pub(crate) fn list<T>(
    connection: &Connection,
    sql: &'static str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    let mut rows = statement.query(params).map_err(from_sqlite)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(from_sqlite)? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// The whole number in the only column of the only row that a statement answers.
pub(crate) fn number(
    connection: &Connection,
    sql: &'static str,
    params: impl Params,
    (table, column): (&'static str, &'static str),
) -> Result<i64, StoreError> {
    find(connection, sql, params, |row| Columns::of(row, table).take(column))?
        .ok_or(StoreError::Corrupt { table, column })
}
