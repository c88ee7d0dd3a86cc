//! What was erased is nowhere in the files once it is purged: not in the database, not in its free pages and not
//! between the rows of others, not in the log.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use patron::clock::Timestamp;
use patron::erasure::Purged;
use patron::ids::MerchantNumber;
use patron::store::{SealedQuery, Start, Store, StoreError, StoreFuture};
use patron_store_sqlite::{Options, SqliteStore};
use patron_testkit::crowd::Crowd;
use patron_testkit::effort::rounds;
use patron_testkit::wait::soon;
use rusqlite::Connection;

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

/// Under load a reader may be in the way now and then.
fn purge(store: &SqliteStore) {
    soon("what was erased is purged", || {
        (wait(store.purge_erased()).unwrap() == Purged::Done).then_some(())
    });
}

#[test]
fn what_was_erased_is_nowhere_in_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut crowd = Crowd::new(7, run);
    let size = rounds(700, 10_000);
    for _ in 0..4 {
        crowd.grow(&store, size / 2);
        crowd.storm(&store, size);
    }
    let gone = crowd.erase(&store, 3);
    crowd.grow(&store, size / 8);
    let before = gone.found_in(directory.path());
    assert!(before.len() == 4, "only {before:?} would have been found anyway");
    purge(&store);
    assert_eq!(gone.found_in(directory.path()), HashMap::new());
    assert_eq!(store.integrity().unwrap(), [""; 0]);
    crowd.are_there(&store);
    drop(store);
    assert_eq!(gone.found_in(directory.path()), HashMap::new());
}

/// While others write and read without a pause, and over and over again: what was erased before a purge began is
/// gone when it is done, and nothing else is touched.
#[test]
fn what_was_erased_is_purged_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut crowd = Crowd::new(11, run);
    let size = rounds(120, 4_000);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut others = Crowd::of_merchant(2, 12, run);
            while !is_done.load(Ordering::Acquire) {
                others.grow(&store, 20);
                others.storm(&store, 50);
            }
        });
        scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                let everything = SealedQuery::default();
                let merchant = MerchantNumber::new(1);
                let page = store.search_customers(merchant, everything, Start::Offset(3), 50);
                wait(page).unwrap();
            }
        });
        for _ in 0..3 {
            crowd.grow(&store, size);
            crowd.storm(&store, size);
            let gone = crowd.erase(&store, 2);
            purge(&store);
            assert_eq!(gone.found_in(directory.path()), HashMap::new());
        }
        is_done.store(true, Ordering::Release);
    });
    assert_eq!(store.integrity().unwrap(), [""; 0]);
    crowd.are_there(&store);
    drop(store);
    let store = open(directory.path());
    crowd.are_there(&store);
    assert_eq!(store.integrity().unwrap(), [""; 0]);
}

/// What was erased and not purged when the store was closed is purged after it was opened again.
#[test]
fn what_another_process_erased_is_purged() {
    let directory = tempfile::tempdir().unwrap();
    let mut crowd = Crowd::new(13, run);
    let store = open(directory.path());
    crowd.grow(&store, 300);
    crowd.storm(&store, 600);
    let gone = crowd.erase(&store, 2);
    drop(store);
    assert!(!gone.found_in(directory.path()).is_empty(), "closing it was enough");
    let store = open(directory.path());
    purge(&store);
    assert_eq!(gone.found_in(directory.path()), HashMap::new());
    crowd.are_there(&store);
}

/// Somebody who still reads what was there before holds the purge up, and nobody else: writes go on meanwhile. What
/// this process itself has read and remembers does not.
#[test]
fn a_reader_holds_the_purge_up_and_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut crowd = Crowd::new(17, run);
    crowd.grow(&store, 200);
    crowd.storm(&store, 200);
    crowd.are_there(&store);
    let reader = Connection::open(store.data_file()).unwrap();
    let count = || -> i64 {
        reader.query_row("SELECT count(*) FROM customer", [], |row| row.get(0)).unwrap()
    };
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(count(), 200);
    let gone = crowd.erase(&store, 2);
    for _ in 0..2 {
        assert_eq!(wait(store.purge_erased()).unwrap(), Purged::HeldUp);
        assert_eq!(count(), 200, "the reader lost what it reads");
        crowd.grow(&store, 5);
        crowd.are_there(&store);
    }
    assert!(!gone.found_in(directory.path()).is_empty(), "nothing was held up");
    reader.execute_batch("COMMIT").unwrap();
    crowd.are_there(&store);
    assert_eq!(wait(store.purge_erased()).unwrap(), Purged::Done);
    assert_eq!(gone.found_in(directory.path()), HashMap::new());
    crowd.are_there(&store);
}

/// A page that makes no sense may hold anything: there is no purge until it is mended.
#[test]
fn a_damaged_page_is_not_said_to_be_purged() {
    let directory = tempfile::tempdir().unwrap();
    let mut crowd = Crowd::new(19, run);
    let store = open(directory.path());
    crowd.grow(&store, 200);
    let file = store.data_file().to_owned();
    drop(store);
    let mut bytes = fs::read(&file).unwrap();
    // A leaf of an index or of a table without row ids, which says that so many bytes are lost on it.
    let page = (20..).find(|page| bytes[page * 4_096] == 0x0a).unwrap();
    bytes[page * 4_096 + 7] ^= 1;
    fs::write(&file, bytes).unwrap();
    let store = open(directory.path());
    let purged = wait(store.purge_erased());
    assert!(matches!(purged, Err(StoreError::Corrupt { column: "(page)", .. })), "{purged:?}");
}
