//! Purging: making the bytes of what was erased go from the tables' files.
//!
//! A row that is deleted stays in its page until nobody can see it any more, and its bytes stay until the place is
//! written over, which PostgreSQL does when it needs the place and not before. So tables that are small are written
//! anew, during which nobody else gets at them; a table that is large is copied beside, and its copy takes its place.

mod copy;
mod lease;
mod look;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patron::clock::MonotonicClock;
use patron::erasure::Purged;
use patron::store::StoreError;
use tokio::time::sleep;

use crate::connections::Connection;
use crate::errors::{Failed, NotAnswering};
use crate::purge::copy::{Copied, Dropped, drop_one, give_way_to_indexing};
pub(crate) use crate::purge::lease::Leases;
use crate::purge::look::{check, has_copy};
use crate::read::one;
use crate::rows::Columns;
use crate::sql::{Kind, Statement, Value};
use crate::transaction::Database;

/// A table that an erasure takes something personal from.
#[derive(Debug, Clone, Copy)]
struct Table {
    name: &'static str,
    /// The index in whose order it is written anew.
    index: &'static str,
    /// The columns of that index, which tell its rows apart, and their types.
    key: &'static [(&'static str, &'static str)],
}

/// Every table that an erasure takes something personal from.
const TABLES: [Table; 4] = [
    Table {
        name: "customer_key",
        index: "customer_key_pkey",
        key: &[("merchant", "bigint"), ("number", "bigint"), ("generation", "bigint")],
    },
    Table {
        name: "customer",
        index: "customer_number",
        key: &[("merchant", "bigint"), ("number", "bigint")],
    },
    Table {
        name: "history",
        index: "history_pkey",
        key: &[("merchant", "bigint"), ("number", "bigint"), ("version", "bigint")],
    },
    Table {
        name: "client_token",
        index: "client_token_pkey",
        key: &[("merchant", "bigint"), ("hash", "bytea")],
    },
];

/// How long it is waited for those who may still see what was erased, and the wait between two looks.
const LOOK_FOR_MAX: Duration = Duration::from_secs(1);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// For how many times as long as others had to wait they have their peace afterwards, and for how many times as
/// long as a copy took, which keeps the server busy.
const PEACE: u32 = 60;
const PEACE_FROM_COPYING: u32 = 20;

/// For how long others have their peace who have a table of which a copy is to be taken away.
const DROP_AGAIN_AFTER: Duration = Duration::from_secs(30);

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

static FILE: Statement = Statement::new(
    "SELECT coalesce(pg_relation_filenode(to_regclass($1))::bigint, 0)",
    &[Kind::Text],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    let mut statements = copy::statements();
    statements.extend(look::statements());
    statements.extend([&END, &HORIZON, &ON_WORKERS, &SIZE, &FILE]);
    statements
}

/// Purges. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Purging(Arc<Inner>);

struct Inner {
    /// A connection of its own, with limits of its own: whoever waits behind it waits no longer than for another's
    /// lock.
    database: Database,
    /// Only one process purges at a time.
    leases: Leases,
    is_cluster: bool,
    clock: Arc<dyn MonotonicClock>,
    /// The size of the largest table that is written anew. It shrinks where that takes too long.
    rewrite_bytes_max: AtomicU64,
    /// The size of the largest table that is copied.
    copy_bytes_max: u64,
    /// Until when nobody is kept waiting again.
    peace_until: Mutex<Duration>,
    /// The files of the tables when they were last clean. See [`Purging::is_as_purged`].
    clean_files: Mutex<Option<Vec<i64>>>,
    /// Until when it is not tried again to take away a copy that somebody had.
    drop_again: Mutex<Duration>,
}

/// What a store purges with.
pub(crate) struct Parts {
    /// A connection whose limits are those of [`Settings::shutting_out`](crate::Settings).
    pub(crate) database: Database,
    /// Keeps others from purging at the same time.
    pub(crate) leases: Leases,
    /// Whether the database is a Citus cluster's coordinator.
    pub(crate) is_cluster: bool,
    pub(crate) clock: Arc<dyn MonotonicClock>,
    pub(crate) rewrite_bytes_max: u64,
    pub(crate) copy_bytes_max: u64,
}

/// The servers that have rows, each with a number of a transaction. The one that is asked has no name.
type Servers = Vec<(String, i64)>;

/// Whether there are copies of tables, or something of one.
pub(crate) async fn has_copies(connection: &Connection) -> Result<bool, Failed> {
    for table in TABLES {
        if has_copy(connection, table).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes away copies of tables that nobody finishes; whether nobody hindered it.
pub(crate) async fn drop_copies(database: &Database) -> Result<bool, Failed> {
    for table in TABLES {
        match drop_one(database, table, None).await? {
            Dropped::Was | Dropped::WasNot => {}
            Dropped::HeldUp => return Ok(false),
        }
    }
    Ok(true)
}

impl Purging {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { database, leases, is_cluster, clock, rewrite_bytes_max, copy_bytes_max } =
            parts;
        Self(Arc::new(Inner {
            database,
            leases,
            is_cluster,
            clock,
            rewrite_bytes_max: AtomicU64::new(rewrite_bytes_max),
            copy_bytes_max,
            peace_until: Mutex::default(),
            clean_files: Mutex::default(),
            drop_again: Mutex::default(),
        }))
    }

    /// Makes the bytes of all that was erased before this call go from the tables.
    pub(crate) async fn purge(&self) -> Result<Purged, Failed> {
        let inner = &*self.0;
        let Some(lease) = inner.leases.take().await? else {
            return Ok(Purged::HeldUp);
        };
        let purged = inner.purge().await;
        // Other processes leave the server in peace, too.
        lease.give_back(inner.peace()).await;
        purged
    }

    /// Whether the database is still the one that was purged last. A replica that has become the primary may not have
    /// what was done with the tables, of which nobody was told yet: it has other files then.
    pub(crate) async fn is_as_purged(&self, connection: &Connection) -> Result<bool, Failed> {
        let clean = self.0.clean_files.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(match clean {
            None => true,
            Some(clean) => files(connection).await? == clean,
        })
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
    async fn purge(&self) -> Result<Purged, Failed> {
        // A process may have left them behind that ended while it copied. Each write is two until they are gone.
        if !self.is_cluster && !self.drop_left_copies().await? {
            return Ok(Purged::HeldUp);
        }
        if !self.peace().is_zero() {
            return Ok(Purged::HeldUp);
        }
        let Some(ends) = self.ends().await? else {
            return Ok(Purged::HeldUp);
        };
        if !self.is_out_of_sight(&ends, LOOK_FOR_MAX).await? {
            return Ok(Purged::HeldUp);
        }
        self.check_all().await?;
        for table in TABLES {
            if !self.clean(table).await? {
                return Ok(Purged::HeldUp);
            }
        }
        // A replica may have come back meanwhile, and look at what was there before it was away.
        if !self.is_out_of_sight(&ends, Duration::ZERO).await? {
            return Ok(Purged::HeldUp);
        }
        if !self.is_cluster {
            let files = self.database.ask_once(|held| async move { files(&held).await }).await?;
            *self.clean_files.lock().unwrap_or_else(PoisonError::into_inner) = Some(files);
        }
        Ok(Purged::Done)
    }

    async fn drop_left_copies(&self) -> Result<bool, Failed> {
        let again = *self.drop_again.lock().unwrap_or_else(PoisonError::into_inner);
        if self.clock.elapsed() < again {
            return Ok(false);
        }
        let is_clean = drop_copies(&self.database).await?;
        if !is_clean {
            let again = self.clock.elapsed().saturating_add(DROP_AGAIN_AFTER);
            *self.drop_again.lock().unwrap_or_else(PoisonError::into_inner) = again;
        }
        Ok(is_clean)
    }

    /// The error that a table would end in, before the others are seen to in vain.
    async fn check_all(&self) -> Result<(), Failed> {
        for table in TABLES {
            if self.is_cluster || self.size(table).await? <= self.rewrite_bytes_max() {
                continue;
            }
            self.database.ask_once(|held| async move { check(&held, table).await }).await?;
        }
        Ok(())
    }

    fn rewrite_bytes_max(&self) -> u64 {
        self.rewrite_bytes_max.load(Ordering::Relaxed)
    }

    /// How large a table is, with its indexes. The error where that is more than may be copied.
    async fn size(&self, Table { name, .. }: Table) -> Result<u64, Failed> {
        let bytes = self.database.ask_once(|held| async move { size(&held, name).await }).await?;
        if bytes > self.rewrite_bytes_max().max(self.copy_bytes_max) {
            return Err(
                StoreError::from(NotAnswering::TooLargeToCopy { table: name, bytes }).into()
            );
        }
        Ok(bytes)
    }

    /// Makes what was erased go from a table; whether nobody hindered it.
    async fn clean(&self, table: Table) -> Result<bool, Failed> {
        if self.is_cluster {
            // How long others wait on its servers nobody here is told.
            return self.vacuum(table.name, "INDEX_CLEANUP ON").await;
        }
        let began = self.clock.elapsed();
        let (is_clean, peace) = match self.rewrite_if_small(table).await? {
            Rewritten::Done { bytes } if bytes <= UNNOTICED_BYTES => (Ok(true), 0),
            Rewritten::Done { bytes: _ } => (Ok(true), PEACE),
            Rewritten::HeldUp => (Ok(false), PEACE),
            Rewritten::TooLarge => {
                let copied = self.copy(table).await;
                (copied.map(|copied| copied == Copied::Done), PEACE_FROM_COPYING)
            }
        };
        self.earn_peace(began, peace);
        is_clean
    }

    /// The first transaction of each server that has not begun; `None` when one of them does not answer.
    async fn ends(&self) -> Result<Option<Servers>, Failed> {
        self.ask_servers(&END, END_SQL).await
    }

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
    async fn rewrite_if_small(&self, table: Table) -> Result<Rewritten, Failed> {
        let Table { name, index, key: _ } = table;
        let bytes = self.size(table).await?;
        if bytes > self.rewrite_bytes_max() {
            return Ok(Rewritten::TooLarge);
        }
        // Unlike VACUUM FULL, which does the same, it may stand in a transaction, and so keeps to the limits of ours
        // behind a pooler too. The rows are sorted, not fetched one by one.
        // Nobody waits for a replica either, since nobody is told of it.
        let sql = &format!(
            "SET LOCAL enable_seqscan = on; SET LOCAL synchronous_commit = local; \
             CLUSTER {name} USING {index}"
        );
        let written = self.database.write_once(|held| async move {
            give_way_to_indexing(&held).await?;
            held.run(sql).await
        });
        match written.await {
            Ok(()) => Ok(Rewritten::Done { bytes }),
            Err(failed) if failed.is_locked_out() || failed.is_passing() => Ok(Rewritten::HeldUp),
            Err(failed) if failed.waited_too_long() => {
                self.rewrite_bytes_max.fetch_min(bytes.saturating_sub(1), Ordering::Relaxed);
                // It may be too large even to be copied.
                self.size(table).await?;
                Ok(Rewritten::TooLarge)
            }
            Err(failed) => Err(failed),
        }
    }

    /// For how long others have their peace yet.
    fn peace(&self) -> Duration {
        let until = *self.peace_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.saturating_sub(self.clock.elapsed())
    }

    /// Lets others have their peace for a multiple of the time since something began.
    fn earn_peace(&self, began: Duration, multiple: u32) {
        let now = self.clock.elapsed();
        let peace = now.saturating_sub(began).saturating_mul(multiple);
        let mut until = self.peace_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(now).saturating_add(peace);
    }

    /// Vacuums a table, which hinders nobody; whether nobody hindered it. Without being told it leaves indexes alone
    /// where little has changed.
    async fn vacuum(&self, table: &str, options: &str) -> Result<bool, Failed> {
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
            Err(failed) if failed.waited_too_long() => Ok(false),
            Err(failed) => Err(failed),
        }
    }
}

/// A server answers these questions with one row.
const NO_ROW: StoreError = StoreError::Corrupt { table: "(server)", column: "(transaction)" };

/// The names of the tables' files, which are others once a table was written anew or copied.
async fn files(connection: &Connection) -> Result<Vec<i64>, Failed> {
    let mut files = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let rows = connection.query(&FILE, &[Value::Text(table.name)]).await?;
        let file = one(&rows, |row| Columns::of(row, "(server)").take_number("file"))?;
        files.push(file.ok_or(NO_ROW)?);
    }
    Ok(files)
}

/// How large a table is, with its indexes.
async fn size(connection: &Connection, table: &str) -> Result<u64, Failed> {
    let rows = connection.query(&SIZE, &[Value::Text(table)]).await?;
    let size = one(&rows, |row| Columns::of(row, "(server)").take_number("size"))?;
    size.ok_or_else(|| NO_ROW.into())
}
