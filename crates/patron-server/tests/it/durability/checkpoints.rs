//! Whether a killed process had moved its log into the database, and whether it was just doing so.

use std::fs;
use std::path::{Path, PathBuf};

/// Pages of the log that make a checkpoint due: so few that the smallest load has many.
const FEW_PAGES: [&str; 2] = ["16", "64"];

/// One of these settings, by its number.
pub(crate) const fn few_pages(number: usize) -> &'static str {
    FEW_PAGES[number % FEW_PAGES.len()]
}

/// The database of a process that has just started, without its log.
pub(crate) struct Checkpoints {
    data: PathBuf,
    at_first: Vec<u8>,
}

impl Checkpoints {
    pub(crate) fn since_now(data: PathBuf) -> Self {
        Self { at_first: database(&data), data }
    }

    /// Nothing but a checkpoint writes into the database itself.
    pub(crate) fn had_one(&self) -> bool {
        database(&self.data) != self.at_first
    }

    /// What SQLite notes in the log's index before a checkpoint and after it: how far it is to get, and
    /// how far it got (<https://sqlite.org/walformat.html>, section 2.1). Of a process that has ended.
    pub(crate) fn is_halfway(&self) -> bool {
        let Ok(index) = fs::read(self.data.join("patron.db-shm")) else {
            return false;
        };
        let frames = |at| u32::from_ne_bytes(*index[at..].first_chunk().unwrap());
        let (done, attempted) = (frames(96), frames(128));
        attempted > done
    }
}

fn database(data: &Path) -> Vec<u8> {
    fs::read(data.join("patron.db")).unwrap()
}
