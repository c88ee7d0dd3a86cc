//! What was erased is nowhere in the files once it is purged: not in the database, not in its free pages and not
//! between the rows of others, not in the log.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::collections::HashMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use patron::clock::Timestamp;
use patron::erasure::Purged;
<<<<<<< HEAD
use patron::store::{Store, StoreError, StoreFuture};
=======
use patron::ids::MerchantNumber;
use patron::pii::Pii;
use patron::profile::{Profile, ProfileEdit};
use patron::store::{SealedQuery, Start, Store, StoreError, StoreFuture, UniqueKey};
>>>>>>> main
use patron_store_sqlite::{Options, SqliteStore};
use patron_testkit::crowd::Crowd;
use patron_testkit::effort::rounds;
<<<<<<< HEAD
=======
use patron_testkit::store_contract::persons::{Author, Made, START};
use patron_testkit::wait::soon;
use rusqlite::Connection;
>>>>>>> main

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

<<<<<<< HEAD
fn run(future: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
=======
/// How many bytes are looked for at once. So many agree by chance in no file of any length.
const PIECE: usize = 8;

/// Pieces of all that customers ever had in the store and that must be gone, and what each was of.
#[derive(Default)]
struct Traces(HashMap<u64, &'static str>);

impl Traces {
    fn add(&mut self, what: &'static str, bytes: &[u8]) {
        let (pieces, _) = bytes.as_chunks::<PIECE>();
        self.0.extend(pieces.iter().map(|piece| (u64::from_le_bytes(*piece), what)));
    }

    fn add_change(&mut self, made: &Made) {
        let ChangeParts { customer, entry, .. } = made.change.parts();
        self.add("the wrapped key", &customer.key.wrapped);
        self.add("the sealed customer", &customer.sealed);
        self.add("a sealed history entry", entry.sealed.as_ref().unwrap());
        let indexes = &customer.indexes;
        self.add("an index", &indexes.id);
        let others = [
            indexes.reference,
            indexes.email_search,
            indexes.phone_search,
            indexes.reference_search,
            indexes.name_search,
        ];
        for index in others.iter().flatten() {
            self.add("an index", index);
        }
    }

    /// How many pieces are found in all files of a directory, by what they were of.
    fn found_in(&self, directory: &Path) -> HashMap<&'static str, usize> {
        // Most places of a file are passed over at once.
        let mut sieve = vec![false; 1 << SIEVE_BITS];
        for piece in self.0.keys() {
            sieve[sieve_place(*piece)] = true;
        }
        let mut found = HashMap::new();
        for file in fs::read_dir(directory).unwrap() {
            let mut window = 0;
            for byte in fs::read(file.unwrap().path()).unwrap() {
                window = window >> 8 | u64::from(byte) << 56;
                if sieve[sieve_place(window)]
                    && let Some(what) = self.0.get(&window)
                {
                    *found.entry(*what).or_default() += 1;
                }
            }
        }
        found
    }
}

const SIEVE_BITS: u32 = 26;

fn sieve_place(piece: u64) -> usize {
    let mixed = piece.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - SIEVE_BITS);
    usize::try_from(mixed).unwrap()
}

/// A text of letters that nobody else has.
fn text(chance: &mut Chance) -> String {
    format!("{:x}{:x}", chance.next(), chance.next())
}

/// A customer of its own, short or long, with every index.
fn create(author: &Author, chance: &mut Chance) -> Made {
    let mut profile = Profile {
        reference: Some(Pii::new(text(chance))),
        email: Some(Pii::new(format!("{}@example.com", text(chance)))),
        mobile_number: Some(Pii::new(chance.next().to_string())),
        full_name: Some(Pii::new(text(chance))),
        ..Profile::default()
    };
    // Some do not fit a page.
    let length = [0, 0, 0, 0, 200, 1_000, 9_000][chance.below(7)];
    if length > 0 {
        profile.region = Some(Pii::new("x".repeat(length)));
    }
    author.create_from(author.birth(), profile, START)
}

/// The same customer with some of its values changed, so that rows of other lengths and index entries of other
/// places are written.
fn change(author: &Author, chance: &mut Chance, before: &Made) -> Made {
    let mut edit = ProfileEdit::default();
    match chance.below(4) {
        0 => edit.email = Edit::Set(Pii::new(format!("{}@example.com", text(chance)))),
        1 => edit.full_name = Edit::Set(Pii::new(text(chance))),
        2 => edit.reference = Edit::Set(Pii::new(text(chance))),
        _ => edit.region = Edit::Set(Pii::new(text(chance).repeat(1 + chance.below(40)))),
    }
    author.update(before, &edit)
}

fn apply(store: &SqliteStore, made: &[&Made]) {
    let changes = made.iter().map(|one| one.change.clone()).collect();
    wait(store.apply(changes)).unwrap().into_iter().for_each(Result::unwrap);
}

/// Under load a reader may be in the way now and then.
fn purge(store: &SqliteStore) {
    soon("what was erased is purged", || {
        (wait(store.purge_erased()).unwrap() == Purged::Done).then_some(())
    });
}

/// Customers whose every byte is remembered.
struct Crowd {
    author: Author,
    chance: Chance,
    customers: Vec<(Made, Traces)>,
}

impl Crowd {
    fn new(seed: u64) -> Self {
        Self { author: Author::of_merchant(1), chance: Chance::new(seed), customers: Vec::new() }
    }

    fn grow(&mut self, store: &SqliteStore, count: usize) {
        let made: Vec<_> = (0..count).map(|_| create(&self.author, &mut self.chance)).collect();
        apply(store, &made.iter().collect::<Vec<_>>());
        for one in made {
            let mut traces = Traces::default();
            traces.add_change(&one);
            self.customers.push((one, traces));
        }
    }

    fn storm(&mut self, store: &SqliteStore, count: usize) {
        let Self { author, chance, customers } = self;
        for _ in 0..count.div_ceil(50) {
            let first = chance.below(customers.len());
            let step = 1 + chance.below(20);
            let mut changed = Vec::new();
            for (before, traces) in customers.iter_mut().skip(first).step_by(step).take(50) {
                let after = change(author, chance, before);
                traces.add_change(&after);
                *before = after;
                changed.push(&*before);
            }
            apply(store, &changed);
        }
    }

    /// Everybody who was not erased is there as it was, with its whole history.
    fn are_there(&self, store: &SqliteStore) {
        for (made, _) in &self.customers {
            let row = &made.change.parts().customer;
            let whole = wait(store.find_whole_customer(row.merchant, row.number)).unwrap();
            assert_eq!(whole.customer.as_ref(), Some(row));
            assert_eq!(whole.entries.len(), usize::try_from(row.version).unwrap());
            assert!(whole.entries.iter().all(|entry| entry.sealed.is_some()));
            let reference = UniqueKey::Reference(row.indexes.reference.unwrap());
            let found = wait(store.find_customer(row.merchant, reference)).unwrap();
            assert_eq!(found.as_deref(), Some(row));
        }
    }

    /// Erases one of so many; all that those ever had is to be found no more.
    fn erase(&mut self, store: &SqliteStore, every: usize) -> Traces {
        let mut gone = Traces::default();
        let mut rest = Vec::new();
        for (number, (made, traces)) in self.customers.drain(..).enumerate() {
            if number % every == 0 {
                wait(store.erase(self.author.erase(&made))).unwrap();
                gone.0.extend(traces.0);
            } else {
                rest.push((made, traces));
            }
        }
        self.customers = rest;
        gone
    }
>>>>>>> main
}

#[test]
fn what_was_erased_is_nowhere_in_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
<<<<<<< HEAD
    let mut crowd = Crowd::new(7, run);
    let size = rounds(800, 10_000);
=======
    let mut crowd = Crowd::new(7);
    let size = rounds(700, 10_000);
>>>>>>> main
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
    let mut crowd = Crowd::new(11);
    let size = rounds(120, 4_000);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut others = Crowd { author: Author::of_merchant(2), ..Crowd::new(12) };
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
    let mut crowd = Crowd::new(13);
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
    let mut crowd = Crowd::new(17);
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
    let mut crowd = Crowd::new(19);
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
