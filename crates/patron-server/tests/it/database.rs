//! A database beside the program: what is refused about it, and what happens while it is away.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use patron_testkit::server::{Launch, Outcome};
use patron_testkit::wait::{soon, timed};

use crate::stage::{launch, server};

/// What must be seen nowhere.
const PASSWORD: &str = "winter-is-coming";

/// A database at an address where nobody listens. Its network is no other test's, so that none of them takes
/// the port meanwhile.
fn nowhere() -> (String, String) {
    let port = TcpListener::bind("127.0.92.1:0").unwrap().local_addr().unwrap().port();
    let place = format!("127.0.92.1:{port}/patron");
    (format!("postgres://jon:{PASSWORD}@{place}"), place)
}

/// An installation whose database is at this URL.
fn with_database(url: &str) -> Launch {
    launch().with_variable("PATRON_DATABASE_URL", url)
}

/// What was said instead of doing it, with exit code 2 and without the password.
#[track_caller]
fn misconfigured(outcome: &Outcome) -> &str {
    let said = outcome.refused();
    assert_eq!(outcome.status.code(), Some(2), "{said}");
    assert_eq!(outcome.stdout, "", "nothing was promised");
    shows_no_password(outcome);
    said
}

#[track_caller]
fn shows_no_password(outcome: &Outcome) {
    assert!(!format!("{outcome:?}").contains(PASSWORD), "{outcome:?}");
    assert!(!format!("{outcome:?}").contains("panicked"), "{outcome:?}");
}

#[test]
fn a_database_is_used_in_no_mode_that_was_not_asked_for() {
    let (url, place) = nowhere();
    let launch = with_database(&url).with_variable("PATRON_DATABASE_WAIT_MS", "100");
    let unsaid = launch.try_start().unwrap_err();
    assert!(misconfigured(&unsaid).contains("--mode"), "{unsaid:?}");
    assert!(!launch.data().exists(), "nothing was begun");
    assert!(misconfigured(&launch.manage(&["merchant", "list"])).contains("--mode"));
    assert!(misconfigured(&launch.manage(&["doctor"])).contains("--mode"));
    // Wherever it is said, it is said.
    let file = launch.directory().join("patron.toml");
    fs::write(&file, "mode = \"sandbox\"\n").unwrap();
    let file = file.to_str().unwrap();
    for (launch, words) in [
        (launch.clone(), ["doctor", "--mode", "sandbox"].as_slice()),
        (launch.clone().with_variable("PATRON_MODE", "sandbox"), &["doctor"]),
        (launch.clone(), &["doctor", "--config", file]),
    ] {
        let outcome = launch.manage(words);
        assert_eq!(outcome.status.code(), Some(1), "{words:?}: {outcome:?}");
        assert!(outcome.stdout.contains(&place), "{words:?}: {outcome:?}");
        shows_no_password(&outcome);
    }
}

#[test]
fn settings_of_a_database_that_make_no_sense_are_refused() {
    let (url, _) = nowhere();
    let secret = format!("mysql://jon:{PASSWORD}@127.0.92.1/patron");
    let sandbox = |url: &str| with_database(url).with("--mode").with("sandbox");
    let twice = sandbox(&url).with("--database-url").with(&url).with("--database-url").with(&url);
    let no_url = launch().on_sqlite().with("--mode").with("sandbox");
    for (launch, setting, hint) in [
        (sandbox(&secret), "PATRON_DATABASE_URL", "postgres://"),
        (sandbox("patron"), "--database-url", "postgresql://"),
        (sandbox(""), "--database-url", "postgres://"),
        (no_url.clone().with("--read-url").with(&url), "--read-url", "--database-url"),
        (sandbox(&url).with("--read-url").with(&secret), "PATRON_READ_URL", "postgres://"),
        (no_url.clone().with("--pooler").with("transaction"), "--pooler", "--database-url"),
        (sandbox(&url).with("--pooler").with("session"), "--pooler", "transaction"),
        (sandbox(&url).with("--database-connections-max").with("1"), "connections-max", "2"),
        (sandbox(&url).with("--database-wait-ms").with("0"), "--database-wait-ms", "1"),
        (twice, "--database-url", "multiple times"),
    ] {
        let outcome = launch.try_start().unwrap_err();
        let said = misconfigured(&outcome);
        assert!(said.contains(setting) && said.contains(hint), "{setting}: {said}");
    }
    // In the file, too.
    let launch = launch().on_sqlite();
    let file = launch.directory().join("patron.toml");
    fs::write(&file, format!("mode = \"sandbox\"\ndatabase-url = \"{secret}\"\n")).unwrap();
    let outcome = launch.with("--config").with(file.to_str().unwrap()).try_start().unwrap_err();
    assert!(misconfigured(&outcome).contains("--database-url"), "{outcome:?}");
}

#[test]
fn production_takes_an_explicit_root_key_with_a_database_too() {
    let (url, _) = nowhere();
    let launch = with_database(&url).without_key().with("--mode").with("production");
    let outcome = launch.try_start().unwrap_err();
    assert!(misconfigured(&outcome).contains("root key"), "{outcome:?}");
}

#[test]
fn help_shows_the_settings_and_not_what_they_are() {
    let (url, _) = nowhere();
    let launch = with_database(&url).with_variable("PATRON_READ_URL", &url);
    for words in [["--help"].as_slice(), &["serve", "--help"], &["merchant", "list", "--help"]] {
        let outcome = Outcome::of(launch.command().args(words));
        assert!(outcome.ok().contains("--database-url"), "{words:?}: {outcome:?}");
        shows_no_password(&outcome);
    }
}

#[test]
fn a_command_gives_up_on_a_database_that_is_away() {
    let (url, place) = nowhere();
    let launch = with_database(&url).with_variable("PATRON_MODE", "sandbox");
    let (outcome, took) = timed(|| launch.manage(&["merchant", "list"]));
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    assert!(outcome.refused().contains(&format!("the database {place} cannot be opened")));
    assert!(took >= Duration::from_secs(4), "it is not given up at once: {took:?}");
    assert!(took <= Duration::from_secs(15), "{took:?}");
    shows_no_password(&outcome);
    assert!(!launch.data().exists(), "there is nothing to put there");
    let outcome = launch.manage(&["migrate"]);
    assert!(outcome.refused().contains(&place), "{outcome:?}");
    shows_no_password(&outcome);
}

#[test]
fn the_doctor_says_that_the_database_is_away() {
    let (url, place) = nowhere();
    let outcome = with_database(&url).manage(&["doctor", "--mode", "sandbox"]);
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    let problems = outcome.stdout.lines().filter(|line| line.starts_with("problem  "));
    let problems: Vec<_> = problems.collect();
    assert!(matches!(problems.as_slice(), [one] if one.contains(&place)), "{outcome:?}");
    shows_no_password(&outcome);
}

#[test]
fn a_server_waits_for_its_database_until_it_is_told_to_stop() {
    let (url, place) = nowhere();
    let launch = with_database(&url).with("--mode").with("sandbox");
    let log = launch.directory().join("log");
    let mut command = launch.serve();
    command.stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap());
    let mut process = command.spawn().unwrap();
    let waits = soon("it says that it waits, or ends", || {
        let said = fs::read_to_string(&log).unwrap();
        let ended = process.try_wait().unwrap().is_some();
        (ended || said.contains("waits for its database")).then_some(said)
    });
    assert!(waits.contains(&place), "{waits}");
    // By now it has waited for some time, and would have ended if it were not to.
    assert!(process.try_wait().unwrap().is_none(), "{waits}");
    let script = format!("kill -TERM {}", process.id());
    Outcome::of(Command::new("sh").args(["-c", &script])).ok();
    let ended = soon("it has ended", || process.try_wait().unwrap());
    let said = fs::read_to_string(&log).unwrap();
    assert!(ended.success(), "{ended}: {said}");
    assert_eq!(said.matches("waits for its database").count(), 1, "{said}");
    assert!(!said.contains(PASSWORD), "{said}");
    let promised = process.wait_with_output().unwrap().stdout;
    assert!(promised.is_empty(), "{promised:?}");
}

#[test]
fn data_in_a_file_can_be_migrated_too() {
    let nothing = launch();
    let outcome = nothing.manage(&["migrate"]);
    assert!(outcome.refused().contains("there is no Patron data"), "{outcome:?}");
    assert!(!nothing.data().exists(), "{outcome:?}");
    let mut server = server();
    assert!(server.manage(&["migrate"]).ok().contains("already current"));
    server.terminate();
    assert!(server.manage(&["migrate"]).ok().contains("already current"));
    let outcome = server.manage(&["migrate", "--citus"]);
    assert!(misconfigured(&outcome).contains("--database-url"), "{outcome:?}");
}
