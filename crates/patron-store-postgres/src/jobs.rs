//! Who does which work in the background: one process at a time, by the database's own clock.

use std::time::Duration;

use patron::ids::ProcessId;
use patron::store::Job;

use crate::connections::Connection;
use crate::errors::Failed;
use crate::sql::{Kind, Statement, Value};

static CLAIM: Statement = Statement::new(
    "INSERT INTO job AS j (name, holder, expires) \
     VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond') \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires \
     WHERE j.holder = excluded.holder OR j.expires <= clock_timestamp() RETURNING j.name",
    &[Kind::Text, Kind::Bytes, Kind::Whole],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![&CLAIM]
}

/// Whether `holder` may do the job from now on for `lease`.
pub(crate) async fn claim(
    connection: &Connection,
    job: Job,
    holder: ProcessId,
    lease: Duration,
) -> Result<bool, Failed> {
    claim_named(connection, job.name(), holder, lease).await
}

/// The same of what is no job of the core's.
pub(crate) async fn claim_named(
    connection: &Connection,
    name: &str,
    holder: ProcessId,
    lease: Duration,
) -> Result<bool, Failed> {
    let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    let values = [Value::Text(name), Value::Bytes(holder.as_bytes()), Value::Whole(lease_ms)];
    Ok(!connection.query(&CLAIM, &values).await?.is_empty())
}
