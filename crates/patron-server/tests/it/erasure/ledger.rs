//! The ledger of erasures: what stands there is done before anything is served, whatever became of the database,
//! and nothing is done that does not stand there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use patron_testkit::server::{Launch, Server};
use patron_testkit::wait::soon;
use serde_json::json;

use super::traces::Traces;
use super::{JON, erase, erase_at_once, prompt, verify};
use crate::data::copy;
use crate::faults::disk::Disk;
use crate::stage::{MOST, create, create_merchant, get, launch, post};

fn file(launch: &Launch) -> PathBuf {
    launch.data().join("erasures.log")
}

/// What stands in the ledger in the data directory.
pub(super) fn lines(launch: &Launch) -> Vec<String> {
    let text = fs::read_to_string(file(launch)).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    text.lines().map(str::to_owned).collect()
}

/// What the doctor says of the ledger, a line each. The rest is about the disk of the database, where there is one.
fn doctor(launch: &Launch, more: &[&str]) -> Vec<String> {
    let outcome = launch.manage(&[&["doctor"], more].concat());
    let lines = outcome.stdout.lines().filter(|line| line.contains("ledger of erasures"));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    let is_problem = lines.iter().any(|line| line.starts_with("problem"));
    assert!(!is_problem || outcome.status.code() == Some(1), "{outcome:?}");
    lines
}

/// The one line that has these words.
#[track_caller]
fn said<'l>(lines: &'l [String], words: &str) -> &'l str {
    let found: Vec<_> = lines.iter().filter(|line| line.contains(words)).collect();
    assert_eq!(found.len(), 1, "{words:?} in {lines:?}");
    found[0]
}

/// A form that creates another customer than [`MOST`].
const ARYA: &str = "object_reference_id=arya@example.com&mobile_number=1&first_name=Arya";

fn status(server: &Server, reference: &str) -> u16 {
    get(server, &format!("/customers/{reference}")).status
}

/// A command in the background, which is killed with the test.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn begin_to_erase(launch: &Launch, customer: &str) -> Background {
    let mut command = launch.command();
    command.args(["erase", "testaccount", customer, "--yes", "--data"]).arg(launch.data());
    if let Some(url) = launch.database_url() {
        command.args(["--mode", "sandbox", "--database-url", &url]);
    }
    Background(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Each erasure is a line, in a file that only its owner reads.
#[test]
fn each_erasure_stands_in_the_ledger() {
    let server = prompt().start();
    let ledger = file(server.launch());
    assert_eq!(fs::metadata(&ledger).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(lines(server.launch()), Vec::<String>::new(), "it is there from the start");
    create(&server, MOST);
    create(&server, ARYA);
    erase(&server, "1");
    erase(&server, "1");
    let found = lines(server.launch());
    assert_eq!(found.len(), 1, "whoever is erased is not written down again: {found:?}");
    assert!(found[0].starts_with("1 1 1 "), "{found:?}");
    erase(&server, "arya@example.com");
    let found = lines(server.launch());
    assert!(found.len() == 2 && found[1].starts_with("1 1 2 "), "{found:?}");
    // It is kept elsewhere if somebody wishes that.
    let elsewhere = server.launch().directory().join("elsewhere.log");
    let named = elsewhere.display().to_string();
    let server = prompt().with("--erasure-ledger").with(&named).start();
    create(&server, MOST);
    let erased = ["erase", "testaccount", "1", "--yes", "--erasure-ledger", &named];
    server.manage(&erased).ok();
    assert_eq!(fs::read_to_string(&elsewhere).unwrap().lines().count(), 1);
    assert!(!file(server.launch()).exists());
}

/// An older copy of the data, and the ledger of now.
#[test]
fn whom_an_older_copy_of_the_data_brings_back_is_erased_before_anything_is_served() {
    let mut server = prompt().start();
    for number in 1..=4 {
        // Whoever shares a number with somebody shares its index.
        create(&server, &format!("object_reference_id=r{number}&mobile_number={number}"));
    }
    let key = create_merchant(&server, "other", &[]);
    assert!(server.terminate().success());
    let launch = server.launch().clone();
    let older = copy(&launch, "older");
    let mut server = launch.start();
    post(&server, "/customers/r1", "first_name=Jon").expect(200);
    create_merchant(&server, "later", &[]);
    let form = "object_reference_id=later&mobile_number=1";
    let call = patron_testkit::http::Call::post("/customers").basic(&key).form(form);
    call.send(&server).expect(200);
    for customer in ["r1", "r3"] {
        erase(&server, customer);
    }
    assert!(server.terminate().success());

    // What the data was copied with is older than the ledger.
    let traces = Traces::of(&older, 1);
    let ledger = file(&launch).display().to_string();
    let found = doctor(&older, &["--erasure-ledger", &ledger]);
    assert!(said(&found, "name customers that are here").starts_with("warning  2 entries"));
    assert_eq!(verify(&older)["erased"], 0, "the doctor changes nothing");
    let server = older.with("--erasure-ledger").with(&ledger).start();
    for (reference, expect) in [("r1", 404), ("r2", 200), ("r3", 404), ("r4", 200)] {
        assert_eq!(status(&server, reference), expect, "{reference}");
    }
    assert!(server.stderr().contains("are erased again"), "{}", server.stderr());
    let found = verify(server.launch());
    assert_eq!((&found["customers"], &found["erased"]), (&json!(4), &json!(2)), "{found}");
    let again = ["erase", "testaccount", "1", "--yes", "--json", "--erasure-ledger", &ledger];
    assert!(server.manage(&again).json()["receipt"].is_object());
    traces.are_gone(server.launch());
    let text = fs::read_to_string(&ledger).unwrap();
    assert_eq!(text.lines().count(), 2, "what stands there is not written a second time: {text}");
}

/// Numbers are counted from where the copy was, so that another customer gets the number of one who was erased.
#[test]
fn whoever_is_given_the_number_of_one_that_was_erased_is_not_taken_for_it() {
    let mut server = prompt().start();
    assert!(server.terminate().success());
    let launch = server.launch().clone();
    let older = copy(&launch, "older");
    let mut server = launch.start();
    create(&server, MOST);
    erase(&server, "1");
    assert!(server.terminate().success());
    let ledger = file(&launch).display().to_string();
    let mut server = older.with("--erasure-ledger").with(&ledger).start();
    create(&server, ARYA);
    let number = crate::data::Data::of(server.launch()).number("SELECT number FROM customer");
    assert_eq!(number, 1);
    server.restart();
    assert_eq!(status(&server, "arya@example.com"), 200);
    assert_eq!(verify(server.launch())["erased"], 0);
}

/// The process is killed once the line is there, and before anybody is erased.
#[test]
fn a_process_that_is_killed_between_the_ledger_and_the_database_erases_when_it_starts_again() {
    let disk_directory = tempfile::tempdir().unwrap();
    let disk = Disk::build(disk_directory.path());
    let mut server = prompt().start();
    create(&server, MOST);
    create(&server, ARYA);
    assert!(server.terminate().success());
    let traces = Traces::of(server.launch(), 1);
    let whole = server.launch().clone();
    // With a database it is the command that writes, and otherwise the server.
    let faulty = disk.under(&whole);
    let mut server = if whole.cluster().is_some() { whole.start() } else { faulty.start() };
    disk.rule("fsync WAIT erasures.log 0 0");
    let mut command = begin_to_erase(&faulty, "jon@example.com");
    soon("the line is there and not yet lasting", || {
        disk.calls().iter().any(|call| call.ends_with(" waits")).then_some(())
    });
    server.kill();
    let _ = command.0.kill();
    let _ = command.0.wait();
    disk.heal();
    assert_eq!(lines(&whole).len(), 1);
    let server = whole.start();
    assert_eq!(status(&server, "jon@example.com"), 404);
    assert_eq!(status(&server, "arya@example.com"), 200);
    erase(&server, "1");
    traces.are_gone(&whole);
    assert_eq!(verify(&whole)["erased"], 1);
}

#[test]
fn nobody_is_erased_while_the_ledger_cannot_be_written() {
    let disk_directory = tempfile::tempdir().unwrap();
    let disk = Disk::build(disk_directory.path());
    let whole = prompt();
    let faulty = disk.under(&whole);
    let server = faulty.start();
    create(&server, MOST);
    for rule in ["write ENOSPC", "fsync EIO", "create EROFS", "create EMFILE"] {
        disk.rule(&format!("{rule} erasures.log 0 0"));
        let outcome = erase_at_once(&faulty, "jon@example.com");
        assert_eq!(outcome.status.code(), Some(1), "{rule}: {outcome:?}");
        let words = "the ledger of erasures cannot be written";
        assert!(outcome.refused().contains(words), "{rule}: {outcome:?}");
        assert!(disk.has_failed(), "{rule}");
        assert_eq!(get(&server, JON).status, 200, "{rule}");
        assert_eq!(lines(&whole), Vec::<String>::new(), "{rule}");
    }
    // A half of a line is made whole, and a line that is whole is one.
    disk.rule("write SHORT erasures.log 0 1");
    erase_at_once(&faulty, "jon@example.com").ok();
    assert!(disk.has_failed());
    assert_eq!(lines(&whole).len(), 1);
    assert_eq!(get(&server, JON).status, 404);
}

/// The server says at its start that nobody can be erased, serves nevertheless, and erases when it can.
#[test]
fn a_server_without_a_place_for_its_ledger_says_so() {
    let launch = prompt();
    let place = launch.directory().join("not-mounted");
    let ledger = place.join("erasures.log").display().to_string();
    let launch = launch.with_variable("PATRON_ERASURE_LEDGER", &ledger);
    let server = launch.start();
    let warning = format!("the ledger of erasures {ledger} cannot be written");
    soon("it warns", || server.stderr().contains(&warning).then_some(()));
    create(&server, MOST);
    assert!(erase_at_once(&launch, "1").refused().contains("the ledger of erasures"));
    assert_eq!(get(&server, JON).status, 200);
    fs::create_dir(&place).unwrap();
    erase(&server, "1");
    assert_eq!(fs::read_to_string(&ledger).unwrap().lines().count(), 1);
}

/// Starts with a ledger that makes no sense here: it does not start, says why in these words, and erases nobody.
#[track_caller]
fn is_refused(launch: &Launch, ledger: &str, words: &[&str]) {
    let file = launch.directory().join("given.log");
    fs::write(&file, ledger).unwrap();
    let given = file.display().to_string();
    let launch = launch.clone().with("--erasure-ledger").with(&given);
    let outcome = launch.try_start().unwrap_err();
    assert_eq!(outcome.status.code(), Some(2), "{outcome:?}");
    assert_eq!(outcome.stdout, "", "nothing was promised");
    for words in words.iter().chain(&[&*given, "--erasure-ledger"]) {
        assert!(outcome.refused().contains(words), "no {words:?} in {outcome:?}");
    }
    let found = doctor(&launch, &["--erasure-ledger", &given]);
    assert!(said(&found, words[0]).starts_with("problem"), "{found:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), ledger, "it is left as it is");
    assert_eq!(verify(&launch)["erased"], 0);
}

#[test]
fn a_ledger_that_is_another_installations_or_was_touched_is_refused_and_erases_nobody() {
    let mut server = prompt().start();
    create(&server, MOST);
    create(&server, ARYA);
    assert!(server.terminate().success());
    let launch = server.launch().clone();
    let older = copy(&launch, "older");
    let server = launch.start();
    erase(&server, "1");
    let own = lines(&launch).remove(0);
    drop(server);
    let stranger = prompt().start();
    create(&stranger, MOST);
    erase(&stranger, "1");
    let foreign = lines(stranger.launch()).remove(0);
    drop(stranger);

    let another = ["line 2 was written by another installation"];
    is_refused(&older, &format!("{own}\n{foreign}\n"), &another);
    // Whoever can write to the ledger cannot choose whom it names.
    let touched = own.replacen("1 1 1 ", "1 1 2 ", 1);
    is_refused(&older, &format!("{own}\n{touched}\n"), &another);
    let unreadable = ["line 2 is no line of such a ledger"];
    for bad in ["", "2 1 1 5 ab", "nonsense", &own[..50]] {
        is_refused(&older, &format!("{own}\n{bad}\n{own}\n"), &unreadable);
    }
    // A last line that is torn was never done, and the others are.
    let file = launch.directory().join("given.log");
    fs::write(&file, format!("{own}\n{}", &touched[..50])).unwrap();
    let given = file.display().to_string();
    let server = older.with("--erasure-ledger").with(&given).start();
    assert_eq!(status(&server, "jon@example.com"), 404);
    assert_eq!(status(&server, "arya@example.com"), 200);
    assert!(server.stderr().contains("is torn"), "{}", server.stderr());
    server.manage(&["erase", "testaccount", "2", "--yes", "--erasure-ledger", &given]).ok();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.lines().count() == 2 && text.ends_with('\n'), "it was cut off: {text}");
}

#[test]
fn the_doctor_says_what_is_wrong_with_the_ledger() {
    let server = prompt().start();
    let launch = server.launch();
    let is_said = |words: &str, level: &str| {
        let found = doctor(launch, &[]);
        assert!(said(&found, words).starts_with(level), "{found:?}");
    };
    is_said("fits the data; entries: 0", "ok");
    fs::set_permissions(file(launch), fs::Permissions::from_mode(0o644)).unwrap();
    is_said("is open to other users: chmod 600 it", "warning");
    fs::remove_file(file(launch)).unwrap();
    is_said("there is no ledger of erasures", "warning");
    fs::create_dir(file(launch)).unwrap();
    is_said("cannot be written", "problem");
}

/// In production nobody else may write to it, and it belongs on another disk than the data.
#[test]
fn production_takes_no_ledger_that_others_may_write() {
    let launch = launch()
        .without_key()
        .with("--mode")
        .with("production")
        .with_variable("PATRON_ROOT_KEY", "0a".repeat(32));
    let mut server = launch.start();
    let found = doctor(&launch, &["--mode", "production"]);
    assert!(said(&found, "keep it on another disk").starts_with("warning"), "{found:?}");
    assert!(server.terminate().success());
    fs::set_permissions(file(&launch), fs::Permissions::from_mode(0o622)).unwrap();
    let refused = launch.try_start().unwrap_err();
    assert!(refused.refused().contains("erasures.log is open to other users"), "{refused:?}");
    fs::set_permissions(file(&launch), fs::Permissions::from_mode(0o600)).unwrap();
    launch.start();
}
