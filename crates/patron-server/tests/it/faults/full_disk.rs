//! A full disk: what is written is refused, what is read is answered, and all is well when there is
//! room again.

use std::fs;
use std::io::Write as _;

use patron_testkit::http::{Call, Reply};
use patron_testkit::server::{Launch, Outcome, SANDBOX_KEY, Server};
use patron_testkit::wait::soon;

use super::ledger::{self, Ledger};
use super::mounted::{mounted, seen_by, template};
use super::{is_away, sentence_in};
use crate::stage::{launch, text};

const BALLAST: &str = "head -c 1000000 /dev/zero > \"$data/ballast\"";

fn token(server: &Server, reference: &str) -> Reply {
    let target = format!("/customers/{reference}?options.get_client_auth_token=true");
    Call::get(target).basic(SANDBOX_KEY).send(server)
}

/// Creates customers until one is refused.
fn fill(server: &Server, ledger: &mut Ledger) -> Reply {
    for number in 0..100_000 {
        if let Err(refusal) = ledger.write(server, &format!("f{number}"), "first") {
            return refusal.unwrap();
        }
    }
    panic!("the disk takes everything");
}

/// Leaves no room for a smaller write either.
fn take_the_rest(server: &Server) {
    let ballast = seen_by(server, &server.launch().data().join("ballast"));
    let mut ballast = fs::File::options().append(true).open(ballast).unwrap();
    while ballast.write_all(&[0; 512]).is_ok() {}
}

#[test]
fn the_store_is_away_while_the_disk_is_full_and_comes_back() {
    let server = mounted(&launch(), 2, BALLAST).start();
    let mut ledger = Ledger::default();
    ledger.write(&server, "r0", "first").unwrap();
    let token_before = token(&server, "r0").expect(200);
    let bearer = text(&token_before["juspay"], "client_auth_token");
    is_away(&fill(&server, &mut ledger));
    take_the_rest(&server);

    // Whatever needs a write is refused, whoever asks for it. A refused write leaves its place in the log to smaller
    // ones, such as a token and its use.
    let refusal = (0..25).find_map(|n| ledger.write(&server, "r0", &format!("second{n}")).err());
    is_away(&refusal.unwrap().unwrap());
    let refusal = (0..25).find_map(|n| ledger.write(&server, &format!("n{n}"), "first").err());
    is_away(&refusal.unwrap().unwrap());
    let spend = Call::get("/customers/r0").bearer(bearer);
    let refusal = (0..25).map(|_| token(&server, "r0")).find(|reply| reply.status != 200);
    is_away(&refusal.unwrap());
    let refusal = (0..25).map(|_| spend.send(&server)).find(|reply| reply.status != 200);
    is_away(&refusal.unwrap());
    let command = within(&server, &["merchant", "create", "acme"]);
    assert!(command.refused().contains("full"), "{command:?}");
    // Whatever does not, is answered.
    ledger.check(&server, ledger::Disk::Whole);
    within(&server, &["merchant", "list"]).ok();
    assert_eq!(Call::get("/readyz").send(&server).status, 200);

    let data = server.launch().data();
    fs::remove_file(seen_by(&server, &data.join("ballast"))).unwrap();
    soon("there is room again", || ledger.write(&server, "r0", "third").ok());
    ledger.write(&server, "new", "second").unwrap();
    token(&server, "r0").expect(200);
    assert_eq!(spend.send(&server).expect(200)["first_name"], "third");
    within(&server, &["merchant", "create", "acme"]).ok();
    ledger.check(&server, ledger::Disk::Whole);
    soon("the key's use is written down", || {
        let keys = within(&server, &["key", "list", "testaccount", "--json"]).json();
        (!keys[0]["last_used"].is_null()).then_some(())
    });
}

/// Runs a command on the data in the server's own namespace, by way of its socket, which can be
/// reached from outside.
fn within(server: &Server, words: &[&str]) -> Outcome {
    let data = seen_by(server, &server.launch().data());
    server.launch().clone().wrapped_in(&[]).with_data(data).manage(words)
}

/// A script that leaves so many bytes free.
fn leaving_free(bytes: usize) -> String {
    format!(
        "head -c {bytes} /dev/zero > \"$data/reserve\"; \
         head -c 9000000 /dev/zero > \"$data/ballast\" 2> /dev/null || true; \
         rm \"$data/reserve\""
    )
}

/// A script that runs the program once, and then makes room.
const ONCE_AND_THEN_ROOM: &str =
    "(\"$@\" || echo \"ended with $?\" >&2) & first=$!; wait $first; rm \"$data/ballast\"";

#[test]
fn a_birth_on_a_full_disk_leaves_nothing_that_blocks_a_later_one() {
    for free in [0, 1, 2, 4, 8, 16, 24, 32, 48].map(|pages| pages * 4_096) {
        let before = format!("{}; {ONCE_AND_THEN_ROOM}", leaving_free(free));
        let server = mounted(&launch(), 2, &before).start();
        first_sentence(&server);
        let mut ledger = Ledger::default();
        ledger.write(&server, "r0", "first").unwrap();
        ledger.check(&server, ledger::Disk::Whole);
    }
}

/// Why the program that ran before the server did not start.
#[track_caller]
fn first_sentence(server: &Server) -> String {
    let said = server.stderr();
    let (first, _) = said.split_once("ended with 1\n").unwrap();
    sentence_in(server.launch(), first)
}

/// An installation with a customer, ended, as what the file system is filled with.
fn ended() -> (Launch, Ledger) {
    let launch = launch();
    let mut ledger = Ledger::default();
    let mut server = launch.clone().with_data(template(&launch)).start();
    ledger.write(&server, "r0", "first").unwrap();
    assert!(server.terminate().success());
    (launch, ledger)
}

#[test]
fn a_start_on_a_full_disk_says_so_and_succeeds_when_there_is_room() {
    let (launch, ledger) = ended();
    let before =
        format!("cp -a \"$template/.\" \"$data\"; {}; {ONCE_AND_THEN_ROOM}", leaving_free(0));
    let server = mounted(&launch, 2, &before).start();
    let said = first_sentence(&server);
    assert!(said.contains("free space"), "{said}");
    ledger.check(&server, ledger::Disk::Whole);
}
