//! What was erased is nowhere in the files once it is purged: not in the database, not in its free pages and not
//! between the rows of others, not in the log.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use std::collections::HashMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use patron::clock::Timestamp;
use patron::erasure::Purged;
use patron::store::{Store, StoreError, StoreFuture};
use patron_store_sqlite::{Options, SqliteStore};
use patron_testkit::crowd::Crowd;
use patron_testkit::effort::rounds;

fn options() -> Options {
    Options {
        now: Timestamp::from_ms(1),
        recent_bytes_max: 1 << 20,
        log_pages_due: 1_000,
        on_group: Arc::new(|_| {}),
        on_fatal: Arc::new(|reason| panic!("{reason}")),
    }
}

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, options()).unwrap()
}

fn wait<T>(answer: StoreFuture<'_, T>) -> Result<T, StoreError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

fn run(future: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
}

#[test]
fn what_was_erased_is_nowhere_in_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut crowd = Crowd::new(7, run);
    let size = rounds(800, 10_000);
    for _ in 0..4 {
        crowd.grow(&store, size / 2);
        crowd.storm(&store, size);
    }
    let gone = crowd.erase(&store, 3);
    crowd.grow(&store, size / 8);
    let before = gone.found_in(directory.path());
    assert!(before.len() == 4, "only {before:?} would have been found anyway");
    assert_eq!(wait(store.purge_erased()).unwrap(), Purged::Done);
    assert_eq!(gone.found_in(directory.path()), HashMap::new());
    assert_eq!(store.integrity().unwrap(), [""; 0]);
    drop(store);
    assert_eq!(gone.found_in(directory.path()), HashMap::new());
}
