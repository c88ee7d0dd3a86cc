//! Erasing: whoever is erased is gone for everybody, for good, and from every byte of the live files before there
//! is a receipt.

mod ledger;
mod traces;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use patron_testkit::http::{Call, Connection};
use patron_testkit::postgres::{SUPERUSER, USER};
use patron_testkit::server::{Launch, Outcome, Server};
use patron_testkit::wait::soon;
use rusqlite::Connection as Sqlite;
use serde_json::{Value, json};

use crate::data::Data;
use crate::stage::{LEAST, MOST, create, get, launch, metric, post, text};
use traces::Traces;

const JON: &str = "/customers/jon@example.com";

/// An installation whose jobs do not keep anybody waiting.
fn prompt() -> Launch {
    launch().with("--job-lease-ms").with("300")
}

/// Erases the sandbox's customer and waits for the receipt.
#[track_caller]
fn erase(server: &Server, customer: &str) -> Value {
    let erased = server.manage(&["erase", "testaccount", customer, "--yes", "--json"]).json();
    assert!(erased["receipt"].is_object(), "{erased}");
    erased
}

/// Erases it and does not wait.
fn erase_at_once(launch: &Launch, customer: &str) -> Outcome {
    launch.manage(&["erase", "testaccount", customer, "--yes", "--no-wait", "--json"])
}

/// What `patron verify` counts, when it finds everything in order.
#[track_caller]
fn verify(launch: &Launch) -> Value {
    let found = launch.manage(&["verify", "--json"]).json();
    assert_eq!(found["broken"], Value::Null, "{found}");
    found
}

fn token(server: &Server) -> String {
    let target = format!("{JON}?options.get_client_auth_token=true");
    text(&get(server, &target).expect(200)["juspay"], "client_auth_token").to_owned()
}

/// The customer is there for nobody.
#[track_caller]
fn is_gone(server: &Server, id: &str, token: &str) {
    for target in [JON.to_owned(), format!("/customers/{id}")] {
        assert_eq!(get(server, &target).status, 404, "{target}");
        assert_eq!(post(server, &target, "first_name=Aegon").status, 404, "{target}");
        assert_eq!(Call::get(&target).bearer(token).send(server).status, 401, "{target}");
    }
    let list = get(server, "/customers?count=100").expect(200).to_string();
    assert!(!list.contains(id) && !list.contains("jon@example.com"), "{list}");
}

/// Updates the customer of this id, each time to another name, until it is told to stop or there is no such
/// customer. How often it did.
fn storm(server: &Server, id: &str, number: usize, is_over: &AtomicBool, done: &AtomicUsize) {
    let mut connection = Connection::open(server);
    let mut is_erased = false;
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let call = Call::post(format!("/customers/{id}")).basic(server.key());
        let form = format!("first_name={number}{round:06}&last_name=Snow{number}");
        let reply = connection.send(&call.form(form));
        match reply.status {
            200 => assert!(!is_erased, "it came back: {}", reply.text()),
            404 => is_erased = true,
            _ => panic!("{}: {}", reply.status, reply.text()),
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Ends the storm, also when the test has failed.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_customer_that_is_erased_in_a_storm_of_its_updates_stays_erased_and_leaves_no_byte() {
    let server = prompt().start();
    let jon = text(&create(&server, MOST), "id").to_owned();
    let other = "object_reference_id=other&mobile_number=11223344&first_name=Arya";
    let other = text(&create(&server, other), "id").to_owned();
    let token = token(&server);
    let (is_over, done, others_done) =
        (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let more = |count: &AtomicUsize| {
        let before = count.load(Ordering::Relaxed);
        soon("the storm goes on", || (count.load(Ordering::Relaxed) > before + 50).then_some(()));
    };
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        for number in 0..3 {
            let (server, jon, is_over, done) = (&server, &jon, &is_over, &done);
            scope.spawn(move || storm(server, jon, number, is_over, done));
        }
        scope.spawn(|| storm(&server, &other, 3, &is_over, &others_done));
        more(&done);
        let traces = Traces::of(server.launch(), 1);
        assert!(traces.count() > 30, "{}", traces.count());
        traces.are_found(server.launch());
        let erased = erase(&server, "jon@example.com");
        assert_eq!(erased["customer"], 1, "{erased}");
        traces.are_gone(server.launch());
        more(&done);
        more(&others_done);
        traces.are_gone(server.launch());
    });
    is_gone(&server, &jon, &token);
    assert_eq!(get(&server, &format!("/customers/{other}")).expect(200)["last_name"], "Snow3");

    // The reference is free: whoever takes it is somebody else.
    let next = create(&server, LEAST);
    assert_ne!(text(&next, "id"), jon);
    assert_eq!(next["first_name"], Value::Null);
    assert_eq!(get(&server, &format!("/customers/{jon}")).status, 404);
    let found = verify(server.launch());
    assert_eq!((&found["customers"], &found["erased"]), (&json!(3), &json!(1)), "{found}");
    assert_eq!(metric(&server, "patron_erased_purged_total "), 1);
}

/// Somebody who reads what is there now, for as long as it lives.
#[expect(dead_code, reason = "what it holds is let go of when it is dropped")]
enum Reader {
    File(Sqlite),
    Database(patron_testkit::postgres::Sessions),
}

fn read_on(launch: &Launch, role: &str) -> Reader {
    match launch.cluster() {
        Some(cluster) => Reader::Database(cluster.look(role)),
        None => {
            let connection = Sqlite::open(launch.data().join("patron.db")).unwrap();
            connection.execute_batch("BEGIN; SELECT count(*) FROM customer").unwrap();
            Reader::File(connection)
        }
    }
}

#[test]
fn there_is_no_receipt_while_somebody_reads_what_was_there_before() {
    let server = prompt().start();
    for role in [USER, SUPERUSER] {
        let purged = metric(&server, "patron_erased_purged_total ");
        create(&server, MOST);
        let number = Data::of(server.launch()).number("SELECT max(number) AS number FROM customer");
        let traces = Traces::of(server.launch(), number);
        let reader = read_on(server.launch(), role);
        let erased = erase_at_once(server.launch(), "jon@example.com").json();
        assert_eq!((&erased["customer"], &erased["receipt"]), (&json!(number), &Value::Null));
        assert_eq!(get(&server, JON).status, 404, "it is erased all the same");
        soon("the purge is held up", || {
            (metric(&server, "patron_purge_held_up ") == 1).then_some(())
        });
        let number = number.to_string();
        let again = erase_at_once(server.launch(), &number).json();
        assert_eq!(again["receipt"], Value::Null);
        assert_eq!(metric(&server, "patron_erased_purged_total "), purged);
        drop(reader);
        let receipt = erase(&server, &number)["receipt"].clone();
        traces.are_gone(server.launch());
        assert_eq!(erase(&server, &number)["receipt"], receipt, "asked again, it is the same");
        assert_eq!(metric(&server, "patron_purge_held_up "), 0);
        if server.launch().cluster().is_none() {
            // A file has no roles.
            break;
        }
    }
}

#[test]
fn without_a_server_the_command_erases_and_purges_itself() {
    let mut server = prompt().start();
    create(&server, MOST);
    create(&server, "object_reference_id=other&mobile_number=1");
    assert!(server.terminate().success());
    let launch = server.launch();
    let traces = Traces::of(launch, 1);
    let said = launch.manage(&["erase", "testaccount", "jon@example.com", "--yes"]);
    traces.are_gone(launch);
    let said = said.ok();
    assert!(said.starts_with("Customer 1 of merchant testaccount is erased\n"), "{said}");
    for heading in ["gone from live files", "gone from backups", "signature"] {
        assert!(said.contains(heading), "{heading}: {said}");
    }
    assert!(!said.contains("jon"), "{said}");
    let again = launch.manage(&["erase", "testaccount", "1", "--yes"]);
    assert_eq!(again.ok(), said, "the same receipt");
    let found = verify(launch);
    assert_eq!((&found["customers"], &found["erased"]), (&json!(2), &json!(1)), "{found}");
    let words = launch.manage(&["verify"]);
    assert!(words.ok().contains("2 customers (1 of them erased)"), "{words:?}");
}

#[test]
fn a_receipt_says_when_the_rest_will_have_gone() {
    let launch = prompt().with("--logs-kept-days").with("7").with("--backups-kept-days").with("14");
    let server = launch.with("--replicas-behind-s").with("60").start();
    create(&server, MOST);
    // A command that opens the data itself is told the same, and without a server nobody else is.
    let words = ["--logs-kept-days", "7", "--backups-kept-days", "14", "--replicas-behind-s", "60"];
    let erase = ["erase", "testaccount", "jon@example.com", "--yes", "--json"];
    let receipt = server.manage(&[&erase[..], &words].concat()).json()["receipt"].clone();
    let moment = |key: &str| -> i64 {
        let at: jiff::Timestamp = text(&receipt, key).parse().unwrap();
        at.as_millisecond()
    };
    let purged = moment("purged");
    assert!(moment("erased") <= purged, "{receipt}");
    assert_eq!(moment("replicas_expire"), purged + 60_000);
    assert_eq!(moment("logs_expire"), purged + 7 * 86_400_000);
    assert_eq!(moment("backups_expire"), purged + 14 * 86_400_000);
    assert_eq!(receipt["version"], 2);
    assert_eq!(text(&receipt, "signature").len(), 64);
}

#[test]
fn what_makes_no_sense_is_refused_and_erases_nobody() {
    let mut server = prompt().start();
    create(&server, MOST);
    let check = |launch: &Launch| {
        for (words, code, hint) in [
            (["erase", "testaccount", "1"].as_slice(), 2, "--yes"),
            (&["erase", "testaccount", "nobody@example.com", "--yes"], 1, "customer not found"),
            (&["erase", "testaccount", "77", "--yes"], 1, "customer not found"),
            (&["erase", "testaccount", "0", "--yes"], 1, "customer not found"),
            (&["erase", "testaccount", "", "--yes"], 1, "customer not found"),
            (&["erase", "nobody", "1", "--yes"], 1, "no merchant"),
            (&["erase", "no body", "1", "--yes"], 2, "merchant's id"),
            (
                &["erase", "testaccount", "1", "--yes", "--logs-kept-days", "x"],
                2,
                "--logs-kept-days",
            ),
            (&["erase", "testaccount", "1", "--yes", "--backups-kept-days", "99999"], 2, "36500"),
        ] {
            let outcome = launch.manage(words);
            assert_eq!(outcome.status.code(), Some(code), "{words:?}: {outcome:?}");
            assert!(outcome.refused().contains(hint), "{words:?}: {outcome:?}");
            assert!(!outcome.stderr.contains("nobody@"), "{outcome:?}");
            assert_eq!(outcome.stdout, "");
        }
        assert_eq!(ledger::lines(launch), Vec::<String>::new());
    };
    check(server.launch());
    assert_eq!(get(&server, JON).status, 200);
    // Another merchant has no such customer, and cannot be told from one that has none at all.
    server.manage(&["merchant", "create", "other"]).ok();
    let other = server.manage(&["erase", "other", "1", "--yes"]);
    assert!(other.refused().contains("customer not found"), "{other:?}");
    assert!(server.terminate().success());
    check(server.launch());
}
