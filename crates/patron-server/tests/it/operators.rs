//! `patron operator`: the people who look after customers are made, listed and changed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;

use patron_testkit::server::{Launch, Outcome, Server};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::data::{Data, Value as Column, field};
use crate::stage::{create_merchant, launch, server};

const PASSWORD: &str = "correct horse battery";

/// A command on an installation, whether a server runs there or not.
fn command(launch: &Launch, words: &[&str]) -> std::process::Command {
    let mut command = launch.command();
    command.args(words).arg("--data").arg(launch.data());
    if let Some(url) = launch.database_url() {
        command.args(["--mode", "sandbox", "--database-url", &url]);
    }
    command
}

/// Runs a command whose stdin holds this.
pub(crate) fn told(launch: &Launch, words: &[&str], stdin: &str) -> Outcome {
    let path = launch.directory().join("stdin");
    std::fs::write(&path, stdin).unwrap();
    let outcome = Outcome::of(command(launch, words).stdin(File::open(&path).unwrap()));
    std::fs::remove_file(&path).unwrap();
    outcome
}

fn create(launch: &Launch, whose: &[&str], role: &str, email: &str) -> Outcome {
    let words = ["operator", "create", "--role", role, "--email", email, "--name", "Jon Snow"];
    let words = [&words[..], whose, &["--password-stdin", "--json"]].concat();
    told(launch, &words, &format!("{PASSWORD}\n"))
}

fn list(launch: &Launch, whose: &[&str]) -> Vec<Value> {
    let listed = launch.manage(&[&["operator", "list", "--json"], whose].concat()).json();
    listed.as_array().unwrap().clone()
}

const OWN: [&str; 2] = ["--merchant", "testaccount"];

const DEPLOYMENT: [&str; 1] = ["--deployment"];

#[test]
fn operators_are_made_listed_and_changed_with_a_server_and_without() {
    let mut server = server();
    create_merchant(&server, "other", &[]);
    let launch = server.launch().clone();
    let made = create(&launch, &OWN, "owner", "jon@example.com").json();
    assert_eq!(
        made,
        json!({
            "number": 1, "merchant": "testaccount", "email": "jon@example.com", "name": "Jon Snow",
            "role": "owner", "created": made["created"], "disabled": null,
        })
    );
    let boss = create(&launch, &DEPLOYMENT, "auditor", "boss@example.com").json();
    assert_eq!((&boss["merchant"], &boss["role"]), (&Value::Null, &json!("auditor")));
    assert!(server.terminate().success());
    create(&launch, &OWN, "operator", "arya@example.com").ok();
    assert_eq!(list(&launch, &["--merchant", "other"]), Vec::<Value>::new());
    let emails: Vec<_> = list(&launch, &OWN).iter().map(|one| one["email"].clone()).collect();
    assert_eq!(emails, ["jon@example.com", "arya@example.com"]);
    assert_eq!(list(&launch, &DEPLOYMENT), [boss]);
    let number = list(&launch, &OWN)[1]["number"].to_string();

    let server = launch.start();
    let set = |more: &[&str], stdin: &str| {
        told(&launch, &[&["operator", "set", &number], &OWN[..], more].concat(), stdin)
    };
    set(&["--role", "auditor", "--name", "Arya Stark", "--disable"], "").ok();
    let now = list(&launch, &OWN).remove(1);
    assert_eq!((&now["role"], &now["name"]), (&json!("auditor"), &json!("Arya Stark")));
    assert!(now["disabled"].is_string(), "{now}");
    set(&["--disable"], "").ok();
    assert_eq!(list(&launch, &OWN)[1]["disabled"], now["disabled"], "since then, not since now");
    set(&["--enable"], "").ok();
    assert_eq!(list(&launch, &OWN)[1]["disabled"], Value::Null);
    let text = launch.manage(&["operator", "list", "--merchant", "testaccount"]);
    assert!(text.ok().starts_with("NUMBER  EMAIL"), "{text:?}");
    assert!(text.ok().contains("arya@example.com  Arya Stark  auditor"), "{text:?}");

    let kept = |column: &str| {
        let sql = format!("SELECT {column} FROM operator WHERE number = {number}");
        field(&Data::of(&launch).rows(&sql)[0], column).clone()
    };
    let (credential, password) = (kept("credential"), kept("password"));
    set(&["--name", "Arya"], "").ok();
    assert_eq!((kept("credential"), kept("password")), (credential.clone(), password.clone()));
    set(&["--password-stdin"], "another horse battery\r\nnot a part of it\n").ok();
    assert_ne!((kept("credential"), kept("password")), (credential, password), "sessions end");
    assert!(
        matches!(kept("password"), Column::Text(text) if text.starts_with("$argon2id$v=19$m=19456"))
    );
    drop(server);
}

#[test]
fn an_empty_installation_may_begin_with_its_own_people() {
    let launch = launch();
    create(&launch, &DEPLOYMENT, "owner", "boss@example.com").ok();
    let outcome = create(&launch, &OWN, "owner", "jon@example.com");
    assert!(outcome.refused().contains("no merchant"), "{outcome:?}");
    launch.start();
    assert_eq!(list(&launch, &DEPLOYMENT).len(), 1);
}

/// What is refused: the words, what stdin holds, the exit code, and a hint in the sentence.
type Refused<'a> = (Vec<&'a str>, &'a str, i32, &'a str);

const CREATE: [&str; 6] = ["operator", "create", "--name", "x", "--email", "x@example.com"];

fn words<'a>(of: &[&[&'a str]]) -> Vec<&'a str> {
    of.concat()
}

fn refused_creations<'a>(good: &'a str, long: &'a str) -> Vec<Refused<'a>> {
    let create = |more: &[&'a str]| words(&[&CREATE, &["--password-stdin"], more]);
    let own = |more: &[&'a str]| words(&[&create(more), &OWN]);
    let named = ["--name", "x", "--role", "owner", "--password-stdin", "--email"];
    let called = |email| words(&[&CREATE[..2], &named, &[email], &OWN]);
    vec![
        (own(&["--role", "boss"]), good, 2, "owner, operator or auditor"),
        (own(&[]), good, 2, "--role"),
        (create(&["--role", "owner"]), good, 2, "--merchant"),
        (own(&["--role", "owner", "--deployment"]), good, 2, "cannot be used with"),
        (create(&["--role", "owner", "--merchant", "nobody"]), good, 1, "no merchant"),
        (create(&["--role", "owner", "--merchant", "no body"]), good, 2, "merchant's id"),
        (own(&["--role", "owner"]), "elevenchars\n", 2, "12 to 256 characters"),
        (own(&["--role", "owner"]), "", 2, "12 to 256 characters"),
        (own(&["--role", "owner"]), long, 2, "12 to 256 characters"),
        (words(&[&CREATE, &OWN, &["--role", "owner"]]), "", 2, "--password-stdin"),
        // No flag takes a password.
        (words(&[&CREATE, &["--password", PASSWORD]]), "", 2, "unexpected argument"),
        // Whoever has an address has it everywhere, in whatever case it is written.
        (called("JON@example.com"), good, 1, "an operator with this address exists"),
        (called("nobody"), good, 2, "an email address"),
        (called("a@b@c"), good, 2, "an email address"),
        (called("a b@example.com"), good, 2, "an email address"),
        (called(long), good, 2, "an email address"),
    ]
}

fn refused_changes() -> Vec<Refused<'static>> {
    let set = |more: &[&'static str]| words(&[&["operator", "set"], more]);
    let own = |more: &[&'static str]| words(&[&set(more), &OWN]);
    vec![
        (own(&["1"]), "", 2, "nothing to change"),
        (own(&["77", "--disable"]), "", 1, "no such operator"),
        (set(&["1", "--disable", "--merchant", "other"]), "", 1, "no such operator"),
        (set(&["1", "--disable", "--deployment"]), "", 1, "no such operator"),
        (set(&["1", "--disable"]), "", 2, "--merchant"),
        (own(&["1", "--disable", "--enable"]), "", 2, "cannot be used with"),
        (own(&["1", "--name", ""]), "", 2, "1 to 100"),
        (own(&["1", "--password-stdin"]), "short\n", 2, "12 to 256 characters"),
        (own(&["1", "--password-stdin", "--ask-password"]), "", 2, "cannot be used with"),
        (own(&["1", "--ask-password"]), "", 2, "--password-stdin"),
        (words(&[&["operator", "list"]]), "", 2, "--merchant"),
    ]
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let server = server();
    let launch = server.launch();
    create_merchant(&server, "other", &[]);
    create(launch, &OWN, "operator", "jon@example.com").ok();
    let before = (list(launch, &OWN), list(launch, &DEPLOYMENT));
    let (good, long) = (format!("{PASSWORD}\n"), format!("{}@example.com", "x".repeat(250)));
    let refused = refused_creations(&good, &long).into_iter().chain(refused_changes());
    for (words, stdin, code, hint) in refused {
        let outcome = told(launch, &words, stdin);
        assert_eq!(outcome.status.code(), Some(code), "{words:?}: {outcome:?}");
        assert!(outcome.refused().contains(hint), "{words:?}: {outcome:?}");
        let is_repeated = words.contains(&PASSWORD);
        assert!(is_repeated || !format!("{outcome:?}").contains(PASSWORD), "{outcome:?}");
    }
    assert_eq!((list(launch, &OWN), list(launch, &DEPLOYMENT)), before);
}

/// A terminal, and a program that sits at it.
struct Terminal {
    master: File,
    shown: String,
}

impl Terminal {
    /// Opens one, and whatever is to be its end.
    fn open() -> (Self, OwnedFd) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = PathBuf::from(name.into_string().unwrap());
        let end = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        (Self { master: File::from(master), shown: String::new() }, end)
    }

    /// Reads until this is shown. At its end the program has gone.
    fn wait_for(&mut self, text: &str) {
        let mut buffer = [0; 256];
        while !self.shown.contains(text) {
            let count = self.master.read(&mut buffer).unwrap_or(0);
            assert!(count > 0, "no {text:?} in {:?}", self.shown);
            self.shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    fn type_line(&mut self, line: &str) {
        self.master.write_all(line.as_bytes()).unwrap();
        self.master.write_all(b"\n").unwrap();
    }
}

/// Runs a command at a terminal, with a line for each question. How it ended, what it printed, and what the terminal
/// showed.
fn at_terminal(launch: &Launch, words: &[&str], answers: &[(&str, &str)]) -> (i32, String, String) {
    let (mut terminal, end) = Terminal::open();
    let mut command = command(launch, words);
    command.stdin(Stdio::from(end.try_clone().unwrap())).stderr(Stdio::from(end));
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    // The command holds the only ends that are left.
    drop(command);
    for (question, answer) in answers {
        terminal.wait_for(question);
        terminal.type_line(answer);
    }
    let mut printed = String::new();
    process.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    let status = process.wait().unwrap();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = terminal.master.read(&mut buffer) {
        terminal.shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    (status.code().unwrap(), printed, terminal.shown)
}

#[test]
fn a_password_is_asked_for_at_the_terminal_and_not_shown() {
    let server = server();
    let launch = server.launch();
    let create =
        ["operator", "create", "--role", "owner", "--email", "jon@example.com", "--name", "Jon"];
    let create = [&create[..], &OWN].concat();
    let asked = |first: &str, second: &str| {
        at_terminal(launch, &create, &[("Password: ", first), ("The same again: ", second)])
    };
    let (code, printed, shown) = asked(PASSWORD, "another horse battery");
    assert_eq!((code, &*printed), (2, ""), "{shown}");
    assert!(shown.contains("are not the same"), "{shown}");
    let (code, printed, shown) = asked(PASSWORD, PASSWORD);
    assert_eq!((code, &*printed), (0, "Operator 1 is created\n"), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
    let short = [("Password: ", "elevenchars")];
    let (code, _, shown) = at_terminal(launch, &create, &short);
    assert!(code == 2 && shown.contains("12 to 256 characters"), "{shown}");
    let set = [&["operator", "set", "1", "--ask-password"], &OWN[..]].concat();
    let again = "another horse battery";
    let (code, _, shown) =
        at_terminal(launch, &set, &[("Password: ", again), ("The same again: ", again)]);
    assert_eq!(code, 0, "{shown}");
}

#[test]
fn whoever_erases_at_a_terminal_is_asked_whether_that_is_meant() {
    let server: Server = launch().with("--job-lease-ms").with("300").start();
    crate::stage::create(&server, crate::stage::MOST);
    let words = ["erase", "testaccount", "1"];
    for no in ["", "y", "no", "YES"] {
        let (code, printed, shown) =
            at_terminal(server.launch(), &words, &[("Type yes to go on: ", no)]);
        assert_eq!((code, &*printed), (1, ""), "{no}: {shown}");
        assert!(shown.contains("nobody was erased"), "{shown}");
    }
    assert_eq!(crate::stage::get(&server, "/customers/jon@example.com").status, 200);
    let (code, printed, shown) =
        at_terminal(server.launch(), &words, &[("Type yes to go on: ", "yes")]);
    assert_eq!(code, 0, "{shown}");
    assert!(printed.starts_with("Customer 1 of merchant testaccount is erased"), "{printed}");
    assert_eq!(crate::stage::get(&server, "/customers/jon@example.com").status, 404);
}
