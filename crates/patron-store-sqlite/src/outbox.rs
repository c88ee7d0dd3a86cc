//! The outbox: what is told to those who listen.

use patron::event::Event;
use patron::store::StoreError;
use rusqlite::Connection;

use crate::rows::integer;
use crate::sql;

/// Writes an event, in the transaction of the change that it tells of.
pub(crate) fn put(connection: &Connection, event: &Event) -> Result<(), StoreError> {
    let Event { merchant, customer, version, happened, at } = event;
    let version = integer(*version, ("outbox", "version"))?;
    sql::execute(
        connection,
        "INSERT INTO outbox (merchant, number, version, happened, at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        (merchant.get(), customer.get(), version, happened.code(), at.as_ms()),
    )?;
    Ok(())
}
