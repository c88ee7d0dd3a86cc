//! Reading the ledger of erasures: what it says to this installation, and doing it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use patron::Patron;
use patron::clock::Timestamp;
use patron::erasure::LedgerEntry;
use patron::error::Error;
use patron::replay::Replay;
use tokio::task::{JoinError, JoinSet};

/// How many entries are asked about, or done, at a time.
const AT_ONCE: usize = 64;

/// The most bytes of a line, its end included. Ours have 110.
const LINE_LENGTH_MAX: u64 = 256;

/// What the ledger says to this installation.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Entries that this installation has written.
    pub(crate) own: u64,
    /// Entries of merchants that an older copy of the store does not have yet.
    pub(crate) no_merchant: u64,
    /// Whether the last line is torn.
    pub(crate) is_torn: bool,
    /// Entries whose customers are there and are to be erased.
    pub(crate) due: Vec<LedgerEntry>,
}

/// Why nobody can go by it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    #[error("line {0} is no line of such a ledger")]
    Unreadable(u64),
    #[error(
        "line {0} was written by another installation, or by this one for a merchant that it does \
         not have any more, or was changed by hand"
    )]
    Foreign(u64),
    #[error(transparent)]
    Store(#[from] Error),
    #[error("reading it was ended")]
    Ended(#[from] JoinError),
}

/// A line, and its number.
enum Line {
    Entry(u64, LedgerEntry),
    /// The last one, without its end.
    Torn,
}

/// The lines of a ledger.
struct Lines {
    file: BufReader<File>,
    number: u64,
    buffer: Vec<u8>,
}

impl Lines {
    /// Those of a file; none where there is no file.
    fn of(path: &Path) -> Result<Option<Self>, io::Error> {
        match File::open(path) {
            Ok(file) => {
                Ok(Some(Self { file: BufReader::new(file), number: 0, buffer: Vec::new() }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn next(&mut self) -> Result<Option<Line>, Unusable> {
        self.buffer.clear();
        self.number = self.number.saturating_add(1);
        self.file.by_ref().take(LINE_LENGTH_MAX).read_until(b'\n', &mut self.buffer)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let text = std::str::from_utf8(&self.buffer).ok();
        let whole = text.and_then(|text| text.strip_suffix('\n'));
        match whole.or(text).and_then(LedgerEntry::parse) {
            Some(entry) => Ok(Some(Line::Entry(self.number, entry))),
            None if self.has_end()? => Err(Unusable::Unreadable(self.number)),
            None => Ok(Some(Line::Torn)),
        }
    }

    /// Whether the line that is being read ends before the file does.
    fn has_end(&mut self) -> io::Result<bool> {
        while !self.buffer.ends_with(b"\n") {
            self.buffer.clear();
            self.file.by_ref().take(LINE_LENGTH_MAX).read_until(b'\n', &mut self.buffer)?;
            if self.buffer.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Reads the ledger. Changes nothing. `None` where there is none.
pub(crate) async fn judge(
    patron: &Arc<Patron>,
    path: &Path,
    now: Timestamp,
) -> Result<Option<Contents>, Unusable> {
    let Some(mut lines) = Lines::of(path)? else {
        return Ok(None);
    };
    let mut contents = Contents::default();
    let mut asked = JoinSet::new();
    while let Some(line) = lines.next()? {
        match line {
            Line::Torn => contents.is_torn = true,
            Line::Entry(number, entry) => {
                let patron = Arc::clone(patron);
                asked.spawn(async move {
                    let judged = patron.judge_erasure(&entry, now).await;
                    (number, entry, judged)
                });
            }
        }
        if asked.len() >= AT_ONCE {
            contents.take_in(asked.join_next().await)?;
        }
    }
    while !asked.is_empty() {
        contents.take_in(asked.join_next().await)?;
    }
    Ok(Some(contents))
}

/// An entry on its line, and what it says.
type Judged = Result<(u64, LedgerEntry, Result<Replay, Error>), JoinError>;

impl Contents {
    /// Says in the log what there is to say.
    pub(crate) fn log(&self, file: &Path) {
        let Self { own: _, no_merchant, is_torn, due } = self;
        let file = file.display();
        if *is_torn {
            tracing::warn!(
                "the last line of the ledger of erasures {file} is torn: nobody was erased for it"
            );
        }
        if *no_merchant > 0 {
            tracing::warn!(
                entries = no_merchant,
                "the ledger of erasures {file} names customers of merchants that are not here"
            );
        }
        if !due.is_empty() {
            let customers = due.len();
            tracing::warn!(
                customers,
                "customers of the ledger of erasures {file} were there, and are erased again"
            );
        }
    }

    fn take_in(&mut self, judged: Option<Judged>) -> Result<(), Unusable> {
        let Some(judged) = judged else {
            return Ok(());
        };
        let (number, entry, judged) = judged?;
        match judged? {
            Replay::Settled => self.own = self.own.saturating_add(1),
            Replay::Due => {
                self.own = self.own.saturating_add(1);
                self.due.push(entry);
            }
            Replay::NoMerchant => self.no_merchant = self.no_merchant.saturating_add(1),
            Replay::Foreign => return Err(Unusable::Foreign(number)),
        }
        Ok(())
    }
}

/// Erases again whom the ledger names and an older copy of the store has brought back. Nobody is erased when any
/// line of it is not to be believed. Returns what it found.
pub(crate) async fn replay(
    patron: &Arc<Patron>,
    path: &Path,
    now: Timestamp,
) -> Result<Option<Contents>, Unusable> {
    let Some(contents) = judge(patron, path, now).await? else {
        return Ok(None);
    };
    let mut erasing = JoinSet::new();
    for entry in &contents.due {
        if erasing.len() >= AT_ONCE {
            erased(erasing.join_next().await)?;
        }
        let (patron, entry) = (Arc::clone(patron), entry.clone());
        erasing.spawn(async move { patron.replay_erasure(&entry, now).await });
    }
    while !erasing.is_empty() {
        erased(erasing.join_next().await)?;
    }
    Ok(Some(contents))
}

fn erased(one: Option<Result<Result<Replay, Error>, JoinError>>) -> Result<(), Unusable> {
    if let Some(done) = one {
        done??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// The customers of the lines, 0 for a torn one, or the number of the line that cannot be read.
    fn read(text: &[u8]) -> Result<Vec<i64>, u64> {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("ledger");
        fs::write(&path, text).unwrap();
        let mut lines = Lines::of(&path).unwrap().unwrap();
        let mut found = Vec::new();
        loop {
            match lines.next() {
                Ok(Some(Line::Entry(_, entry))) => found.push(entry.customer.get()),
                Ok(Some(Line::Torn)) => found.push(0),
                Ok(None) => return Ok(found),
                Err(Unusable::Unreadable(number)) => return Err(number),
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn lines_are_read_and_what_is_no_line_is_named() {
        let line = |customer: u32| format!("1 1 {customer} 5 {}\n", "ab".repeat(32));
        let two = line(7) + &line(8);
        let check = |text: String, expect: Result<Vec<i64>, u64>| {
            assert_eq!(read(text.as_bytes()), expect, "{text}");
        };
        check(String::new(), Ok(vec![]));
        check(two.clone(), Ok(vec![7, 8]));
        check(two.trim_end().to_owned(), Ok(vec![7, 8]));
        check(two.clone() + &line(9)[..20], Ok(vec![7, 8, 0]));
        check(two.clone() + &"\0".repeat(9_000), Ok(vec![7, 8, 0]));
        check(two.clone() + "\n", Err(3));
        check(line(7) + "nonsense\n" + &line(8), Err(2));
        check(line(7) + &line(8)[..20] + &line(9), Err(2));
        check(line(7) + &"x".repeat(9_000) + "\n" + &line(8), Err(2));
        assert_eq!(read(b"\xff\xfe\n"), Err(1));
        assert_eq!(read(b"\xff\xfe"), Ok(vec![0]));
        let nowhere = TempDir::new().unwrap();
        assert!(Lines::of(&nowhere.path().join("ledger")).unwrap().is_none());
        assert!(Lines::of(nowhere.path()).unwrap().unwrap().next().is_err(), "a directory");
    }
}
