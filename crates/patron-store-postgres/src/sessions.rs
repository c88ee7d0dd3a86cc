//! Operators' sessions: opened, found, closed, and cleared away once they have expired.

use patron::clock::Timestamp;
use patron::ids::OperatorNumber;
use patron::session::{SessionPurpose, SessionRecord};
use patron::store::{StoreError, Unique};
use tokio_postgres::Row;

use crate::connections::Connection;
use crate::errors::Failed;
use crate::read::one;
use crate::rows::{Columns, integer};
use crate::sql::{Kind, Statement, Value};

static OPEN: Statement = Statement::new(
    "INSERT INTO session (hash, operator, credential, purpose, issued_ms, expires_ms) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    &[Kind::Bytes, Kind::Whole, Kind::Whole, Kind::Whole, Kind::Whole, Kind::Whole],
);

static FIND: Statement = Statement::new(
    "SELECT hash, operator, credential, purpose, issued_ms, expires_ms FROM session \
     WHERE hash = $1",
    &[Kind::Bytes],
);

static CLOSE: Statement = Statement::new("DELETE FROM session WHERE hash = $1", &[Kind::Bytes]);

static CLEAR: Statement = Statement::new(
    "DELETE FROM session WHERE hash IN (\
         SELECT hash FROM session WHERE expires_ms < $1 ORDER BY expires_ms LIMIT $2)",
    &[Kind::Whole, Kind::Whole],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![&OPEN, &FIND, &CLOSE, &CLEAR]
}

/// Keeps a session. `Duplicate` when its hash is taken.
pub(crate) async fn open(connection: &Connection, session: &SessionRecord) -> Result<(), Failed> {
    let SessionRecord { hash, operator, credential, purpose, issued, expires } = session;
    let values = [
        Value::Bytes(hash),
        Value::Whole(operator.get()),
        Value::Whole(integer(*credential, ("session", "credential"))?),
        Value::Whole(purpose.code().into()),
        Value::Whole(issued.as_ms()),
        Value::Whole(expires.as_ms()),
    ];
    match connection.execute(&OPEN, &values).await? {
        0 => Err(StoreError::Duplicate(Unique::Session).into()),
        _ => Ok(()),
    }
}

/// The session with this hash, expired or not.
pub(crate) async fn find(
    connection: &Connection,
    hash: &[u8; 32],
) -> Result<Option<SessionRecord>, Failed> {
    one(&connection.query(&FIND, &[Value::Bytes(hash)]).await?, read_session)
}

/// Ends a session; whether there was one.
pub(crate) async fn close(connection: &Connection, hash: &[u8; 32]) -> Result<bool, Failed> {
    Ok(connection.execute(&CLOSE, &[Value::Bytes(hash)]).await? > 0)
}

/// Deletes sessions that have expired before `now`, the oldest first; how many.
pub(crate) async fn clear(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<u32, Failed> {
    let values = [Value::Whole(now.as_ms()), Value::Whole(limit.into())];
    let cleared = connection.execute(&CLEAR, &values).await?;
    Ok(u32::try_from(cleared).unwrap_or(u32::MAX))
}

/// Reads hash, operator, credential, purpose, issued_ms, expires_ms.
fn read_session(row: &Row) -> Result<SessionRecord, StoreError> {
    let mut columns = Columns::of(row, "session");
    Ok(SessionRecord {
        hash: columns.take_bytes("hash")?,
        operator: OperatorNumber::new(columns.take_number("operator")?),
        credential: columns.take_number("credential")?,
        purpose: columns.take_code("purpose", SessionPurpose::from_code)?,
        issued: columns.take_time("issued_ms")?,
        expires: columns.take_time("expires_ms")?,
    })
}
