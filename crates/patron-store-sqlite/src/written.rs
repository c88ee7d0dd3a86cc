//! Which pages were written: what the heads of the log's frames say, read after each commit.
//!
//! The form of the log: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

const HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// The log of the connection that writes, as far as it was read.
pub(crate) struct Written {
    path: PathBuf,
    /// Open from the first commit on. (To open and close the database itself would take SQLite's locks on it
    /// away; on the log there are none.)
    file: Option<File>,
    /// What tells this log from the one before it, which began at the same place.
    generation: [u8; 8],
    /// How many of its frames were read.
    frames: u64,
}

impl Written {
    /// Of the log beside this database.
    pub(crate) fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), file: None, generation: [0; 8], frames: 0 }
    }

    /// The pages that were written by commits since the last call, some of them twice. `connection` is the one that
    /// writes, and does not at the moment.
    ///
    /// # Errors
    /// When it cannot be read. Then it is not known which.
    pub(crate) fn read(&mut self, connection: &Connection) -> io::Result<Vec<u32>> {
        let pages = self.read_on(connection);
        if pages.is_err() {
            self.file = None;
            self.frames = 0;
        }
        pages
    }

    fn read_on(&mut self, connection: &Connection) -> io::Result<Vec<u32>> {
        // How many frames are committed: behind those there may be others, of an older log or taken back.
        let frames = connection
            .prepare_cached("PRAGMA main.wal_checkpoint(NOOP)")
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(1)))
            .map_err(io::Error::other)?;
        let frames = u64::try_from(frames).map_err(io::Error::other)?;
        if frames == 0 {
            self.frames = 0;
            return Ok(Vec::new());
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&self.path)?,
        };
        let file = self.file.insert(file);
        let header: [u8; 32] = read_at(file, 0)?;
        let [_, _, page_length, _, generation @ .., _, _] = header.as_chunks::<4>().0 else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if *generation.as_flattened() != self.generation {
            self.generation = generation.as_flattened().try_into().map_err(io::Error::other)?;
            self.frames = 0;
        }
        let length = FRAME_HEADER.saturating_add(u32::from_be_bytes(*page_length).into());
        let pages = (self.frames..frames).map(|frame| {
            let at = HEADER.saturating_add(frame.saturating_mul(length));
            read_at(file, at).map(u32::from_be_bytes)
        });
        let pages = pages.collect::<io::Result<_>>()?;
        self.frames = frames;
        Ok(pages)
    }
}

/// So many bytes at this place.
fn read_at<const N: usize>(file: &File, at: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
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
            self.written.read(&self.connection).unwrap()
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

    #[test]
    fn what_was_taken_back_leads_nobody_astray() {
        let mut watched = Watched::new();
        watched.run(GROW);
        watched.check();
        // So little room that what is not committed goes into the log.
        watched.run("PRAGMA cache_size = 5; PRAGMA cache_spill = 5;");
        let length = |watched: &Watched| std::fs::metadata(&watched.written.path).unwrap().len();
        let before = length(&watched);
        watched.run("BEGIN; UPDATE t SET b = randomblob(500); ROLLBACK");
        assert!(length(&watched) > before, "nothing was spilled");
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
        let path = std::mem::replace(&mut watched.written.path, "nowhere".into());
        watched.written.file = None;
        assert!(watched.written.read(&watched.connection).is_err());
        watched.written.path = path;
        watched.check();
    }
}
