//! Purging: making the bytes of what was erased go from the tables' files.
//!
//! A row that is deleted stays in its page until nobody can see it any more, and its bytes stay until the place is
//! written over, which PostgreSQL does when it needs the place and not before. So tables that are small are written
//! anew, during which nobody else gets at them; tables that are large are vacuumed, and the room that keys have left
//! in theirs is written over, after which nothing opens what may be left in the others.

mod overwrite;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patron::clock::MonotonicClock;
use patron::erasure::Purged;
use patron::store::StoreError;
use tokio::time::sleep;

use crate::connections::Connection;
use crate::errors::{Failed, NotAnswering};
use crate::purge::overwrite::overwrite_keys;
use crate::read::one;
use crate::rows::Columns;
use crate::sql::{Kind, Statement, Value};
use crate::transaction::Database;

/// The table without which nothing opens what is in the others.
const KEYS: &str = "customer_key";

/// Every table that an erasure takes something personal from, and the index in whose order it is written anew.
const TABLES: [(&str, &str); 4] = [
    (KEYS, "customer_key_pkey"),
    ("customer", "customer_number"),
    ("history", "history_pkey"),
    ("client_token", "client_token_pkey"),
];

/// How long it is waited for those who may still see what was erased, and the wait between two looks.
const LOOK_FOR_MAX: Duration = Duration::from_secs(1);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// For how many times as long as others had to wait they have their peace afterwards, and for how many times as
/// long as room was written over, which keeps the server busy.
const PEACE: u32 = 60;
const PEACE_FROM_OVERWRITING: u32 = 20;

/// Nobody notices when a table of this size is written anew.
const UNNOTICED_BYTES: u64 = 8 << 20;

/// The first transaction that has not begun.
const END_SQL: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint";

/// A transaction before which all have ended, for everybody to see: no session, no replica and no prepared transaction
/// may still look at what they have deleted. (Whoever vacuums looks at nothing.) It may be earlier than it need be,
/// and never later.
macro_rules! horizon {
    () => {
        "SELECT least(\
             pg_snapshot_xmin(pg_current_snapshot())::text::bigint, \
             pg_snapshot_xmax(pg_current_snapshot())::text::bigint - coalesce((SELECT max(age) FROM (\
                 SELECT age(backend_xmin) AS age FROM pg_stat_activity \
                     WHERE pid <> pg_backend_pid() \
                     AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum) \
                     AND (datid IS NULL OR datid = 0 OR datname = current_database()) \
                 UNION ALL SELECT age(xmin) FROM pg_replication_slots) AS held), 0)) \
         - coalesce(current_setting('vacuum_defer_cleanup_age', true), '0')::bigint"
    };
}

static END: Statement = Statement::new(END_SQL, &[]);

static HORIZON: Statement = Statement::new(horizon!(), &[]);

/// Asks each server of a cluster the same; a server that fails answers nothing.
static ON_WORKERS: Statement = Statement::new(
    "SELECT nodename || ':' || nodeport::text, \
     CASE WHEN success THEN result::bigint END FROM run_command_on_workers($1)",
    &[Kind::Text],
);

static SIZE: Statement =
    Statement::new("SELECT coalesce(pg_total_relation_size(to_regclass($1)), 0)", &[Kind::Text]);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    let mut statements = overwrite::statements();
    statements.extend([&END, &HORIZON, &ON_WORKERS, &SIZE]);
    statements
}

/// Purges. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Purging(Arc<Inner>);

struct Inner {
    /// A connection of its own, with limits of its own: whoever waits behind it waits no longer than for another's
    /// lock.
    database: Database,
    is_cluster: bool,
    clock: Arc<dyn MonotonicClock>,
    /// The size of the largest table that is written anew. It shrinks where that takes too long.
    rewrite_bytes_max: AtomicU64,
    /// Until when nobody is kept waiting again.
    peace_until: Mutex<Duration>,
}

/// The servers that have rows, each with a number of a transaction. The one that is asked has no name.
type Servers = Vec<(String, i64)>;

impl Purging {
    pub(crate) fn new(
        database: Database,
        is_cluster: bool,
        clock: Arc<dyn MonotonicClock>,
        rewrite_bytes_max: u64,
    ) -> Self {
        let rewrite_bytes_max = AtomicU64::new(rewrite_bytes_max);
        Self(Arc::new(Inner {
            database,
            is_cluster,
            clock,
            rewrite_bytes_max,
            peace_until: Mutex::default(),
        }))
    }

    /// Makes the bytes of all that was erased before this call go from the tables.
    pub(crate) async fn purge(&self) -> Result<Purged, Failed> {
        let inner = &*self.0;
        if inner.clock.elapsed() < *inner.peace_until.lock().unwrap_or_else(PoisonError::into_inner)
        {
            return Ok(Purged::HeldUp);
        }
        let Some(ends) = inner.ask_servers(&END, END_SQL).await? else {
            return Ok(Purged::HeldUp);
        };
        if !inner.is_out_of_sight(&ends, LOOK_FOR_MAX).await? {
            return Ok(Purged::HeldUp);
        }
        for (table, index) in TABLES {
            let began = inner.clock.elapsed();
            let (is_clean, peace) = match inner.rewrite_if_small(table, index).await? {
                Rewritten::Done { bytes } if bytes <= UNNOTICED_BYTES => (true, 0),
                Rewritten::Done { bytes: _ } => (true, PEACE),
                Rewritten::TooLarge if table == KEYS => {
                    (inner.clean_keys().await?, PEACE_FROM_OVERWRITING)
                }
                Rewritten::TooLarge => (inner.vacuum(table, "INDEX_CLEANUP ON").await?, 0),
                Rewritten::HeldUp => (false, PEACE),
            };
            inner.earn_peace(began, peace);
            if !is_clean {
                return Ok(Purged::HeldUp);
            }
        }
        // A replica may have come back meanwhile, and look at what was there before it was away.
        let is_gone = inner.is_out_of_sight(&ends, Duration::ZERO).await?;
        Ok(if is_gone { Purged::Done } else { Purged::HeldUp })
    }
}

/// What came of writing a table anew.
enum Rewritten {
    Done {
        bytes: u64,
    },
    TooLarge,
    /// Somebody has the table.
    HeldUp,
}

impl Inner {
    /// A number from each server; `None` when one of them does not answer.
    async fn ask_servers(
        &self,
        statement: &'static Statement,
        sql: &'static str,
    ) -> Result<Option<Servers>, Failed> {
        self.database
            .ask_once(|held| async move {
                let own = one(&held.query(statement, &[]).await?, |row| {
                    Columns::of(row, "(server)").take_number("transaction")
                })?;
                let mut servers = vec![(String::new(), own.ok_or(NO_ROW)?)];
                if self.is_cluster {
                    for row in held.query(&ON_WORKERS, &[Value::Text(sql)]).await? {
                        let mut columns = Columns::of(&row, "(server)");
                        let name = columns.take("name")?;
                        match columns.take_optional_number("transaction")? {
                            Some(number) => servers.push((name, number)),
                            None => return Ok(None),
                        }
                    }
                }
                Ok(Some(servers))
            })
            .await
    }

    /// Whether nobody can see what was deleted before these transactions, now or in a moment.
    async fn is_out_of_sight(&self, ends: &Servers, wait_max: Duration) -> Result<bool, Failed> {
        let began = self.clock.elapsed();
        loop {
            let horizons = self.ask_servers(&HORIZON, horizon!()).await?.unwrap_or_default();
            let is_behind = |(name, end): &(String, i64)| {
                horizons.iter().any(|(of, horizon)| of == name && horizon >= end)
            };
            if ends.iter().all(is_behind) {
                return Ok(true);
            }
            if self.clock.elapsed().saturating_sub(began) >= wait_max {
                return Ok(false);
            }
            sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    /// Writes a table anew, with its indexes, in files of its own; the old ones are gone with the commit.
    async fn rewrite_if_small(
        &self,
        table: &'static str,
        index: &'static str,
    ) -> Result<Rewritten, Failed> {
        // How long others wait on the servers of a cluster nobody there is told.
        if self.is_cluster {
            return Ok(Rewritten::TooLarge);
        }
        let size = self.database.ask_once(|held| async move { size(&held, table).await }).await?;
        if size > self.rewrite_bytes_max.load(Ordering::Relaxed) {
            return Ok(Rewritten::TooLarge);
        }
        // Unlike VACUUM FULL, which does the same, it may stand in a transaction, and so keeps to the limits of ours
        // behind a pooler too. The rows are sorted, not fetched one by one.
        let sql = &format!("SET LOCAL enable_seqscan = on; CLUSTER {table} USING {index}");
        let written = self.database.write_once(|held| async move { held.run(sql).await }).await;
        match written {
            Ok(()) => Ok(Rewritten::Done { bytes: size }),
            Err(failed) if failed.is_locked_out() => Ok(Rewritten::HeldUp),
            Err(failed) if failed.waited_too_long() => {
                self.rewrite_bytes_max.fetch_min(size.saturating_sub(1), Ordering::Relaxed);
                Ok(Rewritten::TooLarge)
            }
            Err(failed) => Err(failed),
        }
    }

    /// Lets others have their peace for a multiple of the time since something began.
    fn earn_peace(&self, began: Duration, multiple: u32) {
        let now = self.clock.elapsed();
        let peace = now.saturating_sub(began).saturating_mul(multiple);
        let mut until = self.peace_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(now).saturating_add(peace);
    }

    /// Makes erased keys go from a table that is too large to be written anew; whether nobody hindered it.
    async fn clean_keys(&self) -> Result<bool, Failed> {
        // It freezes what it leaves, since it waits for whoever is in a page only if that has something to freeze.
        if !self.vacuum(KEYS, "INDEX_CLEANUP ON, FREEZE").await? {
            return Ok(false);
        }
        // On the servers of a cluster it cannot be seen how much room there is.
        if self.is_cluster {
            return Ok(true);
        }
        match overwrite_keys(&self.database).await {
            Ok(()) => self.vacuum(KEYS, "INDEX_CLEANUP ON").await,
            // Another process is at it.
            Err(failed) if failed.is_locked_out() => Ok(false),
            Err(failed) => Err(failed),
        }
    }

    /// Vacuums a table, which hinders nobody; whether nobody hindered it. Without being told it leaves indexes alone
    /// where little has changed.
    async fn vacuum(&self, table: &'static str, options: &str) -> Result<bool, Failed> {
        let sql = &format!("VACUUM ({options}) {table}");
        let vacuumed = self
            .database
            .patient()
            .ask_once(|held| async move {
                let done = held.run_for_long(sql).await;
                // Its limits are not those of the others any more.
                held.spoil();
                done
            })
            .await;
        match vacuumed {
            // It passes over a table that is not its own with no more than a warning.
            Ok(false) => Err(StoreError::from(NotAnswering::NotVacuumed).into()),
            Ok(true) => Ok(true),
            Err(failed) if failed.is_locked_out() => Ok(false),
            Err(failed) => Err(failed),
        }
    }
}

/// A server answers these questions with one row.
const NO_ROW: StoreError = StoreError::Corrupt { table: "(server)", column: "(transaction)" };

/// How large a table is, with its indexes.
async fn size(connection: &Connection, table: &str) -> Result<u64, Failed> {
    let rows = connection.query(&SIZE, &[Value::Text(table)]).await?;
    let size = one(&rows, |row| Columns::of(row, "(server)").take_number("size"))?;
    size.ok_or_else(|| NO_ROW.into())
}
