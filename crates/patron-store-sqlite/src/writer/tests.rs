//! The writer by itself: groups, a failure inside one, and a commit that nobody can vouch for.

use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::*;

/// A writer over a table of its own, and what it told its listeners.
struct Watched {
    writer: Writer,
    groups: Receiver<usize>,
    fatal: Receiver<String>,
    /// Each message lets the writer go on after one commit.
    go_on: std::sync::mpsc::SyncSender<()>,
}

fn watched() -> Watched {
    let connection = Connection::open_in_memory().unwrap();
    // A reference that is checked at the commit only, so that a commit can be made to fail.
    let schema = "CREATE TABLE number (n INTEGER PRIMARY KEY);
        CREATE TABLE follower (n INTEGER REFERENCES number (n) DEFERRABLE INITIALLY DEFERRED)";
    connection.execute_batch(schema).unwrap();
    let (groups_sender, groups) = channel();
    let (fatal_sender, fatal) = channel();
    let (go_on, may_go_on) = sync_channel(1_000);
    let may_go_on = Mutex::new(may_go_on);
    let listeners = Listeners {
        on_group: Arc::new(move |size| {
            groups_sender.send(size).unwrap();
            may_go_on.lock().unwrap_or_else(PoisonError::into_inner).recv().unwrap();
        }),
        on_fatal: Arc::new(move |reason| fatal_sender.send(reason.to_owned()).unwrap()),
    };
    let writer =
        Writer::start(connection, Arc::new(Views::new("nowhere".into(), 0)), listeners).unwrap();
    Watched { writer, groups, fatal, go_on }
}

impl Watched {
    /// Puts a statement into the queue, which has room.
    fn enqueue(&self, sql: &'static str) -> Answer<usize> {
        self.enqueue_work(move |connection| crate::sql::execute(connection, sql, []))
    }

    fn enqueue_work<F>(&self, work: F) -> Answer<usize>
    where
        F: Fn(&Connection) -> Result<usize, StoreError> + Send + 'static,
    {
        let mut enqueue = std::pin::pin!(self.writer.enqueue(Moves::Nothing, work));
        match enqueue.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer.unwrap(),
            Poll::Pending => panic!("the queue has no room"),
        }
    }

    /// Keeps the writer busy with a commit until it may go on; all that is enqueued meanwhile waits.
    fn hold(&self) -> Answer<usize> {
        let answer = self.enqueue("INSERT INTO number (n) VALUES (0)");
        assert_eq!(self.groups.recv().unwrap(), 1);
        answer
    }
}

#[test]
fn what_waits_is_committed_together_up_to_the_most() {
    let watched = watched();
    let first = watched.hold();
    let insert = "INSERT INTO number (n) SELECT max(n) + 1 FROM number";
    let rest: Vec<_> = (0..GROUP_MAX + 6).map(|_| watched.enqueue(insert)).collect();
    for _ in 0..3 {
        watched.go_on.send(()).unwrap();
    }
    assert_eq!(first.blocking_recv().unwrap().unwrap(), 1);
    for answer in rest {
        assert_eq!(answer.blocking_recv().unwrap().unwrap(), 1);
    }
    assert_eq!(watched.groups.iter().take(2).collect::<Vec<_>>(), [GROUP_MAX, 6]);
}

#[test]
fn a_write_that_fails_does_not_disturb_its_group() {
    let watched = watched();
    let _first = watched.hold();
    let good = watched.enqueue("INSERT INTO number (n) VALUES (1)");
    let bad = watched.enqueue("INSERT INTO number (n) VALUES (2), (1)");
    let seen = watched.enqueue("INSERT INTO number (n) SELECT 10 + count(*) FROM number");
    for _ in 0..3 {
        watched.go_on.send(()).unwrap();
    }
    assert_eq!(good.blocking_recv().unwrap().unwrap(), 1);
    assert!(matches!(bad.blocking_recv().unwrap(), Err(StoreError::Corrupt { .. })));
    assert_eq!(seen.blocking_recv().unwrap().unwrap(), 1);
    // 0 and 1 were there when the last one counted: nothing was left of the one that failed.
    watched.go_on.send(()).unwrap();
    let check = watched.enqueue("DELETE FROM number WHERE n = 12 AND 2 NOT IN number");
    assert_eq!(check.blocking_recv().unwrap().unwrap(), 1);
    assert_eq!(watched.groups.iter().take(2).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_commit_of_unknown_outcome_acknowledges_nothing_and_stops_the_writer() {
    let watched = watched();
    let _first = watched.hold();
    let group = ["INSERT INTO number (n) VALUES (1)", "INSERT INTO follower (n) VALUES (99)"];
    let group = group.map(|sql| watched.enqueue(sql));
    watched.go_on.send(()).unwrap();
    for answer in group {
        assert!(matches!(answer.blocking_recv().unwrap(), Err(StoreError::Unavailable(_))));
    }
    assert!(watched.fatal.recv().unwrap().contains("did not confirm a commit"));
    assert!(watched.writer.is_stopped());
    let later = watched.enqueue("INSERT INTO number (n) VALUES (2)");
    assert!(matches!(later.blocking_recv().unwrap(), Err(StoreError::Unavailable(_))));
    assert!(watched.groups.try_recv().is_err(), "a group was committed after that");
}

#[test]
fn a_writer_that_panics_says_so_and_promises_nothing_more() {
    let watched = watched();
    let lost = watched.enqueue_work(|_| panic!("a bug"));
    assert!(lost.blocking_recv().is_err(), "nobody vouches for it");
    assert!(watched.fatal.recv().unwrap().contains("because of a bug"));
    assert!(watched.writer.is_stopped());
}

#[test]
fn dropping_the_writer_waits_for_what_it_was_given() {
    let watched = watched();
    let first = watched.hold();
    let last = watched.enqueue("INSERT INTO number (n) VALUES (1)");
    for _ in 0..2 {
        watched.go_on.send(()).unwrap();
    }
    drop(watched.writer);
    assert_eq!(first.blocking_recv().unwrap().unwrap(), 1);
    assert_eq!(last.blocking_recv().unwrap().unwrap(), 1);
}
