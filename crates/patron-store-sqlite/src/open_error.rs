//! Why a store cannot be opened, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why a store cannot be opened. Each is a sentence for whoever started the program.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process owns the data directory.
    #[error(
        "the data directory {} is in use by another Patron process: stop that one first, or give \
         this one another directory",
        .0.display()
    )]
    InUse(PathBuf),
    /// A newer program has migrated the database.
    #[error(
        "the database was written by a newer version of Patron: start that version, or restore a \
         backup that this one wrote"
    )]
    NewerSchema,
    /// A migration is not what was run here.
    #[error(
        "migration {number} ({name}) of this program is not the one that made the database: start \
         the version of Patron that made it"
    )]
    MigrationChanged {
        /// Its number.
        number: i64,
        /// Its name in this program.
        name: &'static str,
    },
    /// The file is a database of another program.
    #[error(
        "patron.db in the data directory is the database of another program: give Patron a \
         directory of its own"
    )]
    Foreign,
    /// The file is not a database.
    #[error(
        "patron.db in the data directory is not a database: give Patron another directory, or \
         restore a backup"
    )]
    NotADatabase,
    /// The file is damaged, or the disk does not read it: SQLite says the same of both.
    #[error(
        "patron.db in the data directory is damaged, or the disk cannot read it: look at the \
         system's log for errors of the disk, and restore a backup if there are none"
    )]
    Damaged,
    /// The log that a killed process left has a hole, behind which something acknowledged stands.
    #[error(
        "{} was damaged after it was written, and what it holds cannot be read in full: restore a \
         backup; the database without it may be of several moments at once",
        .0.display()
    )]
    DamagedLog(PathBuf),
    /// The log that a killed process left cannot be moved into the database.
    #[error(
        "another program is reading patron.db in the data directory, so that what a killed process \
         left cannot be taken over: end that program first"
    )]
    LogInUse,
    /// There was a database, and there is none.
    #[error(
        "{} was there before and is gone or empty: restore a backup, or give Patron a new directory \
         to begin anew",
        .0.display()
    )]
    Gone(PathBuf),
    /// The directory or a file in it cannot be written to.
    #[error("{} cannot be written to: give the user that runs Patron the right to", .0.display())]
    ReadOnly(PathBuf),
    /// The file system does not carry SQLite's write-ahead log.
    #[error(
        "the file system of the data directory cannot hold a write-ahead log: use a local one, not \
         a network share"
    )]
    NoWriteAheadLog,
    /// SQLite does not show its pages.
    #[error(
        "this program was built without SQLite's table of pages, so that it could not purge what is \
         erased: build it in the directory of its sources, where .cargo/config.toml says how"
    )]
    NoPages,
    /// The operating system does not open a file.
    #[error("{} cannot be opened ({}): check the path and the disk", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// The operating system does not start the writer's thread.
    #[error("the writer's thread cannot be started ({0}): check the limits of the system")]
    Thread(io::Error),
    /// SQLite answers something else.
    #[error("the database cannot be opened ({0}): check the disk and its free space")]
    Database(rusqlite::Error),
}

impl OpenError {
    /// What an error of the operating system means for `path`.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |error| {
            let is_forbidden = matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            );
            let path = path.to_owned();
            if is_forbidden { Self::ReadOnly(path) } else { Self::Io(path, error) }
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged,
            Some(_) | None => Self::Database(error),
        }
    }
}
