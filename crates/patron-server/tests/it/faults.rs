//! Faults of the disk and of the installation: the program says what is wrong and stops, or answers
//! 503 until it is mended. It never gives a wrong answer, and what it acknowledged is there.

mod damage;
pub(crate) mod disk;
mod failing_io;
mod full_disk;
mod installation;

mod ledger;
mod logs;
mod mounted;
mod pages;
mod read_only;

mod survey;
mod sweep;
mod wrong_files;

use patron_testkit::http::Reply;
use patron_testkit::server::{Launch, Outcome};
use serde_json::json;

/// The 503 of the contract: the vendor's words for "our fault", and when to come again.
#[track_caller]
fn is_away(reply: &Reply) {
    is_our_fault(reply, 503);
    let retry_after_s: u32 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!(retry_after_s >= 1);
}

/// The vendor's words for "our fault".
#[track_caller]
fn is_our_fault(reply: &Reply, status: u16) {
    let body = reply.expect(status);
    let expected = json!({
        "error_message": "Internal error. Please try again.",
        "status": "INTERNAL_ERROR",
        "error_code": "INTERNAL_ERROR",
        "error_info": {
            "user_message": body["error_info"]["user_message"],
            "request_id": reply.header("x-request-id").unwrap(),
            "href": "NA",
            "developer_message": body["error_info"]["developer_message"],
            "code": "INTERNAL_ERROR",
            "category": "SERVER_ERROR",
        },
    });
    assert_eq!(body, expected);
}

/// What a sentence may tell people to do, each a part of one that the program says.
const ADVICE: [&str; 21] = [
    "chmod 600",
    "check the directory and its mode",
    "check the disk and its free space",
    "check the disk, then start again",
    "check the path and the disk",
    "correct --data",
    "correct --erasure-ledger",
    "correct --root-key-file",
    "end that program first",
    "give Patron a directory of its own",
    "give Patron another directory",
    "give that one with --root-key-file",
    "give the user that runs Patron the right to",
    "it must be 64 hex digits",
    "look at the system's log",
    "make the directory writable",
    "restore a backup",
    "run `patron doctor`",
    "start that version",
    "start the version of Patron that made it",
    "stop that one",
];

/// The last sentence of a program that did not start or did not do what it was told: it names the
/// data directory and says what to do, and nothing of it is the program's inside.
#[track_caller]
fn sentence(launch: &Launch, outcome: &Outcome) -> String {
    assert_eq!(outcome.stdout, "", "nothing was promised");
    sentence_in(launch, outcome.refused())
}

/// The same, of what was said on stderr.
#[track_caller]
fn sentence_in(launch: &Launch, said: &str) -> String {
    let sentences: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("patron: ")).collect();
    assert_eq!(sentences.len(), 1, "one sentence says why: {said:?}");
    let sentence = sentences[0];
    assert!(sentence.contains(&launch.data().display().to_string()), "it names no path: {said}");
    assert!(!said.contains("panicked"), "{said}");
    let says_what_to_do = ADVICE.iter().any(|advice| sentence.contains(advice));
    assert!(says_what_to_do, "it does not say what to do: {said}");
    sentence.to_owned()
}

/// It does not start, and says why in these words, among them what to do.
#[track_caller]
fn refusal(launch: &Launch, words: &[&str]) {
    let said = sentence(launch, &launch.try_start().unwrap_err());
    for expected in words {
        assert!(said.contains(expected), "no {expected:?} in: {said}");
    }
}
