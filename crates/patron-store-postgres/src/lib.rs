//! The store for many processes: PostgreSQL, or Citus where one PostgreSQL is not enough.
//!
//! Everything that speaks to the database lives on the store's own thread (`runtime.rs`), where what was begun is
//! finished whether its caller waits or not. Lookups and changes that wait together share statements and commits
//! (`gathering.rs`, `reads.rs`, `writer.rs`, `apply.rs`); one that comes alone is done at once. What is remembered
//! of merchants and keys holds for a second without the database (`epoch.rs`).

mod access_log;
mod advisory;
mod apply;
mod by_merchant;
mod citus;
mod confirm;
mod connections;
mod epoch;
mod erase;
mod errors;
mod gate;
mod gathering;
mod integrity;
mod jobs;
mod limits;
mod manage;
mod migrations;
mod open_error;
mod opening;
mod operators;
mod outbox;
pub mod plain;
mod purge;
mod read;
mod reads;
mod replica;
mod rows;
mod runtime;
mod search;
mod sessions;
mod settings;
mod sql;
mod statements;
mod store;
mod tls;
mod tokens;
mod transaction;
mod whole;
mod writer;

use std::sync::Arc;

use patron::clock::{MonotonicClock, Timestamp};
use patron::entropy::Entropy;
use patron::store::StoreError;

use crate::confirm::Confirmations;
use crate::epoch::Epochs;
use crate::limits::Limits;
pub use crate::open_error::OpenError;
use crate::opening::{connect, on, prepare};
use crate::purge::{Leases, Purging};
use crate::reads::Reads;
use crate::replica::Replica;
use crate::runtime::Runtime;
pub use crate::settings::{COPY_BYTES_MAX, Pooler, REWRITE_BYTES_MAX, Settings};
pub use crate::statements::{StatementText, statements, tables};
use crate::transaction::Database;
use crate::writer::{Parts, Sharing, Writer};

/// The most lanes that work off lookups, and as many that write: more would make smaller groups.
const LANES_MAX: usize = 4;

/// How often the first question is asked: each host that does not answer costs one.
const FIRST_ANSWER_TRIES: u32 = 5;

/// Is told how many writes each commit held.
pub type OnGroup = Arc<dyn Fn(usize) + Send + Sync>;

/// How a store is opened.
pub struct Options {
    /// The time, for the record of migrations.
    pub now: Timestamp,
    /// Where the database is and how it is used.
    pub settings: Settings,
    /// For the jitter between attempts to connect.
    pub entropy: Arc<dyn Entropy>,
    /// What tells how old that is which is known of the database.
    pub clock: Arc<dyn MonotonicClock>,
    /// Called after each commit.
    pub on_group: OnGroup,
}

/// How far the schema of a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// There is none, or no store was founded on it.
    None,
    /// It is behind the program's. Opening the store brings it up to date.
    Behind,
    /// It is the program's own, or a newer one that this program may still use.
    Current,
}

/// A store in a PostgreSQL database. Any number of them, in any number of processes, may be open at once.
pub struct PostgresStore {
    database: Database,
    reads: Reads,
    writer: Writer,
    epochs: Epochs,
    confirmations: Confirmations,
    replica: Option<Replica>,
    purging: Purging,
    // Last: everything else lives on it.
    runtime: Runtime,
}

impl PostgresStore {
    /// Opens the store and brings the schema up to date.
    ///
    /// # Errors
    /// When the database cannot be reached or used. [`OpenError::may_pass`] says whether trying again later
    /// may help.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let Options { now, settings, entropy, clock, on_group } = options;
        let limits = settings.limits();
        let runtime = Runtime::start(limits.wait_max).map_err(OpenError::Thread)?;
        // One connection is kept for what must not wait for others.
        let connect_time_max = limits.connect_time_max.min(epoch::CONNECT_TIME_MAX);
        let aside = Limits { connections_max: 1, connect_time_max, ..limits };
        let others = limits.connections_max.saturating_sub(1).max(1);
        let limits = Limits { connections_max: others, ..limits };
        let database = connect(settings.primary()?, limits, &entropy)?;
        let aside = connect(settings.primary()?, aside, &entropy)?;
        let replica = match settings.replica()? {
            None => None,
            Some(target) => {
                let replica = connect(target, replica::limits(limits), &entropy)?;
                Some(Replica::new(database.clone(), replica, Arc::clone(&clock)))
            }
        };
        let shutting_out = settings.shutting_out();
        let purging = connect(shutting_out.primary()?, shutting_out.limits(), &entropy)?;
        let lanes_max = usize::try_from(others / 3).unwrap_or(1).clamp(1, LANES_MAX);
        let epochs = Epochs::new(aside, Arc::clone(&clock));
        let opening = prepare(database.clone(), now, replica.is_some());
        let sharing = on(&runtime, Box::pin(opening)).await?;
        let confirming = Arc::clone(&clock);
        let is_cluster = sharing == Sharing::WithinMerchant;
        let purging = Purging::new(purge::Parts {
            database: purging,
            leases: Leases::new(database.clone(), &entropy),
            is_cluster,
            clock: Arc::clone(&clock),
            rewrite_bytes_max: settings.rewrite_bytes_max,
            copy_bytes_max: settings.copy_bytes_max,
        });
        let writer = Writer::new(Parts {
            database: database.clone(),
            lanes_max,
            sharing,
            clock,
            entropy,
            on_group,
        });
        let confirmations = Confirmations::new(database.clone(), epochs.clone(), confirming);
        runtime.handle().spawn(epochs.clone().keep_asking());
        let first = epochs.clone();
        on(&runtime, Box::pin(async move { first.ask_patiently(FIRST_ANSWER_TRIES).await }))
            .await?;
        let reads = Reads::new(database.clone(), lanes_max);
        Ok(Self { database, reads, writer, epochs, confirmations, replica, purging, runtime })
    }

    /// How far the schema is, found without changing anything.
    ///
    /// # Errors
    /// When the database cannot be reached or used.
    pub async fn inspect(
        settings: &Settings,
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Schema, OpenError> {
        let database = connect(settings.primary()?, settings.limits(), entropy)?;
        let runtime = Runtime::start(settings.wait_max).map_err(OpenError::Thread)?;
        on(&runtime, Box::pin(async move { migrations::inspect(&database).await })).await
    }

    /// What answers there, a line for each: the database, and the replica where there is one, each with its
    /// version.
    ///
    /// # Errors
    /// As [`PostgresStore::inspect`].
    pub async fn describe(
        settings: &Settings,
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Vec<String>, OpenError> {
        let limits = settings.limits();
        let mut targets = vec![("the database", connect(settings.primary()?, limits, entropy)?)];
        if let Some(target) = settings.replica()? {
            targets.push(("the replica", connect(target, limits, entropy)?));
        }
        let runtime = Runtime::start(settings.wait_max).map_err(OpenError::Thread)?;
        on(
            &runtime,
            Box::pin(async move {
                let mut lines = Vec::new();
                for (name, database) in targets {
                    let version =
                        database.ask_once(|held| async move { integrity::version(&held).await });
                    lines.push(format!("{name} answers: PostgreSQL {}", version.await?));
                }
                Ok(lines)
            }),
        )
        .await
    }

    /// Brings the schema up to date, and says which migrations were run.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub async fn migrate(
        settings: &Settings,
        entropy: &Arc<dyn Entropy>,
        now: Timestamp,
    ) -> Result<Vec<String>, OpenError> {
        let database = connect(settings.primary()?, settings.limits(), entropy)?;
        let runtime = Runtime::start(settings.wait_max).map_err(OpenError::Thread)?;
        on(&runtime, Box::pin(async move { migrations::migrate(&database, now).await })).await
    }

    /// Spreads the tables over the servers of a Citus cluster, and says what was done. The schema must be up to
    /// date, and nobody should write meanwhile.
    ///
    /// # Errors
    /// As [`PostgresStore::open`], and when the database is no Citus cluster's coordinator.
    pub async fn distribute(
        settings: &Settings,
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Vec<String>, OpenError> {
        let database = connect(settings.primary()?, settings.limits(), entropy)?;
        let runtime = Runtime::start(settings.wait_max).map_err(OpenError::Thread)?;
        on(&runtime, Box::pin(async move { citus::distribute(&database.patient()).await })).await
    }

    /// What is wrong with the database, a line for each; nothing when all is well.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let database = self.database.clone();
        self.runtime.run(async move { integrity::check(&database).await }).await
    }
}
