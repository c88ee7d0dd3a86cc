//! Operators' sessions: opened, found, closed, and cleared away some time after they have expired.

use patron::clock::Timestamp;
use patron::ids::OperatorNumber;
use patron::session::{SessionPurpose, SessionRecord};
use patron::store::{StoreError, Unique};
use rusqlite::{Connection, Row};

use crate::rows::{Columns, integer};
use crate::sql;

/// Keeps a session. `Duplicate` when its hash is taken.
pub(crate) fn open(connection: &Connection, session: &SessionRecord) -> Result<(), StoreError> {
    let SessionRecord { hash, operator, credential, purpose, issued, expires } = session;
    let credential = integer(*credential, ("session", "credential"))?;
    let inserted = sql::execute(
        connection,
        "INSERT INTO session (hash, operator, credential, purpose, issued_ms, expires_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        (hash, operator.get(), credential, purpose.code(), issued.as_ms(), expires.as_ms()),
    )?;
    if inserted == 0 { Err(StoreError::Duplicate(Unique::Session)) } else { Ok(()) }
}

/// The session with this hash, expired or not.
pub(crate) fn find(
    connection: &Connection,
    hash: &[u8; 32],
) -> Result<Option<SessionRecord>, StoreError> {
    sql::find(
        connection,
        "SELECT hash, operator, credential, purpose, issued_ms, expires_ms FROM session \
         WHERE hash = ?1",
        [hash],
        read_session,
    )
}

fn read_session(row: &Row<'_>) -> Result<SessionRecord, StoreError> {
    let mut columns = Columns::of(row, "session");
    Ok(SessionRecord {
        hash: columns.take("hash")?,
        operator: OperatorNumber::new(columns.take("operator")?),
        credential: columns.take_number("credential")?,
        purpose: columns.take_parsed("purpose", |code: u8| SessionPurpose::from_code(code))?,
        issued: columns.take_time("issued_ms")?,
        expires: columns.take_time("expires_ms")?,
    })
}

/// Ends a session; whether there was one.
pub(crate) fn close(connection: &Connection, hash: &[u8; 32]) -> Result<bool, StoreError> {
    Ok(sql::execute(connection, "DELETE FROM session WHERE hash = ?1", [hash])? > 0)
}

/// Whether a session has expired before `now`.
pub(crate) fn has_expired(connection: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    sql::exists(connection, "SELECT 1 FROM session WHERE expires_ms < ?1", [now.as_ms()])
}

/// Deletes sessions that have expired before `now`, the oldest first; how many.
pub(crate) fn clear_expired(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<u32, StoreError> {
    let expired: Vec<[u8; 32]> = sql::list(
        connection,
        "SELECT hash FROM session WHERE expires_ms < ?1 ORDER BY expires_ms LIMIT ?2",
        (now.as_ms(), limit),
        |row| Columns::of(row, "session").take("hash"),
    )?;
    let mut cleared = 0;
    for hash in expired {
        close(connection, &hash)?;
        cleared += 1;
    }
    Ok(cleared)
}
