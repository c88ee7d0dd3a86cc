//! A process that stands still for longer than anything waits for it, and goes on: it does no harm, and bars nobody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use patron_testkit::effort::rounds;
use patron_testkit::http::{Call, Connection};
use patron_testkit::together::together;
use patron_testkit::wait::{Since, soon};

use super::model::{Moments, explain};
use super::orders::{CLIENTS, Client, Outages, settle};
use super::{Processes, tell};
use crate::errors::is_denied;

/// How long a transaction of a process that stands still keeps its locks.
const STATEMENT_MS: u64 = 400;

/// How much later than that others may be through.
const SLACK: Duration = Duration::from_millis(1_100);

/// Three processes with short limits of time.
fn processes() -> Processes {
    Processes::three_with(|_, _, launch| {
        let launch = launch.with_variable("PATRON_DATABASE_LOCK_TIMEOUT_MS", "300");
        launch.with_variable("PATRON_DATABASE_STATEMENT_TIMEOUT_MS", STATEMENT_MS.to_string())
    })
}

/// How many of a process's transactions stand open that have locked something.
fn open_transactions(processes: &Processes, number: usize) -> usize {
    let sql = format!(
        "select count(*) from pg_stat_activity \
         where application_name = 'p{number}' and state = 'idle in transaction' \
         and backend_xid is not null"
    );
    processes.cluster.psql(&sql).parse().unwrap()
}

#[test]
fn who_comes_back_does_no_job_and_trusts_no_key_of_before() {
    let processes = processes();
    let stopped = processes.holder_among(&[0, 1, 2]);
    let others: Vec<_> = (0..3).filter(|number| *number != stopped).collect();
    let (key, number) = processes.create_key();
    let list = Call::get("/customers").basic(&key);
    list.send(processes.server(stopped)).expect(200);
    let cleared = processes.cleared(stopped);
    let mut open = Connection::open(processes.server(stopped));
    processes.server(stopped).pause();
    let since = Since::now();

    let heir = processes.holder_among(&others);
    processes.put_expired_tokens(50);
    soon("the other does the job", || (processes.cleared(heir) == 50).then_some(()));
    processes.manage(&["key", "revoke", "testaccount", &number]).ok();
    // Both lie in its sockets while it stands still: the one it has accepted, the other it has not.
    let mut fresh = Connection::open(processes.server(stopped));
    for connection in [&mut open, &mut fresh] {
        connection.send_head(&list);
    }
    soon("it stood still for longer than it may trust", || {
        (since.elapsed() > Duration::from_secs(1)).then_some(())
    });
    processes.server(stopped).resume();
    for connection in [&mut open, &mut fresh] {
        is_denied(&connection.reply());
    }
    processes.get(stopped, "/customers").expect(200);
    for round in 2..=4 {
        processes.put_expired_tokens(50);
        soon("the other does the job", || (processes.cleared(heir) == 50 * round).then_some(()));
    }
    assert_eq!(processes.holder_among(&[0, 1, 2]), heir);
    assert_eq!(processes.cleared(stopped), cleared, "it did what was another's");
}

/// Stops a process in the middle of a transaction, which chance has to bring about.
fn stop_in_the_middle(processes: &Processes, number: usize) {
    soon("it is stopped in the middle of a transaction", || {
        processes.server(number).pause();
        if open_transactions(processes, number) > 0 {
            return Some(());
        }
        processes.server(number).resume();
        None
    });
}

/// While one process stands still in the middle of changes, the others change the same customers.
fn go_round(processes: &Processes, round: usize) {
    let moments = Moments::default();
    let is_over = AtomicBool::new(false);
    let stopped = round % 3;
    let all: Vec<_> = processes.servers.iter().collect();
    let others = [processes.server(stopped + 1), processes.server(stopped + 2)];
    let client = |number: usize| {
        // One asks only those that go on; whoever asks the other waits until it does.
        let servers = if number == 0 { &others[..] } else { &all };
        Client::new(&moments, servers, (number, round), Outages::Possible)
    };
    let heard = together(CLIENTS, client, |number, mut client: Client<'_>| {
        if number > 0 {
            while !is_over.load(Ordering::Relaxed) {
                client.act();
            }
            return client.into_facts();
        }
        stop_in_the_middle(processes, stopped);
        let since = Since::now();
        client.update_each();
        let took = since.elapsed();
        tell(&format!("others could update every customer after {took:?}"));
        soon("its transactions are ended", || {
            (open_transactions(processes, stopped) == 0).then_some(())
        });
        // They have changed since what it has read of them.
        client.update_each();
        processes.server(stopped).resume();
        client.update_each();
        is_over.store(true, Ordering::Relaxed);
        assert!(took <= Duration::from_millis(STATEMENT_MS) + SLACK, "{took:?}");
        client.into_facts()
    });
    match explain(&heard.concat()) {
        Ok(last) => settle(processes, &last),
        Err(why) => panic!("in round {round}: {why}"),
    }
}

#[test]
fn who_stands_still_bars_nobody_and_overwrites_nothing_when_it_goes_on() {
    let processes = processes();
    for round in 0..rounds(4, 200) {
        go_round(&processes, round);
    }
}
