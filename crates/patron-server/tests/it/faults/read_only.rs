//! Data that cannot be written, or not even be reached: refused by its path, and left as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use patron_testkit::server::Launch;

use super::ledger::{self, Ledger};
use super::mounted::{mounted, template};
use super::{refusal, sentence};
use crate::stage::launch;

const CANNOT_BE_WRITTEN: [&str; 2] =
    ["cannot be written to", "give the user that runs Patron the right to"];

/// An installation with a customer, ended.
fn ended(launch: &Launch) -> Ledger {
    let mut ledger = Ledger::default();
    let mut server = launch.start();
    ledger.write(&server, "r0", "first").unwrap();
    assert!(server.terminate().success());
    ledger
}

#[test]
fn a_read_only_file_system_is_refused() {
    let launch = launch();
    ended(&launch.clone().with_data(template(&launch)));
    for before in ["true", "cp -a \"$template/.\" \"$data\""] {
        let before = format!("{before}; mount -o remount,bind,ro \"$data\"");
        let read_only = mounted(&launch, 4, &before);
        refusal(&read_only, &CANNOT_BE_WRITTEN);
        let said = sentence(&read_only, &read_only.manage(&["merchant", "create", "acme"]));
        assert!(CANNOT_BE_WRITTEN.iter().all(|words| said.contains(words)), "{said}");
    }
}

/// Root's rights over files end where its identity is not known: in a user namespace without a map,
/// a file's mode binds its owner, even root.
const BOUND_BY_MODES: [&str; 2] = ["unshare", "--user"];

#[test]
fn what_may_not_be_reached_is_named_and_left_alone() {
    let launch = launch();
    let ledger = ended(&launch);
    let bound = launch.clone().wrapped_in(&BOUND_BY_MODES);
    let data = launch.data();
    for (file, mode) in [
        ("", 0o000),
        ("patron.lock", 0o000),
        ("patron.lock", 0o400),
        ("patron.db", 0o000),
        ("patron.db", 0o400),
        ("root.key", 0o000),
    ] {
        let path = data.join(file);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let name = path.display().to_string();
        refusal(&bound, &[name.trim_end_matches('/')]);
        fs::set_permissions(&path, before).unwrap();
    }
    // Nobody writes to the root key, so it need not be writable.
    fs::set_permissions(data.join("root.key"), fs::Permissions::from_mode(0o400)).unwrap();
    let server = bound.start();
    ledger.check(&server, ledger::Disk::Whole);
}

#[test]
fn a_new_directory_that_cannot_be_made_is_named() {
    let launch = launch();
    let parent = launch.directory().join("parent");
    fs::create_dir(&parent).unwrap();
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o500)).unwrap();
    let bound = launch.wrapped_in(&BOUND_BY_MODES).with_data(parent.join("data"));
    refusal(&bound, &CANNOT_BE_WRITTEN);
    let file = bound.directory().join("a file");
    fs::write(&file, "x").unwrap();
    refusal(&bound.with_data(file.join("data")), &["cannot be opened", "check the path"]);
}

#[test]
fn what_is_of_another_kind_is_named_and_left_alone() {
    for file in ["patron.db", "patron.lock", "root.key"] {
        let launch = launch();
        ended(&launch);
        let path = launch.data().join(file);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        refusal(&launch, &[file]);
        assert!(path.is_dir());
    }
}
