//! The harness itself, run small: every figure is there and can be true. How fast is not judged here.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code, functions outside of #[test] included"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patron_testkit::postgres::Setup;
use patron_testkit::server::Outcome;
use serde_json::Value;

const HARNESS: &str = env!("CARGO_BIN_EXE_patron-bench");

/// The program, which lies beside the harness once the workspace is built.
fn program() -> PathBuf {
    let program = Path::new(HARNESS).with_file_name("patron");
    assert!(
        program.exists(),
        "{} is not built: test the whole workspace, or run `cargo build -p patron-server` first",
        program.display()
    );
    program
}

/// Runs the harness with its data below `directory`; what it says to people, and all figures.
fn measure(directory: &Path, arguments: &[&str]) -> (Outcome, Value) {
    let json = directory.join("figures.json");
    let mut command = Command::new(HARNESS);
    command.args(["--customers", "500", "--rounds", "1", "--seconds", "0.3"]);
    command.arg("--program").arg(program());
    command.arg("--data").arg(directory.join("data")).arg("--json").arg(&json);
    let outcome = Outcome::of(command.args(arguments));
    outcome.ok();
    let figures = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    (outcome, figures)
}

fn number(value: &Value) -> f64 {
    match value.as_f64() {
        Some(number) => number,
        None => panic!("not a number: {value}"),
    }
}

#[track_caller]
fn names(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

fn find<'a>(rows: &'a Value, name: &str) -> &'a Value {
    rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()
}

fn full_speed_is_plausible(rows: &Value) {
    assert_eq!(
        names(rows),
        ["ceiling", "read_hot", "read_random", "create", "bare", "bare_64", "bare_1"]
    );
    for row in rows.as_array().unwrap() {
        let laps = row["laps"].as_array().unwrap();
        assert_eq!(laps.len(), 1, "{row}");
        let rate = number(&laps[0]["rate"]);
        assert!(rate > 1.0 && rate < 1e7, "{row}");
        for of in ["median", "min", "max"] {
            assert_eq!(number(&row["rate"][of]), rate, "{row}");
        }
        for who in ["server_busy", "load_busy"] {
            // Ticks of the clock that counts it are long against so short a run.
            assert!((0.0..1.5).contains(&number(&row[who])), "{row}");
        }
        let each_us = number(&row["server_busy"]) / rate * 1e6;
        assert!((number(&row["server_us"]) - each_us).abs() < 1e-6, "{row}");
    }
    for (name, ceiling) in [("read_hot", "ceiling"), ("read_random", "ceiling"), ("create", "bare")]
    {
        let row = find(rows, name);
        let against = &row["against"];
        assert_eq!(against["ceiling"], ceiling);
        let of = number(&find(rows, ceiling)["rate"]["median"]);
        let ratio = number(&row["rate"]["median"]) / of;
        for found in [&against["ratio"], &against["ratios"][0]] {
            assert!((number(found) - ratio).abs() < 1e-6, "{row}");
        }
        assert!((0.0..=1.0).contains(&number(&against["target"])), "{row}");
    }
}

fn half_load_is_plausible(rows: &Value, full_speed: &Value) {
    assert_eq!(names(rows), ["read_hot", "read_random", "create"]);
    for row in rows.as_array().unwrap() {
        let full = find(full_speed, row["name"].as_str().unwrap());
        assert!(
            (number(&row["rate"]) * 2.0 - number(&full["rate"]["median"])).abs() < 1e-6,
            "{row}"
        );
        let lap = &row["laps"][0];
        let times = ["p50_ms", "p99_ms", "p999_ms", "max_ms"].map(|time| number(&lap[time]));
        assert!(times[0] > 0.0 && times.is_sorted(), "{row}");
        assert_eq!((&row["p50_ms"], &row["p99_ms"]), (&lap["p50_ms"], &lap["p99_ms"]));
        // However slow the machine is, everything that was due is asked and answered.
        let due = number(&row["rate"]) * 0.3;
        assert!(number(&lap["answers"]) >= due - 2.0, "{due} were due: {row}");
    }
}

#[test]
fn every_figure_is_there_and_can_be_true() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (outcome, figures) = measure(directory.path(), &[]);
    assert_eq!(figures["setting"]["customers"], 500);
    assert!(figures["setting"]["is_on_disk"].is_boolean());
    full_speed_is_plausible(&figures["full_speed"]);
    half_load_is_plausible(&figures["half_load"], &figures["full_speed"]);
    assert_eq!(names(&figures["starts"]), ["start_empty", "start_existing"]);
    for row in figures["starts"].as_array().unwrap() {
        assert_eq!(row["times_ms"].as_array().unwrap().len(), 5, "{row}");
        assert!(number(&row["median_ms"]) > 0.1, "{row}");
    }
    assert_eq!(names(&figures["memory"]), ["memory_idle", "memory_reads", "memory_creates"]);
    for row in figures["memory"].as_array().unwrap().iter().chain([&figures["binary"]]) {
        assert!(number(&row["mb"]) > 1.0, "{row}");
    }
    for words in ["at full speed", "durable create", "at half load", "to its first answer", "MB"] {
        assert!(outcome.ok().contains(words), "{words}: {outcome:?}");
    }
    // What was seeded is kept, and nothing else.
    let data = directory.path().join("data");
    let mut kept: Vec<_> =
        fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    kept.sort();
    assert_eq!(kept, ["customers", "customers.count"]);
}

#[test]
fn postgresql_is_measured_beside_pgbench_and_left_as_it_was() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let cluster = Setup::new().start();
    cluster.psql("alter role patron createdb");
    for run in 0..2 {
        let (outcome, figures) = measure(directory.path(), &["--database-url", &cluster.url()]);
        assert_eq!(figures["setting"]["database"]["fsync"], "off");
        let rows = &figures["full_speed"];
        for (name, ceiling) in [
            ("read_hot", "pgbench_read_hot"),
            ("read_random", "pgbench_read"),
            ("create", "pgbench_create"),
            ("read_lone", "pgbench_read_lone"),
            ("create_lone", "pgbench_create_lone"),
        ] {
            let against = &find(rows, name)["against"];
            assert_eq!(against["ceiling"], ceiling);
            let ratio = number(&find(rows, name)["rate"]["median"])
                / number(&find(rows, ceiling)["rate"]["median"]);
            assert!((number(&against["ratio"]) - ratio).abs() < 1e-6, "{against}");
        }
        for name in ["pgbench_read_16", "pgbench_create_16", "pgbench_create_pipelined"] {
            assert!(number(&find(rows, name)["rate"]["median"]) > 1.0, "{name}");
        }
        let was_there = outcome.stderr.contains("500 customers are there from an earlier run");
        assert_eq!(was_there, run == 1, "{outcome:?}");
        for words in ["fsync off, synchronous_commit on", "start on an empty database"] {
            assert!(outcome.ok().contains(words), "{words}: {outcome:?}");
        }
    }
    // One merchant's customers are kept, and no other database.
    assert_eq!(cluster.psql("select count(*), count(distinct merchant) from customer"), "500|1");
    assert_eq!(cluster.psql("select count(*) from pg_database where datname like 'patron_%'"), "0");
}

#[test]
fn what_is_in_the_way_is_said_in_words() {
    let refused = |arguments: &[&str]| {
        Outcome::of(Command::new(HARNESS).args(arguments)).refused().to_owned()
    };
    let said = refused(&["--program", "/nowhere/patron"]);
    assert!(said.contains("/nowhere/patron is not there"), "{said}");
    let said = refused(&["--server-core", "999"]);
    assert!(said.contains("choose with --server-core and --load-core"), "{said}");
    let said = Outcome::of(Command::new(HARNESS).env("PATH", "")).refused().to_owned();
    assert!(said.contains("install the package util-linux"), "{said}");
    let program = program();
    let program = program.to_str().unwrap();
    let said = refused(&["--program", program, "--postgres", "--pgbench", "/nowhere/pgbench"]);
    assert!(said.contains("install the package postgresql, or name it with --pgbench"), "{said}");
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::create_dir(directory.path().join("customers")).unwrap();
    let data = directory.path().to_str().unwrap();
    let said = refused(&["--program", program, "--data", data]);
    assert!(said.contains("delete it and begin again"), "{said}");
}
