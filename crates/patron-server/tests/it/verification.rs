//! `patron verify`: what is whole is found whole, and what somebody touched is named.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

use patron_testkit::http::{Call, Connection};
use patron_testkit::server::Launch;
use patron_testkit::together::together;
use serde_json::json;

use crate::data::{Data, copy};
use crate::stage::{create, create_merchant, get, launch, post, server};

/// An installation in good order that nobody has open: three customers of one merchant, the second of
/// them with four versions, and one customer of another.
struct Untouched {
    launch: Launch,
    /// The data from before the fourth version.
    earlier: Launch,
    /// The number of the second customer.
    second: i64,
    copies: Cell<u32>,
}

impl Untouched {
    fn make() -> Self {
        let mut server = launch().start();
        let launch = server.launch().clone();
        for reference in ["r1", "r2", "r3"] {
            create(&server, &format!("object_reference_id={reference}&mobile_number=1"));
        }
        post(&server, "/customers/r2", "first_name=Jon&last_name=Snow").expect(200);
        post(&server, "/customers/r2", "first_name=&email_address=jon@example.com").expect(200);
        assert!(server.terminate().success());
        let earlier = copy(&launch, "earlier");
        let mut server = launch.start();
        post(&server, "/customers/r2", "first_name=Aegon").expect(200);
        let key = create_merchant(&server, "other", &[]);
        let call = Call::post("/v2/customers/r4").basic(&key);
        call.send(&server).expect(200);
        assert!(server.terminate().success());
        let second = Data::of(&launch).number("SELECT number FROM history WHERE version = 4");
        Self { launch, earlier, second, copies: Cell::new(0) }
    }

    /// The condition that finds the rows of the second customer.
    fn of(&self) -> String {
        format!("number = {}", self.second)
    }

    /// A copy on which somebody has run this.
    fn after(&self, sql: &str) -> Launch {
        self.copies.set(self.copies.get() + 1);
        let touched = copy(&self.launch, &format!("copy-{}", self.copies.get()));
        Data::of(&touched).run(sql);
        touched
    }

    /// What is said after somebody ran this on data in good order.
    fn said_after(&self, sql: &str) -> String {
        let outcome = self.after(sql).manage(&["verify"]);
        assert_eq!(outcome.stdout, "", "{sql}");
        assert_eq!(outcome.status.code(), Some(1), "{sql}");
        outcome.refused().to_owned()
    }

    /// What puts the row of the second customer back as it was.
    fn setting_back(&self) -> String {
        let data = Data::of(&self.earlier);
        let rows = data.rows(&format!("SELECT * FROM customer WHERE {}", self.of()));
        let insertion = data.insertion("customer", &rows[0]);
        format!("DELETE FROM customer WHERE {}; {insertion}", self.of())
    }

    /// An expression for as many zero bytes as there are in this column.
    fn zeros_for(&self, column: &str) -> String {
        Data::of(&self.launch).zeros(&format!("length({column})"))
    }
}

#[test]
fn what_is_whole_is_found_whole_with_a_server_and_without() {
    let untouched = Untouched::make();
    let launch = &untouched.launch;
    let expected = json!({
        "merchants": 2, "customers": 4, "erased": 0, "history_entries": 7, "events": 7, "broken": null,
    });
    assert_eq!(launch.manage(&["verify", "--json"]).json(), expected);
    let said = launch.manage(&["verify"]);
    let line = "All in order: 2 merchants, 4 customers, 7 history entries, 7 events\n";
    assert_eq!((said.ok(), said.stderr.as_str()), (line, ""));

    let server = launch.start();
    assert_eq!(server.manage(&["verify", "--json"]).json(), expected);
    let one = json!({
        "merchants": 1, "customers": 1, "erased": 0, "history_entries": 1, "events": 1, "broken": null,
    });
    assert_eq!(server.manage(&["verify", "other", "--json"]).json(), one);
    assert_eq!(get(&server, "/customers").status, 200, "the server is unharmed");
}

#[track_caller]
fn is_named(untouched: &Untouched, sql: &str, fault: &str) {
    let number = untouched.second;
    let said = untouched.said_after(sql);
    let whose = format!("patron: customer {number} of merchant testaccount is broken: ");
    assert!(said.starts_with(&whose) && said.contains(fault), "{sql}: {said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn an_entry_that_was_touched_is_named() {
    let untouched = Untouched::make();
    let of = untouched.of();
    let zeros = untouched.zeros_for("sealed");
    let at = |version: u32| format!("{of} AND version = {version}");
    for (sql, fault) in [
        (format!("DELETE FROM history WHERE {}", at(1)), "history entry 1 is missing"),
        (format!("DELETE FROM history WHERE {}", at(2)), "history entry 2 is missing"),
        (format!("DELETE FROM history WHERE {}", at(4)), "history entry 4 is missing"),
        (format!("DELETE FROM history WHERE {of}"), "history entry 1 is missing"),
        (
            format!("UPDATE history SET sealed = {zeros} WHERE {}", at(3)),
            "history entry 3 is missing, out of place, or was changed",
        ),
        (format!("UPDATE history SET sealed = NULL WHERE {}", at(2)), "history entry 2 is"),
        (format!("UPDATE history SET at_ms = at_ms + 1 WHERE {}", at(4)), "history entry 4 is"),
        (format!("UPDATE history SET actor = actor + 1 WHERE {}", at(1)), "history entry 1 is"),
        (format!("UPDATE history SET happened = 9 WHERE {}", at(1)), "history.happened"),
        (
            // Two entries in each other's places.
            format!(
                "UPDATE history SET version = 5 - version + 90 WHERE {of} AND version IN (2, 3); \
                     UPDATE history SET version = version - 90 WHERE {of} AND version > 90"
            ),
            "history entry 2 is",
        ),
        (
            format!("UPDATE history SET version = 5 WHERE {}", at(4)),
            "history entry 5 is newer than the customer",
        ),
    ] {
        is_named(&untouched, &sql, fault);
    }
}

#[test]
fn a_customer_that_was_touched_is_named() {
    let untouched = Untouched::make();
    let of = untouched.of();
    let zeros = untouched.zeros_for("sealed");
    for (sql, fault) in [
        (format!("UPDATE customer SET status = 1 WHERE {of}"), "its row was changed by hand"),
        (format!("UPDATE customer SET version = 3 WHERE {of}"), "its row was changed by hand"),
        (format!("UPDATE customer SET sealed = {zeros} WHERE {of}"), "its row was changed by hand"),
        (
            // An older row of the same customer opens, but its history has gone on.
            untouched.setting_back(),
            "history entry 4 is newer than the customer",
        ),
        (
            // The whole customer is set back to what it was.
            format!("{}; DELETE FROM history WHERE {of} AND version = 4", untouched.setting_back()),
            "an event tells of version 4, which its history does not have",
        ),
        (format!("DELETE FROM customer_key WHERE {of}"), "customer_key.generation is missing"),
        (
            format!(
                "UPDATE customer_key SET wrapped = {} WHERE {of}",
                untouched.zeros_for("wrapped")
            ),
            "its row was changed by hand",
        ),
        (format!("DELETE FROM customer WHERE {of}"), "the customer is gone"),
        (
            format!("DELETE FROM customer WHERE {of}; DELETE FROM customer_key WHERE {of}"),
            "the customer is gone",
        ),
        (
            format!("DELETE FROM customer WHERE {of}; DELETE FROM history WHERE {of}"),
            "the customer is gone",
        ),
        (
            format!(
                "DELETE FROM customer WHERE {of}; DELETE FROM history WHERE {of}; \
                     DELETE FROM customer_key WHERE {of}"
            ),
            "the customer is gone",
        ),
    ] {
        is_named(&untouched, &sql, fault);
    }
}

#[test]
fn an_event_that_was_touched_is_named() {
    let untouched = Untouched::make();
    let of = untouched.of();
    let at = |version: u32| format!("{of} AND version = {version}");
    for (sql, fault) in [
        (format!("DELETE FROM outbox WHERE {}", at(2)), "history entry 2 has no event"),
        (format!("DELETE FROM outbox WHERE {}", at(4)), "history entry 4 has no event"),
        (format!("DELETE FROM outbox WHERE {of}"), "history entry 1 has no event"),
        (format!("UPDATE outbox SET version = 5 WHERE {}", at(4)), "history entry 4 has no event"),
        (
            format!(
                "INSERT INTO outbox SELECT merchant, number, 5, happened, at_ms FROM outbox WHERE {}",
                at(4)
            ),
            "an event tells of version 5, which its history does not have",
        ),
        (
            format!("UPDATE outbox SET happened = 1 WHERE {}", at(2)),
            "an event tells of version 2, which its history does not have",
        ),
        (
            format!("UPDATE outbox SET at_ms = at_ms + 1 WHERE {}", at(3)),
            "an event tells of version 3, which its history does not have",
        ),
        (format!("UPDATE outbox SET happened = 9 WHERE {}", at(1)), "outbox.happened"),
        (
            format!("UPDATE outbox SET merchant = merchant + 100 WHERE {}", at(2)),
            "history entry 2 has no event",
        ),
    ] {
        is_named(&untouched, &sql, fault);
    }
    // What tells of a customer that is not there is a trace of it.
    let said = untouched.said_after("UPDATE outbox SET number = 1000000 WHERE version = 4");
    assert!(said.contains("history entry 4 has no event"), "{said}");
    let said = untouched.said_after(
        "INSERT INTO outbox SELECT merchant, 1000000, 1, 1, 0 FROM outbox WHERE version = 4",
    );
    assert!(said.contains("customer 1000000") && said.contains("the customer is gone"), "{said}");
}

#[test]
fn what_is_broken_is_told_in_json_too_and_stays_with_its_merchant() {
    let untouched = Untouched::make();
    let number = untouched.second;
    let touched =
        untouched.after(&format!("DELETE FROM history WHERE {} AND version = 4", untouched.of()));
    let manage = |words: &[&str]| touched.manage(words);
    let outcome = manage(&["verify", "--json"]);
    assert!(outcome.refused().contains("history entry 4"), "{outcome:?}");
    let shown: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(shown["broken"]["merchant"], "testaccount");
    assert_eq!(shown["broken"]["customer"], number);
    manage(&["verify", "other"]).ok();
    assert!(manage(&["verify", "testaccount"]).refused().contains("history entry 4"));
    assert!(manage(&["verify", "nobody"]).refused().contains("no merchant"));
    assert!(manage(&["verify", "a b"]).refused().contains("1 to 64"));
    let elsewhere = launch().manage(&["verify"]);
    assert!(elsewhere.refused().contains("there is no Patron data"), "{elsewhere:?}");
}

#[test]
fn verifying_while_customers_change_raises_no_alarm() {
    const WRITERS: usize = 4;
    let server = server();
    for number in 0..WRITERS {
        create(&server, &format!("object_reference_id=r{number}&mobile_number=1"));
    }
    let is_done = AtomicBool::new(false);
    let written = together(
        WRITERS + 1,
        |_| Connection::open(&server),
        |number, mut connection: Connection| {
            if number == WRITERS {
                for _ in 0..10 {
                    server.manage(&["verify"]).ok();
                }
                is_done.store(true, Ordering::Relaxed);
                return 0;
            }
            let mut written = 0;
            while !is_done.load(Ordering::Relaxed) {
                written += 1;
                let form = format!("mobile_number={written}&first_name=");
                let call = Call::post(format!("/customers/r{number}")).basic(server.key());
                connection.send(&call.form(form)).expect(200);
            }
            written
        },
    );
    assert!(written.iter().sum::<u64>() > 0);
    let walked = server.manage(&["verify", "--json"]).json();
    assert_eq!(walked["history_entries"].as_u64(), walked["events"].as_u64());
}
