//! Commits that wait for a replica, and what ends their waiting: nothing is acknowledged before the replica has it.

use std::time::Duration;

use patron_testkit::http::{Call, Connection};
use patron_testkit::postgres::Cluster;
use patron_testkit::server::{Launch, SANDBOX_KEY, Server};
use patron_testkit::wait::soon;
use serde_json::json;

use super::failover::url_of_both;
use super::story::{ask, ask_until_done, is_refused, launch_on, tells_no_secret};
use crate::durability::load::shown;
use crate::errors::is_taken;

/// The backends that wait for the replica, by their ids.
const WAITING: &str = "select pid from pg_stat_activity where wait_event = 'SyncRep' \
                       and application_name = 'patron' order by 1";

/// Two servers, of which one follows the other, and a program.
struct Pair {
    primary: Cluster,
    replica: Cluster,
    launch: Launch,
    server: Server,
}

impl Pair {
    /// With a program of this patience.
    fn start(patience: &[(&str, &str)]) -> Self {
        let primary = Cluster::new();
        let replica = primary.replica("second");
        primary.require_sync(&replica);
        // Whoever is not told of warnings by itself has to ask for them.
        primary.psql("alter database patron set client_min_messages = error");
        let launch = launch_on(&url_of_both(&primary, &replica));
        let launch = patience
            .iter()
            .fold(launch, |launch, (name, value)| launch.with_variable(name, *value));
        let server = launch.start();
        // What is done once only is done by now.
        create(&server, "first").expect(200);
        Self { primary, replica, launch, server }
    }

    fn waiting(&self) -> Vec<String> {
        self.primary.psql(WAITING).lines().map(str::to_owned).collect()
    }

    /// Waits until one waits for the replica that is none of these.
    fn waits_besides(&self, known: &[String]) -> String {
        soon("a commit waits for the replica", || {
            self.waiting().into_iter().find(|one| !known.contains(one))
        })
    }

    /// Each customer has the version that it must have, and there is nobody else.
    fn holds(&self, versions: &[(&str, u64)]) {
        let listed = get(&self.server, "/customers?count=100").expect(200);
        assert_eq!(listed["total"], json!(versions.len()), "{listed}");
        for (reference, version) in versions {
            let found = shown(&get(&self.server, &format!("/customers/{reference}")));
            assert_eq!(found.version, *version, "{found:?}");
        }
        let walked = self.launch.manage(&["verify", "--json"]).json();
        let entries: u64 = versions.iter().map(|(_, version)| version).sum();
        assert_eq!(walked["history_entries"], json!(entries), "{walked}");
        assert_eq!(walked["broken"], json!(null), "{walked}");
        tells_no_secret(&self.server.stderr());
    }

    /// The primary is lost, and the replica takes over.
    fn fail_over(&self) {
        self.primary.kill();
        self.replica.promote();
        let call = Call::get("/customers/first").basic(SANDBOX_KEY);
        ask_until_done(&self.server, &call).expect(200);
    }
}

fn creation(reference: &str) -> Call {
    let form = format!(
        "object_reference_id={reference}&mobile_number=99887766&email_address=jon@winter.example"
    );
    Call::post("/customers").basic(SANDBOX_KEY).form(form)
}

fn create(server: &Server, reference: &str) -> patron_testkit::http::Reply {
    creation(reference).send(server)
}

fn update(reference: &str, name: &str) -> Call {
    let call = Call::post(format!("/customers/{reference}")).basic(SANDBOX_KEY);
    call.form(format!("first_name={name}"))
}

fn get(server: &Server, target: &str) -> patron_testkit::http::Reply {
    Call::get(target).basic(SANDBOX_KEY).send(server)
}

/// Longer than the test takes.
const PATIENT: [(&str, &str); 3] = [
    ("PATRON_DATABASE_WAIT_MS", "15000"),
    ("PATRON_DATABASE_STATEMENT_TIMEOUT_MS", "15000"),
    ("PATRON_DATABASE_LOCK_TIMEOUT_MS", "15000"),
];

/// Something ends the waiting of a commit.
fn is_found_out(end: &str) {
    let pair = Pair::start(&PATIENT);
    for call in [creation("jon"), update("first", "Arya")] {
        pair.replica.pause();
        let mut client = Connection::open(&pair.server);
        client.write(&call.head("patron"));
        client.write(&call.body());
        let first = pair.waits_besides(&[]);
        assert_eq!(pair.primary.psql(&format!("select {end}({first})")), "t");
        // The same again waits for the replica too, since what it finds must be there, and is not told before.
        let again = soon("the change is looked for", || {
            let waiting = pair.waiting();
            let is_over = end == "pg_cancel_backend" || !waiting.contains(&first);
            (is_over && !waiting.is_empty()).then_some(waiting)
        });
        assert!(!client.is_answered(), "{again:?}");
        pair.replica.resume();
        shown(&client.reply());
    }
    pair.holds(&[("first", 2), ("jon", 1)]);
    pair.fail_over();
    pair.holds(&[("first", 2), ("jon", 1)]);
}

#[test]
fn a_commit_that_is_cancelled_is_found_out() {
    is_found_out("pg_cancel_backend");
}

#[test]
fn a_commit_whose_connection_is_ended_is_found_out() {
    is_found_out("pg_terminate_backend");
}

#[test]
fn a_commit_that_runs_out_of_time_is_found_out() {
    let pair = Pair::start(&[
        ("PATRON_DATABASE_WAIT_MS", "15000"),
        ("PATRON_DATABASE_STATEMENT_TIMEOUT_MS", "300"),
        ("PATRON_DATABASE_LOCK_TIMEOUT_MS", "200"),
    ]);
    pair.replica.pause();
    // The server itself would wait for ever, and is told not to.
    let mut client = Connection::open(&pair.server);
    let call = creation("jon");
    client.write(&call.head("patron"));
    client.write(&call.body());
    soon("it ran out of time, and again", || {
        let warnings = pair.primary.log().matches("canceling wait for synchronous").count();
        (warnings >= 3).then_some(())
    });
    assert!(!client.is_answered(), "it is not told before the replica has it");
    pair.replica.resume();
    shown(&client.reply());
    pair.holds(&[("first", 1), ("jon", 1)]);
    pair.fail_over();
    pair.holds(&[("first", 1), ("jon", 1)]);
}

/// Sent again and again while the replica is away, until what was committed shows: nobody is told that it is done.
fn is_never_acknowledged(server: &Server, calls: &[Call], is_seen: impl Fn() -> bool) {
    let mut connection = Connection::open(server);
    let mut after = 0;
    soon("what was committed shows, and is refused all the same", || {
        for call in calls {
            is_refused(&ask(&mut connection, call));
        }
        after += usize::from(is_seen());
        (after >= 2).then_some(())
    });
}

#[test]
fn what_the_replica_does_not_have_is_not_acknowledged_though_it_shows() {
    let pair = Pair::start(&[("PATRON_DATABASE_STATEMENT_TIMEOUT_MS", "300")]);
    pair.replica.pause();
    let wish = Call::post("/v2/customers/jon").basic(SANDBOX_KEY).form("mobile_number=99887766");
    let calls = [update("first", "Arya"), wish];
    is_never_acknowledged(&pair.server, &calls, || {
        let names = "select count(*) from customer where version = 2";
        pair.primary.psql(names) == "1" && pair.primary.psql("select count(*) from customer") == "2"
    });
    pair.replica.resume();
    for call in &calls {
        ask_until_done(&pair.server, call).expect(200);
    }
    pair.holds(&[("first", 2), ("jon", 1)]);
    pair.fail_over();
    pair.holds(&[("first", 2), ("jon", 1)]);
}

#[test]
fn what_a_lost_primary_alone_had_was_never_acknowledged() {
    let pair = Pair::start(&[("PATRON_DATABASE_STATEMENT_TIMEOUT_MS", "300")]);
    pair.replica.pause();
    let calls = [update("first", "Arya"), creation("jon")];
    let mut connection = Connection::open(&pair.server);
    for call in &calls {
        is_refused(&ask(&mut connection, call));
    }
    pair.primary.kill();
    pair.replica.resume();
    pair.replica.promote();
    let [update, creation] = calls;
    ask_until_done(&pair.server, &update).expect(200);
    // The program may still have been at it when the replica took over.
    let reply = ask_until_done(&pair.server, &creation);
    if reply.status != 200 {
        is_taken(&reply);
    }
    pair.holds(&[("first", 2), ("jon", 1)]);
}

#[test]
fn a_replica_that_comes_back_is_waited_for_as_long_as_a_request_may_wait() {
    let pair = Pair::start(&PATIENT);
    pair.replica.stop();
    let mut client = Connection::open(&pair.server);
    let call = creation("jon");
    client.write(&call.head("patron"));
    client.write(&call.body());
    pair.waits_besides(&[]);
    assert!(!client.is_answered());
    pair.replica.start();
    let took = patron_testkit::wait::timed(|| shown(&client.reply())).1;
    assert!(took < Duration::from_secs(10), "{took:?}");
    pair.holds(&[("first", 1), ("jon", 1)]);
}
