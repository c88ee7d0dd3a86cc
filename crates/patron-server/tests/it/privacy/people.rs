//! Stories of operators, who are people too, and of customers that are erased: by the command line.

use patron_testkit::server::{Outcome, Server};

use super::places::Place;
use super::stories::canaries;
use crate::operators::told;
use patron_wire_juspay::fields::FieldName;

const EMAIL: &str = "canary-operator@nest.example";
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
pub(super) fn look_after_operators(server: &Server) -> Vec<Place> {
    let loud = EMAIL.to_uppercase();
    let mut places = Vec::new();
    let mut tell = |words: &[&str], stdin: &str, code: i32| {
        let words = [&["operator"], words, &OWN[..]].concat();
        let outcome = told(server.launch(), &words, stdin);
        assert_eq!(outcome.status.code(), Some(code), "{words:?}: {outcome:?}");
        let Outcome { status: _, stdout, stderr } = outcome;
        places.push((format!("the output of {words:?}"), (stdout + &stderr).into_bytes()));
    };
    let create = |email, name| {
        ["create", "--role", "operator", "--email", email, "--name", name, "--password-stdin"]
    };
    tell(&create(EMAIL, NAME), PASSWORD, 0);
    tell(&create(OTHER_EMAIL, OTHER_NAME), OTHER_PASSWORD, 0);
    tell(&create(&loud, OTHER_NAME), PASSWORD, 1);
    tell(&create(NOT_AN_EMAIL, NAME), PASSWORD, 2);
    tell(&create(EMAIL, NAME), SHORT_PASSWORD, 2);
    tell(&["set", "1", "--name", OTHER_NAME, "--password-stdin"], OTHER_PASSWORD, 0);
    tell(&["set", "1", "--name", NAME, "--disable"], "", 0);
    tell(&["set", "1", "--role", "auditor", "--password-stdin"], SHORT_PASSWORD, 2);
    tell(&["set", "77", "--name", OTHER_NAME], "", 1);
    places
}

/// Erases everybody of whom the stories tell, and some who are not there.
pub(super) fn erase_all(server: &Server) -> Vec<Place> {
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
