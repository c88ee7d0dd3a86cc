//! Readers of a file that cannot be opened any more: those that are open go on.

use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use tempfile::TempDir;

use super::*;

/// Readers of a file with one row, the first of them open, and nothing that can be opened any more.
fn cut_off() -> (TempDir, Readers) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("some.db");
    let schema = "PRAGMA journal_mode = wal; CREATE TABLE t (n); INSERT INTO t VALUES (7)";
    Connection::open(&file).unwrap().execute_batch(schema).unwrap();
    let readers = Readers::new(file.clone());
    readers.open_first().unwrap();
    fs::rename(&file, directory.path().join("elsewhere.db")).unwrap();
    assert!(readers.open_another().is_err(), "it can still be opened");
    (directory, readers)
}

fn number(connection: &Connection) -> Result<i64, StoreError> {
    connection.query_row("SELECT n FROM t", [], |row| row.get(0)).map_err(from_sqlite)
}

fn is_away(answer: &Result<i64, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

/// Lets go on once so many reads wait, or fails when one of them ended instead.
fn until_there_wait(readers: &Readers, count: usize, ended: &Receiver<Result<i64, StoreError>>) {
    while readers.pool().waiting < count {
        if let Ok(answer) = ended.try_recv() {
            panic!("one did not wait: {answer:?}");
        }
        thread::yield_now();
    }
}

#[test]
fn reads_share_the_reader_that_is_there_when_no_more_can_be_opened() {
    const OTHERS: usize = 3;
    let (_directory, readers) = cut_off();
    let groups = Groups::default();
    let (sender, answers) = channel();
    thread::scope(|scope| {
        let first = readers.read(&groups, |connection| {
            for _ in 0..OTHERS {
                let (sender, readers, groups) = (sender.clone(), &readers, &groups);
                scope.spawn(move || sender.send(readers.read(groups, number)).unwrap());
            }
            until_there_wait(&readers, OTHERS, &answers);
            number(connection)
        });
        assert_eq!(first.unwrap(), 7);
    });
    drop(sender);
    let answers: Vec<_> = answers.iter().map(Result::unwrap).collect();
    assert_eq!(answers, [7; OTHERS]);
    assert_eq!(readers.pool().waiting, 0);
    assert_eq!(Arc::strong_count(&readers.open), 2, "one reader did it all");
}

/// A reader that had trouble is closed, and there is nothing left to wait for.
#[test]
fn nobody_waits_for_a_reader_that_does_not_come_back() {
    let (_directory, readers) = cut_off();
    let groups = Groups::default();
    let (sender, answers) = channel();
    thread::scope(|scope| {
        let first = readers.read(&groups, |_| {
            scope.spawn(|| sender.send(readers.read(&groups, number)).unwrap());
            until_there_wait(&readers, 1, &answers);
            Err(from_sqlite(rusqlite::Error::InvalidQuery))
        });
        assert!(is_away(&first));
        assert!(is_away(&answers.recv().unwrap()));
    });
    assert!(!readers.has_any());
    assert!(is_away(&readers.read(&groups, number)));
}

/// A reader that comes back while a group is written is kept, without its snapshot; so is one that is
/// idle when a group begins.
#[test]
fn a_reader_lets_go_of_its_snapshot_and_stays() {
    let (_directory, readers) = cut_off();
    let groups = Groups::default();
    let holds_one =
        || readers.pool().idle.iter().map(|one| one.snapshot.is_some()).collect::<Vec<_>>();
    readers.read(&groups, number).unwrap();
    assert_eq!(holds_one(), [true], "nothing is written");
    let group = groups.begin();
    readers.let_go();
    assert_eq!(holds_one(), [false]);
    readers.read(&groups, number).unwrap();
    assert_eq!(holds_one(), [false], "a group is written");
    groups.finish(group);
    readers
        .read(&groups, |connection| {
            groups.finish(groups.begin());
            number(connection)
        })
        .unwrap();
    assert_eq!(holds_one(), [false], "a group was written meanwhile");
    readers.read(&groups, number).unwrap();
    assert_eq!(holds_one(), [true], "nothing is written any more");
}
