//! Stories of operators, who are people too, and of customers that are erased: by the command line.

use patron_testkit::server::{Outcome, Server};

use super::Telling;
use super::places::{Place, alive};
use super::stories::canaries;
use crate::operators::told;
use patron_wire_juspay::fields::FieldName;

const EMAIL: &str = "canary-warden@nest.example";
const OTHER_EMAIL: &str = "Canary-Director@nest.example";
const NAME: &str = "Canariana Birdwatcher";
const OTHER_NAME: &str = "Canarioto Ornithologist";
const PASSWORD: &str = "canary horse battery";
const OTHER_PASSWORD: &str = "canary staple battery";
const SHORT_PASSWORD: &str = "canaryshort";
const NOT_AN_EMAIL: &str = "canary-no-address";

/// What is said of operators.
pub(super) const CANARIES: [&str; 8] =
    [EMAIL, OTHER_EMAIL, NAME, OTHER_NAME, PASSWORD, OTHER_PASSWORD, SHORT_PASSWORD, NOT_AN_EMAIL];

const OWN: [&str; 2] = ["--merchant", "testaccount"];

/// Makes operators and changes them, and tries what is refused. What was said to whoever did it, in words: JSON and
/// lists show operators to whoever asks for them.
fn look_after_operators(server: &Server) -> Vec<Place> {
    let loud = EMAIL.to_uppercase();
    let mut places = Vec::new();
    let mut tell = |words: &[&str], stdin: &str, code: i32| {
        let words = [&["operator"], words, &OWN[..]].concat();
        let outcome = told(server.launch(), &words, stdin);
        assert_eq!(outcome.status.code(), Some(code), "{words:?}: {outcome:?}");
        let Outcome { status: _, stdout, stderr } = outcome;
        let said = (stdout.clone() + &stderr).into_bytes();
        places.push((format!("the output of {words:?}"), said));
        stdout
    };
    let create = |email, name| {
        ["create", "--role", "operator", "--email", email, "--name", name, "--password-stdin"]
    };
    let made = tell(&create(EMAIL, NAME), PASSWORD, 0);
    let number = made.split(' ').nth(1).unwrap();
    tell(&create(OTHER_EMAIL, OTHER_NAME), OTHER_PASSWORD, 0);
    tell(&create(&loud, OTHER_NAME), PASSWORD, 1);
    tell(&create(NOT_AN_EMAIL, NAME), PASSWORD, 2);
    tell(&create(EMAIL, NAME), SHORT_PASSWORD, 2);
    tell(&["set", number, "--name", OTHER_NAME, "--password-stdin"], OTHER_PASSWORD, 0);
    tell(&["set", number, "--name", NAME, "--disable"], "", 0);
    tell(&["set", number, "--role", "auditor", "--password-stdin"], SHORT_PASSWORD, 2);
    tell(&["set", "77", "--name", OTHER_NAME], "", 1);
    places
}

/// Erases customers of whom the stories tell, and some who are not there.
fn erase(server: &Server) -> Vec<Place> {
    let references = canaries(FieldName::ObjectReferenceId);
    let (first, second) = (references[0], references[1]);
    let mut places = Vec::new();
    for (customer, code) in
        [(first, 0), (second, 0), (first, 1), ("canary-path@nest.example", 1), ("77", 1)]
    {
        let outcome = server.manage(&["erase", "testaccount", customer, "--yes", "--json"]);
        assert_eq!(outcome.status.code(), Some(code), "{outcome:?}");
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        places.push((format!("what is said about erasing {customer}"), said.into_bytes()));
    }
    places
}

/// Operators, and customers that are erased, with all that was said meanwhile.
fn tell_of_people(format: &str) {
    let arguments = ["--log", "trace", "--log-format", format, "--job-lease-ms", "300"];
    let mut telling = Telling::start(&arguments);
    telling.tell_all();
    telling.finds_nothing_in(&look_after_operators(&telling.server));
    telling.finds_nothing_in(&alive(&telling.server));
    telling.finds_nothing_in(&erase(&telling.server));
    let ledger = std::fs::read_to_string(telling.launch.data().join("erasures.log")).unwrap();
    assert!(ledger.lines().count() >= 2, "the ledger is among what is looked at: {ledger}");
    telling.end();
}

#[test]
fn nobody_sees_operators_or_who_was_erased() {
    tell_of_people("json");
    tell_of_people("human");
}
