//! The ledger of erasures: a file beside the database, in which each erasure is written down before it is done.

mod reading;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;

use patron::erasure::{ErasureLedger, LedgerEntry, LedgerFailure, LedgerFuture};
use tokio::sync::{mpsc, oneshot};

pub(crate) use reading::{Contents, Unusable, judge, replay};

/// How many entries are made lasting together, at most, and how many wait for that.
const GROUP_MAX: usize = 64;

/// Where the ledger is, and the thread that writes it, which ends when this is dropped.
pub(crate) struct FileLedger {
    place: Place,
    queue: mpsc::Sender<Note>,
}

/// Where the ledger is.
#[derive(Debug, Clone)]
struct Place {
    file: PathBuf,
    /// Made with the ledger when it is not there yet.
    data: PathBuf,
}

/// An entry that is to be written, and whoever waits for that.
struct Note {
    line: String,
    written: oneshot::Sender<Result<(), LedgerFailure>>,
}

/// Why an entry could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the ledger of erasures {file} cannot be written: {problem}")]
struct NotWritten {
    file: String,
    problem: String,
}

impl FileLedger {
    /// Starts the thread. Nothing is made before something is to be written.
    pub(crate) fn start(file: PathBuf, data: &Path) -> io::Result<Self> {
        let place = Place { file, data: data.to_owned() };
        let (queue, notes) = mpsc::channel(GROUP_MAX);
        let writer = place.clone();
        thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || write_all(&writer, notes))?;
        Ok(Self { place, queue })
    }

    /// Where it is.
    pub(crate) fn file(&self) -> &Path {
        &self.place.file
    }

    /// Makes the file where there is none, so that it shows at once whether it can be written.
    pub(crate) fn make(&self) -> io::Result<()> {
        self.place.append("")
    }

    async fn write(&self, line: String) -> Result<(), LedgerFailure> {
        let (written, answer) = oneshot::channel();
        let gone = || LedgerFailure::from("the thread that writes the ledger has ended");
        self.queue.send(Note { line, written }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl ErasureLedger for FileLedger {
    fn note(&self, entry: LedgerEntry) -> LedgerFuture<'_> {
        Box::pin(self.write(entry.to_line() + "\n"))
    }
}

/// Writes what waits, all of it at once, until nobody can ask any more.
fn write_all(place: &Place, mut notes: mpsc::Receiver<Note>) {
    let mut group = Vec::new();
    while notes.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        let lines: String = group.iter().map(|note| note.line.as_str()).collect();
        let outcome = place.append(&lines).map_err(|error| error.to_string());
        for Note { line: _, written } in group.drain(..) {
            let answer = outcome.clone().map_err(|problem| {
                let file = place.file.display().to_string();
                LedgerFailure::from(NotWritten { file, problem })
            });
            // Whoever asked may have left. What is written down is erased at the next start.
            drop(written.send(answer));
        }
    }
}

impl Place {
    /// Writes whole lines behind the others. They are lasting when it returns, and so is the file's name. The file
    /// is opened each time, so that it may be moved away, and locked, so that processes may share it.
    fn append(&self, lines: &str) -> io::Result<()> {
        self.make_directory()?;
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(&self.file)?;
        file.lock()?;
        let end = self.cut_torn(&mut file)?;
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // Nothing is erased for what was not written whole. Should this fail as well, the next one cuts it off.
            drop(file.set_len(end));
            return Err(error);
        }
        if end == 0 {
            File::open(self.directory())?.sync_all()?;
        }
        Ok(())
    }

    fn directory(&self) -> &Path {
        let parent = self.file.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new("."))
    }

    /// A store in a database has had no use for the data directory so far. No other directory is made: it may be
    /// one on which a disk is yet to be mounted.
    fn make_directory(&self) -> io::Result<()> {
        if self.directory() != self.data || self.data.try_exists()? {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.data)?;
        match self.data.canonicalize()?.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Cuts off what was written of a line by a process that was stopped meanwhile, and erased nothing for it; a line
    /// that lacks nothing but its end gets that. Returns where the last whole line ends.
    fn cut_torn(&self, file: &mut File) -> io::Result<u64> {
        /// More than is ever written at once.
        const TAIL: u64 = 65_536;
        let length = file.metadata()?.len();
        let begin = length.saturating_sub(TAIL);
        file.seek(SeekFrom::Start(begin))?;
        let mut tail = Vec::new();
        io::Read::by_ref(file).take(TAIL).read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let torn = u64::try_from(tail.len().saturating_sub(whole)).unwrap_or(u64::MAX);
        if torn == 0 {
            return Ok(length);
        }
        if whole == 0 && begin > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it ends with no line of ours"));
        }
        let last = tail.get(whole..).and_then(|line| std::str::from_utf8(line).ok());
        if last.and_then(LedgerEntry::parse).is_some() {
            // All of the line is there but for its end, as somebody leaves it who has edited the file. Readers heed it.
            file.write_all(b"\n")?;
            return Ok(length.saturating_add(1));
        }
        let end = length.saturating_sub(torn);
        file.set_len(end)?;
        let file = self.file.display();
        tracing::warn!("the last line of the ledger of erasures {file} was torn and is cut off");
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use patron_testkit::together::together;
    use tempfile::TempDir;
    use tokio::runtime::Builder;

    use super::*;

    fn entry(customer: usize) -> LedgerEntry {
        LedgerEntry::parse(&format!("1 1 {customer} 5 {}", "ab".repeat(32))).unwrap()
    }

    fn ledger(data: &Path) -> FileLedger {
        FileLedger::start(data.join("erasures.log"), data).unwrap()
    }

    fn note(ledger: &FileLedger, customer: usize) -> Result<(), LedgerFailure> {
        Builder::new_current_thread().build().unwrap().block_on(ledger.note(entry(customer)))
    }

    fn text(ledger: &FileLedger) -> String {
        fs::read_to_string(ledger.file()).unwrap()
    }

    fn lines(of: impl IntoIterator<Item = usize>) -> String {
        of.into_iter().map(|customer| entry(customer).to_line() + "\n").collect()
    }

    #[test]
    fn entries_stand_one_after_the_other_in_a_file_of_their_owner_s_alone() {
        let parent = TempDir::new().unwrap();
        let data = parent.path().join("data");
        let ledger = ledger(&data);
        assert!(!data.exists(), "nothing is made before it is needed");
        note(&ledger, 1).unwrap();
        note(&ledger, 2).unwrap();
        assert_eq!(text(&ledger), lines([1, 2]));
        for (path, mode) in [(ledger.file(), 0o600), (&data, 0o700)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }
        fs::rename(ledger.file(), data.join("moved")).unwrap();
        note(&ledger, 3).unwrap();
        assert_eq!(text(&ledger), lines([3]), "whoever moves it away finds the rest in a new one");
    }

    #[test]
    fn what_is_torn_is_cut_off_and_nothing_else() {
        let data = TempDir::new().unwrap();
        let ledger = ledger(data.path());
        for torn in ["1", "\0\0\0", &lines([9])[..50]] {
            for before in [lines([]), lines([1, 2])] {
                fs::write(ledger.file(), before.clone() + torn).unwrap();
                note(&ledger, 3).unwrap();
                assert_eq!(text(&ledger), before + &lines([3]), "{torn:?}");
            }
        }
        // What lacks its end only was heeded by whoever has read it, and stays.
        fs::write(ledger.file(), lines([1]) + &entry(2).to_line()).unwrap();
        note(&ledger, 3).unwrap();
        assert_eq!(text(&ledger), lines([1, 2, 3]));
        let noise = "x".repeat(100_000);
        fs::write(ledger.file(), &noise).unwrap();
        assert!(note(&ledger, 3).is_err(), "no ledger at all");
        assert_eq!(text(&ledger), noise);
    }

    #[test]
    fn processes_that_share_a_file_do_not_tear_each_other_s_lines() {
        let data = TempDir::new().unwrap();
        let (crowd, each) = (4, 25);
        together(
            crowd,
            |_| ledger(data.path()),
            |at, ledger| (0..each).for_each(|one| note(&ledger, at * each + one + 1).unwrap()),
        );
        let text = text(&ledger(data.path()));
        let mut found: Vec<_> =
            text.lines().map(|line| LedgerEntry::parse(line).unwrap().customer.get()).collect();
        found.sort_unstable();
        assert_eq!(found, (1..=100).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let data = TempDir::new().unwrap();
        let file = data.path().join("not-mounted/erasures.log");
        let ledger = FileLedger::start(file.clone(), data.path()).unwrap();
        assert!(ledger.make().is_err());
        let error = note(&ledger, 1).unwrap_err().to_string();
        assert!(error.contains("not-mounted/erasures.log"), "{error}");
        fs::create_dir(file.parent().unwrap()).unwrap();
        note(&ledger, 1).unwrap();
        assert_eq!(text(&ledger), lines([1]));
    }
}
