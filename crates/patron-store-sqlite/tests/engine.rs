//! What is SQLite's own: the data directory, the file in it, migrations, and a full disk.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use patron::change::Change;
use patron::clock::Timestamp;
use patron::store::{SealedQuery, Start, Store, StoreError, StoreFuture, UniqueKey};
use patron_store_sqlite::{OpenError, Options, Schema, SqliteStore};
use patron_testkit::store_contract::persons::Author;
use rusqlite::Connection;
use tempfile::TempDir;

fn options() -> Options {
    Options {
        now: Timestamp::from_ms(1),
        recent_bytes_max: 1 << 20,
        log_pages_due: 8_000,
        on_group: Arc::new(|_| {}),
        on_fatal: Arc::new(|reason| panic!("{reason}")),
    }
}

fn open(directory: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(directory, options())
}

/// A directory that a store was in, and the database file.
fn used_directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let file = store.data_file().to_owned();
    (directory, file)
}

/// Why the store does not open, as the person who started it reads it.
fn refusal(directory: &Path) -> String {
    open(directory).err().unwrap().to_string()
}

fn wait<T>(answer: StoreFuture<'_, T>) -> Result<T, StoreError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

fn apply(store: &SqliteStore, change: &Change) -> Result<(), StoreError> {
    wait(store.apply(vec![change.clone()])).unwrap().remove(0)
}

fn count(file: &Path, table: &str) -> i64 {
    let connection = Connection::open(file).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    let refusal = refusal(directory.path());
    assert!(refusal.contains("is in use by another Patron process"), "{refusal}");
    drop(first);
    open(directory.path()).unwrap();
}

#[test]
fn only_the_owner_may_read_what_is_written() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("made/on/the/way");
    let store = open(&directory).unwrap();
    apply(&store, &Author::of_merchant(1).create("jon").change).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(files.len(), 4, "lock, database, log and shared memory: {files:?}");
    for file in files {
        assert_eq!(mode(&file.path()), 0o600, "{file:?}");
    }
}

#[test]
fn closing_leaves_one_file_and_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    apply(&store, &Author::of_merchant(1).create("jon").change).unwrap();
    wait(store.check()).unwrap();
    drop(store);
    let mut names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["patron.db", "patron.lock"]);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("patron.db");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE song (title TEXT)").unwrap();
    let before = fs::read(&file).unwrap();
    let refusal = refusal(directory.path());
    assert!(refusal.contains("the database of another program"), "{refusal}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn what_is_not_a_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("patron.db");
    fs::write(&file, "A shopping list. ".repeat(1_000)).unwrap();
    let before = fs::read(&file).unwrap();
    let refusal = refusal(directory.path());
    assert!(refusal.contains("is not a database"), "{refusal}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_path_that_is_no_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a file");
    fs::write(&file, "").unwrap();
    let refusal = refusal(&file);
    assert!(refusal.contains("a file") && refusal.contains("cannot be opened"), "{refusal}");
}

#[test]
fn a_newer_schema_is_refused() {
    let (directory, file) = used_directory();
    let newer = "INSERT INTO migration SELECT 9999, 'later', checksum, 0 FROM migration LIMIT 1";
    Connection::open(&file).unwrap().execute_batch(newer).unwrap();
    let refusal = refusal(directory.path());
    assert!(refusal.contains("a newer version of Patron"), "{refusal}");
}

#[test]
fn a_migration_that_changed_is_refused() {
    let (directory, file) = used_directory();
    let changed = "UPDATE migration SET checksum = zeroblob(32)";
    Connection::open(&file).unwrap().execute_batch(changed).unwrap();
    let refusal = refusal(directory.path());
    assert!(refusal.contains("migration 1 (initial)"), "{refusal}");
}

#[test]
fn migrations_are_recorded_once() {
    let (directory, file) = used_directory();
    drop(open(directory.path()).unwrap());
    assert_eq!(count(&file, "migration WHERE applied_ms = 1"), 2);
    assert_eq!(count(&file, "migration"), 2);
}

/// A database of the first schema, with everything in it that another one holds.
fn of_the_first_schema(file: &Path, from: &Path) {
    let connection = Connection::open(file).unwrap();
    connection.pragma_update(None, "application_id", 0x7074_726e).unwrap();
    connection.execute_batch(include_str!("../src/migrations/0001_initial.sql")).unwrap();
    connection.execute("ATTACH ?1 AS newer", [from.to_str().unwrap()]).unwrap();
    let tables = ["customer", "customer_key", "history", "outbox", "customer_count", "counter"];
    for table in tables {
        let copy = format!("INSERT INTO {table} SELECT * FROM newer.{table}");
        connection.execute_batch(&copy).unwrap();
    }
    let first = "INSERT INTO migration SELECT * FROM newer.migration WHERE number = 1";
    connection.execute_batch(first).unwrap();
}

#[test]
fn a_database_of_the_first_schema_is_brought_up_to_date_and_searched() {
    let (newer, file) = used_directory();
    let author = Author::of_merchant(1);
    let all: Vec<_> = (0..300).map(|number| author.create(&format!("r{number}"))).collect();
    let store = open(newer.path()).unwrap();
    let changes = all.iter().map(|made| made.change.clone()).collect();
    wait(store.apply(changes)).unwrap().into_iter().for_each(Result::unwrap);
    drop(store);
    let directory = tempfile::tempdir().unwrap();
    let old = SqliteStore::database_file(directory.path());
    of_the_first_schema(&old, &file);
    assert_eq!(SqliteStore::inspect(directory.path()).unwrap(), Schema::Behind);
    let store = open(directory.path()).unwrap();
    let row = &all[7].change.parts().customer;
    let search = |query: SealedQuery| {
        wait(store.search_customers(row.merchant, query, Start::Offset(0), 1_000)).unwrap()
    };
    let own = &row.indexes;
    let by_reference =
        SealedQuery { reference_search: own.reference_search, ..SealedQuery::default() };
    assert_eq!(search(by_reference).customers, std::slice::from_ref(row));
    for query in [
        SealedQuery { email_search: own.email_search, ..SealedQuery::default() },
        SealedQuery { name_search: own.name_search, ..SealedQuery::default() },
        SealedQuery {
            phone_search: own.phone_search.into_iter().collect(),
            ..SealedQuery::default()
        },
        SealedQuery { status: Some(row.status), ..SealedQuery::default() },
        SealedQuery::default(),
    ] {
        let page = search(query);
        assert_eq!((page.customers.len(), page.total), (300, 300));
    }
    wait(store.erase(author.erase(&all[7]))).unwrap();
    assert_eq!(store.integrity().unwrap(), [""; 0]);
    drop(store);
    assert_eq!(count(&old, "migration"), 2);
    assert_eq!(count(&old, "customer"), 299);
}

#[test]
fn a_refused_change_writes_no_event_and_an_applied_one_writes_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let renamed = author.rename(&jon, "Arya");
    apply(&store, &jon.change).unwrap();
    apply(&store, &renamed.change).unwrap();
    for refused in [author.create("jon"), author.rename(&jon, "Sansa")] {
        assert!(apply(&store, &refused.change).is_err());
    }
    // Applied again, they are not told again.
    apply(&store, &jon.change).unwrap();
    apply(&store, &renamed.change).unwrap();
    drop(store);
    let file = directory.path().join("patron.db");
    assert_eq!(count(&file, "outbox"), 2);
    assert_eq!(count(&file, "outbox WHERE version = happened"), 2);
    for table in ["customer", "customer_key", "customer_count"] {
        assert_eq!(count(&file, table), 1, "{table}");
    }
    assert_eq!(count(&file, "history"), 2);
}

#[test]
fn a_row_that_no_program_wrote_is_corrupt() {
    let (directory, file) = used_directory();
    let jon = Author::of_merchant(1).create("jon");
    apply(&open(directory.path()).unwrap(), &jon.change).unwrap();
    // Between two openings: an open store owns its file and does not look for others' changes.
    let history_after = |sql: &str| {
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let parts = jon.change.parts();
        let store = open(directory.path()).unwrap();
        wait(store.list_history(parts.customer.merchant, parts.customer.number))
    };
    history_after("").unwrap();
    for code in ["99", "9223372036854775807"] {
        let history = history_after(&format!("UPDATE history SET happened = {code}"));
        let is_that =
            matches!(history, Err(StoreError::Corrupt { table: "history", column: "happened" }));
        assert!(is_that, "{code}");
    }
}

#[test]
fn a_full_disk_refuses_what_has_no_room_and_keeps_what_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open_limited(directory.path(), options(), Some(120)).unwrap();
    let author = Author::of_merchant(1);
    let mut kept = Vec::new();
    let mut refused = 0;
    // Batches, so that a full disk meets whole groups.
    while refused == 0 {
        let made: Vec<_> =
            (0..16).map(|number| author.create(&format!("{}-{number}", kept.len()))).collect();
        let changes = made.iter().map(|one| one.change.clone()).collect();
        for (one, answer) in made.into_iter().zip(wait(store.apply(changes)).unwrap()) {
            match answer {
                Ok(()) => kept.push(one),
                Err(StoreError::Unavailable(_)) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    assert!(!kept.is_empty());
    wait(store.check()).unwrap();
    drop(store);

    let store = open(directory.path()).unwrap();
    let merchant = kept[0].change.parts().customer.merchant;
    let list = wait(store.list_customers(merchant, 0, u32::MAX)).unwrap();
    assert_eq!(list.total, u64::try_from(kept.len()).unwrap());
    for one in &kept {
        assert!(list.customers.contains(&one.change.parts().customer));
    }
    assert_eq!(store.integrity().unwrap(), [""; 0]);
    apply(&store, &author.create("there is room again").change).unwrap();
}

#[test]
fn a_damaged_file_is_found() {
    let (directory, file) = used_directory();
    assert_eq!(open(directory.path()).unwrap().integrity().unwrap(), [""; 0]);
    // The second page is the root of the first table; its header is overwritten.
    let mut bytes = fs::read(&file).unwrap();
    bytes[3 * 4_096..4 * 4_096].fill(0xff);
    fs::write(&file, bytes).unwrap();
    match open(directory.path()) {
        Ok(store) => assert!(!store.integrity().is_ok_and(|lines| lines.is_empty())),
        Err(error) => assert!(error.to_string().contains("damaged"), "{error}"),
    }
}

/// While it is written to without a pause and read from, the log is moved into the file again and
/// again and starts anew.
#[test]
fn the_log_does_not_grow_with_what_is_written() {
    const MIB: u64 = 1 << 20;
    let (directory, file) = used_directory();
    let store = open(directory.path()).unwrap();
    let author = Author::of_merchant(1);
    let log = directory.path().join("patron.db-wal");
    let (mut longest, mut made) = (0, 0_u64);
    let length = |path: &Path| fs::metadata(path).unwrap().len();
    while length(&file) < 24 * MIB {
        let batch: Vec<_> = (0..64).map(|n| author.create(&format!("{made}-{n}"))).collect();
        let changes = batch.iter().map(|one| one.change.clone()).collect();
        wait(store.apply(changes)).unwrap().into_iter().for_each(Result::unwrap);
        let first = batch[0].change.parts().customer.clone();
        let key = UniqueKey::Number(first.number);
        assert!(wait(store.find_customer(first.merchant, key)).unwrap().is_some());
        longest = longest.max(length(&log));
        made += 64;
        assert!(made < 100_000, "nothing is moved: the log has {longest} bytes");
    }
    // 32 MiB are due, and while they are moved it goes on growing.
    assert!(longest < 160 * MIB, "the log has grown to {longest} bytes");
    drop(store);
    assert!(!log.exists(), "one file is left behind");
    assert_eq!(count(&file, "customer"), i64::try_from(made).unwrap());
}
