//! A database file that is cut, empty, gone, of another program or another version: refused, left as
//! it was, and all there again when the file is.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use patron_testkit::server::{Launch, Server};
use rusqlite::Connection;

use super::ledger::{self, Ledger};
use super::pages::overwrite;
use super::refusal;
use crate::stage::launch;

const CUSTOMERS: usize = 12;

fn written(server: &Server, name: &str) -> Ledger {
    let mut ledger = Ledger::default();
    for number in 0..CUSTOMERS {
        ledger.write(server, &format!("r{number}"), name).unwrap();
    }
    ledger
}

/// An installation that was ended in good order.
fn ended() -> (Launch, Ledger) {
    let mut server = launch().start();
    let ledger = written(&server, "first");
    assert!(server.terminate().success());
    (server.launch().clone(), ledger)
}

/// An installation that was killed, whose log holds everything.
fn killed() -> (Launch, Ledger) {
    let mut server = launch().start();
    let ledger = written(&server, "first");
    server.kill();
    (server.launch().clone(), ledger)
}

fn database(launch: &Launch) -> PathBuf {
    launch.data().join("patron.db")
}

fn cut(file: &Path, length: usize) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(u64::try_from(length).unwrap()).unwrap();
}

#[test]
fn a_database_that_was_cut_is_refused() {
    let (launch, ledger) = ended();
    let file = database(&launch);
    let whole = fs::read(&file).unwrap();
    let pages = whole.len() / 4_096;
    for length in [1, 99, 100, 512, 4_095, 4_096, 5_000, pages / 2 * 4_096, whole.len() - 4_096] {
        overwrite(&file, &whole);
        cut(&file, length);
        refusal(&launch, &[]);
        launch.manage(&["merchant", "list"]).refused();
    }
    overwrite(&file, &whole);
    ledger.check(&launch.start(), ledger::Disk::Whole);
}

#[test]
fn a_database_that_is_empty_or_gone_is_not_begun_anew() {
    for (launch, ledger) in [ended(), killed()] {
        let file = database(&launch);
        let whole = fs::read(&file).unwrap();
        let empty: fn(&Path) = |file| cut(file, 0);
        let remove: fn(&Path) = |file| fs::remove_file(file).unwrap();
        for lose in [empty, remove] {
            lose(&file);
            refusal(&launch, &["patron.db was there before", "restore a backup"]);
            launch.manage(&["merchant", "list"]).refused();
            launch.manage(&["doctor"]);
            assert!(file.metadata().map_or(0, |file| file.len()) == 0, "nothing was begun");
        }
        // The log is still there as well, and with the file everything in it.
        fs::write(&file, whole).unwrap();
        ledger.check(&launch.start(), ledger::Disk::Whole);
    }
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    let (launch, _) = ended();
    let file = database(&launch);
    let make = |sql: &str| {
        fs::remove_file(&file).unwrap();
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    };
    fs::write(&file, "this is not a database, it is a poem about one".repeat(200)).unwrap();
    is_left_alone(&launch, &["is not a database", "give Patron another directory"]);
    make("CREATE TABLE song (title TEXT)");
    is_left_alone(&launch, &["the database of another program", "a directory of its own"]);
    let (launch, _) = ended();
    let newer = "INSERT INTO migration SELECT 9999, 'later', checksum, 0 FROM migration LIMIT 1";
    Connection::open(database(&launch)).unwrap().execute_batch(newer).unwrap();
    is_left_alone(&launch, &["a newer version of Patron", "start that version"]);
    let (launch, _) = ended();
    let changed = "UPDATE migration SET checksum = zeroblob(32)";
    Connection::open(database(&launch)).unwrap().execute_batch(changed).unwrap();
    is_left_alone(&launch, &["migration 1 (initial)", "start the version of Patron that made it"]);
}

fn is_left_alone(launch: &Launch, words: &[&str]) {
    let file = database(launch);
    let before = fs::read(&file).unwrap();
    refusal(launch, words);
    launch.manage(&["merchant", "list"]).refused();
    assert!(!launch.manage(&["doctor"]).status.success());
    assert_eq!(fs::read(&file).unwrap(), before, "it was changed");
}
