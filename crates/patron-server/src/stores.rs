//! Where the store is opened. A new engine is one arm here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use patron::clock::Timestamp;
use patron::store::StoreError;
use patron_store_sqlite::{Options, SqliteStore};

use crate::refusal::Refusal;

pub(crate) use patron_store_sqlite::{OpenError, Schema};

/// The engine behind an installation.
pub(crate) type Engine = SqliteStore;

/// Called with the number of changes of each group that was committed.
pub(crate) type OnGroup = Arc<dyn Fn(usize) + Send + Sync>;

/// The file that is there once a store was opened in the data directory.
pub(crate) fn database_file(data: &Path) -> PathBuf {
    SqliteStore::database_file(data)
}

/// How far the store in the data directory is, found without changing anything.
pub(crate) fn inspect(data: &Path) -> Result<Schema, OpenError> {
    SqliteStore::inspect(data)
}

/// How much the store takes for being fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Bytes of customers that were read lately.
    pub(crate) recent_bytes_max: u64,
    /// Pages in the write-ahead log before they are moved into the database.
    pub(crate) log_pages_due: u32,
}

impl Sizes {
    /// For a command, which reads and writes little.
    pub(crate) const SMALL: Self = Self { recent_bytes_max: 0, log_pages_due: 1_000 };
}

/// Opens the store in the data directory, and takes its lock. A new one is created.
pub(crate) fn open(
    data: &Path,
    now: Timestamp,
    sizes: Sizes,
    on_group: OnGroup,
) -> Result<Arc<Engine>, OpenError> {
    let Sizes { recent_bytes_max, log_pages_due } = sizes;
    let of = data.to_owned();
    let on_fatal = Arc::new(move |reason: &str| stop_at_once(&of, reason));
    let options = Options { now, recent_bytes_max, log_pages_due, on_group, on_fatal };
    SqliteStore::open(data, options).map(Arc::new)
}

/// What is broken in the store, in words; nothing when all is well. Takes its time.
pub(crate) fn check_integrity(engine: &Engine) -> Result<Vec<String>, StoreError> {
    engine.integrity()
}

/// Nobody knows what of the last group is durable, so nothing may be answered any more. The next start
/// finds out. Commands keep no log, and whoever starts a server may not look there, hence the sentence.
fn stop_at_once(data: &Path, reason: &str) {
    tracing::error!(reason, "the store broke and the program stops: start it again");
    let sentence = format!("the store in {} broke: {reason}", data.display());
    let _ = Refusal::failure(sentence).report();
    std::process::exit(1);
}
