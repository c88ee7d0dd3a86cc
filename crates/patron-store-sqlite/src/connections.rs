//! Opening connections: the writer's one, and the readers', which callers borrow.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
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
    idle: Mutex<Vec<Reader>>,
}

/// A connection that reads.
struct Reader {
    connection: Connection,
    /// Set while its transaction is open: what that shows is what the file said after this group, and
    /// says until another is begun.
    snapshot: Option<GroupNumber>,
}

impl Readers {
    pub(crate) const fn new(file: PathBuf) -> Self {
        Self { file, idle: Mutex::new(Vec::new()) }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
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
        let idle = self.idle().pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => Reader::open(&self.file).map_err(from_sqlite)?,
        };
        let quiet = groups.quiet();
        reader.look_again_unless_at(quiet).map_err(from_sqlite)?;
        let found = read(&reader.connection);
        // After trouble with the file the connection is closed, and the next read opens a new one. A row
        // that is no good says nothing about the connection.
        if matches!(found, Err(StoreError::Unavailable(_))) {
            return found;
        }
        let mut idle = self.idle();
        if idle.len() >= IDLE_MAX {
            return found;
        }
        // Under the lock: a group that begins now makes idle readers let go after this.
        let may_stay = quiet.is_some() && groups.quiet() == quiet;
        // A reader that cannot let go is closed.
        if may_stay || reader.let_go().is_ok() {
            idle.push(reader);
        }
        drop(idle);
        found
    }

    /// Idle readers let go of their snapshots: those will be out of date, and hold up the log.
    pub(crate) fn let_go(&self) {
        // One that cannot is closed.
        self.idle().retain_mut(|reader| reader.let_go().is_ok());
    }

    /// Closes idle readers.
    pub(crate) fn close(&self) {
        self.idle().clear();
    }

    /// A panic while the lock was held cannot leave the list half-written.
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    fn open(file: &Path) -> rusqlite::Result<Self> {
        Ok(Self { connection: open_reader(file)?, snapshot: None })
    }

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
