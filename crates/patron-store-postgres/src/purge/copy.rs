//! Copying a table that is too large to be written anew at once, while everybody goes on with it.
//!
//! A copy begins empty. From then on whatever is written to the table is written to the copy by triggers, and what was
//! there before is copied bit by bit, in the order of its key. When both are the same, row by row, the copy takes the
//! table's place, for which nobody waits longer than for another's lock. What nobody sees any more is never copied, so
//! it goes with the old table.
//!
//! Each step is safe to be the last: a copy that nobody finishes is kept true by its triggers, and is dropped by
//! whoever purges or migrates next.

use std::time::Duration;

use patron::store::StoreError;
use tokio::time::sleep;

use super::look::{Look, look};
use super::{Inner, Table};
use crate::advisory;
use crate::connections::Connection;
use crate::errors::{Failed, NotAnswering};
use crate::read::one;
use crate::rows::Columns;
use crate::sql::{Kind, Statement, Value};
use crate::transaction::Database;

/// How many rows are copied in the first step, and at most in one; and how long a step may take, since whoever changes
/// one of its rows waits until its end.
const ROWS_FIRST: i64 = 128;
const ROWS_MAX: i64 = 4_096;
const STEP_AIM: Duration = Duration::from_millis(50);

/// How long a step waits for others' rows. Less than PostgreSQL's `deadlock_timeout` (a second): when a step and
/// somebody else wait for each other, it is the step that gives way.
const STEP_LOCK_MS: u32 = 300;

/// How often a step that others came in the way of is tried in a row, and the wait in between.
const TRIES_MAX: u32 = 200;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// For how long the copy is kept true until it can take the table's place: nobody may still read in a transaction that
/// began before all was copied, and nobody may hold the table at that moment.
const SWAP_WITHIN: Duration = Duration::from_secs(600);
const SWAP_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long others wait at most for each attempt at a table.
const SHUT_OUT_MS: u32 = 300;

/// How long it is waited for a lock that keeps nobody from reading and writing. More than `deadlock_timeout`, after
/// which the server ends its own vacuuming that is in the way.
const QUIET_MS: u32 = 5_000;

/// How long an attempt takes at most that shuts others out in the end.
const ATTEMPT: Duration = Duration::from_secs(30);

/// How often it is tried to take away a copy that was not finished, and the wait in between.
const DROP_TRIES_MAX: u32 = 5;
const DROP_AGAIN_AFTER: Duration = Duration::from_secs(2);

static NO_MIGRATION: Statement =
    Statement::new("SELECT 1::bigint FROM pg_advisory_xact_lock_shared($1)", &[Kind::Whole]);

static LOCK_OUT_DELETION: Statement =
    Statement::new("SELECT 1::bigint FROM pg_advisory_xact_lock($1)", &[Kind::Whole]);

/// A transaction may take as long as it takes, whatever limits of time this version of the server has. One that stands
/// idle is ended all the same.
static NO_LIMITS: Statement = Statement::new(
    "SELECT set_config(name, '0', true) FROM pg_settings \
     WHERE name IN ('statement_timeout', 'transaction_timeout')",
    &[],
);

/// Whether somebody makes an index while others write.
static IS_INDEXED: Statement = Statement::new(
    "SELECT 1::bigint FROM pg_stat_progress_create_index WHERE datname = current_database()",
    &[],
);

/// The statements of this file that are the same for each table, for those who look at all of them.
pub(super) fn statements() -> Vec<&'static Statement> {
    vec![&NO_MIGRATION, &LOCK_OUT_DELETION, &NO_LIMITS, &IS_INDEXED]
}

/// What came of copying a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    /// The copy is the table.
    Done,
    /// Somebody was in the way, for too long.
    HeldUp,
}

impl Table {
    /// SQL of a file that is for any table.
    fn fill_in(self, sql: &str) -> String {
        sql.replace("@table@", self.name).replace("@lock@", &advisory::COPYING.to_string())
    }

    /// Copies the next rows behind a key, as many as the last parameter says; the key of the last of them.
    fn step(self, Look { table, copy_name, .. }: &Look) -> Statement {
        let names: Vec<&str> = self.key.iter().map(|(column, _)| *column).collect();
        let bounds = (1..).zip(self.key).map(|(n, (_, kind))| format!("${n}::text::{kind}"));
        let bounds: Vec<String> = bounds.collect();
        let answered: Vec<String> = names.iter().map(|name| format!("{name}::text")).collect();
        let backwards: Vec<String> = names.iter().map(|name| format!("{name} DESC")).collect();
        let limit = self.key.len().saturating_add(1);
        let sql = format!(
            "WITH chosen AS MATERIALIZED (SELECT * FROM {table} WHERE ({names}) > ({bounds}) ORDER BY {names} \
             LIMIT ${limit}), \
             put AS (INSERT INTO {copy_name} SELECT * FROM chosen ON CONFLICT DO NOTHING) \
             SELECT {answered} FROM chosen ORDER BY {backwards} LIMIT 1",
            names = names.join(", "),
            bounds = bounds.join(", "),
            answered = answered.join(", "),
            backwards = backwards.join(", "),
        );
        let mut kinds = vec![Kind::Text; self.key.len()];
        kinds.push(Kind::Whole);
        Statement { sql: sql.into(), kinds: kinds.into() }
    }

    /// A key before all others.
    fn before_all(self) -> Vec<String> {
        let least = |kind: &str| if kind == "bytea" { String::new() } else { i64::MIN.to_string() };
        self.key.iter().map(|(_, kind)| least(kind)).collect()
    }
}

/// Waits for whoever changes what a table is, vacuums or analyses it, or copies it into another, without keeping anybody
/// from reading and writing; then for nobody longer than [`SHUT_OUT_MS`]. What is committed under these locks need not be
/// on a replica at once, for which others would wait as well: nobody is told of it.
async fn lock(connection: &Connection, quiet: &str, then: &str) -> Result<(), Failed> {
    connection.query(&NO_LIMITS, &[]).await?;
    let limits = format!(
        "SET LOCAL synchronous_commit = local; SET LOCAL statement_timeout = '{}s'; \
         SET LOCAL lock_timeout = {QUIET_MS}",
        ATTEMPT.as_secs()
    );
    connection.run(&limits).await?;
    give_way_to_indexing(connection).await?;
    connection.run(quiet).await?;
    connection.run(&format!("SET LOCAL lock_timeout = {SHUT_OUT_MS}; {then}")).await
}

/// Whoever makes an index while others write waits for all of these, and for us, and must not be the one of both who
/// gives way: then the transaction does not wait for as long as it takes the server to find that out.
pub(super) async fn give_way_to_indexing(connection: &Connection) -> Result<(), Failed> {
    if !connection.query(&IS_INDEXED, &[]).await?.is_empty() {
        connection.run(&format!("SET LOCAL lock_timeout = {SHUT_OUT_MS}")).await?;
    }
    Ok(())
}

/// A lock on a table, and on the one that holds its long values, that only its like, and vacuuming, wait for. There is
/// no other statement that takes the second; whatever it sets goes with the table, or is taken back.
fn quiet_lock(table: &str) -> String {
    format!("ALTER TABLE {table} SET (toast.autovacuum_enabled = off)")
}

/// Takes away what there is of a copy of a table. Of a certain copy: unless there is another by now. Whether it was
/// there.
async fn drop_copy(
    connection: &Connection,
    table: Table,
    certain: Option<i64>,
) -> Result<bool, Failed> {
    let Some(found) = look(connection, table).await? else {
        return Ok(false);
    };
    if !found.has_copy || certain.is_some_and(|number| found.copy_number != number) {
        return Ok(false);
    }
    let Look { table: original, copy_name, copy_number, .. } = &found;
    let mut quiet = format!("LOCK TABLE {original} IN SHARE UPDATE EXCLUSIVE MODE");
    let mut then = format!("LOCK TABLE {original} IN ACCESS EXCLUSIVE MODE");
    if *copy_number != 0 {
        quiet = format!("{quiet}; {}", quiet_lock(copy_name));
        then = format!("{then}; LOCK TABLE {copy_name} IN ACCESS EXCLUSIVE MODE");
    }
    lock(connection, &quiet, &then).await?;
    connection.run(&table.fill_in(include_str!("drop_copy.sql"))).await?;
    Ok(true)
}

/// Begins a copy: from here on it gets whatever is written. `None` when there is no such table.
async fn begin(connection: &Connection, table: Table) -> Result<Option<Look>, Failed> {
    connection.query(&NO_MIGRATION, &[Value::Whole(advisory::MIGRATION)]).await?;
    let in_mode = |mode: &str| format!("LOCK TABLE {} IN {mode} MODE", table.name);
    lock(connection, &in_mode("SHARE UPDATE EXCLUSIVE"), &in_mode("SHARE ROW EXCLUSIVE")).await?;
    connection.run(&table.fill_in(include_str!("begin_copy.sql"))).await?;
    let begun = look(connection, table).await?;
    begun.iter().try_for_each(|begun| begun.check(table))?;
    Ok(begun)
}

/// Copies some rows behind a key; the key of the last of them.
async fn copy_rows(
    connection: &Connection,
    step: &Statement,
    after: &[String],
    rows: i64,
) -> Result<Option<Vec<String>>, Failed> {
    connection.run(&format!("SET LOCAL lock_timeout = {STEP_LOCK_MS}")).await?;
    connection.query(&LOCK_OUT_DELETION, &[Value::Whole(advisory::COPYING)]).await?;
    let mut values: Vec<Value<'_>> = after.iter().map(|part| Value::Text(part)).collect();
    values.push(Value::Whole(rows));
    one(&connection.query_afresh(step, &values).await?, |row| {
        let mut columns = Columns::of(row, "(copied)");
        after.iter().map(|_| columns.take("key")).collect()
    })
}

/// Whether the copy holds what the table holds, looked at in one moment.
async fn is_same(connection: &Connection, begun: &Look) -> Result<bool, Failed> {
    connection.query(&NO_LIMITS, &[]).await?;
    // All rows are read.
    connection.run("SET LOCAL enable_seqscan = on").await?;
    let sum = |table: &str| {
        format!(
            "(SELECT count(*) || ' ' || coalesce(sum(hashtextextended(r::text, 0)::numeric), 0) FROM {table} AS r)"
        )
    };
    let sql = format!("SELECT {} = {}", sum(&begun.table), sum(&begun.copy_name));
    let comparison = Statement { sql: sql.into(), kinds: Vec::new().into() };
    let rows = connection.query_afresh(&comparison, &[]).await?;
    let is_same = one(&rows, |row| Columns::of(row, "(copied)").take("is_same"))?;
    Ok(is_same.unwrap_or(false))
}

/// Puts the copy in the table's place, unless somebody has changed what they are.
async fn swap(connection: &Connection, table: Table, begun: &Look) -> Result<bool, Failed> {
    let Look { table: original, copy_name, .. } = begun;
    let quiet =
        format!("{}; LOCK TABLE {copy_name} IN SHARE UPDATE EXCLUSIVE MODE", quiet_lock(original));
    let then = format!("LOCK TABLE {original}, {copy_name} IN ACCESS EXCLUSIVE MODE");
    connection.run("SAVEPOINT as_it_was").await?;
    lock(connection, &quiet, &then).await?;
    if look(connection, table).await?.as_ref() != Some(begun) {
        connection.run("ROLLBACK TO SAVEPOINT as_it_was").await?;
        return Ok(false);
    }
    connection.run(&table.fill_in(include_str!("swap_copy.sql"))).await?;
    Ok(true)
}

/// Whether somebody came in the way who may be gone the next time, or nothing is known and nothing is lost by doing
/// it again.
fn may_pass(failed: &Failed) -> bool {
    failed.waited_too_long() || failed.is_passing() || matches!(failed, Failed::Unknown(_))
}

/// How many rows the next step copies, after one of `rows` took so long.
fn next_rows(rows: i64, took: Duration) -> i64 {
    if took > STEP_AIM * 2 {
        (rows / 2).max(1)
    } else if took < STEP_AIM / 2 {
        rows.saturating_mul(2).min(ROWS_MAX)
    } else {
        rows
    }
}

/// What came of taking away a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    /// It is gone.
    Was,
    /// There was none, or not this one.
    WasNot,
    /// Somebody has it, or the table, for too long.
    HeldUp,
}

/// Tries to take away a copy of a table, or a certain one.
pub(super) async fn drop_one(
    database: &Database,
    table: Table,
    certain: Option<i64>,
) -> Result<Dropped, Failed> {
    let database = database.within(ATTEMPT);
    match database.write(|held| async move { drop_copy(&held, table, certain).await }).await {
        Ok(true) => Ok(Dropped::Was),
        Ok(false) => Ok(Dropped::WasNot),
        Err(failed) if failed.waited_too_long() => Ok(Dropped::HeldUp),
        Err(failed) => Err(failed),
    }
}

impl Inner {
    /// Has a copy take the table's place.
    pub(super) async fn copy(&self, table: Table) -> Result<Copied, Failed> {
        let database = self.database.within(ATTEMPT);
        let begun = database.write_once(|held| async move { begin(&held, table).await }).await;
        let begun = match begun {
            Ok(Some(begun)) => begun,
            Ok(None) => return Ok(Copied::HeldUp),
            // Somebody who has the table, or has begun a copy.
            Err(failed) if may_pass(&failed) || failed.exists_already() => {
                return Ok(Copied::HeldUp);
            }
            Err(failed) => return Err(failed),
        };
        let copied = self.finish(table, &begun).await;
        if let Ok(Copied::Done) = copied {
            return copied;
        }
        for _ in 0..DROP_TRIES_MAX {
            match drop_one(&self.database, table, Some(begun.copy_number)).await {
                // Whoever took it away, to migrate or to begin again, is why it could not be finished.
                Ok(Dropped::WasNot) => return Ok(Copied::HeldUp),
                Ok(Dropped::Was) | Err(_) => return copied,
                Ok(Dropped::HeldUp) => sleep(DROP_AGAIN_AFTER).await,
            }
        }
        // One that could not be taken away now will be by the next purge.
        copied
    }

    async fn finish(&self, table: Table, begun: &Look) -> Result<Copied, Failed> {
        if self.copy_all_rows(table, begun).await? == Copied::HeldUp {
            return Ok(Copied::HeldUp);
        }
        let Some(ends) = self.ends().await? else {
            return Ok(Copied::HeldUp);
        };
        // The planner knows nothing of the copy yet, and which of its pages everybody sees. Where the server forbids, or
        // does, the one, the other is enough.
        let patient = self.database.patient();
        if !self.vacuum(&begun.copy_name, "ANALYZE").await? {
            let sql = &format!("ANALYZE {}", begun.copy_name);
            let analysed = patient.write_once(|held| async move {
                held.query(&NO_LIMITS, &[]).await?;
                held.run(sql).await
            });
            match analysed.await {
                Err(failed) if !failed.waited_too_long() => return Err(failed),
                Ok(()) | Err(_) => {}
            }
        }
        if !patient.write_once(|held| async move { is_same(&held, begun).await }).await? {
            return Err(StoreError::from(NotAnswering::CopyDiffers { table: table.name }).into());
        }
        let began = self.clock.elapsed();
        let database = self.database.within(ATTEMPT);
        while self.clock.elapsed().saturating_sub(began) < SWAP_WITHIN {
            // Who still reads what was there before all was copied would not find it in the copy.
            if self.is_out_of_sight(&ends, Duration::ZERO).await? {
                let swapped = database
                    .write_once(|held| async move { swap(&held, table, begun).await })
                    .await;
                match swapped {
                    Ok(true) => return Ok(Copied::Done),
                    Ok(false) => return Ok(Copied::HeldUp),
                    Err(Failed::Unknown(_)) if self.is_table(table, begun.copy_number).await? => {
                        return Ok(Copied::Done);
                    }
                    Err(failed) if may_pass(&failed) => {}
                    Err(failed) => return Err(failed),
                }
            }
            sleep(SWAP_AGAIN_AFTER).await;
        }
        Ok(Copied::HeldUp)
    }

    /// Whether the table is the one with this number.
    async fn is_table(&self, table: Table, number: i64) -> Result<bool, Failed> {
        let found = self.database.write(|held| async move { look(&held, table).await }).await?;
        Ok(found.is_some_and(|look| look.number == number))
    }

    /// Copies what was there when the copy began, as far as it is still there. Others have their turn for as long as
    /// each step took.
    async fn copy_all_rows(&self, table: Table, begun: &Look) -> Result<Copied, Failed> {
        let step = &table.step(begun);
        let mut after = table.before_all();
        let (mut rows, mut tries) = (ROWS_FIRST, 0_u32);
        loop {
            let began = self.clock.elapsed();
            let from = &after;
            let copied = self
                .database
                .write_once(|held| async move { copy_rows(&held, step, from, rows).await })
                .await;
            match copied {
                Ok(None) => return Ok(Copied::Done),
                Ok(Some(last)) => {
                    let took = self.clock.elapsed().saturating_sub(began);
                    (after, tries, rows) = (last, 0, next_rows(rows, took));
                    sleep(took.min(STEP_AIM * 4)).await;
                }
                Err(failed) if may_pass(&failed) && tries < TRIES_MAX => {
                    (tries, rows) = (tries.saturating_add(1), (rows / 2).max(1));
                    sleep(TRY_AGAIN_AFTER).await;
                }
                Err(failed) if failed.waited_too_long() => return Ok(Copied::HeldUp),
                Err(failed) => return Err(failed),
            }
        }
    }
}
