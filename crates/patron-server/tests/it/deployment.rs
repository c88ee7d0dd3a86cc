//! What is handed out for those who run containers says nothing that the program does not know.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::stage::launch;

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)).unwrap()
}

/// The program's variables that a file gives values, in YAML (`NAME: value`) or in a Dockerfile (`NAME=value`).
fn variables(file: &str) -> BTreeSet<String> {
    let text = text(file);
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_:=".contains(c)));
    let given = words.filter_map(|word| word.split_once([':', '=']).map(|(name, _)| name));
    // The proxy's own are its servers, by number.
    let is_ours =
        |name: &&str| name.starts_with("PATRON_") && !name.ends_with(|c: char| c.is_ascii_digit());
    given.filter(is_ours).map(str::to_owned).collect()
}

#[test]
fn every_variable_that_a_container_gets_is_a_setting() {
    let program = launch();
    let help =
        String::from_utf8(program.command().args(["serve", "--help"]).output().unwrap().stdout)
            .unwrap();
    let mut seen = 0;
    for file in ["compose.yaml", "Dockerfile"] {
        for name in variables(file) {
            seen += 1;
            // Each setting's flag is named as its variable; the root key has none.
            let flag = name.replace("PATRON_", "--").replace('_', "-").to_lowercase();
            let is_flag = help.split([' ', '\n']).any(|word| word == flag);
            let is_known = is_flag || name == "PATRON_ROOT_KEY";
            assert!(is_known, "{file} gives {name}, which is no setting");
        }
    }
    assert!(seen >= 8, "only {seen} variables were looked at");
}

/// What a replica copies from its primary must not outlive it.
#[test]
fn a_promoted_replica_waits_for_nobody() {
    assert!(text("deploy/allow-replication.sh").contains("synchronous_standby_names = 'replica'"));
    assert!(text("deploy/replicate.sh").contains("echo \"synchronous_standby_names = ''\" >>"));
}

#[test]
fn every_file_that_a_container_gets_is_there() {
    let compose = text("compose.yaml");
    let mounted = compose
        .split('"')
        .flat_map(|part| part.split_whitespace())
        .filter(|word| word.starts_with("./deploy/"));
    let mut seen = 0;
    for word in mounted {
        let file = word.split(':').next().unwrap();
        assert!(!text(file).is_empty(), "{file}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}
