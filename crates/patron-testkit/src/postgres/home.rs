//! The directory of a server, and what becomes of those whose test was killed.

#![expect(clippy::unwrap_used, reason = "a test without its directory must fail where it notices")]

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use tempfile::TempDir;

use crate::postgres::template::template;

const PREFIX: &str = "patron-postgres-";

/// Memory that every Linux offers as a file system. A cluster is a thousand files, and a disk that others are busy
/// with takes its time to make and remove them: up to a second, instead of a twentieth.
const MEMORY: &str = "/dev/shm";

/// How much of it must be free. A container may have very little.
const MEMORY_MIN: u64 = 1 << 30;

/// A directory that the server's user may use, and we.
#[derive(Debug)]
pub(super) struct Home {
    directory: TempDir,
    parent: PathBuf,
    /// Locked for as long as we live: that is how others know.
    _lock: File,
}

impl Home {
    /// For a server whose data are thrown away: in memory, when there is enough of it.
    pub(super) fn quick() -> Self {
        let is_free = statvfs(MEMORY).is_ok_and(|free| free.f_bavail * free.f_frsize >= MEMORY_MIN);
        if is_free { Self::below(Path::new(MEMORY)) } else { Self::on_disk() }
    }

    /// For a server that syncs.
    #[expect(clippy::disallowed_methods, reason = "servers are put where other files of tests are")]
    pub(super) fn on_disk() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// Where another one is.
    pub(super) fn beside(other: &Self) -> Self {
        Self::below(&other.parent)
    }

    fn below(parent: &Path) -> Self {
        sweep(parent);
        let directory = TempDir::with_prefix_in(PREFIX, parent).unwrap();
        let theirs = fs::metadata(template()).unwrap();
        chown(directory.path(), Some(theirs.uid()), Some(theirs.gid())).unwrap();
        // It is not there for others before it is locked.
        let made = directory.path().join("lock.new");
        let lock = File::create(&made).unwrap();
        lock.lock().unwrap();
        fs::rename(made, directory.path().join("lock")).unwrap();
        Self { directory, parent: parent.to_owned(), _lock: lock }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes the directories whose owner is no more.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).unwrap().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let lock = is_ours.then(|| File::open(entry.path().join("lock")).ok()).flatten();
        if lock.is_some_and(|lock| lock.try_lock().is_ok()) {
            // Somebody else may be at it too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directories_of_the_dead_are_removed_and_no_others() {
        let parent = tempfile::tempdir().unwrap();
        let living = Home::below(parent.path());
        let dead = parent.path().join("patron-postgres-dead");
        let born = parent.path().join("patron-postgres-born");
        let strange = parent.path().join("strange");
        for directory in [&dead, &born, &strange] {
            fs::create_dir(directory).unwrap();
        }
        for directory in [&dead, &strange] {
            fs::write(directory.join("lock"), "").unwrap();
        }
        sweep(parent.path());
        assert!(!dead.exists() && living.path().exists() && born.exists() && strange.exists());
    }
}
