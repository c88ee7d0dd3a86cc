//! The embedded store: SQLite in one file, one writer with group commit, readers on their callers'
//! threads.
//!
//! A write goes to the writer's thread (`writer.rs`), which commits what waits together and answers
//! after the commit is durable. A read runs at once on the calling thread, on a connection of its
//! own (`connections.rs`): it takes microseconds, and handing it to another thread takes longer.
//! Neither needs an asynchronous runtime.

mod access_log;
mod apply;
mod connections;
mod elsewhere;
mod erase;
mod errors;
mod groups;
mod lock;
mod log_check;
mod manage;
mod migrations;
mod open_error;
mod operators;
mod outbox;
mod page;
mod purge;
mod read;
mod recent;
mod rows;
mod search;
mod second_look;
mod sessions;
mod sql;
mod store;
mod suspects;
mod tokens;
mod views;
mod whole;
mod writer;
mod written;

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use patron::clock::Timestamp;
use patron::store::{StoreError, StoreFuture};
use rusqlite::Connection;

use crate::elsewhere::Elsewhere;
use crate::errors::NotAnswering;
use crate::lock::DirectoryLock;
pub use crate::migrations::Schema;
pub use crate::open_error::OpenError;
use crate::views::Views;
use crate::writer::{Listeners, Writer};

const DATABASE_FILE: &str = "patron.db";

/// How many expired tokens or sessions are deleted in one commit. Each lies on pages of its own, so that a
/// commit of a thousand takes 20 ms, for which every write would wait.
const CLEARED_MAX: u32 = 100;

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
    elsewhere: Elsewhere,
    /// Held by whoever purges.
    purging: tokio::sync::Mutex<()>,
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
        if !purge::is_possible(&connection)? {
            return Err(OpenError::NoPages);
        }
        connections::settle(&connection)?;
        migrations::migrate(&mut connection, now)?;
        lock.remember_database().map_err(OpenError::at(directory))?;
        lock::sync_directory(directory).map_err(OpenError::at(directory))?;
        let listeners = Listeners { on_group, on_fatal };
        let views = Arc::new(Views::new(file, recent_bytes_max));
        views.open_first()?;
        let writer = Writer::start(connection, Arc::clone(&views), listeners);
        Ok(Self {
            views,
            writer: writer.map_err(OpenError::Thread)?,
            elsewhere: Elsewhere::new(),
            purging: tokio::sync::Mutex::new(()),
            _lock: lock,
        })
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

    /// The answer to a question that may take long: found on the calling thread if `brief` has one, and by `long`
    /// elsewhere if it has none.
    async fn answer_somewhere<T: Send + 'static>(
        &self,
        brief: impl FnOnce(&Connection) -> Result<Option<T>, StoreError>,
        long: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.views.read(brief)? {
            Some(answer) => Ok(answer),
            None => self.elsewhere.read(&self.views, long).await,
        }
    }

    /// Deletes what has expired, so much in a commit that others' writes do not wait for long.
    async fn clear_in_parts<C>(
        &self,
        limit: u32,
        has_expired: impl FnOnce(&Connection) -> Result<bool, StoreError>,
        clear: C,
    ) -> Result<u32, StoreError>
    where
        C: Fn(&Connection, u32) -> Result<u32, StoreError> + Copy + Send + 'static,
    {
        // Mostly there is nothing to be done, and then nobody has to wait at all.
        if !self.views.read(has_expired)? {
            return Ok(0);
        }
        let mut cleared: u32 = 0;
        loop {
            let part = limit.saturating_sub(cleared).min(CLEARED_MAX);
            let clear = move |connection: &Connection| clear(connection, part);
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
