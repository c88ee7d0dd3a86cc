//! The golden files of the wires: each holds, and no row of a vendor's page is without one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use patron_testkit::golden;

use crate::stage::PROGRAM;

/// The goldens of one wire: its crate, and how many rows each page has that Patron answers (samples, rows of
/// error tables, rules).
struct Goldens {
    of: &'static str,
    rows: &'static [(&'static str, usize)],
}

const JUSPAY: Goldens = Goldens {
    of: "patron-wire-juspay",
    rows: &[
        ("juspay-create-customer-india", 10),
        ("juspay-update-customer-india", 8),
        ("juspay-update-customer-global", 17),
        ("juspay-customer-overview-v3.2", 12),
        ("contract-errors", 14),
        ("contract-clients", 7),
    ],
};

const CYREXA: Goldens = Goldens {
    of: "patron-wire-cyrexa",
    rows: &[
        ("cyrexa-ipg-update-customer", 61),
        ("contract-routes", 9),
        ("contract-body", 7),
        ("contract-authentication", 4),
        ("contract-errors", 17),
    ],
};

const ALL: [Goldens; 2] = [JUSPAY, CYREXA];

impl Goldens {
    fn directory(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(self.of).join("tests/golden")
    }

    fn listed(&self) -> Vec<(String, String)> {
        let readme = std::fs::read_to_string(self.directory().join("README.md")).unwrap();
        golden::listed_rows(&readme)
    }

    fn hold(&self) {
        let files = golden::files_in(&self.directory());
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
}

#[test]
fn every_golden_of_juspay_holds() {
    JUSPAY.hold();
}

#[test]
fn every_golden_of_cyrexa_holds() {
    CYREXA.hold();
}

#[test]
fn every_row_has_a_golden_and_every_golden_a_row() {
    for goldens in &ALL {
        let rows: BTreeSet<_> = goldens.listed().into_iter().collect();
        let mut found = BTreeSet::new();
        for file in golden::files_in(&goldens.directory()) {
            let origin =
                golden::origin(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with(&format!("{}__", origin.0)), "{name} says page {}", origin.0);
            found.insert(origin);
        }
        let without: Vec<_> = rows.difference(&found).collect();
        assert!(without.is_empty(), "rows without a golden: {without:#?}");
        let unlisted: Vec<_> = found.difference(&rows).collect();
        assert!(unlisted.is_empty(), "goldens of rows that are not listed: {unlisted:#?}");
    }
}

#[test]
fn no_page_has_lost_a_row() {
    for goldens in &ALL {
        let listed = goldens.listed();
        for (page, least) in goldens.rows {
            let count = listed.iter().filter(|(of, _)| of == page).count();
            assert_eq!(count, *least, "rows of {page}");
        }
        let all: usize = goldens.rows.iter().map(|(_, count)| count).sum();
        assert_eq!(listed.len(), all, "rows of a page of {} that nobody counts", goldens.of);
    }
}

#[test]
fn every_vendors_wire_has_goldens() {
    // Our own interface follows no vendor's page.
    let wires = crate::endpoints::wires().map(|(of, _)| of);
    let vendors: BTreeSet<&str> =
        wires.into_iter().filter(|of| *of != "patron-wire-admin").collect();
    assert_eq!(ALL.iter().map(|goldens| goldens.of).collect::<BTreeSet<_>>(), vendors);
}
