//! Everything else lies in the clear, and nothing vouches for it: what somebody gets who alters it. The
//! security model names this as what is left. Customers are answered exactly or not at all even so.

use std::collections::BTreeSet;

use patron_testkit::http::Call;

use super::installation::Installation;
use super::installation::State::{self, *};
use super::{expected, is_as_expected};
use crate::data::Data;

/// What is expected.
#[derive(Clone, Copy)]
enum Expect {
    /// Everybody is answered as before.
    Nothing,
    /// Whoever has the other merchant's key is answered so, and customers with tokens as before.
    WithTheKey(State),
    /// Everybody of the other merchant is answered so.
    Everybody(State),
    /// These questions are answered so.
    Only(&'static [(&'static str, State)]),
    /// The program does not start, and says this.
    Refused(&'static str),
    /// The same in other words: with a file, which takes no newer schema, and with a database, which takes one that
    /// says so, and begins with what is missing before it.
    RefusedTwice(&'static str, &'static str),
    /// The program does not start on a file, which it counts through while it is small. In a database it does not
    /// count, and everybody is answered as before.
    Miscounted,
}

use Expect::{Everybody, Miscounted, Nothing, Only, Refused, RefusedTwice, WithTheKey};

/// The key of the other merchant opens the first one's customers: none of its own, all of theirs.
const LET_IN: &[(&str, State)] = &[
    ("b1 by id", Gone),
    ("b1 by reference", Gone),
    ("b2 by id", Gone),
    ("b2 by reference", Gone),
    ("list b", Alien),
];

/// A column, what is done to it, and what is expected. `{a}` and `{b}` are the merchants, `{a1}` and
/// `{a2}` the numbers of customers.
const LIMITS: [(&str, &str, &str, Expect); 44] = [
    ("api_key", "number", "number = 99 WHERE merchant = {b}", Nothing),
    ("api_key", "merchant", "merchant = {a} WHERE merchant = {b}", Only(LET_IN)),
    ("api_key", "label", "label = 'x'", Nothing),
    ("api_key", "scopes", "scopes = 'customers:read,admin'", Nothing),
    ("api_key", "hash", "hash = {zeros} WHERE merchant = {b}", WithTheKey(Denied)),
    ("api_key", "pepper_generation", "pepper_generation = 2", Nothing),
    ("api_key", "created_ms", "created_ms = 0", Nothing),
    ("api_key", "expires_ms", "expires_ms = 1 WHERE merchant = {b}", WithTheKey(Denied)),
    ("api_key", "grace_ends_ms", "grace_ends_ms = 1 WHERE merchant = {b}", WithTheKey(Denied)),
    ("api_key", "revoked_ms", "revoked_ms = 1 WHERE merchant = {b}", WithTheKey(Denied)),
    ("api_key_use", "number", "number = number + 100", Nothing),
    ("api_key_use", "used_ms", "used_ms = 0", Nothing),
    (
        "client_token",
        "merchant",
        "merchant = {b} WHERE number = {a1}",
        Only(&[("a1 by token", Denied)]),
    ),
    (
        "client_token",
        "hash",
        "hash = {zeros} WHERE number = {a1}",
        Only(&[("a1 by token", Denied)]),
    ),
    // It is another customer's token from then on, and not the own one's any more.
    ("client_token", "number", "number = {a2} WHERE number = {a1}", Only(&[("a1 by token", Gone)])),
    ("client_token", "issued_ms", "issued_ms = 0", Nothing),
    (
        "client_token",
        "expires_ms",
        "expires_ms = 1 WHERE number = {a1}",
        Only(&[("a1 by token", Denied)]),
    ),
    (
        "client_token",
        "uses_left",
        "uses_left = 0 WHERE number = {a1}",
        Only(&[("a1 by token", Denied)]),
    ),
    ("counter", "name", "name = name || 'x'", Nothing),
    ("counter", "next", "next = 1", Nothing),
    // Counters that do not fit the customers are a damage like any other.
    ("customer_count", "merchant", "merchant = merchant + 100", Miscounted),
    ("customer_count", "slot", "slot = {slots} - slot", Nothing),
    ("customer_count", "live", "live = 100", Miscounted),
    // There is no other value that the table takes, but the row can go.
    ("installation", "only_one", "only_one = 1", Nothing),
    ("installation", "mode", "mode = 'production'", Refused("production mode")),
    ("installation", "created_ms", "created_ms = 0", Nothing),
    ("merchant", "number", "number = 77 WHERE number = {b}", Everybody(Denied)),
    ("merchant", "id", "id = 'x' WHERE number = {b}", Nothing),
    ("merchant", "name", "name = 'x'", Nothing),
    ("merchant", "standing", "standing = 2 WHERE number = {b}", Everybody(Denied)),
    ("merchant", "created_ms", "created_ms = 0", Nothing),
    ("merchant", "revision", "revision = 100", Nothing),
    ("merchant_setting", "merchant", "merchant = merchant + 100", Nothing),
    ("merchant_setting", "name", "name = name || 'x'", Nothing),
    ("merchant_setting", "value", "value = '44' WHERE name = 'core.country_code'", Nothing),
    ("migration", "number", "number = number + 1000", RefusedTwice("newer", "already exists")),
    ("migration", "name", "name = 'x'", Nothing),
    ("migration", "checksum", "checksum = {zeros}", Refused("migration")),
    ("migration", "applied_ms", "applied_ms = 0", Nothing),
    // Nobody listens yet.
    ("outbox", "merchant", "merchant = merchant + 100", Nothing),
    ("outbox", "number", "number = number + 100", Nothing),
    ("outbox", "version", "version = version + 100", Nothing),
    ("outbox", "happened", "happened = 9", Nothing),
    ("outbox", "at_ms", "at_ms = 0", Nothing),
];

/// The same of what there is in a database only, which several programs share.
const LIMITS_OF_A_DATABASE: [(&str, &str, &str, Expect); 6] = [
    ("job", "name", "name = name || 'x'", Nothing),
    ("job", "holder", "holder = decode(md5('x'), 'hex')", Nothing),
    ("job", "expires", "expires = now() + interval '1 year'", Nothing),
    ("management_epoch", "only_one", "only_one = 1", Nothing),
    ("management_epoch", "epoch", "epoch = epoch + 100", Nothing),
    ("migration", "works_from", "works_from = 1000", Refused("newer")),
];

fn limits(data: &Data) -> Vec<(&'static str, &'static str, &'static str, Expect)> {
    let more: &[_] = match data {
        Data::File(_) => &[],
        Data::Database(_) => &LIMITS_OF_A_DATABASE,
    };
    LIMITS.iter().chain(more).copied().collect()
}

/// The tables that `moved` itself and its other files are about.
const ELSEWHERE: [&str; 8] = [
    "access_log",
    "customer",
    "customer_key",
    "erased_customer",
    "history",
    "operator",
    "session",
    "wrapped_key",
];

#[test]
fn every_column_of_every_table_is_decided_about() {
    let at = Installation::found();
    let data = Data::of(at.before());
    let mut there = BTreeSet::new();
    for table in data.tables().iter().filter(|table| !ELSEWHERE.contains(&table.as_str())) {
        there.extend(data.columns(table).into_iter().map(|(column, _)| (table.clone(), column)));
    }
    let decided: BTreeSet<_> = limits(&data)
        .into_iter()
        .map(|(table, column, ..)| (table.to_owned(), column.to_owned()))
        .collect();
    assert_eq!(decided, there);
}

#[test]
fn whoever_alters_rows_of_the_management_gets_what_the_security_model_says() {
    let at = Installation::found();
    for (table, column, change, expect) in limits(&Data::of(at.before())) {
        let what = format!("{table}.{column}");
        let launch = at.copy();
        let data = Data::of(&launch);
        let is_file = matches!(data, Data::File(_));
        let slots = if is_file { "15" } else { "63" };
        let change = change
            .replace("{zeros}", &data.zeros("32"))
            .replace("{slots}", slots)
            .replace("{a}", &at.customer("a1").merchant.to_string())
            .replace("{b}", &at.customer("b1").merchant.to_string())
            .replace("{a1}", &at.customer("a1").number.to_string())
            .replace("{a2}", &at.customer("a2").number.to_string());
        let sql = format!("UPDATE {table} SET {change}");
        if table == "job" {
            // Whoever is to have claimed it may not have come to that.
            data.run(
                "INSERT INTO job (name, holder, expires) VALUES ('clear_tokens', \
                 decode(repeat('00', 16), 'hex'), now()) ON CONFLICT DO NOTHING",
            );
        }
        assert!(data.change(&sql) > 0, "{sql}");
        drop(data);
        let started = launch.try_start();
        let all = ["b1", "b2"]
            .map(|name| ["by id", "by reference", "by token"].map(|way| format!("{name} {way}")));
        let mut all: Vec<String> = all.into_iter().flatten().collect();
        all.push("list b".to_owned());
        let (but, is_refused): (Vec<(&str, State)>, _) = match expect {
            Nothing => (Vec::new(), None),
            Only(but) => (but.to_vec(), None),
            Everybody(state) => {
                (all.iter().map(|question| (question.as_str(), state)).collect(), None)
            }
            WithTheKey(state) => {
                let with_key = all.iter().filter(|question| !question.ends_with("token"));
                (with_key.map(|question| (question.as_str(), state)).collect(), None)
            }
            Refused(said) => (Vec::new(), Some(said)),
            RefusedTwice(file, database) => {
                (Vec::new(), Some(if is_file { file } else { database }))
            }
            Miscounted => (Vec::new(), is_file.then_some("miscounted")),
        };
        match (started, is_refused) {
            (Ok(server), None) => {
                is_as_expected(&at.ask(&server), &expected(&at, &[], &but), &what)
            }
            (Err(outcome), Some(said)) => {
                assert!(outcome.refused().contains(said), "{what}: {outcome:?}")
            }
            (Ok(_), Some(_)) => panic!("{what}: it starts"),
            (Err(outcome), None) => panic!("{what}: {outcome:?}"),
        }
    }
}

/// Keys and merchants that are gone let nobody in, and numbers that were given are not given again.
#[test]
fn whoever_takes_rows_of_the_management_away_lets_nobody_in() {
    let at = Installation::found();
    let started = |sql: &str| {
        let launch = at.copy();
        Data::of(&launch).run(sql);
        launch.try_start()
    };
    for (sql, said) in [
        ("DELETE FROM installation", "run `patron doctor`"),
        ("DELETE FROM merchant", "this key exists already"),
        ("DELETE FROM migration", "already exists"),
    ] {
        let Err(outcome) = started(sql) else { panic!("{sql}: it starts") };
        assert!(outcome.refused().contains(said), "{sql}: {outcome:?}");
    }
    // The sandbox puts its own key back.
    for (sql, tokens) in [
        ("DELETE FROM api_key", Exact),
        // It is founded anew, with other keys than those under which anything was hashed.
        ("DELETE FROM installation; DELETE FROM wrapped_key WHERE owner = 0", Denied),
        ("DELETE FROM api_key; DELETE FROM client_token; DELETE FROM counter", Denied),
    ] {
        let server = started(sql).unwrap();
        for (question, state) in at.ask(&server) {
            let has_key = question.starts_with('a') || question == "list a";
            let expected = match question.ends_with("token") {
                true => tokens,
                false if has_key => Exact,
                false => Denied,
            };
            assert_eq!(state, expected, "{sql}: {question}");
        }
        let known = at.customer("a1");
        let form = "object_reference_id=new&mobile_number=1";
        let create = Call::post("/customers").basic(&known.key).form(form).send(&server);
        assert_eq!(create.status, 200, "{sql}: {}", create.text());
    }
}
