//! Which pages were written: what the index of the log says, read after each commit.
//!
//! SQLite keeps beside its log, in shared memory, which page each of its frames is of. The form of that file:
//! <https://www.sqlite.org/walformat.html#the_wal_index_file_format>.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The version that the form of the file has had from the beginning.
const VERSION: u32 = 3_007_000;

/// The file comes in blocks of this length.
const BLOCK: u64 = 32_768;

/// How many frames each block tells of, and how many less the first one, which begins with a header.
const FRAMES: u64 = 4_096;
const FRAMES_LESS: u64 = 34;

/// How long the number of a page is.
const NUMBER: u64 = 4;

/// The log of the connection that writes, as far as it was looked at.
pub(crate) struct Written {
    path: PathBuf,
    /// Open from the first commit on, and for as long as any connection of this process is: SQLite has its locks
    /// on this file, and the system takes all of a process's locks on a file away when it closes it, through
    /// whichever handle.
    file: Option<File>,
    /// What tells this log from the one before it, which began at the same place.
    generation: [u8; 8],
    /// How many of its frames were looked at.
    frames: u64,
}

impl Written {
    /// Of the log beside this database.
    pub(crate) fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-shm");
        Self { path: path.into(), file: None, generation: [0; 8], frames: 0 }
    }

    /// The pages that were written by commits since the last call, some of them twice. The connection that writes
    /// does not at the moment.
    ///
    /// # Errors
    /// When it cannot be read. Then it is not known which.
    pub(crate) fn read(&mut self) -> io::Result<Vec<u32>> {
        let pages = self.read_on();
        if pages.is_err() {
            self.frames = 0;
        }
        pages
    }

    fn read_on(&mut self) -> io::Result<Vec<u32>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&self.path)?,
        };
        let file = self.file.insert(file);
        let mut header = [0; 40];
        file.read_exact_at(&mut header, 0)?;
        let [version, _, _, _, frames, _, _, _, generation @ ..] = header.as_chunks::<4>().0 else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if u32::from_ne_bytes(*version) != VERSION {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let frames = u32::from_ne_bytes(*frames).into();
        if *generation.as_flattened() != self.generation || frames < self.frames {
            self.generation = generation.as_flattened().try_into().map_err(io::Error::other)?;
            self.frames = 0;
        }
        let mut pages = Vec::new();
        while self.frames < frames {
            // As if the first block had those that stand in the way of its header.
            let place = self.frames.saturating_add(FRAMES_LESS);
            let in_block = place % FRAMES;
            let count = frames.saturating_sub(self.frames).min(FRAMES.saturating_sub(in_block));
            let length = usize::try_from(count.saturating_mul(NUMBER)).map_err(io::Error::other)?;
            let mut numbers = vec![0; length];
            file.read_exact_at(&mut numbers, place / FRAMES * BLOCK + in_block * NUMBER)?;
            pages.extend(numbers.as_chunks::<4>().0.iter().map(|page| u32::from_ne_bytes(*page)));
            self.frames = self.frames.saturating_add(count);
        }
        Ok(pages)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rusqlite::Connection;

    use super::*;

    /// The pages that the file holds in other bytes than before, once the log is moved into it.
    struct Watched {
        _directory: tempfile::TempDir,
        path: PathBuf,
        connection: Connection,
        written: Written,
        pages: Vec<Vec<u8>>,
    }

    impl Watched {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("watched.db");
            let connection = Connection::open(&path).unwrap();
            let start = "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0;
                CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB);";
            connection.execute_batch(start).unwrap();
            let mut watched = Self {
                written: Written::beside(&path),
                _directory: directory,
                path,
                connection,
                pages: Vec::new(),
            };
            watched.read();
            watched.changed();
            watched
        }

        fn run(&self, sql: &str) {
            self.connection.execute_batch(sql).unwrap();
        }

        fn read(&mut self) -> Vec<u32> {
            self.written.read().unwrap()
        }

        /// Numbers of pages that have changed since the last call.
        fn changed(&mut self) -> BTreeSet<u32> {
            let mut reader = Connection::open(&self.path).unwrap();
            let transaction = reader.transaction().unwrap();
            let mut statement =
                transaction.prepare("SELECT data FROM sqlite_dbpage ORDER BY pgno").unwrap();
            let pages = statement.query_map([], |row| row.get(0)).unwrap();
            let pages = pages.collect::<Result<Vec<Vec<u8>>, _>>().unwrap();
            let before = std::mem::replace(&mut self.pages, pages);
            let is_changed = |place: &usize| before.get(*place) != self.pages.get(*place);
            let changed = (0..self.pages.len()).filter(is_changed);
            changed.map(|place| u32::try_from(place + 1).unwrap()).collect()
        }

        fn check(&mut self) {
            let written: BTreeSet<_> = self.read().into_iter().collect();
            let changed = self.changed();
            assert!(changed.is_subset(&written), "{changed:?} beyond {written:?}");
            assert_eq!(self.read(), [0; 0]);
        }
    }

    const GROW: &str =
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300)
        INSERT INTO t (b) SELECT randomblob(500) FROM n;";

    #[test]
    fn every_page_that_a_commit_changed_is_named() {
        let mut watched = Watched::new();
        watched.run(GROW);
        watched.check();
        for round in 0..40 {
            watched.run(&format!("UPDATE t SET b = randomblob(500) WHERE n % 41 = {round}"));
            watched.check();
            match round % 8 {
                // The log begins anew, over the old one or in an empty file.
                3 => watched.run("PRAGMA wal_checkpoint(RESTART)"),
                6 => watched.run("PRAGMA wal_checkpoint(TRUNCATE)"),
                _ => {}
            }
            watched.check();
        }
    }

    /// More frames than the first blocks of the index tell of.
    #[test]
    fn a_long_log_is_read_to_its_end() {
        let mut watched = Watched::new();
        for _ in 0..12 {
            for _ in 0..20 {
                watched.run(GROW);
            }
            watched.check();
        }
        assert!(watched.written.frames > 2 * FRAMES, "{} frames only", watched.written.frames);
        watched.run("UPDATE t SET b = randomblob(500) WHERE n = 7");
        watched.check();
    }

    #[test]
    fn what_was_taken_back_leads_nobody_astray() {
        let mut watched = Watched::new();
        watched.run(GROW);
        watched.check();
        // So little room that what is not committed goes into the log.
        watched.run("PRAGMA cache_size = 5; PRAGMA cache_spill = 5;");
        let log = watched.path.with_extension("db-wal");
        let length = || std::fs::metadata(&log).unwrap().len();
        let before = length();
        watched.run("BEGIN; UPDATE t SET b = randomblob(500); ROLLBACK");
        assert!(length() > before, "nothing was spilled");
        watched.check();
        // Fewer frames than were taken back, which stand behind them.
        for n in [1, 150, 2] {
            watched.run(&format!("UPDATE t SET b = randomblob(500) WHERE n = {n}"));
            watched.check();
        }
    }

    #[test]
    fn a_log_that_cannot_be_read_is_read_from_its_beginning_later() {
        let mut watched = Watched::new();
        watched.run(GROW);
        let index = std::fs::read(&watched.written.path).unwrap();
        let broken = tempfile::tempfile().unwrap();
        broken.write_all_at(&index[..140], 0).unwrap();
        let file = watched.written.file.replace(broken);
        assert!(watched.written.read().is_err());
        watched.written.file = file;
        watched.check();
    }
}
