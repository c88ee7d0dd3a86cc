//! Whole rows in another place, and whole rows brought back.

use patron_testkit::http::Call;

use super::installation::Installation;
use super::installation::State::{self, *};
use super::rows::{put, read, take, value};
use super::{expected, is_as_expected, is_seen, of};
use crate::data::{Data, Value};

type Move = fn(&Installation, &Data);

/// Questions that are answered otherwise, and how.
type But = &'static [(&'static str, State)];

/// Whose rows a move touches.
type Touched = &'static [&'static str];

/// Lets two customers change places in these tables, but for the columns that say whose row it is.
fn swap(at: &Installation, data: &Data, tables: &[&str], names: [&str; 2]) {
    for table in tables {
        let mut rows = names.map(|name| take(data, table, &of(at.customer(name))));
        for (row, place) in rows.iter_mut().zip([names[1], names[0]]) {
            let place = at.customer(place);
            *value(row, "merchant") = Value::Integer(place.merchant);
            *value(row, "number") = Value::Integer(place.number);
        }
        for row in &rows {
            put(data, table, row);
        }
    }
}

/// Gives every row of `a1` to the merchant of `b1`.
fn give_away(at: &Installation, data: &Data) {
    let (from, to) = (at.customer("a1"), at.customer("b1"));
    for table in ["customer", "customer_key", "history", "client_token"] {
        let sql = format!("UPDATE {table} SET merchant = {} WHERE {}", to.merchant, of(from));
        assert!(data.change(&sql) > 0, "{sql}");
    }
}

/// The highest number that a customer may have, and nobody has.
const FREE: i64 = 9_007_199_254_740_991;

/// Gives every row of `a1` the number of `a2` and the other way round.
fn exchange_numbers(at: &Installation, data: &Data) {
    let (one, two) = (at.customer("a1"), at.customer("a2"));
    for table in ["customer", "customer_key", "history"] {
        for (from, to) in [(one.number, FREE), (two.number, one.number), (FREE, two.number)] {
            let sql = format!("UPDATE {table} SET number = {to} WHERE number = {from}");
            assert!(data.change(&sql) > 0, "{sql}");
        }
    }
}

fn delete(at: &Installation, data: &Data, table: &str) {
    take(data, table, &of(at.customer("a1")));
}

/// Puts the row of `a1` as it was before its update in the place of the newer one.
fn bring_back(at: &Installation, data: &Data) {
    let condition = of(at.customer("a1"));
    take(data, "customer", &condition);
    put(data, "customer", &read(&Data::of(at.before()), "customer", &condition));
}

/// Cuts off the entry of the history, or the event, that the row of `a1` no longer knows of.
fn cut(at: &Installation, data: &Data, table: &str) {
    take(data, table, &format!("{} AND version = 2", of(at.customer("a1"))));
}

/// What nobody notices, and the security model says so: a row that is taken away, and one that is
/// brought back whole.
const LIMITS: [(&str, Move, But); 2] = [
    (
        "the row is deleted",
        |at, data| delete(at, data, "customer"),
        &[("a1 by id", Gone), ("a1 by reference", Gone), ("a1 by token", Gone), ("list a", Short)],
    ),
    (
        "the row is brought back",
        bring_back,
        &[
            ("a1 by id", Stale),
            ("a1 by reference", Stale),
            ("a1 by token", Stale),
            ("list a", Stale),
        ],
    ),
];

/// What is noticed.
const MOVES: [(&str, Move, Touched, But); 8] = [
    (
        "rows of neighbours",
        |at, data| swap(at, data, &["customer"], ["a1", "a2"]),
        &["a1", "a2"],
        &[],
    ),
    (
        "rows and keys of neighbours",
        |at, data| swap(at, data, &["customer", "customer_key"], ["a1", "a2"]),
        &["a1", "a2"],
        &[],
    ),
    (
        "rows of strangers",
        |at, data| swap(at, data, &["customer"], ["a1", "b1"]),
        &["a1", "b1"],
        // Each merchant's names are under its own key: neither finds the other's.
        &[
            ("a1 by id", Gone),
            ("a1 by reference", Gone),
            ("b1 by id", Gone),
            ("b1 by reference", Gone),
        ],
    ),
    (
        "rows and keys of strangers",
        |at, data| swap(at, data, &["customer", "customer_key"], ["a1", "b1"]),
        &["a1", "b1"],
        &[
            ("a1 by id", Gone),
            ("a1 by reference", Gone),
            ("b1 by id", Gone),
            ("b1 by reference", Gone),
        ],
    ),
    (
        "keys of neighbours",
        |at, data| swap(at, data, &["customer_key"], ["a1", "a2"]),
        &["a1", "a2"],
        &[],
    ),
    ("numbers of neighbours, everywhere", exchange_numbers, &["a1", "a2"], &[]),
    (
        "everything to another merchant",
        give_away,
        &["a1", "b1"],
        &[
            ("a1 by id", Gone),
            ("a1 by reference", Gone),
            ("a1 by token", Denied),
            ("list a", Short),
            ("b1 by id", Exact),
            ("b1 by reference", Exact),
            ("b1 by token", Exact),
        ],
    ),
    ("the key is deleted", |at, data| delete(at, data, "customer_key"), &["a1"], &[]),
];

#[test]
fn whoever_takes_a_row_away_and_leaves_the_counters_is_noticed_at_the_start() {
    let at = Installation::found();
    let launch = at.copy();
    delete(&at, &Data::of(&launch), "customer");
    let outcome = launch.try_start().unwrap_err();
    assert!(outcome.refused().contains("miscounted"), "{outcome:?}");
}

#[test]
fn a_whole_row_opens_in_its_own_place_only() {
    let at = Installation::found();
    for (what, carry, touched, but) in MOVES {
        let launch = at.copy();
        carry(&at, &Data::of(&launch));
        is_seen(&at, &launch, &expected(&at, touched, but), what);
    }
    for (what, carry, but) in LIMITS {
        let launch = at.copy();
        carry(&at, &Data::of(&launch));
        is_seen(&at, &launch, &expected(&at, &[], but), what);
    }
}

/// The known limit: together with its history and its events, or with everything, an older state passes for
/// the newest. An event that was forgotten is in the way of the next version.
#[test]
fn what_is_brought_back_with_its_history_does_not_show() {
    let at = Installation::found();
    let known = at.customer("a1");
    for tables in [&["history"][..], &["history", "outbox"]] {
        let launch = at.copy();
        bring_back(&at, &Data::of(&launch));
        for table in tables {
            cut(&at, &Data::of(&launch), table);
        }
        let server = launch.start();
        is_as_expected(&at.ask(&server), &expected(&at, &[], LIMITS[1].2), &format!("{tables:?}"));
        let update = Call::post(format!("/customers/{}", known.id)).basic(&known.key);
        let reply = update.form("first_name=Again").send(&server);
        match tables.contains(&"outbox") {
            true => assert_eq!(reply.expect(200)["first_name"], "Again"),
            false => assert_eq!(reply.status, 500),
        }
    }

    let stale = ["a1", "a2", "b1"].map(|name| {
        ["by id", "by reference", "by token"].map(|way| (format!("{name} {way}"), Stale))
    });
    let mut everything = at.unharmed();
    everything.extend(stale.into_iter().flatten());
    everything.extend(["list a", "list b"].map(|list| (list.to_owned(), Stale)));
    is_as_expected(&at.ask(&at.before().start()), &everything, "everything");
}
