//! The wrapped keys of the deployment and of merchants, moved and altered.

use patron::keys::KeyPurpose;
use patron_testkit::server::Launch;

use super::installation::Installation;
use super::rows::{altered, put, take, value};
use super::{expected, is_seen};
use crate::data::Data;

/// What is expected of a move.
#[derive(Clone, Copy)]
enum Expect {
    /// The program does not start.
    Refused,
    /// Customers whose names start with these letters are answered with a fault.
    Faults(&'static [&'static str]),
    /// The value is the same there: nothing is moved.
    Same,
}

use Expect::{Faults, Refused, Same};

/// Which row changes places with which, or with nothing: owners by the customer whose merchant it is.
type Places = ((&'static str, KeyPurpose), Option<(&'static str, KeyPurpose)>);

const DEPLOYMENT: &str = "";

/// Each kind of row once, in pairs of every kind. The keys of one kind differ in their purpose alone.
const PLACES: [Places; 6] = [
    (("a1", KeyPurpose::CustomerKeys), Some(("b1", KeyPurpose::CustomerKeys))),
    (("a1", KeyPurpose::CustomerKeys), Some(("a1", KeyPurpose::BlindIndexes))),
    ((DEPLOYMENT, KeyPurpose::ApiKeyPepper), Some((DEPLOYMENT, KeyPurpose::TokenPepper))),
    ((DEPLOYMENT, KeyPurpose::ApiKeyPepper), Some(("a1", KeyPurpose::History))),
    (("a1", KeyPurpose::History), None),
    ((DEPLOYMENT, KeyPurpose::TokenCipher), None),
];

const A: Expect = Faults(&["a"]);
const A_AND_B: Expect = Faults(&["a", "b"]);
/// Nothing reads it yet, so that nothing is said about it: there is one root key.
const UNREAD: Expect = Faults(&[]);

const DECISIONS: [(&str, [Expect; PLACES.len()]); 5] = [
    ("owner", [A_AND_B, Same, Same, Refused, A, Refused]),
    ("purpose", [Same, A, Refused, Refused, A, Refused]),
    ("generation", [Same, Same, Same, Same, A, Refused]),
    ("root_generation", [Same, Same, Same, Same, UNREAD, UNREAD]),
    ("wrapped", [A_AND_B, A, Refused, Refused, A, Refused]),
];

fn of(at: &Installation, (owner, purpose): (&str, KeyPurpose)) -> String {
    let owner = if owner == DEPLOYMENT { 0 } else { at.customer(owner).merchant };
    format!("owner = {owner} AND purpose = {}", purpose.code())
}

/// Moves or alters a value. Returns whether anything is now other than before.
fn carry(at: &Installation, data: &Data, column: &str, (one, other): Places) -> bool {
    let conditions = [Some(one), other].into_iter().flatten().map(|place| of(at, place));
    let mut rows: Vec<_> =
        conditions.map(|condition| take(data, "wrapped_key", &condition)).collect();
    let untouched = rows.clone();
    let mut values: Vec<_> = rows.iter_mut().rev().map(|row| value(row, column).clone()).collect();
    if other.is_none() {
        values = values.iter().map(|value| altered(column, value)).collect();
    }
    for (row, new) in rows.iter_mut().zip(values) {
        *value(row, column) = new;
    }
    for row in &rows {
        put(data, "wrapped_key", row);
    }
    rows != untouched
}

fn is_as_decided(at: &Installation, launch: &Launch, expect: Expect, what: &str) {
    match expect {
        Refused => {
            let Err(outcome) = launch.try_start() else { panic!("{what}: it starts") };
            let said = outcome.refused();
            assert!(said.contains("the root key does not fit the data"), "{what}: {said}");
        }
        Faults(merchants) => {
            let all = ["a1", "a2", "a3", "b1", "b2"];
            let is_touched = |name: &&str| merchants.iter().any(|letter| name.starts_with(letter));
            let touched: Vec<&str> = all.into_iter().filter(is_touched).collect();
            is_seen(at, launch, &expected(at, &touched, &[]), what);
        }
        Same => panic!("{what}: nothing was moved"),
    }
}

#[test]
fn a_wrapped_key_opens_in_its_own_row_only() {
    let at = Installation::found();
    let schema = Data::of(at.before()).columns("wrapped_key");
    let there: Vec<&str> = schema.iter().map(|(column, _)| column.as_str()).collect();
    assert_eq!(DECISIONS.map(|(column, _)| column), *there);
    let mut moves = 0;
    for (column, expects) in DECISIONS {
        for (places, expect) in PLACES.into_iter().zip(expects) {
            let what = format!("wrapped_key.{column} of {places:?}");
            let launch = at.copy();
            let is_other = carry(&at, &Data::of(&launch), column, places);
            if matches!(expect, Same) {
                assert!(!is_other, "{what}: the value is another one");
                continue;
            }
            assert!(is_other, "{what}: the value is the same");
            is_as_decided(&at, &launch, expect, &what);
            moves += 1;
        }
    }
    assert_eq!(moves, 19);
}

#[test]
fn a_wrapped_key_that_is_missing_is_missed() {
    let at = Installation::found();
    for (place, expect) in [
        (("a1", KeyPurpose::CustomerKeys), A),
        (("a1", KeyPurpose::BlindIndexes), A),
        (("a1", KeyPurpose::History), A),
        ((DEPLOYMENT, KeyPurpose::ApiKeyPepper), Refused),
        ((DEPLOYMENT, KeyPurpose::TokenPepper), Refused),
        ((DEPLOYMENT, KeyPurpose::TokenCipher), Refused),
    ] {
        let launch = at.copy();
        take(&Data::of(&launch), "wrapped_key", &of(&at, place));
        is_as_decided(&at, &launch, expect, &format!("{place:?} is deleted"));
    }
}
