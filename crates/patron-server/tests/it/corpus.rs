//! What the fuzzer starts from, and what it has found: every input, through the same checks, on any toolchain.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use crate::fuzzed::TARGETS;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The files of a directory, and none where there is no such directory.
fn inputs(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn what_the_fuzzer_starts_from_holds() {
    for (target, check) in TARGETS {
        let seeds = inputs(&fuzz().join("corpus").join(target));
        assert!(seeds.len() >= 5, "{target} has hardly any seeds");
        for seed in seeds.into_iter().chain(inputs(&fuzz().join("regressions").join(target))) {
            let bytes = fs::read(&seed).unwrap();
            let outcome = catch_unwind(|| check(&bytes));
            assert!(outcome.is_ok(), "{}", seed.display());
        }
    }
}

#[test]
fn every_target_is_run() {
    let script = fs::read_to_string(fuzz().join("../test")).unwrap();
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for (target, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not built");
        let in_table = script.lines().any(|line| line.starts_with(&format!("{target} ")));
        assert!(in_table, "./test --long does not run {target}");
    }
}
