//! The golden files of the Juspay wire: each holds, and no row of a vendor's page is without one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use patron_testkit::golden;

use crate::stage::PROGRAM;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../patron-wire-juspay/tests/golden")
}

#[test]
fn every_golden_holds() {
    let files = golden::files_in(&directory());
    let mut broken = Vec::new();
    for file in &files {
        if let Err(difference) = golden::run(file, PROGRAM) {
            let name = file.file_name().unwrap().display();
            broken.push(format!("{name}:\n{difference}"));
        }
    }
    let (count, all) = (broken.len(), files.len());
    assert!(broken.is_empty(), "{count} of {all} goldens differ\n\n{}", broken.join("\n"));
}

#[test]
fn every_row_has_a_golden_and_every_golden_a_row() {
    let readme = std::fs::read_to_string(directory().join("README.md")).unwrap();
    let rows: BTreeSet<_> = golden::listed_rows(&readme).into_iter().collect();
    let files = golden::files_in(&directory());
    let mut found = BTreeSet::new();
    for file in &files {
        let origin =
            golden::origin(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("{}__", origin.0)), "{name} says page {}", origin.0);
        found.insert(origin);
    }
    let without: Vec<_> = rows.difference(&found).collect();
    assert!(without.is_empty(), "rows without a golden: {without:#?}");
    let unlisted: Vec<_> = found.difference(&rows).collect();
    assert!(unlisted.is_empty(), "goldens of rows that are not listed: {unlisted:#?}");
}

/// How many rows each page has that Patron answers: samples, rows of error tables, rules.
const ROWS: [(&str, usize); 6] = [
    ("juspay-create-customer-india", 10),
    ("juspay-update-customer-india", 8),
    ("juspay-update-customer-global", 17),
    ("juspay-customer-overview-v3.2", 12),
    ("contract-errors", 14),
    ("contract-clients", 7),
];

#[test]
fn no_page_has_lost_a_row() {
    let readme = std::fs::read_to_string(directory().join("README.md")).unwrap();
    let rows = golden::listed_rows(&readme);
    for (page, least) in ROWS {
        let count = rows.iter().filter(|(listed, _)| listed == page).count();
        assert_eq!(count, least, "rows of {page}");
    }
    let all: usize = ROWS.iter().map(|(_, count)| count).sum();
    assert_eq!(rows.len(), all, "rows of a page that nobody counts");
}
