//! Files beside the database that do not fit it, and what others left in the data directory.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use patron_testkit::server::{Launch, Server};

use super::ledger::{self, Ledger};
use super::{refusal, sentence};
use crate::stage::launch;

/// A key that nobody should use.
const OTHER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// An installation with a customer, ended.
fn ended() -> (Launch, Ledger) {
    let mut server = launch().start();
    let mut ledger = Ledger::default();
    ledger.write(&server, "r0", "first").unwrap();
    assert!(server.terminate().success());
    (server.launch().clone(), ledger)
}

#[test]
fn a_root_key_that_does_not_fit_opens_nothing_and_changes_nothing() {
    let (launch, ledger) = ended();
    let file = launch.data().join("root.key");
    let own = fs::read_to_string(&file).unwrap();
    let flipped = own.replacen(|digit: char| digit != '0', "0", 1);
    for wrong in [OTHER_KEY, &flipped] {
        fs::write(&file, wrong).unwrap();
        refusal(&launch, &["the root key does not fit the data"]);
        let command = launch.manage(&["merchant", "create", "acme"]);
        assert!(sentence(&launch, &command).contains("does not fit"));
        assert!(launch.manage(&["doctor"]).stdout.contains("does not fit"));
        assert_eq!(fs::read_to_string(&file).unwrap(), wrong, "it is left as it was");
    }
    let by_variable = launch.clone().with_variable("PATRON_ROOT_KEY", OTHER_KEY);
    refusal(&by_variable, &["the root key does not fit the data"]);
    fs::write(&file, &own).unwrap();
    let by_variable = launch.with_variable("PATRON_ROOT_KEY", own.trim()).start();
    ledger.check(&by_variable, ledger::Disk::Whole);
}

#[test]
fn a_root_key_file_that_holds_none_is_named_and_left_alone() {
    let (launch, ledger) = ended();
    let file = launch.data().join("root.key");
    let own = fs::read(&file).unwrap();
    let half = own[..own.len() / 2].to_vec();
    let twice = own.repeat(2);
    let zeros = vec![0; own.len()];
    let not_text = vec![0xff; own.len()];
    for garbage in [Vec::new(), half, twice, zeros, not_text, b"\n\n".to_vec()] {
        fs::write(&file, &garbage).unwrap();
        refusal(&launch, &["root.key"]);
        let command = launch.manage(&["merchant", "list"]);
        assert!(sentence(&launch, &command).contains("root.key"));
        assert_eq!(fs::read(&file).unwrap(), garbage, "it is left as it was");
    }
    fs::write(&file, own).unwrap();
    ledger.check(&launch.start(), ledger::Disk::Whole);
}

#[test]
fn a_root_key_that_others_can_read_is_refused_in_production() {
    let launch = launch().without_key().with("--mode").with("production");
    let file = launch.directory().join("root.key");
    fs::write(&file, OTHER_KEY).unwrap();
    let launch = launch.with("--root-key-file").with(file.to_str().unwrap());
    for (mode, is_refused) in [(0o604, true), (0o644, true), (0o602, true), (0o640, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        match launch.try_start() {
            Ok(_) => assert!(!is_refused, "{mode:o}"),
            Err(outcome) => {
                assert!(is_refused, "{mode:o}: {outcome:?}");
                assert!(outcome.refused().contains("chmod 600"), "{mode:o}: {outcome:?}");
                assert!(outcome.refused().contains(file.to_str().unwrap()), "{outcome:?}");
            }
        }
    }
}

#[test]
fn data_that_another_process_has_are_refused_to_servers_and_commands() {
    let (launch, ledger) = ended();
    let lock = File::options().write(true).open(launch.data().join("patron.lock")).unwrap();
    lock.lock().unwrap();
    refusal(&launch, &["in use by another process"]);
    let command = launch.manage(&["merchant", "list"]);
    assert!(sentence(&launch, &command).contains("in use by another process"));
    drop(lock);
    ledger.check(&launch.start(), ledger::Disk::Whole);
}

fn serves_and_takes_commands(server: &Server, ledger: &Ledger) {
    ledger.check(server, ledger::Disk::Whole);
    server.manage(&["merchant", "list"]).ok();
}

#[test]
fn what_was_left_in_the_place_of_the_socket_is_in_nobodys_way() {
    let (launch, ledger) = ended();
    let (socket, cradle) = (launch.data().join("control.sock"), launch.data().join("control.new"));
    // A file, a socket that nobody listens at any more, and what a start that was killed left.
    fs::write(&socket, "x").unwrap();
    launch.manage(&["merchant", "list"]).ok();
    serves_and_takes_commands(&launch.start(), &ledger);
    let _ = fs::remove_file(&socket);
    drop(UnixListener::bind(&socket).unwrap());
    launch.manage(&["merchant", "list"]).ok();
    fs::create_dir(&cradle).unwrap();
    drop(UnixListener::bind(cradle.join("control.sock")).unwrap());
    serves_and_takes_commands(&launch.start(), &ledger);
    // The lock is not the file but its lock, so that one that is left over locks nothing.
    assert!(launch.data().join("patron.lock").exists());
    let _ = fs::remove_file(&socket);
    fs::create_dir(&socket).unwrap();
    refusal(&launch, &["control socket"]);
    fs::remove_dir(&socket).unwrap();
    serves_and_takes_commands(&launch.start(), &ledger);
}

#[test]
fn a_server_that_was_killed_leaves_nothing_in_the_way() {
    let mut ledger = Ledger::default();
    let mut server = launch().start();
    for number in 0..5 {
        ledger.write(&server, "r0", &format!("n{number}")).unwrap();
        server.kill();
        assert!(server.launch().data().join("control.sock").exists());
        server = server.launch().start();
        serves_and_takes_commands(&server, &ledger);
    }
}
