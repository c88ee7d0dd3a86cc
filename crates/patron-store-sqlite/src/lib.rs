//! The embedded store: SQLite in one file, one writer with group commit, readers on their callers'
//! threads.
//!
//! A write goes to the writer's thread (`writer.rs`), which commits what waits together and answers
//! after the commit is durable. A read runs at once on the calling thread, on a connection of its
//! own (`connections.rs`): it takes microseconds, and handing it to another thread takes longer.
//! Neither needs an asynchronous runtime.

mod apply;
mod connections;
mod errors;
mod groups;
mod lock;
mod log_check;
mod manage;
mod migrations;
mod open_error;
mod outbox;
mod read;
mod recent;
mod rows;
mod second_look;
mod sql;
mod tokens;
mod views;
mod whole;
mod writer;

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use patron::api_key::ApiKey;
use patron::change::Change;
use patron::clock::Timestamp;
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
use rusqlite::Connection;

use crate::errors::NotAnswering;
use crate::lock::DirectoryLock;
pub use crate::migrations::Schema;
pub use crate::open_error::OpenError;
use crate::views::Views;
use crate::writer::{Listeners, Moves, Writer};

const DATABASE_FILE: &str = "patron.db";

/// Is told how many writes each commit held.
pub type OnGroup = Arc<dyn Fn(usize) + Send + Sync>;

/// Is told, in one sentence, that the outcome of a commit is unknown. Nothing of that commit was
/// acknowledged; when the callback returns, the store refuses every write. It should end the process.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// How a store is opened.
pub struct Options {
    /// The time, for the record of migrations.
    pub now: Timestamp,
    /// About how many bytes of customers that were read lately are kept in memory, still sealed.
    pub recent_bytes_max: u64,
    /// Pages of 4 KiB in the write-ahead log before they are moved into the database file.
    pub log_pages_due: u32,
    /// Called on the writer's thread after each commit.
    pub on_group: OnGroup,
    /// Called on the writer's thread when it cannot go on.
    pub on_fatal: OnFatal,
}

/// A store in a directory of its own.
///
/// Dropping it waits for the writes that it was given, moves everything into the one database file
/// and gives the directory free.
pub struct SqliteStore {
    // Fields are dropped in this order: the lock last.
    views: Arc<Views>,
    writer: Writer,
    _lock: DirectoryLock,
}

impl SqliteStore {
    /// Opens the store in `directory`; both are made when they are not there.
    ///
    /// # Errors
    /// When another process owns the directory, or what lies there cannot be used.
    pub fn open(directory: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_limited(directory, options, None)
    }

    /// As [`SqliteStore::open`], but the database does not grow beyond `pages_max` pages of 4 KiB:
    /// what finds no room is answered as on a full disk.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_limited(
        directory: &Path,
        options: Options,
        pages_max: Option<u32>,
    ) -> Result<Self, OpenError> {
        let Options { now, recent_bytes_max, log_pages_due, on_group, on_fatal } = options;
        let lock = DirectoryLock::take(directory)?;
        let file = Self::database_file(directory);
        lock.refuse_without_database(&file)?;
        log_check::refuse_damaged_log(&file)?;
        // The file is made before SQLite opens it, so that nobody else can ever read it: its log and
        // shared memory take over its mode.
        drop(lock::open_private(&file).map_err(OpenError::at(&file))?);
        let mut connection = connections::open_writer(&file, log_pages_due, pages_max)?;
        connections::settle(&connection)?;
        migrations::migrate(&mut connection, now)?;
        lock.remember_database().map_err(OpenError::at(directory))?;
        lock::sync_directory(directory).map_err(OpenError::at(directory))?;
        let listeners = Listeners { on_group, on_fatal };
        let views = Arc::new(Views::new(file, recent_bytes_max));
        views.open_first()?;
        let writer = Writer::start(connection, Arc::clone(&views), listeners);
        Ok(Self { views, writer: writer.map_err(OpenError::Thread)?, _lock: lock })
    }

    /// How far the schema in `directory` is, found without changing anything.
    ///
    /// # Errors
    /// When what lies there cannot be used, as [`SqliteStore::open`] would find.
    pub fn inspect(directory: &Path) -> Result<Schema, OpenError> {
        let file = Self::database_file(directory);
        // SQLite deletes the log beside an empty file, which may be all that is left of a database.
        if lock::is_empty(&file) {
            return Ok(Schema::None);
        }
        migrations::inspect(&connections::open_reader(&file)?)
    }

    /// Where the database lies, or will lie, in a data directory.
    pub fn database_file(directory: &Path) -> PathBuf {
        directory.join(DATABASE_FILE)
    }

    /// The database file.
    pub fn data_file(&self) -> &Path {
        self.views.file()
    }

    /// What SQLite finds wrong with its file, a line for each; nothing when all is well. Reads the
    /// whole file.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub fn integrity(&self) -> Result<Vec<String>, StoreError> {
        self.views.read(read::integrity)
    }

    /// The answer to a question, found on the calling thread.
    fn answer<'a, T: Send + 'a>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> StoreFuture<'a, T> {
        Box::pin(ready(self.views.read(read)))
    }

    /// Deletes expired tokens, so many in a commit that others' writes do not wait for long.
    async fn clear_in_parts(
        &self,
        merchant: MerchantNumber,
        now: Timestamp,
        limit: u32,
    ) -> Result<u32, StoreError> {
        // Mostly there is nothing to be done, and then nobody has to wait at all.
        if !self.views.read(|connection| tokens::has_expired(connection, merchant, now))? {
            return Ok(0);
        }
        let mut cleared: u32 = 0;
        loop {
            let part = limit.saturating_sub(cleared).min(tokens::CLEARED_MAX);
            let clear = move |connection: &Connection| {
                tokens::clear_expired(connection, merchant, now, part)
            };
            let done = match self.writer.write_unasked(clear).await {
                Ok(done) => done,
                // The parts before it are durable, and the next call meets the error again.
                Err(_) if cleared > 0 => return Ok(cleared),
                Err(error) => return Err(error),
            };
            cleared = cleared.saturating_add(done);
            if done < part || cleared >= limit {
                return Ok(cleared);
            }
        }
    }

    fn refuse_when_stopped(&self) -> Result<(), StoreError> {
        if self.writer.is_stopped() { Err(NotAnswering::WriterStopped.into()) } else { Ok(()) }
    }
}

impl Store for SqliteStore {
    fn find_installation(&self) -> StoreFuture<'_, Option<Installation>> {
        self.answer(read::find_installation)
    }

    fn found(&self, installation: Installation, keys: Vec<WrappedKey>) -> StoreFuture<'_, ()> {
        Box::pin(self.writer.write(Moves::Nothing, move |connection| {
            manage::found(connection, &installation, &keys)
        }))
    }

    fn apply(&self, changes: Vec<Change>) -> StoreFuture<'_, Vec<Result<(), StoreError>>> {
        Box::pin(async move {
            // All wait before the first is answered, so that they share commits.
            let mut waiting = Vec::with_capacity(changes.len());
            for change in changes {
                let customer = &change.parts().customer;
                let moves = Moves::Customer(customer.merchant, customer.number);
                let work = move |connection: &Connection| apply::apply(connection, &change);
                waiting.push(self.writer.enqueue(moves, work).await);
            }
            let mut answers = Vec::with_capacity(waiting.len());
            for answer in waiting {
                answers.push(match answer {
                    Ok(answer) => writer::arrived(answer).await,
                    Err(error) => Err(error),
                });
            }
            Ok(answers)
        })
    }

    fn find_customer(
        &self,
        merchant: MerchantNumber,
        key: UniqueKey,
    ) -> StoreFuture<'_, Option<Arc<SealedCustomer>>> {
        Box::pin(ready(self.views.find_customer(merchant, key)))
    }

    fn list_customers(
        &self,
        merchant: MerchantNumber,
        offset: u32,
        limit: u32,
    ) -> StoreFuture<'_, SealedList> {
        self.answer(|connection| read::list_customers(connection, merchant, offset, limit))
    }

    fn list_history(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, Vec<SealedEntry>> {
        self.answer(|connection| read::list_history(connection, merchant, customer))
    }

    fn list_kept_customers(
        &self,
        merchant: MerchantNumber,
        after: i64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<CustomerNumber>> {
        self.answer(|connection| whole::list_customers(connection, merchant, after, limit))
    }

    fn find_whole_customer(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, WholeCustomer> {
        self.answer(|connection| whole::find_customer(connection, merchant, customer))
    }

    fn issue_token(&self, token: TokenRecord) -> StoreFuture<'_, ()> {
        Box::pin(
            self.writer.write(Moves::Nothing, move |connection| tokens::issue(connection, &token)),
        )
    }

    fn spend_token(
        &self,
        merchant: MerchantNumber,
        hash: [u8; 32],
        now: Timestamp,
    ) -> StoreFuture<'_, Option<CustomerNumber>> {
        Box::pin(self.writer.write(Moves::Nothing, move |connection| {
            tokens::spend(connection, merchant, &hash, now)
        }))
    }

    fn clear_expired_tokens(
        &self,
        merchant: MerchantNumber,
        now: Timestamp,
        limit: u32,
    ) -> StoreFuture<'_, u32> {
        Box::pin(self.clear_in_parts(merchant, now, limit))
    }

    /// One process owns the data, and so every job.
    fn claim_job(&self, _: Job, _: ProcessId, _: Duration) -> StoreFuture<'_, bool> {
        Box::pin(ready(Ok(true)))
    }

    fn lease_numbers(&self, counter: Counter, count: u32) -> StoreFuture<'_, i64> {
        Box::pin(
            self.writer
                .write(Moves::Nothing, move |connection| manage::lease(connection, counter, count)),
        )
    }

    fn manage(&self, change: ManagementChange) -> StoreFuture<'_, ()> {
        Box::pin(
            self.writer.write(Moves::ManagementEpoch, move |connection| {
                manage::manage(connection, &change)
            }),
        )
    }

    fn find_merchant(&self, number: MerchantNumber) -> StoreFuture<'_, Option<Merchant>> {
        self.answer(|connection| read::find_merchant(connection, number))
    }

    fn find_merchant_by_id<'a>(&'a self, id: &'a MerchantId) -> StoreFuture<'a, Option<Merchant>> {
        self.answer(|connection| read::find_merchant_by_id(connection, id))
    }

    fn list_merchants(&self) -> StoreFuture<'_, Vec<Merchant>> {
        self.answer(read::list_merchants)
    }

    fn find_api_key(&self, hash: [u8; 32]) -> StoreFuture<'_, Option<ApiKey>> {
        self.answer(|connection| read::find_api_key(connection, &hash))
    }

    fn list_api_keys(&self, merchant: MerchantNumber) -> StoreFuture<'_, Vec<ListedKey>> {
        self.answer(|connection| read::list_api_keys(connection, merchant))
    }

    fn record_key_uses(&self, uses: Vec<(KeyNumber, Timestamp)>) -> StoreFuture<'_, ()> {
        Box::pin(
            self.writer.write_unasked(move |connection| manage::record_key_uses(connection, &uses)),
        )
    }

    fn list_wrapped_keys(&self, owner: KeyOwner) -> StoreFuture<'_, Vec<WrappedKey>> {
        self.answer(|connection| read::list_wrapped_keys(connection, owner))
    }

    fn management_epoch(&self) -> Result<u64, StoreError> {
        self.refuse_when_stopped()?;
        Ok(self.writer.epoch())
    }

    /// Nobody else writes, so that there is nothing to be behind.
    fn ask_management_epoch(&self) -> StoreFuture<'_, u64> {
        Box::pin(ready(self.management_epoch()))
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        let answer = self.refuse_when_stopped().and_then(|()| self.views.read(read::check));
        Box::pin(ready(answer))
    }
}
