//! A database file that is cut, empty, gone, of another program or another version, and a log with a
//! hole: refused, left as it was, and all there again when the file is.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use patron_testkit::chance::Chance;
use patron_testkit::effort::rounds;
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

fn log(launch: &Launch) -> PathBuf {
    launch.data().join("patron.db-wal")
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
        refusal(&launch);
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
            let said = refusal(&launch);
            assert!(said.contains("patron.db was there before"), "{said}");
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
    is_left_alone(&launch, "is not a database");
    make("CREATE TABLE song (title TEXT)");
    is_left_alone(&launch, "the database of another program");
    let (launch, _) = ended();
    let newer = "INSERT INTO migration SELECT 9999, 'later', checksum, 0 FROM migration LIMIT 1";
    Connection::open(database(&launch)).unwrap().execute_batch(newer).unwrap();
    is_left_alone(&launch, "a newer version of Patron");
    let (launch, _) = ended();
    let changed = "UPDATE migration SET checksum = zeroblob(32)";
    Connection::open(database(&launch)).unwrap().execute_batch(changed).unwrap();
    is_left_alone(&launch, "migration 1 (initial)");
}

fn is_left_alone(launch: &Launch, words: &str) {
    let file = database(launch);
    let before = fs::read(&file).unwrap();
    let said = refusal(launch);
    assert!(said.contains(words), "{said}");
    launch.manage(&["merchant", "list"]).refused();
    assert!(!launch.manage(&["doctor"]).status.success());
    assert_eq!(fs::read(&file).unwrap(), before, "it was changed");
}

#[test]
#[expect(clippy::print_stdout, reason = "what came of it is what a long run is for")]
fn a_log_with_a_hole_is_refused_unless_the_hole_is_in_its_last_commit() {
    let (launch, ledger) = killed();
    let (file, log) = (database(&launch), log(&launch));
    let (database, whole) = (fs::read(&file).unwrap(), fs::read(&log).unwrap());
    let last = last_commit(&whole);
    let mut chance = Chance::new(8);
    let (mut refused, mut rounds_in_last) = (0, 0);
    let stories = rounds(40, 1_000);
    for _ in 0..stories {
        fs::write(&file, &database).unwrap();
        let _ = fs::remove_file(launch.data().join("patron.db-shm"));
        let mut holed = whole.clone();
        let at = chance.below(whole.len());
        let length = 1 + chance.below(16);
        for byte in holed.iter_mut().skip(at).take(length) {
            *byte ^= u8::try_from(1 + chance.below(255)).unwrap();
        }
        fs::write(&log, &holed).unwrap();
        if at + length <= last {
            let said = refusal(&launch);
            assert!(said.contains("patron.db-wal was damaged"), "byte {at}: {said}");
            assert_eq!(fs::read(&log).unwrap(), holed, "it is left as it was");
            refused += 1;
        } else {
            // Nobody can tell it from a commit that a power cut interrupted.
            launch.start();
            rounds_in_last += 1;
        }
    }
    println!("{stories} holes: {refused} refused, {rounds_in_last} in the last commit");
    fs::write(&file, &database).unwrap();
    fs::write(&log, &whole).unwrap();
    ledger.check(&launch.start(), ledger::Disk::Whole);
}

/// Where the last commit begins in a log: behind the frame that ends the one before.
fn last_commit(log: &[u8]) -> usize {
    let frame = 24 + 4_096;
    let ends: Vec<usize> = (32..log.len())
        .step_by(frame)
        .filter(|at| log[at + 4..at + 8] != [0; 4])
        .map(|at| at + frame)
        .collect();
    assert!(ends.len() > 2 && ends[ends.len() - 1] == log.len(), "the log is only of this start");
    ends[ends.len() - 2]
}

#[test]
fn a_log_that_was_cut_holds_what_is_left_of_it() {
    let (launch, _) = killed();
    let log = log(&launch);
    let whole = fs::read(&log).unwrap();
    // A cut is how a power cut leaves it, so it is believed: no sentence, but nothing wrong either.
    for length in [last_commit(&whole), whole.len() - 1, 31, 0] {
        fs::write(&log, &whole[..length]).unwrap();
        if let Ok(server) = launch.try_start() {
            assert!(server.stderr().is_empty() || !server.stderr().contains("panicked"));
        }
    }
}
