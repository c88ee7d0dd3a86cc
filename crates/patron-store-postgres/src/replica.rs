//! Lists from a replica: only ever what a read of the primary would have answered too.
//!
//! Before each the primary is asked how far its log has come, which costs it next to nothing. A replica that has
//! come as far has all that was acknowledged before, whichever process acknowledged it. It may have more: what the
//! primary shows to nobody yet, since it waits for another replica. So the primary is asked afterwards whether
//! all that the list may hold is there for everybody.
//!
//! One that stays behind is not waited for, and one that does not answer is left alone for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use patron::clock::MonotonicClock;
use patron::store::StoreError;
use tokio::time::sleep;

use crate::connections::{Connection, Isolation};
use crate::errors::Failed;
use crate::limits::Limits;
use crate::read::one;
use crate::rows::Columns;
use crate::sql::{Kind, Statement, Value};
use crate::transaction::{Database, Held};

/// How often a server that is a little behind is looked at again, and the wait in between.
const LOOKS_MAX: u32 = 8;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// How long the replica may take to let us in, and then to answer. The primary can answer too.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(1);
const ANSWER_TIME_MAX: Duration = Duration::from_millis(750);

/// For how long one that did not answer is left alone. Then one list tries it again.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(3);

static POSITION: Statement = Statement::new("SELECT pg_current_wal_lsn()::text", &[]);

static HAS_COME_TO: Statement = Statement::new(
    "SELECT 1::bigint WHERE pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= $1::pg_lsn",
    &[Kind::Text],
);

/// The first transaction of which this snapshot shows nothing.
static END: Statement =
    Statement::new("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint", &[]);

/// Whether all transactions before this one have ended, for everybody to see.
static HAS_ENDED: Statement = Statement::new(
    "SELECT 1::bigint WHERE pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $1",
    &[Kind::Whole],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![&POSITION, &HAS_COME_TO, &END, &HAS_ENDED]
}

/// What may be asked of the replica at most.
pub(crate) fn limits(limits: Limits) -> Limits {
    Limits {
        connect_time_max: limits.connect_time_max.min(CONNECT_TIME_MAX),
        wait_max: limits.wait_max.min(CONNECT_TIME_MAX),
        ..limits
    }
}

/// A replica of the primary. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Replica {
    primary: Database,
    replica: Database,
    clock: Arc<dyn MonotonicClock>,
    /// Until when it is left alone, in milliseconds of the clock; 0 when it has answered.
    left_alone_until_ms: Arc<AtomicU64>,
}

impl Replica {
    pub(crate) fn new(
        primary: Database,
        replica: Database,
        clock: Arc<dyn MonotonicClock>,
    ) -> Self {
        Self { primary, replica, clock, left_alone_until_ms: Arc::default() }
    }

    /// The list that `list` reads, if the replica has everything that it must hold, and nothing that it must not;
    /// else the primary is the one to ask.
    pub(crate) async fn list<T, F>(&self, list: impl Fn(Held) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        if !self.may_be_tried() {
            return None;
        }
        let position = self.primary.ask(|held| async move { position(&held).await }).await.ok()?;
        let (position, list) = (position.as_str(), &list);
        let list = |held: Held| async move {
            let listed = list_as_of(&held, position, list).await;
            if listed.is_err() {
                held.roll_back().await;
            }
            listed
        };
        let Ok(listed) = self.replica.ask_once_within(ANSWER_TIME_MAX, list).await else {
            self.leave_alone();
            return None;
        };
        self.left_alone_until_ms.store(0, Ordering::Relaxed);
        let (list, end) = listed?;
        let is_there = self.primary.ask(|held| async move { have_ended(&held, end).await });
        is_there.await.ok().filter(|is_there| *is_there).map(|_| list)
    }

    /// Whether it has answered lately, or it is this list's turn to see whether it does again.
    fn may_be_tried(&self) -> bool {
        let until = self.left_alone_until_ms.load(Ordering::Relaxed);
        let next = self.now_ms(LEFT_ALONE_FOR);
        until == 0
            || (self.now_ms(Duration::ZERO) >= until
                && self
                    .left_alone_until_ms
                    .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok())
    }

    fn leave_alone(&self) {
        self.left_alone_until_ms.store(self.now_ms(LEFT_ALONE_FOR), Ordering::Relaxed);
    }

    fn now_ms(&self, later: Duration) -> u64 {
        let time = self.clock.elapsed().saturating_add(later);
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A server answers these questions with one row.
const NO_ROW: StoreError = StoreError::Corrupt { table: "(server)", column: "(position)" };

async fn position(connection: &Connection) -> Result<String, Failed> {
    let rows = connection.query(&POSITION, &[]).await?;
    let position = rows.first().and_then(|row| row.try_get(0).ok());
    position.ok_or(Failed::Refused(NO_ROW))
}

/// A list that has everything up to `position`, and the end of what it may have; `None` when the replica
/// does not come to the position.
async fn list_as_of<T, F>(
    connection: &Held,
    position: &str,
    list: impl Fn(Held) -> F,
) -> Result<Option<(T, i64)>, Failed>
where
    F: Future<Output = Result<T, Failed>>,
{
    let position = [Value::Text(position)];
    // Asked before the snapshot is taken, which would be of the moment before the answer.
    if !comes_true(connection, &HAS_COME_TO, &position).await? {
        return Ok(None);
    }
    connection.begin(Isolation::Snapshot).await?;
    let list = list(Arc::clone(connection)).await?;
    let rows = connection.query(&END, &[]).await?;
    let end = one(&rows, |row| Columns::of(row, "(server)").take_number("end"))?;
    connection.run("COMMIT").await?;
    Ok(Some((list, end.ok_or(NO_ROW)?)))
}

async fn have_ended(connection: &Connection, end: i64) -> Result<bool, Failed> {
    comes_true(connection, &HAS_ENDED, &[Value::Whole(end)]).await
}

/// Whether a statement answers a row, now or in a moment.
async fn comes_true(
    connection: &Connection,
    statement: &Statement,
    values: &[Value<'_>],
) -> Result<bool, Failed> {
    for _ in 0..LOOKS_MAX {
        if !connection.query(statement, values).await?.is_empty() {
            return Ok(true);
        }
        sleep(LOOK_AGAIN_AFTER).await;
    }
    Ok(!connection.query(statement, values).await?.is_empty())
}
