//! Rules about the sources themselves: arrows between crates, words, sizes, first lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patron_testkit::server::Outcome;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Who may depend on whom among our own crates. `patron-testkit` may be used by every crate's tests.
const ARROWS: [(&str, &[&str]); 11] = [
    ("patron", &[]),
    ("patron-docs", &["patron-wire"]),
    ("patron-wire", &["patron"]),
    ("patron-wire-admin", &["patron", "patron-wire"]),
    ("patron-wire-cyrexa", &["patron", "patron-wire"]),
    ("patron-wire-juspay", &["patron", "patron-wire"]),
    ("patron-store-sqlite", &["patron"]),
    ("patron-store-postgres", &["patron"]),
    ("patron-testkit", &["patron"]),
    (
        "patron-server",
        &[
            "patron",
            "patron-docs",
            "patron-wire",
            "patron-wire-admin",
            "patron-wire-cyrexa",
            "patron-wire-juspay",
            "patron-store-sqlite",
            "patron-store-postgres",
        ],
    ),
    // It starts the program and sees it from outside only; of the store it knows the SQL that it runs itself.
    ("patron-bench", &["patron-store-postgres", "patron-testkit"]),
];

/// What no crate but these may use: each opens a door that the others must not go through.
const DOORS: [(&str, &[&str]); 5] = [
    ("rusqlite", &["patron-store-sqlite", "patron-bench"]),
    ("tokio-postgres", &["patron-store-postgres"]),
    ("hyper", &["patron-wire", "patron-server", "patron-bench"]),
    (
        "tokio",
        &[
            "patron-wire",
            "patron-store-sqlite",
            "patron-store-postgres",
            "patron-server",
            "patron-bench",
        ],
    ),
    ("clap", &["patron-server", "patron-bench"]),
];

#[test]
fn arrows_between_crates() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--offline"]).current_dir(root());
    let metadata = Outcome::of(&mut cargo).json();
    let allowed: BTreeMap<_, _> = ARROWS.into_iter().collect();
    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(packages.len(), ARROWS.len(), "a crate without arrows, or arrows without a crate");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let arrows = allowed.get(name).unwrap_or_else(|| panic!("no arrows are given for {name}"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            let is_for_tests = dependency["kind"] == "dev";
            if allowed.contains_key(on) && !(is_for_tests && on == "patron-testkit") {
                assert!(arrows.contains(&on), "{name} must not depend on {on}");
            }
            let door = DOORS.iter().find(|(door, _)| *door == on);
            if let Some((door, users)) = door.filter(|_| !is_for_tests) {
                assert!(users.contains(&name), "{name} must not depend on {door}");
            }
        }
    }
}

fn sources_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// All Rust files of a crate, with their text.
fn sources(of: &str) -> Vec<(String, String)> {
    sources_in(&format!("crates/{of}"))
}

/// All Rust files of all crates, and of the fuzzer, which is a workspace of its own.
fn all_sources() -> Vec<(String, String)> {
    ["crates", "fuzz/src", "fuzz/fuzz_targets"].into_iter().flat_map(sources_in).collect()
}

fn sources_in(directory: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources_below(&root().join(directory), &mut found);
    found.sort();
    assert!(!found.is_empty(), "there are no sources below {directory}");
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn fails(problems: &[String], rule: &str) {
    assert!(problems.is_empty(), "{rule}:\n{}", problems.join("\n"));
}

#[test]
fn the_first_line_of_each_file_says_what_lives_there() {
    let problems: Vec<_> = all_sources()
        .into_iter()
        .filter(|(_, text)| {
            let first = text.lines().next().unwrap_or_default();
            first.strip_prefix("//! ").is_none_or(|sentence| sentence.trim().len() <= 10)
        })
        .map(|(name, _)| name)
        .collect();
    fails(&problems, "a file starts with a `//!` sentence");
}

const LINES_MAX: usize = 500;

#[test]
fn no_file_is_longer_than_one_can_hold_in_mind() {
    let problems: Vec<_> = all_sources()
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    fails(&problems, "a file has at most 500 lines");
}

/// Words of one vendor: companies, headers, fields that a client sees. By the crate in which they live.
const VENDOR_WORDS: [(&str, &[&str]); 2] = [
    (
        "patron-wire-juspay",
        &[
            "juspay",
            "object_reference_id",
            "objectreferenceid",
            "client_auth_token",
            "clientauthtoken",
            "x-merchantid",
            "x-jp-",
            "mobile_country_code\"",
            "email_address",
            "error_info",
            "developer_message",
        ],
    ),
    (
        "patron-wire-cyrexa",
        &[
            "cyrexa",
            "/ipg/",
            "json-patch",
            "memberid",
            "member_id",
            "ownername",
            "zipcode",
            "verificationstatus",
            "taxinformation",
            "missingfields",
            "\"val00",
            "\"cust00",
        ],
    ),
];

#[test]
fn a_vendors_words_live_in_that_vendors_crate() {
    let mut problems = Vec::new();
    for of in [
        "patron",
        "patron-docs",
        "patron-wire",
        "patron-wire-admin",
        "patron-wire-cyrexa",
        "patron-wire-juspay",
        "patron-store-sqlite",
        "patron-store-postgres",
        "patron-server/src",
    ] {
        let words: Vec<&str> = VENDOR_WORDS
            .iter()
            .filter(|(home, _)| *home != of)
            .flat_map(|(_, words)| *words)
            .copied()
            .collect();
        for (name, text) in sources(of) {
            // The list of vendors names them.
            if name.ends_with("patron-server/src/wires.rs") {
                continue;
            }
            for (number, line) in (1..).zip(text.lines()) {
                let lower = line.to_lowercase();
                let word = words.iter().find(|word| lower.contains(*word));
                problems.extend(word.map(|word| format!("{name}:{number}: {word}")));
            }
        }
    }
    fails(&problems, "a vendor's words live in that vendor's crate");
}

/// Names that say nothing about what lives there.
const EMPTY_NAMES: [&str; 9] =
    ["utils", "util", "common", "helpers", "helper", "manager", "dto", "misc", "mod"];

#[test]
fn no_file_has_an_empty_name() {
    let problems: Vec<_> = all_sources()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| {
            let stem = Path::new(name).file_stem().unwrap().to_str().unwrap();
            stem.split('_').any(|word| EMPTY_NAMES.contains(&word))
        })
        .collect();
    fails(&problems, "a file is named after what lives in it");
}

#[test]
fn no_test_is_switched_off() {
    // Put together, so that this file does not find itself.
    let marks = [concat!("#[", "ignore"), concat!("#[", "should_panic")];
    let problems: Vec<_> = all_sources()
        .into_iter()
        .filter(|(_, text)| marks.iter().any(|mark| text.contains(mark)))
        .map(|(name, _)| name)
        .collect();
    fails(&problems, "a test runs, and says in words what it expects");
}

/// What the runs with PostgreSQL leave out: each profile's filter, as it stands in the file.
fn left_out() -> Vec<String> {
    let profiles = fs::read_to_string(root().join(".config/nextest.toml")).unwrap();
    let filters = profiles.split("default-filter = \'\'\'").skip(1);
    filters.map(|rest| rest.split("\'\'\'").next().unwrap().to_owned()).collect()
}

#[test]
fn what_is_left_out_with_postgresql_is_there_and_the_same_in_the_long_run() {
    let filters = left_out();
    assert!(matches!(filters.as_slice(), [short, long] if short == long), "{filters:#?}");
    let stories = sources_in("crates/patron-server/tests/it");
    let problems: Vec<_> = filters[0]
        .split("test(=")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap())
        .filter(|name| {
            let (module, name) = name.rsplit_once("::").unwrap();
            let file = format!("tests/it/{}.rs", module.replace("::", "/"));
            let is_it = |(path, text): &(String, String)| {
                path.ends_with(&file) && text.contains(&format!("fn {name}()"))
            };
            !stories.iter().any(is_it)
        })
        .collect();
    assert_eq!(problems, Vec::<&str>::new(), "stories that are not there");
}
