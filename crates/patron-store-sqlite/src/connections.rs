//! Opening connections: the writer's one, and the readers', which callers borrow.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use patron::store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::OpenError;
use crate::errors::from_sqlite;
use crate::groups::{GroupNumber, Groups};
use crate::migrations::check_origin;

/// Nobody else has the file open but a person with a tool, who gets this long to let go of it.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// More than all statements of this crate, so that each is prepared once a connection.
const STATEMENTS_MAX: usize = 128;

/// Kibibytes of pages that the writer keeps, so that it rarely reads before it writes. (SQLite
/// takes a negative number of pages as kibibytes.)
const WRITER_CACHE: i64 = -64 * 1_024;

/// Kibibytes of pages that each reader keeps.
const READER_CACHE: i64 = -8 * 1_024;

/// Connections that are kept while nobody reads: one for each thread that reads, on all but the
/// largest machines. More are opened when more callers read at once.
const IDLE_MAX: usize = 64;

/// How long a read waits for a reader that another one uses, where no more can be opened. Most reads
/// take microseconds; the longest go through the whole file.
const LOAN_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens the connection that writes. The log is moved into the file whenever it has `log_pages_due`
/// pages; `pages_max` limits the file's size.
pub(crate) fn open_writer(
    file: &Path,
    log_pages_due: u32,
    pages_max: Option<u32>,
) -> Result<Connection, OpenError> {
    let connection =
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE | COMMON_FLAGS)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    check_origin(&connection)?;
    let set = |name: &str, value: &str| connection.pragma_update(None, name, value);
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog);
    }
    // An acknowledged commit survives a power cut.
    set("synchronous", "FULL")?;
    set("foreign_keys", "ON")?;
    // What is deleted is overwritten: a destroyed key must not be found in a free page.
    set("secure_delete", "ON")?;
    connection.pragma_update(None, "wal_autocheckpoint", log_pages_due)?;
    // The log shrinks again after a burst.
    set("journal_size_limit", "67108864")?;
    if let Some(pages) = pages_max {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    prepare(&connection, WRITER_CACHE)?;
    Ok(connection)
}

/// Moves the log that a process left behind into the database, so that nothing is ever added to it. Its
/// sync may have failed, after which Linux takes its pages for written, and a sync of what is added
/// would not write them either. Into the database they are written anew.
pub(crate) fn settle(connection: &Connection) -> Result<(), OpenError> {
    let is_busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy { Err(OpenError::LogInUse) } else { Ok(()) }
}

/// A connection has one user at a time, so SQLite's own lock around it is not needed.
const COMMON_FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX;

pub(crate) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | COMMON_FLAGS;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    prepare(&connection, READER_CACHE)?;
    Ok(connection)
}

/// What both kinds have in common.
fn prepare(connection: &Connection, cache: i64) -> rusqlite::Result<()> {
    // A schema that somebody tampered with cannot call functions with side effects.
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    // What makes no sense on a page shows when it is read, before anything is found or missed there.
    connection.pragma_update(None, "cell_size_check", "ON")?;
    // Nothing is spilled into temporary files beside the data directory.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", cache)?;
    // A statement's plan never depends on the values that are bound to it. Without this, SQLite
    // compiles each statement that may use a partial index again for every new value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(())
}

/// Connections that read, on whichever thread asks.
pub(crate) struct Readers {
    file: PathBuf,
    pool: Mutex<Pool>,
    /// Told when a reader was given back or closed, if somebody waits for that.
    has_changed: Condvar,
    /// Each reader that is open has a copy, so that those are counted whatever becomes of them.
    open: Arc<()>,
}

/// What nobody uses, and who would use it.
struct Pool {
    idle: Vec<Reader>,
    /// Reads that can open no reader and wait for one that is lent.
    waiting: usize,
}

/// A connection that reads.
struct Reader {
    connection: Connection,
    /// Set while its transaction is open: what that shows is what the file said after this group, and
    /// says until another is begun.
    snapshot: Option<GroupNumber>,
    _open: Arc<()>,
}

impl Readers {
    pub(crate) fn new(file: PathBuf) -> Self {
        let pool = Pool { idle: Vec::new(), waiting: 0 };
        Self { file, pool: Mutex::new(pool), has_changed: Condvar::new(), open: Arc::new(()) }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Opens the first reader, so that reading does not depend on files that can be opened later.
    pub(crate) fn open_first(&self) -> rusqlite::Result<()> {
        let first = self.open_another()?;
        self.pool().idle.push(first);
        Ok(())
    }

    /// Reads in one moment, with a connection that nobody else uses. Every read sees all that was
    /// committed before it began.
    ///
    /// Taking a snapshot and letting go of it costs as much as finding a customer, so a reader keeps
    /// its snapshot for the next read while nothing is written.
    pub(crate) fn read<T>(
        &self,
        groups: &Groups,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut reader = self.lend().map_err(from_sqlite)?;
        let quiet = groups.quiet();
        let looked = reader.look_again_unless_at(quiet).map_err(from_sqlite);
        let found = looked.and_then(|()| read(&reader.connection));
        // After trouble with the file the connection is closed, and the next read opens a new one. A row
        // that is no good says nothing about the connection.
        if matches!(found, Err(StoreError::Unavailable(_))) {
            self.close_one(reader);
        } else {
            self.take_back(reader, groups, quiet);
        }
        found
    }

    /// Idle readers let go of their snapshots: those will be out of date, and hold up the log.
    pub(crate) fn let_go(&self) {
        let mut pool = self.pool();
        // One that cannot is closed.
        pool.idle.retain_mut(|reader| reader.let_go().is_ok());
        self.tell_who_waits(&pool);
    }

    /// Closes idle readers.
    pub(crate) fn close(&self) {
        self.pool().idle.clear();
    }

    /// A reader that nobody else uses: an idle one, a new one, or one that somebody is about to give
    /// back. A disk or a system that lets nothing be opened slows reads down and refuses none, as long
    /// as one reader is open.
    fn lend(&self) -> rusqlite::Result<Reader> {
        let idle = self.pool().idle.pop();
        match idle {
            Some(reader) => Ok(reader),
            None => self.open_another().or_else(|error| self.wait_for_another().ok_or(error)),
        }
    }

    fn open_another(&self) -> rusqlite::Result<Reader> {
        let connection = open_reader(&self.file)?;
        Ok(Reader { connection, snapshot: None, _open: Arc::clone(&self.open) })
    }

    /// Waits until a reader is idle, unless there is none to wait for.
    fn wait_for_another(&self) -> Option<Reader> {
        let mut pool = self.pool();
        pool.waiting = pool.waiting.saturating_add(1);
        let has_none = |pool: &mut Pool| pool.idle.is_empty() && self.has_any();
        let waited = self.has_changed.wait_timeout_while(pool, LOAN_TIMEOUT, has_none);
        let (mut pool, _) = waited.unwrap_or_else(PoisonError::into_inner);
        pool.waiting = pool.waiting.saturating_sub(1);
        pool.idle.pop()
    }

    /// Whether any reader is open, idle or lent.
    fn has_any(&self) -> bool {
        Arc::strong_count(&self.open) > 1
    }

    fn take_back(&self, mut reader: Reader, groups: &Groups, quiet: Option<GroupNumber>) {
        let mut pool = self.pool();
        if pool.idle.len() >= IDLE_MAX {
            // Nobody waits while so many are idle.
            return;
        }
        // Under the lock: a group that begins now makes idle readers let go after this.
        let may_stay = quiet.is_some() && groups.quiet() == quiet;
        // A reader that cannot let go is closed.
        if may_stay || reader.let_go().is_ok() {
            pool.idle.push(reader);
        } else {
            drop(reader);
        }
        self.tell_who_waits(&pool);
    }

    fn close_one(&self, reader: Reader) {
        drop(reader);
        self.tell_who_waits(&self.pool());
    }

    /// Under the lock, so that whoever is about to wait has not looked yet, or waits.
    fn tell_who_waits(&self, pool: &MutexGuard<'_, Pool>) {
        if pool.waiting > 0 {
            self.has_changed.notify_all();
        }
    }

    /// A panic while the lock was held cannot leave the list half-written.
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Makes sure that a transaction is open which shows what the file says now; `quiet` is the last
    /// group, if none has been begun since.
    fn look_again_unless_at(&mut self, quiet: Option<GroupNumber>) -> rusqlite::Result<()> {
        if self.snapshot.is_some() && self.snapshot == quiet {
            return Ok(());
        }
        self.let_go()?;
        self.connection.prepare_cached("BEGIN")?.execute([])?;
        self.snapshot = Some(quiet.unwrap_or(GroupNumber::NONE));
        Ok(())
    }

    fn let_go(&mut self) -> rusqlite::Result<()> {
        if self.snapshot.take().is_some() {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
