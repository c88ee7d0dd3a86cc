//! One process owns the data directory: a file in it that stays locked as long as the store is open.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::OpenError;

const LOCK_FILE: &str = "patron.lock";

/// The right to the data directory. The operating system takes it back when the process ends,
/// however it ends, so that a lock is never left over.
pub(crate) struct DirectoryLock {
    file: File,
}

/// What the lock file holds once there was a database beside it.
const HAS_DATABASE: &[u8] = b"patron.db is beside this file\n";

impl DirectoryLock {
    /// Makes the directory, readable by its owner only, unless it is there, and takes the lock.
    pub(crate) fn take(directory: &Path) -> Result<Self, OpenError> {
        make_directory(directory).map_err(OpenError::at(directory))?;
        let path = directory.join(LOCK_FILE);
        let file = open_private(&path).map_err(OpenError::at(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
            Err(TryLockError::Error(error)) => Err(OpenError::at(&path)(error)),
        }
    }

    /// Refuses a directory whose database is gone or empty, where SQLite would begin a new one in which
    /// nobody is found.
    pub(crate) fn refuse_without_database(&self, database: &Path) -> Result<(), OpenError> {
        let had_one = self.file.metadata().is_ok_and(|file| file.len() > 0);
        let has_one = !is_empty(database);
        if had_one && !has_one {
            return Err(OpenError::Gone(database.to_owned()));
        }
        Ok(())
    }

    /// Notes that the directory has a database from now on.
    pub(crate) fn remember_database(&self) -> io::Result<()> {
        if self.file.metadata()?.len() == 0 {
            (&self.file).write_all(HAS_DATABASE)?;
            self.file.sync_all()?;
        }
        Ok(())
    }
}

/// Whether a database is gone or empty. SQLite takes a file of one byte for an empty one, too.
pub(crate) fn is_empty(database: &Path) -> bool {
    database.metadata().map_or(0, |file| file.len()) <= 1
}

fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    directory.parent().map_or(Ok(()), sync_directory)
}

/// Opens a file for reading and writing; a new one can be read by its owner only.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Makes the names of a directory's files durable, as syncing a file does for what is in it.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    // The parent of a relative path of one part is the empty path, which means "here".
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory)?.sync_all()
}
