//! What is remembered of the file is what the file holds, however reads and writes meet.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use patron::clock::Timestamp;
use patron::ids::MerchantNumber;
use patron::store::{Store, StoreError, StoreFuture, UniqueKey};
use patron_store_sqlite::{Options, SqliteStore};
use patron_testkit::store_contract::persons::{Author, Made};

fn wait<T>(answer: StoreFuture<'_, T>) -> Result<T, StoreError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

fn apply(store: &SqliteStore, made: &Made) {
    wait(store.apply(vec![made.change.clone()])).unwrap().remove(0).unwrap();
}

fn merchant() -> MerchantNumber {
    MerchantNumber::new(1)
}

fn names_of(made: &Made) -> [UniqueKey; 3] {
    let row = &made.change.parts().customer;
    let reference = row.indexes.reference.unwrap();
    [UniqueKey::Number(row.number), UniqueKey::Id(row.indexes.id), UniqueKey::Reference(reference)]
}

fn open(directory: &tempfile::TempDir, recent_bytes_max: u64) -> SqliteStore {
    let options = Options {
        now: Timestamp::from_ms(1),
        recent_bytes_max,
        log_pages_due: 8_000,
        on_group: Arc::new(|_| {}),
        on_fatal: Arc::new(|reason| panic!("{reason}")),
    };
    SqliteStore::open(directory.path(), options).unwrap()
}

const READERS: usize = 3;
const UPDATES: u64 = 400;

/// Every reader asks by every name while one customer is updated again and again. A version that was
/// acknowledged before a read began, or that anyone has seen before, is the least that it may answer.
#[test]
fn a_read_is_never_older_than_what_was_acknowledged_or_seen() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory, 1 << 20);
    let author = Author::of_merchant(1);
    let mut made = author.create("jon");
    apply(&store, &made);
    let names = names_of(&made);
    let known = AtomicU64::new(1);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for reader in 0..READERS {
            let (store, known, is_done, merchant) = (&store, &known, &is_done, merchant());
            scope.spawn(move || {
                let mut turn = reader;
                while !is_done.load(Ordering::Acquire) {
                    let least = known.load(Ordering::Acquire);
                    let found = wait(store.find_customer(merchant, names[turn % names.len()]));
                    let version = found.unwrap().unwrap().version;
                    assert!(version >= least, "version {version} after {least}");
                    known.fetch_max(version, Ordering::AcqRel);
                    turn += 1;
                }
            });
        }
        for update in 0..UPDATES {
            made = author.rename(&made, &format!("Jon{update}"));
            apply(&store, &made);
            known.fetch_max(update + 2, Ordering::AcqRel);
        }
        is_done.store(true, Ordering::Release);
    });
    for name in names {
        let found = wait(store.find_customer(merchant(), name)).unwrap().unwrap();
        assert_eq!(*found, made.change.parts().customer);
    }
}

/// What is read twice is the same row in memory, so that its key is unwrapped once.
#[test]
fn a_second_read_asks_nothing_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory, 1 << 20);
    let author = Author::of_merchant(1);
    let made = author.create("jon");
    apply(&store, &made);
    for name in names_of(&made) {
        let read = || wait(store.find_customer(merchant(), name)).unwrap().unwrap();
        assert!(Arc::ptr_eq(&read(), &read()), "{name:?}");
    }
    let other = wait(store.find_customer(MerchantNumber::new(2), names_of(&made)[0]));
    assert!(other.unwrap().is_none(), "another merchant's");
}

/// More customers than there is room for: all are found, and the memory stays bounded.
#[test]
fn the_memory_forgets_when_it_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory, 20_000);
    let author = Author::of_merchant(1);
    let all: Vec<Made> = (0..100).map(|n| author.create(&format!("r{n}"))).collect();
    all.iter().for_each(|made| apply(&store, made));
    let read = |made: &Made| {
        let [_, _, reference] = names_of(made);
        wait(store.find_customer(merchant(), reference)).unwrap().unwrap()
    };
    let first: Vec<_> = all.iter().map(read).collect();
    let again: Vec<_> = all.iter().map(read).collect();
    assert_eq!(first, again);
    let kept = first.iter().zip(&again).filter(|(one, two)| Arc::ptr_eq(one, two)).count();
    assert!(kept < 20, "{kept} of 100 customers of more than 1,000 bytes in 20,000 bytes");
}
