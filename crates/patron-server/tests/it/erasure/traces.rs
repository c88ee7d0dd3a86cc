//! The bytes by which somebody could still be found or opened, and looking for them in the live files.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use patron_testkit::server::Launch;

use crate::data::{Data, Row, Value};

/// What is erased of a customer: tables and the columns in them.
const ERASED: [(&str, &[&str]); 4] = [
    (
        "customer",
        &[
            "id_index",
            "reference_index",
            "email_search",
            "phone_search",
            "reference_search",
            "name_search",
            "sealed",
        ],
    ),
    ("customer_key", &["wrapped"]),
    ("history", &["sealed"]),
    ("client_token", &["hash"]),
];

/// A piece of this length stands nowhere by chance.
const PIECE: usize = 16;

/// A piece is taken every so many bytes, so that what was cut into pages is found as well.
const STEP: usize = 40;

/// What would be found in the files.
pub(super) struct Traces {
    pieces: HashSet<[u8; PIECE]>,
    /// Whether a piece begins with these two bytes.
    starts: Vec<bool>,
}

impl Traces {
    /// Those of the customer with this number.
    pub(super) fn of(launch: &Launch, number: i64) -> Self {
        let data = Data::of(launch);
        let mut traces = Self { pieces: HashSet::new(), starts: vec![false; 1 << 16] };
        for (table, columns) in ERASED {
            let sql = format!("SELECT {} FROM {table} WHERE number = {number}", columns.join(", "));
            data.rows(&sql).iter().for_each(|row| traces.take(row));
        }
        traces
    }

    fn take(&mut self, row: &Row) {
        for (_, value) in row {
            let Value::Blob(bytes) = value else { continue };
            let last = bytes.len() - PIECE;
            for at in (0..=last).step_by(STEP).chain([last]) {
                let piece: [u8; PIECE] = bytes[at..at + PIECE].try_into().unwrap();
                self.starts[start(piece[0], piece[1])] = true;
                self.pieces.insert(piece);
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.pieces.len()
    }

    /// Most of them are in the live files, as long as nobody is erased: the search finds what there is. A few may
    /// have been written over since they were taken, by updates.
    pub(super) fn are_found(&self, launch: &Launch) {
        let (found, all) = (self.search(launch).len(), self.pieces.len());
        assert!(found * 10 > all * 9, "the search finds {found} of {all} pieces");
    }

    /// None of them is in the live files.
    #[track_caller]
    pub(super) fn are_gone(&self, launch: &Launch) {
        let found = self.search(launch);
        assert!(found.is_empty(), "{} of {} pieces are there", found.len(), self.pieces.len());
    }

    fn search(&self, launch: &Launch) -> HashSet<[u8; PIECE]> {
        let mut found = HashSet::new();
        match launch.cluster() {
            None => self.search_below(&launch.data(), &mut found),
            Some(cluster) => {
                // What is in the server's memory only is written out: it would be on the disk some time.
                cluster.psql("CHECKPOINT");
                self.search_below(&cluster.data_directory().join("base"), &mut found);
            }
        }
        found
    }

    fn search_below(&self, directory: &Path, found: &mut HashSet<[u8; PIECE]>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.search_below(&path, found);
            } else if let Ok(bytes) = fs::read(&path) {
                // A file may be gone by now, or be no file.
                self.search_in(&bytes, found);
            }
        }
    }

    fn search_in(&self, bytes: &[u8], found: &mut HashSet<[u8; PIECE]>) {
        for (at, pair) in bytes.windows(2).enumerate() {
            if !self.starts[start(pair[0], pair[1])] {
                continue;
            }
            let piece = bytes.get(at..at + PIECE).and_then(|piece| piece.try_into().ok());
            if let Some(piece) = piece.filter(|piece| self.pieces.contains(piece)) {
                found.insert(piece);
            }
        }
    }
}

fn start(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}
