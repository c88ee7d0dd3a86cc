//! Calls to the disk that fail while the program serves: what was acknowledged is kept, and what can
//! be answered is.

use patron_testkit::http::{Call, Connection};
use patron_testkit::server::{SANDBOX_KEY, Server};
use patron_testkit::together::together;
use patron_testkit::wait::soon;

use super::disk::Disk;
use super::ledger::{self, Ledger, ask};
use super::{is_away, refusal};
use crate::stage::launch;

/// A server on a disk that can be made to fail, with customers that it did not read yet.
fn stage(customers: usize) -> (Server, Disk, Ledger) {
    let launch = launch();
    let disk = Disk::build(launch.directory());
    let mut ledger = Ledger::default();
    let mut server = disk.under(&launch).start();
    for number in 0..customers {
        ledger.write(&server, &format!("r{number}"), "first").unwrap();
    }
    server.restart();
    (server, disk, ledger)
}

/// Waits until the server has left because of the disk, and says what it said.
fn has_stopped(server: &mut Server) -> String {
    let status = server.wait();
    assert_eq!(status.code(), Some(1), "{status}");
    let said = server.stderr();
    assert!(said.contains("start it again") && !said.contains("panicked"), "{said}");
    assert!(said.contains(&server.launch().data().display().to_string()), "{said}");
    said
}

/// Starts it again on a disk that is whole, where everything acknowledged must be.
fn starts_again(server: &Server, disk: &Disk, ledger: &Ledger) {
    disk.heal();
    let mut server = server.launch().start();
    ledger.check(&server, ledger::Disk::Whole);
    server.manage(&["doctor"]).ok();
    assert!(server.terminate().success());
}

/// The same of a server that still runs.
fn starts_again_after_a_kill(mut server: Server, disk: &Disk, ledger: &Ledger) {
    server.kill();
    starts_again(&server, disk, ledger);
}

#[test]
fn a_log_that_cannot_be_synced_ends_the_program_and_loses_nothing() {
    let (mut server, disk, mut ledger) = stage(3);
    let to = server.address();
    disk.rule("fsync EIO -wal 40 1");
    let writers = together(
        8,
        |_| Ledger::default(),
        |writer, mut mine| {
            for number in 0..1_000 {
                if mine.write(to, &format!("w{writer}-{number}"), "mine").is_err() {
                    return mine;
                }
            }
            panic!("the log is synced for ever");
        },
    );
    writers.into_iter().for_each(|mine| ledger.join(mine));
    assert!(ledger.acknowledged() > 40, "there is something to lose");
    has_stopped(&mut server);
    starts_again(&server, &disk, &ledger);
}

#[test]
fn a_full_log_disk_refuses_single_writes_and_goes_on() {
    let (server, disk, mut ledger) = stage(3);
    let mut refused = 0;
    for number in 0..20 {
        disk.rule(&format!("write ENOSPC -wal {} 1", number % 7));
        let mut refused_here = 0;
        for name in 0..100 {
            let name = format!("n{number}-{name}");
            refused_here += usize::from(ledger.write(&server, "r0", &name).is_err());
            if disk.has_failed() {
                break;
            }
        }
        assert!(disk.has_failed(), "the log is not written");
        // A commit that the program makes for itself may be the one that finds no room.
        assert!(refused_here <= 1, "{refused_here} were refused by one call that failed");
        refused += refused_here;
        ledger.write(&server, "r0", &format!("n{number}")).unwrap();
        ledger.check(&server, ledger::Disk::Whole);
    }
    assert!(refused > 15, "{refused} of 20 were refused");
    starts_again_after_a_kill(server, &disk, &ledger);
}

#[test]
fn a_checkpoint_whose_sync_fails_once_loses_nothing() {
    for (number, more) in [(0, 0), (0, 1), (0, 40), (1, 0), (2, 7), (5, 40)] {
        let launch = launch().with("--checkpoint-pages").with("16");
        let disk = Disk::build(launch.directory());
        let mut ledger = Ledger::default();
        let mut server = disk.under(&launch).start();
        disk.rule(&format!("fsync EIO patron.db {number} 1"));
        let mut count = 0;
        while !disk.has_failed() {
            assert!(count < 1_000, "the log is never moved");
            let _ = ledger.write(&server, &format!("c{}", count % 20), &format!("n{count}"));
            count += 1;
        }
        // It may go on or end: whatever it acknowledges is there afterwards.
        for name in count..count + more {
            let _ = ledger.write(&server, &format!("c{}", name % 20), &format!("n{name}"));
        }
        assert!(ledger.acknowledged() > 0, "there is something to lose");
        ledger.check(&server, ledger::Disk::Failing);
        server.kill();
        assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
        starts_again(&server, &disk, &ledger);
    }
}

/// Writes until the log is moved into the database and that fails, and then some more.
fn with_a_failing_checkpoint(rule: &str) {
    let (server, disk, mut ledger) = stage(1);
    disk.rule(rule);
    let mut more = 20;
    for number in 0.. {
        assert!(number < 5_000, "the log is never moved");
        ledger.write(&server, &format!("c{number}"), "mine").unwrap();
        more -= u32::from(disk.has_failed());
        if more == 0 {
            break;
        }
    }
    let log = server.launch().data().join("patron.db-wal");
    assert!(log.metadata().unwrap().len() > 0, "the log is kept");
    starts_again_after_a_kill(server, &disk, &ledger);
}

#[test]
fn a_database_that_cannot_be_synced_stays_in_its_log() {
    with_a_failing_checkpoint("fsync EIO patron.db 0 0");
}

#[test]
fn a_database_that_cannot_be_written_stays_in_its_log() {
    with_a_failing_checkpoint("write EIO patron.db 0 0");
}

#[test]
fn a_disk_that_cannot_be_read_is_away_until_it_can() {
    let (server, disk, mut ledger) = stage(5);
    // A commit, after which nothing is taken from memory that was read before.
    ledger.write(&server, "r4", "second").unwrap();
    disk.rule("read EIO * 0 0");
    let refused = ledger.check(&server, ledger::Disk::Failing);
    assert!(refused > 3, "{refused} questions were refused");
    assert!(ledger.write(&server, "r0", "second").is_err());
    assert!(ledger.write(&server, "new", "second").is_err());
    is_away(&ask(server.address(), &Call::get("/customers/r0").basic(SANDBOX_KEY)).unwrap());
    assert_eq!(Call::get("/healthz").send(&server).status, 200);
    disk.heal();
    ledger.check(&server, ledger::Disk::Whole);
    ledger.write(&server, "r1", "second").unwrap();
    assert_eq!(Call::get("/readyz").send(&server).status, 200);
    starts_again_after_a_kill(server, &disk, &ledger);
}

#[test]
fn reads_go_on_while_the_log_is_slow_to_sync() {
    let (server, disk, mut ledger) = stage(5);
    let to = server.address();
    let before = ledger.clone();
    disk.rule("fsync WAIT -wal 0 0");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| ledger.write(to, "slow", "mine"));
        soon("the write waits for the disk", || (!disk.calls().is_empty()).then_some(()));
        let mut connection = Connection::open(to);
        let call = Call::get("/customers/r0").basic(SANDBOX_KEY);
        let unfinished = Call::get("/customers/slow").basic(SANDBOX_KEY);
        for _ in 0..100 {
            assert_eq!(connection.send(&call).status, 200);
            assert_eq!(connection.send(&unfinished).status, 404, "it is not durable yet");
        }
        before.check(&server, ledger::Disk::Whole);
        disk.heal();
        writer.join().unwrap().unwrap();
    });
    ledger.check(&server, ledger::Disk::Whole);
}

#[test]
fn a_start_on_a_slow_disk_takes_its_time() {
    let (mut server, disk, ledger) = stage(3);
    server.kill();
    let launch = server.launch();
    disk.rule("fsync WAIT * 0 1");
    let server = std::thread::scope(|scope| {
        let starting = scope.spawn(|| launch.start());
        soon("the start waits for the disk", || (!disk.calls().is_empty()).then_some(()));
        // A command waits for the data for longer than a server does, and gives up.
        let outcome = launch.manage(&["merchant", "list"]);
        assert!(outcome.refused().contains("in use"), "{outcome:?}");
        disk.heal();
        starting.join().unwrap()
    });
    ledger.check(&server, ledger::Disk::Whole);
}

#[test]
fn a_disk_that_turns_read_only_ends_the_program_which_starts_when_it_is_mended() {
    let (mut server, disk, mut ledger) = stage(3);
    disk.rule("change EROFS * 0 0");
    assert_eq!(ledger.check(&server, ledger::Disk::Failing), 0, "reading goes on");
    assert!(ledger.write(&server, "r0", "second").is_err());
    has_stopped(&mut server);
    refusal(
        server.launch(),
        &["cannot be written to", "give the user that runs Patron the right to"],
    );
    starts_again(&server, &disk, &ledger);
}

/// What the program writes by itself, such as when a key was last used, is asked for by nobody: that it
/// cannot be written ends nothing that goes well, and it is written when the disk is mended.
#[test]
fn a_use_of_a_key_that_cannot_be_written_ends_nothing() {
    for fault in ["EROFS", "EIO"] {
        let (server, disk, mut ledger) = stage(3);
        let keys = ["key", "list", "testaccount", "--json"];
        disk.rule(&format!("change {fault} * 0 0"));
        for _ in 0..3 {
            assert_eq!(ledger.check(&server, ledger::Disk::Failing), 0, "reading goes on");
            // It writes down at once what is written down every few seconds.
            server.manage(&keys).refused();
            assert!(disk.calls().iter().any(|call| call.ends_with("-wal failed")), "{fault}");
        }
        assert_eq!(Call::get("/readyz").send(&server).status, 200);
        disk.heal();
        let listed = server.manage(&keys).json();
        assert!(!listed[0]["last_used"].is_null(), "{fault}: {listed}");
        ledger.write(&server, "r0", "second").unwrap();
        starts_again_after_a_kill(server, &disk, &ledger);
    }
}

#[test]
fn reads_go_on_when_nothing_can_be_opened() {
    let (server, disk, ledger) = stage(30);
    disk.rule("open EMFILE * 0 0");
    let refused = together(
        8,
        |_| ledger.clone(),
        |_, mine| (0..10).map(|_| mine.check(&server, ledger::Disk::Failing)).sum::<usize>(),
    );
    assert_eq!(refused, [0; 8]);
    starts_again_after_a_kill(server, &disk, &ledger);
}

#[test]
fn commands_say_in_one_sentence_that_the_disk_fails() {
    let (mut server, disk, ledger) = stage(1);
    disk.rule("write ENOSPC -wal 0 1");
    let outcome = server.manage(&["merchant", "create", "acme"]);
    assert!(outcome.refused().contains("full"), "{outcome:?}");
    assert_eq!(outcome.refused().lines().count(), 1, "{outcome:?}");
    // The same without a server.
    assert!(server.terminate().success());
    let launch = server.launch();
    for (rule, said) in [
        ("fsync EIO -wal 0 1", "did not confirm"),
        ("write ENOSPC -wal 0 1", "full"),
        ("read EIO patron.db 0 0", "cannot be opened"),
    ] {
        disk.rule(rule);
        let outcome = launch.manage(&["merchant", "create", "acme"]);
        assert!(disk.has_failed(), "{rule}: {outcome:?}");
        assert!(outcome.refused().contains(said), "{rule}: {outcome:?}");
        assert_eq!(outcome.refused().lines().count(), 1, "{rule}: {outcome:?}");
    }
    starts_again(&server, &disk, &ledger);
}

/// The shell ignores the signal and the program inherits that: writes past the limit then fail, without
/// any library in between. The unit is 512 bytes.
const BROKEN_DISK: [&str; 4] = ["sh", "-c", "trap '' XFSZ; ulimit -f 1200; exec \"$@\"", "sh"];

#[test]
fn a_commit_that_fails_ends_the_program_and_loses_nothing() {
    let mut server = launch().wrapped_in(&BROKEN_DISK).start();
    let mut ledger = Ledger::default();
    let refused =
        (0..100_000).any(|number| ledger.write(&server, &format!("c{number}"), "mine").is_err());
    assert!(refused, "the disk takes everything");
    has_stopped(&mut server);
    let server = server.launch().clone().wrapped_in(&[]).start();
    ledger.check(&server, ledger::Disk::Whole);
}
