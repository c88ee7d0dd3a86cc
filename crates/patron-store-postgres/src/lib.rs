//! The store for many processes: PostgreSQL, or Citus where one PostgreSQL is not enough.
//!
//! Everything that speaks to the database lives on the store's own thread (`runtime.rs`), where what was begun is
//! finished whether its caller waits or not. Lookups and changes that wait together share statements and commits
//! (`gathering.rs`, `reads.rs`, `writer.rs`, `apply.rs`); one that comes alone is done at once. What is remembered
//! of merchants and keys holds for a second without the database (`epoch.rs`).

mod apply;
mod citus;
mod confirm;
mod connections;
mod epoch;
mod errors;
mod gate;
mod gathering;
mod integrity;
mod jobs;
mod manage;
mod migrations;
mod open_error;
mod opening;
mod outbox;
pub mod plain;
mod read;
mod reads;
mod replica;
mod rows;
mod runtime;
mod settings;
mod sql;
mod statements;
mod tls;
mod tokens;
mod transaction;
mod whole;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use patron::api_key::ApiKey;
use patron::change::Change;
use patron::clock::{MonotonicClock, Timestamp};
use patron::entropy::Entropy;
use patron::history::SealedEntry;
use patron::ids::{CustomerNumber, KeyNumber, MerchantId, MerchantNumber, ProcessId};
use patron::installation::Installation;
use patron::keys::{KeyOwner, WrappedKey};
use patron::merchant::Merchant;
use patron::seal::SealedCustomer;
use patron::store::{
    Counter, Job, ListedKey, ManagementChange, SealedList, Store, StoreError, StoreFuture,
    UniqueKey, WholeCustomer,
};
use patron::token::TokenRecord;

use crate::confirm::Confirmations;
use crate::epoch::Epochs;
use crate::errors::{Doubt, Failed, NotAnswering};
pub use crate::open_error::OpenError;
use crate::opening::{connect, on, prepare};
use crate::reads::Reads;
use crate::replica::Replica;
use crate::runtime::Runtime;
use crate::settings::Limits;
pub use crate::settings::{Pooler, Settings};
pub use crate::statements::{StatementText, statements, tables};
use crate::transaction::Database;
use crate::writer::{Parts, Writer};

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
        let lanes_max = usize::try_from(others / 3).unwrap_or(1).clamp(1, LANES_MAX);
        let epochs = Epochs::new(aside, Arc::clone(&clock));
        let opening = prepare(database.clone(), now, replica.is_some());
        let sharing = on(&runtime, Box::pin(opening)).await?;
        let confirming = Arc::clone(&clock);
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
        Ok(Self { database, reads, writer, epochs, confirmations, replica, runtime })
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

/// Answers a question: `$held` is the connection, and `$($kept)*` is what the question owns.
macro_rules! ask {
    ($store:expr, |$held:ident| $question:expr) => {{
        let database = $store.database.clone();
        $store.runtime.run(async move { database.ask(|$held| async move { $question }).await })
    }};
}

/// Writes in a transaction.
macro_rules! write {
    ($store:expr, $kept:ident, |$held:ident| $work:expr) => {{
        let database = $store.database.clone();
        $store.runtime.run(async move {
            let $kept = &$kept;
            Ok(database.write(|$held| async move { $work }).await?)
        })
    }};
}

/// Writes in a transaction what may be written twice.
macro_rules! write_again {
    ($store:expr, $kept:ident, |$held:ident| $work:expr) => {{
        let database = $store.database.clone();
        $store.runtime.run(async move {
            let $kept = &$kept;
            Ok(database.write_again(|$held| async move { $work }).await?)
        })
    }};
}

impl Store for PostgresStore {
    fn find_installation(&self) -> StoreFuture<'_, Option<Installation>> {
        ask!(self, |held| read::find_installation(&held).await)
    }

    fn found(&self, installation: Installation, keys: Vec<WrappedKey>) -> StoreFuture<'_, ()> {
        write!(self, keys, |held| manage::found(&held, &installation, keys).await)
    }

    fn apply(&self, changes: Vec<Change>) -> StoreFuture<'_, Vec<Result<(), StoreError>>> {
        // All wait before the first is answered, so that they share commits.
        let runtime = self.runtime.handle();
        let waiting: Vec<_> =
            changes.into_iter().map(|change| self.writer.enqueue(runtime, change)).collect();
        let answers = async move {
            let mut answers = Vec::with_capacity(waiting.len());
            for answer in waiting {
                answers.push(answer.await.unwrap_or_else(|_| Err(reads::dropped())));
            }
            Ok(answers)
        };
        self.runtime.in_time(answers, NotAnswering::Unknown(Doubt::TimedOut))
    }

    fn find_customer(
        &self,
        merchant: MerchantNumber,
        key: UniqueKey,
    ) -> StoreFuture<'_, Option<Arc<SealedCustomer>>> {
        let answer = self.reads.find(self.runtime.handle(), merchant, key);
        let answer = async move { answer.await.unwrap_or_else(|_| Err(reads::dropped())) };
        self.runtime.in_time(answer, NotAnswering::TimedOut)
    }

    fn list_customers(
        &self,
        merchant: MerchantNumber,
        offset: u32,
        limit: u32,
    ) -> StoreFuture<'_, SealedList> {
        let (database, replica) = (self.database.clone(), self.replica.clone());
        self.runtime.run(async move {
            if let Some(replica) = replica
                && let Some(list) = replica.list_customers(merchant, (offset, limit)).await
            {
                return Ok(list);
            }
            let list = |held| async move { list_in(held, merchant, (offset, limit)).await };
            database.ask_snapshot(list).await
        })
    }

    fn list_history(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, Vec<SealedEntry>> {
        ask!(self, |held| read::list_history(&held, merchant, customer).await)
    }

    fn list_kept_customers(
        &self,
        merchant: MerchantNumber,
        after: i64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<CustomerNumber>> {
        ask!(self, |held| whole::list_customers(&held, merchant, after, limit).await)
    }

    fn find_whole_customer(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, WholeCustomer> {
        let database = self.database.clone();
        self.runtime.run(async move {
            let find = |held: transaction::Held| async move {
                whole::find_customer(&held, merchant, customer).await
            };
            database.ask_snapshot(find).await
        })
    }

    fn issue_token(&self, token: TokenRecord) -> StoreFuture<'_, ()> {
        write!(self, token, |held| tokens::issue(&held, token).await)
    }

    fn spend_token(
        &self,
        merchant: MerchantNumber,
        hash: [u8; 32],
        now: Timestamp,
    ) -> StoreFuture<'_, Option<CustomerNumber>> {
        write!(self, hash, |held| tokens::spend(&held, merchant, hash, now).await)
    }

    fn clear_expired_tokens(
        &self,
        merchant: MerchantNumber,
        now: Timestamp,
        limit: u32,
    ) -> StoreFuture<'_, u32> {
        write_again!(self, now, |held| tokens::clear(&held, merchant, *now, limit).await)
    }

    fn claim_job(&self, job: Job, holder: ProcessId, lease: Duration) -> StoreFuture<'_, bool> {
        write_again!(self, holder, |held| jobs::claim(&held, job, *holder, lease).await)
    }

    fn lease_numbers(&self, counter: Counter, count: u32) -> StoreFuture<'_, i64> {
        write_again!(self, counter, |held| manage::lease(&held, *counter, count).await)
    }

    fn manage(&self, change: ManagementChange) -> StoreFuture<'_, ()> {
        let (database, epochs) = (self.database.clone(), self.epochs.clone());
        let work = async move {
            let asked = epochs.now();
            let epoch = manage::apply(&database, &change).await?;
            match epoch {
                Some(epoch) => epochs.note(epoch, asked),
                // It was done before; what that began is to be learned.
                None => drop(epochs.ask().await?),
            }
            Ok(())
        };
        self.runtime.run_or(work, NotAnswering::Unknown(Doubt::TimedOut))
    }

    fn find_merchant(&self, number: MerchantNumber) -> StoreFuture<'_, Option<Merchant>> {
        ask!(self, |held| read::find_merchant(&held, number).await)
    }

    fn find_merchant_by_id<'a>(&'a self, id: &'a MerchantId) -> StoreFuture<'a, Option<Merchant>> {
        let (database, id) = (self.database.clone(), id.clone());
        self.runtime.run(async move {
            let id = &id;
            database.ask(|held| async move { read::find_merchant_by_id(&held, id).await }).await
        })
    }

    fn list_merchants(&self) -> StoreFuture<'_, Vec<Merchant>> {
        ask!(self, |held| read::list_merchants(&held).await)
    }

    fn find_api_key(&self, hash: [u8; 32]) -> StoreFuture<'_, Option<ApiKey>> {
        ask!(self, |held| read::find_api_key(&held, &hash).await)
    }

    fn list_api_keys(&self, merchant: MerchantNumber) -> StoreFuture<'_, Vec<ListedKey>> {
        ask!(self, |held| read::list_api_keys(&held, merchant).await)
    }

    fn record_key_uses(&self, uses: Vec<(KeyNumber, Timestamp)>) -> StoreFuture<'_, ()> {
        write_again!(self, uses, |held| manage::record_key_uses(&held, uses).await)
    }

    fn list_wrapped_keys(&self, owner: KeyOwner) -> StoreFuture<'_, Vec<WrappedKey>> {
        ask!(self, |held| read::list_wrapped_keys(&held, owner).await)
    }

    fn management_epoch(&self) -> Result<u64, StoreError> {
        self.epochs.current()
    }

    fn ask_management_epoch(&self) -> StoreFuture<'_, u64> {
        let epochs = self.epochs.clone();
        self.runtime.run(async move { epochs.ask().await })
    }

    fn confirm(&self) -> StoreFuture<'_, ()> {
        if !self.confirmations.is_due() {
            return Box::pin(std::future::ready(Ok(())));
        }
        let confirmations = self.confirmations.clone();
        self.runtime.run(async move { confirmations.confirm().await })
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        let epochs = self.epochs.clone();
        self.runtime.run(async move { epochs.ask().await.map(drop) })
    }
}

async fn list_in(
    held: transaction::Held,
    merchant: MerchantNumber,
    (offset, limit): (u32, u32),
) -> Result<SealedList, Failed> {
    read::list_customers(&held, merchant, offset, limit).await
}
