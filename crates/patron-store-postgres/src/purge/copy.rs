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

use super::{Inner, Table};
use crate::connections::Connection;
use crate::errors::{Failed, NotAnswering};
use crate::migrations;
use crate::read::one;
use crate::rows::Columns;
use crate::sql::{Kind, Statement, Value};

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
const SWAP_LOCK_MS: u32 = 300;
const SWAP_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Between whoever copies and whoever deletes: any number that no other program in the database uses (the text
/// `patronc`).
const COPY_LOCK: i64 = 0x0070_6174_726f_6e63;

static NO_MIGRATION: Statement =
    Statement::new("SELECT 1::bigint FROM pg_advisory_xact_lock_shared($1)", &[Kind::Whole]);

static LOCK_OUT_DELETION: Statement =
    Statement::new("SELECT 1::bigint FROM pg_advisory_xact_lock($1)", &[Kind::Whole]);

/// The number of a table's copy; everything about the table that its copy must have too, as text; and what would be
/// lost with the table. The triggers of the copy itself do not count.
static LOOK: Statement = Statement::new(
    "SELECT coalesce(to_regclass($2)::oid::bigint, 0), \
     concat_ws(' ', c.oid, c.relowner, c.relacl, c.reloptions, c.reltablespace, \
         (SELECT string_agg(concat_ws(' ', attnum, attname, atttypid, atttypmod, attnotnull, attstattarget, \
             attoptions, attstorage, attisdropped), ',' ORDER BY attnum) FROM pg_attribute \
             WHERE attrelid = c.oid AND attnum > 0), \
         (SELECT string_agg(concat_ws(' ', indexrelid, indisvalid, pg_get_indexdef(indexrelid)), ',' \
             ORDER BY indexrelid) FROM pg_index WHERE indrelid = c.oid), \
         (SELECT string_agg(concat_ws(' ', conname, pg_get_constraintdef(oid)), ',' ORDER BY oid) \
             FROM pg_constraint WHERE conrelid = c.oid)), \
     (SELECT string_agg(what, ', ') FROM ( \
         SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend AS d WHERE deptype = 'n' \
             AND ((refclassid = 'pg_class'::regclass AND refobjid = c.oid) \
                 OR (refclassid = 'pg_type'::regclass AND refobjid = c.reltype)) \
             AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE d.classid = 'pg_constraint'::regclass \
                 AND k.oid = d.objid AND k.conrelid = c.oid) \
         UNION SELECT 'the foreign key ' || conname FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f' \
         UNION SELECT 'the trigger ' || tgname FROM pg_trigger \
             WHERE tgrelid = c.oid AND NOT tgisinternal AND tgname NOT LIKE 'patron\\_copy\\_%' \
         UNION SELECT 'the rule ' || rulename FROM pg_rewrite WHERE ev_class = c.oid \
         UNION SELECT 'the policy ' || polname FROM pg_policy WHERE polrelid = c.oid \
         UNION SELECT 'the publication ' || pubname FROM pg_publication_rel AS r \
             JOIN pg_publication AS p ON p.oid = r.prpubid WHERE r.prrelid = c.oid \
         UNION SELECT 'its inheritance' FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent) \
         UNION SELECT 'what is granted of the column ' || attname FROM pg_attribute \
             WHERE attrelid = c.oid AND attacl IS NOT NULL \
         UNION SELECT 'its row level security' WHERE c.relrowsecurity OR c.relforcerowsecurity \
         UNION SELECT 'its replica identity' WHERE c.relreplident <> 'd' \
     ) AS found (what)) \
     FROM pg_class AS c WHERE c.oid = to_regclass($1)",
    &[Kind::Text, Kind::Text],
);

/// The statements of this file that are the same for each table, for those who look at all of them.
pub(super) fn statements() -> Vec<&'static Statement> {
    vec![&NO_MIGRATION, &LOCK_OUT_DELETION, &LOOK]
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
    fn copy_name(self) -> String {
        format!("patron_copy_of_{}", self.name)
    }

    /// SQL of a file that is for any table.
    fn fill_in(self, sql: &str) -> String {
        sql.replace("@table@", self.name).replace("@lock@", &COPY_LOCK.to_string())
    }

    fn begin_sql(self) -> String {
        self.fill_in(include_str!("begin_copy.sql"))
    }

    fn swap_sql(self) -> String {
        self.fill_in(include_str!("swap_copy.sql"))
    }

    fn drop_sql(self) -> String {
        self.fill_in(
            "DROP TRIGGER IF EXISTS patron_copy_rows ON @table@; \
             DROP TRIGGER IF EXISTS patron_copy_truncate ON @table@; \
             DROP FUNCTION IF EXISTS patron_copy_of_@table@(); \
             DROP TABLE IF EXISTS patron_copy_of_@table@",
        )
    }

    /// Copies the next rows behind a key, as many as the last parameter says; the key of the last of them.
    fn step(self) -> Statement {
        let names: Vec<&str> = self.key.iter().map(|(column, _)| *column).collect();
        let bounds = (1..).zip(self.key).map(|(n, (_, kind))| format!("${n}::text::{kind}"));
        let bounds: Vec<String> = bounds.collect();
        let answered: Vec<String> = names.iter().map(|name| format!("{name}::text")).collect();
        let backwards: Vec<String> = names.iter().map(|name| format!("{name} DESC")).collect();
        let limit = self.key.len().saturating_add(1);
        let sql = format!(
            "WITH chosen AS MATERIALIZED (SELECT * FROM {table} WHERE ({names}) > ({bounds}) ORDER BY {names} \
             LIMIT ${limit}), \
             put AS (INSERT INTO patron_copy_of_{table} SELECT * FROM chosen ON CONFLICT DO NOTHING) \
             SELECT {answered} FROM chosen ORDER BY {backwards} LIMIT 1",
            table = self.name,
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

    /// Whether the table and its copy hold the same rows.
    fn comparison(self) -> Statement {
        let sum = |table: &str| {
            format!(
                "(SELECT count(*) || ' ' || coalesce(sum(hashtextextended(r::text, 0)::numeric), 0) \
                 FROM {table} AS r)"
            )
        };
        let sql = format!("SELECT {} = {}", sum(self.name), sum(&self.copy_name()));
        Statement { sql: sql.into(), kinds: Vec::new().into() }
    }
}

/// A table and its copy, if there is one, as long as nobody changes what they are.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    /// PostgreSQL's own number of the copy. 0: there is none.
    copy: i64,
    shape: String,
    /// What would be lost with the table.
    in_the_way: Option<String>,
}

async fn look(connection: &Connection, table: Table) -> Result<Look, Failed> {
    let name = table.copy_name();
    let rows = connection.query(&LOOK, &[Value::Text(table.name), Value::Text(&name)]).await?;
    let found = one(&rows, |row| {
        let mut columns = Columns::of(row, "(server)");
        Ok(Look {
            copy: columns.take_number("copy")?,
            shape: columns.take("shape")?,
            in_the_way: columns.take("in the way")?,
        })
    })?;
    Ok(found.unwrap_or_else(|| Look { copy: 0, shape: String::new(), in_the_way: None }))
}

/// Takes away the copy of a table that nobody finishes, if there is one; nobody gets at the table meanwhile.
pub(super) async fn drop_copy(connection: &Connection, table: Table) -> Result<(), Failed> {
    if look(connection, table).await?.copy != 0 {
        connection.run(&table.drop_sql()).await?;
    }
    Ok(())
}

/// Begins a copy: from here on it gets whatever is written.
async fn begin(connection: &Connection, table: Table) -> Result<Look, Failed> {
    connection.query(&NO_MIGRATION, &[Value::Whole(migrations::LOCK_NUMBER)]).await?;
    connection.run(&table.begin_sql()).await?;
    let begun = look(connection, table).await?;
    match begun.in_the_way {
        None => Ok(begun),
        Some(what) => {
            Err(StoreError::from(NotAnswering::NotCopied { table: table.name, what }).into())
        }
    }
}

/// Copies some rows behind a key; the key of the last of them.
async fn copy_rows(
    connection: &Connection,
    step: &Statement,
    after: &[String],
    rows: i64,
) -> Result<Option<Vec<String>>, Failed> {
    connection.run(&format!("SET LOCAL lock_timeout = {STEP_LOCK_MS}")).await?;
    connection.query(&LOCK_OUT_DELETION, &[Value::Whole(COPY_LOCK)]).await?;
    let mut values: Vec<Value<'_>> = after.iter().map(|part| Value::Text(part)).collect();
    values.push(Value::Whole(rows));
    one(&connection.query_afresh(step, &values).await?, |row| {
        let mut columns = Columns::of(row, "(copied)");
        after.iter().map(|_| columns.take("key")).collect()
    })
}

/// Whether the copy holds what the table holds, looked at in one moment.
async fn is_same(connection: &Connection, table: Table) -> Result<bool, Failed> {
    // All rows are read, and it takes as long as it takes.
    connection.run("SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on").await?;
    let rows = connection.query_afresh(&table.comparison(), &[]).await?;
    let is_same = one(&rows, |row| Columns::of(row, "(copied)").take("is_same"))?;
    Ok(is_same.unwrap_or(false))
}

/// Puts the copy in the table's place, unless somebody has changed what they are.
async fn swap(connection: &Connection, table: Table, begun: &Look) -> Result<bool, Failed> {
    let lock = format!(
        "SET LOCAL lock_timeout = {SWAP_LOCK_MS}; LOCK TABLE {0}, patron_copy_of_{0} IN ACCESS EXCLUSIVE MODE",
        table.name
    );
    connection.run(&lock).await?;
    if look(connection, table).await? != *begun {
        return Ok(false);
    }
    connection.run(&table.swap_sql()).await?;
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

impl Inner {
    /// Has a copy take the table's place.
    pub(super) async fn copy(&self, table: Table) -> Result<Copied, Failed> {
        let begun = self.database.write_once(|held| async move { begin(&held, table).await });
        let begun = match begun.await {
            Ok(begun) => begun,
            Err(failed) if failed.is_locked_out() => return Ok(Copied::HeldUp),
            Err(failed) => return Err(failed),
        };
        let copied = self.finish(table, &begun).await;
        if let Ok(Copied::Done) = copied {
            return copied;
        }
        let number = begun.copy;
        let dropped = self.database.write(|held| async move {
            let is_ours = look(&held, table).await?.copy == number;
            if is_ours {
                held.run(&table.drop_sql()).await?;
            }
            Ok(is_ours)
        });
        match dropped.await {
            // Whoever took it away, to migrate or to begin again, is why it could not be finished.
            Ok(false) => Ok(Copied::HeldUp),
            // One that could not be taken away now will be by the next purge.
            Ok(true) | Err(_) => copied,
        }
    }

    async fn finish(&self, table: Table, begun: &Look) -> Result<Copied, Failed> {
        if self.copy_all_rows(table).await? == Copied::HeldUp {
            return Ok(Copied::HeldUp);
        }
        let Some(ends) = self.ends().await? else {
            return Ok(Copied::HeldUp);
        };
        // The planner knows nothing of the copy yet, and which of its pages everybody sees.
        if !self.vacuum(&table.copy_name(), "ANALYZE").await? {
            return Ok(Copied::HeldUp);
        }
        let is_same = self
            .database
            .patient()
            .write_once(|held| async move { is_same(&held, table).await })
            .await?;
        if !is_same {
            return Err(StoreError::from(NotAnswering::CopyDiffers { table: table.name }).into());
        }
        let began = self.clock.elapsed();
        while self.clock.elapsed().saturating_sub(began) < SWAP_WITHIN {
            // Who still reads what was there before all was copied would not find it in the copy.
            if self.is_out_of_sight(&ends, Duration::ZERO).await? {
                let swapped = self
                    .database
                    .write_once(|held| async move { swap(&held, table, begun).await })
                    .await;
                match swapped {
                    Ok(true) => return Ok(Copied::Done),
                    Ok(false) => return Ok(Copied::HeldUp),
                    Err(failed) if failed.waited_too_long() || failed.is_passing() => {}
                    Err(failed) => return Err(failed),
                }
            }
            sleep(SWAP_AGAIN_AFTER).await;
        }
        Ok(Copied::HeldUp)
    }

    /// Copies what was there when the copy began, as far as it is still there. Others have their turn for as long as
    /// each step took.
    async fn copy_all_rows(&self, table: Table) -> Result<Copied, Failed> {
        let step = &table.step();
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
